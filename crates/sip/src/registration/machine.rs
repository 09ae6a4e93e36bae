//! The registration machine: what is in flight, what is waited for, what comes next.
//!
//! The meaning of each response is in `outcome`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;

use super::bindings::Binding;
use super::guard::Guard;
use super::request::{self, Fields, Purpose};
use super::timing;
use super::{AddressLearning, Input, Output, RegistrationConfig, RegistrationState, TimerReason, WaitReason};
use crate::digest::{Attempt, DigestClient};
use crate::message::Request;
use crate::transport::TransportFault;
use crate::uri::SipUri;

/// Timer F ends after 32 s; a transaction that is silent for longer was lost by its layer.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);

/// The registration of one line.
///
/// After each [`Registration::handle_input`] poll [`Registration::poll_output`] until it yields
/// [`Output::Timeout`] or [`Output::Idle`]. At most one request is in flight at a time
/// (RFC 3261 section 10.2).
#[derive(Debug)]
pub struct Registration {
    pub(super) config: RegistrationConfig,
    pub(super) rng: ChaCha12Rng,
    pub(super) digest: DigestClient,
    pub(super) step: Step,
    pub(super) intent: Intent,
    state: RegistrationState,
    outputs: VecDeque<Output>,
    from_tag: String,
    cseq: u32,
    /// Our contact; moves with the public address.
    pub(super) contact: SipUri,
    /// Contacts that we had registered before the address moved.
    pub(super) superseded: Vec<SipUri>,
    /// Where requests go; moves with redirects.
    pub(super) target: SipUri,
    /// The expiry asked for; rises with 423.
    pub(super) expires_s: u32,
    /// Until when the registrar may send calls to us, as far as known.
    pub(super) bound_until: Option<Instant>,
    /// When the binding is refreshed; a probe in between leaves it.
    pub(super) refresh_at: Option<Instant>,
    pub(super) foreign: Vec<Binding>,
    pub(super) guard: Guard,
    pub(super) inquiry: Inquiry,
    pub(super) failures: Failures,
}

/// Whether the registrar tells its bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inquiry {
    /// Not asked yet.
    Unasked,
    /// Asked and answered.
    Answered,
    /// The registrar listed us in a registration but not in the probe after it, so many times in a row.
    Contradicted { times: u32 },
    /// Its answers to a question are of no use.
    Useless,
}

/// What the owner wants of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Stay,
    Leave,
}

/// Failures in a row, by kind; each sets the length of the next wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) silent: u32,
    /// Connections that were lost before the first refresh along them.
    pub(super) lost: u32,
    pub(super) missing: u32,
    pub(super) refused: u32,
}

/// What the machine is doing.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing: not started, or ended.
    Rest,
    /// Waiting before it sends.
    Sleep { until: Instant, reason: TimerReason, next: Purpose },
    /// Waiting for the final response.
    InFlight(Box<InFlight>),
    /// Bound.
    Bound { refresh_at: Instant, probe_at: Option<Instant> },
}

/// The request that waits for its final response.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) purpose: Purpose,
    pub(super) cseq: u32,
    pub(super) attempt: Attempt,
    pub(super) deadline: Instant,
    pub(super) tries: Tries,
}

/// What has been tried at once within one purpose, so that none of it goes on for ever.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries {
    pub(super) visited: Vec<SipUri>,
    pub(super) intervals: u32,
    pub(super) moves: u32,
}

