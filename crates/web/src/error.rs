//! The one error of the interface: problem+json (RFC 9457), with `field` where one is to blame.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linecard_calls::TalkRefusal;
use linecard_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::port::Refusal;

/// Why a request was not done, in words for the person who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    detail: String,
    field: Option<String>,
    key: Option<&'static str>,
    choices: Vec<Alternative>,
}

/// One of several that may stand in the field to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Alternative {
    id: String,
    name: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    field: Option<&'a str>,
    /// Which sentence `detail` is, for pages that have it in another language.
    key: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    choices: &'a [Alternative],
}

impl ApiError {
    /// Makes an error without a field to blame.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), field: None, key: None, choices: Vec::new() }
    }

    /// A field holds something that cannot be used; `detail` says what to write.
    pub(crate) fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { field: Some(field.into()), ..Self::new(status, detail) }
    }

    /// What a field holds is not allowed.
    pub(crate) fn forbidden_field(field: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(StatusCode::FORBIDDEN, detail) }
    }

    /// A field has to name one of several; each has an id and a name.
    pub(crate) fn choose(field: &str, detail: impl Into<String>, choices: Vec<(String, String)>) -> Self {
        let choices = choices.into_iter().map(|(id, name)| Alternative { id, name }).collect();
        Self { field: Some(field.to_owned()), choices, ..Self::new(StatusCode::CONFLICT, detail) }
    }

    /// Asked too often: 429, with the whole seconds to wait in `Retry-After` and in what `say` makes of them
    /// (RFC 6585 section 4).
    pub(crate) fn too_often(wait_ms: i64, say: impl FnOnce(i64) -> String) -> Response {
        let wait_s = (wait_ms + 999) / 1_000;
        let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, say(wait_s));
        ([(header::RETRY_AFTER, HeaderValue::from(wait_s))], refused).into_response()
    }

    /// Names the sentence.
    pub(crate) fn keyed(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Names the field to blame.
    pub(crate) fn at(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    /// There is no such object, or the asking user may not know of it.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// The role does not allow it.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "your role does not allow this")
    }

    /// Nobody is logged in.
    pub(crate) fn no_login() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "log in first")
    }

    /// Returns the field to blame.
    #[must_use]
    pub fn blamed(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Returns what is wrong, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { field } => Self {
                field: Some(field.to_owned()),
                ..Self::new(StatusCode::CONFLICT, format!("{field} is already in use; choose another"))
            },
            StoreError::Dangling { field } => {
                Self::field(field, format!("{field} names nothing that exists"))
            }
            StoreError::LastAdmin => {
                let advice = "this is the last administrator; make another user an administrator first";
                Self::new(StatusCode::CONFLICT, advice)
            }
            StoreError::Stale => {
                Self::new(StatusCode::PRECONDITION_FAILED, "the object was changed meanwhile; read it again")
            }
            StoreError::Cursor => {
                Self::field("cursor", "use the `next` of an earlier answer, or leave it out")
            }
            error if error.is_passing() => {
                tracing::warn!(%error, "a request found the database busy");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database is busy; try again in a moment")
            }
            error => {
                tracing::error!(%error, "a request failed in the database");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database failed; the log says why")
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchCall => Self::not_found("call"),
            Refusal::NoSuchMissed => Self::not_found("missed call"),
            Refusal::Taken => Self::new(StatusCode::CONFLICT, format!("{refusal}; read it again")),
            Refusal::InAnotherCall | Refusal::NoDevice => {
                Self::new(StatusCode::CONFLICT, refusal.to_string())
            }
            Refusal::PhoneAbsent => {
                Self::new(StatusCode::CONFLICT, refusal.to_string()).keyed("phone_absent")
            }
            Refusal::OnDeskPhone => {
                Self::new(StatusCode::CONFLICT, refusal.to_string()).keyed("on_desk_phone")
            }
            Refusal::NoSuchUser => Self::field("user_id", refusal.to_string()),
            Refusal::Talk(why) => Self::new(StatusCode::CONFLICT, refusal.to_string()).keyed(talk_key(why)),
            Refusal::NoSuchLine => Self::field("line_id", refusal.to_string()),
            Refusal::NoPorts | Refusal::NoRoom => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string())
            }
            Refusal::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"),
        }
    }
}

fn talk_key(why: TalkRefusal) -> &'static str {
    match why {
        TalkRefusal::NotTalking => "not_talking",
        TalkRefusal::TransferUnderWay => "transfer_under_way",
        TalkRefusal::NoTransfer => "no_transfer",
        TalkRefusal::SameUser => "same_user",
        TalkRefusal::UserInCall => "user_in_call",
        TalkRefusal::NoDevice => "no_device",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            key: self.key,
            choices: &self.choices,
        };
        let mut response = (self.status, Json(problem)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
