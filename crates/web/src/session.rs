//! `/session`: log in, who am I, log out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linecard_store::audit::AuditAction;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{COOKIE, SESSION_MS, Session, Token, check_origin};
use crate::json::Body;
use crate::lockout::{Attempt, Verdict};
use crate::source::Source;
use crate::users::UserShape;
use crate::{ApiError, App};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    login: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
struct LoggedIn {
    token: String,
    user: UserShape,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WhoAmI {
    user: UserShape,
    #[serde(with = "linecard_calls::time::rfc3339")]
    expires_at: linecard_calls::UtcMillis,
}

/// Logs in: the same answer and the same time for an unknown log-in and a wrong password.
///
/// Who has failed too often waits (`lockout`). Sets the cookie `linecard_session`, and answers with the token for other
/// clients.
#[utoipa::path(
    post, path = "/api/v1/session",
    request_body = LogIn,
    responses(
        (status = CREATED, body = LoggedIn, headers(("Set-Cookie" = String))),
        (status = UNAUTHORIZED, description = "Log-in or password is wrong."),
        (status = FORBIDDEN, description = "The page's origin is not allowed."),
        (status = TOO_MANY_REQUESTS, description = "Too many failed log-ins.", headers(("Retry-After" = u32))),
    ),
    security(()),
)]
pub(crate) async fn log_in(
    State(app): State<App>,
    source: Source,
    headers: HeaderMap,
    Body(LogIn { login, password }): Body<LogIn>,
) -> Result<Response, ApiError> {
    check_origin(&app, &headers)?;
    let attempt = Attempt::new(&login, source.address);
    let wait_ms = app.lockout().wait_ms(&attempt, app.now());
    if let Some(wait_ms) = wait_ms {
        return Ok(locked(wait_ms));
    }
    let user = app.store.log_in(&login, &password).await?;
    let verdict = app.lockout().settle(&attempt, user.is_some(), app.now());
    let user = match (verdict, user) {
        (Verdict::Granted, Some(user)) => user,
        (Verdict::Locked { wait_ms }, _) => return Ok(locked(wait_ms)),
        (verdict, _) => {
            let whose = app.store.user_of_login(&login).await?;
            app.audit(AuditAction::LoginFailed, whose, None, source).await;
            if verdict == Verdict::WrongAndLocked {
                tracing::warn!(source = %source.address, "too many failed log-ins; further ones wait");
                app.audit(AuditAction::LoginLocked, whose, None, source).await;
            }
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "log-in or password is wrong"));
        }
    };
    let no_chance = |_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the system gave no random numbers");
    let token = Token::make().map_err(no_chance)?;
    let now = app.now().0;
    app.store.open_session(&token.hash(), &user.id.to_string(), now, now + SESSION_MS).await?;
    app.audit(AuditAction::Login, Some(user.id), None, source).await;
    let cookie = cookie(&app, source, token.as_str(), SESSION_MS / 1000)?;
    let devices = app.store.devices(user.id).await?;
    let answer = LoggedIn { token: token.as_str().to_owned(), user: UserShape::of(user, &devices) };
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

/// Says who is logged in, and until when.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = WhoAmI)))]
pub(crate) async fn who_am_i(State(app): State<App>, session: Session) -> Result<Json<WhoAmI>, ApiError> {
    let devices = app.store.devices(session.user.id).await?;
    Ok(Json(WhoAmI { user: UserShape::of(session.user, &devices), expires_at: session.expires_at }))
}

/// Logs out.
#[utoipa::path(
    delete, path = "/api/v1/session",
    responses((status = NO_CONTENT, headers(("Set-Cookie" = String)))),
)]
pub(crate) async fn log_out(
    State(app): State<App>,
    source: Source,
    session: Session,
) -> Result<Response, ApiError> {
    app.store.close_session(&session.token.hash()).await?;
    app.audit(AuditAction::Logout, Some(session.user.id), None, source).await;
    let gone = cookie(&app, source, "", 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// Refuses an attempt whose password was not looked at, or is not told.
fn locked(wait_ms: i64) -> Response {
    let wait_s = (wait_ms + 999) / 1_000;
    let minutes = (wait_s + 59) / 60;
    let detail = format!("too many failed log-ins; try again in {minutes} min");
    let refused = ApiError::new(StatusCode::TOO_MANY_REQUESTS, detail);
    ([(header::RETRY_AFTER, HeaderValue::from(wait_s))], refused).into_response()
}

fn cookie(app: &App, source: Source, value: &str, max_age_s: i64) -> Result<HeaderValue, ApiError> {
    let is_secure = source.is_encrypted || app.settings.public_url.starts_with("https:");
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&text).map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the session cannot be told to the browser")
    })
}
