//! Challenges and the credentials that answer them (RFC 7616 sections 3.3 and 3.4, RFC 3261 section 20.44).
//!
//! Lenient in what it reads (missing quotes, several challenges in one header), strict in what it writes.
//! Bytes of realm, nonce and opaque are kept as received, since the hash covers bytes and not characters.

use super::Credentials;
use super::algorithm::Algorithm;
use super::lexer::{Lexer, MAX_VALUE_BYTES, Unreadable};

/// One Digest challenge of a `WWW-Authenticate` or `Proxy-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The realm without quotes and escapes.
    pub realm: Vec<u8>,
    /// The server's nonce without quotes and escapes.
    pub nonce: Vec<u8>,
    /// The hash algorithm that the server wants.
    pub algorithm: ChallengeAlgorithm,
    /// The qualities of protection that the server offers.
    pub qop: QopOffer,
    /// What the server wants back unchanged.
    pub opaque: Option<Vec<u8>>,
    /// True when the nonce had grown old and the credentials were otherwise right.
    pub stale: bool,
    /// Parameters without a meaning here, in order, names in lower case.
    pub others: Vec<(String, Vec<u8>)>,
}

/// The algorithm that a challenge names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeAlgorithm {
    /// No algorithm was named: MD5 (RFC 7616 section 3.3).
    Absent,
    /// A known algorithm.
    Known(Algorithm),
    /// A name that this client does not compute.
    Unknown(String),
}

impl ChallengeAlgorithm {
    /// Returns the algorithm to compute with, if there is one.
    #[must_use]
    pub fn known(&self) -> Option<Algorithm> {
        match self {
            Self::Absent => Some(Algorithm::Md5),
            Self::Known(algorithm) => Some(*algorithm),
            Self::Unknown(_) => None,
        }
    }
}

/// The qualities of protection that a challenge offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QopOffer {
    /// The parameter is absent: the form of RFC 2069.
    Absent,
    /// `auth` is offered, alone or with others. It is preferred: proxies on the way may change a body.
    Auth,
    /// `auth-int` is offered and `auth` is not.
    AuthInt,
    /// Only unknown values are offered.
    Unknown,
}

/// What one use of a challenge covers.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The digest-uri: for SIP the Request-URI as printed.
    pub uri: &'a str,
    /// The request's body, covered by `auth-int`.
    pub body: &'a [u8],
    /// The client's nonce of this use.
    pub cnonce: &'a str,
    /// The client's nonce of the first use of this nonce, which keys the -sess algorithms.
    pub session_cnonce: &'a str,
    /// How often this nonce has been used, this use included; begins with 1.
    pub count: u32,
}

/// Why a header holds no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The value is longer than is read.
    #[error("the challenge is longer than {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// The value does not follow the grammar.
    #[error("the challenge is malformed at byte {offset}")]
    Malformed {
        /// Offset into the header value, in bytes.
        offset: usize,
    },
    /// A Digest challenge lacks a parameter that it must have.
    #[error("the challenge has no {parameter}")]
    Missing {
        /// The parameter's name.
        parameter: &'static str,
    },
}

impl From<Unreadable> for ChallengeError {
    fn from(fault: Unreadable) -> Self {
        match fault {
            Unreadable::TooLong => Self::TooLong,
            Unreadable::At { offset } => Self::Malformed { offset },
        }
    }
}

impl Challenge {
    /// Parses every Digest challenge of one header value; challenges of other schemes are passed over.
    ///
    /// # Errors
    /// A malformed value, a Digest challenge without realm or nonce.
    pub fn parse(value: &[u8]) -> Result<Vec<Self>, ChallengeError> {
        let mut challenges = Vec::new();
        for (scheme, parameters) in Lexer::new(value)?.schemes()? {
            if scheme.eq_ignore_ascii_case(b"Digest") {
                challenges.push(Self::from_parameters(parameters)?);
            }
        }
        Ok(challenges)
    }

    fn from_parameters(parameters: Vec<(String, Vec<u8>)>) -> Result<Self, ChallengeError> {
        let (mut realm, mut nonce, mut opaque) = (None, None, None);
        let (mut algorithm, mut qop, mut stale) = (ChallengeAlgorithm::Absent, QopOffer::Absent, false);
        let mut others = Vec::new();
        for (name, value) in parameters {
            match name.as_str() {
                "realm" => realm = realm.or(Some(value)),
                "nonce" => nonce = nonce.or(Some(value)),
                "opaque" => opaque = opaque.or(Some(value)),
                "stale" => stale = value.eq_ignore_ascii_case(b"true"),
                "algorithm" => algorithm = algorithm_of(&value),
                "qop" => qop = qop_of(&value),
                _ => others.push((name, value)),
            }
        }
        Ok(Self {
            realm: realm.ok_or(ChallengeError::Missing { parameter: "realm" })?,
            nonce: nonce.ok_or(ChallengeError::Missing { parameter: "nonce" })?,
            algorithm,
            qop,
            opaque,
            stale,
            others,
        })
    }

    /// Returns the algorithm if this client can answer the challenge.
    #[must_use]
    pub fn supported(&self) -> Option<Algorithm> {
        if self.qop == QopOffer::Unknown { None } else { self.algorithm.known() }
    }

