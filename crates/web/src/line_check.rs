//! `/lines/check` and `/lines/{id}/check`: the doctor's look at an account, told step by step as lines of JSON.
//!
//! Administrators only and audited, since the server knocks at whatever host is named; one look at a time for each. It
//! ends when the browser goes away. A test call rings nobody but the account itself, one at a time and a few a minute.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body as Stream, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use linecard_calls::{LineId, UserId, UtcMillis};
use linecard_store::audit::AuditAction;
use linecard_store::lines::{DialFormat, LineDraft, LineMode, LineTransport};
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::auth::Admin;
use crate::doctor::{Account, Finding, Language, TestCall};
use crate::extract::Path;
use crate::json::{Body, BodyOrNone};
use crate::lines;
use crate::openapi::{text, text_or_empty, text_or_null};
use crate::recent::Recent;
use crate::websocket_address::take_apart;
use crate::{ApiError, App};

/// Keeps a proxy from collecting the lines until all are there.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How often accounts may be called by themselves; each call rings somebody's telephone.
const TEST_CALLS_PER_MINUTE: usize = 4;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedAccount {
    #[schema(schema_with = lines::server)]
    server: String,
    #[schema(schema_with = text::<128>)]
    username: String,
    #[schema(schema_with = text_or_empty::<256>)]
    password: String,
    #[schema(schema_with = text_or_null::<128>)]
    auth_username: Option<String>,
    #[schema(schema_with = lines::server_or_null)]
    outbound_proxy: Option<String>,
    #[schema(schema_with = lines::transports)]
    transport: Option<LineTransport>,
    #[schema(schema_with = lines::modes)]
    mode: Option<LineMode>,
    /// Let the account call itself: its real telephone rings for a moment.
    test_call: Option<bool>,
    /// In which language the telephone's display says that it is a test.
    language: Option<Language>,
}

/// How a line is looked at; a request without a body rings nobody.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedLook {
    /// Let the account call itself: its real telephone rings for a moment.
    test_call: Option<bool>,
    /// In which language the telephone's display says that it is a test.
    language: Option<Language>,
}

/// What is looked at now.
#[derive(Debug, Clone)]
pub(crate) struct Looking(Arc<Mutex<UnderWay>>);

#[derive(Debug)]
struct UnderWay {
    /// For whom.
    users: HashSet<UserId>,
    /// Whether somewhere an account is called.
    calls: bool,
    /// The test calls of the last minute.
    called: Recent<()>,
}

impl Default for Looking {
    fn default() -> Self {
        let called = Recent::within(60_000);
        Self(Arc::new(Mutex::new(UnderWay { users: HashSet::new(), calls: false, called })))
    }
}

/// Why a look cannot begin now.
enum Busy {
    /// This user's last one still runs.
    Looking,
    /// A test call is under way, whosever.
    Calling,
    /// There were as many test calls as may be in a minute; so long to wait.
    CalledOften { wait_ms: i64 },
}

/// Holds somebody's turn until the look is over or unwanted.
struct Turn {
    looking: Looking,
    user: UserId,
    calls: bool,
}

impl Looking {
    fn begin(&self, user: UserId, calls: bool, now: UtcMillis) -> Result<Turn, Busy> {
        let mut under_way = self.lock();
        if under_way.users.contains(&user) {
            return Err(Busy::Looking);
        }
        if calls {
            if under_way.calls {
                return Err(Busy::Calling);
            }
            if let Some(wait_ms) = under_way.called.wait_ms(&(), TEST_CALLS_PER_MINUTE, now) {
                return Err(Busy::CalledOften { wait_ms });
            }
            under_way.called.add((), now);
            under_way.calls = true;
        }
        under_way.users.insert(user);
        Ok(Turn { looking: self.clone(), user, calls })
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = self.looking.lock();
        under_way.users.remove(&self.user);
        under_way.calls &= !self.calls;
    }
}

