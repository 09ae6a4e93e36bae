//! Telephones that register here: their accounts in the user agent, where they are, and who has to know.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_calls::{
    AlarmKind, DeviceAddress, DeviceId, DeviceView, Event, PhoneRegistration, Route, UserId, UtcMillis,
};
use linecard_sip::registrar::{Binding, Lease, PhoneId};
use linecard_sip::transport::{Flow, Transport};
use linecard_sip::ua;
use linecard_sip::uri::Uri;
use linecard_store::phones::KeptBinding;

use super::Reactor;
use crate::clock::wall_clock;

/// How long the alarm of a guesser stands after the last one.
const GUESSING_STANDS: Duration = Duration::from_secs(15 * 60);

/// What is kept of telephones beside the user agent.
#[derive(Debug, Default)]
pub(super) struct Phones {
    /// Since when each contact of a telephone is there.
    since: HashMap<(DeviceId, String), UtcMillis>,
    /// When a telephone was last there, as far as this process knows.
    last_seen: HashMap<DeviceId, UtcMillis>,
    /// When somebody was last locked out.
    guessed_at: Option<Instant>,
}

fn phone_id(device: DeviceId) -> PhoneId {
    PhoneId::new(&device.to_string())
}

/// Accounts.
impl Reactor {
    /// Lets the telephones register, and rings those that an earlier process knew.
    pub(super) fn add_phones(&mut self, kept: Vec<(DeviceId, KeptBinding)>) {
        self.set_phones();
        let (now, at) = (Instant::now(), wall_clock());
        for (device, binding) in kept {
            self.phones.since.insert((device, binding.contact.clone()), binding.since);
            match lease_of(&binding, now, at) {
                Some(lease) => self.parts.agent.restore_binding(&phone_id(device), lease, now),
                None => tracing::warn!(%device, "where a telephone was cannot be read; it registers anew"),
            }
        }
    }

    /// Brings the user agent in step with the directory.
    pub(super) fn set_phones(&mut self) {
        let phones: Vec<_> = self.parts.directory.phones().filter_map(|phone| phone.sip_phone()).collect();
        for phone in phones {
            self.parts.agent.set_phone(phone);
        }
    }

    /// Lets telephones register no more that are in the directory no longer.
    pub(super) fn forget_phones(&mut self, before: impl Iterator<Item = DeviceId>) {
        for device in before {
            if self.parts.directory.phone(device).is_none() {
                self.parts.agent.remove_phone(&phone_id(device));
                self.phones.last_seen.remove(&device);
            }
        }
    }
}

/// Where they are.
impl Reactor {
    /// Returns which devices of a user may ring now: a telephone once for each of its registrations.
    pub(super) fn route_to(&self, user: Option<UserId>) -> Route {
        let mut route = self.parts.directory.route_to(user);
        let devices = std::mem::take(&mut route.devices);
        for device in devices {
            let DeviceAddress::Phone { .. } = device.address else {
                route.devices.push(device);
                continue;
            };
            let bindings = self.parts.agent.phone_bindings(&phone_id(device.device));
            let contacts = bindings.iter().map(|binding| Some(binding.lease.contact.to_string()));
            let contacts: Vec<_> = if bindings.is_empty() { vec![None] } else { contacts.collect() };
            route.devices.extend(contacts.into_iter().map(|contact| linecard_calls::RoutedDevice {
                device: device.device,
                address: DeviceAddress::Phone { contact },
            }));
        }
        route
    }

    /// Returns the same without devices that cannot ring now.
    pub(super) fn ringing_route(&self, user: UserId) -> Route {
        let mut route = self.route_to(Some(user));
        route.devices.retain(|device| match device.address {
            DeviceAddress::Sip { .. } | DeviceAddress::Phone { contact: Some(_) } => true,
            DeviceAddress::Browser {} | DeviceAddress::Phone { contact: None } => false,
        });
        route
    }

    /// Returns where one registration of a telephone is reached.
    pub(super) fn phone_target(&self, device: DeviceId, contact: &str) -> Option<(Uri, ua::Route)> {
        let bindings = self.parts.agent.phone_bindings(&phone_id(device));
        let binding = bindings.iter().find(|binding| binding.lease.contact.to_string() == contact)?;
        Some((Uri::Sip(binding.lease.contact.clone()), ua::Route::Phone(binding.id)))
    }

    /// Shows every telephone and where it is.
    pub(super) fn phone_views(&self) -> Vec<DeviceView> {
        let (now, at) = (Instant::now(), wall_clock());
        let phones = self.parts.directory.phones();
        phones.filter_map(|phone| self.phone_view(phone.account.device, now, at)).collect()
    }

