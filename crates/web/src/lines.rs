//! `/lines`: SIP accounts; administrators only, and a password never comes back.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linecard_calls::{LineId, LineState, RegistrationView, UserId, UtcMillis, time::rfc3339};
use linecard_store::audit::AuditAction;
use linecard_store::lines::{DialFormat, Line, LineDraft, LineMode, LineTransfer, LineTransport};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{Object, ObjectBuilder};

use crate::auth::Admin;
use crate::extract::Path;
use crate::json::{Body, present};
use crate::listing::{ListRequest, Listing};
use crate::openapi::{text, text_or_empty_or_null, text_or_null, words_or_null};
use crate::port::Command;
use crate::sheet::Sheet;
use crate::users::check_text;
use crate::version::IfMatch;
use crate::websocket_address::take_apart;
use crate::{ApiError, App};

/// A line as REST shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub(crate) struct LineShape {
    id: LineId,
    name: String,
    server: String,
    username: String,
    auth_username: Option<String>,
    outbound_proxy: Option<String>,
    transport: Option<LineTransport>,
    websocket_path: Option<String>,
    mode: LineMode,
    user_id: Option<UserId>,
    dial_format: DialFormat,
    dial_prefix: Option<String>,
    caller_id: Option<String>,
    transfer: LineTransfer,
    registration: RegistrationShape,
    version: i64,
}

const SHEET: Sheet = Sheet {
    name: "lines",
    columns: &[
        "id",
        "name",
        "server",
        "username",
        "auth_username",
        "outbound_proxy",
        "transport",
        "websocket_path",
        "mode",
        "user_id",
        "dial_format",
        "dial_prefix",
        "caller_id",
        "transfer",
        "registration.state",
        "registration.since",
        "registration.reason",
        "registration.advice",
        "registration.expires_at",
        "registration.contacts",
        "registration.last_session_at",
        "version",
    ],
};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registration)]
struct RegistrationShape {
    state: LineState,
    #[serde(with = "rfc3339::option")]
    since: Option<UtcMillis>,
    reason: Option<String>,
    reason_key: Option<String>,
    reason_params: BTreeMap<String, String>,
    advice: Option<String>,
    #[serde(with = "rfc3339::option")]
    expires_at: Option<UtcMillis>,
    contacts: u32,
    #[serde(with = "rfc3339::option")]
    last_session_at: Option<UtcMillis>,
}

impl LineShape {
    fn of(line: Line, registrations: &HashMap<LineId, RegistrationView>) -> Self {
        let known = registrations.get(&line.id);
        let registration = match known {
            Some(known) => RegistrationShape {
                state: known.state,
                since: Some(known.since),
                reason: known.reason.clone(),
                reason_key: known.reason_key.clone(),
                reason_params: known.reason_params.clone(),
                advice: known.advice.clone(),
                expires_at: known.expires_at,
                contacts: known.contacts,
                last_session_at: known.last_session_at,
            },
            None => RegistrationShape {
                state: LineState::Trying,
                since: None,
                reason: None,
                reason_key: None,
                reason_params: BTreeMap::new(),
                advice: None,
                expires_at: None,
                contacts: 0,
                last_session_at: None,
            },
        };
        let account = line.account;
        Self {
            id: line.id,
            name: account.name,
            server: account.server,
            username: account.username,
            auth_username: account.auth_username,
            outbound_proxy: account.outbound_proxy,
            transport: account.transport,
            websocket_path: account.websocket_path,
            mode: account.mode,
            user_id: account.user_id,
            dial_format: account.dial_format,
            dial_prefix: account.dial_prefix,
            caller_id: account.caller_id,
            transfer: account.transfer,
            registration,
            version: line.version,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    #[schema(schema_with = text_or_null::<200>)]
    name: Option<String>,
    #[schema(schema_with = server)]
    server: String,
    #[schema(schema_with = text::<128>)]
    username: String,
    #[schema(schema_with = text_or_empty_or_null::<256>)]
    password: Option<String>,
    #[schema(schema_with = text_or_null::<128>)]
    auth_username: Option<String>,
    #[schema(schema_with = server_or_null)]
    outbound_proxy: Option<String>,
    #[schema(schema_with = transports)]
    transport: Option<LineTransport>,
    #[schema(schema_with = modes)]
    mode: Option<LineMode>,
    user_id: Option<UserId>,
    dial_format: Option<DialFormat>,
    #[schema(max_length = 16, pattern = "^[0-9*#+]*$")]
    dial_prefix: Option<String>,
    #[schema(schema_with = text_or_null::<128>)]
    caller_id: Option<String>,
    transfer: Option<LineTransfer>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinePatch {
    #[schema(schema_with = text_or_null::<200>)]
    name: Option<String>,
    #[schema(schema_with = server_or_null)]
    server: Option<String>,
    #[schema(schema_with = text_or_null::<128>)]
    username: Option<String>,
    #[schema(schema_with = text_or_empty_or_null::<256>)]
    password: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = text_or_null::<128>)]
    auth_username: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = server_or_null)]
    outbound_proxy: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = transports)]
    transport: Option<Option<LineTransport>>,
    #[schema(schema_with = modes)]
    mode: Option<LineMode>,
    #[serde(default, deserialize_with = "present")]
    user_id: Option<Option<UserId>>,
    dial_format: Option<DialFormat>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 16, pattern = "^[0-9*#+]*$")]
    dial_prefix: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = text_or_null::<128>)]
    caller_id: Option<Option<String>>,
    transfer: Option<LineTransfer>,
}

