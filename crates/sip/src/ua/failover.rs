//! From one place to the next when it does not answer (RFC 3263 section 4.3), and back to the better one later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::event::LineId;
use super::lines::Turns;
use super::outgoing::{Job, JobKind};
use super::resolver::Target;
use super::{ClientUse, UserAgent};
use crate::message::Request;
use crate::transaction::ClientTransactionId;
use crate::transport::Transport;
use crate::uri::Host;

/// After the first failure a registration tries a place again after this time, and after twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(120);

/// The longest such wait.
const AGAIN_AFTER_AT_MOST: Duration = Duration::from_secs(1_800);

/// How many places are remembered as not answering.
const MAX_ABSENT: usize = 4_096;

/// A request on its way to one of several places.
#[derive(Debug)]
pub(super) struct Attempt {
    target: Target,
    rest: Vec<Target>,
    request: Request,
    host: Host,
    path: Option<String>,
}

/// Places that did not answer when they were last tried.
#[derive(Debug, Default)]
pub(super) struct Absent(HashMap<Target, Absence>);

#[derive(Debug, Clone, Copy)]
struct Absence {
    failures: u32,
    again_at: Instant,
}

impl Absent {
    fn failed(&mut self, target: Target, now: Instant) {
        if self.0.len() >= MAX_ABSENT {
            self.0.retain(|_, absence| absence.again_at > now);
        }
        let failures = self.0.get(&target).map_or(0, |absence| absence.failures).saturating_add(1);
        let wait = AGAIN_AFTER.saturating_mul(1 << (failures - 1).min(8)).min(AGAIN_AFTER_AT_MOST);
        self.0.insert(target, Absence { failures, again_at: now + wait });
    }

    fn answered(&mut self, target: Target) {
        self.0.remove(&target);
    }

    /// Puts those that do not answer behind the others. A registration tries them again from time to time: it can wait
    /// where a call cannot.
    fn order(&self, targets: &mut [Target], may_try: bool, now: Instant) {
        targets.sort_by_key(|target| {
            self.0.get(target).is_some_and(|absence| !may_try || absence.again_at > now)
        });
    }
}

impl UserAgent {
    /// Sends a request to the first of several places, and remembers the others.
    pub(super) fn send_to_first(&mut self, job: Job, host: &Host, mut targets: Vec<Target>, now: Instant) {
        let may_try = matches!(job.kind, JobKind::Transaction(ClientUse::Register(_)));
        self.absent.order(&mut targets, may_try, now);
        let mut targets = targets.into_iter();
        let Some(target) = targets.next() else { return self.undeliverable(job.kind) };
        let rest: Vec<Target> = targets.collect();
        let again = (!rest.is_empty()).then(|| (job.request.clone(), job.path.clone()));
        let sent = self.send_to(job, target, host, now);
        if let (Some(id), Some((request, path))) = (sent, again) {
            self.attempts.insert(id, Attempt { target, rest, request, host: host.clone(), path });
        }
    }

    /// Takes note that the place where a request went has answered.
    pub(super) fn place_answered(&mut self, id: ClientTransactionId) {
        if let Some(attempt) = self.attempts.remove(&id) {
            self.absent.answered(attempt.target);
        }
    }

    /// Sends a request that got no answer, or 503, to the next place; tells whether there was one.
    pub(super) fn try_next(&mut self, id: ClientTransactionId, now: Instant) -> bool {
        let Some(Attempt { target, rest, request, host, path }) = self.attempts.remove(&id) else {
            return false;
        };
        self.absent.failed(target, now);
        let Some(purpose) = self.clients.remove(&id).filter(|_| !rest.is_empty()) else { return false };
        let kind = JobKind::Transaction(purpose);
        let job = Job { request, kind, preferred: target.transport, fallback: None, path: path.clone() };
        let mut places = rest.into_iter();
        let Some(next) = places.next() else { return false };
        let rest: Vec<Target> = places.collect();
        let request = job.request.clone();
        if let Some(id) = self.send_to(job, next, &host, now) {
            self.attempts.insert(id, Attempt { target: next, rest, request, host, path });
        }
        true
    }

    /// Lets a line whose transport was left open take the first that its server offers; gives the places of that one.
    pub(super) fn take_turns(&mut self, line: &LineId, targets: Vec<Target>) -> Vec<Target> {
        let mut transports = Vec::new();
        for target in &targets {
            // Who offers TLS first is not spoken to in clear when that fails.
            if !transports.contains(&target.transport) && transports.last() != Some(&Transport::Tls) {
                transports.push(target.transport);
            }
        }
        let Some(first) = transports.first().copied() else { return targets };
        if let Some(state) = self.lines.get_mut(line) {
            state.turns = Turns::Among(transports);
        }
        self.set_transport(line, first);
        targets.into_iter().filter(|target| target.transport == first).collect()
    }

    /// Nothing answered a line's registration: the next transport's turn has come. Once one has answered it is kept, and
    /// nothing that was under TLS leaves in clear.
    pub(super) fn next_turn(&mut self, line: &LineId) {
        let Some(state) = self.lines.get(line) else { return };
        let Turns::Among(transports) = &state.turns else { return };
        let place = transports.iter().position(|transport| *transport == state.transport);
        let next = transports.get(place.map_or(0, |place| (place + 1) % transports.len())).copied();
        if let Some(next) = next.filter(|next| *next != state.transport) {
            self.set_transport(line, next);
        }
    }
}
