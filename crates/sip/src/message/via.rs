//! Via (RFC 3261 section 20.42, RFC 3581 for rport).

use std::net::IpAddr;

use super::{Params, ParseError, ParseErrorKind, Scan, is_token};
use crate::uri::Host;

/// One Via value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The transport as written: `UDP`, `TCP`, `TLS`, or anything.
    pub transport: String,
    /// The sent-by host.
    pub host: Host,
    /// The sent-by port.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params,
}

impl Via {
    /// Makes a Via without parameters.
    #[must_use]
    pub fn new(transport: &str, host: Host, port: Option<u16>) -> Self {
        Self { transport: transport.to_owned(), host, port, params: Params::new() }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// Anything but one well-formed SIP/2.0 Via.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut scan = Scan::new(value);
        let via = Self::scan(&mut scan)?;
        scan.skip_space();
        if scan.is_done() { Ok(via) } else { Err(scan.error(ParseErrorKind::Value)) }
    }

    pub(crate) fn scan(scan: &mut Scan<'_>) -> Result<Self, ParseError> {
        scan.skip_space();
        let protocol = scan.token()?;
        if !protocol.eq_ignore_ascii_case("SIP") || !scan.eat_spaced(b'/') {
            return Err(scan.error(ParseErrorKind::Value));
        }
        if scan.token()? != "2.0" || !scan.eat_spaced(b'/') {
            return Err(scan.error(ParseErrorKind::Value));
        }
        let transport = scan.token()?.to_owned();
        if scan.skip_space() == 0 {
            return Err(scan.error(ParseErrorKind::Value));
        }
        let host = Host::scan(scan)?;
        let port = if scan.eat_spaced(b':') { Some(port(scan)?) } else { None };
        let params = Params::scan(scan)?;
        Ok(Self { transport, host, port, params })
    }

    /// Gives the branch, the transaction's identifier.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// Sets the branch.
    pub fn set_branch(&mut self, branch: &str) {
        self.params.set("branch", Some(branch));
    }

    /// Gives the address that the first server saw; IPv6 with or without brackets (RFC 5118 section 4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).parse().ok()
    }

    /// Sets the address that was seen (RFC 3261 section 18.2.1).
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set("received", Some(&address.to_string()));
    }

    /// Gives rport: absent, asked for (`Some(None)`), or filled in (RFC 3581).
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.has("rport").then(|| self.params.get("rport").and_then(|port| port.parse().ok()))
    }

    /// Asks for rport, or fills it in.
    pub fn set_rport(&mut self, port: Option<u16>) {
        self.params.set("rport", port.map(|port| port.to_string()).as_deref());
    }

    /// Prints the value.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = b"SIP/2.0/".to_vec();
        out.extend(self.transport.bytes().map(|byte| if is_token(byte) { byte } else { b'-' }));
        out.push(b' ');
        out.extend(self.host.to_string().bytes());
        if let Some(port) = self.port {
            out.extend(format!(":{port}").bytes());
        }
        self.params.print(&mut out);
        out
    }
}

fn port(scan: &mut Scan<'_>) -> Result<u16, ParseError> {
    let number = scan.number()?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(scan.error(ParseErrorKind::Number)),
    }
}
