//! The typed view of audio streams (RFC 8866 section 6, RFC 3551, RFC 4733, RFC 3264 section 8.4).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::crypto::Crypto;
use super::description::{Media, SessionDescription};

/// The attribute that lets RTCP share the port of RTP (RFC 5761 section 5.1.1).
pub(super) const RTCP_MUX: &str = "rtcp-mux";

/// One audio stream of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Which `m=` line it is, from 0.
    pub index: usize,
    /// Where its media is wanted; `None` without `c=` or with a host name there.
    pub address: Option<IpAddr>,
    /// The port; 0 means rejected or ended.
    pub port: u16,
    /// Its codecs in the sender's order, telephone events excepted.
    pub codecs: Vec<Codec>,
    /// Every telephone-event format, in order.
    pub telephone_events: Vec<Codec>,
    /// The direction as its sender sees it.
    pub direction: Direction,
    /// The packet length that the sender would like to get, in ms.
    pub ptime_ms: Option<u32>,
    /// The longest packet that the sender takes, in ms.
    pub maxptime_ms: Option<u32>,
    /// The port of RTCP: `a=rtcp`, else the next one.
    pub rtcp_port: u16,
    /// The address of RTCP where `a=rtcp` names one (RFC 3605), else that of the media.
    pub rtcp_address: Option<IpAddr>,
    /// Whether RTCP may share the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The keys for SRTP in a suite that is spoken here, in order.
    pub cryptos: Vec<Crypto>,
}

/// One format of an audio stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// The RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The encoding's name as written, such as `PCMA`.
    pub name: String,
    /// The RTP clock, in Hz.
    pub clock_rate: u32,
    /// The number of channels.
    pub channels: u16,
    /// Its format parameters.
    pub fmtp: Option<String>,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    SendReceive,
    /// Only the one who says so.
    SendOnly,
    /// Only the other.
    ReceiveOnly,
    /// Nobody.
    Inactive,
}

/// The transport of a stream (RFC 3551, 4585, 3711, 5124, 5764).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// `RTP/AVP`.
    Avp,
    /// `RTP/AVPF`.
    Avpf,
    /// `RTP/SAVP`.
    Savp,
    /// `RTP/SAVPF`.
    Savpf,
    /// Another, as written.
    Other(String),
}

impl Codec {
    /// Makes G.711 A-law.
    #[must_use]
    pub fn pcma() -> Self {
        Self::narrow(8, "PCMA")
    }

    /// Makes G.711 mu-law.
    #[must_use]
    pub fn pcmu() -> Self {
        Self::narrow(0, "PCMU")
    }

    /// Makes G.722, whose clock is told as 8000 Hz (RFC 3551 section 4.5.2).
    #[must_use]
    pub fn g722() -> Self {
        Self::narrow(9, "G722")
    }

    /// Makes Opus, whose clock and channels are told as 48000 and 2 whatever it carries (RFC 7587 section 7). What it says of
    /// itself is what a receiver says: lost packets are rebuilt from the next one.
    #[must_use]
    pub fn opus() -> Self {
        let fmtp = Some("useinbandfec=1".to_owned());
        Self { payload_type: 111, name: "opus".to_owned(), clock_rate: 48_000, channels: 2, fmtp }
    }

    /// Returns every codec that this server understands, in the order in which it would rather speak: the one that costs
    /// most to transcode last.
    #[must_use]
    pub fn spoken() -> [Self; 4] {
        [Self::pcma(), Self::pcmu(), Self::g722(), Self::opus()]
    }

    /// Makes the telephone events that go with sound of a clock (RFC 4733 section 2.1).
    pub(super) fn telephone_event(payload_type: u8, clock_rate: u32) -> Self {
        let (name, fmtp) = ("telephone-event".to_owned(), Some("0-15".to_owned()));
        Self { payload_type, name, clock_rate, channels: 1, fmtp }
    }

    fn narrow(payload_type: u8, name: &str) -> Self {
        Self { payload_type, name: name.to_owned(), clock_rate: 8000, channels: 1, fmtp: None }
    }

    /// Tells whether two formats encode alike, whatever their payload types.
    #[must_use]
    pub fn encodes_like(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }

    /// Tells whether this is one of [`Codec::spoken`].
    #[must_use]
    pub fn is_spoken(&self) -> bool {
        Self::spoken().iter().any(|spoken| spoken.encodes_like(self))
    }

