//! What is asked of the DNS and what it answers (RFC 3263, 2782, 3403), without asking it.

use std::net::IpAddr;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;

use crate::transport::Transport;

/// One question to the DNS; names are in lower case and without the last dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The NAPTR records of a domain.
    Naptr(String),
    /// The SRV records of a service, such as `_sip._udp.example`.
    Srv(String),
    /// The A and AAAA records of a host.
    Addresses(String),
}

/// What the DNS knows about a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The records; none when there are none, or nobody answers.
    pub records: Records,
    /// How long it may be used.
    pub valid: Duration,
}

/// Records of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Of [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// Of [`Question::Srv`].
    Srv(Vec<Srv>),
    /// Of [`Question::Addresses`], in order of preference.
    Addresses(Vec<IpAddr>),
}

/// Which service of a domain is where (RFC 3403 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones come first.
    pub order: u16,
    /// Among equal orders, lower ones come first.
    pub preference: u16,
    /// `s` for the name of SRV records; no other is of use here.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T` or something else.
    pub service: String,
    /// The name to go on with.
    pub replacement: String,
}

/// Where a service is (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones come first.
    pub priority: u16,
    /// Among equal priorities, the share of requests.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its host; `.` or nothing says that there is no such service.
    pub target: String,
}

impl Question {
    /// Gives the name that is asked about.
    pub fn name(&self) -> &str {
        match self {
            Self::Naptr(name) | Self::Srv(name) | Self::Addresses(name) => name,
        }
    }
}

/// Gives the name of the SRV records for a transport (RFC 3263 section 4.2); a WebSocket is where its address says.
pub(super) fn service_of(transport: Transport, domain: &str) -> Option<String> {
    match transport {
        Transport::Udp => Some(format!("_sip._udp.{domain}")),
        Transport::Tcp => Some(format!("_sip._tcp.{domain}")),
        Transport::Tls => Some(format!("_sips._tcp.{domain}")),
        Transport::Ws | Transport::Wss => None,
    }
}

/// Brings records into the order in which they are to be tried; chance decides among equals as their weights say.
pub(super) fn in_order(mut records: Records, rng: &mut ChaCha12Rng) -> Records {
    match &mut records {
        Records::Naptr(naptr) => naptr.sort_by_key(|record| (record.order, record.preference)),
        Records::Srv(srv) => *srv = by_weight(std::mem::take(srv), rng),
        Records::Addresses(_) => {}
    }
    records
}

/// The transports that NAPTR records name, with the names of their SRV records (RFC 3263 section 4.1).
pub(super) fn services_in(naptr: &[Naptr]) -> Vec<(Transport, String)> {
    let usable = naptr.iter().filter(|record| record.flags.eq_ignore_ascii_case("s"));
    let named = usable.filter_map(|record| {
        let transport = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            "SIPS+D2T" => Transport::Tls,
            _ => return None,
        };
        Some((transport, plain(&record.replacement)))
    });
    named.collect()
}

/// A name in lower case and without the last dot.
pub(super) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The order of RFC 2782: by priority, among equals a draw by weight, those without weight at the begin of each draw.
fn by_weight(mut records: Vec<Srv>, rng: &mut ChaCha12Rng) -> Vec<Srv> {
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority);
        let total: u64 = equals.map(|record| u64::from(record.weight)).sum();
        let drawn = rng.next_u64() % (total + 1);
        let mut sum = 0;
        let place = records.iter().position(|record| {
            sum += u64::from(record.weight);
            record.priority != priority || sum >= drawn
        });
        ordered.push(records.remove(place.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    #[test]
    fn a_lower_priority_always_comes_first_and_weight_shares_the_rest() {
        let records =
            [srv(20, 0, "last"), srv(10, 0, "never-first"), srv(10, 30, "few"), srv(10, 70, "most")];
        let mut first = std::collections::BTreeMap::new();
        for seed in 0..2_000 {
            let ordered = by_weight(records.to_vec(), &mut ChaCha12Rng::seed_from_u64(seed));
            assert_eq!((ordered.len(), ordered[3].target.as_str()), (4, "last"));
            *first.entry(ordered[0].target.clone()).or_insert(0) += 1;
        }
        let share = |target: &str| f64::from(first.get(target).copied().unwrap_or(0)) / 2_000.0;
        assert!((share("most") - 0.69).abs() < 0.05, "{first:?}");
        assert!((share("few") - 0.30).abs() < 0.05, "{first:?}");
        assert!(share("never-first") < 0.03, "a small chance for those without weight: {first:?}");
    }

    #[test]
    fn only_services_that_are_carried_here_are_taken_from_naptr_records() {
        let record = |order, flags: &str, service: &str| Naptr {
            order,
            preference: 10,
            flags: flags.to_owned(),
            service: service.to_owned(),
            replacement: format!("_{service}.Example."),
        };
        let records = Records::Naptr(vec![
            record(30, "s", "SIP+D2U"),
            record(10, "S", "sips+d2t"),
            record(5, "s", "SIP+D2S"),
            record(6, "u", "E2U+sip"),
        ]);
        let Records::Naptr(ordered) = in_order(records, &mut ChaCha12Rng::seed_from_u64(1)) else { panic!() };
        let services = services_in(&ordered);
        let expected = [(Transport::Tls, "_sips+d2t.example"), (Transport::Udp, "_sip+d2u.example")];
        assert_eq!(services, expected.map(|(transport, name)| (transport, name.to_owned())));
    }
}
