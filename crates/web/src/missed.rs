//! `/missed`: the callers whom nobody answered, to be claimed and closed.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use linecard_calls::missed::Judgement;
use linecard_calls::{Deed, MissedId, MissedItem, MissedState, Role, Viewer};
use linecard_store::missed::{MissedFilter, place_of};
use linecard_store::page::{Page, PageRequest, Way};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Session;
use crate::extract::{Path, Query};
use crate::listing::{ListRequest, Listing};
use crate::port::{Command, Refusal};
use crate::sheet::Sheet;
use crate::{ApiError, App};

const SHEET: Sheet = Sheet {
    name: "missed",
    columns: &[
        "id",
        "number",
        "number_dialled",
        "contact_id",
        "attempts",
        "first_at",
        "last_at",
        "owner_id",
        "state",
        "closed_by",
        "closed_at",
        "answered_interaction_id",
        "interaction_id",
        "user_ids",
    ],
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MissedQuery {
    state: Option<MissedState>,
}

/// Lists the callers whom nobody answered: an agent those who called its lines, supervisors and
/// administrators all.
#[utoipa::path(
    get, path = "/api/v1/missed",
    params(MissedQuery),
    responses((status = 200, body = Listing<MissedItem>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    Query(query): Query<MissedQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let viewer = session.viewer();
    let user_id = match viewer.role {
        Role::Agent => Some(viewer.user_id.to_string()),
        Role::Supervisor | Role::Admin => None,
    };
    let filter = MissedFilter { state: query.state, user_id, without: Vec::new() };
    list.answer(&SHEET, move |request| {
        let (app, filter) = (app.clone(), filter.clone());
        async move { page_of(&app, viewer, filter, &request).await }
    })
    .await
}

/// Reads a page of the store's rows and of those that the reactor knows better; that one is asked first, as for
/// interactions.
async fn page_of(
    app: &App,
    viewer: Viewer,
    mut filter: MissedFilter,
    request: &PageRequest,
) -> Result<Page<MissedItem>, ApiError> {
    let mut unsaved = app.reactor.ask(|reply| Command::UnsavedMissed { viewer, reply }).await?;
    let ids = unsaved.iter().map(|item| item.id).collect();
    unsaved.retain(|item| filter.fits(item));
    filter.without = ids;
    let stored = app.store.missed_items(&filter, request).await?;
    Ok(stored.with(unsaved, request, Way::Down, place_of))
}

/// Shows a missed-call item.
#[utoipa::path(get, path = "/api/v1/missed/{id}", responses((status = 200, body = MissedItem)))]
pub(crate) async fn show(
    State(app): State<App>,
    session: Session,
    Path(item): Path<MissedId>,
) -> Result<Json<MissedItem>, ApiError> {
    let viewer = session.viewer();
    match app.reactor.ask(|reply| Command::Missed { item, viewer, reply }).await? {
        Some(known) => Ok(Json(known)),
        None => stored(&app, &viewer, item).await.map(Json),
    }
}

/// Claims an item.
#[utoipa::path(
    post, path = "/api/v1/missed/{id}/claim",
    responses((status = 200, body = MissedItem), (status = CONFLICT, description = "Another has it, or it is closed.")),
)]
pub(crate) async fn claim(
    State(app): State<App>,
    session: Session,
    Path(item): Path<MissedId>,
) -> Result<Json<MissedItem>, ApiError> {
    act(&app, session.viewer(), item, Deed::Claim).await
}

/// Closes an item.
#[utoipa::path(post, path = "/api/v1/missed/{id}/close", responses((status = 200, body = MissedItem)))]
pub(crate) async fn close(
    State(app): State<App>,
    session: Session,
    Path(item): Path<MissedId>,
) -> Result<Json<MissedItem>, ApiError> {
    act(&app, session.viewer(), item, Deed::Close).await
}

async fn act(app: &App, viewer: Viewer, item: MissedId, deed: Deed) -> Result<Json<MissedItem>, ApiError> {
    match app.reactor.ask(|reply| Command::MissedAct { item, viewer, deed, reply }).await? {
        Err(Refusal::NoSuchMissed) => {}
        answer => return Ok(Json(answer?)),
    }
    // What the reactor has forgotten is closed.
    let known = stored(app, &viewer, item).await?;
    match known.judge(deed, viewer.user_id) {
        Judgement::Done => Ok(Json(known)),
        Judgement::Due | Judgement::Refused => Err(Refusal::Taken.into()),
    }
}

/// Returns an item that `viewer` may see; another's is as if it did not exist.
async fn stored(app: &App, viewer: &Viewer, item: MissedId) -> Result<MissedItem, ApiError> {
    let found = app.store.missed_item(item).await?;
    found.filter(|item| item.visible_to(viewer)).ok_or_else(|| ApiError::not_found("missed call"))
}
