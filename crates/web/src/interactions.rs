//! `/interactions`: what calls left behind, live ones too.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linecard_calls::metrics::Figure;
use linecard_calls::{
    ContactId, Direction, Edit, Explanation, Interaction, InteractionId, LineId, Outcome, RecordedSession,
    Recording, Role, Signal, UtcMillis, Viewer,
};
use linecard_store::counted::LocalTime;
use linecard_store::interactions::{InteractionFilter, Whose, place_of};
use linecard_store::page::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::{Session, Supervisor};
use crate::extract::{Path, Query, time};
use crate::json::{Body, present};
use crate::listing::{CallSort, ListRequest, Listing};
use crate::port::Command;
use crate::reports::SERVICE_LEVEL_S;
use crate::sheet::Sheet;
use crate::zone::{DAYS_MAX, zone_of};
use crate::{ApiError, App};

/// The longest note, in characters.
const NOTES_MAX: usize = 20_000;

/// The longest disposition, in characters.
const DISPOSITION_MAX: usize = 200;

/// How long a change of an ended call may take before its author is told that it shows later.
const AMENDED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InteractionQuery {
    #[param(format = DateTime)]
    from: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    direction: Option<Direction>,
    outcome: Option<Outcome>,
    #[param(pattern = "^(none|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")]
    user_id: Option<String>,
    line_id: Option<LineId>,
    contact_id: Option<ContactId>,
    company_id: Option<String>,
    number: Option<String>,
    recorded: Option<bool>,
    #[param(minimum = 0, maximum = 23)]
    hour: Option<i64>,
    #[param(minimum = 1, maximum = 7)]
    weekday: Option<i64>,
    tz: Option<String>,
    figure: Option<Figure>,
    #[param(minimum = 1, maximum = 3600)]
    service_level_s: Option<i64>,
    #[param(format = DateTime)]
    under_way_at: Option<String>,
    #[serde(default)]
    sort: CallSort,
}

const SHEET: Sheet = Sheet {
    name: "interactions",
    columns: &[
        "id",
        "call_id",
        "direction",
        "outcome",
        "state",
        "caller_number",
        "caller_dialled",
        "callee_number",
        "customer_number",
        "connected_number",
        "user_to_user",
        "contact_id",
        "user_id",
        "line_id",
        "started_at",
        "answered_at",
        "ended_at",
        "ringing_ms",
        "talk_ms",
        "hold_ms",
        "hangup_by",
        "sip_status",
        "legs",
        "recording_ids",
        "notes",
        "disposition",
    ],
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InteractionPatch {
    #[schema(max_length = 20_000)]
    notes: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 200)]
    disposition: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    contact_id: Option<Option<ContactId>>,
}

/// Lists what calls left behind, live ones too; an agent finds its own.
#[utoipa::path(
    get, path = "/api/v1/interactions",
    params(InteractionQuery),
    responses((status = 200, body = Listing<Interaction>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    Query(query): Query<InteractionQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let viewer = session.viewer();
    let filter = filter_of(&app, &session, query)?;
    list.answer(&SHEET, move |request| {
        let (app, filter) = (app.clone(), filter.clone());
        async move { page_of(&app, viewer, filter, &request).await }
    })
    .await
}

/// Reads a page of the store's rows and of those that the reactor knows better, or the store not yet.
///
/// The reactor is asked first: a call that ends before the store is read is then shown as it was, and never lost
/// between the two.
async fn page_of(
    app: &App,
    viewer: Viewer,
    mut filter: InteractionFilter,
    request: &PageRequest,
) -> Result<Page<Interaction>, ApiError> {
    let mut live = app.reactor.ask(|reply| Command::LiveInteractions { viewer, reply }).await?;
    let ids = live.iter().map(|live| live.interaction.id).collect();
    live.retain(|live| filter.fits(&live.interaction, live.missed));
    let mut live = live.into_iter().map(|live| live.interaction).collect();
    if let Some(company) = &filter.company_id {
        live = app.store.of_company(company, live).await?;
    }
    filter.without = ids;
    let stored = app.store.interactions(&filter, request).await?;
    Ok(stored.with(live, request, filter.order.way(), |it| place_of(it, filter.order)))
}

/// Shows an interaction.
#[utoipa::path(get, path = "/api/v1/interactions/{id}", responses((status = 200, body = Interaction)))]
pub(crate) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<InteractionId>,
) -> Result<Json<Interaction>, ApiError> {
    Ok(Json(visible(&app, &session, id).await?))
}

