//! What a subscription is given, and what it tells.

use std::time::{Duration, Instant};

use crate::message::{Request, Response};
use crate::uri::SipUri;

/// What is subscribed to, as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionConfig {
    /// Whose state is asked for: the Request-URI and To.
    pub resource: SipUri,
    /// Who asks: From.
    pub address_of_record: SipUri,
    /// Where notifications come to.
    pub contact: SipUri,
    /// The proxy that requests go through first.
    pub outbound_proxy: Option<SipUri>,
    /// The package: the Event header.
    pub package: &'static str,
    /// The body that is understood: the Accept header.
    pub accept: &'static str,
    /// How long a subscription is asked for, in seconds.
    pub expires_s: u32,
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Not asked for.
    Idle,
    /// Asked for, not answered.
    Asking,
    /// Granted, and the first notification came.
    Active,
    /// Granted, and somebody has to allow it first.
    Pending,
    /// Asked for again later.
    Waiting {
        /// When.
        until: Instant,
        /// Why not now.
        reason: WaitReason,
    },
    /// Asked to end, or ended.
    Ended,
}

/// Why a subscription waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// Nobody answers, or the answer was granted and no notification came.
    Unreachable {
        /// How often in a row.
        attempts: u32,
    },
    /// The notifier is overloaded, or asked to come back later.
    Unavailable,
    /// Refused; only a person can change that.
    Refused(FailureReason),
}

/// Why a notifier refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// 489 and its kin: the notifier does not have the package, or no packages at all.
    NoSuchPackage,
    /// Name or password are wrong, or the digest is one that is not spoken here.
    Credentials,
    /// 403, or `terminated;reason=rejected`.
    Forbidden,
    /// 404, or `terminated;reason=noresource`.
    NoSuchResource,
    /// Another status.
    Rejected {
        /// Which.
        status: u16,
    },
}

/// What happens to a subscription.
#[derive(Debug)]
pub enum Input {
    /// It is wanted.
    Start,
    /// It is no longer wanted.
    Stop,
    /// All of the state is wanted anew: a notification was missed (RFC 6665 section 4.4.3: a refresh brings it).
    Refresh,
    /// The notifier may have forgotten it: refresh it at a random moment within this time.
    Verify {
        /// The longest wait.
        within: Duration,
    },
    /// The instant of [`Output::Timeout`] has come.
    Timeout,
    /// The response to its request.
    Response(Response),
    /// Its request got no response.
    TimedOut,
    /// Its request could not be sent.
    TransportFailed,
}

/// What a subscription wants.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Send this SUBSCRIBE in a transaction.
    SendRequest(Box<Request>),
    /// It stands otherwise.
    StateChanged(SubscriptionState),
    /// What a notification brought; never empty.
    Notified {
        /// The body as it came.
        body: Vec<u8>,
    },
    /// Come back with [`Input::Timeout`] at this instant.
    Timeout {
        /// When.
        at: Instant,
        /// What for.
        reason: TimerReason,
    },
    /// Nothing to do until another input.
    Idle,
}

/// What a subscription's timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerReason {
    /// To ask again.
    Retry,
    /// To refresh.
    Refresh,
    /// The transaction layer lost the request.
    AnswerOverdue,
    /// Granted, and no notification came (Timer N, RFC 6665 section 4.1.2.4).
    NotificationOverdue,
}
