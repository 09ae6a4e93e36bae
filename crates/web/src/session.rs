//! `/session`: log in, who am I, another password, log out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linecard_calls::UserId;
use linecard_store::audit::AuditAction;
use linecard_store::sessions::OpenSession;
use linecard_store::users::User;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{COOKIE, SESSION_MS, Session, Token, check_origin};
use crate::json::Body;
use crate::lockout::{Attempt, Verdict};
use crate::source::Source;
use crate::users::{Devices, UserShape, check_password};
use crate::{ApiError, App};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    login: String,
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    #[schema(max_length = 1024)]
    old_password: String,
    #[schema(min_length = 8, max_length = 1024)]
    new_password: String,
}

/// How much is kept of what a browser says it is.
const USER_AGENT_MAX: usize = 300;

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
    let user = match prove(&app, &login, &password, source).await? {
        Proof::Right(user) => user,
        Proof::Wait { wait_ms } => return Ok(locked(wait_ms)),
        Proof::Wrong => {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "log-in or password is wrong"));
        }
    };
    let no_chance = |_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the system gave no random numbers");
    let token = Token::make().map_err(no_chance)?;
    let now = app.now();
    let open = OpenSession {
        id: app.make_id(),
        user_id: user.id,
        created_at: now,
        expires_at: now.plus_ms(SESSION_MS),
        source: source.address.to_string(),
        user_agent: user_agent(&headers),
    };
    app.store.open_session(&token.hash(), &open).await?;
    app.audit(AuditAction::Login, Some(user.id), None, source).await;
    let cookie = cookie(&app, source, token.as_str(), SESSION_MS / 1000)?;
    let devices = Devices::of(&app, app.store.devices(user.id).await?).await?;
    let answer = LoggedIn { token: token.as_str().to_owned(), user: UserShape::of(user, &devices) };
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

/// Says who is logged in, and until when.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = WhoAmI)))]
pub(crate) async fn who_am_i(State(app): State<App>, session: Session) -> Result<Json<WhoAmI>, ApiError> {
    let devices = Devices::of(&app, app.store.devices(session.user.id).await?).await?;
    Ok(Json(WhoAmI { user: UserShape::of(session.user, &devices), expires_at: session.open.expires_at }))
}

/// Changes the own password.
///
/// Whoever sits at an open desk has to know the old one, and may not guess at it. The user's other sessions end: who knew
/// the old password is out.
#[utoipa::path(
    post, path = "/api/v1/session/password",
    request_body = ChangePassword,
    responses(
        (status = NO_CONTENT),
        (status = FORBIDDEN, description = "The old password is wrong, or the page's origin is not allowed."),
        (status = TOO_MANY_REQUESTS, description = "Too many wrong ones.", headers(("Retry-After" = u32))),
    ),
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    source: Source,
    session: Session,
    Body(ChangePassword { old_password, new_password }): Body<ChangePassword>,
) -> Result<Response, ApiError> {
    check_password("new_password", &new_password)?;
    let user = session.user;
    match prove(&app, &user.login, &old_password, source).await? {
        Proof::Right(_) => {}
        Proof::Wait { wait_ms } => return Ok(locked(wait_ms)),
        Proof::Wrong => {
            return Err(ApiError::forbidden_field("old_password", "this is not your password"));
        }
    }
    app.store.set_password(user.id, &new_password, session.open.id).await?;
    app.audit(AuditAction::PasswordChanged, Some(user.id), Some(user.id.to_string()), source).await;
    Ok(StatusCode::NO_CONTENT.into_response())
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
    app.store.close_session(session.user.id, session.open.id).await?;
    app.audit(AuditAction::Logout, Some(session.user.id), None, source).await;
    let gone = cookie(&app, source, "", 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

/// What a password that somebody gave comes to.
enum Proof {
    Right(User),
    Wrong,
    Wait { wait_ms: i64 },
}

/// Looks at a password under the lock against guessing, and writes down one that is wrong.
async fn prove(app: &App, login: &str, password: &str, source: Source) -> Result<Proof, ApiError> {
    let attempt = Attempt::new(login, source.address);
    let wait_ms = app.lockout().wait_ms(&attempt, app.now());
    if let Some(wait_ms) = wait_ms {
        return Ok(Proof::Wait { wait_ms });
    }
    let user = app.store.log_in(login, password).await?;
    let verdict = app.lockout().settle(&attempt, user.is_some(), app.now());
    match (verdict, user) {
        (Verdict::Granted, Some(user)) => Ok(Proof::Right(user)),
        (Verdict::Locked { wait_ms }, _) => Ok(Proof::Wait { wait_ms }),
        (verdict, _) => {
            let whose = app.store.user_of_login(login).await?;
            write_down_failure(app, whose, verdict, source).await;
            Ok(Proof::Wrong)
        }
    }
}

async fn write_down_failure(app: &App, whose: Option<UserId>, verdict: Verdict, source: Source) {
    app.audit(AuditAction::LoginFailed, whose, None, source).await;
    if verdict == Verdict::WrongAndLocked {
        tracing::warn!(source = %source.address, "too many failed log-ins; further ones wait");
        app.audit(AuditAction::LoginLocked, whose, None, source).await;
    }
}

/// What a browser says it is, as far as it is kept.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(USER_AGENT_MAX).collect())
}

/// Refuses an attempt whose password was not looked at, or is not told.
fn locked(wait_ms: i64) -> Response {
    ApiError::too_often(wait_ms, |wait_s| {
        let minutes = (wait_s + 59) / 60;
        format!("too many failed log-ins; try again in {minutes} min")
    })
}

fn cookie(app: &App, source: Source, value: &str, max_age_s: i64) -> Result<HeaderValue, ApiError> {
    let is_secure = source.is_encrypted || app.settings.public_url.starts_with("https:");
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&text).map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the session cannot be told to the browser")
    })
}
