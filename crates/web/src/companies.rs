//! `/companies`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linecard_calls::{ContactId, UtcMillis};
use linecard_crm::Number;
use linecard_store::contacts::{Company, CompanyDraft, CompanyFields};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::Session;
use crate::contacts::{NewNumber, SearchQuery, read_numbers};
use crate::extract::{Path, Query};
use crate::json::{Body, present};
use crate::listing::{ListRequest, Listing};
use crate::openapi::{named, text_or_null};
use crate::sheet::Sheet;
use crate::users::check_text;
use crate::version::IfMatch;
use crate::{ApiError, App};

/// A company as REST shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Company)]
pub(crate) struct CompanyShape {
    id: String,
    name: String,
    numbers: Vec<Number>,
    #[serde(flatten)]
    fields: CompanyFields,
    contact_count: i64,
    #[serde(with = "linecard_calls::time::rfc3339")]
    created_at: UtcMillis,
    version: i64,
}

const SHEET: Sheet = Sheet {
    name: "companies",
    columns: &[
        "id",
        "name",
        "numbers",
        "region",
        "industry",
        "notes",
        "custom",
        "contact_count",
        "created_at",
        "version",
    ],
};

impl CompanyShape {
    fn of(company: Company) -> Self {
        let CompanyDraft { name, numbers, fields } = company.card;
        let Company { id, contact_count, created_at, version, .. } = company;
        Self { id, name, numbers, fields, contact_count, created_at, version }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompanyPatch {
    #[schema(schema_with = text_or_null::<300>)]
    name: Option<String>,
    #[schema(max_items = 50)]
    numbers: Option<Vec<NewNumber>>,
    #[serde(default, deserialize_with = "present")]
    region: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    industry: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    notes: Option<Option<String>>,
    #[schema(value_type = Option<Object>)]
    custom: Option<serde_json::Map<String, serde_json::Value>>,
}

/// In the document: what a company is made of.
pub(crate) struct NewCompany;

impl PartialSchema for NewCompany {
    fn schema() -> RefOr<Schema> {
        named::<CompanyPatch>()
    }
}

impl ToSchema for NewCompany {}

impl CompanyPatch {
    fn onto(self, app: &App, old: CompanyDraft) -> Result<CompanyDraft, ApiError> {
        let numbers = self.numbers.map(|numbers| read_numbers(app, &numbers)).transpose()?;
        let draft = CompanyDraft {
            name: self.name.unwrap_or(old.name),
            numbers: numbers.unwrap_or(old.numbers),
            fields: CompanyFields {
                region: self.region.unwrap_or(old.fields.region),
                industry: self.industry.unwrap_or(old.fields.industry),
                notes: self.notes.unwrap_or(old.fields.notes),
                custom: self.custom.unwrap_or(old.fields.custom),
            },
        };
        check_text("name", &draft.name, 300)?;
        Ok(draft)
    }
}

/// Lists the companies, or those whose name or number `q` finds.
#[utoipa::path(
    get, path = "/api/v1/companies",
    params(SearchQuery),
    responses((status = 200, body = Listing<CompanyShape>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Session,
    Query(search): Query<SearchQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let search = search.read(&app);
    list.answer(&SHEET, move |page| {
        let (app, search) = (app.clone(), search.clone());
        async move { Ok(app.store.companies(&search, &page).await?.map(CompanyShape::of)) }
    })
    .await
}

/// Adds a company.
#[utoipa::path(
    post, path = "/api/v1/companies",
    request_body = NewCompany,
    responses((status = CREATED, body = CompanyShape)),
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Session,
    Body(new): Body<CompanyPatch>,
) -> Result<(StatusCode, Json<CompanyShape>), ApiError> {
    let empty = CompanyDraft { name: String::new(), numbers: Vec::new(), fields: CompanyFields::default() };
    let draft = new.onto(&app, empty)?;
    let id: ContactId = app.make_id();
    let company = app.store.add_company(&id.to_string(), &draft, app.now()).await?;
    Ok((StatusCode::CREATED, Json(CompanyShape::of(company))))
}

/// Shows a company.
#[utoipa::path(get, path = "/api/v1/companies/{id}", responses((status = 200, body = CompanyShape)))]
pub(crate) async fn show(
    State(app): State<App>,
    _: Session,
    Path(id): Path<String>,
) -> Result<Json<CompanyShape>, ApiError> {
    let company = app.store.company(&id).await?.ok_or_else(|| ApiError::not_found("company"))?;
    Ok(Json(CompanyShape::of(company)))
}

/// Changes the given fields of a company.
#[utoipa::path(
    patch, path = "/api/v1/companies/{id}",
    params(IfMatch),
    request_body = CompanyPatch,
    responses((status = 200, body = CompanyShape)),
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: Session,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Body(patch): Body<CompanyPatch>,
) -> Result<Json<CompanyShape>, ApiError> {
    let old = app.store.company(&id).await?.ok_or_else(|| ApiError::not_found("company"))?;
    let draft = patch.onto(&app, old.card)?;
    Ok(Json(CompanyShape::of(app.store.change_company(&id, &draft, version).await?)))
}

/// Deletes a company.
#[utoipa::path(delete, path = "/api/v1/companies/{id}", params(IfMatch), responses((status = NO_CONTENT)))]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Session,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.store.company(&id).await?.ok_or_else(|| ApiError::not_found("company"))?;
    app.store.delete_company(&id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}
