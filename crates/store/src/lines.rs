//! Lines: SIP accounts on PBXes.

use linecard_calls::{LineId, UserId, UtcMillis};
pub use linecard_crm::DialFormat;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::database::{Row, assembled};
use crate::page::{List, Page, PageRequest};
use crate::row::{id, id_opt, text_of, word, word_opt};
use crate::statement::{Columns, Conditions, Table, Value};
use crate::{Store, StoreError};

/// A SIP account on a PBX, with its password: for the user agent, never for a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// Rises with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// Everything else.
    pub account: LineDraft,
}

/// What an administrator gives of a line.
#[derive(Clone, PartialEq, Eq)]
pub struct LineDraft {
    /// What people call it.
    pub name: String,
    /// The PBX, `host` or `host:port`.
    pub server: String,
    /// The account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// The name used in digests where it differs from the account.
    pub auth_username: Option<String>,
    /// A proxy that every request goes through.
    pub outbound_proxy: Option<String>,
    /// The transport; `None` tries them in turn.
    pub transport: Option<LineTransport>,
    /// What is asked for at a WebSocket's server, such as `/ws`; none for other transports.
    pub websocket_path: Option<String>,
    /// How calls are captured.
    pub mode: LineMode,
    /// Whose line it is.
    pub user_id: Option<UserId>,
    /// How a number is written when it is dialled.
    pub dial_format: DialFormat,
    /// What is put before a dialled number.
    pub dial_prefix: Option<String>,
    /// The number shown to the called.
    pub caller_id: Option<String>,
    /// Who connects a customer that is handed over at once.
    pub transfer: LineTransfer,
}

/// Who connects a customer that is handed over to a number at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineTransfer {
    /// This server, which stays in the talk.
    #[default]
    Here,
    /// The PBX, asked by REFER (RFC 3515): the talk leaves this server.
    Pbx,
}

/// The transport of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineTransport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
    /// Streams under TLS.
    Tls,
    /// A WebSocket (RFC 7118).
    Ws,
    /// A WebSocket under TLS.
    Wss,
}

/// How a line captures calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineMode {
    /// Linecard answers for the agent and bridges.
    Anchor,
    /// A second registration beside the desk phone.
    Shadow,
    /// A subscription to the extension's dialogs.
    DialogInfo,
    /// A recording client sends the calls to be recorded (RFC 7866).
    Siprec,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LineDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineDraft").field("mode", &self.mode).finish_non_exhaustive()
    }
}

const LINES: Table = Table { name: "lines", unique: "id", reference: "user_id" };

const LIST: List = List {
    columns: "id, name, server, username, password, auth_username, outbound_proxy, transport, websocket_path, mode, \
              user_id, dial_format, dial_prefix, caller_id, transfer, version, created_at",
    from: "lines",
    key: "created_at",
    id: "id",
};

impl Store {
    /// Adds a line.
    ///
    /// # Errors
    /// `Dangling { field: "user_id" }` when there is no such user.
    pub async fn add_line(&self, id: LineId, draft: &LineDraft, now: UtcMillis) -> Result<Line, StoreError> {
        LINES.insert(&self.pool, &id.to_string(), columns_of(draft)?, now).await?;
        Ok(Line { id, version: 1, created_at: now, account: draft.clone() })
    }

    /// Changes a line that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile, `Dangling` when there is no such user.
    pub async fn change_line(&self, id: LineId, draft: &LineDraft, version: i64) -> Result<Line, StoreError> {
        LINES.update(&self.pool, &id.to_string(), columns_of(draft)?, version).await?;
        self.line(id).await?.ok_or(StoreError::Stale)
    }

    /// Deletes a line that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn delete_line(&self, id: LineId, version: i64) -> Result<(), StoreError> {
        LINES.delete(&self.pool, &id.to_string(), version).await
    }

    /// Returns a line.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn line(&self, id: LineId) -> Result<Option<Line>, StoreError> {
        self.row(&LIST, &id.to_string(), line_of).await
    }

    /// Lists lines, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lines_page(&self, page: &PageRequest) -> Result<Page<Line>, StoreError> {
        self.page(&LIST, Conditions::default(), page, line_of).await
    }

    /// Returns every line: the user agent holds them all in memory anyway.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lines(&self) -> Result<Vec<Line>, StoreError> {
        let text = format!("SELECT {} FROM lines ORDER BY created_at DESC, id DESC", LIST.columns);
        assembled(text, &[]).fetch_all(&self.pool).await?.iter().map(line_of).collect()
    }
}

fn columns_of(draft: &LineDraft) -> Result<Columns, StoreError> {
    Ok(vec![
        ("name", Value::text(&draft.name)),
        ("server", Value::text(&draft.server)),
        ("username", Value::text(&draft.username)),
        ("password", Value::text(&draft.password)),
        ("auth_username", Value::from(draft.auth_username.clone())),
        ("outbound_proxy", Value::from(draft.outbound_proxy.clone())),
        ("transport", Value::from(draft.transport.as_ref().map(text_of).transpose()?)),
        ("websocket_path", Value::from(draft.websocket_path.clone())),
        ("mode", Value::text(text_of(&draft.mode)?)),
        ("user_id", Value::from(draft.user_id.map(|user| user.to_string()))),
        ("dial_format", Value::text(text_of(&draft.dial_format)?)),
        ("dial_prefix", Value::from(draft.dial_prefix.clone())),
        ("caller_id", Value::from(draft.caller_id.clone())),
        ("transfer", Value::text(text_of(&draft.transfer)?)),
    ])
}

fn line_of(row: &Row) -> Result<Line, StoreError> {
    Ok(Line {
        id: id(row, "lines", "id")?,
        version: row.try_get("version")?,
        created_at: UtcMillis(row.try_get("created_at")?),
        account: LineDraft {
            name: row.try_get("name")?,
            server: row.try_get("server")?,
            username: row.try_get("username")?,
            password: row.try_get("password")?,
            auth_username: row.try_get("auth_username")?,
            outbound_proxy: row.try_get("outbound_proxy")?,
            transport: word_opt(row, "lines", "transport")?,
            websocket_path: row.try_get("websocket_path")?,
            mode: word(row, "lines", "mode")?,
            user_id: id_opt(row, "lines", "user_id")?,
            dial_format: word(row, "lines", "dial_format")?,
            dial_prefix: row.try_get("dial_prefix")?,
            caller_id: row.try_get("caller_id")?,
            transfer: word(row, "lines", "transfer")?,
        },
    })
}