impl Registration {
    /// Creates a registration at rest; `rng` gives its tag, its first CSeq and its jitter.
    #[must_use]
    pub fn new(config: RegistrationConfig, mut rng: ChaCha12Rng) -> Self {
        let from_tag = format!("{:016x}", rng.next_u64());
        // Below 2^31 with room for decades of refreshes (RFC 3261 section 8.1.1.5).
        let cseq = rng.next_u32() >> 16;
        Self {
            digest: DigestClient::new(config.credentials.clone()),
            step: Step::Rest,
            intent: Intent::Stay,
            state: RegistrationState::Idle,
            outputs: VecDeque::new(),
            from_tag,
            cseq,
            contact: config.contact.clone(),
            superseded: Vec::new(),
            target: config.registrar.clone(),
            expires_s: config.expires_s,
            bound_until: None,
            refresh_at: None,
            foreign: Vec::new(),
            guard: Guard::default(),
            inquiry: Inquiry::Unasked,
            failures: Failures::default(),
            config,
            rng,
        }
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> &RegistrationState {
        &self.state
    }

    /// Returns our contact as it is registered, at the public address if that was learned.
    #[must_use]
    pub fn contact(&self) -> &SipUri {
        &self.contact
    }

    /// Takes another contact of ours, such as for another transport; the old one is removed with the next registration.
    pub(crate) fn relocate(&mut self, contact: SipUri, learning: AddressLearning) {
        self.config.contact = contact.clone();
        self.config.address_learning = learning;
        let old = std::mem::replace(&mut self.contact, contact);
        if self.bound_until.is_some() && old != self.contact {
            self.superseded.push(old);
        }
    }

    /// Returns the address of record.
    #[must_use]
    pub fn address_of_record(&self) -> &SipUri {
        &self.config.address_of_record
    }

    /// Returns the registrar, as it was configured.
    #[must_use]
    pub fn registrar(&self) -> &SipUri {
        &self.config.registrar
    }

    /// Returns the proxy that requests go through first.
    #[must_use]
    pub fn outbound_proxy(&self) -> Option<&SipUri> {
        self.config.outbound_proxy.as_ref()
    }

    /// Returns the bindings of others, as the registrar last listed them.
    #[must_use]
    pub fn foreign_bindings(&self) -> &[Binding] {
        &self.foreign
    }

    /// Returns the line's digest client, which knows the registrar's realm and nonce; its other requests
    /// (INVITE) use it too.
    pub fn digest_mut(&mut self) -> &mut DigestClient {
        &mut self.digest
    }

    /// Takes one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Start => self.start(now),
            Input::Stop => self.stop(now),
            Input::PutBack => self.put_back(now),
            Input::Timeout => self.on_timer(now),
            Input::Verify { within } => self.verify(within, now),
            Input::Response(response) => self.on_response(&response, now),
            Input::TimedOut => self.on_silence(None, now),
            Input::TransportFailed(fault) => self.on_transport_failed(fault, now),
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
        match &self.step {
            Step::Rest => None,
            Step::Sleep { until, reason, .. } => Some((*until, *reason)),
            Step::InFlight(in_flight) => Some((in_flight.deadline, TimerReason::AnswerOverdue)),
            Step::Bound { refresh_at, probe_at } => match probe_at {
                Some(probe_at) if probe_at < refresh_at => Some((*probe_at, TimerReason::Probe)),
                _ => Some((*refresh_at, TimerReason::Refresh)),
            },
        }
    }

    fn start(&mut self, now: Instant) {
        self.intent = Intent::Stay;
        if !matches!(self.step, Step::Rest) {
            return;
        }
        self.inquiry = Inquiry::Unasked;
        self.guard = Guard::default();
        self.failures = Failures::default();
        self.target = self.config.registrar.clone();
        let (after, spread) = (self.config.start_after, self.config.start_spread);
        let wait = timing::between(&mut self.rng, after, after + spread);
        if wait.is_zero() {
            self.send(Purpose::Query, now);
            return;
        }
        let until = now + wait;
        self.step = Step::Sleep { until, reason: TimerReason::Start, next: Purpose::Query };
        self.set_state(RegistrationState::Waiting { until, reason: WaitReason::Spread });
    }

    fn stop(&mut self, now: Instant) {
        self.intent = Intent::Leave;
        self.guard = Guard::default();
        match &self.step {
            // The request in flight may still bind us: its answer is awaited (RFC 3261 section 10.2).
            Step::InFlight(_) => self.set_state(RegistrationState::Unregistering),
            Step::Rest | Step::Sleep { .. } | Step::Bound { .. } => self.leave(now),
        }
    }

    /// Removes our binding if there may be one, and rests.
    pub(super) fn leave(&mut self, now: Instant) {
        if self.bound_until.is_some_and(|until| until > now) {
            self.send(Purpose::Unregister, now);
        } else {
            self.rest(now);
        }
    }

    /// Ends, or begins again if the owner changed its mind meanwhile.
    pub(super) fn rest(&mut self, now: Instant) {
        self.step = Step::Rest;
        self.bound_until = None;
        self.superseded.clear();
        self.foreign.clear();
        if let Some(state) = self.guard.withdrawn(now) {
            return self.set_state(state);
        }
        self.set_state(RegistrationState::Unregistered);
        if self.intent == Intent::Stay {
            self.start(now);
        }
    }

    fn on_timer(&mut self, now: Instant) {
        let Some((at, reason)) = self.next_timer() else {
            return;
        };
        if at > now {
            return;
        }
        match (reason, &self.step) {
            (TimerReason::AnswerOverdue, _) => self.on_silence(None, now),
            (TimerReason::Probe, _) => self.send(Purpose::Probe, now),
            (TimerReason::Refresh, _) if self.is_guarded() => self.send(Purpose::Lookout, now),
            (TimerReason::Refresh, _) => self.send(Purpose::Refresh, now),
            (_, Step::Sleep { next, .. }) => {
                let next = *next;
                self.send(next, now);
            }
            (TimerReason::Start | TimerReason::Retry, _) => {}
        }
    }

