//! From a URI to the places where it may be reached, best first (RFC 3263): computed from what the DNS is known to say;
//! what is not known yet is asked for.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::config::ResolveId;
use super::names::{Answer, Question, Records, plain, service_of, services_in};
use crate::transport::Transport;
use crate::uri::{Host, SipUri};

/// An answer is used for at least this long, and at most.
const REMEMBERED: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(3_600)];

/// How many answers are kept.
const MAX_REMEMBERED: usize = 4_096;

/// How many places of one name are tried at most.
const MAX_TARGETS: usize = 32;

/// The transports that are found by themselves, in the order in which they are tried.
const IN_TURN: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// A place to send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) transport: Transport,
    pub(super) addr: SocketAddr,
}

/// Where a URI is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing more has to be asked; none when there is no such place.
    Ready(Vec<Target>),
    /// These have to be answered first.
    Ask(Vec<Question>),
}

/// Waiting jobs of type `J` and remembered answers.
#[derive(Debug)]
pub(super) struct Resolver<J> {
    next_id: u64,
    asked: HashMap<ResolveId, Question>,
    pending: HashSet<Question>,
    waiting: HashMap<Question, Vec<J>>,
    known: HashMap<Question, (Records, Instant)>,
}

/// Answers that are still good, and the questions that are missing.
struct Notes<'a> {
    known: &'a HashMap<Question, (Records, Instant)>,
    now: Instant,
    missing: Vec<Question>,
}

impl<J> Resolver<J> {
    pub(super) fn new() -> Self {
        Self {
            next_id: 0,
            asked: HashMap::new(),
            pending: HashSet::new(),
            waiting: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// Gives the transport that `uri` is reached by; `preferred` is used when it names none.
    pub(super) fn transport(uri: &SipUri, preferred: Transport) -> Transport {
        let named = uri.transport_param().and_then(Transport::from_name);
        match (named, uri.secure) {
            (Some(Transport::Ws | Transport::Wss), true) => Transport::Wss,
            (_, true) => Transport::Tls,
            // The parameter has one word for both.
            (Some(Transport::Ws), false) if preferred == Transport::Wss => Transport::Wss,
            (named, false) => named.unwrap_or(preferred),
        }
    }

    /// Finds the places of a host by one transport, or by all in turn.
    pub(super) fn plan(&self, host: &Host, port: Option<u16>, wish: Option<Transport>, now: Instant) -> Plan {
        let mut notes = Notes { known: &self.known, now, missing: Vec::new() };
        let mut targets = match host {
            Host::V4(ip) => at(&[(*ip).into()], port, wish),
            Host::V6(ip) => at(&[(*ip).into()], port, wish),
            Host::Name(name) => notes.targets(&plain(name), port, wish),
        };
        targets.truncate(MAX_TARGETS);
        if notes.missing.is_empty() { Plan::Ready(targets) } else { Plan::Ask(notes.missing) }
    }

    /// Keeps a job until the first question is answered; gives those that nobody has asked yet.
    pub(super) fn wait(&mut self, questions: Vec<Question>, job: J) -> Vec<(ResolveId, Question)> {
        if let Some(first) = questions.first() {
            self.waiting.entry(first.clone()).or_default().push(job);
        }
        let mut fresh = Vec::new();
        for question in questions {
            if self.pending.insert(question.clone()) {
                self.next_id += 1;
                let id = ResolveId(self.next_id);
                self.asked.insert(id, question.clone());
                fresh.push((id, question));
            }
        }
        fresh
    }

    /// Takes an answer and gives back the jobs that waited for it.
    pub(super) fn resolved(&mut self, id: ResolveId, answer: Answer, now: Instant) -> Vec<J> {
        let Some(question) = self.asked.remove(&id) else { return Vec::new() };
        self.pending.remove(&question);
        let jobs = self.waiting.remove(&question).unwrap_or_default();
        if self.known.len() >= MAX_REMEMBERED {
            self.known.retain(|_, (_, until)| *until > now);
        }
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        let [least, most] = REMEMBERED;
        self.known.insert(question, (answer.records, now + answer.valid.clamp(least, most)));
        jobs
    }

    /// Drops waiting jobs and tells whether there were any.
    pub(super) fn drop_waiting(&mut self, mut unwanted: impl FnMut(&J) -> bool) -> bool {
        let mut dropped = false;
        for jobs in self.waiting.values_mut() {
            let before = jobs.len();
            jobs.retain(|job| !unwanted(job));
            dropped |= jobs.len() < before;
        }
        dropped
    }
}

impl Notes<'_> {
    fn targets(&mut self, name: &str, port: Option<u16>, wish: Option<Transport>) -> Vec<Target> {
        if port.is_some() {
            return at(&self.addresses(name), port, wish);
        }
        let services = match wish {
            Some(transport) => {
                let Some(service) = service_of(transport, name) else {
                    return at(&self.addresses(name), None, wish);
                };
                vec![(transport, service)]
            }
            None => self.services(name),
        };
        let mut offered = false;
        let mut targets = Vec::new();
        for (transport, service) in services {
            let Some(Records::Srv(records)) = self.look_up(Question::Srv(service)).cloned() else { continue };
            offered |= !records.is_empty();
            // A target of nothing but the root says that there is no such service (RFC 2782).
            for record in records.iter().filter(|record| !plain(&record.target).is_empty()) {
                let addresses = self.addresses(&plain(&record.target));
                targets.extend(at(&addresses, Some(record.port), Some(transport)));
            }
        }
        if offered || !self.missing.is_empty() {
            return targets;
        }
        at(&self.addresses(name), None, wish)
    }

    /// The services that a domain names, or all that could be there.
    fn services(&mut self, name: &str) -> Vec<(Transport, String)> {
        let named = match self.look_up(Question::Naptr(name.to_owned())) {
            Some(Records::Naptr(records)) => services_in(records),
            Some(_) => Vec::new(),
            None => return Vec::new(),
        };
        if named.is_empty() {
            let services = IN_TURN.into_iter();
            return services.filter_map(|it| Some((it, service_of(it, name)?))).collect();
        }
        named
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        match self.look_up(Question::Addresses(name.to_owned())) {
            Some(Records::Addresses(addresses)) => addresses.clone(),
            _ => Vec::new(),
        }
    }

    fn look_up(&mut self, question: Question) -> Option<&Records> {
        match self.known.get(&question) {
            Some((records, until)) if *until > self.now => Some(records),
            _ => {
                self.missing.push(question);
                None
            }
        }
    }
}

/// Addresses by one transport, or first all by UDP, then all by TCP, then all by TLS.
fn at(addresses: &[IpAddr], port: Option<u16>, wish: Option<Transport>) -> Vec<Target> {
    let transports = wish.map_or(IN_TURN.to_vec(), |wish| vec![wish]).into_iter();
    let targets = transports.flat_map(|transport| {
        addresses.iter().map(move |ip| Target {
            transport,
            addr: SocketAddr::new(*ip, port.unwrap_or(transport.default_port())),
        })
    });
    targets.collect()
}
