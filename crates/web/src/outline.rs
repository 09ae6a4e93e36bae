//! `/recordings/{id}/peaks`: how loud both sides of a recording are, part by part, for the picture in the player.
//!
//! Looking at the picture is no listen: nothing is audited, and no word can be made out of it.

use std::fs::File;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linecard_calls::RecordingId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Session;
use crate::extract::{Path, Query};
use crate::recordings::opened;
use crate::{ApiError, App};

/// Parts when nobody says how many.
const PARTS: u32 = 800;

/// The most parts.
const PARTS_MAX: u32 = 2_000;

/// Outlines that are read at a time; others wait, so that a disk that is slow goes on taking recordings.
pub(crate) const READ_AT_ONCE: usize = 2;

/// Reads the outline of a recording's file in so many parts; it blocks.
pub type Outliner = fn(File, u32) -> std::io::Result<Outline>;

/// How loud both sides of a recording are: the lowest and the highest sample of each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outline {
    /// The length of the recording.
    pub duration_ms: u64,
    /// The customer's parts.
    #[schema(value_type = Vec<[i16; 2]>)]
    pub customer: Vec<(i16, i16)>,
    /// The agent's parts, as many.
    #[schema(value_type = Vec<[i16; 2]>)]
    pub agent: Vec<(i16, i16)>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeaksQuery {
    #[param(minimum = 1, maximum = 2_000)]
    parts: Option<u32>,
}

/// Draws a recording: the lowest and the highest sample of each side, part by part. No listen, so it is not audited.
#[utoipa::path(
    get, path = "/api/v1/recordings/{id}/peaks",
    params(PeaksQuery),
    responses(
        (status = 200, body = Outline),
        (status = CONFLICT, description = "The recording is still being written."),
    ),
)]
pub(crate) async fn peaks(
    State(app): State<App>,
    session: Session,
    Path(id): Path<RecordingId>,
    Query(PeaksQuery { parts }): Query<PeaksQuery>,
) -> Result<Json<Outline>, ApiError> {
    let parts = parts.unwrap_or(PARTS);
    if !(1..=PARTS_MAX).contains(&parts) {
        return Err(ApiError::field("parts", format!("write a number from 1 to {PARTS_MAX}")));
    }
    let file = opened(&app, &session, id).await?.into_std().await;
    let unreadable =
        || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the recording's file cannot be read");
    let turn = app.outlines.acquire().await.map_err(|_| unreadable())?;
    let read = app.settings.outliner;
    let outline = tokio::task::spawn_blocking(move || read(file, parts)).await;
    drop(turn);
    match outline {
        Ok(Ok(outline)) => Ok(Json(outline)),
        failed => {
            tracing::error!(recording = %id, ?failed, "a recording's outline cannot be read");
            Err(unreadable())
        }
    }
}
