//! `/contacts/import`: a CSV table or a vCard file becomes contacts, or is only tried.

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use linecard_crm::import::{Imported, Refused, read};
use linecard_store::import::{Import, Intent, Taken};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Supervisor;
use crate::extract::Query;
use crate::{ApiError, App};

/// The largest file, in bytes.
const FILE_MAX: usize = 8 * 1024 * 1024;

/// The most rows of one file: each is a commit, and a browser waits for all.
const ROWS_MAX: usize = 20_000;

/// The most rows that are refused, and the most that are not, of which the answer tells one by one.
const TOLD_MAX: usize = 500;

/// A file as it was sent.
pub(crate) struct File(Bytes);

impl<S: Send + Sync> FromRequest<S> for File {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_kind(request.headers())?;
        whole(request.into_body()).await.map(Self)
    }
}

fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_lowercase();
    if kind.starts_with("text/") || kind == "application/octet-stream" {
        return Ok(());
    }
    let detail = "send the file itself with Content-Type: text/csv or text/vcard";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

async fn whole(body: Body) -> Result<Bytes, ApiError> {
    let detail = "send at most 8 MiB; larger files are imported in parts, or by `linecard import contacts`";
    to_bytes(body, FILE_MAX).await.map_err(|_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
}

/// How a file is imported.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Say what would happen, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What became of a file, or would.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ImportReport {
    dry_run: bool,
    added: usize,
    companies: usize,
    known: usize,
    refused: usize,
    /// In the order of the file; at most 500 that are refused and 500 that are not.
    rows: Vec<ImportedRow>,
}

/// What became of one row or card, or would.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportedRow {
    /// The line of a table on which the row begins, or the place of a card; from 1.
    place: u64,
    result: RowResult,
    name: Option<String>,
    company: Option<String>,
    /// As they are written.
    numbers: Vec<String>,
    /// Why it is refused, for programs.
    refusal: Option<RowRefusal>,
    /// Why it is refused, in English.
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RowResult {
    Added,
    Known,
    Refused,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RowRefusal {
    Nobody,
    TooLong,
    TooManyNumbers,
    TooManyCells,
    Broken,
}

impl RowRefusal {
    fn of(refused: &Refused) -> Self {
        match refused {
            Refused::Nobody => Self::Nobody,
            Refused::TooLong { .. } => Self::TooLong,
            Refused::TooManyNumbers => Self::TooManyNumbers,
            Refused::TooManyCells { .. } => Self::TooManyCells,
            Refused::Broken { .. } => Self::Broken,
        }
    }
}

impl ImportedRow {
    fn of(place: u64, contact: &Imported) -> Self {
        Self {
            place,
            result: RowResult::Known,
            name: Some(contact.name.clone()),
            company: contact.company.clone(),
            numbers: contact.numbers.iter().map(|number| number.number.clone()).collect(),
            refusal: None,
            reason: None,
        }
    }

    fn refused(place: u64, refused: &Refused) -> Self {
        Self {
            place,
            result: RowResult::Refused,
            name: None,
            company: None,
            numbers: Vec::new(),
            refusal: Some(RowRefusal::of(refused)),
            reason: Some(refused.to_string()),
        }
    }
}

impl ImportReport {
    fn refuse(&mut self, row: ImportedRow) {
        self.refused += 1;
        if self.refused <= TOLD_MAX {
            self.rows.push(row);
        }
    }

    fn take(&mut self, mut row: ImportedRow, taken: Taken) {
        match taken {
            Taken::Added { with_company } => {
                self.added += 1;
                self.companies += usize::from(with_company);
                row.result = RowResult::Added;
            }
            Taken::Known => self.known += 1,
        }
        if self.added + self.known <= TOLD_MAX {
            self.rows.push(row);
        }
    }
}

/// Adds the contacts of a CSV table or a vCard file that are not there yet, or says what would be added.
#[utoipa::path(
    post, path = "/api/v1/contacts/import",
    params(ImportQuery),
    request_body(
        content((String = "text/csv"), (String = "text/vcard")),
        description = "The file itself, at most 8 MiB and 20,000 rows; with an Idempotency-Key at most 1 MiB.",
    ),
    responses(
        (status = 200, body = ImportReport),
        (status = PAYLOAD_TOO_LARGE, description = "The file is longer than 8 MiB."),
        (status = UNSUPPORTED_MEDIA_TYPE, description = "The body says that it is no text."),
    ),
    security(("supervisor" = [])),
)]
pub(crate) async fn import(
    State(app): State<App>,
    _: Supervisor,
    Query(ImportQuery { dry_run }): Query<ImportQuery>,
    File(bytes): File,
) -> Result<Json<ImportReport>, ApiError> {
    let plan = app.settings.dial_plan.clone();
    let entries = read(&bytes, &plan).map_err(|error| ApiError::field("file", error.to_string()))?;
    if entries.len() > ROWS_MAX {
        let detail = format!(
            "the file has {} rows; import at most {ROWS_MAX} at a time, or by `linecard import contacts`",
            entries.len()
        );
        return Err(ApiError::field("file", detail));
    }
    let intent = if dry_run { Intent::DryRun } else { Intent::Add };
    let ids = app.clone();
    let mut import = Import::new(app.store.clone(), plan, intent, move || ids.make_id());
    let mut report = ImportReport { dry_run, ..ImportReport::default() };
    for entry in entries {
        match entry.read {
            Ok(contact) => {
                let row = ImportedRow::of(entry.place, &contact);
                report.take(row, import.take(contact, app.now()).await?);
            }
            Err(refused) => report.refuse(ImportedRow::refused(entry.place, &refused)),
        }
    }
    Ok(Json(report))
}
