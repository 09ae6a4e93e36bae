//! `/lines/check` and `/lines/{id}/check`: the doctor's look at an account, told step by step as lines of JSON.
//!
//! Administrators only and audited, since the server knocks at whatever host is named; one look at a time for each. It
//! ends when the browser goes away.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body as Stream, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use linecard_calls::{LineId, UserId};
use linecard_store::audit::AuditAction;
use linecard_store::lines::{DialFormat, LineDraft, LineMode, LineTransport};
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::auth::Admin;
use crate::doctor::{Account, Finding};
use crate::extract::Path;
use crate::json::Body;
use crate::lines;
use crate::openapi::{text, text_or_empty, text_or_null};
use crate::{ApiError, App};

/// Keeps a proxy from collecting the lines until all are there.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedAccount {
    #[schema(min_length = 1, max_length = 255, pattern = r"^[A-Za-z0-9._:\[\]-]+$")]
    server: String,
    #[schema(schema_with = text::<128>)]
    username: String,
    #[schema(schema_with = text_or_empty::<256>)]
    password: String,
    #[schema(schema_with = text_or_null::<128>)]
    auth_username: Option<String>,
    #[schema(min_length = 1, max_length = 255, pattern = r"^[A-Za-z0-9._:\[\]-]+$")]
    outbound_proxy: Option<String>,
    #[schema(schema_with = lines::transports)]
    transport: Option<LineTransport>,
    #[schema(schema_with = lines::modes)]
    mode: Option<LineMode>,
}

/// Those for whom the doctor looks now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looking(Arc<Mutex<HashSet<UserId>>>);

/// Holds somebody's turn until the look is over or unwanted.
struct Turn {
    looking: Looking,
    user: UserId,
}

impl Looking {
    fn begin(&self, user: UserId) -> Option<Turn> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
        is_free.then(|| Turn { looking: self.clone(), user })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.looking.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.user);
    }
}

/// Looks at an account that is no line yet; it is registered for a moment.
#[utoipa::path(
    post, path = "/api/v1/lines/check",
    request_body = AskedAccount,
    responses((
        status = 200, body = String, content_type = "application/x-ndjson",
        description = "A JSON object a line: `step`, `message`, at the end `verdict`.",
    )),
    security(("admin" = [])),
)]
pub(crate) async fn check(
    State(app): State<App>,
    admin: Admin,
    Body(asked): Body<AskedAccount>,
) -> Result<Response, ApiError> {
    let draft = draft_of(asked);
    lines::check(&draft)?;
    let same = |line: &linecard_store::lines::Line| {
        line.account.username == draft.username && line.account.server.eq_ignore_ascii_case(&draft.server)
    };
    if let Some(line) = app.store.lines().await?.iter().find(|line| same(line)) {
        let detail = format!("the line {:?} has this account already; check that line", line.account.name);
        return Err(ApiError::field("username", detail));
    }
    let subject = format!("{}@{}", draft.username, draft.server);
    look(&app, &admin, account_of(draft, None), subject).await
}

/// Looks at the account of a line, which goes on undisturbed.
#[utoipa::path(
    post, path = "/api/v1/lines/{id}/check",
    responses((
        status = 200, body = String, content_type = "application/x-ndjson",
        description = "A JSON object a line: `step`, `message`, at the end `verdict`.",
    )),
    security(("admin" = [])),
)]
pub(crate) async fn check_line(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<LineId>,
) -> Result<Response, ApiError> {
    let line = app.store.line(id).await?.ok_or_else(|| ApiError::not_found("line"))?;
    look(&app, &admin, account_of(line.account, Some(id)), id.to_string()).await
}

/// A draft as the rules for lines want it.
fn draft_of(asked: AskedAccount) -> LineDraft {
    LineDraft {
        name: asked.username.clone(),
        server: asked.server,
        username: asked.username,
        password: asked.password,
        auth_username: asked.auth_username,
        outbound_proxy: asked.outbound_proxy,
        transport: asked.transport,
        mode: asked.mode.unwrap_or(LineMode::Anchor),
        user_id: None,
        dial_format: DialFormat::Plus,
        dial_prefix: None,
        caller_id: None,
    }
}

fn account_of(draft: LineDraft, line: Option<LineId>) -> Account {
    Account {
        server: draft.server,
        username: draft.username,
        password: draft.password,
        auth_username: draft.auth_username,
        outbound_proxy: draft.outbound_proxy,
        transport: draft.transport,
        mode: draft.mode,
        line,
    }
}

async fn look(app: &App, admin: &Admin, account: Account, subject: String) -> Result<Response, ApiError> {
    let Some(turn) = app.looking.begin(admin.user) else {
        let detail = "your last check still runs; wait for its end, or stop it";
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    };
    app.audit(AuditAction::LineChecked, Some(admin.user), Some(subject), admin.source).await;
    let findings = app.doctor.look(account).map_err(|occupied| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, format!("{occupied}; try again in a minute"))
    })?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (UNBUFFERED, "no")];
    Ok((headers, Stream::from_stream(unfold((findings, turn), next_line))).into_response())
}

type Told = (mpsc::Receiver<Finding>, Turn);

async fn next_line((mut findings, turn): Told) -> Option<(Result<Bytes, Infallible>, Told)> {
    let finding = findings.recv().await?;
    let mut line = serde_json::to_vec(&finding).unwrap_or_default();
    line.push(b'\n');
    Some((Ok(line.into()), (findings, turn)))
}
