//! INVITE sessions: from the first INVITE to the last BYE (RFC 3261 sections 9, 13, 14, 15; RFC 4028; RFC 3311).
//!
//! One [`Session`] is one leg: an INVITE that this end sent or received, the dialogs it made, the changes inside
//! them, its end. It is a machine like all others here: it takes commands, messages and clock ticks and leaves
//! [`Action`]s. It knows no flows, no names to resolve and no lines; `ua` carries its actions out. Session descriptions
//! are opaque bytes to it.

mod client;
mod compose;
mod digits;
mod identity;
mod referral;
mod referring;
mod reinvite;
mod reliable;
mod server;
mod session;
mod session_id;
mod session_timer;
mod within;

use std::time::Duration;

use rand_chacha::ChaCha12Rng;

pub(crate) use compose::{
    ACCEPTED_BODY, accepts_sdp, header_is_printable, put_sdp, reason_value, reply, sdp_of, warning_value,
    with_allow,
};
pub use identity::PeerIdentity;
pub(crate) use reinvite::too_brief;
pub(crate) use session::{Path, Service, Session, SessionOrigin};
pub use session_id::SessionId;
pub(crate) use session_timer::{Agreement, SHORTEST_S};

use crate::dialog::DialogId;
use crate::digest::DigestClient;
use crate::message::{Header, ReasonValue, Request, Response};
use crate::transaction::{ServerTransactionId, Timers};
use crate::ua::Event;
use crate::uri::SipUri;

/// Names one leg for as long as the user agent lives; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogHandle(pub(crate) u64);

impl DialogHandle {
    /// Gives the number behind the handle, for logs.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Why a leg ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndCause {
    /// The peer hung up.
    RemoteBye {
        /// The Reason headers of its BYE (RFC 3326).
        reasons: Vec<ReasonValue>,
    },
    /// This end hung up.
    LocalBye,
    /// This end cancelled its INVITE before it was answered.
    Cancelled,
    /// The peer never acknowledged our 2xx.
    AckTimeout,
    /// The session timer ran out (RFC 4028 section 10).
    SessionExpired,
    /// A request inside the dialog got 408, no answer at all, or 481 without a BYE soon after (RFC 3261 section 12.2.1.2).
    Lost {
        /// 408 (also for silence) or 481.
        status: u16,
    },
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// The leg is over, or was never there.
    #[error("there is no such leg")]
    UnknownHandle,
    /// The leg is not in a state for this command.
    #[error("the leg is not in a state for this")]
    WrongState,
    /// A change of the session is under way; try again when it is answered.
    #[error("a change of the session is under way")]
    Busy,
    /// The line is unknown.
    #[error("there is no such line")]
    UnknownLine,
    /// A value holds a control character and would break out of its header.
    #[error("a value holds a control character")]
    Unprintable,
    /// The target is no SIP URI.
    #[error("the target is no SIP URI")]
    Unreachable,
    /// The status does not fit the command.
    #[error("the status does not fit the command")]
    WrongStatus,
    /// A header that the user agent writes itself was given.
    #[error("the user agent writes this header itself")]
    ReservedHeader,
    /// The user agent is shutting down.
    #[error("the user agent is shutting down")]
    ShuttingDown,
}

/// What a request of a session is for; its response comes back under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// The INVITE that makes the session.
    Invite,
    /// An INVITE inside the dialog.
    Reinvite,
    /// An UPDATE inside the dialog.
    Update,
    /// An OPTIONS inside the dialog.
    Options,
    /// An INFO with a digit.
    Info,
    /// A PRACK for a provisional response.
    Prack,
    /// A NOTIFY about what the peer asked for by REFER.
    Notify,
    /// A REFER that asks the peer to call somebody else.
    Refer,
    /// A BYE; the number tells the forks apart.
    Bye(u32),
}

/// How a request ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody answered in time.
    TimedOut,
    /// It could not be sent.
    TransportFailed,
}

