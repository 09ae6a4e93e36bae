//! `sip:` and `sips:` URIs (RFC 3261 section 19.1).

use std::fmt;

use super::{
    Host,
    escape::{self, unescape},
};
use crate::message::{Params, ParseError, ParseErrorKind, Scan};

/// A SIP or SIPS URI, its parts as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    /// Whether the scheme is `sips`.
    pub secure: bool,
    /// The user part, escapes untouched; semicolons in it are its own.
    pub user: Option<String>,
    /// The password, escapes untouched.
    pub password: Option<String>,
    /// The host.
    pub host: Host,
    /// The port, if written.
    pub port: Option<u16>,
    /// The URI's parameters.
    pub params: Params,
    /// All behind the question mark, escapes untouched.
    pub headers: Option<String>,
}

/// Parameters that no default makes equal to their absence (RFC 3261 section 19.1.4).
const STRICT_PARAMS: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl SipUri {
    /// Makes a `sip:` URI of a host alone.
    #[must_use]
    pub fn new(host: Host) -> Self {
        let (secure, user, password, port, headers) = (false, None, None, None, None);
        Self { secure, user, password, host, port, params: Params::new(), headers }
    }

    /// Reads what stands behind the scheme's colon.
    pub(super) fn read(secure: bool, text: &str) -> Result<Self, ParseError> {
        let (userinfo, behind) = match text.split_once('@') {
            Some((userinfo, behind)) => (Some(userinfo), behind),
            None => (None, text),
        };
        let start = text.len() - behind.len();
        let (user, password) = match userinfo.map(|info| info.split_once(':').ok_or(info)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
        };
        if user.is_some_and(str::is_empty) {
            return Err(ParseError::new(ParseErrorKind::Uri, 0));
        }
        let (place, headers) = match behind.split_once('?') {
            Some((place, headers)) => (place, Some(headers.to_owned())),
            None => (behind, None),
        };
        let mut scan = Scan::new(place.as_bytes());
        let fault = |scan: &Scan<'_>| ParseError::new(ParseErrorKind::Uri, start + scan.at());
        let host = Host::scan(&mut scan).map_err(|_| fault(&scan))?;
        let port = if scan.eat(b':') { Some(port(&mut scan).ok_or_else(|| fault(&scan))?) } else { None };
        let params = match place.get(scan.at()..).unwrap_or_default() {
            "" => Params::new(),
            rest if rest.contains('@') => return Err(fault(&scan)),
            rest => rest.strip_prefix(';').and_then(Params::parse_uri).ok_or_else(|| fault(&scan))?,
        };
        let (user, password) = (user.map(str::to_owned), password.map(str::to_owned));
        Ok(Self { secure, user, password, host, port, params, headers })
    }

    /// Gives the user part with its escapes resolved: any bytes, NUL among them.
    #[must_use]
    pub fn user_decoded(&self) -> Option<Vec<u8>> {
        self.user.as_deref().map(unescape)
    }

    /// Gives the `transport` parameter.
    #[must_use]
    pub fn transport_param(&self) -> Option<&str> {
        self.params.get("transport")
    }

    /// Gives a header embedded behind the question mark, such as Replaces in a Refer-To, with its escapes
    /// resolved (RFC 3261 section 19.1.1, RFC 3891).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.embedded().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    fn embedded(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        self.headers.as_deref().unwrap_or_default().split('&').filter(|header| !header.is_empty()).map(
            |header| {
                let (name, value) = header.split_once('=').unwrap_or((header, ""));
                (unescape(name), unescape(value))
            },
        )
    }

    /// Tells whether two URIs mean the same (RFC 3261 section 19.1.4).
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, two: &Option<String>| {
            one.as_deref().map(escape::normalised) == two.as_deref().map(escape::normalised)
        };
        self.secure == other.secure
            && same(&self.user, &other.user)
            && same(&self.password, &other.password)
            && self.host == other.host
            && self.port == other.port
            && self.params_allow(other)
            && other.params_allow(self)
            && self.sorted_headers() == other.sorted_headers()
    }

    /// Tells whether each parameter here agrees with the other's, or may be absent there.
    fn params_allow(&self, other: &Self) -> bool {
        let theirs = other.folded_params();
        self.folded_params().iter().all(|(name, value)| match theirs.get(name) {
            Some(their) => their == value,
            None => !STRICT_PARAMS.iter().any(|strict| strict.as_bytes() == name.as_slice()),
        })
    }

    fn folded_params(&self) -> std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let fold = |text: &str| escape::normalised(text).to_ascii_lowercase();
        self.params.iter().map(|(name, value)| (fold(name), value.map(fold))).collect()
    }

    fn sorted_headers(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut headers: Vec<_> =
            self.embedded().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        headers.sort_unstable();
        headers
    }
}

fn port(scan: &mut Scan<'_>) -> Option<u16> {
    u16::try_from(scan.number().ok()?).ok().filter(|port| *port > 0)
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            escape::write(f, user, "@:")?;
            if let Some(password) = &self.password {
                f.write_str(":")?;
                escape::write(f, password, "@")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write_params(f, &self.params, "?@")?;
        if let Some(headers) = &self.headers {
            f.write_str("?")?;
            // Without a user part, the first at sign would make one.
            escape::write(f, headers, if self.user.is_some() { "" } else { "@" })?;
        }
        Ok(())
    }
}

/// Writes parameters into a URI; what would end one of them, and `also`, is escaped.
pub(super) fn write_params(f: &mut fmt::Formatter<'_>, params: &Params, also: &str) -> fmt::Result {
    let (in_name, in_value) = (format!(";={also}"), format!(";{also}"));
    for (name, value) in params.iter() {
        f.write_str(";")?;
        escape::write(f, name, &in_name)?;
        if let Some(value) = value {
            f.write_str("=")?;
            escape::write(f, value, &in_value)?;
        }
    }
    Ok(())
}
