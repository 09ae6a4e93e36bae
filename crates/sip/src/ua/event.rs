//! What the user agent tells the application, and what a failure means to a caller.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::invite::{DialogHandle, EndCause, PeerIdentity};
use crate::message::{NameAddr, ReasonValue, Request};
use crate::registrar::{Binding, PhoneId};
use crate::registration::RegistrationState;
use crate::subscription::SubscriptionState;
use crate::transport::Flow;
use crate::uri::Uri;

use super::key::Key;
use super::subscriptions::SubscriptionHandle;

/// How it goes with a REFER of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferralTold {
    /// The peer will not, or is silent (408), also after it has accepted.
    Refused {
        /// Its answer.
        status: u16,
    },
    /// It will.
    Accepted,
    /// It calls.
    Progress {
        /// What the one whom it calls has answered.
        status: u16,
    },
    /// Its call is answered (2xx), or came to nothing; 408 too when nothing final was told.
    Over {
        /// What the one whom it called has answered.
        status: u16,
    },
}

/// Names a line; the application chooses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(Arc<str>);

impl LineId {
    /// Makes a name.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Gives the name as it was chosen.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LineId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened. Of one leg, `Cancelled`, `Rejected` and `Ended` are last words: no command is taken and no event
/// but [`Event::StrayAnswerReleased`] comes after one of them. A leg that the application rejected has no last word.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A line's registration is in another state.
    RegistrationChanged {
        /// Which line.
        line: LineId,
        /// Its state now.
        state: RegistrationState,
    },
    /// A subscription stands otherwise; `Ended` is its last word.
    SubscriptionChanged {
        /// Which one.
        handle: SubscriptionHandle,
        /// How it stands now.
        state: SubscriptionState,
    },
    /// A PBX tells what was subscribed to.
    Notified {
        /// Which subscription.
        handle: SubscriptionHandle,
        /// The body as it came; never empty.
        body: Vec<u8>,
    },
    /// A host name has no address; whatever waited for it failed or took another way, and will ask again.
    Unresolved {
        /// The name.
        host: String,
    },
    /// A call comes in: once for each INVITE, never for a repetition or a merged one.
    InviteReceived {
        /// The new leg.
        handle: DialogHandle,
        /// Who sends it.
        by: Inviter,
        /// The INVITE with all its headers.
        request: Box<Request>,
        /// The offer in its body; `None` asks for one in our 2xx.
        offer: Option<Vec<u8>>,
        /// The path it came by.
        flow: Flow,
        /// The answered leg whose place it takes (RFC 3891); hang that one up when this one is accepted.
        replaces: Option<DialogHandle>,
    },
    /// The peer asks to have the other party connected to somebody else (REFER): answer with
    /// [`UserAgent::answer_referral`](super::UserAgent::answer_referral).
    Referred {
        /// The leg.
        handle: DialogHandle,
        /// Whom to call.
        target: Uri,
        /// The dialog whose place that call takes, as the value of a Replaces header.
        replaces: Option<String>,
    },
    /// The peer told how it goes with what it was asked for by [`UserAgent::refer`](super::UserAgent::refer).
    ReferralTold {
        /// The leg.
        handle: DialogHandle,
        /// How.
        told: ReferralTold,
    },
    /// The peer pressed a key and told it by INFO.
    KeyPressed {
        /// The leg.
        handle: DialogHandle,
        /// Which one; never to be logged.
        key: Key,
    },
    /// The caller gave up before our final answer; 487 is sent.
    Cancelled {
        /// The leg, now over.
        handle: DialogHandle,
        /// Reason headers of the CANCEL; `SIP;cause=200` means answered elsewhere.
        reasons: Vec<ReasonValue>,
    },
    /// A provisional response (101 to 199) to our INVITE.
    Progress {
        /// The leg.
        handle: DialogHandle,
        /// 180, 183, ...
        status: u16,
        /// Early media's description, if one came.
        sdp: Option<Vec<u8>>,
        /// The tag of the fork that sent it; empty for a peer of RFC 2543.
        fork: String,
    },
    /// Our INVITE was answered; the ACK is sent, unless the INVITE carried no offer: then
    /// [`UserAgent::acknowledge`](super::UserAgent::acknowledge) must follow with the answer.
    Answered {
        /// The leg.
        handle: DialogHandle,
        /// The answer, or the offer for an INVITE without one.
        sdp: Option<Vec<u8>>,
        /// The tag of the fork that answered.
        fork: String,
    },
    /// Our INVITE was refused or could not be delivered.
    Rejected {
        /// The leg, now over.
        handle: DialogHandle,
        /// The status; 408 for silence, 503 for a transport failure.
        status: u16,
        /// The reason phrase as received, readable; empty when nothing was received.
        phrase: String,
        /// Retry-After in seconds.
        retry_after_s: Option<u32>,
        /// Reason headers (RFC 3326).
        reasons: Vec<ReasonValue>,
        /// Contacts of a 3xx; they are never followed by themselves.
        redirects: Vec<NameAddr>,
    },
    /// An answer nobody waits for (another fork, or it crossed our CANCEL) was acknowledged and hung up.
    StrayAnswerReleased {
        /// The leg of the INVITE.
        handle: DialogHandle,
        /// The tag of the fork.
        fork: String,
    },
    /// The ACK for our 2xx came.
    Confirmed {
        /// The leg.
        handle: DialogHandle,
        /// The answer, when our 2xx carried the offer.
        sdp: Option<Vec<u8>>,
    },
    /// The peer wants to change the session: answer with
    /// [`UserAgent::answer_reinvite`](super::UserAgent::answer_reinvite). A mere refresh never comes up.
    ReinviteReceived {
        /// The leg.
        handle: DialogHandle,
        /// The new offer; `None` asks for ours.
        offer: Option<Vec<u8>>,
    },
    /// A recording client tells of the recorded call, in a request inside the dialog; what else the request asks for
    /// follows. That of the INVITE stands in the INVITE (see [`crate::siprec::metadata_of`]).
    MetadataReceived {
        /// The leg.
        handle: DialogHandle,
        /// The document as sent.
        document: Vec<u8>,
    },
    /// The server of a line that records answered an OPTIONS, or does not.
    ServerAsked {
        /// The line.
        line: LineId,
        /// The status; none when nobody answers.
        status: Option<u16>,
    },
    /// Our change of the session was accepted.
    ReinviteAnswered {
        /// The leg.
        handle: DialogHandle,
        /// The answer.
        sdp: Option<Vec<u8>>,
    },
    /// Our change of the session was refused; the session goes on as it was.
    ReinviteRejected {
        /// The leg.
        handle: DialogHandle,
        /// Why; 503 for a transport failure.
        status: u16,
    },
    /// The peer says that somebody else is at its end than it said before: in the answer to our INVITE, or later in a
    /// request of its own. What a peer says of itself is as good as the peer.
    PeerNamed {
        /// The leg.
        handle: DialogHandle,
        /// Who.
        identity: Box<PeerIdentity>,
    },
    /// The leg is over.
    Ended {
        /// The leg.
        handle: DialogHandle,
        /// Why.
        cause: EndCause,
    },
    /// The peer is alive: it answered our OPTIONS inside the dialog.
    OptionsAnswered {
        /// The leg.
        handle: DialogHandle,
        /// With what.
        status: u16,
    },
    /// Our OPTIONS inside the dialog got no answer; after silence and 481 the leg ends by itself.
    OptionsUnanswered {
        /// The leg.
        handle: DialogHandle,
    },
    /// [`UserAgent::dialog_record`](super::UserAgent::dialog_record) gives something new.
    DialogUpdated {
        /// The leg.
        handle: DialogHandle,
    },
    /// A BYE for a dialog of an earlier process is done.
    Released {
        /// Call-ID of the record.
        call_id: String,
        /// The status that answered the BYE; `None` when nobody did.
        status: Option<u16>,
    },
    /// A phone has registered, renewed or lost a binding.
    PhoneChanged {
        /// Which phone.
        phone: PhoneId,
        /// All of its bindings now.
        bindings: Vec<Binding>,
    },
    /// Somebody has guessed at passwords of phones too often and is not answered for a time.
    GuesserLocked {
        /// From where.
        source: IpAddr,
        /// The account that was named last; it need not exist.
        username: String,
    },
    /// Something was dropped that no known peer sent; at most ten a second are told.
    Suspicious {
        /// Where it came from.
        flow: Flow,
        /// What is wrong with it.
        why: Suspicion,
        /// How many were dropped since the last one told, this one included.
        count: u64,
    },
    /// All lines are unregistered.
    ShutDown,
}

