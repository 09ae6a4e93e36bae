//! Where a request comes from: its address behind trusted proxies, and whether the browser's side of it is encrypted.
//!
//! `X-Forwarded-For` and `X-Forwarded-Proto` are believed only from `server.trusted_proxies`: anybody can write them.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};

use crate::App;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The connection that brought a request; among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Who connected: the browser, or a proxy.
    pub peer: SocketAddr,
    /// Whether it is under TLS.
    pub is_encrypted: bool,
}

/// An address, or a network as `address/bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that names neither an address nor a network.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address and no network; write one such as \"192.0.2.1\" or \"10.0.0.0/8\"")]
pub struct NetworkError(String);

impl Network {
    /// Tells whether an address is in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let host_bits = 32 - u32::from(self.bits);
                (u32::from(own) ^ u32::from(other)).checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let host_bits = 128 - u32::from(self.bits);
                (u128::from(own) ^ u128::from(other)).checked_shr(host_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refused = || NetworkError(text.to_owned());
        let all_of = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let Some((address, bits)) = text.split_once('/') else {
            let address = text.parse::<IpAddr>().map_err(|_| refused())?.to_canonical();
            return Ok(Self { address, bits: all_of(address) });
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let bits = bits.parse().map_err(|_| refused())?;
        if bits > all_of(address) { Err(refused()) } else { Ok(Self { address, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        format!("{}/{}", network.address, network.bits)
    }
}

/// Who asks, as far as the network tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    /// The address behind the trusted proxies.
    pub(crate) address: IpAddr,
    /// Whether what the browser sends is encrypted up to the server or to its proxy.
    pub(crate) is_encrypted: bool,
}

impl Source {
    /// Where a telephone is.
    pub(crate) fn of_phone(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), is_encrypted: false }
    }

    fn of(headers: &HeaderMap, connection: Connection, trusted: &[Network]) -> Self {
        let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
        let mut address = connection.peer.ip().to_canonical();
        if !is_trusted(address) {
            return Self { address, is_encrypted: connection.is_encrypted };
        }
        // Each proxy adds whom it saw on the right: what stands left of the first untrusted one is that one's claim.
        for hop in words(headers, &FORWARDED_FOR).iter().rev() {
            let Some(hop) = hop_address(hop) else { break };
            address = hop;
            if !is_trusted(hop) {
                break;
            }
        }
        let told = words(headers, &FORWARDED_PROTO).last().map(|proto| proto.eq_ignore_ascii_case("https"));
        Self { address, is_encrypted: told.unwrap_or(connection.is_encrypted) }
    }
}

impl FromRequestParts<App> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, connection_of(parts), &app.settings.trusted_proxies))
    }
}

/// Tells whether somebody on this machine, or a trusted proxy, asks for itself and passes on no request of another's.
pub(crate) fn is_own(parts: &Parts, app: &App) -> bool {
    let peer = connection_of(parts).peer.ip().to_canonical();
    let is_known = peer.is_loopback() || app.settings.trusted_proxies.iter().any(|it| it.contains(peer));
    let passed_on = [&FORWARDED_FOR, &FORWARDED_PROTO, &header::FORWARDED, &header::VIA];
    is_known && !passed_on.into_iter().any(|name| parts.headers.contains_key(name))
}

/// Returns the connection of a request; one that came over no socket has the address of nobody.
fn connection_of(parts: &Parts) -> Connection {
    let nobody = Connection { peer: (Ipv4Addr::UNSPECIFIED, 0).into(), is_encrypted: false };
    parts.extensions.get().copied().unwrap_or(nobody)
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(str::trim).collect()
}

/// Reads an address, perhaps with a port or in brackets.
fn hop_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn source(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let connection = Connection { peer: peer.parse().unwrap(), is_encrypted: false };
        let found = Source::of(&map, connection, &networks(trusted));
        (found.address.to_string(), found.is_encrypted)
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_other() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::/0", "10.0.0.1", false),
        ];
        for (network, address, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network:?} {address}");
        }
        for text in ["", "proxy", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8"] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_stranger_cannot_give_another_address() {
        let forged = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
        assert_eq!(source("203.0.113.7:9", &[], &forged), ("203.0.113.7".into(), false));
        assert_eq!(source("203.0.113.7:9", &["10.0.0.0/8"], &forged), ("203.0.113.7".into(), false));
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_untrusted_address_asks() {
        let trusted = ["10.0.0.0/8", "127.0.0.1"];
        let of = |list: &str| source("127.0.0.1:9", &trusted, &[("x-forwarded-for", list)]).0;
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
        assert_eq!(of("198.51.100.1, 203.0.113.7, 10.2.2.2"), "203.0.113.7", "what it claims does not count");
        assert_eq!(of("10.1.1.1, 10.2.2.2"), "10.1.1.1", "only proxies: the first of them");
        assert_eq!(of("203.0.113.7:4711"), "203.0.113.7");
        assert_eq!(of("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(of("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(of("203.0.113.7, unknown, 10.2.2.2"), "10.2.2.2", "nothing is believed beyond nonsense");
        assert_eq!(of(""), "127.0.0.1");
        let twice = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(source("127.0.0.1:9", &trusted, &twice).0, "203.0.113.7", "two headers are one list");
    }

    #[test]
    fn a_trusted_proxy_tells_whether_the_browser_is_encrypted() {
        let of = |proto: &str| source("127.0.0.1:9", &["127.0.0.1"], &[("x-forwarded-proto", proto)]).1;
        assert!(of("https") && of("HTTPS") && of("http, https"));
        assert!(!of("http") && !of("https, http") && !of(""));
    }
}