/// Says why an interaction is what it is: the evidence in order, and the rule that decided.
#[utoipa::path(
    get, path = "/api/v1/interactions/{id}/explain",
    responses((status = 200, body = Explanation)),
)]
pub(crate) async fn explain(
    State(app): State<App>,
    session: Session,
    Path(id): Path<InteractionId>,
) -> Result<Json<Explanation>, ApiError> {
    let interaction = visible(&app, &session, id).await?;
    linecard_calls::explain(&evidence(&app, &interaction).await?)
        .map(Json)
        .ok_or_else(|| ApiError::not_found("evidence for this interaction"))
}

/// Reads the evidence of a call, live or over.
async fn evidence(app: &App, interaction: &Interaction) -> Result<Vec<Signal>, ApiError> {
    let id = interaction.id;
    match app.reactor.ask(|reply| Command::LiveSignals { interaction: id, reply }).await? {
        Some(signals) => Ok(signals),
        None => Ok(app.store.signals_of(interaction.call_id).await?),
    }
}

/// The recording sessions of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordedSessions {
    /// The sessions, oldest first; none for a call that nobody sent to be recorded.
    items: Vec<RecordedSession>,
}

/// Lists the recording sessions (RFC 7866) of a call: who took part and since when, and what was told, as it was sent.
#[utoipa::path(
    get, path = "/api/v1/interactions/{id}/recorded-sessions",
    responses((status = 200, body = RecordedSessions)),
    security(("supervisor" = [])),
)]
pub(crate) async fn recorded_sessions(
    State(app): State<App>,
    Supervisor(session): Supervisor,
    Path(id): Path<InteractionId>,
) -> Result<Json<RecordedSessions>, ApiError> {
    let interaction = visible(&app, &session, id).await?;
    let items = linecard_calls::recorded_sessions(&evidence(&app, &interaction).await?);
    Ok(Json(RecordedSessions { items }))
}

