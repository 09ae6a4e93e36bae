//! `/calls`: the live ones, and hanging up.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use linecard_calls::{CallId, CallView};

use crate::auth::Session;
use crate::listing::Listing;
use crate::port::Command;
use crate::{ApiError, App};

/// `GET /calls`: an agent sees its own, supervisors and administrators all.
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
) -> Result<Json<Listing<CallView>>, ApiError> {
    let viewer = session.viewer();
    let calls = app.reactor.ask(|reply| Command::Calls { viewer, reply }).await?;
    Ok(Json(Listing::whole(calls)))
}

/// `POST /calls/{id}/hangup`.
pub(crate) async fn hang_up(
    State(app): State<App>,
    session: Session,
    Path(call): Path<CallId>,
) -> Result<(StatusCode, Json<CallView>), ApiError> {
    let viewer = session.viewer();
    let view = app.reactor.ask(|reply| Command::HangUp { call, viewer, reply }).await??;
    Ok((StatusCode::ACCEPTED, Json(view)))
}
