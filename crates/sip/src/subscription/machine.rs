//! The subscription machine: what is in flight, what is waited for, what comes next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;

use super::state::{
    FailureReason, Input, Output, SubscriptionConfig, SubscriptionState, TimerReason, WaitReason,
};
use crate::dialog::{Dialog, DialogId};
use crate::digest::{Attempt, DigestClient, Refused};
use crate::message::{CSeq, HeaderName, Method, NameAddr, Request, Response};
use crate::registration::timing;
use crate::uri::{SipUri, Uri};

/// Timer F ends after 32 s; a transaction that is silent for longer was lost by its layer.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);
/// Timer N (RFC 6665 section 4.1.2.4): 64 times T1.
const NOTIFICATION_LIMIT: Duration = Duration::from_secs(32);
/// The longest Min-Expires that is taken on, in seconds.
const MAX_MIN_EXPIRES_S: u32 = 86_400;
/// Longer intervals asked for in a row because of 423.
const MAX_INTERVALS: u32 = 2;

/// A subscription of one line.
///
/// After each [`Subscription::handle_input`] and [`Subscription::handle_notify`] poll [`Subscription::poll_output`] until
/// it yields [`Output::Timeout`] or [`Output::Idle`]. At most one request is in flight at a time.
#[derive(Debug)]
pub struct Subscription {
    pub(super) config: SubscriptionConfig,
    rng: ChaCha12Rng,
    step: Step,
    intent: Intent,
    state: SubscriptionState,
    pub(super) outputs: VecDeque<Output>,
    /// Names the subscription until it has a dialog; drawn anew for each.
    call_id: String,
    local_tag: String,
    cseq: u32,
    pub(super) dialog: Option<Dialog>,
    /// Whether the notifier has told the state that was asked for.
    told: Told,
    /// The expiry asked for; rises with 423.
    expires_s: u32,
    failures: Failures,
}

/// What the owner wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Stay,
    Leave,
}

/// Whether a notification came of a request that needs one: the first, and one after a missed notification. Not every
/// PBX notifies of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Due(Instant),
    Came,
}

/// Failures in a row, by kind; each sets the length of the next wait.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    silent: u32,
    refused: u32,
}

#[derive(Debug)]
enum Step {
    /// Nothing: not started, or ended.
    Rest,
    /// Waiting before it asks again.
    Sleep { until: Instant },
    /// Waiting for the final response.
    InFlight(InFlight),
    /// Granted.
    Granted { refresh_at: Instant },
}

/// The request that waits for its final response.
#[derive(Debug)]
struct InFlight {
    purpose: Purpose,
    cseq: u32,
    attempt: Attempt,
    deadline: Instant,
    intervals: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Subscribe,
    Refresh,
    Unsubscribe,
}

impl Subscription {
    /// Creates a subscription at rest; `rng` gives its names and its jitter.
    #[must_use]
    pub fn new(config: SubscriptionConfig, rng: ChaCha12Rng) -> Self {
        Self {
            expires_s: config.expires_s,
            config,
            rng,
            step: Step::Rest,
            intent: Intent::Stay,
            state: SubscriptionState::Idle,
            outputs: VecDeque::new(),
            call_id: String::new(),
            local_tag: String::new(),
            cseq: 0,
            dialog: None,
            told: Told::NotYet,
            failures: Failures::default(),
        }
    }

    /// Returns how it stands.
    #[must_use]
    pub fn state(&self) -> &SubscriptionState {
        &self.state
    }

    /// Returns the name by which a NOTIFY finds it; its tag of the peer is empty until there is a dialog.
    #[must_use]
    pub fn dialog_id(&self) -> DialogId {
        self.dialog.as_ref().map_or_else(
            || DialogId {
                call_id: self.call_id.clone(),
                local_tag: self.local_tag.clone(),
                remote_tag: String::new(),
            },
            |dialog| dialog.id.clone(),
        )
    }

    /// Takes another contact of ours, which the next request names.
    pub(crate) fn relocate(&mut self, contact: SipUri) {
        self.config.contact = contact;
    }

    /// Takes one input; `digest` answers for the line.
    pub fn handle_input(&mut self, input: Input, digest: &mut DigestClient, now: Instant) {
        match input {
            Input::Start => self.start(digest, now),
            Input::Stop => self.stop(digest, now),
            Input::Refresh => {
                if matches!(self.step, Step::Granted { .. }) {
                    self.told = Told::NotYet;
                    self.send(Purpose::Refresh, digest, now);
                }
            }
            Input::Verify { within } => {
                let soon = now + timing::between(&mut self.rng, Duration::ZERO, within);
                if let Step::Granted { refresh_at } = &mut self.step {
                    *refresh_at = soon.min(*refresh_at);
                }
            }
            Input::Timeout => self.on_timer(digest, now),
            Input::Response(response) => self.on_response(&response, digest, now),
            Input::TimedOut | Input::TransportFailed => {
                if self.is_asked_for() {
                    self.on_silence(now);
                }
            }
        }
    }

