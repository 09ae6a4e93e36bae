//! Where the sound of a leg is: at an address of the family by which its party's messages come.

use std::net::IpAddr;
use std::time::Instant;

use linecard_calls::{CallId, DeviceAddress, LineId, Route};
use linecard_sip::ua;
use linecard_sip::uri::Uri;

use super::Reactor;
use crate::media::{OpenLeg, Place, PortError};

/// The addresses of this server that sound may come to.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    locals: Vec<IpAddr>,
    /// The address that peers are told instead, behind a NAT.
    external: Option<IpAddr>,
}

impl Places {
    /// Takes the addresses that are listened on, best first.
    pub(crate) fn new(locals: impl IntoIterator<Item = IpAddr>, external: Option<IpAddr>) -> Self {
        Self { locals: locals.into_iter().collect(), external }
    }

    /// Returns the place for a party at `remote`; for one of whom nothing is known, that of most.
    pub(crate) fn towards(&self, remote: Option<IpAddr>) -> Place {
        let alike = |local: &&IpAddr| remote.is_none_or(|remote| local.is_ipv4() == remote.is_ipv4());
        let as_near =
            |local: &&IpAddr| remote.is_none_or(|remote| local.is_loopback() == remote.is_loopback());
        let fitting = || self.locals.iter().filter(alike);
        let best = fitting().find(as_near).or_else(|| fitting().next()).or_else(|| self.locals.first());
        let local = best.copied().unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let told = self.external.filter(|external| external.is_ipv4() == local.is_ipv4());
        Place { told: told.unwrap_or(local), ..Place::from(local) }
    }
}

impl Reactor {
    /// Returns the place for whoever is reached this way.
    pub(super) fn place_towards(&self, route: &ua::Route, target: &Uri) -> Place {
        let place = self.parts.settings.places.towards(self.parts.agent.address_towards(route, target));
        match route {
            ua::Route::Line(line) => self.behind_nat(place, line),
            ua::Route::Direct | ua::Route::Phone(_) => place,
        }
    }

    /// Returns the place for what is dialled through a line.
    pub(super) fn place_through(&self, line: LineId) -> Place {
        let known = self.parts.directory.extension_at(line, "");
        known.map_or_else(
            || self.parts.settings.places.towards(None),
            |(target, route)| self.place_towards(&route, &target),
        )
    }

    /// Returns the place for the first of somebody's devices, as a call by a line reaches it.
    pub(super) fn place_of_devices(&self, line: LineId, route: &Route) -> Place {
        let first = route.devices.iter().find_map(|device| match &device.address {
            DeviceAddress::Sip { uri } => self.parts.directory.target(line, uri),
            DeviceAddress::Phone { contact } => self.phone_target(device.device, contact.as_ref()?),
            DeviceAddress::Browser {} => None,
        });
        first.map_or_else(|| self.place_through(line), |(target, route)| self.place_towards(&route, &target))
    }

    /// Takes ports that a call has from its beginning, or opens some; those at an address where the party cannot reach them
    /// are given back for others.
    pub(super) fn ports_at(&mut self, call: CallId, place: Place) -> Result<OpenLeg, PortError> {
        let Some(reserved) = self.legs.take_reserved(call, place.local) else {
            return self.parts.media.open_leg(place);
        };
        if reserved.rtp.ip() == place.local {
            return Ok(reserved);
        }
        let opened = self.parts.media.open_leg(place);
        self.parts.media.close_leg(reserved.id, Instant::now());
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn towards(locals: &[&str], external: Option<&str>, remote: Option<&str>) -> [String; 2] {
        let places = Places::new(locals.iter().map(|local| ip(local)), external.map(ip));
        let Place { local, told, .. } = places.towards(remote.map(ip));
        [local, told].map(|ip| ip.to_string())
    }

    #[test]
    fn sound_is_where_the_party_can_reach_it() {
        let both = ["192.0.2.9", "2001:db8::9"];
        assert_eq!(towards(&both, None, Some("198.51.100.1")), ["192.0.2.9"; 2]);
        assert_eq!(towards(&both, None, Some("2001:db8::1")), ["2001:db8::9"; 2]);
        assert_eq!(towards(&both, None, None), ["192.0.2.9"; 2]);
        assert_eq!(towards(&["192.0.2.9"], None, Some("2001:db8::1")), ["192.0.2.9"; 2], "there is no other");
        assert_eq!(towards(&["192.0.2.9", "127.0.0.1"], None, Some("127.0.0.5")), ["127.0.0.1"; 2]);
    }

    #[test]
    fn the_public_address_is_told_to_parties_of_its_family_alone() {
        let both = ["192.0.2.9", "2001:db8::9"];
        let external = Some("203.0.113.7");
        assert_eq!(towards(&both, external, Some("198.51.100.1")), ["192.0.2.9", "203.0.113.7"]);
        assert_eq!(towards(&both, external, Some("2001:db8::1")), ["2001:db8::9"; 2]);
    }
}
