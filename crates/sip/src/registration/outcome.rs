//! What each final response to a REGISTER means (RFC 3261 sections 10.2, 10.3 and 21).

use std::time::{Duration, Instant};

use super::bindings::Bindings;
use super::machine::{InFlight, Inquiry, Intent, Registration, Step};
use super::request::{self, Purpose};
use super::timing;
use super::{AddressLearning, FailureReason, RegistrationState, WaitReason};
use crate::digest::Refused;
use crate::message::Response;
use crate::uri::{SipUri, Uri};

/// Redirects followed in a row.
const MAX_REDIRECTS: usize = 5;
/// Longer expiries asked for in a row because of 423.
const MAX_INTERVALS: u32 = 2;
/// The longest Min-Expires that is taken on, in seconds: a day.
const MAX_MIN_EXPIRES_S: u32 = 86_400;
/// Superseded contacts that are kept for removal.
const MAX_SUPERSEDED: usize = 4;
/// Remaining times are given in whole seconds and travel for a while.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
/// Probes in a row that contradict the registration before them, until probes are given up.
const MAX_CONTRADICTIONS: u32 = 2;

impl Registration {
    /// Takes the response to the request in flight; any other is ignored.
    pub(super) fn on_response(&mut self, response: &Response, now: Instant) {
        let Step::InFlight(in_flight) = &self.step else {
            return;
        };
        if response.status.is_provisional() {
            return;
        }
        if response.headers.cseq().is_ok_and(|cseq| cseq.number != in_flight.cseq) {
            return;
        }
        let Step::InFlight(in_flight) = std::mem::replace(&mut self.step, Step::Rest) else {
            return;
        };
        let status = response.status.get();
        if status != 401 && status != 407 {
            self.digest.accepted(response);
        }
        match (in_flight.purpose, self.intent) {
            (Purpose::Unregister, _) => self.on_unregister_response(*in_flight, response, now),
            (_, Intent::Leave) => {
                if response.status.is_success() {
                    self.note_bindings(in_flight.purpose, response, now);
                }
                self.leave(now);
            }
            (_, Intent::Stay) => self.on_final(*in_flight, response, now),
        }
    }

    fn on_final(&mut self, in_flight: InFlight, response: &Response, now: Instant) {
        let status = response.status.get();
        if !matches!(status, 200..=299 | 401 | 407) {
            match in_flight.purpose {
                Purpose::PutBack => return self.rest(now),
                // Nothing tells that they are still there.
                Purpose::Recheck => return self.withdraw(now),
                _ => {}
            }
        }
        match status {
            200..=299 => self.on_success(in_flight, response, now),
            300..=399 => self.on_redirect(in_flight, response, now),
            401 | 407 => {
                if let Err(refused) = self.answer_challenge(in_flight, response, now) {
                    self.fail_authentication(refused, now);
                }
            }
            423 => self.on_interval_too_brief(in_flight, response, now),
            status @ (408 | 480 | 486 | 500 | 502..=599 | 600) => self.on_unavailable(status, response, now),
            403 => self.fail(FailureReason::Forbidden, response.headers.retry_after(), now),
            404 => self.fail(FailureReason::UnknownUser, response.headers.retry_after(), now),
            _ if in_flight.purpose == Purpose::Query => {
                // Not every registrar answers a REGISTER without Contact.
                self.inquiry = Inquiry::Useless;
                self.send(Purpose::Register, now);
            }
            _ if matches!(in_flight.purpose, Purpose::Probe | Purpose::Lookout) => {
                self.inquiry = Inquiry::Useless;
                self.send(Purpose::Refresh, now);
            }
            status => {
                self.fail(FailureReason::Rejected { status }, response.headers.retry_after(), now);
            }
        }
    }

    fn on_success(&mut self, in_flight: InFlight, response: &Response, now: Instant) {
        let purpose = in_flight.purpose;
        let bindings = self.note_bindings(purpose, response, now);
        let moved = self.learn_address(purpose, response);
        self.failures.silent = 0;
        if matches!(purpose, Purpose::Refresh | Purpose::Probe) && in_flight.tries.moves == 0 {
            self.failures.lost = 0;
        }
        match purpose {
            Purpose::Query => {
                self.inquiry = Inquiry::Answered;
                self.guard.seen_before(&self.foreign, now);
                self.send(Purpose::Register, now);
            }
            Purpose::Lookout => {
                self.guard.seen_before(&self.foreign, now);
                self.send(Purpose::Refresh, now);
            }
            Purpose::PutBack => {
                self.guard.put_back(&self.foreign);
                self.rest(now);
            }
            Purpose::Recheck if self.guard.misses_any(&self.foreign) => self.withdraw(now),
            Purpose::Probe if bindings.own.is_none() => self.on_probe_without_us(now),
            Purpose::Register | Purpose::Refresh | Purpose::Recheck if bindings.own.is_none() => {
                self.on_missing_contact(now);
            }
            Purpose::Register | Purpose::Refresh
                if self.is_guarded() && self.guard.misses_any(&self.foreign) =>
            {
                self.send(Purpose::Recheck, now);
            }
            _ if moved && in_flight.tries.moves == 0 => {
                let mut tries = in_flight.tries;
                tries.moves += 1;
                self.send_again(Purpose::Refresh, tries, now);
            }
            Purpose::Probe => self.on_probe_with_us(&bindings, now),
            Purpose::Register | Purpose::Refresh | Purpose::Recheck => self.on_bound(&bindings, now),
            Purpose::Unregister => self.rest(now),
        }
    }

