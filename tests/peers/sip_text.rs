//! SIP as text, just enough for a customer's phone: take a message apart, find a header, an address, the sound's port.
//!
//! Deliberately not a parser to rely on: it trusts its peers and knows neither folding nor compact forms beyond the
//! two that occur. What Linecard parses with is another crate; a test must not share its mistakes.

use std::net::{IpAddr, SocketAddr};

/// A received message, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    /// Names and values in order.
    pub(crate) headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub(crate) body: String,
}

impl Message {
    /// Takes a datagram apart; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn parse(datagram: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(datagram);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// The status of a response, or `None` for a request.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request, or the one that a response answers.
    pub(crate) fn method(&self) -> &str {
        let line = if self.status().is_some() {
            self.header("CSeq").split(' ').nth(1)
        } else {
            self.start.split(' ').next()
        };
        line.unwrap_or_default()
    }

    /// The first value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// Every line of a header.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str())
    }

    /// The addresses of `Record-Route`, in the order of the message.
    pub(crate) fn record_routes(&self) -> Vec<String> {
        let lines: Vec<&str> = self.all("Record-Route").collect();
        let joined = lines.join(",");
        let parts = joined.split(",<").filter(|part| !part.is_empty());
        parts.map(|part| if part.starts_with('<') { part.to_owned() } else { format!("<{part}") }).collect()
    }

    /// Where the sender of this SDP wants its sound.
    pub(crate) fn sound_address(&self) -> Option<SocketAddr> {
        let line = |prefix: &str| self.body.lines().find_map(|line| line.strip_prefix(prefix));
        let ip: IpAddr = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.trim().parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?;
        Some(SocketAddr::new(ip, port.parse().ok()?))
    }
}

/// The URI between angle brackets, or the whole value without its parameters.
pub(crate) fn uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default(),
    }
}

/// The address that a URI with a numeric host names; port 5060 when it has none.
pub(crate) fn socket_address(uri: &str) -> Option<SocketAddr> {
    let rest = uri.trim_start_matches("sip:");
    let host = rest.rsplit('@').next()?.split([';', '?']).next()?;
    host.parse().ok().or_else(|| format!("{host}:5060").parse().ok())
}
