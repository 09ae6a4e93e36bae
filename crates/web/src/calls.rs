//! `/calls`: the live ones, and hanging up.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linecard_calls::{CallId, CallView};
use linecard_store::page::{Cursor, Page};

use crate::auth::Session;
use crate::extract::Path;
use crate::listing::{ListRequest, Listing};
use crate::port::Command;
use crate::sheet::Sheet;
use crate::{ApiError, App};

const SHEET: Sheet = Sheet {
    name: "calls",
    columns: &[
        "call_id",
        "interaction_id",
        "direction",
        "state",
        "user_id",
        "user_ids",
        "watched",
        "line_id",
        "number",
        "connected_number",
        "contact_id",
        "started_at",
        "answered_at",
        "outcome",
        "held_by",
        "transfer",
        "legs",
    ],
};

/// Lists the live calls: an agent its own, supervisors and administrators all.
#[utoipa::path(get, path = "/api/v1/calls", responses((status = 200, body = Listing<CallView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let viewer = session.viewer();
    let place = |call: &CallView| Cursor { key: call.started_at.0.into(), id: call.call_id.to_string() };
    list.answer(&SHEET, move |page| {
        let app = app.clone();
        async move {
            let calls = app.reactor.ask(|reply| Command::Calls { viewer, reply }).await?;
            Ok(Page::cut(calls, &page, place))
        }
    })
    .await
}

/// Hangs up a call, every leg of it.
#[utoipa::path(post, path = "/api/v1/calls/{id}/hangup", responses((status = ACCEPTED, body = CallView)))]
pub(crate) async fn hang_up(
    State(app): State<App>,
    session: Session,
    Path(call): Path<CallId>,
) -> Result<(StatusCode, Json<CallView>), ApiError> {
    let viewer = session.viewer();
    let view = app.reactor.ask(|reply| Command::HangUp { call, viewer, reply }).await??;
    Ok((StatusCode::ACCEPTED, Json(view)))
}
