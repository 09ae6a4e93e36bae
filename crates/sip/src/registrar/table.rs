//! Which phones there are and where they are: the location service of RFC 3261 section 10.3.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::binding::{Binding, BindingId, Lease};
use super::request::{Registering, Wish};
use crate::digest::Secret;
use crate::message::{HeaderName, NameAddr, Request, Response, StatusCode};
use crate::transport::{Connection, Flow};
use crate::uri::Uri;

/// So many bindings a phone may have; the one that ends first makes room for another.
pub const MAX_BINDINGS: usize = 5;

/// Names a phone; the application chooses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(Arc<str>);

impl PhoneId {
    /// Makes a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Gives the name as it was chosen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A phone that may register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// Its name.
    pub id: PhoneId,
    /// The user part of its address of record, and its name for authentication.
    pub username: String,
    /// The digests of its password.
    pub secret: Secret,
}

/// For how long a binding is granted, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Less is refused with 423.
    pub least_s: u32,
    /// More is shortened.
    pub most_s: u32,
    /// For who names none.
    pub default_s: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { least_s: 60, most_s: 3_600, default_s: 300 }
    }
}

/// Bindings that are no more, and whose they were.
pub type Removed = Vec<(PhoneId, BindingId)>;

/// The phones and their bindings.
#[derive(Debug, Default)]
pub struct Registrar {
    terms: Terms,
    phones: HashMap<PhoneId, Phone>,
    by_username: HashMap<String, PhoneId>,
    bindings: HashMap<PhoneId, Vec<Binding>>,
    /// How many bindings come from an address.
    sources: HashMap<IpAddr, usize>,
    next_id: u64,
}

