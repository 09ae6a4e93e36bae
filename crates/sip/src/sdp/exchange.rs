//! Our offers and answers (RFC 3264) for media that is relayed, and transcoded where the parties share no codec.
//!
//! It deliberately negotiates one audio stream, plain or with keys by SDES; every other stream of a peer is rejected in its place.

use std::net::{IpAddr, SocketAddr};

use super::audio::{Audio, Codec, Direction, RTCP_MUX, audios_of};
use super::crypto::{Crypto, Encryption};
use super::description::{Attribute, Connection, Line, Media, Origin, SessionDescription};

/// The clocks of the codecs spoken here, with the payload type of their telephone events where no peer has named one.
const TELEPHONE_EVENTS: [(u32, u8); 2] = [(8_000, 101), (48_000, 110)];
/// The payload types that have no meaning of their own (RFC 3551 section 6), in the order in which they are given out.
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// Longer parameters of a peer's format are not told to others: a description has to fit into one datagram.
const FMTP_MAX: usize = 160;

/// What we send and take on one audio stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAudio {
    /// Our address, as the peer reaches it.
    pub address: IpAddr,
    /// Our RTP port; RTCP is at the next one, or at the same one where the other end offers that.
    pub port: u16,
    /// Our RTCP address, where it is not at the next port (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// The codecs in our order, telephone events excepted. An answer takes from them in the offerer's order.
    pub codecs: Vec<Codec>,
    /// The telephone events that an offer names, one for each clock; without any they are left out of answers too.
    pub telephone_events: Vec<Codec>,
    /// Who sends, as we see it.
    pub direction: Direction,
    /// The packet length we would like to get, in ms.
    pub ptime_ms: Option<u32>,
    /// Whether it is encrypted.
    pub encryption: Encryption,
    /// What we would protect it with, a key for each suite, best first.
    pub cryptos: Vec<Crypto>,
}

impl LocalAudio {
    /// Makes a stream of every codec spoken here (A-law first) in packets of 20 ms with telephone events.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self {
            address,
            port,
            rtcp: None,
            codecs: Codec::spoken().to_vec(),
            telephone_events: TELEPHONE_EVENTS
                .map(|(clock, number)| Codec::telephone_event(number, clock))
                .to_vec(),
            direction: Direction::SendReceive,
            ptime_ms: Some(20),
            encryption: Encryption::Off,
            cryptos: Vec::new(),
        }
    }

    /// Makes the stream that passes a peer's on: those of its codecs that are spoken here in its order, its comfort
    /// noise, its payload types, packet length and direction. `None` when nothing of it is spoken here over RTP.
    #[must_use]
    pub fn passing_on(peer: &Audio, address: IpAddr, port: u16) -> Option<Self> {
        let passes = |codec: &&Codec| codec.is_spoken() || codec.is_comfort_noise();
        let mut codecs: Vec<Codec> = peer.codecs.iter().filter(passes).cloned().collect();
        for codec in &mut codecs {
            codec.fmtp = codec.fmtp.take().filter(|fmtp| fmtp.len() <= FMTP_MAX);
        }
        let events = peer.events_beside(&codecs);
        let telephone_events =
            events.iter().map(|event| Codec::telephone_event(event.payload_type, event.clock_rate)).collect();
        let over_rtp = peer.protocol.is_plain() || peer.protocol.is_secure();
        (codecs.iter().any(Codec::is_spoken) && over_rtp).then_some(Self {
            address,
            port,
            rtcp: None,
            codecs,
            telephone_events,
            direction: peer.direction,
            ptime_ms: peer.ptime_ms,
            encryption: Encryption::Off,
            cryptos: Vec::new(),
        })
    }

    /// Encrypts the stream with one of these, or does not, as is wanted.
    #[must_use]
    pub fn encrypted(self, encryption: Encryption, cryptos: Vec<Crypto>) -> Self {
        Self { encryption, cryptos, ..self }
    }

    /// Takes the first of a peer's keys whose suite we have: with the peer's number and our key.
    fn answering(&self, offered: &Audio) -> Option<Crypto> {
        let offered = offered.cryptos.iter().filter(|_| self.encryption != Encryption::Off);
        let ours = |offered: &Crypto| self.cryptos.iter().find(|own| own.suite == offered.suite);
        offered.into_iter().find_map(|it| ours(it).map(|own| Crypto { tag: it.tag, ..*own }))
    }

    fn may_take(&self, offered: &Audio) -> bool {
        let encrypted = offered.protocol.is_secure() && self.answering(offered).is_some();
        match self.encryption {
            Encryption::Off => offered.protocol.is_plain(),
            Encryption::Optional => offered.protocol.is_plain() || encrypted,
            Encryption::Required => encrypted,
        }
    }

    /// Returns what would be agreed on over an offered stream; `None` when it cannot be taken.
    pub(super) fn accepts(&self, offered: &Audio) -> Option<Vec<Codec>> {
        let codecs = common(&offered.codecs, &self.codecs);
        (self.may_take(offered) && codecs.iter().any(Codec::is_spoken)).then_some(codecs)
    }

    /// Adds, behind what is there, every other codec spoken here: for a party that has none of the first ones.
    #[must_use]
    pub fn with_others(mut self) -> Self {
        for codec in Codec::spoken() {
            if !self.codecs.iter().any(|own| own.encodes_like(&codec)) {
                self.codecs.extend(self.numbered(codec));
            }
        }
        for (clock, number) in TELEPHONE_EVENTS {
            let events = &self.telephone_events;
            let known = events.is_empty() || events.iter().any(|event| event.clock_rate == clock);
            let events = Codec::telephone_event(number, clock);
            if !known && events.goes_with_any(&self.codecs) {
                self.telephone_events.extend(self.numbered(events));
            }
        }
        self
    }

    /// Gives a format a number that none of ours has: its own if it can be; `None` when that is a static one and taken.
    fn numbered(&self, format: Codec) -> Option<Codec> {
        let taken = |number: u8| {
            let mut ours = self.codecs.iter().chain(&self.telephone_events);
            ours.any(|own| own.payload_type == number)
        };
        let others = DYNAMIC.filter(|_| DYNAMIC.contains(&format.payload_type));
        let number = [format.payload_type].into_iter().chain(others).find(|number| !taken(*number))?;
        Some(Codec { payload_type: number, ..format })
    }
}

