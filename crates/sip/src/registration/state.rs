//! The types that go in and out of a registration.

use std::fmt;
use std::time::{Duration, Instant};

use crate::digest::{Credentials, Refused};
use crate::message::{Request, Response};
use crate::transport::TransportFault;
use crate::uri::SipUri;

/// What one line registers and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// The Request-URI: `sip:` and the registrar's domain, without a user.
    pub registrar: SipUri,
    /// The address of record that To and From name.
    pub address_of_record: SipUri,
    /// Our own contact; its user part is unguessable and names this line only.
    pub contact: SipUri,
    /// The account's secret.
    pub credentials: Credentials,
    /// The expiry to ask for, in seconds.
    pub expires_s: u32,
    /// The Call-ID of every REGISTER of this line until the process ends.
    pub call_id: String,
    /// Preloaded Route: the outbound proxy, if there is one.
    pub outbound_proxy: Option<SipUri>,
    /// How long the first request waits in any case: each of many lines has a turn of its own.
    pub start_after: Duration,
    /// Window over which the first request is spread at random; zero sends it at once.
    pub start_spread: Duration,
    /// How often the bindings are asked for while registered, which shows a registrar that was restarted
    /// with an empty table; `None` relies on refreshes alone. With many lines at one registrar give it to a
    /// few of them, and the others [`Input::Verify`] when one of these leaves `Registered`.
    pub probe_interval: Option<Duration>,
    /// Whether the contact follows the public address that responses show.
    pub address_learning: AddressLearning,
    /// Whether other contacts of the address are watched over.
    pub neighbours: Neighbours,
}

/// What the other contacts of the address of record mean to a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Neighbours {
    /// Nothing: the account is this line's own.
    #[default]
    Ignored,
    /// One of them is the desk phone of the account: the bindings are asked for before each registration, and when one is
    /// gone after it this line withdraws and does not come back by itself.
    Guarded,
}

/// What becomes of the public address in a response's Via (`received`, `rport`; RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressLearning {
    /// The contact stays as configured.
    Keep,
    /// The contact takes the public address, and the old binding is removed in the same request.
    FollowVia,
    /// The contact takes address and port of the very connection: no other one can be opened to us.
    FollowConnection,
}

/// What happens to a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin, or begin again after `Unregistered`.
    Start,
    /// A response to the request last sent; provisional ones are ignored.
    Response(Response),
    /// The request last sent got no final response (timer F).
    TimedOut,
    /// The request last sent could not be sent, or the line's connection was lost; why, if that is known.
    TransportFailed(Option<TransportFault>),
    /// A timer of [`Output::Timeout`] may be due.
    Timeout,
    /// Doubt about the registrar's table: ask for the bindings at some moment within this time.
    Verify {
        /// The longer the more lines are told so.
        within: Duration,
    },
    /// Remove our binding and rest.
    Stop,
    /// Bind the contacts again that this line pushed out; without such ones it does nothing.
    PutBack,
}

/// What a registration wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this request in a transaction of its own (it has no Via yet) to its Route or Request-URI.
    SendRequest(Box<Request>),
    /// The state is another now.
    StateChanged(RegistrationState),
    /// Nothing more to do before this instant.
    Timeout {
        /// When to come back with [`Input::Timeout`].
        at: Instant,
        /// What is due then.
        reason: TimerReason,
    },
    /// Nothing more to do until another input.
    Idle,
}

/// What a registration's timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerReason {
    /// The spread first request.
    Start,
    /// The refresh of a binding.
    Refresh,
    /// The question whether the binding is still there.
    Probe,
    /// Another attempt after a wait.
    Retry,
    /// An answer that the transaction layer should have reported long ago.
    AnswerOverdue,
}

/// The state of one line's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// Not started.
    Idle,
    /// Bindings are being asked for.
    Querying,
    /// Our contact is being registered.
    Registering,
    /// Our contact is bound.
    Registered {
        /// When the granted binding ends.
        expires_at: Instant,
        /// How many contacts the registrar has for this address, ours included.
        contacts: usize,
    },
    /// Not bound as far as known; another attempt follows by itself.
    Waiting {
        /// When the next attempt begins.
        until: Instant,
        /// What is waited for.
        reason: WaitReason,
    },
    /// Refused; somebody should change something. It is tried again, but slowly.
    Failed {
        /// When the next attempt begins.
        retry_at: Instant,
        /// What the registrar objects to.
        reason: FailureReason,
    },
    /// Our binding is being removed.
    Unregistering,
    /// Our binding is gone; at rest.
    Unregistered,
}

/// Why a line waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// The first request is spread with those of other lines.
    Spread,
    /// The registrar does not answer.
    Unreachable {
        /// Attempts without an answer in a row.
        attempts: u32,
        /// What is wrong with the way to it, if that is known.
        fault: Option<TransportFault>,
    },
    /// The registrar answered that it can not serve now.
    Unavailable {
        /// The status, such as 503.
        status: u16,
        /// The Retry-After that came with it, in seconds.
        retry_after_s: Option<u32>,
    },
    /// The registrar said OK but does not list our contact.
    ContactMissing {
        /// How often in a row.
        attempts: u32,
    },
}

/// Why a registrar refuses a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureReason {
    /// Authentication failed: wrong password, unsupported algorithm, endless challenges.
    Authentication(Refused),
    /// 403: the account may not register.
    Forbidden,
    /// 404: the registrar does not know the address of record.
    UnknownUser,
    /// Redirected in a circle, too often, or to nowhere.
    Redirect,
    /// 423 without an acceptable Min-Expires.
    IntervalRefused,
    /// Another final status.
    Rejected {
        /// The status.
        status: u16,
    },
    /// The account has room for too few contacts: registering pushed these out, so the line has withdrawn. It is not
    /// tried again.
    PushesOut {
        /// Whose place was taken, as the registrar listed them.
        contacts: Vec<String>,
        /// Whether they were bound again since.
        put_back: bool,
    },
}

impl fmt::Display for WaitReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread => formatter.write_str("first registration is spread with those of other lines"),
            Self::Unreachable { fault: Some(fault), .. } => fault.fmt(formatter),
            Self::Unreachable { attempts, fault: None } => {
                write!(formatter, "the registrar does not answer ({attempts} attempts)")
            }
            Self::Unavailable { status, retry_after_s: Some(wait_s) } => {
                write!(formatter, "the registrar answered {status} and asks to wait {wait_s} s")
            }
            Self::Unavailable { status, retry_after_s: None } => {
                write!(formatter, "the registrar answered {status}")
            }
            Self::ContactMissing { attempts } => {
                write!(formatter, "the registrar said OK but does not list our contact ({attempts} times)")
            }
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(refused) => refused.fmt(formatter),
            Self::Forbidden => formatter.write_str("403: the account may not register here"),
            Self::UnknownUser => formatter.write_str("404: the registrar does not know this user"),
            Self::Redirect => formatter.write_str("the registrar redirects in a circle or to nowhere"),
            Self::IntervalRefused => {
                formatter.write_str("423: the registrar accepts no expiry that can be asked for")
            }
            Self::Rejected { status } => write!(formatter, "the registrar answered {status}"),
            Self::PushesOut { contacts, put_back } => {
                let since = if *put_back { "; it is bound again" } else { "" };
                write!(formatter, "registering pushed out {}{since}", contacts.join(", "))
            }
        }
    }
}
