//! `/interactions`: what calls left behind, live ones too.

use axum::Json;
use axum::extract::{Path, Query, State};
use linecard_calls::{
    ContactId, Direction, Edit, Interaction, InteractionId, InteractionState, Outcome, Role, UserId,
    UtcMillis,
};
use linecard_store::interactions::InteractionFilter;
use serde::Deserialize;

use crate::auth::Session;
use crate::json::{Body, present};
use crate::listing::{ListQuery, Listing};
use crate::port::Command;
use crate::{ApiError, App};

/// The longest note, in characters.
const NOTES_MAX: usize = 20_000;

/// The longest disposition, in characters.
const DISPOSITION_MAX: usize = 200;

#[derive(Deserialize)]
pub(crate) struct InteractionQuery {
    from: Option<String>,
    until: Option<String>,
    direction: Option<Direction>,
    outcome: Option<Outcome>,
    user_id: Option<UserId>,
    contact_id: Option<ContactId>,
    number: Option<String>,
    recorded: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InteractionPatch {
    notes: Option<String>,
    #[serde(default, deserialize_with = "present")]
    disposition: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    contact_id: Option<Option<ContactId>>,
}

/// `GET /interactions`.
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    Query(query): Query<InteractionQuery>,
) -> Result<Json<Listing<Interaction>>, ApiError> {
    let page = ListQuery::new(query.limit, query.cursor.clone()).page()?;
    let filter = filter_of(&app, &session, query)?;
    let mut found = app.store.interactions(&filter, &page).await?;
    for interaction in &mut found.items {
        *interaction = freshest(&app, interaction.clone()).await?;
    }
    Ok(Json(Listing::of(found, |interaction| interaction)))
}

/// `GET /interactions/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<InteractionId>,
) -> Result<Json<Interaction>, ApiError> {
    let interaction = visible(&app, &session, id).await?;
    Ok(Json(interaction))
}

/// `GET /interactions/{id}/explain`: why it is what it is, from the ledger.
pub(crate) async fn explain(
    State(app): State<App>,
    session: Session,
    Path(id): Path<InteractionId>,
) -> Result<Json<linecard_calls::Explanation>, ApiError> {
    let interaction = visible(&app, &session, id).await?;
    let signals = app.store.signals_of(interaction.call_id).await?;
    linecard_calls::explain(&signals)
        .map(Json)
        .ok_or_else(|| ApiError::not_found("evidence for this interaction"))
}

/// `PATCH /interactions/{id}`: notes, disposition, contact; each becomes a signal.
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
    let interaction = app.reactor.ask(|reply| Command::Edit { call, edits, reply }).await??;
    Ok(Json(interaction))
}

/// Returns an interaction that the session may see; another's is as if it did not exist.
pub(crate) async fn visible(
    app: &App,
    session: &Session,
    id: InteractionId,
) -> Result<Interaction, ApiError> {
    let found = app.store.interaction(id).await?.ok_or_else(|| ApiError::not_found("interaction"))?;
    if !session.viewer().sees(found.user_id) {
        return Err(ApiError::not_found("interaction"));
    }
    freshest(app, found).await
}

/// A live interaction is newer in the reactor than in the store.
async fn freshest(app: &App, stored: Interaction) -> Result<Interaction, ApiError> {
    if stored.state == InteractionState::Ended {
        return Ok(stored);
    }
    let call = stored.call_id;
    let live = app.reactor.ask(|reply| Command::LiveInteraction { call, reply }).await?;
    Ok(live.unwrap_or(stored))
}

fn filter_of(app: &App, session: &Session, query: InteractionQuery) -> Result<InteractionFilter, ApiError> {
    let time = |field: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => text
            .parse::<UtcMillis>()
            .map(|at| Some(at.0))
            .map_err(|_| ApiError::field(field, "write a time such as 2026-01-31T09:00:00Z")),
    };
    let number = query.number.map(|typed| {
        let number = app.settings.dial_plan.number(&typed);
        number.e164.clone().or(number.extension.clone()).unwrap_or_else(|| number.digits())
    });
    let user_id = match session.user.role {
        Role::Agent => Some(session.user.id),
        Role::Supervisor | Role::Admin => query.user_id,
    };
    Ok(InteractionFilter {
        from: time("from", query.from)?,
        until: time("until", query.until)?,
        direction: query.direction,
        outcome: query.outcome,
        user_id: user_id.map(|id| id.to_string()),
        contact_id: query.contact_id.map(|id| id.to_string()),
        number,
        recorded: query.recorded,
    })
}

fn check_length(field: &str, text: &str, max_chars: usize) -> Result<(), ApiError> {
    if text.chars().count() > max_chars {
        return Err(ApiError::field(field, format!("write at most {max_chars} characters")));
    }
    Ok(())
}
