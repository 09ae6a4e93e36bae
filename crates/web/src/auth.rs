//! Who asks: the session behind a cookie or a bearer token, and what the role allows.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use linecard_calls::{Role, UserId, Viewer};
use linecard_store::sessions::OpenSession;
use linecard_store::users::User;
use sha2::{Digest, Sha256};

use crate::source::Source;
use crate::{ApiError, App};

/// The name of the session cookie.
pub(crate) const COOKIE: &str = "linecard_session";

/// How long a session lasts.
pub(crate) const SESSION_MS: i64 = 24 * 3_600_000;

/// A session's token: 256 bits in hexadecimal. Only its hash is kept.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn make() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    pub(crate) fn of_text(text: &str) -> Option<Self> {
        (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Self(text.to_owned()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: User,
    pub(crate) token: Token,
    pub(crate) open: OpenSession,
}

impl Session {
    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { user_id: self.user.id, role: self.user.role }
    }

    /// Returns the session behind a token, or none when it is unknown or over.
    pub(crate) async fn of_token(app: &App, token: Token) -> Result<Option<Self>, ApiError> {
        let found = app.store.session_user(&token.hash(), app.now()).await?;
        Ok(found.map(|(user, open)| Self { user, token, open }))
    }
}

/// An administrator, and from where.
pub(crate) struct Admin {
    pub(crate) user: UserId,
    pub(crate) source: Source,
}

/// A supervisor or an administrator.
pub(crate) struct Supervisor(pub(crate) Session);

impl FromRequestParts<App> for Supervisor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let session = Session::from_request_parts(parts, app).await?;
        match session.user.role {
            Role::Supervisor | Role::Admin => Ok(Self(session)),
            Role::Agent => Err(ApiError::forbidden()),
        }
    }
}

impl FromRequestParts<App> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let presented = presented(&parts.headers).ok_or_else(ApiError::no_login)?;
        if let (Presented::Cookie(_), true) = (&presented, changes_something(&parts.method)) {
            check_origin(app, &parts.headers)?;
        }
        let (Presented::Cookie(token) | Presented::Bearer(token)) = presented;
        Self::of_token(app, token).await?.ok_or_else(ApiError::no_login)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let session = Session::from_request_parts(parts, app).await?;
        match session.user.role {
            Role::Admin => {
                let Ok(source) = Source::from_request_parts(parts, app).await;
                Ok(Self { user: session.user.id, source })
            }
            Role::Supervisor | Role::Agent => Err(ApiError::forbidden()),
        }
    }
}

enum Presented {
    Cookie(Token),
    Bearer(Token),
}

fn presented(headers: &HeaderMap) -> Option<Presented> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().ok()?;
        return text.strip_prefix("Bearer ").and_then(Token::of_text).map(Presented::Bearer);
    }
    cookie_token(headers).map(Presented::Cookie)
}

/// Returns the token in the session cookie.
pub(crate) fn cookie_token(headers: &HeaderMap) -> Option<Token> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == COOKIE).then(|| Token::of_text(value)).flatten())
}

/// Tells whether a request with this method may change something.
pub(crate) fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses a foreign page that would act with the visitor's cookie.
pub(crate) fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if app.allows_origin(origin, text(header::HOST)) => Ok(()),
        Some(_) => Err(ApiError::new(
            axum::http::StatusCode::FORBIDDEN,
            "this page's origin is not allowed; set server.public_url or server.allowed_origins",
        )),
    }
}
