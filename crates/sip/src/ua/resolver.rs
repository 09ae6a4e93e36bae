//! From a URI to an address: addresses at once, names through the application's resolver, with a short memory
//! (RFC 3263 without the DNS).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::config::ResolveId;
use crate::transport::Transport;
use crate::uri::{Host, SipUri};

/// How long an answer of the resolver is used.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many answers are kept.
const MAX_REMEMBERED: usize = 1024;

/// A place to send to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) transport: Transport,
}

/// Where a hop is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    At(SocketAddr),
    /// The name must be asked for.
    Unknown(Hop),
}

/// Waiting jobs of type `J` and remembered answers.
#[derive(Debug)]
pub(super) struct Resolver<J> {
    next_id: u64,
    asked: HashMap<ResolveId, Hop>,
    waiting: HashMap<Hop, Vec<J>>,
    known: HashMap<Hop, (Vec<SocketAddr>, Instant)>,
}

impl<J> Resolver<J> {
    pub(super) fn new() -> Self {
        Self { next_id: 0, asked: HashMap::new(), waiting: HashMap::new(), known: HashMap::new() }
    }

    /// Finds the address of `uri`; `preferred` is used when it names no transport.
    pub(super) fn find(&self, uri: &SipUri, preferred: Transport, now: Instant) -> Whereabouts {
        let transport = if uri.secure {
            Transport::Tls
        } else {
            uri.transport_param().and_then(Transport::from_name).unwrap_or(preferred)
        };
        let host = match &uri.host {
            Host::V4(ip) => return at((*ip).into(), uri.port, transport),
            Host::V6(ip) => return at((*ip).into(), uri.port, transport),
            Host::Name(name) => name.to_ascii_lowercase(),
        };
        let hop = Hop { host, port: uri.port, transport };
        match self.known.get(&hop) {
            Some((addresses, until)) if *until > now => {
                addresses.first().map_or(Whereabouts::Unknown(hop), |address| Whereabouts::At(*address))
            }
            _ => Whereabouts::Unknown(hop),
        }
    }

    /// Gives the transport that `uri` is reached by.
    pub(super) fn transport(uri: &SipUri, preferred: Transport) -> Transport {
        if uri.secure {
            return Transport::Tls;
        }
        uri.transport_param().and_then(Transport::from_name).unwrap_or(preferred)
    }

    /// Keeps a job until the hop is known; a new question comes back when nobody asked yet.
    pub(super) fn wait(&mut self, hop: Hop, job: J) -> Option<ResolveId> {
        let waiting = self.waiting.entry(hop.clone()).or_default();
        waiting.push(job);
        if waiting.len() > 1 {
            return None;
        }
        self.next_id += 1;
        let id = ResolveId(self.next_id);
        self.asked.insert(id, hop);
        Some(id)
    }

    /// Takes an answer and gives back the jobs that waited for it.
    pub(super) fn resolved(
        &mut self,
        id: ResolveId,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Option<(Hop, Vec<J>)> {
        let hop = self.asked.remove(&id)?;
        let jobs = self.waiting.remove(&hop).unwrap_or_default();
        if !addresses.is_empty() {
            if self.known.len() >= MAX_REMEMBERED {
                self.known.retain(|_, (_, until)| *until > now);
            }
            if self.known.len() >= MAX_REMEMBERED {
                self.known.clear();
            }
            self.known.insert(hop.clone(), (addresses.to_vec(), now + REMEMBERED));
        }
        Some((hop, jobs))
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

    /// Takes note that an address does not answer: the next of its host is tried first from now on.
    pub(super) fn demote(&mut self, address: SocketAddr) {
        for (addresses, _) in self.known.values_mut() {
            if addresses.first() == Some(&address) {
                addresses.rotate_left(1);
            }
        }
    }
}

fn at(ip: std::net::IpAddr, port: Option<u16>, transport: Transport) -> Whereabouts {
    Whereabouts::At(SocketAddr::new(ip, port.unwrap_or(transport.default_port())))
}
