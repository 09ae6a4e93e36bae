//! RTCP as bytes: the reports of a party as far as this server cares, and those of our own.
//!
//! RFC 3550 section 6, by `rtcp-types`. When to report is [`ReportSession`](crate::reporting::ReportSession)'s to say.

use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem,
    SenderReport,
};

use crate::MediaError;

/// Room for one report with one block, a name and a BYE.
const BUILD_LEN: usize = 512;

/// One packet of a compound, as far as this server cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcpItem {
    /// A sender report (RFC 3550 section 6.4.1).
    SenderReport {
        /// Who sends.
        ssrc: u32,
        /// Wall clock of the sender, NTP format.
        ntp_timestamp: u64,
        /// The same instant on the RTP clock.
        rtp_timestamp: u32,
        /// Packets sent so far.
        packets: u32,
        /// Octets of payload sent so far.
        octets: u32,
        /// What the sender hears.
        blocks: Vec<ReceptionBlock>,
    },
    /// A receiver report (RFC 3550 section 6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it hears.
        blocks: Vec<ReceptionBlock>,
    },
    /// A source that leaves (RFC 3550 section 6.6).
    Bye {
        /// The sources that leave.
        ssrcs: Vec<u32>,
    },
    /// How a source is called, whatever its number (RFC 3550 section 6.5.1).
    Name {
        /// The source.
        ssrc: u32,
        /// Its canonical name.
        cname: String,
    },
    /// Several names, APP, feedback, XR or an unknown type.
    Other,
}

/// What one end hears of one source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptionBlock {
    /// The source heard.
    pub ssrc: u32,
    /// Loss since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the start, 24 bits.
    pub cumulative_lost: u32,
    /// Highest sequence number, with its cycles.
    pub extended_sequence: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
    /// Middle of the time of the last sender report that the reporter has of it (LSR); 0 if it has none.
    pub sender_report: u32,
    /// How long ago that came, in 1/65536 s (DLSR).
    pub since_sender_report: u32,
}

impl ReceptionBlock {
    fn read(block: &ReportBlock<'_>) -> Self {
        Self {
            ssrc: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            cumulative_lost: block.cumulative_lost(),
            extended_sequence: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            sender_report: block.last_sender_report_timestamp(),
            since_sender_report: block.delay_since_last_sender_report_timestamp(),
        }
    }

    fn builder(&self) -> rtcp_types::ReportBlockBuilder {
        ReportBlock::builder(self.ssrc)
            .fraction_lost(self.fraction_lost)
            .cumulative_lost(self.cumulative_lost)
            .extended_sequence_number(self.extended_sequence)
            .interarrival_jitter(self.jitter)
            .last_sender_report_timestamp(self.sender_report)
            .delay_since_last_sender_report_timestamp(self.since_sender_report)
    }
}

/// Reads a compound.
///
/// # Errors
/// [`MediaError::Rtcp`] if any of its packets is malformed.
pub fn read(bytes: &[u8]) -> Result<Vec<RtcpItem>, MediaError> {
    let mut items = Vec::new();
    for packet in Compound::parse(bytes)? {
        items.push(match packet? {
            Packet::Sr(report) => RtcpItem::SenderReport {
                ssrc: report.ssrc(),
                ntp_timestamp: report.ntp_timestamp(),
                rtp_timestamp: report.rtp_timestamp(),
                packets: report.packet_count(),
                octets: report.octet_count(),
                blocks: report.report_blocks().map(|block| ReceptionBlock::read(&block)).collect(),
            },
            Packet::Rr(report) => RtcpItem::ReceiverReport {
                ssrc: report.ssrc(),
                blocks: report.report_blocks().map(|block| ReceptionBlock::read(&block)).collect(),
            },
            Packet::Bye(bye) => RtcpItem::Bye { ssrcs: bye.ssrcs().collect() },
            Packet::Sdes(names) => name_of(&names).unwrap_or(RtcpItem::Other),
            _ => RtcpItem::Other,
        });
    }
    Ok(items)
}