/// Why an offer can not be answered: the call gets 488.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAcceptable {
    /// No audio stream, or only rejected ones.
    #[error("no audio stream is offered")]
    NoAudio,
    /// Only streams that are plain RTP, and encryption is required.
    #[error("no encrypted stream with a known suite is offered, and encryption is required here")]
    Unencrypted,
    /// Only streams that are not plain RTP, and no key among them that is known here.
    #[error("only encrypted or unknown transports are offered: {}{}", offered.join(", "), advice_on(offered))]
    Transport {
        /// The offered protocols.
        offered: Vec<String>,
    },
    /// None of the offered codecs is ours.
    #[error("no common codec, offered: {}", offered.join(", "))]
    NoCommonCodec {
        /// The offered encodings' names.
        offered: Vec<String>,
    },
}

/// What to change at a PBX that treats whoever comes by WebSocket as a browser.
fn advice_on(offered: &[String]) -> &'static str {
    let keyed_by_dtls = |protocol: &String| protocol.starts_with("UDP/TLS/");
    if !offered.iter().any(keyed_by_dtls) {
        return "";
    }
    "; ICE and DTLS are not spoken here: let the PBX send this account plain RTP or RTP with keys in its descriptions \
     (Asterisk: webrtc=no, media_encryption=no or sdes)"
}

/// Our side of one session: keeps its identifier, its version and its `m=` lines from one exchange to the
/// next (RFC 3264 section 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSession {
    session_id: u64,
    current: Option<(SessionDescription, usize)>,
    version: u64,
}

impl LocalSession {
    /// Begins a session; its identifier is unique on this host, such as a time in ms.
    #[must_use]
    pub fn new(session_id: u64) -> Self {
        Self { session_id, current: None, version: 0 }
    }

    /// Takes an offer back that was refused: what held `before` it holds again (RFC 3264 section 8). The version keeps
    /// rising.
    pub fn take_back(&mut self, before: Self) {
        self.current = before.current;
    }

    /// Returns our description last made.
    #[must_use]
    pub fn current(&self) -> Option<&SessionDescription> {
        self.current.as_ref().map(|(description, _)| description)
    }

