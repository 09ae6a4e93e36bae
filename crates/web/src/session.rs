//! `/session`: log in, who am I, log out.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::auth::{COOKIE, SESSION_MS, Session, Token, check_origin};
use crate::json::Body;
use crate::users::UserShape;
use crate::{ApiError, App};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    login: String,
    password: String,
}

#[derive(Serialize)]
struct LoggedIn {
    token: String,
    user: UserShape,
}

#[derive(Serialize)]
pub(crate) struct WhoAmI {
    user: UserShape,
    #[serde(with = "linecard_calls::time::rfc3339")]
    expires_at: linecard_calls::UtcMillis,
}

/// `POST /session`: the same answer and the same time for an unknown log-in and a wrong password.
pub(crate) async fn log_in(
    State(app): State<App>,
    headers: HeaderMap,
    Body(LogIn { login, password }): Body<LogIn>,
) -> Result<Response, ApiError> {
    check_origin(&app, &headers)?;
    let Some(user) = app.store.log_in(&login, &password).await? else {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "log-in or password is wrong"));
    };
    let no_chance = |_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the system gave no random numbers");
    let token = Token::make().map_err(no_chance)?;
    let now = app.now().0;
    app.store.open_session(&token.hash(), &user.id.to_string(), now, now + SESSION_MS).await?;
    let cookie = cookie(&app, token.as_str(), SESSION_MS / 1000)?;
    let devices = app.store.devices(user.id).await?;
    let answer = LoggedIn { token: token.as_str().to_owned(), user: UserShape::of(user, &devices) };
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

/// `GET /session`.
pub(crate) async fn who_am_i(State(app): State<App>, session: Session) -> Result<Json<WhoAmI>, ApiError> {
    let devices = app.store.devices(session.user.id).await?;
    Ok(Json(WhoAmI { user: UserShape::of(session.user, &devices), expires_at: session.expires_at }))
}

/// `DELETE /session`.
pub(crate) async fn log_out(State(app): State<App>, session: Session) -> Result<Response, ApiError> {
    app.store.close_session(&session.token.hash()).await?;
    let gone = cookie(&app, "", 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

fn cookie(app: &App, value: &str, max_age_s: i64) -> Result<HeaderValue, ApiError> {
    let secure = if app.settings.public_url.starts_with("https:") { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&text).map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the session cannot be told to the browser")
    })
}