    /// Tells whether this is comfort noise (RFC 3389), which stands for silence beside any codec of 8000 Hz.
    #[must_use]
    pub fn is_comfort_noise(&self) -> bool {
        self.encodes_like(&Self::narrow(13, "CN"))
    }

    /// Tells whether this is of the clock of one of these.
    pub(super) fn goes_with_any(&self, codecs: &[Self]) -> bool {
        codecs.iter().any(|codec| codec.clock_rate == self.clock_rate)
    }

    fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Reads a format with its rtpmap; without one the static table counts (RFC 3551 section 6).
    fn of(payload_type: u8, rtpmap: Option<&str>, fmtp: Option<&str>) -> Option<Self> {
        let mut codec = match rtpmap {
            Some(rtpmap) => Self::from_rtpmap(payload_type, rtpmap)?,
            None => Self::static_type(payload_type)?,
        };
        codec.fmtp = fmtp.map(str::to_owned);
        Some(codec)
    }

    fn from_rtpmap(payload_type: u8, rtpmap: &str) -> Option<Self> {
        let mut fields = rtpmap.trim().split('/');
        let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
        let clock_rate = fields.next()?.trim().parse().ok().filter(|rate| *rate > 0)?;
        let channels = fields.next().and_then(|channels| channels.trim().parse().ok()).unwrap_or(1);
        Some(Self { payload_type, name, clock_rate, channels, fmtp: None })
    }

    fn static_type(payload_type: u8) -> Option<Self> {
        let (name, clock_rate, channels) = match payload_type {
            0 => ("PCMU", 8000, 1),
            3 => ("GSM", 8000, 1),
            4 => ("G723", 8000, 1),
            5 => ("DVI4", 8000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8000, 1),
            8 => ("PCMA", 8000, 1),
            9 => ("G722", 8000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8000, 1),
            13 => ("CN", 8000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8000, 1),
            _ => return None,
        };
        Some(Self { payload_type, name: name.to_owned(), clock_rate, channels, fmtp: None })
    }
}

impl Direction {
    /// Tells whether the one who says this sends.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendReceive | Self::SendOnly)
    }

    /// Tells whether the one who says this receives.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendReceive | Self::ReceiveOnly)
    }

    /// Makes the direction of one who sends and receives so.
    #[must_use]
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendReceive,
            (true, false) => Self::SendOnly,
            (false, true) => Self::ReceiveOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Answers an offered direction with what we would like (RFC 3264 section 6.1).
    #[must_use]
    pub fn answering(self, offered: Self) -> Self {
        Self::of(self.sends() && offered.receives(), self.receives() && offered.sends())
    }

    /// Returns the attribute's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendReceive => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::SendReceive, Self::SendOnly, Self::ReceiveOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str().eq_ignore_ascii_case(name))
    }
}

impl Protocol {
    fn of(text: &str) -> Self {
        let known = [
            ("RTP/AVP", Self::Avp),
            ("RTP/AVPF", Self::Avpf),
            ("RTP/SAVP", Self::Savp),
            ("RTP/SAVPF", Self::Savpf),
        ];
        known
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map_or_else(|| Self::Other(text.to_owned()), |(_, protocol)| protocol)
    }

    /// Tells whether media goes as plain RTP.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Avp | Self::Avpf)
    }

    /// Tells whether media goes as SRTP.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        matches!(self, Self::Savp | Self::Savpf)
    }
}