    /// Returns what is to be done next.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        match self.next_timer() {
            Some((at, reason)) => Output::Timeout { at, reason },
            None => Output::Idle,
        }
    }

    fn next_timer(&self) -> Option<(Instant, TimerReason)> {
        match (&self.step, self.told) {
            (Step::Rest, _) => None,
            (Step::Sleep { until }, _) => Some((*until, TimerReason::Retry)),
            (Step::InFlight(in_flight), _) => Some((in_flight.deadline, TimerReason::AnswerOverdue)),
            (Step::Granted { refresh_at }, Told::Due(at)) if at < *refresh_at => {
                Some((at, TimerReason::NotificationOverdue))
            }
            (Step::Granted { refresh_at }, _) => Some((*refresh_at, TimerReason::Refresh)),
        }
    }

    fn start(&mut self, digest: &mut DigestClient, now: Instant) {
        self.intent = Intent::Stay;
        if matches!(self.step, Step::Rest) {
            self.failures = Failures::default();
            self.ask(digest, now);
        }
    }

    fn stop(&mut self, digest: &mut DigestClient, now: Instant) {
        self.intent = Intent::Leave;
        match &self.step {
            // Its answer may still grant it: that is awaited and then given back.
            Step::InFlight(_) => {}
            Step::Granted { .. } => self.send(Purpose::Unsubscribe, digest, now),
            Step::Rest | Step::Sleep { .. } => self.rest(),
        }
    }

    pub(super) fn rest(&mut self) {
        self.forget_dialog();
        self.step = Step::Rest;
        self.set_state(SubscriptionState::Ended);
    }

    /// Asks for a subscription of a new name; what an earlier one still brings is none of it.
    fn ask(&mut self, digest: &mut DigestClient, now: Instant) {
        self.forget_dialog();
        self.call_id = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        self.local_tag = format!("{:016x}", self.rng.next_u64());
        self.cseq = self.rng.next_u32() >> 16;
        self.set_state(SubscriptionState::Asking);
        self.send(Purpose::Subscribe, digest, now);
    }

    fn forget_dialog(&mut self) {
        self.dialog = None;
        self.told = Told::NotYet;
    }

    fn on_timer(&mut self, digest: &mut DigestClient, now: Instant) {
        let Some((at, reason)) = self.next_timer() else { return };
        if at > now {
            return;
        }
        match reason {
            TimerReason::Retry => self.ask(digest, now),
            TimerReason::Refresh => self.send(Purpose::Refresh, digest, now),
            TimerReason::AnswerOverdue | TimerReason::NotificationOverdue => self.on_silence(now),
        }
    }

    fn on_silence(&mut self, now: Instant) {
        if self.intent == Intent::Leave {
            return self.rest();
        }
        self.failures.silent = self.failures.silent.saturating_add(1);
        let attempts = self.failures.silent;
        let wait = timing::after_silence(&mut self.rng, attempts);
        self.sleep(now + wait, WaitReason::Unreachable { attempts });
    }

    pub(super) fn sleep(&mut self, until: Instant, reason: WaitReason) {
        self.forget_dialog();
        self.step = Step::Sleep { until };
        self.set_state(SubscriptionState::Waiting { until, reason });
    }

    fn send(&mut self, purpose: Purpose, digest: &mut DigestClient, now: Instant) {
        let mut request = self.next_request(purpose);
        digest.authorize(&mut request, &mut self.rng);
        self.transmit(request, purpose, Attempt::default(), 0, now);
    }

    fn next_request(&mut self, purpose: Purpose) -> Request {
        let config = &self.config;
        let mut request = if let Some(dialog) = &mut self.dialog {
            dialog.local_cseq = dialog.local_cseq.max(self.cseq);
            let request = dialog.request(Method::Subscribe);
            self.cseq = dialog.local_cseq;
            request
        } else {
            self.cseq = self.cseq.saturating_add(1);
            outside(config, &self.call_id, &self.local_tag, self.cseq)
        };
        let expires_s = if purpose == Purpose::Unsubscribe { 0 } else { self.expires_s };
        let headers = &mut request.headers;
        headers.push(HeaderName::Contact, NameAddr::new(Uri::Sip(config.contact.clone())).to_bytes());
        headers.push(HeaderName::Event, config.package);
        headers.push(HeaderName::Accept, config.accept);
        headers.push(HeaderName::Expires, expires_s.to_string());
        request
    }

    fn transmit(
        &mut self,
        request: Request,
        purpose: Purpose,
        attempt: Attempt,
        intervals: u32,
        now: Instant,
    ) {
        let deadline = now + ANSWER_LIMIT;
        self.step = Step::InFlight(InFlight { purpose, cseq: self.cseq, attempt, deadline, intervals });
        self.outputs.push_back(Output::SendRequest(Box::new(request)));
    }

    fn on_response(&mut self, response: &Response, digest: &mut DigestClient, now: Instant) {
        let Step::InFlight(in_flight) = &self.step else { return };
        let ours = response.headers.cseq().is_ok_and(|cseq| cseq.number == in_flight.cseq);
        if response.status.is_provisional() || !ours {
            return;
        }
        let Step::InFlight(in_flight) = std::mem::replace(&mut self.step, Step::Rest) else { return };
        match response.status.get() {
            401 | 407 => self.challenged(in_flight, response, digest, now),
            _ if in_flight.purpose == Purpose::Unsubscribe => self.rest(),
            200..=299 => {
                digest.accepted(response);
                self.granted(response, digest, now);
            }
            _ if self.intent == Intent::Leave => self.rest(),
            // The notifier has forgotten it (RFC 6665 section 4.1.2.2): asked for anew, and not twice at once.
            481 if in_flight.purpose == Purpose::Refresh => self.ask(digest, now),
            423 if in_flight.intervals < MAX_INTERVALS => self.too_brief(in_flight, response, digest, now),
            status => self.refused(status, response, now),
        }
    }

    fn challenged(
        &mut self,
        mut in_flight: InFlight,
        response: &Response,
        digest: &mut DigestClient,
        now: Instant,
    ) {
        if self.intent == Intent::Leave && in_flight.purpose != Purpose::Unsubscribe {
            return self.rest();
        }
        let mut request = self.next_request(in_flight.purpose);
        match digest.answer(&mut in_flight.attempt, &mut request, response, &mut self.rng) {
            Ok(()) => self.transmit(request, in_flight.purpose, in_flight.attempt, in_flight.intervals, now),
            Err(_) if self.intent == Intent::Leave => self.rest(),
            Err(Refused::ForeignRealm { .. }) => self.fail(FailureReason::Forbidden, None, now),
            Err(_) => self.fail(FailureReason::Credentials, None, now),
        }
    }

    fn granted(&mut self, response: &Response, digest: &mut DigestClient, now: Instant) {
        match &mut self.dialog {
            Some(dialog) => dialog.refresh_target(&response.headers),
            None => {
                let request = outside(&self.config, &self.call_id, &self.local_tag, self.cseq);
                self.dialog = Dialog::sent(&request, response).ok();
            }
        }
        if self.intent == Intent::Leave {
            return self.send(Purpose::Unsubscribe, digest, now);
        }
        let granted_s = response.headers.expires().unwrap_or(self.expires_s).min(self.expires_s);
        self.refresh_before(granted_s, now);
        // It may have come before this response (RFC 6665 section 4.1.2.4).
        if self.told == Told::NotYet {
            self.told = Told::Due(now + NOTIFICATION_LIMIT);
        }
    }

    fn refresh_before(&mut self, left_s: u32, now: Instant) {
        let left = Duration::from_secs(u64::from(left_s));
        self.step = Step::Granted { refresh_at: now + timing::until_refresh(&mut self.rng, left) };
    }

    /// A notification says how long the notifier still keeps the subscription.
    pub(super) fn kept_for(&mut self, left_s: u32, now: Instant) {
        let end = now + Duration::from_secs(u64::from(left_s));
        if matches!(self.step, Step::Granted { refresh_at } if refresh_at > end) {
            self.refresh_before(left_s, now);
        }
    }

    fn too_brief(
        &mut self,
        in_flight: InFlight,
        response: &Response,
        digest: &mut DigestClient,
        now: Instant,
    ) {
        match response.headers.min_expires() {
            Some(least) if least > self.expires_s && least <= MAX_MIN_EXPIRES_S => {
                self.expires_s = least;
                let mut request = self.next_request(in_flight.purpose);
                digest.authorize(&mut request, &mut self.rng);
                self.transmit(request, in_flight.purpose, Attempt::default(), in_flight.intervals + 1, now);
            }
            _ => self.refused(423, response, now),
        }
    }

    fn refused(&mut self, status: u16, response: &Response, now: Instant) {
        let retry_after = response.headers.retry_after();
        match status {
            403 => self.fail(FailureReason::Forbidden, retry_after, now),
            404 | 410 | 604 => self.fail(FailureReason::NoSuchResource, retry_after, now),
            405 | 489 | 501 => self.fail(FailureReason::NoSuchPackage, retry_after, now),
            408 | 480 | 481 | 500 | 502..=599 | 600 => self.unavailable(retry_after, now),
            status => self.fail(FailureReason::Rejected { status }, retry_after, now),
        }
    }

    pub(super) fn unavailable(&mut self, retry_after_s: Option<u32>, now: Instant) {
        self.failures.silent = self.failures.silent.saturating_add(1);
        let wait = match retry_after_s {
            Some(wait_s) => timing::after_request(&mut self.rng, wait_s),
            None => timing::after_silence(&mut self.rng, self.failures.silent),
        };
        self.sleep(now + wait, WaitReason::Unavailable);
    }

    pub(super) fn fail(&mut self, reason: FailureReason, retry_after_s: Option<u32>, now: Instant) {
        self.failures.refused = self.failures.refused.saturating_add(1);
        let wait = match (reason, retry_after_s) {
            (_, Some(wait_s)) => timing::after_request(&mut self.rng, wait_s),
            (FailureReason::Credentials, None) => {
                timing::after_wrong_credentials(&mut self.rng, self.failures.refused)
            }
            (_, None) => timing::after_refusal(&mut self.rng, self.failures.refused),
        };
        self.sleep(now + wait, WaitReason::Refused(reason));
    }

    /// Waits shortly and asks again: the notifier ended it for a reason of its own. At once would be a race with one that
    /// always does.
    pub(super) fn ask_again_soon(&mut self, now: Instant) {
        let wait = timing::after_silence(&mut self.rng, 1);
        self.sleep(now + wait, WaitReason::Unavailable);
    }

    /// Takes note of a notification that leaves the subscription as it is.
    pub(super) fn told(&mut self, state: SubscriptionState) {
        self.told = Told::Came;
        self.failures = Failures::default();
        self.set_state(state);
    }

    /// Tells whether nothing but its end is waited for.
    pub(super) fn is_given_up(&self) -> bool {
        self.intent == Intent::Leave
    }

    /// Tells whether the notifier may have a subscription of ours.
    pub(super) fn is_asked_for(&self) -> bool {
        matches!(self.step, Step::InFlight(_) | Step::Granted { .. })
    }

    /// Takes the first notification's word for the dialog when it comes before the response.
    pub(super) fn adopt(&mut self, notify: &Request) -> bool {
        if self.dialog.is_none()
            && let Ok(mut dialog) = Dialog::served(notify, &self.local_tag)
        {
            dialog.local_cseq = self.cseq;
            dialog.confirm();
            self.dialog = Some(dialog);
        }
        self.dialog.is_some()
    }

    pub(super) fn set_state(&mut self, state: SubscriptionState) {
        if self.state != state {
            self.state = state.clone();
            self.outputs.push_back(Output::StateChanged(state));
        }
    }
}

