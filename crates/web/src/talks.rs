//! What a user does with a talk: hold, and handing the customer over.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use linecard_calls::{CallId, CallView, TransferKind, UserId};
use linecard_crm::Destination;
use linecard_store::audit::AuditAction;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::Session;
use crate::dial::{counted, permitted};
use crate::extract::Path;
use crate::json::Body;
use crate::port::{Command, Keys, TalkWish, TransferTo};
use crate::source::Source;
use crate::{ApiError, App};

/// To whom the customer is to be handed over, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    /// A number as it is typed.
    to: Option<String>,
    /// A colleague.
    user_id: Option<UserId>,
    kind: NewTransferKind,
}

#[derive(Clone, Copy, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NewTransferKind {
    Blind,
    Attended,
}

type Accepted = (StatusCode, Json<CallView>);

/// Puts the customer on hold.
#[utoipa::path(post, path = "/api/v1/calls/{id}/hold", responses((status = ACCEPTED, body = CallView)))]
pub(crate) async fn hold(
    State(app): State<App>,
    session: Session,
    Path(call): Path<CallId>,
) -> Result<Accepted, ApiError> {
    wish(&app, &session, call, TalkWish::Hold).await
}

/// Takes the customer back, from hold or from a transfer under way.
#[utoipa::path(post, path = "/api/v1/calls/{id}/retrieve", responses((status = ACCEPTED, body = CallView)))]
pub(crate) async fn retrieve(
    State(app): State<App>,
    session: Session,
    Path(call): Path<CallId>,
) -> Result<Accepted, ApiError> {
    wish(&app, &session, call, TalkWish::Retrieve).await
}

/// Hands the customer over to a colleague or a number: `blind` as soon as the other answers, `attended` after the agent has
/// talked with the other. `attended` without a target completes an attended transfer under way.
///
/// Numbers are barred, counted and written into the audit as those of calls are.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/transfer",
    request_body = NewTransfer,
    responses(
        (status = ACCEPTED, body = CallView),
        (status = FORBIDDEN, description = "The number is barred, or the page's origin is not allowed."),
        (status = TOO_MANY_REQUESTS, description = "Too many calls within a minute.", headers(("Retry-After" = u32))),
    ),
)]
pub(crate) async fn transfer(
    State(app): State<App>,
    source: Source,
    session: Session,
    Path(call): Path<CallId>,
    Body(asked): Body<NewTransfer>,
) -> Result<Response, ApiError> {
    let viewer = session.viewer();
    let user = viewer.user_id;
    // Before anything is said of the wish: nobody learns what a call is like that is not theirs.
    let calls = app.reactor.ask(|reply| Command::Calls { viewer, reply }).await?;
    if !calls.iter().any(|known| known.call_id == call) {
        return Err(ApiError::not_found("call"));
    }
    let to = match (asked.to, asked.user_id) {
        (Some(_), Some(_)) => {
            return Err(ApiError::field("user_id", "give a number or a colleague, not both"));
        }
        (None, None) if asked.kind == NewTransferKind::Attended => {
            return Ok(wish(&app, &session, call, TalkWish::Complete).await?.into_response());
        }
        (None, None) => {
            return Err(ApiError::field("to", "say to whom: a number, or user_id for a colleague"));
        }
        (None, Some(user)) => TransferTo::User(user),
        (Some(to), None) => {
            let permitted = permitted(&app, user, source, &to).await;
            TransferTo::Number(permitted.map_err(|refusal| match refusal.status() {
                StatusCode::FORBIDDEN => refusal.keyed("barred"),
                _ => refusal,
            })?)
        }
    };
    if let TransferTo::Number(destination) = &to
        && let Some(too_many) = counted(&app, user, source, destination).await
    {
        return Ok(too_many);
    }
    let outside = matches!(to, TransferTo::Number(Destination::Outside { .. }));
    let kind = match asked.kind {
        NewTransferKind::Blind => TransferKind::Blind,
        NewTransferKind::Attended => TransferKind::Attended,
    };
    let (status, Json(view)) = wish(&app, &session, call, TalkWish::Transfer { kind, to }).await?;
    if outside {
        let subject = Some(view.interaction_id.to_string());
        app.audit(AuditAction::CallDialled, Some(user), subject, source).await;
    }
    Ok((status, Json(view)).into_response())
}

/// Digits for the customer's side.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pressed {
    #[schema(pattern = "^[0-9*#A-Da-d]{1,64}$")]
    digits: String,
}

/// Sends digits to the customer, as telephone events in the sound (RFC 4733) or by INFO where the other side has none.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/dtmf",
    request_body = Pressed,
    responses((status = ACCEPTED, body = CallView)),
)]
pub(crate) async fn press(
    State(app): State<App>,
    session: Session,
    Path(call): Path<CallId>,
    Body(pressed): Body<Pressed>,
) -> Result<Accepted, ApiError> {
    let keys = Keys::read(&pressed.digits);
    let keys = keys.ok_or_else(|| ApiError::field("digits", "write 1 to 64 of 0-9, *, #, A-D"))?;
    wish(&app, &session, call, TalkWish::Press(keys)).await
}

async fn wish(app: &App, session: &Session, call: CallId, wish: TalkWish) -> Result<Accepted, ApiError> {
    let viewer = session.viewer();
    let view = app.reactor.ask(|reply| Command::Talk { call, viewer, wish, reply }).await??;
    Ok((StatusCode::ACCEPTED, Json(view)))
}
