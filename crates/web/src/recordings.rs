//! `/recordings`: what was recorded, and the WAV itself with Range.

use std::io::SeekFrom;
use std::ops::RangeInclusive;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linecard_calls::{ContactId, Direction, Interaction, Outcome, Recording, RecordingId, RecordingState};
use linecard_store::audit::AuditAction;
use linecard_store::recordings::{RecordedCall, RecordingFilter};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use crate::auth::Session;
use crate::extract::{Path, Query, time};
use crate::interactions::{number_of, visible_call, whose};
use crate::listing::{CallSort, ListRequest, Listing};
use crate::port::Command;
use crate::sheet::Sheet;
use crate::source::Source;
use crate::{ApiError, App};

const SHEET: Sheet = Sheet {
    name: "recordings",
    columns: &[
        "id",
        "interaction_id",
        "state",
        "duration_ms",
        "channels",
        "sample_rate_hz",
        "sha256",
        "spans",
        "interaction.direction",
        "interaction.outcome",
        "interaction.caller_number",
        "interaction.callee_number",
        "interaction.contact_id",
        "interaction.user_id",
        "interaction.started_at",
    ],
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordingQuery {
    #[param(format = DateTime)]
    from: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    direction: Option<Direction>,
    outcome: Option<Outcome>,
    #[param(pattern = "^(none|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")]
    user_id: Option<String>,
    contact_id: Option<ContactId>,
    name: Option<String>,
    number: Option<String>,
    #[param(minimum = 0)]
    duration_min_ms: Option<i64>,
    #[param(minimum = 0)]
    duration_max_ms: Option<i64>,
    #[serde(default)]
    sort: CallSort,
}

/// A recording with the call that it is of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedRecording {
    #[serde(flatten)]
    recording: Recording,
    interaction: Interaction,
}