    /// Keeps what a 2xx says about who is bound.
    fn note_bindings(&mut self, purpose: Purpose, response: &Response, now: Instant) -> Bindings {
        let mut bindings = Bindings::read(response, &self.contact, self.expires_s, now);
        self.foreign = std::mem::take(&mut bindings.foreign);
        match (purpose, bindings.own) {
            (Purpose::Probe | Purpose::Lookout | Purpose::Recheck, Some(left)) if self.agrees(now + left) => {
            }
            (_, Some(granted)) => self.bound_until = now.checked_add(granted),
            (Purpose::Register | Purpose::Refresh, None) => {
                // Accepted but not listed: possibly bound all the same, so a farewell is due later.
                let asked = Duration::from_secs(u64::from(self.expires_s));
                self.bound_until = now.checked_add(asked);
            }
            (_, None) => {}
        }
        if matches!(purpose, Purpose::Register | Purpose::Refresh) {
            self.superseded.clear();
        }
        bindings
    }

    /// Tells whether an end agrees with the one known, so that rounded seconds change nothing.
    fn agrees(&self, end: Instant) -> bool {
        self.bound_until.is_some_and(|known| {
            end.saturating_duration_since(known).max(known.saturating_duration_since(end)) < CLOCK_TOLERANCE
        })
    }

    fn on_bound(&mut self, bindings: &Bindings, now: Instant) {
        let Some(granted) = bindings.own else { return };
        self.failures.missing = 0;
        self.failures.refused = 0;
        let refresh_at = now + timing::until_refresh(&mut self.rng, granted);
        self.refresh_at = Some(refresh_at);
        let probe_at = self.next_probe(now);
        self.step = Step::Bound { refresh_at, probe_at };
        self.set_registered(bindings, now);
    }

    fn on_probe_with_us(&mut self, bindings: &Bindings, now: Instant) {
        self.inquiry = Inquiry::Answered;
        let Some(left) = bindings.own else { return };
        // A registrar that now says less than it granted is believed; the refresh comes sooner.
        let sooner = now + timing::until_refresh(&mut self.rng, left);
        let held = self.refresh_at.is_some_and(|planned| planned + CLOCK_TOLERANCE < now + left);
        let refresh_at = if held { self.refresh_at.unwrap_or(sooner) } else { sooner };
        self.refresh_at = Some(refresh_at);
        let probe_at = self.next_probe(now);
        self.step = Step::Bound { refresh_at, probe_at };
        self.set_registered(bindings, now);
    }

    fn on_probe_without_us(&mut self, now: Instant) {
        let times = match self.inquiry {
            Inquiry::Contradicted { times } => times + 1,
            _ => 1,
        };
        self.inquiry =
            if times > MAX_CONTRADICTIONS { Inquiry::Useless } else { Inquiry::Contradicted { times } };
        self.bound_until = None;
        self.send(Purpose::Register, now);
    }

    fn next_probe(&mut self, now: Instant) -> Option<Instant> {
        let interval = self.config.probe_interval?;
        if self.inquiry == Inquiry::Useless {
            return None;
        }
        Some(now + timing::until_probe(&mut self.rng, interval))
    }

    fn set_registered(&mut self, bindings: &Bindings, now: Instant) {
        let expires_at = self.bound_until.unwrap_or(now);
        self.set_state(RegistrationState::Registered { expires_at, contacts: bindings.count });
    }

    fn on_missing_contact(&mut self, now: Instant) {
        self.failures.missing = self.failures.missing.saturating_add(1);
        let attempts = self.failures.missing;
        let until = now + timing::after_missing_contact(&mut self.rng, attempts);
        self.sleep(until);
        self.set_state(RegistrationState::Waiting { until, reason: WaitReason::ContactMissing { attempts } });
    }

    /// Moves the contact of a line that has no binding to the public address that another response shows; tells whether it
    /// moved.
    pub(crate) fn learn(&mut self, response: &Response) -> bool {
        self.learn_address(Purpose::Query, response)
    }

    /// Moves the contact to the public address that the response shows; tells whether it moved.
    fn learn_address(&mut self, purpose: Purpose, response: &Response) -> bool {
        if self.config.address_learning == AddressLearning::Keep || purpose == Purpose::Unregister {
            return false;
        }
        let Ok(via) = response.headers.top_via() else {
            return false;
        };
        let with_port = self.config.address_learning == AddressLearning::FollowConnection;
        let Some(moved) = request::public_contact(&self.contact, &via, with_port) else {
            return false;
        };
        let old = std::mem::replace(&mut self.contact, moved);
        if purpose != Purpose::Query || self.bound_until.is_some() {
            self.superseded.retain(|contact| *contact != self.contact);
            self.superseded.push(old);
            if self.superseded.len() > MAX_SUPERSEDED {
                self.superseded.remove(0);
            }
        }
        true
    }