impl Registrar {
    /// Makes a registrar without phones.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, ..Self::default() }
    }

    /// Tells whether nobody may register.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.phones.is_empty()
    }

    /// Adds a phone, or gives the one of this name another secret; gives its bindings, which are over then.
    pub fn set_phone(&mut self, phone: Phone) -> Removed {
        if self.phones.get(&phone.id) == Some(&phone) {
            return Vec::new();
        }
        let removed = self.remove_phone(&phone.id);
        self.by_username.insert(phone.username.clone(), phone.id.clone());
        self.phones.insert(phone.id.clone(), phone);
        removed
    }

    /// Removes a phone; gives its bindings, which are over then.
    pub fn remove_phone(&mut self, phone: &PhoneId) -> Removed {
        if let Some(known) = self.phones.remove(phone) {
            self.by_username.remove(&known.username);
        }
        self.keep(phone, |_| false)
    }

    /// Gives the phone that an account is of.
    #[must_use]
    pub fn phone_of(&self, username: &str) -> Option<&Phone> {
        self.phones.get(self.by_username.get(username)?)
    }

    /// Gives a phone's bindings, the preferred ones first.
    #[must_use]
    pub fn bindings(&self, phone: &PhoneId) -> &[Binding] {
        self.bindings.get(phone).map(Vec::as_slice).unwrap_or_default()
    }

    /// Finds a binding and whose it is.
    #[must_use]
    pub fn binding(&self, id: BindingId) -> Option<(&PhoneId, &Binding)> {
        self.bindings.iter().find_map(|(phone, bindings)| {
            bindings.iter().find(|binding| binding.id == id).map(|binding| (phone, binding))
        })
    }

    /// Counts the bindings of all phones.
    #[must_use]
    pub fn binding_count(&self) -> usize {
        self.bindings.values().map(Vec::len).sum()
    }

    /// Tells whether a binding came from this address.
    #[must_use]
    pub fn is_at(&self, source: IpAddr) -> bool {
        self.sources.contains_key(&source.to_canonical())
    }

    /// Tells whether this account's phone has a binding from this address.
    #[must_use]
    pub fn is_bound_at(&self, username: &str, source: IpAddr) -> bool {
        let phone = self.by_username.get(username);
        let mut bindings = phone.into_iter().flat_map(|phone| self.bindings(phone));
        bindings.any(|binding| binding.lease.flow.remote.ip().to_canonical() == source.to_canonical())
    }

    /// Serves a REGISTER of a phone that has proved itself; tells what to answer and which bindings are over.
    pub fn register(
        &mut self,
        phone: &PhoneId,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) -> (Response, Removed) {
        let Some(known) = self.phones.get(phone) else {
            return (Response::reply_to(request, StatusCode::FORBIDDEN), Vec::new());
        };
        let read = Registering::read(request, &known.username, flow, &self.terms, now);
        let changed = read.and_then(|registering| {
            let untimely = || Response::reply_to(request, StatusCode::SERVER_INTERNAL_ERROR);
            self.change(phone, registering).map_err(|Untimely| untimely())
        });
        match changed {
            Ok(removed) => (self.granted(phone, request, now), removed),
            Err(response) => (response, Vec::new()),
        }
    }

    /// Puts a binding of an earlier process back; gives its name, if there is such a phone and it is not over.
    pub fn restore(&mut self, phone: &PhoneId, lease: Lease, now: Instant) -> Option<BindingId> {
        if !self.phones.contains_key(phone) || lease.expires_at <= now {
            return None;
        }
        let id = self.put(phone, lease);
        Some(id)
    }

    /// Takes note that a connection is over, and with it what was registered along it (RFC 5626 section 5.3).
    pub fn connection_over(&mut self, connection: Connection) -> Removed {
        self.keep_all(|binding| binding.lease.flow.connection() != connection)
    }

    /// Removes what is over.
    pub fn expire(&mut self, now: Instant) -> Removed {
        self.keep_all(|binding| binding.lease.expires_at > now)
    }

    /// Removes one binding.
    pub fn remove_binding(&mut self, id: BindingId) -> Removed {
        self.keep_all(|binding| binding.id != id)
    }

    /// Does all that a request asks for, or nothing (section 10.3, steps 6 and 7).
    fn change(&mut self, phone: &PhoneId, registering: Registering) -> Result<Removed, Untimely> {
        let Registering { call_id, cseq, wish } = registering;
        // Of one Call-ID the CSeq rises: what comes later than its successor changes nothing.
        let overtaken = |known: &Lease| known.call_id == call_id && cseq <= known.cseq;
        match wish {
            Wish::Tell => Ok(Vec::new()),
            Wish::RemoveAll => {
                if self.bindings(phone).iter().any(|known| overtaken(&known.lease)) {
                    return Err(Untimely);
                }
                Ok(self.keep(phone, |_| false))
            }
            Wish::Change(changes) => {
                let known = self.bindings(phone);
                let concerned = |known: &Lease| changes.iter().any(|(lease, _)| lease.is_same(known));
                if known.iter().any(|known| concerned(&known.lease) && overtaken(&known.lease)) {
                    return Err(Untimely);
                }
                let mut removed = Vec::new();
                for (lease, time) in changes {
                    if time == Duration::ZERO {
                        removed.extend(self.keep(phone, |known| !lease.is_same(&known.lease)));
                    } else {
                        self.put(phone, lease);
                        removed.extend(self.make_room(phone));
                    }
                }
                Ok(removed)
            }
        }
    }

    /// Adds a binding, or renews the one that is of the same phone, which keeps its name.
    fn put(&mut self, phone: &PhoneId, lease: Lease) -> BindingId {
        *self.sources.entry(lease.flow.remote.ip().to_canonical()).or_insert(0) += 1;
        self.next_id += 1;
        let mut id = BindingId(self.next_id);
        let bindings = self.bindings.entry(phone.clone()).or_default();
        if let Some(place) = bindings.iter().position(|known| lease.is_same(&known.lease)) {
            let known = bindings.remove(place);
            id = known.id;
            forget_source(&mut self.sources, &known.lease);
        }
        bindings.push(Binding { id, lease });
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.lease.q));
        id
    }

    fn make_room(&mut self, phone: &PhoneId) -> Removed {
        let bindings = self.bindings(phone);
        if bindings.len() <= MAX_BINDINGS {
            return Vec::new();
        }
        let first_over = bindings.iter().min_by_key(|binding| (binding.lease.expires_at, binding.id));
        let id = first_over.map(|binding| binding.id);
        self.keep(phone, |binding| Some(binding.id) != id)
    }

    fn keep_all(&mut self, wanted: impl Fn(&Binding) -> bool) -> Removed {
        let phones: Vec<PhoneId> = self.bindings.keys().cloned().collect();
        phones.iter().flat_map(|phone| self.keep(phone, &wanted)).collect()
    }

    fn keep(&mut self, phone: &PhoneId, wanted: impl Fn(&Binding) -> bool) -> Removed {
        let mut removed = Vec::new();
        let sources = &mut self.sources;
        let Some(bindings) = self.bindings.get_mut(phone) else { return removed };
        bindings.retain(|binding| {
            let stays = wanted(binding);
            if !stays {
                forget_source(sources, &binding.lease);
                removed.push((phone.clone(), binding.id));
            }
            stays
        });
        if bindings.is_empty() {
            self.bindings.remove(phone);
        }
        removed
    }

    /// Step 8: 200 with every binding and the time that is left of it.
    fn granted(&self, phone: &PhoneId, request: &Request, now: Instant) -> Response {
        let mut response = Response::reply_to(request, StatusCode::OK);
        for Binding { lease, .. } in self.bindings(phone) {
            let left_s = lease.expires_at.saturating_duration_since(now).as_secs();
            let mut contact = NameAddr::new(Uri::Sip(lease.contact.clone()));
            contact.params.set("expires", Some(&left_s.to_string()));
            if lease.q != 1_000 {
                contact.params.set("q", Some(&format!("0.{:03}", lease.q)));
            }
            if let Some(instance) = &lease.instance {
                contact.params.set("+sip.instance", Some(&quoted(instance)));
            }
            response.headers.push(HeaderName::Contact, contact.to_bytes());
        }
        response
    }
}

/// A request that was overtaken by a later one.
struct Untimely;

/// Writes a quoted-string (RFC 3261 section 25.1).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn forget_source(sources: &mut HashMap<IpAddr, usize>, lease: &Lease) {
    let source = lease.flow.remote.ip().to_canonical();
    if let Some(count) = sources.get_mut(&source) {
        *count -= 1;
        if *count == 0 {
            sources.remove(&source);
        }
    }
}

/// Lists whose bindings these are, each once.
pub(crate) fn phones_of(removed: &Removed) -> Vec<PhoneId> {
    let mut seen = HashSet::new();
    removed.iter().map(|(phone, _)| phone.clone()).filter(|phone| seen.insert(phone.clone())).collect()
}