    fn verify(&mut self, within: Duration, now: Instant) {
        let soon = now + timing::between(&mut self.rng, Duration::ZERO, within);
        if let Step::Bound { probe_at, .. } = &mut self.step {
            // Several may raise the same doubt: drawn again each time, all would come early.
            let planned = probe_at.filter(|planned| *planned <= now + within);
            *probe_at = Some(planned.unwrap_or(soon));
        }
    }

    fn on_transport_failed(&mut self, fault: Option<TransportFault>, now: Instant) {
        match self.step {
            Step::InFlight(_) => self.on_silence(fault, now),
            Step::Bound { .. } => {
                self.failures.lost = self.failures.lost.saturating_add(1);
                self.failures.silent = self.failures.silent.max(self.failures.lost.saturating_sub(1));
                self.sleep_after_silence(fault, now);
            }
            Step::Rest | Step::Sleep { .. } => {}
        }
    }

    fn on_silence(&mut self, fault: Option<TransportFault>, now: Instant) {
        let Step::InFlight(in_flight) = &self.step else {
            return;
        };
        let purpose = in_flight.purpose;
        if matches!(purpose, Purpose::Register | Purpose::Refresh) {
            // The request may have arrived although its answer did not.
            let possibly = now.checked_add(Duration::from_secs(u64::from(self.expires_s)));
            self.bound_until = self.bound_until.max(possibly);
        }
        match (purpose, self.intent) {
            (Purpose::Unregister | Purpose::PutBack, _) => self.rest(now),
            (_, Intent::Leave) => self.leave(now),
            (Purpose::Recheck, Intent::Stay) => self.withdraw(now),
            (_, Intent::Stay) => self.sleep_after_silence(fault, now),
        }
    }

    fn sleep_after_silence(&mut self, fault: Option<TransportFault>, now: Instant) {
        self.failures.silent = self.failures.silent.saturating_add(1);
        let attempts = self.failures.silent;
        let wait = timing::after_silence(&mut self.rng, attempts);
        self.sleep(now + wait);
        self.set_state(RegistrationState::Waiting {
            until: now + wait,
            reason: WaitReason::Unreachable { attempts, fault },
        });
    }

    /// Waits; the next attempt goes to the configured registrar again.
    pub(super) fn sleep(&mut self, until: Instant) {
        self.target = self.config.registrar.clone();
        // A contact at a connection that is no more would be bound for a moment.
        let unknown = self.config.address_learning == AddressLearning::FollowConnection;
        let asks = self.inquiry == Inquiry::Unasked || (unknown && self.inquiry != Inquiry::Useless);
        let next = if asks { Purpose::Query } else { Purpose::Register };
        self.step = Step::Sleep { until, reason: TimerReason::Retry, next };
    }

    /// Sends a request for a new purpose.
    pub(super) fn send(&mut self, purpose: Purpose, now: Instant) {
        match purpose {
            Purpose::Query => self.set_state(RegistrationState::Querying),
            Purpose::Register => self.set_state(RegistrationState::Registering),
            Purpose::Unregister => self.set_state(RegistrationState::Unregistering),
            // While the binding holds, refreshing it is nobody's concern.
            Purpose::Refresh | Purpose::Probe | Purpose::Lookout | Purpose::Recheck => {}
            Purpose::PutBack => {}
        }
        self.send_again(purpose, Tries::default(), now);
    }

    /// Sends another request for the same purpose, with what was tried before.
    pub(super) fn send_again(&mut self, purpose: Purpose, tries: Tries, now: Instant) {
        let mut request = self.next_request(purpose);
        self.digest.authorize(&mut request, &mut self.rng);
        self.transmit(request, purpose, Attempt::default(), tries, now);
    }

    /// Builds the next REGISTER of this Call-ID, with a higher CSeq.
    pub(super) fn next_request(&mut self, purpose: Purpose) -> Request {
        self.cseq = self.cseq.saturating_add(1);
        let fields = Fields {
            purpose,
            target: &self.target,
            contact: &self.contact,
            superseded: &self.superseded,
            pushed_out: self.guard.pushed_out(),
            expires_s: self.expires_s,
            from_tag: &self.from_tag,
            cseq: self.cseq,
        };
        request::build(&self.config, &fields)
    }

    pub(super) fn transmit(
        &mut self,
        request: Request,
        purpose: Purpose,
        attempt: Attempt,
        tries: Tries,
        now: Instant,
    ) {
        let deadline = now + ANSWER_LIMIT;
        self.step = Step::InFlight(Box::new(InFlight { purpose, cseq: self.cseq, attempt, deadline, tries }));
        self.outputs.push_back(Output::SendRequest(Box::new(request)));
    }

    pub(super) fn set_state(&mut self, state: RegistrationState) {
        if self.state != state {
            self.state = state.clone();
            self.outputs.push_back(Output::StateChanged(state));
        }
    }
}