impl Audio {
    /// Returns where to send media; `None` when nothing is to be sent to or the address is a name.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        let address = self.address.filter(|address| !address.is_unspecified())?;
        (self.port != 0).then(|| SocketAddr::new(address, self.port))
    }

    /// Returns where to send reports; `None` when none are to be sent or the address is a name.
    #[must_use]
    pub fn remote_rtcp(&self) -> Option<SocketAddr> {
        let address = self.rtcp_address.filter(|address| !address.is_unspecified())?;
        (self.rtcp_port != 0).then(|| SocketAddr::new(address, self.rtcp_port))
    }

    /// Returns the telephone events that go with codecs: those of their clocks, else those at 8000 Hz, which are beside any
    /// codec where nothing else is.
    #[must_use]
    pub fn events_beside(&self, codecs: &[Codec]) -> Vec<Codec> {
        let fitting = |event: &&Codec| event.goes_with_any(codecs);
        let events: Vec<Codec> = self.telephone_events.iter().filter(fitting).cloned().collect();
        let narrow = || self.telephone_events.iter().find(|event| event.clock_rate == 8000).cloned();
        if events.is_empty() { narrow().into_iter().collect() } else { events }
    }

    /// Tells whether its sender holds us: it does not want our media (RFC 3264 section 8.4).
    #[must_use]
    pub fn is_hold(&self) -> bool {
        // RFC 2543 peers hold with the address 0.0.0.0 and no direction.
        !self.direction.receives() || self.address.is_some_and(|address| address.is_unspecified())
    }

    fn of(description: &SessionDescription, index: usize, media: &Media) -> Self {
        let connection = media.connections.first().or(description.connection.as_ref());
        let direction = media.attributes.iter().find_map(|a| Direction::from_name(&a.name));
        let session_direction = || description.attributes.iter().find_map(|a| Direction::from_name(&a.name));
        let (telephone_events, codecs): (Vec<Codec>, Vec<Codec>) =
            codecs_of(media).into_iter().partition(Codec::is_telephone_event);
        Self {
            index,
            address: connection.and_then(super::Connection::ip),
            port: media.port,
            codecs,
            telephone_events,
            direction: direction.or_else(session_direction).unwrap_or(Direction::SendReceive),
            ptime_ms: milliseconds(description, media, "ptime"),
            maxptime_ms: milliseconds(description, media, "maxptime"),
            rtcp_port: rtcp_port(media).unwrap_or(media.port.saturating_add(u16::from(media.port != 0))),
            rtcp_address: rtcp_address(media).or_else(|| connection.and_then(super::Connection::ip)),
            rtcp_mux: media.attribute(RTCP_MUX).is_some(),
            protocol: Protocol::of(&media.protocol),
            cryptos: cryptos_of(media),
        }
    }
}

/// Returns the view of every audio stream, in order.
#[must_use]
pub fn audios_of(description: &SessionDescription) -> Vec<Audio> {
    description
        .media
        .iter()
        .enumerate()
        .filter(|(_, media)| media.kind.eq_ignore_ascii_case("audio"))
        .map(|(index, media)| Audio::of(description, index, media))
        .collect()
}

/// Returns the audio stream to talk over: the first plain one that is not rejected, else the first that is
/// not rejected, else the first.
#[must_use]
pub fn audio_of(description: &SessionDescription) -> Option<Audio> {
    let audios = audios_of(description);
    let rank = |audio: &Audio| (audio.port == 0, !audio.protocol.is_plain());
    // min_by_key keeps the first of equals.
    audios.into_iter().min_by_key(rank)
}

fn codecs_of(media: &Media) -> Vec<Codec> {
    let rtpmaps = by_payload_type(media, "rtpmap");
    let fmtps = by_payload_type(media, "fmtp");
    media
        .formats
        .iter()
        .filter_map(|format| format.parse::<u8>().ok().filter(|payload_type| *payload_type < 128))
        .filter_map(|payload_type| {
            Codec::of(payload_type, rtpmaps.get(&payload_type).copied(), fmtps.get(&payload_type).copied())
        })
        .collect()
}

fn cryptos_of(media: &Media) -> Vec<Crypto> {
    let values = media.attributes.iter().filter(|attribute| attribute.is("crypto"));
    values.filter_map(|attribute| Crypto::parse(attribute.text()?)).collect()
}

/// Maps payload types to what follows them in the attributes of a name; the first counts.
fn by_payload_type<'a>(media: &'a Media, name: &str) -> BTreeMap<u8, &'a str> {
    let mut map = BTreeMap::new();
    for attribute in media.attributes.iter().filter(|attribute| attribute.is(name)) {
        let Some((payload_type, rest)) = attribute.text().and_then(|text| text.trim().split_once(' ')) else {
            continue;
        };
        if let Ok(payload_type) = payload_type.parse() {
            map.entry(payload_type).or_insert(rest.trim());
        }
    }
    map
}

/// Reads a packet length; a fraction is cut off, nothing and 0 are `None`.
fn milliseconds(description: &SessionDescription, media: &Media, name: &str) -> Option<u32> {
    let text = media.attribute(name).or_else(|| description.attribute(name))?.text()?.trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().ok().filter(|ms| *ms > 0)
}

fn rtcp_port(media: &Media) -> Option<u16> {
    media.attribute("rtcp")?.text()?.split_ascii_whitespace().next()?.parse().ok()
}

/// Reads `a=rtcp:53020 IN IP4 126.16.64.4`; a host name is none.
fn rtcp_address(media: &Media) -> Option<IpAddr> {
    media.attribute("rtcp")?.text()?.split_ascii_whitespace().nth(3)?.parse().ok()
}
