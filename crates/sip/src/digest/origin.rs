//! Who asks for credentials, and in which headers (RFC 3261 sections 22.2 and 22.3).

use crate::message::{HeaderName, Response, StatusCode};

/// Who asks for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A user agent server, by 401.
    Server,
    /// A proxy, by 407.
    Proxy,
}

impl Origin {
    pub(super) fn of(response: &Response) -> Self {
        if response.status.get() == 407 { Self::Proxy } else { Self::Server }
    }

    pub(super) fn challenge_header(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    pub(super) fn credentials_header(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }

    /// Gives the status of a response that asks.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Server => StatusCode::UNAUTHORIZED,
            Self::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }
}