    fn answer_challenge(
        &mut self,
        mut in_flight: InFlight,
        response: &Response,
        now: Instant,
    ) -> Result<(), Refused> {
        let mut request = self.next_request(in_flight.purpose);
        self.digest.answer(&mut in_flight.attempt, &mut request, response, &mut self.rng)?;
        self.transmit(request, in_flight.purpose, in_flight.attempt, in_flight.tries, now);
        Ok(())
    }

    fn fail_authentication(&mut self, refused: Refused, now: Instant) {
        // A nonce that did not help must not be sent again unasked.
        self.digest.forget();
        self.failures.refused = self.failures.refused.saturating_add(1);
        let wait = timing::after_wrong_credentials(&mut self.rng, self.failures.refused);
        self.sleep(now + wait);
        self.set_state(RegistrationState::Failed {
            retry_at: now + wait,
            reason: FailureReason::Authentication(refused),
        });
    }

    fn fail(&mut self, reason: FailureReason, retry_after_s: Option<u32>, now: Instant) {
        self.failures.refused = self.failures.refused.saturating_add(1);
        let mut wait = timing::after_refusal(&mut self.rng, self.failures.refused);
        if let Some(retry_after_s) = retry_after_s {
            wait = wait.max(timing::after_request(&mut self.rng, retry_after_s));
        }
        self.sleep(now + wait);
        self.set_state(RegistrationState::Failed { retry_at: now + wait, reason });
    }

    fn on_unavailable(&mut self, status: u16, response: &Response, now: Instant) {
        self.failures.silent = self.failures.silent.saturating_add(1);
        let retry_after_s = response.headers.retry_after();
        let wait = match retry_after_s {
            Some(asked_s) if asked_s > 0 => timing::after_request(&mut self.rng, asked_s),
            _ => timing::after_silence(&mut self.rng, self.failures.silent),
        };
        self.sleep(now + wait);
        self.set_state(RegistrationState::Waiting {
            until: now + wait,
            reason: WaitReason::Unavailable { status, retry_after_s },
        });
    }

    /// 423 (RFC 3261 section 10.3 step 7): asks for what the registrar wants at least.
    fn on_interval_too_brief(&mut self, in_flight: InFlight, response: &Response, now: Instant) {
        let mut tries = in_flight.tries;
        match response.headers.min_expires() {
            Some(least_s)
                if least_s > self.expires_s
                    && least_s <= MAX_MIN_EXPIRES_S
                    && tries.intervals < MAX_INTERVALS =>
            {
                self.expires_s = least_s;
                tries.intervals += 1;
                self.send_again(in_flight.purpose, tries, now);
            }
            _ => self.fail(FailureReason::IntervalRefused, response.headers.retry_after(), now),
        }
    }

    fn on_redirect(&mut self, in_flight: InFlight, response: &Response, now: Instant) {
        let mut tries = in_flight.tries;
        tries.visited.push(self.target.clone());
        match redirect_target(response, &tries.visited) {
            Some(target) if tries.visited.len() <= MAX_REDIRECTS => {
                self.target = target;
                self.send_again(in_flight.purpose, tries, now);
            }
            _ => self.fail(FailureReason::Redirect, response.headers.retry_after(), now),
        }
    }

    fn on_unregister_response(&mut self, in_flight: InFlight, response: &Response, now: Instant) {
        let challenged = matches!(response.status.get(), 401 | 407);
        if !challenged || self.answer_challenge(in_flight, response, now).is_err() {
            self.rest(now);
        }
    }
}

/// Takes the first SIP contact, by preference, that was not tried yet (RFC 3261 section 8.1.3.4).
fn redirect_target(response: &Response, visited: &[SipUri]) -> Option<SipUri> {
    let mut contacts = response.headers.contacts().unwrap_or_default();
    contacts.sort_by_key(|contact| std::cmp::Reverse(preference(contact.params.get("q"))));
    contacts.into_iter().find_map(|contact| match contact.uri {
        Uri::Sip(mut target) => {
            // Neither may stand in a Request-URI (RFC 3261 section 19.1.1).
            target.headers = None;
            target.params.remove("method");
            let fresh = !visited.iter().any(|seen| seen.equivalent(&target));
            fresh.then_some(target)
        }
        _ => None,
    })
}

/// Reads a q value in thousandths; without one it is 1 (RFC 3261 section 16.6 treats it so).
fn preference(q: Option<&str>) -> u32 {
    let Some(text) = q else { return 1000 };
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let thousandths = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .fold(0_u32, |sum, byte| sum * 10 + u32::from(byte.saturating_sub(b'0').min(9)));
    whole.parse::<u32>().unwrap_or(0).min(1) * 1000 + thousandths
}
