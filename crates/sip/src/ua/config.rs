//! What the user agent is told: configuration, lines, calls to place, inputs; and what it asks for.

use std::net::IpAddr;
use std::time::Instant;

use super::event::{Event, LineId};
use super::names::{Answer, Question};
use super::phones::RegistrarConfig;
use crate::invite::DialogHandle;
use crate::message::Header;
use crate::registrar::BindingId;
use crate::transaction::Timers;
use crate::transport::{Flow, LocalAddress, Transport, TransportFault};
use crate::uri::Uri;

/// How the user agent behaves.
#[derive(Debug, Clone)]
pub struct UserAgentConfig {
    /// User-Agent and Server headers.
    pub user_agent_name: String,
    /// Addresses listened on; never unspecified ones. The first of a transport and address family is told to peers.
    pub local_addresses: Vec<LocalAddress>,
    /// The address told to peers instead, behind a NAT.
    pub external_address: Option<IpAddr>,
    /// Peers that may send requests, besides the servers of lines.
    pub known_sources: Vec<IpAddr>,
    /// What becomes of requests from others.
    pub unknown_sources: UnknownSources,
    /// How phones may register here; without it none may.
    pub registrar: Option<RegistrarConfig>,
    /// T1, T2, T4.
    pub timers: Timers,
    /// The session interval to ask for, in seconds (RFC 4028); at least 90. `None`: only when the peer asks.
    pub session_expires_s: Option<u32>,
    /// How many legs may live at once; a new INVITE beyond that gets 503.
    pub max_legs: usize,
}

impl Default for UserAgentConfig {
    fn default() -> Self {
        Self {
            user_agent_name: "Linecard".to_owned(),
            local_addresses: Vec::new(),
            external_address: None,
            known_sources: Vec::new(),
            unknown_sources: UnknownSources::Drop,
            registrar: None,
            timers: Timers::default(),
            session_expires_s: Some(1800),
            max_legs: 10_000,
        }
    }
}

/// What becomes of a request that no known peer sent and that belongs to no dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSources {
    /// Nothing is sent back.
    Drop,
    /// It is treated as one of a known peer.
    Answer,
}

/// A SIP account on a PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The application's name for it.
    pub id: LineId,
    /// `host` or `host:port` of the registrar; the host is the account's domain.
    pub server: String,
    /// User part of the address of record.
    pub username: String,
    /// The password.
    pub password: String,
    /// The name for authentication, when it differs from `username`.
    pub auth_username: Option<String>,
    /// `host` or `host:port` that all requests of the line go through first.
    pub outbound_proxy: Option<String>,
    /// Without it what the server's name offers is tried in turn, else UDP, TCP and TLS, until one answers. Requests too
    /// large for UDP go by TCP when a TCP address is listened on.
    pub transport: Option<Transport>,
    /// What is asked for at the server of a WebSocket, such as `/ws`.
    pub websocket_path: Option<String>,
    /// The expiry to ask for, in seconds.
    pub expires_s: u32,
    /// The user part of the Contact, if the same one is to be used again after a restart; it must not be guessable.
    /// `None`: a new one is drawn.
    pub contact_user: Option<String>,
    /// Whether calls are to come to it.
    pub presence: Presence,
}

/// Whether calls are to come to a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It registers.
    #[default]
    Registers,
    /// It registers beside another phone of the account, and withdraws when that one is pushed out.
    Beside,
    /// It has no binding at the registrar: it places calls and subscribes, and no call comes to it.
    Watches,
    /// It is called by its user name, by its server alone or a configured peer, to record (RFC 7866); it registers nowhere.
    Records,
}

/// Which way a call leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Through the line's server, with the line's identity and credentials.
    Line(LineId),
    /// Straight to the target; challenges are not answered.
    Direct,
    /// To a phone that registered here, by the path that it registered by; the target is its contact.
    Phone(BindingId),
}

/// As whom a call is placed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerId {
    /// The display name.
    pub display: Option<String>,
    /// The user part of From; `None` uses the line's user name.
    pub user: Option<String>,
}

/// A call to place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingInvite {
    /// Whom to call.
    pub target: Uri,
    /// Which way.
    pub route: Route,
    /// As whom.
    pub caller: CallerId,
    /// More headers, such as P-Asserted-Identity or Call-Info.
    pub headers: Vec<Header>,
    /// Our offer; `None` asks the peer for one.
    pub offer: Option<Vec<u8>>,
    /// A leg of the same call, whose Session-ID this one carries on (RFC 7989).
    pub beside: Option<DialogHandle>,
}

/// How a change of the session that the peer asked for is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReinviteAnswer {
    /// 200 with this answer, or with our offer when the peer gave none.
    Accept(Vec<u8>),
    /// This failure, such as 488; the session goes on as it was.
    Refuse(u16),
}

/// Names one question to the resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolveId(pub(crate) u64);

/// What happens to the user agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// One datagram.
    Datagram {
        /// The path it came by.
        flow: Flow,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// A stream is open: a peer's, or one that [`Output::Transmit`] asked for.
    StreamOpened {
        /// Which one.
        flow: Flow,
    },
    /// Some bytes of a stream.
    StreamData {
        /// The connection that [`Flow::connection`] names; `local` is the address listened on.
        flow: Flow,
        /// The bytes.
        payload: &'a [u8],
    },
    /// A stream is closed.
    StreamClosed {
        /// Which one.
        flow: Flow,
    },
    /// Something could not be sent: an ICMP error, a refused connection, a certificate that proves nothing.
    TransmitFailed {
        /// The path it should have taken.
        flow: Flow,
        /// Why.
        fault: TransportFault,
    },
    /// The answer of the DNS; without records when there are none, or nobody answers.
    Resolved {
        /// Which question.
        id: ResolveId,
        /// What it says.
        answer: Answer,
    },
    /// The instant of [`Output::Timeout`] has come.
    Timeout,
}

/// What the user agent wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send these bytes; for a stream, connect to `flow.remote` when there is no connection, for TLS to nobody but the
    /// server that `flow.server` names ([`UserAgent::server_name`](super::UserAgent::server_name)).
    Transmit {
        /// Where to.
        flow: Flow,
        /// One whole message.
        payload: Vec<u8>,
    },
    /// Close a stream.
    CloseStream {
        /// Which one.
        flow: Flow,
    },
    /// Ask the DNS, and hand what it says to [`Input::Resolved`].
    Resolve {
        /// To name the answer.
        id: ResolveId,
        /// What to ask.
        question: Question,
    },
    /// Something happened.
    Event(Event),
    /// Nothing more to do before this instant.
    Timeout {
        /// When to come back with [`Input::Timeout`].
        at: Instant,
        /// What is due then, for logs.
        reason: &'static str,
    },
    /// Nothing more to do until another input.
    Idle,
}
