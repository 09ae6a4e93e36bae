//! `/sessions`: where oneself is logged in, and the end of it there. Nobody sees another's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linecard_calls::SessionId;
use linecard_store::audit::AuditAction;
use linecard_store::page::{Cursor, Key, Page};
use linecard_store::sessions::OpenSession;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Session;
use crate::extract::Path;
use crate::listing::{ListRequest, Listing};
use crate::sheet::Sheet;
use crate::source::Source;
use crate::{ApiError, App};

/// A session as REST shows it.
#[derive(Serialize, ToSchema)]
struct SessionShape {
    #[serde(flatten)]
    open: OpenSession,
    /// Whether it is the one that asks.
    current: bool,
}

const SHEET: Sheet = Sheet {
    name: "sessions",
    columns: &["id", "created_at", "expires_at", "source", "user_agent", "current"],
};

/// Lists where oneself is logged in, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions", responses((status = 200, body = Listing<SessionShape>)))]
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let (user, own) = (session.user.id, session.open.id);
    list.answer(&SHEET, move |page| {
        let app = app.clone();
        async move {
            let sessions = app.store.sessions(user, app.now()).await?;
            let place =
                |it: &OpenSession| Cursor { key: Key::Number(it.created_at.0), id: it.id.to_string() };
            let page = Page::cut(sessions, &page, place);
            Ok(page.map(|open| SessionShape { current: open.id == own, open }))
        }
    })
    .await
}

/// Ends one of the own sessions.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", responses((status = NO_CONTENT)))]
pub(crate) async fn end(
    State(app): State<App>,
    source: Source,
    session: Session,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, ApiError> {
    if !app.store.close_session(session.user.id, id).await? {
        return Err(ApiError::not_found("session"));
    }
    app.audit(AuditAction::SessionEnded, Some(session.user.id), Some(id.to_string()), source).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the own sessions but for the one that asks.
#[utoipa::path(delete, path = "/api/v1/sessions", responses((status = NO_CONTENT)))]
pub(crate) async fn end_others(
    State(app): State<App>,
    source: Source,
    session: Session,
) -> Result<StatusCode, ApiError> {
    if app.store.close_other_sessions(session.user.id, session.open.id).await? > 0 {
        app.audit(AuditAction::SessionEnded, Some(session.user.id), None, source).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