fn name_of(names: &Sdes<'_>) -> Option<RtcpItem> {
    let mut chunks = names.chunks();
    let (Some(chunk), None) = (chunks.next(), chunks.next()) else { return None };
    let name = chunk.items().find(|item| item.type_() == SdesItem::CNAME)?;
    Some(RtcpItem::Name { ssrc: chunk.ssrc(), cname: String::from_utf8_lossy(name.value()).into_owned() })
}

/// Builds a compound of items in their order.
///
/// # Errors
/// [`MediaError::RtcpBuild`] if it does not fit, for [`RtcpItem::Other`] too: nothing is known of it.
pub fn build(items: &[RtcpItem]) -> Result<Vec<u8>, MediaError> {
    let mut bytes = vec![0; BUILD_LEN];
    let mut len = 0;
    for item in items {
        len += write(item, bytes.get_mut(len..).unwrap_or_default())?;
    }
    bytes.truncate(len);
    Ok(bytes)
}

fn write(item: &RtcpItem, bytes: &mut [u8]) -> Result<usize, MediaError> {
    let len = match item {
        RtcpItem::SenderReport { ssrc, ntp_timestamp, rtp_timestamp, packets, octets, blocks } => {
            let report = SenderReport::builder(*ssrc)
                .ntp_timestamp(*ntp_timestamp)
                .rtp_timestamp(*rtp_timestamp)
                .packet_count(*packets)
                .octet_count(*octets);
            let report = blocks.iter().fold(report, |report, block| report.add_report_block(block.builder()));
            report.write_into(bytes)?
        }
        RtcpItem::ReceiverReport { ssrc, blocks } => blocks
            .iter()
            .fold(ReceiverReport::builder(*ssrc), |report, block| report.add_report_block(block.builder()))
            .write_into(bytes)?,
        RtcpItem::Bye { ssrcs } => {
            ssrcs.iter().fold(Bye::builder(), |bye, ssrc| bye.add_source(*ssrc)).write_into(bytes)?
        }
        RtcpItem::Name { ssrc, cname } => {
            let chunk = SdesChunk::builder(*ssrc).add_item(SdesItem::builder(SdesItem::CNAME, cname));
            Sdes::builder().add_chunk(chunk).write_into(bytes)?
        }
        RtcpItem::Other => return Err(rtcp_types::RtcpWriteError::OutputTooSmall(0).into()),
    };
    Ok(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reports_and_byes_read_back_as_built() {
        let block = ReceptionBlock {
            ssrc: 5,
            fraction_lost: 9,
            cumulative_lost: 100,
            extended_sequence: 70_000,
            jitter: 12,
            sender_report: 0x5678_9abc,
            since_sender_report: 65_536,
        };
        let items = [
            RtcpItem::SenderReport {
                ssrc: 1,
                ntp_timestamp: 0x1234_5678_9abc_def0,
                rtp_timestamp: 77,
                packets: 3,
                octets: 480,
                blocks: vec![block],
            },
            RtcpItem::ReceiverReport { ssrc: 2, blocks: vec![block, block] },
            RtcpItem::Name { ssrc: 2, cname: "abc".to_owned() },
            RtcpItem::Bye { ssrcs: vec![1, 2] },
        ];
        assert_eq!(read(&build(&items).unwrap()).unwrap(), items);
    }

    #[test]
    fn a_cut_compound_is_refused() {
        let bytes = build(&[RtcpItem::ReceiverReport { ssrc: 2, blocks: vec![] }]).unwrap();
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            kind in 190_u8..220, mut bytes in proptest::collection::vec(any::<u8>(), 2..200)
        ) {
            if let [first, second, ..] = bytes.as_mut_slice() {
                *first = (*first & 0x3f) | 0x80;
                *second = kind;
            }
            let _ = read(&bytes);
        }
    }
}
