//! `Idempotency-Key`: a POST that is repeated because its answer was lost is answered again and not done again.
//!
//! A key belongs to its user, method and path. What was decided is kept for a day: the status, the kind of body and
//! the body. What may be otherwise at the next try (no login, a busy database, a stopping server) is not. While the
//! first request is being done a second one with its key gets 409. `POST /session` is left out: a token is not kept, and neither is an answer that
//! is marked as [`Unkept`].

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use linecard_store::idempotency::{KEPT_MS, KeptAnswer};
use sha2::{Digest, Sha256};

use crate::auth::{Session, hex};
use crate::json::whole;
use crate::{ApiError, App};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, in bytes.
const KEY_MAX: usize = 255;

/// The longest answer that is kept, in bytes.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Marks an answer with a secret: it is not kept, so its request would be done again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unkept;

/// A key within its scope: whose it is, and a digest of method, path and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ScopedKey {
    user: String,
    key: String,
}

/// The keys whose requests are being done.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<ScopedKey>>>);

/// Holds a key until its request is answered.
struct Claim {
    in_flight: InFlight,
    key: ScopedKey,
}

impl InFlight {
    /// Takes a key, unless somebody else holds it.
    fn claim(&self, key: ScopedKey) -> Option<Claim> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_free.then(|| Claim { in_flight: self.clone(), key })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Does a POST with a key once, however often it comes.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let is_meant = request.method() == Method::POST
        && request.uri().path() != "/session"
        && request.headers().contains_key(KEY);
    if !is_meant {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let session = Session::from_request_parts(&mut parts, &app).await?;
    let key = scoped(&session, &parts, read_key(&parts.headers)?);
    let body = whole(body).await?;
    let digest = hex(&Sha256::digest(&body));
    let Some(claim) = app.in_flight.claim(key) else {
        let detail = "the first request with this Idempotency-Key is still being done; repeat it in a moment";
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    };
    let since = app.now().0 - KEPT_MS;
    match app.store.kept_answer(&claim.key.user, &claim.key.key, since).await? {
        Some(kept) if kept.request == digest => return replayed(kept),
        Some(_) => {
            let detail = "this key came with another body before; use a new key for a new request";
            return Err(ApiError::field("Idempotency-Key", detail));
        }
        None => {}
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    kept(&app, &claim, digest, response).await
}

fn read_key(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    let mut keys = headers.get_all(KEY).iter().map(HeaderValue::as_bytes);
    match (keys.next(), keys.next()) {
        (Some(key), None)
            if (1..=KEY_MAX).contains(&key.len()) && key.iter().all(|b| (b' '..=b'~').contains(b)) =>
        {
            Ok(key)
        }
        _ => {
            let detail = format!("write one key of 1 to {KEY_MAX} ASCII characters, such as a UUID");
            Err(ApiError::field("Idempotency-Key", detail))
        }
    }
}

fn scoped(session: &Session, parts: &Parts, key: &[u8]) -> ScopedKey {
    let mut digest = Sha256::new();
    digest.update(format!("{} {}\n", parts.method, parts.uri));
    digest.update(key);
    ScopedKey { user: session.user.id.to_string(), key: hex(&digest.finalize()) }
}

/// Tells whether the same request would be answered so again.
fn is_decided(status: StatusCode) -> bool {
    let depends_on_more = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_success() || status.is_client_error() && !depends_on_more.contains(&status)
}

/// Keeps an answer that was decided, and passes it on.
async fn kept(app: &App, claim: &Claim, request: String, response: Response) -> Result<Response, ApiError> {
    if !is_decided(response.status()) || response.extensions().get::<Unkept>().is_some() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body: Bytes = axum::body::to_bytes(body, ANSWER_MAX)
        .await
        .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too long to be kept"))?;
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let answer = KeptAnswer {
        request,
        status: i64::from(parts.status.as_u16()),
        content_type: kind.filter(|_| !body.is_empty()).map(str::to_owned),
        response: String::from_utf8_lossy(&body).into_owned(),
    };
    let now = app.now().0;
    if let Err(error) =
        app.store.keep_answer(&claim.key.user, &claim.key.key, &answer, now, now - KEPT_MS).await
    {
        tracing::warn!(%error, "an answer could not be kept; its request would be done again");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replayed(kept: KeptAnswer) -> Result<Response, ApiError> {
    let unreadable = || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the kept answer cannot be read");
    let status = u16::try_from(kept.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = (status.ok_or_else(unreadable)?, kept.response).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Some(kind) = kept.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(kind).map_err(|_| unreadable())?);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
