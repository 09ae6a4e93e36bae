//! How a NAT maps a pair of ports: STUN binding requests (RFC 8489) from both, and what is believed of the answers.
//!
//! Only the usage that RFC 8489 section 14 calls basic: no credentials, no relaying. A mapping lives on by the RTP that
//! follows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// A message's magic cookie (RFC 8489 section 5).
const COOKIE: u32 = 0x2112_a442;
const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const MAPPED_ADDRESS: u16 = 0x0001;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// Between two requests at first; the wait doubles. RFC 8489 section 6.2.1 recommends 500 ms for the open internet, more
/// than a call may wait here.
const FIRST_WAIT: Duration = Duration::from_millis(60);

/// How long a call waits at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which of a pair of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// That of RTP.
    Rtp,
    /// That of RTCP.
    Rtcp,
}

/// Draws of 96 bits that nobody can guess, one for each port.
pub type TransactionIds = [[u8; 12]; 2];

/// How a pair of ports is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The RTP port.
    pub rtp: SocketAddr,
    /// The RTCP port; none where the server said nothing of it in time.
    pub rtcp: Option<SocketAddr>,
}

/// What a [`Mapping`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingOutput {
    /// Send this request from a port to the server.
    Transmit {
        /// From which port.
        from: Port,
        /// To whom.
        to: SocketAddr,
        /// The request.
        request: [u8; HEADER],
    },
    /// Over: how the ports are seen; none when the server is silent.
    Done(Option<Mapped>),
    /// Nothing more before this instant.
    Timeout {
        /// When to ask again.
        at: Instant,
    },
}

/// The questions for one pair of ports.
#[derive(Clone, Debug)]
pub struct Mapping {
    server: SocketAddr,
    ids: TransactionIds,
    seen: [Option<SocketAddr>; 2],
    /// Ports whose request is to leave now.
    due: Vec<Port>,
    wait: Duration,
    next_at: Instant,
    over_at: Instant,
}

impl Mapping {
    /// Begins to ask a server.
    #[must_use]
    pub fn new(server: SocketAddr, ids: TransactionIds, now: Instant) -> Self {
        Self {
            server,
            ids,
            seen: [None; 2],
            due: vec![Port::Rtcp, Port::Rtp],
            wait: FIRST_WAIT,
            next_at: now + FIRST_WAIT,
            over_at: now + PATIENCE,
        }
    }

    /// Takes what came to a port; believed is the server's answer to our question alone.
    pub fn handle_input(&mut self, port: Port, from: SocketAddr, bytes: &[u8]) {
        let place = usize::from(port == Port::Rtcp);
        if let (true, Some(id), Some(seen)) =
            (from == self.server, self.ids.get(place), self.seen.get_mut(place))
        {
            *seen = seen.or_else(|| mapped_address(bytes, id));
        }
    }

    /// Yields what is to be done.
    pub fn poll_output(&mut self, now: Instant) -> MappingOutput {
        let [rtp, rtcp] = self.seen;
        if let (Some(rtp), Some(rtcp)) = (rtp, rtcp) {
            return MappingOutput::Done(Some(Mapped { rtp, rtcp: Some(rtcp) }));
        }
        if now >= self.over_at {
            return MappingOutput::Done(rtp.map(|rtp| Mapped { rtp, rtcp: None }));
        }
        if now >= self.next_at {
            let missing =
                [(Port::Rtcp, rtcp), (Port::Rtp, rtp)].into_iter().filter(|(_, seen)| seen.is_none());
            self.due = missing.map(|(port, _)| port).collect();
            self.wait *= 2;
            self.next_at = now + self.wait;
        }
        if let Some(from) = self.due.pop() {
            let id = self.ids.get(usize::from(from == Port::Rtcp)).copied().unwrap_or_default();
            return MappingOutput::Transmit { from, to: self.server, request: binding_request(&id) };
        }
        MappingOutput::Timeout { at: self.next_at.min(self.over_at) }
    }
}