/// Writes notes and disposition, or names the contact; each becomes a signal.
#[utoipa::path(
    patch, path = "/api/v1/interactions/{id}",
    request_body = InteractionPatch,
    responses((status = 200, body = Interaction)),
)]
pub(crate) async fn change(
    State(app): State<App>,
    session: Session,
    Path(id): Path<InteractionId>,
    Body(patch): Body<InteractionPatch>,
) -> Result<Json<Interaction>, ApiError> {
    let call = visible(&app, &session, id).await?.call_id;
    let user = session.user.id;
    let mut edits = Vec::new();
    if let Some(notes) = patch.notes {
        check_length("notes", &notes, NOTES_MAX)?;
        edits.push(Edit::Notes { notes, user });
    }
    if let Some(disposition) = patch.disposition {
        check_length("disposition", disposition.as_deref().unwrap_or_default(), DISPOSITION_MAX)?;
        edits.push(Edit::Disposition { disposition, user });
    }
    if let Some(contact) = patch.contact_id {
        if let Some(contact) = contact
            && app.store.contact(contact).await?.is_none()
        {
            return Err(ApiError::field("contact_id", "there is no such contact"));
        }
        edits.push(Edit::Contact { contact, user });
    }
    let edited = app.reactor.ask(|reply| Command::Edit { call, edits, reply });
    match tokio::time::timeout(AMENDED_WITHIN, edited).await {
        Ok(answer) => Ok(Json(answer??)),
        Err(_) => {
            let detail = "the database is away; the change is kept and shows once it is back";
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

/// Returns an interaction that the session may see; another's is as if it did not exist.
async fn visible(app: &App, session: &Session, id: InteractionId) -> Result<Interaction, ApiError> {
    Ok(visible_call(app, session, id).await?.0)
}

/// Returns an interaction that the session may see, with those of its recordings that the store may have as they were.
///
/// A live one is newer in the reactor than in the store, and may not be in the store yet.
pub(crate) async fn visible_call(
    app: &App,
    session: &Session,
    id: InteractionId,
) -> Result<(Interaction, Vec<Recording>), ApiError> {
    let live = app.reactor.ask(|reply| Command::LiveInteraction { interaction: id, reply }).await?;
    let found = match live {
        Some(live) => Some((live.interaction, live.recordings)),
        None => app.store.interaction(id).await?.map(|stored| (stored, Vec::new())),
    };
    found.filter(|(it, _)| it.visible_to(&session.viewer())).ok_or_else(|| ApiError::not_found("interaction"))
}

fn filter_of(app: &App, session: &Session, query: InteractionQuery) -> Result<InteractionFilter, ApiError> {
    let whose = whose(session, query.user_id.as_deref())?;
    let (from, until) = (time("from", query.from)?, time("until", query.until)?);
    let service_level = within_ms(query.service_level_s.unwrap_or(SERVICE_LEVEL_S))?;
    Ok(InteractionFilter {
        local: local_time(app, query.tz.as_deref(), (query.hour, query.weekday), (from, until))?,
        figure: query.figure.map(|figure| (figure, service_level)),
        under_way_at: time("under_way_at", query.under_way_at)?.map(UtcMillis),
        from,
        until,
        direction: query.direction,
        outcome: query.outcome,
        whose,
        line_id: query.line_id,
        contact_id: query.contact_id.map(|id| id.to_string()),
        company_id: query.company_id,
        number: query.number.map(|typed| number_of(app, &typed)),
        recorded: query.recorded,
        without: Vec::new(),
        order: query.sort.into(),
    })
}

/// Reads a number in any spelling as calls have it: E.164, else an extension, else the digits.
pub(crate) fn number_of(app: &App, typed: &str) -> String {
    let number = app.settings.dial_plan.number(typed);
    number.e164.clone().or(number.extension.clone()).unwrap_or_else(|| number.digits())
}

/// Reads whose calls are wanted: a user's, or nobody's; an agent gets those in which it talked, whatever is asked
/// for.
pub(crate) fn whose(session: &Session, user_id: Option<&str>) -> Result<Option<Whose>, ApiError> {
    let asked = match user_id {
        None => None,
        Some("none") => Some(Whose::Nobody),
        Some(text) => {
            let user = text.parse().map_err(|_| ApiError::field("user_id", "write a user's id, or none"))?;
            Some(Whose::Of(user))
        }
    };
    Ok(match session.user.role {
        Role::Agent => Some(Whose::With(session.user.id)),
        Role::Supervisor | Role::Admin => asked,
    })
}

/// Reads the target of the service level.
pub(crate) fn within_ms(seconds: i64) -> Result<i64, ApiError> {
    if (1..=3_600).contains(&seconds) {
        Ok(seconds * 1_000)
    } else {
        Err(ApiError::field("service_level_s", "write 1 to 3600 seconds"))
    }
}

/// Reads an hour of the day and a day of the week, which need a period: the clocks of a place are changed.
fn local_time(
    app: &App,
    tz: Option<&str>,
    (hour, weekday): (Option<i64>, Option<i64>),
    (from, until): (Option<i64>, Option<i64>),
) -> Result<LocalTime, ApiError> {
    if hour.is_none() && weekday.is_none() {
        return Ok(LocalTime::default());
    }
    if hour.is_some_and(|hour| !(0..24).contains(&hour)) {
        return Err(ApiError::field("hour", "write 0 to 23"));
    }
    if weekday.is_some_and(|day| !(1..=7).contains(&day)) {
        return Err(ApiError::field("weekday", "write 1 for Monday to 7 for Sunday"));
    }
    let until = UtcMillis(until.unwrap_or(app.now().0));
    let from = from.map(UtcMillis).filter(|from| until.since_ms(*from) <= DAYS_MAX * 86_400_000);
    let Some(from) = from else {
        let advice = format!("write a time at most {DAYS_MAX} days before `until` with an hour or a weekday");
        return Err(ApiError::field("from", advice));
    };
    Ok(LocalTime { zone: zone_of(tz.unwrap_or("UTC"), from, until)?, hour, weekday })
}

fn check_length(field: &str, text: &str, max_chars: usize) -> Result<(), ApiError> {
    if text.chars().count() > max_chars {
        return Err(ApiError::field(field, format!("write at most {max_chars} characters")));
    }
    Ok(())
}
