//! A session description as data (RFC 8866 section 5).
//!
//! Values are text as written; what cannot be text (names in old encodings) stays bytes.

use std::net::IpAddr;

/// A whole session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`: who made it; its version tells changes.
    pub origin: Origin,
    /// `s=`: the session's name, bytes as received; `-` when there is none.
    pub name: Vec<u8>,
    /// `c=` of the session, for the streams without their own.
    pub connection: Option<Connection>,
    /// `b=` of the session.
    pub bandwidths: Vec<Bandwidth>,
    /// `i=`, `u=`, `e=`, `p=`, `t=`, `r=`, `z=`, `k=` and unknown lines, in order.
    pub lines: Vec<Line>,
    /// `a=` of the session.
    pub attributes: Vec<Attribute>,
    /// `m=` sections.
    pub media: Vec<Media>,
}

/// `o=`: the originator (RFC 8866 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The user name, `-` for none.
    pub username: String,
    /// The session's identifier: digits, sometimes more than fit an integer.
    pub session_id: String,
    /// The version of this description: digits.
    pub version: String,
    /// The originator's address.
    pub connection: Connection,
}

/// `c=`: where media goes (RFC 8866 section 5.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The network type, `IN`.
    pub network: String,
    /// The address type, `IP4` or `IP6`.
    pub kind: String,
    /// The address as written: an IP address, with `/ttl` if multicast, or a host name.
    pub address: String,
}

impl Connection {
    /// Names an IP address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let kind = if address.is_ipv4() { "IP4" } else { "IP6" };
        Self { network: "IN".into(), kind: kind.into(), address: address.to_string() }
    }

    /// Returns the IP address, if it is one; a host name yields `None`.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let address = self.address.split_once('/').map_or(self.address.as_str(), |(address, _)| address);
        address.parse().ok()
    }
}

/// `b=`: a bandwidth (RFC 8866 section 5.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bandwidth {
    /// Its type, such as `AS` (kbit/s) or `TIAS` (bit/s).
    pub kind: String,
    /// The value as written.
    pub value: String,
}

/// A line that is carried without a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The letter before `=`.
    pub letter: u8,
    /// What follows `=`, bytes as received.
    pub value: Vec<u8>,
}

/// `a=`: an attribute (RFC 8866 section 5.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The name before the colon.
    pub name: String,
    /// What follows the colon, bytes as received; `None` for a property attribute.
    pub value: Option<Vec<u8>>,
}

impl Attribute {
    /// Makes a property attribute, such as `sendrecv`.
    #[must_use]
    pub fn flag(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }

    /// Makes an attribute with a value.
    #[must_use]
    pub fn with(name: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), value: Some(value.into()) }
    }

    /// Returns the value as text, if it has one and it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.value.as_deref().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Compares the name; names are case-sensitive, but some senders do not know (RFC 8866 section 9).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// `m=` and what belongs to it (RFC 8866 section 5.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The kind, such as `audio`.
    pub kind: String,
    /// The port; 0 means rejected or ended.
    pub port: u16,
    /// The number of ports, where one is written.
    pub port_count: Option<u16>,
    /// The protocol, such as `RTP/AVP`.
    pub protocol: String,
    /// The formats: payload types for RTP.
    pub formats: Vec<String>,
    /// `c=` of this stream.
    pub connections: Vec<Connection>,
    /// `b=` of this stream.
    pub bandwidths: Vec<Bandwidth>,
    /// `i=`, `k=` and unknown lines, in order.
    pub lines: Vec<Line>,
    /// `a=` of this stream.
    pub attributes: Vec<Attribute>,
}

impl Media {
    /// Returns the first attribute of a name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.is(name))
    }

    /// Makes the line that rejects this stream: the same kind, protocol and formats, port 0
    /// (RFC 3264 section 6).
    #[must_use]
    pub fn rejected(&self) -> Self {
        Self {
            kind: self.kind.clone(),
            port: 0,
            port_count: None,
            protocol: self.protocol.clone(),
            formats: self.formats.clone(),
            connections: Vec::new(),
            bandwidths: Vec::new(),
            lines: Vec::new(),
            attributes: Vec::new(),
        }
    }
}

impl SessionDescription {
    /// Returns the first session attribute of a name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.is(name))
    }

    /// Tells whether another description describes the same session: all but the origin's version.
    #[must_use]
    pub fn same_but_version(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.origin.version.clone_from(&self.origin.version);
        *self == other
    }
}
