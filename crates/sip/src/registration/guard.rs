//! The watch over the other contacts of an account: whether registering beside a desk phone pushes it out.
//!
//! Asked before and after: a contact that was listed before our REGISTER and is not listed after it, twice, is gone
//! because of it. What ends by itself in these moments does not count.

use std::time::{Duration, Instant};

use super::bindings::Binding;
use super::machine::{Registration, Step};
use super::request::Purpose;
use super::{FailureReason, Neighbours, RegistrationState};
use crate::uri::Uri;

/// A binding that ends so soon may be gone by itself.
const ENDS_SOON: Duration = Duration::from_secs(5);
/// As good as never: only its owner lets the line try again.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The contacts of others, before and after.
#[derive(Debug, Default)]
pub(super) struct Guard {
    before: Vec<Uri>,
    pushed_out: Vec<Uri>,
    put_back: bool,
}

impl Guard {
    /// Notes who is bound before our registration.
    pub(super) fn seen_before(&mut self, foreign: &[Binding], now: Instant) {
        let stays = |binding: &&Binding| binding.expires_at.is_none_or(|at| at > now + ENDS_SOON);
        self.before = foreign.iter().filter(stays).map(|binding| binding.contact.clone()).collect();
    }

    fn missing(&self, foreign: &[Binding]) -> Vec<Uri> {
        let is_there = |contact: &Uri| foreign.iter().any(|binding| binding.contact == *contact);
        self.before.iter().filter(|contact| !is_there(contact)).cloned().collect()
    }

    /// Tells whether somebody is gone who was there before.
    pub(super) fn misses_any(&self, foreign: &[Binding]) -> bool {
        !self.missing(foreign).is_empty()
    }

    /// Notes that those who were pushed out are listed again.
    pub(super) fn put_back(&mut self, foreign: &[Binding]) {
        let is_there = |contact: &Uri| foreign.iter().any(|binding| binding.contact == *contact);
        self.put_back = self.pushed_out.iter().all(is_there);
    }

    /// Whose place was taken.
    pub(super) fn pushed_out(&self) -> &[Uri] {
        &self.pushed_out
    }

    /// The state of a line that has withdrawn; `None` for one that has not.
    pub(super) fn withdrawn(&self, now: Instant) -> Option<RegistrationState> {
        if self.pushed_out.is_empty() {
            return None;
        }
        let contacts = self.pushed_out.iter().map(Uri::to_string).collect();
        let reason = FailureReason::PushesOut { contacts, put_back: self.put_back };
        Some(RegistrationState::Failed { retry_at: now + NEVER, reason })
    }
}

impl Registration {
    pub(super) fn is_guarded(&self) -> bool {
        self.config.neighbours == Neighbours::Guarded
    }

    /// Takes our contact away: another one was pushed out by it.
    pub(super) fn withdraw(&mut self, now: Instant) {
        self.guard.pushed_out = self.guard.missing(&self.foreign);
        if self.guard.pushed_out.is_empty() {
            self.guard.pushed_out = self.guard.before.clone();
        }
        self.leave(now);
    }

    pub(super) fn put_back(&mut self, now: Instant) {
        if matches!(self.step, Step::Rest) && !self.guard.pushed_out.is_empty() {
            self.send(Purpose::PutBack, now);
        }
    }
}