/// Lists the lines, each with its registration.
#[utoipa::path(
    get, path = "/api/v1/lines",
    responses((status = 200, body = Listing<LineShape>)),
    security(("admin" = [])),
)]
pub(crate) async fn list(State(app): State<App>, _: Admin, list: ListRequest) -> Result<Response, ApiError> {
    list.answer(&SHEET, move |page| {
        let app = app.clone();
        async move {
            let lines = app.store.lines_page(&page).await?;
            let registrations = registrations(&app, lines.items.iter().map(|line| line.id).collect()).await?;
            Ok(lines.map(|line| LineShape::of(line, &registrations)))
        }
    })
    .await
}

/// Adds a line and registers it.
#[utoipa::path(
    post, path = "/api/v1/lines",
    request_body = NewLine,
    responses((status = CREATED, body = LineShape)),
    security(("admin" = [])),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Body(new): Body<NewLine>,
) -> Result<(StatusCode, Json<LineShape>), ApiError> {
    let mut draft = LineDraft {
        name: String::new(),
        server: new.server,
        username: new.username,
        password: new.password.unwrap_or_default(),
        auth_username: new.auth_username,
        outbound_proxy: new.outbound_proxy,
        transport: new.transport,
        websocket_path: None,
        mode: new.mode.unwrap_or(LineMode::Anchor),
        user_id: new.user_id,
        dial_format: new.dial_format.unwrap_or(DialFormat::Plus),
        dial_prefix: new.dial_prefix,
        caller_id: new.caller_id,
        transfer: new.transfer.unwrap_or_default(),
    };
    take_apart(&mut draft, new.transport)?;
    draft.name = new.name.unwrap_or_else(|| format!("{}@{}", draft.username, draft.server));
    check(&draft)?;
    let line = app.store.add_line(app.make_id(), &draft, app.now()).await?;
    changed(&app, &admin, line.id).await?;
    Ok((StatusCode::CREATED, Json(shape_of(&app, line).await?)))
}

/// Shows a line.
#[utoipa::path(
    get, path = "/api/v1/lines/{id}",
    responses((status = 200, body = LineShape)),
    security(("admin" = [])),
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<LineId>,
) -> Result<Json<LineShape>, ApiError> {
    let line = app.store.line(id).await?.ok_or_else(|| ApiError::not_found("line"))?;
    Ok(Json(shape_of(&app, line).await?))
}

/// Changes the given fields of a line.
#[utoipa::path(
    patch, path = "/api/v1/lines/{id}",
    params(IfMatch),
    request_body = LinePatch,
    responses((status = 200, body = LineShape)),
    security(("admin" = [])),
)]
pub(crate) async fn change(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<LineId>,
    IfMatch(version): IfMatch,
    Body(patch): Body<LinePatch>,
) -> Result<Json<LineShape>, ApiError> {
    let old = app.store.line(id).await?.ok_or_else(|| ApiError::not_found("line"))?.account;
    let mut draft = LineDraft {
        name: patch.name.unwrap_or(old.name),
        server: patch.server.unwrap_or(old.server),
        username: patch.username.unwrap_or(old.username),
        password: patch.password.unwrap_or(old.password),
        auth_username: patch.auth_username.unwrap_or(old.auth_username),
        outbound_proxy: patch.outbound_proxy.unwrap_or(old.outbound_proxy),
        transport: patch.transport.unwrap_or(old.transport),
        websocket_path: old.websocket_path,
        mode: patch.mode.unwrap_or(old.mode),
        user_id: patch.user_id.unwrap_or(old.user_id),
        dial_format: patch.dial_format.unwrap_or(old.dial_format),
        dial_prefix: patch.dial_prefix.unwrap_or(old.dial_prefix),
        caller_id: patch.caller_id.unwrap_or(old.caller_id),
        transfer: patch.transfer.unwrap_or(old.transfer),
    };
    take_apart(&mut draft, patch.transport.flatten())?;
    check(&draft)?;
    let line = app.store.change_line(id, &draft, version).await?;
    changed(&app, &admin, id).await?;
    Ok(Json(shape_of(&app, line).await?))
}