    /// Makes an offer; later ones keep every `m=` line of the session in its place, ours where it was.
    pub fn offer(&mut self, audio: &LocalAudio) -> SessionDescription {
        let formats = Formats { codecs: &audio.codecs, events: &audio.telephone_events };
        let cryptos = if audio.encryption == Encryption::Off { &[][..] } else { &audio.cryptos };
        let mut stream = stream(self.offered_protocol(audio), audio, formats, cryptos, audio.direction);
        // What was agreed on stays (RFC 5761 section 5.1.1); a first offer leaves RTCP a port of its own.
        let in_use = self.in_use();
        share_port(&mut stream, in_use.is_some_and(|media| media.attribute(RTCP_MUX).is_some()));
        let (mut media, index) = match &self.current {
            Some((current, index)) => (current.media.iter().map(Media::rejected).collect(), *index),
            None => (Vec::new(), 0),
        };
        match media.get_mut(index) {
            Some(place) => *place = stream,
            None => media.push(stream),
        }
        let times = vec![Line { letter: b't', value: b"0 0".to_vec() }];
        self.publish(audio.address, times, media, index)
    }

    fn in_use(&self) -> Option<&Media> {
        self.current.as_ref().and_then(|(current, index)| current.media.get(*index))
    }

    /// Returns the protocol to offer: what is in use stays.
    fn offered_protocol(&self, audio: &LocalAudio) -> &'static str {
        let in_use = self.in_use();
        match audio.encryption {
            Encryption::Required => "RTP/SAVP",
            Encryption::Optional if in_use.is_some_and(|media| media.protocol.contains("SAVP")) => "RTP/SAVP",
            Encryption::Optional | Encryption::Off => "RTP/AVP",
        }
    }

    /// Returns which `m=` line is in use.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.current.as_ref().map(|(_, index)| *index)
    }

    /// Tells whether an offer could be answered, and changes nothing.
    ///
    /// # Errors
    /// Each reason of [`NotAcceptable`].
    pub fn judge(&self, offer: &SessionDescription, audio: &LocalAudio) -> Result<(), NotAcceptable> {
        self.choose(offer, audio).map(|_| ())
    }

    /// Answers an offer: as many `m=` lines as it has, one audio stream accepted, the others with port 0;
    /// codecs and payload types in the offerer's order and numbers (RFC 3264 section 6).
    ///
    /// # Errors
    /// Each reason of [`NotAcceptable`]; our last description then still holds.
    pub fn answer_to(
        &mut self,
        offer: &SessionDescription,
        audio: &LocalAudio,
    ) -> Result<SessionDescription, NotAcceptable> {
        let (offered, codecs) = self.choose(offer, audio)?;
        let direction = audio.direction.answering(offered.direction);
        let accepted = accepted(offer, &offered, &codecs, audio, direction);
        let mut media: Vec<Media> = offer.media.iter().map(Media::rejected).collect();
        if let Some(place) = media.get_mut(offered.index) {
            *place = accepted;
        }
        let times = offer.lines.iter().filter(|line| line.letter == b't').cloned().collect();
        Ok(self.publish(audio.address, times, media, offered.index))
    }

    /// Chooses the stream to accept, the one in use before others, and the codecs it has in common.
    fn choose(
        &self,
        offer: &SessionDescription,
        local: &LocalAudio,
    ) -> Result<(Audio, Vec<Codec>), NotAcceptable> {
        let mut open: Vec<Audio> = audios_of(offer).into_iter().filter(|audio| audio.port != 0).collect();
        if open.is_empty() {
            return Err(NotAcceptable::NoAudio);
        }
        let in_use = self.index();
        let encrypts = |audio: &Audio| audio.protocol.is_secure() && local.answering(audio).is_some();
        open.sort_by_key(|audio| (Some(audio.index) != in_use, !encrypts(audio)));
        let fitting: Vec<&Audio> = open.iter().filter(|audio| local.may_take(audio)).collect();
        if fitting.is_empty() && local.encryption == Encryption::Required {
            return Err(NotAcceptable::Unencrypted);
        }
        if fitting.is_empty() {
            let media = open.iter().filter_map(|audio| offer.media.get(audio.index));
            return Err(NotAcceptable::Transport {
                offered: media.map(|media| media.protocol.clone()).collect(),
            });
        }
        for audio in &fitting {
            if let Some(codecs) = local.accepts(audio) {
                return Ok(((*audio).clone(), codecs));
            }
        }
        let offered = fitting.iter().flat_map(|audio| &audio.codecs).map(|codec| codec.name.clone());
        Err(NotAcceptable::NoCommonCodec { offered: offered.collect() })
    }

    /// Gives the description its origin: the version rises if anything changed, and only then.
    pub(super) fn publish(
        &mut self,
        address: IpAddr,
        lines: Vec<Line>,
        media: Vec<Media>,
        index: usize,
    ) -> SessionDescription {
        let mut description = SessionDescription {
            origin: Origin {
                username: "-".into(),
                session_id: self.session_id.to_string(),
                version: self.version.to_string(),
                connection: Connection::of(address),
            },
            name: b"-".to_vec(),
            connection: Some(Connection::of(address)),
            bandwidths: Vec::new(),
            lines,
            attributes: Vec::new(),
            media,
        };
        let unchanged =
            self.current.as_ref().is_some_and(|(current, _)| current.same_but_version(&description));
        if !unchanged {
            self.version = self.version.saturating_add(1);
        }
        description.origin.version = self.version.to_string();
        self.current = Some((description.clone(), index));
        description
    }
}