/// Looks at an account that is no line yet; it is registered for a moment.
#[utoipa::path(
    post, path = "/api/v1/lines/check",
    request_body = AskedAccount,
    responses(
        (
            status = 200, body = String, content_type = "application/x-ndjson",
            description = "A JSON object a line: `step`, `check`, `plan`, `message`, at the end `verdict`.",
        ),
        (status = TOO_MANY_REQUESTS, description = "Too many test calls within a minute.", headers(("Retry-After" = u32))),
    ),
    security(("admin" = [])),
)]
pub(crate) async fn check(
    State(app): State<App>,
    admin: Admin,
    Body(asked): Body<AskedAccount>,
) -> Result<Response, ApiError> {
    let transport = asked.transport;
    let test_call = test_call(asked.test_call, asked.language);
    let mut draft = draft_of(asked);
    take_apart(&mut draft, transport)?;
    lines::check(&draft)?;
    let same = |line: &linecard_store::lines::Line| {
        line.account.username == draft.username && line.account.server.eq_ignore_ascii_case(&draft.server)
    };
    if let Some(line) = app.store.lines().await?.iter().find(|line| same(line)) {
        let detail = format!("the line {:?} has this account already; check that line", line.account.name);
        return Err(ApiError::field("username", detail));
    }
    let subject = format!("{}@{}", draft.username, draft.server);
    look(&app, &admin, Account { test_call, ..account_of(draft, None) }, subject).await
}

/// Looks at the account of a line, which goes on undisturbed.
#[utoipa::path(
    post, path = "/api/v1/lines/{id}/check",
    request_body = Option<AskedLook>,
    responses(
        (
            status = 200, body = String, content_type = "application/x-ndjson",
            description = "A JSON object a line: `step`, `check`, `plan`, `message`, at the end `verdict`.",
        ),
        (status = TOO_MANY_REQUESTS, description = "Too many test calls within a minute.", headers(("Retry-After" = u32))),
    ),
    security(("admin" = [])),
)]
pub(crate) async fn check_line(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<LineId>,
    BodyOrNone(asked): BodyOrNone<AskedLook>,
) -> Result<Response, ApiError> {
    let asked = asked.unwrap_or_default();
    let line = app.store.line(id).await?.ok_or_else(|| ApiError::not_found("line"))?;
    let test_call = test_call(asked.test_call, asked.language);
    look(&app, &admin, Account { test_call, ..account_of(line.account, Some(id)) }, id.to_string()).await
}

fn test_call(wanted: Option<bool>, language: Option<Language>) -> TestCall {
    if wanted == Some(true) { TestCall::Yes(language.unwrap_or_default()) } else { TestCall::No }
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
        websocket_path: None,
        mode: asked.mode.unwrap_or(LineMode::Anchor),
        user_id: None,
        dial_format: DialFormat::Plus,
        dial_prefix: None,
        caller_id: None,
        transfer: linecard_store::lines::LineTransfer::Here,
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
        websocket_path: draft.websocket_path,
        mode: draft.mode,
        line,
        test_call: TestCall::No,
    }
}

async fn look(app: &App, admin: &Admin, account: Account, subject: String) -> Result<Response, ApiError> {
    let calls = account.test_call != TestCall::No;
    let turn = match app.looking.begin(admin.user, calls, app.now()) {
        Ok(turn) => turn,
        Err(Busy::Looking) => {
            let detail = "your last check still runs; wait for its end, or stop it";
            return Err(ApiError::new(StatusCode::CONFLICT, detail));
        }
        Err(Busy::Calling) => {
            let detail = "a test call is under way; try again when it is over";
            return Err(ApiError::new(StatusCode::CONFLICT, detail).keyed("test_call_busy"));
        }
        Err(Busy::CalledOften { wait_ms }) => {
            let say = |wait_s| format!("too many test calls within a minute; try again in {wait_s} s");
            return Ok(ApiError::too_often(wait_ms, say));
        }
    };
    let action = if calls { AuditAction::LineTestCalled } else { AuditAction::LineChecked };
    app.audit(action, Some(admin.user), Some(subject), admin.source).await;
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
