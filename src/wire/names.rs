//! What the DNS is asked for the user agent: NAPTR and SRV records by a client of our own, addresses as the system finds
//! them (its hosts file included), unless `sip.dns` names other servers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use linecard_sip::ua::{Answer, Naptr, Question, Records, Srv};
use tokio::time::timeout;

use crate::config::{Config, ConfigError};

/// How long one question may take in all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long one server may take each time it is asked.
const SERVER_WITHIN: Duration = Duration::from_millis(1_500);
/// How long addresses are used that the system found: it does not tell how long they are good.
const ADDRESSES_VALID: Duration = Duration::from_secs(60);
/// How long it is believed that there is nothing, or that nobody answers.
const NOTHING_VALID: Duration = Duration::from_secs(15);

/// The client.
#[derive(Clone)]
pub(crate) struct Names {
    /// None when the system names no server: then no name offers services.
    dns: Option<TokioResolver>,
    /// Whether addresses are asked of the same servers.
    asks_addresses: bool,
}

impl Names {
    /// Makes the client with the system's servers, or those in `sip.dns`.
    ///
    /// # Errors
    /// An entry that is no address with a port.
    pub(crate) fn load(config: &Config) -> Result<Self, ConfigError> {
        let servers = config.sip.dns_servers()?;
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        };
        let built = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = SERVER_WITHIN;
            options.attempts = 2;
            // The user agent remembers.
            options.cache_size = 0;
            builder.build()
        });
        let dns =
            built.map_err(|error| tracing::warn!(%error, "no NAPTR and SRV records can be asked for")).ok();
        Ok(Self { dns, asks_addresses: !servers.is_empty() })
    }

    /// Asks; an answer without records says that there are none, or that nobody answers.
    pub(crate) async fn ask(&self, question: &Question) -> Answer {
        let (mut records, kind) = match question {
            Question::Naptr(_) => (Records::Naptr(Vec::new()), vec![RecordType::NAPTR]),
            Question::Srv(_) => (Records::Srv(Vec::new()), vec![RecordType::SRV]),
            Question::Addresses(_) => (Records::Addresses(Vec::new()), vec![RecordType::A, RecordType::AAAA]),
        };
        if let Question::Addresses(name) = question
            && !self.asks_addresses
        {
            return of_the_system(name).await;
        }
        let Some(dns) = &self.dns else { return Answer { records, valid: NOTHING_VALID } };
        let mut valid = Vec::new();
        for kind in kind {
            // With its last dot the name is what it says, and no search list is walked.
            let asked = timeout(ANSWER_WITHIN, dns.lookup(format!("{}.", question.name()), kind)).await;
            let Ok(Ok(found)) = asked else { continue };
            valid.push(found.valid_until().saturating_duration_since(Instant::now()));
            for record in found.answers() {
                take(&mut records, &record.data);
            }
        }
        Answer { records, valid: valid.into_iter().min().unwrap_or(NOTHING_VALID) }
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("asks_addresses", &self.asks_addresses).finish_non_exhaustive()
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

async fn of_the_system(name: &str) -> Answer {
    let found = timeout(ANSWER_WITHIN, tokio::net::lookup_host((name, 0))).await;
    let addresses = found.ok().and_then(Result::ok);
    let addresses: Vec<_> = addresses.into_iter().flatten().map(|address| address.ip()).collect();
    let valid = if addresses.is_empty() { NOTHING_VALID } else { ADDRESSES_VALID };
    Answer { records: Records::Addresses(addresses), valid }
}

fn take(records: &mut Records, found: &RData) {
    match (records, found) {
        (Records::Naptr(records), RData::NAPTR(it)) => records.push(Naptr {
            order: it.order,
            preference: it.preference,
            flags: String::from_utf8_lossy(&it.flags).into_owned(),
            service: String::from_utf8_lossy(&it.services).into_owned(),
            replacement: it.replacement.to_ascii(),
        }),
        (Records::Srv(records), RData::SRV(it)) => records.push(Srv {
            priority: it.priority,
            weight: it.weight,
            port: it.port,
            target: it.target.to_ascii(),
        }),
        (Records::Addresses(records), RData::A(it)) => records.push(it.0.into()),
        (Records::Addresses(records), RData::AAAA(it)) => records.push(it.0.into()),
        _ => {}
    }
}