/// Lets the desk phone be bound again that a line of mode `shadow` pushed out.
#[utoipa::path(
    post, path = "/api/v1/lines/{id}/put-back",
    responses((status = ACCEPTED, body = LineShape)),
    security(("admin" = [])),
)]
pub(crate) async fn put_back(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<LineId>,
) -> Result<(StatusCode, Json<LineShape>), ApiError> {
    let line = app.store.line(id).await?.ok_or_else(|| ApiError::not_found("line"))?;
    app.audit(AuditAction::LineChanged, Some(admin.user), Some(id.to_string()), admin.source).await;
    app.reactor.ask(|reply| Command::PutBack { line: id, reply }).await??;
    Ok((StatusCode::ACCEPTED, Json(shape_of(&app, line).await?)))
}

/// Deletes a line and unregisters it.
#[utoipa::path(
    delete, path = "/api/v1/lines/{id}",
    params(IfMatch),
    responses((status = NO_CONTENT)),
    security(("admin" = [])),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<LineId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.store.line(id).await?.ok_or_else(|| ApiError::not_found("line"))?;
    app.store.delete_line(id, version).await?;
    changed(&app, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes down that a line was changed, and puts the change in force.
async fn changed(app: &App, by: &Admin, line: LineId) -> Result<(), ApiError> {
    app.audit(AuditAction::LineChanged, Some(by.user), Some(line.to_string()), by.source).await;
    Ok(app.reactor.ask(|reply| Command::Reload { reply }).await?)
}

/// Asks how lines stand; of thousands, those that are shown alone.
async fn registrations(app: &App, of: Vec<LineId>) -> Result<HashMap<LineId, RegistrationView>, ApiError> {
    Ok(app.reactor.ask(|reply| Command::Registrations { of, reply }).await?)
}

async fn shape_of(app: &App, line: Line) -> Result<LineShape, ApiError> {
    let registrations = registrations(app, vec![line.id]).await?;
    Ok(LineShape::of(line, &registrations))
}

/// The transports that this version speaks.
pub(crate) fn transports() -> Object {
    words_or_null(&["udp", "tcp", "tls", "ws", "wss"])
}

/// A host with its port, or the address of a WebSocket.
pub(crate) fn server() -> Object {
    address(SchemaType::new(Type::String))
}

/// The same, or null.
pub(crate) fn server_or_null() -> Object {
    address(SchemaType::from_iter([Type::String, Type::Null]))
}

fn address(kind: SchemaType) -> Object {
    let host = r"[A-Za-z0-9._:\[\]-]+";
    let description = "host, host:port, or the address of a WebSocket such as wss://pbx.example:8089/ws, which becomes host, \
                       transport and websocket_path";
    ObjectBuilder::new()
        .schema_type(kind)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some(format!("^({host}|wss?://{host}(/[A-Za-z0-9._~/-]{{0,100}})?)$")))
        .description(Some(description))
        .build()
}

/// The modes in which this version captures.
pub(crate) fn modes() -> Object {
    words_or_null(&["anchor", "shadow", "dialog_info", "siprec"])
}

/// Refuses what cannot be a line.
pub(crate) fn check(draft: &LineDraft) -> Result<(), ApiError> {
    check_host("server", &draft.server)?;
    check_text("username", &draft.username, 128)?;
    // A PBX may know its peers by their addresses, and a line that is called to record has no account.
    if !draft.password.is_empty() {
        check_text("password", &draft.password, 256)?;
    }
    // After what the name is made of when there is none.
    check_text("name", &draft.name, 200)?;
    for (field, value) in [("auth_username", &draft.auth_username), ("caller_id", &draft.caller_id)] {
        if let Some(text) = value {
            check_text(field, text, 128)?;
        }
    }
    if let Some(proxy) = &draft.outbound_proxy {
        check_host("outbound_proxy", proxy)?;
    }
    if let Some(prefix) = &draft.dial_prefix
        && (prefix.len() > 16 || !prefix.bytes().all(|b| b.is_ascii_digit() || b"*#+".contains(&b)))
    {
        return Err(ApiError::field("dial_prefix", "write digits, *, # or +"));
    }
    Ok(())
}

fn check_host(field: &str, text: &str) -> Result<(), ApiError> {
    let advice = "write a host name or address, with :port if it is not 5060, or a WebSocket's address such as \
                  wss://pbx.example:8089/ws";
    let sane = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if text.is_empty() || text.len() > 255 || !text.bytes().all(sane) {
        return Err(ApiError::field(field, advice));
    }
    Ok(())
}