/// Takes the offered codecs that are ours too, in the offerer's order with the offerer's payload types.
fn common(offered: &[Codec], ours: &[Codec]) -> Vec<Codec> {
    offered
        .iter()
        .filter_map(|codec| {
            let own = ours.iter().find(|own| own.encodes_like(codec))?;
            // Parameters say what their sender can take (RFC 7587 section 7.1): the offerer's are not given back to it.
            Some(Codec { fmtp: own.fmtp.clone(), ..codec.clone() })
        })
        .collect()
}

/// Makes the line that accepts an offered stream.
pub(super) fn accepted(
    offer: &SessionDescription,
    offered: &Audio,
    codecs: &[Codec],
    local: &LocalAudio,
    direction: Direction,
) -> Media {
    let events = if local.telephone_events.is_empty() { Vec::new() } else { offered.events_beside(codecs) };
    let protocol = offer.media.get(offered.index).map_or("RTP/AVP", |media| media.protocol.as_str());
    let formats = Formats { codecs, events: &events };
    let mut accepted = stream(protocol, local, formats, local.answering(offered).as_slice(), direction);
    share_port(&mut accepted, offered.rtcp_mux);
    accepted
}

/// The formats of a stream, telephone events last.
#[derive(Clone, Copy)]
struct Formats<'a> {
    codecs: &'a [Codec],
    events: &'a [Codec],
}

fn stream(
    protocol: &str,
    audio: &LocalAudio,
    formats: Formats<'_>,
    cryptos: &[Crypto],
    direction: Direction,
) -> Media {
    let formats: Vec<&Codec> = formats.codecs.iter().chain(formats.events).collect();
    let mut attributes: Vec<Attribute> =
        cryptos.iter().map(|crypto| Attribute::with("crypto", crypto.print())).collect();
    for codec in &formats {
        attributes.push(Attribute::with("rtpmap", rtpmap(codec)));
        if let Some(fmtp) = &codec.fmtp {
            attributes.push(Attribute::with("fmtp", format!("{} {fmtp}", codec.payload_type)));
        }
    }
    if let Some(ptime_ms) = audio.ptime_ms {
        attributes.push(Attribute::with("ptime", ptime_ms.to_string()));
    }
    if let Some(rtcp) = audio.rtcp {
        let Connection { network, kind, address } = Connection::of(rtcp.ip());
        attributes.push(Attribute::with("rtcp", format!("{} {network} {kind} {address}", rtcp.port())));
    }
    attributes.push(Attribute::flag(direction.as_str()));
    Media {
        kind: "audio".into(),
        port: audio.port,
        port_count: None,
        protocol: protocol.to_owned(),
        formats: formats.iter().map(|codec| codec.payload_type.to_string()).collect(),
        connections: Vec::new(),
        bandwidths: Vec::new(),
        lines: Vec::new(),
        attributes,
    }
}

/// Lets RTCP share the port of RTP, or not.
fn share_port(stream: &mut Media, shared: bool) {
    stream.attributes.extend(shared.then(|| Attribute::flag(RTCP_MUX)));
}

fn rtpmap(codec: &Codec) -> String {
    let mut text = format!("{} {}/{}", codec.payload_type, codec.name, codec.clock_rate);
    if codec.channels > 1 {
        text.push_str(&format!("/{}", codec.channels));
    }
    text
}