/// Lists the recordings with their calls: an agent its own, supervisors and administrators all.
#[utoipa::path(
    get, path = "/api/v1/recordings",
    params(RecordingQuery),
    responses((status = 200, body = Listing<ListedRecording>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    Query(query): Query<RecordingQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let filter = filter_of(&app, &session, query)?;
    list.answer(&SHEET, move |page| {
        let (app, filter) = (app.clone(), filter.clone());
        async move {
            let found = app.store.recordings(&filter, &page).await?;
            Ok(found
                .map(|RecordedCall { recording, interaction }| ListedRecording { recording, interaction }))
        }
    })
    .await
}

fn filter_of(app: &App, session: &Session, query: RecordingQuery) -> Result<RecordingFilter, ApiError> {
    for (field, length) in
        [("duration_min_ms", query.duration_min_ms), ("duration_max_ms", query.duration_max_ms)]
    {
        if length.is_some_and(|ms| ms < 0) {
            return Err(ApiError::field(field, "write a length in milliseconds, 0 or more"));
        }
    }
    Ok(RecordingFilter {
        from: time("from", query.from)?,
        until: time("until", query.until)?,
        direction: query.direction,
        outcome: query.outcome,
        whose: whose(session, query.user_id.as_deref())?,
        contact_id: query.contact_id,
        name: query.name.filter(|name| !name.trim().is_empty()),
        number: query.number.map(|typed| number_of(app, &typed)),
        duration_min_ms: query.duration_min_ms,
        duration_max_ms: query.duration_max_ms,
        order: query.sort.into(),
    })
}

/// Shows a recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}", responses((status = 200, body = Recording)))]
pub(crate) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<RecordingId>,
) -> Result<Json<Recording>, ApiError> {
    Ok(Json(allowed(&app, &session, id).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MediaQuery {
    download: Option<bool>,
}

/// Sends the WAV, whole or the one range asked for (RFC 9110 section 14); with `download` as a file to be saved.
///
/// Each listen and each export is audited, once (`listens`).
#[utoipa::path(
    get, path = "/api/v1/recordings/{id}/media",
    params(MediaQuery),
    responses(
        (status = 200, description = "The whole file.", content_type = "audio/wav", body = Vec<u8>),
        (status = 206, description = "The range asked for.", content_type = "audio/wav", body = Vec<u8>,
            headers(("Content-Range" = String))),
        (status = CONFLICT, description = "The recording is still being written."),
        (status = 416, description = "The file has no such bytes.", headers(("Content-Range" = String))),
    ),
)]
pub(crate) async fn media(
    State(app): State<App>,
    (session, source): (Session, Source),
    Path(id): Path<RecordingId>,
    Query(MediaQuery { download }): Query<MediaQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = opened(&app, &session, id).await?;
    let length = file.metadata().await.map_err(unreadable)?.len();
    let wanted = wanted_range(&headers, length);
    let is_export = download == Some(true);
    if let (Some(first_byte), Method::GET) = (wanted.first_byte(), method) {
        let begins = app.listens().begins(session.user.id, id, first_byte, app.now());
        if begins {
            let action =
                if is_export { AuditAction::RecordingExported } else { AuditAction::RecordingPlayed };
            app.audit(action, Some(session.user.id), Some(id.to_string()), source).await;
        }
    }
    let mut response = answer(file, length, wanted).await?;
    if is_export && let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{id}.wav\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Opens the file of a recording that the session may hear and that is written to its end.
pub(crate) async fn opened(app: &App, session: &Session, id: RecordingId) -> Result<File, ApiError> {
    match allowed(app, session, id).await?.state {
        RecordingState::Recording => {
            return Err(ApiError::new(StatusCode::CONFLICT, "the recording is still being written"));
        }
        RecordingState::Failed => return Err(ApiError::not_found("file: this recording failed")),
        RecordingState::Finished | RecordingState::Repaired | RecordingState::Truncated => {}
    }
    // The name is made of the id alone, so nothing from outside becomes a path.
    let path = app.settings.recording_dir.join(format!("{id}.wav"));
    File::open(&path).await.map_err(|error| {
        tracing::error!(recording = %id, %error, "a recording's file cannot be opened");
        ApiError::not_found("file: the recording's file is missing")
    })
}

fn unreadable(_: std::io::Error) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the recording's file cannot be read")
}

/// Answers with what is wanted of a file of `length` bytes.
async fn answer(mut file: File, length: u64, wanted: Wanted) -> Result<Response, ApiError> {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    let ranges = (header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match wanted {
        Wanted::Whole => {
            let size = (header::CONTENT_LENGTH, HeaderValue::from(length));
            Ok(([kind, ranges, size], Body::from_stream(ReaderStream::new(file))).into_response())
        }
        Wanted::Part(range) => {
            let (first, last) = range.into_inner();
            file.seek(SeekFrom::Start(first)).await.map_err(unreadable)?;
            let size = last - first + 1;
            let place = HeaderValue::try_from(format!("bytes {first}-{last}/{length}"))
                .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the range cannot be told"))?;
            let part = [
                kind,
                ranges,
                (header::CONTENT_LENGTH, HeaderValue::from(size)),
                (header::CONTENT_RANGE, place),
            ];
            let body = Body::from_stream(ReaderStream::new(file.take(size)));
            Ok((StatusCode::PARTIAL_CONTENT, part, body).into_response())
        }
        Wanted::Impossible => {
            let place = HeaderValue::try_from(format!("bytes */{length}"))
                .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the range cannot be told"))?;
            let detail = format!("the recording's file has {length} bytes");
            let refused = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            Ok(([(header::CONTENT_RANGE, place)], refused).into_response())
        }
    }
}

async fn allowed(app: &App, session: &Session, id: RecordingId) -> Result<Recording, ApiError> {
    let missing = || ApiError::not_found("recording");
    // The reactor first: what it lets go of meanwhile is in the store by then.
    let live = app.reactor.ask(|reply| Command::LiveRecording { recording: id, reply }).await?;
    let interaction = match live {
        Some(live) => live.interaction_id,
        None => app.store.recording(id).await?.ok_or_else(missing)?.interaction_id,
    };
    match visible_call(app, session, interaction).await {
        Ok((_, newer)) => match newer.into_iter().find(|it| it.id == id) {
            Some(newer) => Ok(newer),
            // What the reactor has let go of is in the store, perhaps only since the row was read above.
            None => app.store.recording(id).await?.ok_or_else(missing),
        },
        Err(error) if error.status() == StatusCode::NOT_FOUND => Err(ApiError::not_found("recording")),
        Err(error) => Err(error),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(RangeInclusive<u64>),
    Impossible,
}

impl Wanted {
    /// Returns where the bytes that are sent begin; none are sent of an impossible range.
    fn first_byte(&self) -> Option<u64> {
        match self {
            Self::Whole => Some(0),
            Self::Part(range) => Some(*range.start()),
            Self::Impossible => None,
        }
    }
}

/// Reads a Range header of one range; several, or another unit, mean the whole (RFC 9110 section 14.2).
fn wanted_range(headers: &HeaderMap, length: u64) -> Wanted {
    let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((first, last)) =
        text.and_then(|text| text.strip_prefix("bytes=")).and_then(|set| set.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(count) => (length.saturating_sub(count), length.saturating_sub(1)),
            None => return Wanted::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => (first, length.saturating_sub(1)),
            None => return Wanted::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.min(length.saturating_sub(1))),
            _ => return Wanted::Whole,
        },
    };
    if first >= length { Wanted::Impossible } else { Wanted::Part(first..=last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::try_from(range).unwrap());
        wanted_range(&headers, 100)
    }

    #[test]
    fn a_range_is_read_as_http_says() {
        assert_eq!(asked("bytes=0-9"), Wanted::Part(0..=9));
        assert_eq!(asked("bytes=90-"), Wanted::Part(90..=99));
        assert_eq!(asked("bytes=-10"), Wanted::Part(90..=99));
        assert_eq!(asked("bytes=50-500"), Wanted::Part(50..=99));
        assert_eq!(asked("bytes=100-"), Wanted::Impossible);
        for whole in ["bytes=9-5", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes"] {
            assert_eq!(asked(whole), Wanted::Whole, "{whole}");
        }
    }
}