    fn phone_view(&self, device: DeviceId, now: Instant, at: UtcMillis) -> Option<DeviceView> {
        let phone = self.parts.directory.phone(device)?;
        let bindings = self.parts.agent.phone_bindings(&phone_id(device));
        let registration = |binding: &Binding| {
            let contact = binding.lease.contact.to_string();
            PhoneRegistration {
                since: self.phones.since.get(&(device, contact.clone())).copied().unwrap_or(at),
                contact: contact.chars().take(120).collect(),
                user_agent: binding.lease.user_agent.clone(),
                expires_at: wall(binding.lease.expires_at, now, at),
                address: binding.lease.flow.remote.to_string(),
                transport: binding.lease.flow.transport.to_string(),
            }
        };
        let last_seen = if bindings.is_empty() {
            self.phones.last_seen.get(&device).copied().or(phone.account.last_seen)
        } else {
            Some(at)
        };
        Some(DeviceView {
            device_id: device,
            user_id: phone.user,
            registrations: bindings.iter().map(registration).collect(),
            last_seen,
        })
    }

    /// Takes in where a telephone is: it is written down, and told when it is news.
    pub(super) fn phone_changed(&mut self, phone: &PhoneId, bindings: &[Binding]) {
        let Ok(device) = phone.as_str().parse::<DeviceId>() else { return };
        let (now, at) = (Instant::now(), wall_clock());
        let contacts: Vec<String> =
            bindings.iter().map(|binding| binding.lease.contact.to_string()).collect();
        let since = &mut self.phones.since;
        let before = since.len();
        since.retain(|(of, contact), _| *of != device || contacts.contains(contact));
        let gone = before != since.len();
        let mut is_new = false;
        for contact in contacts {
            let key = (device, contact);
            is_new |= !since.contains_key(&key);
            since.entry(key).or_insert(at);
        }
        self.phones.last_seen.insert(device, at);
        if self.parts.directory.phone(device).is_none() {
            return;
        }
        let kept = bindings.iter().map(|binding| self.kept(device, &binding.lease, now, at)).collect();
        self.parts.bindings.keep(device, kept);
        if (gone || is_new)
            && let Some(view) = self.phone_view(device, now, at)
        {
            let registrations = view.registrations.len();
            tracing::info!(%device, registrations, "a telephone has registered or is gone");
            self.publish(Event::DeviceChanged(view));
        }
    }

    fn kept(&self, device: DeviceId, lease: &Lease, now: Instant, at: UtcMillis) -> KeptBinding {
        let contact = lease.contact.to_string();
        let since = self.phones.since.get(&(device, contact.clone())).copied();
        KeptBinding {
            contact,
            transport: lease.flow.transport.to_string(),
            local: lease.flow.local.to_string(),
            remote: lease.flow.remote.to_string(),
            q: lease.q,
            instance: lease.instance.clone(),
            user_agent: lease.user_agent.clone(),
            call_id: lease.call_id.clone(),
            cseq: lease.cseq,
            since: since.unwrap_or(at),
            expires_at: wall(lease.expires_at, now, at),
        }
    }
}

/// Guessers.
impl Reactor {
    /// Somebody guesses at passwords of telephones.
    pub(super) fn guesser_locked(&mut self, source: std::net::IpAddr, username: &str) {
        tracing::warn!(%source, account = username.escape_debug().to_string(), "passwords of telephones are guessed at; no answer for 15 minutes");
        self.phones.guessed_at = Some(Instant::now());
        let text =
            format!("passwords of telephones are guessed at from {source}; it gets no answer for 15 minutes");
        self.alarm(AlarmKind::RegistrarGuessing, Some(source.to_string()), &text);
    }

    /// Clears the alarm when nobody has guessed for a while.
    pub(super) fn forget_guessers(&mut self, now: Instant) {
        if self.phones.guessed_at.is_some_and(|at| now.duration_since(at) >= GUESSING_STANDS) {
            self.phones.guessed_at = None;
            let text = "nobody has guessed at passwords of telephones for 15 minutes";
            self.clear_alarm(AlarmKind::RegistrarGuessing, None, text);
        }
    }
}

/// Returns an instant as the wall clock tells it.
fn wall(instant: Instant, now: Instant, at: UtcMillis) -> UtcMillis {
    let left = instant.saturating_duration_since(now).as_millis();
    at.plus_ms(i64::try_from(left).unwrap_or(i64::MAX))
}

/// Reads a binding that was written down; none when it cannot be read.
fn lease_of(kept: &KeptBinding, now: Instant, at: UtcMillis) -> Option<Lease> {
    let contact = match Uri::parse(kept.contact.as_bytes()).ok()? {
        Uri::Sip(contact) => contact,
        Uri::Tel(_) | Uri::Other(_) => return None,
    };
    let transport = Transport::from_name(&kept.transport)?;
    let (local, remote): (SocketAddr, SocketAddr) = (kept.local.parse().ok()?, kept.remote.parse().ok()?);
    let left_ms = u64::try_from(kept.expires_at.0.saturating_sub(at.0)).unwrap_or(0);
    Some(Lease {
        contact,
        flow: Flow::new(transport, local, remote),
        q: kept.q,
        instance: kept.instance.clone(),
        user_agent: kept.user_agent.clone(),
        call_id: kept.call_id.clone(),
        cseq: kept.cseq,
        expires_at: now.checked_add(Duration::from_millis(left_ms))?,
    })
}