/// Tells a STUN message from RTP and RTCP at one port (RFC 7983 section 7).
#[must_use]
pub fn is_stun(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && bytes.first().is_some_and(|first| *first < 4)
        && bytes.get(4..8) == Some(&COOKIE.to_be_bytes()[..])
}

fn binding_request(id: &[u8; 12]) -> [u8; HEADER] {
    let mut request = [0; HEADER];
    let written =
        BINDING_REQUEST.to_be_bytes().into_iter().chain([0; 2]).chain(COOKIE.to_be_bytes()).chain(*id);
    request.iter_mut().zip(written).for_each(|(byte, value)| *byte = value);
    request
}

/// Reads the address out of a success response to our request.
fn mapped_address(bytes: &[u8], id: &[u8; 12]) -> Option<SocketAddr> {
    let kind = u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    let length = usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
    if kind != BINDING_SUCCESS
        || !is_stun(bytes)
        || bytes.get(8..HEADER)? != id
        || bytes.len() != HEADER + length
    {
        return None;
    }
    let mut rest = bytes.get(HEADER..)?;
    let mut plain = None;
    while rest.len() >= 4 {
        let kind = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?));
        let value = rest.get(4..4 + length)?;
        match kind {
            // Preferred: some NATs rewrite what looks like an address (RFC 8489 section 14.2).
            XOR_MAPPED_ADDRESS => return address(value, id, COOKIE),
            MAPPED_ADDRESS => plain = address(value, &[0; 12], 0),
            _ => {}
        }
        rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    plain
}

