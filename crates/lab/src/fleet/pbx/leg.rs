//! One dialog of a PBX with the server: how it stands, and the requests inside it (RFC 3261 section 12.2).

use std::net::SocketAddr;
use std::time::Duration;

use linecard_sip::message::{HeaderName, Method, NameAddr, Request, Response};
use linecard_sip::sdp::{SessionDescription, audio_of};
use linecard_sip::transaction::{ClientTransactionId, ServerTransactionId};
use linecard_sip::uri::Uri;

use crate::fleet::talk::{HoldOffer, Side};

/// Names a leg of one PBX.
pub(super) type LegId = u64;

/// A dialog, or one that is becoming one.
#[derive(Debug)]
pub(super) struct Leg {
    /// The call, by its number in the world.
    pub(super) call: usize,
    /// Whose end it is.
    pub(super) side: Side,
    pub(super) call_id: String,
    pub(super) local: NameAddr,
    pub(super) remote: NameAddr,
    /// Where requests inside the dialog go.
    pub(super) target: Uri,
    pub(super) server: SocketAddr,
    pub(super) sequence: u32,
    /// Counts our session descriptions.
    pub(super) version: u32,
    /// What this end has said of who sends.
    pub(super) sends: Sends,
    /// Where the server wants this end's sound.
    pub(super) sound_to: Option<SocketAddr>,
    /// A second fork that answered too, until the server has hung one of them up.
    pub(super) second_fork: Option<Fork>,
    /// How long the last repetition of a 200 was waited for.
    pub(super) answer_wait: Duration,
    pub(super) state: LegState,
}

/// A fork that answered beside another one.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) tag: String,
    pub(super) state: ForkState,
}

/// Whether the answer of a second fork has its ACK.
#[derive(Debug)]
pub(super) enum ForkState {
    Answered { invite: ServerTransactionId, response: Response },
    Acknowledged,
}

/// How a leg stands.
#[derive(Debug)]
pub(super) enum LegState {
    /// We called; nothing final yet.
    Calling { invite: ClientTransactionId },
    /// We called and gave up; the final response is awaited.
    GivingUp,
    /// We are called and have not answered.
    Called { invite: ServerTransactionId, request: Request },
    /// We are called and answered; the 200 is repeated until its ACK.
    Answered { invite: ServerTransactionId, response: Response },
    /// Both talk.
    Up,
    /// It is over.
    Over,
}

impl Leg {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, LegState::Over)
    }

    /// One of two forks is hung up: the other one is the call. False when there is only one.
    pub(super) fn lets_go(&mut self, tag: Option<&str>) -> bool {
        let Some(fork) =
            self.second_fork.take_if(|fork| Some(fork.tag.as_str()) == tag || self.local.tag() == tag)
        else {
            return false;
        };
        if self.local.tag() == tag {
            self.local.set_tag(&fork.tag);
            self.state = match fork.state {
                ForkState::Answered { invite, response } => LegState::Answered { invite, response },
                ForkState::Acknowledged => LegState::Up,
            };
        }
        true
    }

    /// Reads where the other side wants our sound, and gives whether it holds us.
    pub(super) fn hear(&mut self, body: &[u8]) -> bool {
        let described = SessionDescription::parse(body).ok();
        let Some(audio) = described.as_ref().and_then(audio_of) else { return false };
        if let Some(remote) = audio.remote() {
            self.sound_to = Some(remote);
        }
        audio.is_hold()
    }

    /// Makes a request inside the dialog.
    pub(super) fn request(&mut self, method: Method, contact: &str) -> Request {
        if method != Method::Ack {
            self.sequence += 1;
        }
        let mut request = Request::new(method.clone(), self.target.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::From, self.local.to_bytes());
        headers.push(HeaderName::To, self.remote.to_bytes());
        headers.push(HeaderName::CallId, self.call_id.clone());
        headers.push(HeaderName::CSeq, format!("{} {method}", self.sequence));
        headers.push(HeaderName::MaxForwards, "70");
        if method != Method::Bye && method != Method::Ack {
            headers.push(HeaderName::Contact, contact);
        }
        request
    }
}

/// Who sends, as a description of a session says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    /// Both ends.
    Both,
    /// The other end is to send nothing: a hold.
    Held(HoldOffer),
    /// This end sends nothing, since the other one holds it (RFC 3264 section 6.1).
    Hears,
}

/// Describes one end's sound: A-law and nothing else.
pub(super) fn description(address: SocketAddr, version: u32, sends: Sends) -> Vec<u8> {
    let (ip, port) = (address.ip().to_string(), address.port());
    let (at, direction) = match sends {
        Sends::Both => (ip.as_str(), "a=sendrecv\r\n"),
        Sends::Held(HoldOffer::SendOnly) => (ip.as_str(), "a=sendonly\r\n"),
        Sends::Held(HoldOffer::Inactive) => (ip.as_str(), "a=inactive\r\n"),
        Sends::Held(HoldOffer::NoAddress) => ("0.0.0.0", ""),
        Sends::Hears => (ip.as_str(), "a=recvonly\r\n"),
    };
    format!(
        "v=0\r\no=- {port} {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {at}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
         a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n{direction}"
    )
    .into_bytes()
}