/// Builds a SUBSCRIBE outside a dialog, without what the package adds.
fn outside(config: &SubscriptionConfig, call_id: &str, local_tag: &str, cseq: u32) -> Request {
    let mut request = Request::new(Method::Subscribe, Uri::Sip(config.resource.clone()));
    let headers = &mut request.headers;
    if let Some(proxy) = &config.outbound_proxy {
        headers.push(HeaderName::Route, NameAddr::new(Uri::Sip(loose(proxy))).to_bytes());
    }
    headers.push(HeaderName::MaxForwards, "70");
    let mut from = NameAddr::new(Uri::Sip(config.address_of_record.clone()));
    from.params.set("tag", Some(local_tag));
    headers.push(HeaderName::From, from.to_bytes());
    headers.push(HeaderName::To, NameAddr::new(Uri::Sip(config.resource.clone())).to_bytes());
    headers.push(HeaderName::CallId, call_id);
    headers.push(HeaderName::CSeq, CSeq { number: cseq, method: Method::Subscribe }.to_string());
    request
}

/// A strict-routing proxy would replace the Request-URI (RFC 3261 section 16.12.1.2).
fn loose(proxy: &SipUri) -> SipUri {
    let mut proxy = proxy.clone();
    proxy.params.set("lr", None);
    proxy
}