    /// Writes the value of the `Authorization` or `Proxy-Authorization` header that answers this challenge.
    ///
    /// None when the challenge is not supported.
    #[must_use]
    pub fn authorization(&self, credentials: &Credentials, usage: &Use<'_>) -> Option<Vec<u8>> {
        let algorithm = self.supported()?;
        let response = self.response(algorithm, credentials, usage);
        let mut value = b"Digest ".to_vec();
        push_quoted(&mut value, "username", credentials.username.as_bytes());
        push_quoted(&mut value, "realm", &self.realm);
        push_quoted(&mut value, "nonce", &self.nonce);
        push_quoted(&mut value, "uri", usage.uri.as_bytes());
        push_quoted(&mut value, "response", response.as_bytes());
        if let ChallengeAlgorithm::Known(named) = self.algorithm {
            push_token(&mut value, "algorithm", named.name());
        }
        if self.qop != QopOffer::Absent || algorithm.is_session() {
            push_quoted(&mut value, "cnonce", usage.cnonce.as_bytes());
        }
        if let Some(opaque) = &self.opaque {
            push_quoted(&mut value, "opaque", opaque);
        }
        if let Some(qop) = self.qop.chosen() {
            push_token(&mut value, "qop", qop);
            push_token(&mut value, "nc", &format!("{:08x}", usage.count));
        }
        value.truncate(value.len().saturating_sub(2));
        Some(value)
    }

    /// Computes the response (RFC 7616 section 3.4.1).
    fn response(&self, algorithm: Algorithm, credentials: &Credentials, usage: &Use<'_>) -> String {
        let (username, password) = (credentials.username.as_bytes(), credentials.password.as_bytes());
        let mut secret = algorithm.hash_joined(&[username, &self.realm, password]);
        if algorithm.is_session() {
            let first = usage.session_cnonce.as_bytes();
            secret = algorithm.hash_joined(&[secret.as_bytes(), &self.nonce, first]);
        }
        let (method, uri) = (usage.method.as_bytes(), usage.uri.as_bytes());
        let covered = if self.qop == QopOffer::AuthInt {
            let body = algorithm.hash_joined(&[usage.body]);
            algorithm.hash_joined(&[method, uri, body.as_bytes()])
        } else {
            algorithm.hash_joined(&[method, uri])
        };
        let (secret, covered) = (secret.as_bytes(), covered.as_bytes());
        match self.qop.chosen() {
            None => algorithm.hash_joined(&[secret, &self.nonce, covered]),
            Some(qop) => {
                let count = format!("{:08x}", usage.count);
                let cnonce = usage.cnonce.as_bytes();
                algorithm.hash_joined(&[
                    secret,
                    &self.nonce,
                    count.as_bytes(),
                    cnonce,
                    qop.as_bytes(),
                    covered,
                ])
            }
        }
    }

    fn rank(&self) -> Option<(u8, bool)> {
        Some((self.supported()?.strength(), self.qop != QopOffer::Absent))
    }
}

impl QopOffer {
    fn chosen(self) -> Option<&'static str> {
        match self {
            Self::Auth => Some("auth"),
            Self::AuthInt => Some("auth-int"),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// Chooses the challenge with the strongest supported hash; of equals the first, the server's preference.
#[must_use]
pub fn strongest(challenges: &[Challenge]) -> Option<&Challenge> {
    let best = challenges.iter().filter_map(Challenge::rank).max()?;
    challenges.iter().find(|challenge| challenge.rank() == Some(best))
}

fn algorithm_of(name: &[u8]) -> ChallengeAlgorithm {
    match Algorithm::from_name(name) {
        Some(algorithm) => ChallengeAlgorithm::Known(algorithm),
        None => ChallengeAlgorithm::Unknown(String::from_utf8_lossy(name).into_owned()),
    }
}

fn qop_of(value: &[u8]) -> QopOffer {
    let options: Vec<&[u8]> = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    let has = |wanted: &[u8]| options.iter().any(|option| option.eq_ignore_ascii_case(wanted));
    if has(b"auth") {
        QopOffer::Auth
    } else if has(b"auth-int") {
        QopOffer::AuthInt
    } else if options.iter().all(|option| option.is_empty()) {
        QopOffer::Absent
    } else {
        QopOffer::Unknown
    }
}

fn push_quoted(value: &mut Vec<u8>, name: &str, text: &[u8]) {
    value.extend_from_slice(name.as_bytes());
    value.extend_from_slice(b"=\"");
    for &byte in text {
        // A control character can not be written in a quoted-string at all (RFC 3261 section 25.1).
        if byte.is_ascii_control() && byte != b'\t' {
            continue;
        }
        if matches!(byte, b'"' | b'\\') {
            value.push(b'\\');
        }
        value.push(byte);
    }
    value.extend_from_slice(b"\", ");
}

fn push_token(value: &mut Vec<u8>, name: &str, text: &str) {
    value.extend_from_slice(name.as_bytes());
    value.push(b'=');
    value.extend_from_slice(text.as_bytes());
    value.extend_from_slice(b", ");
}