/// Reads an address that is masked with the cookie and the transaction's id, or with nothing.
fn address(value: &[u8], id: &[u8; 12], cookie: u32) -> Option<SocketAddr> {
    let (&family, port) = (value.get(1)?, value.get(2..4)?);
    let [high, low, ..] = cookie.to_be_bytes();
    let port = u16::from_be_bytes(port.try_into().ok()?) ^ u16::from_be_bytes([high, low]);
    let ip: IpAddr = match (family, value.len()) {
        (1, 8) => Ipv4Addr::from(u32::from_be_bytes(value.get(4..8)?.try_into().ok()?) ^ cookie).into(),
        (2, 20) => {
            let mut masked: [u8; 16] = value.get(4..20)?.try_into().ok()?;
            let mask = cookie.to_be_bytes().into_iter().chain(*id);
            masked.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
            Ipv6Addr::from(masked).into()
        }
        _ => return None,
    };
    (port != 0 && !ip.is_unspecified()).then_some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: TransactionIds = [[7; 12], [9; 12]];

    fn server() -> SocketAddr {
        "192.0.2.1:3478".parse().expect("an address")
    }

    fn answer(id: [u8; 12], attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = BINDING_SUCCESS.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
        bytes.extend(COOKIE.to_be_bytes());
        bytes.extend(id);
        bytes.extend(body);
        bytes
    }

    fn xored(port: u16) -> (u16, Vec<u8>) {
        let ip = u32::from(Ipv4Addr::new(203, 0, 113, 7)) ^ COOKIE;
        let mut value = vec![0, 1];
        value.extend((port ^ 0x2112).to_be_bytes());
        value.extend(ip.to_be_bytes());
        (XOR_MAPPED_ADDRESS, value)
    }

    fn seen(port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 7], port))
    }

    /// Polls until there is nothing to send; returns how many requests left, and the end or the next instant.
    fn drive(mapping: &mut Mapping, now: Instant) -> (usize, MappingOutput) {
        let mut sent = 0;
        loop {
            match mapping.poll_output(now) {
                MappingOutput::Transmit { to, request, .. } => {
                    assert!(to == server() && is_stun(&request));
                    sent += 1;
                }
                other => return (sent, other),
            }
        }
    }

    #[test]
    fn both_ports_are_asked_for_and_the_call_waits_for_no_more_than_that() {
        let now = Instant::now();
        let mut mapping = Mapping::new(server(), IDS, now);
        assert_eq!(drive(&mut mapping, now).0, 2);
        mapping.handle_input(
            Port::Rtp,
            server(),
            &answer([7; 12], &[(0x8022, b"coturn".to_vec()), xored(40_000)]),
        );
        assert!(matches!(drive(&mut mapping, now), (0, MappingOutput::Timeout { .. })));
        mapping.handle_input(Port::Rtcp, server(), &answer([9; 12], &[xored(51_000)]));
        let mapped = Mapped { rtp: seen(40_000), rtcp: Some(seen(51_000)) };
        assert_eq!(drive(&mut mapping, now), (0, MappingOutput::Done(Some(mapped))));
    }

    #[test]
    fn a_lost_request_is_repeated_and_silence_ends_after_half_a_second() {
        let begun = Instant::now();
        let mut mapping = Mapping::new(server(), IDS, begun);
        let (mut now, mut sent) = (begun, 0);
        loop {
            let (more, output) = drive(&mut mapping, now);
            sent += more;
            match output {
                MappingOutput::Timeout { at } => now = at,
                MappingOutput::Done(mapped) => break assert_eq!(mapped, None),
                MappingOutput::Transmit { .. } => {}
            }
        }
        assert_eq!((now - begun, sent), (PATIENCE, 8));
    }

    #[test]
    fn without_an_answer_for_rtcp_the_rtp_port_is_known_all_the_same() {
        let begun = Instant::now();
        let mut mapping = Mapping::new(server(), IDS, begun);
        mapping.handle_input(Port::Rtp, server(), &answer([7; 12], &[xored(40_000)]));
        let mapped = Mapped { rtp: seen(40_000), rtcp: None };
        assert_eq!(drive(&mut mapping, begun + PATIENCE).1, MappingOutput::Done(Some(mapped)));
    }

    #[test]
    fn what_the_server_did_not_say_to_this_question_is_not_believed() {
        let now = Instant::now();
        let stranger: SocketAddr = "198.51.100.66:3478".parse().expect("an address");
        let good = answer([7; 12], &[xored(40_000)]);
        let mut of_other_kind = good.clone();
        of_other_kind[1] = 0x11;
        let mut cut = good.clone();
        cut.pop();
        let short = answer([7; 12], &[(XOR_MAPPED_ADDRESS, vec![0, 1, 0x21])]);
        let nowhere = answer([7; 12], &[xored(0)]);
        for (what, from, bytes) in [
            ("a stranger", stranger, &good),
            ("another port of the server", "192.0.2.1:3479".parse().expect("an address"), &good),
            ("another transaction", server(), &answer([8; 12], &[xored(40_000)])),
            ("an error", server(), &of_other_kind),
            ("a cut message", server(), &cut),
            ("a cut address", server(), &short),
            ("no port", server(), &nowhere),
            ("nothing", server(), &Vec::new()),
        ] {
            let mut mapping = Mapping::new(server(), IDS, now);
            mapping.handle_input(Port::Rtp, from, bytes);
            assert_eq!(mapping.seen, [None; 2], "{what}");
        }
    }

    #[test]
    fn an_address_of_ipv6_and_one_of_an_old_server_are_read() {
        let ip: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        let mut value = vec![0, 2];
        value.extend((40_000_u16 ^ 0x2112).to_be_bytes());
        let mask = COOKIE.to_be_bytes().into_iter().chain([7; 12]);
        value.extend(ip.octets().into_iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        let read = mapped_address(&answer([7; 12], &[(XOR_MAPPED_ADDRESS, value)]), &[7; 12]);
        assert_eq!(read, Some(SocketAddr::new(ip.into(), 40_000)));
        let plain = (MAPPED_ADDRESS, vec![0, 1, 0x9c, 0x40, 203, 0, 113, 7]);
        assert_eq!(mapped_address(&answer([7; 12], &[plain]), &[7; 12]), Some(seen(40_000)));
    }
}
