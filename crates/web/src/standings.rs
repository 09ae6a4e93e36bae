//! `/lines/standings`: which lines there are and whether they are registered, for every log-in; accounts are `/lines`.

use axum::extract::State;
use axum::response::Response;
use linecard_calls::{LineId, LineState, UserId, UtcMillis, time::rfc3339};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Session;
use crate::listing::{ListRequest, Listing};
use crate::port::Command;
use crate::sheet::Sheet;
use crate::{ApiError, App};

const SHEET: Sheet = Sheet { name: "standings", columns: &["id", "name", "user_id", "state", "since"] };

/// A line as REST shows it to everybody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    id: LineId,
    name: String,
    user_id: Option<UserId>,
    state: LineState,
    #[serde(with = "rfc3339::option")]
    since: Option<UtcMillis>,
}

/// Lists the lines by name, and how they stand.
#[utoipa::path(get, path = "/api/v1/lines/standings", responses((status = 200, body = Listing<Standing>)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Session,
    list: ListRequest,
) -> Result<Response, ApiError> {
    list.answer(&SHEET, move |page| {
        let app = app.clone();
        async move {
            let lines = app.store.lines_page(&page).await?;
            let of = lines.items.iter().map(|line| line.id).collect();
            let registrations = app.reactor.ask(|reply| Command::Registrations { of, reply }).await?;
            Ok(lines.map(|line| {
                let known = registrations.get(&line.id);
                Standing {
                    id: line.id,
                    name: line.account.name,
                    user_id: line.account.user_id,
                    state: known.map_or(LineState::Trying, |known| known.state),
                    since: known.map(|known| known.since),
                }
            }))
        }
    })
    .await
}
