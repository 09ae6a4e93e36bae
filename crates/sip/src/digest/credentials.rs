//! Credentials as a client sends them (RFC 7616 section 3.4), read by the server.
//!
//! Lenient about quotes and their absence, strict about what the check needs: a parameter that is missing, doubled or
//! no such value refuses the header, and nothing is guessed.

use super::algorithm::Algorithm;
use super::lexer::{Lexer, Unreadable};

/// The longest user name and client nonce that are read, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Why a credentials header is refused before it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// It is longer than is read.
    #[error("the credentials are too long")]
    TooLong,
    /// It does not follow the grammar.
    #[error("the credentials are malformed at byte {offset}")]
    Malformed {
        /// Offset into the header value, in bytes.
        offset: usize,
    },
    /// A parameter is missing.
    #[error("the credentials have no {parameter}")]
    Missing {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// A parameter stands twice.
    #[error("the credentials have {parameter} twice")]
    Doubled {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// A parameter has a value that was not offered or is none.
    #[error("the credentials have an unusable {parameter}")]
    Unusable {
        /// The parameter's name.
        parameter: &'static str,
    },
}

impl From<Unreadable> for CredentialsError {
    fn from(fault: Unreadable) -> Self {
        match fault {
            Unreadable::TooLong => Self::TooLong,
            Unreadable::At { offset } => Self::Malformed { offset },
        }
    }
}

/// What a client says of itself for one realm.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) username: String,
    pub(super) nonce: Vec<u8>,
    pub(super) uri: Vec<u8>,
    /// The response, in lower case.
    pub(super) response: Vec<u8>,
    pub(super) algorithm: Algorithm,
    pub(super) cnonce: Vec<u8>,
    /// The count as it was sent, which the digest covers, and as a number.
    pub(super) count: (Vec<u8>, u32),
    pub(super) opaque: Option<Vec<u8>>,
}

/// The parameters that are read, in the order of [`Fields`].
const NAMES: [&str; 11] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "cnonce",
    "opaque",
    "qop",
    "nc",
    "userhash",
];

/// The values of [`NAMES`] that are there.
#[derive(Default)]
struct Fields([Option<Vec<u8>>; NAMES.len()]);

impl Fields {
    fn collect(parameters: Vec<(String, Vec<u8>)>) -> Result<Self, CredentialsError> {
        let mut fields = Self::default();
        for (name, value) in parameters {
            let known = NAMES.iter().zip(fields.0.iter_mut()).find(|(known, _)| **known == name);
            if let Some((parameter, slot)) = known
                && slot.replace(value).is_some()
            {
                return Err(CredentialsError::Doubled { parameter });
            }
        }
        Ok(fields)
    }

    fn take(&mut self, wanted: &'static str) -> Option<Vec<u8>> {
        NAMES.iter().zip(self.0.iter_mut()).find(|(name, _)| **name == wanted)?.1.take()
    }

    fn need(&mut self, parameter: &'static str) -> Result<Vec<u8>, CredentialsError> {
        self.take(parameter).ok_or(CredentialsError::Missing { parameter })
    }

    fn bounded(&mut self, parameter: &'static str) -> Result<Vec<u8>, CredentialsError> {
        let value = self.need(parameter)?;
        if value.is_empty() || value.len() > MAX_TEXT_BYTES {
            return Err(CredentialsError::Unusable { parameter });
        }
        Ok(value)
    }
}

impl Presented {
    /// Reads the credentials for `realm` among those of one header value; `None` when there are none for it.
    pub(super) fn read(value: &[u8], realm: &str) -> Result<Option<Self>, CredentialsError> {
        for (scheme, parameters) in Lexer::new(value)?.schemes()? {
            if !scheme.eq_ignore_ascii_case(b"Digest") {
                continue;
            }
            let mut fields = Fields::collect(parameters)?;
            if fields.need("realm")? == realm.as_bytes() {
                return Self::from_fields(fields).map(Some);
            }
        }
        Ok(None)
    }

    fn from_fields(mut fields: Fields) -> Result<Self, CredentialsError> {
        let unusable = |parameter| CredentialsError::Unusable { parameter };
        if fields.take("userhash").is_some_and(|value| !value.eq_ignore_ascii_case(b"false")) {
            return Err(unusable("userhash"));
        }
        let algorithm = match fields.take("algorithm") {
            None => Algorithm::Md5,
            Some(name) => Algorithm::from_name(&name).ok_or(unusable("algorithm"))?,
        };
        if !fields.need("qop")?.eq_ignore_ascii_case(b"auth") {
            return Err(unusable("qop"));
        }
        let username = String::from_utf8(fields.bounded("username")?).map_err(|_| unusable("username"))?;
        Ok(Self {
            username,
            nonce: fields.bounded("nonce")?,
            uri: fields.need("uri")?,
            response: fields.bounded("response")?.to_ascii_lowercase(),
            algorithm,
            cnonce: fields.bounded("cnonce")?,
            count: count(fields.need("nc")?).ok_or(unusable("nc"))?,
            opaque: fields.take("opaque"),
        })
    }
}

/// Eight hexadecimal digits (RFC 7616 section 3.4).
fn count(written: Vec<u8>) -> Option<(Vec<u8>, u32)> {
    if written.len() != 8 || !written.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let number = u32::from_str_radix(std::str::from_utf8(&written).ok()?, 16).ok()?;
    Some((written, number))
}