/// A session's own timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionClock {
    /// Our 2xx is repeated until its ACK (RFC 3261 section 13.3.1.4).
    RepeatAnswer,
    /// The ACK is given up.
    AckOverdue,
    /// A long ringing is repeated for proxies (RFC 3261 section 13.3.1.1).
    RepeatRinging,
    /// A provisional response of ours is repeated until its PRACK (RFC 3262 section 3).
    RepeatProvisional,
    /// The PRACK is given up.
    PrackOverdue,
    /// The session is refreshed (RFC 4028 section 7.2).
    Refresh,
    /// The session expires (RFC 4028 section 10).
    Expire,
    /// A re-INVITE is tried again after 491 (RFC 3261 section 14.1).
    Glare,
    /// Late answers of forks are no longer expected (RFC 3261 section 13.2.2.4).
    Settle,
    /// An OPTIONS that could not leave is tried again.
    AskAgain,
    /// Nobody has answered an OPTIONS: the peer is gone.
    AskedInVain,
    /// The peer has told nothing of what we asked for by REFER.
    ReferralOverdue,
    /// The peer knows no such dialog (481), and no BYE has come that says why.
    ByeOverdue,
}

/// What a session asks of the user agent around it.
#[derive(Debug)]
pub(crate) enum Action {
    /// Send a request in a transaction; `hop` is the URI that it goes to, `None` the way the session began.
    Send { purpose: Purpose, request: Box<Request>, hop: Option<SipUri> },
    /// Send an ACK for a 2xx; the one sent is handed back to [`Session::acknowledged`].
    Acknowledge { ack: Box<Request>, tag: String, hop: Option<SipUri> },
    /// Answer a request.
    Respond { to: ServerTransactionId, response: Box<Response> },
    /// Cancel the INVITE.
    Cancel { reasons: Vec<Header> },
    /// Tell the application.
    Emit(Box<Event>),
    /// Start a timer, anew if it runs.
    Start(SessionClock, Duration),
    /// Stop a timer if it runs.
    Stop(SessionClock),
    /// Route requests of this dialog here.
    Bind(DialogId),
}

/// What all sessions share.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) timers: Timers,
    pub(crate) agent_name: String,
}

/// The account that answers challenges.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) digest: &'a mut DigestClient,
    /// Realms the line's registrar has used: the only ones answered inside a dialog.
    pub(crate) realms: &'a [Vec<u8>],
}

/// What a session needs from outside while it works.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) rng: &'a mut ChaCha12Rng,
    pub(crate) account: Option<Account<'a>>,
    pub(crate) actions: &'a mut Vec<Action>,
}

impl Context<'_> {
    pub(crate) fn emit(&mut self, event: Event) {
        self.actions.push(Action::Emit(Box::new(event)));
    }

    pub(crate) fn start(&mut self, clock: SessionClock, wait: Duration) {
        self.actions.push(Action::Start(clock, wait));
    }

    pub(crate) fn stop(&mut self, clock: SessionClock) {
        self.actions.push(Action::Stop(clock));
    }

    pub(crate) fn respond(&mut self, to: ServerTransactionId, response: Response) {
        self.actions.push(Action::Respond { to, response: Box::new(response) });
    }
}

impl SessionClock {
    /// All of them.
    pub(crate) const ALL: [Self; 13] = [
        Self::RepeatAnswer,
        Self::AckOverdue,
        Self::RepeatRinging,
        Self::RepeatProvisional,
        Self::PrackOverdue,
        Self::Refresh,
        Self::Expire,
        Self::Glare,
        Self::Settle,
        Self::AskAgain,
        Self::AskedInVain,
        Self::ReferralOverdue,
        Self::ByeOverdue,
    ];

    /// Gives its name for logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::RepeatAnswer => "2xx to repeat",
            Self::AckOverdue => "ACK overdue",
            Self::RepeatRinging => "ringing to repeat",
            Self::RepeatProvisional => "18x to repeat",
            Self::PrackOverdue => "PRACK overdue",
            Self::Refresh => "session refresh",
            Self::Expire => "session expiry",
            Self::Glare => "re-INVITE after 491",
            Self::Settle => "late forks",
            Self::AskAgain => "OPTIONS to repeat",
            Self::AskedInVain => "OPTIONS without an answer",
            Self::ReferralOverdue => "REFER without an end",
            Self::ByeOverdue => "BYE after 481",
        }
    }
}