/// Who sends an INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inviter {
    /// The PBX of a line, to the line's contact.
    Line(LineId),
    /// A phone that registered here and has proved itself.
    Phone(PhoneId),
}

/// What is wrong with a message that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// A request from an address that no line and no configuration knows.
    UnknownSource,
    /// Bytes that are no SIP message.
    Garbage,
    /// A stream that broke the framing; it is closed.
    BrokenStream,
}

/// What a final status means to somebody who placed a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureMeaning {
    /// The other party talks to somebody.
    Busy,
    /// The other party does not want the call.
    Declined,
    /// It rang in vain, or nobody is there now.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// The network or the other party's equipment cannot be reached.
    Unreachable,
    /// There is no such number.
    NotFound,
    /// It has moved; the response tells where to.
    Moved,
    /// Our account may not do this.
    Forbidden,
    /// The two ends share no codec or feature.
    Incompatible,
    /// A server failed or is overloaded; later it may work.
    ServerFault,
    /// Our request was wrong: a fault of this end.
    OurFault,
}

/// Tells what a final status of 300 to 699 means to a caller (RFC 3261 section 21).
pub fn meaning(status: u16) -> FailureMeaning {
    match status {
        300..=399 => FailureMeaning::Moved,
        401 | 402 | 403 | 407 | 433 => FailureMeaning::Forbidden,
        404 | 410 | 484 | 485 | 604 => FailureMeaning::NotFound,
        408 | 502 | 504 => FailureMeaning::Unreachable,
        430 | 480 => FailureMeaning::NoAnswer,
        486 | 600 => FailureMeaning::Busy,
        487 => FailureMeaning::Cancelled,
        603 | 607 | 608 => FailureMeaning::Declined,
        406 | 415 | 416 | 420 | 421 | 422 | 488 | 494 | 505 | 606 => FailureMeaning::Incompatible,
        500..=699 => FailureMeaning::ServerFault,
        _ => FailureMeaning::OurFault,
    }
}
