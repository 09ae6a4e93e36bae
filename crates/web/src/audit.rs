//! `/audit`: who did what, when and from where; administrators only.

use axum::extract::State;
use axum::response::Response;
use linecard_calls::UserId;
use linecard_store::audit::{AuditAction, AuditFilter, AuditRow};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Admin;
use crate::extract::{Query, time};
use crate::listing::{ListRequest, Listing};
use crate::sheet::Sheet;
use crate::{ApiError, App};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    user_id: Option<UserId>,
    action: Option<AuditAction>,
    #[param(format = DateTime)]
    from: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
}

const SHEET: Sheet =
    Sheet { name: "audit", columns: &["id", "at", "action", "user_id", "login", "subject", "source"] };

/// Lists who did what, when and from where; the newest first.
#[utoipa::path(
    get, path = "/api/v1/audit",
    params(AuditQuery),
    responses((status = 200, body = Listing<AuditRow>)),
    security(("admin" = [])),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(query): Query<AuditQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let filter = AuditFilter {
        user_id: query.user_id,
        action: query.action,
        from: time("from", query.from)?,
        until: time("until", query.until)?,
    };
    list.answer(&SHEET, move |page| {
        let (app, filter) = (app.clone(), filter.clone());
        async move { Ok(app.store.audit(&filter, &page).await?) }
    })
    .await
}
