//! Hosts (RFC 3261 section 25.1, RFC 5118 for IPv6).

use std::{
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::message::{ParseError, ParseErrorKind, Scan};

/// A host by name or address; names compare without regard to case.
#[derive(Debug, Clone)]
pub enum Host {
    /// A name, as written.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, printed in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host, all of the bytes: a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut scan = Scan::new(bytes);
        let host = Self::scan(&mut scan)?;
        if scan.is_done() { Ok(host) } else { Err(scan.error(ParseErrorKind::Value)) }
    }

    /// Gives the address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    pub(crate) fn scan(scan: &mut Scan<'_>) -> Result<Self, ParseError> {
        let fault = scan.error(ParseErrorKind::Value);
        if scan.eat(b'[') {
            let address = scan.take_while(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
            let address = std::str::from_utf8(address).ok().and_then(v6).ok_or(fault)?;
            scan.expect(b']')?;
            return Ok(Self::V6(address));
        }
        let name = scan.take_while(is_name);
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() => {
                Ok(name.parse().map_or_else(|_| Self::Name(name.to_owned()), Self::V4))
            }
            _ => Err(fault),
        }
    }
}

/// Host names, and the underscore that private networks use.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// Reads an IPv6 address. Three colons before an embedded IPv4 address follow from a fault in the grammar of
/// RFC 3261 and are read as two (RFC 5118 section 4.10).
fn v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.replacen(":::", "::", 1).parse().ok())
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl FromStr for Host {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name
                .chars()
                .map(|c| if u8::try_from(c).is_ok_and(is_name) { c } else { '-' })
                .try_for_each(|c| fmt::Write::write_char(f, c)),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::V4(one), Self::V4(two)) => one == two,
            (Self::V6(one), Self::V6(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for Host {}

impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Name(name) => name.to_ascii_lowercase().hash(state),
            Self::V4(address) => address.hash(state),
            Self::V6(address) => address.hash(state),
        }
    }
}
