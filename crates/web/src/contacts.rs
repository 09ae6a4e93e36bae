//! `/contacts`, with `/contacts/match`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use linecard_calls::{Candidate, ContactId, UserId, UtcMillis};
use linecard_crm::Number;
use linecard_store::contacts::{CardOrder, CardSearch, Contact, ContactDraft, ContactFields, ContactFilter};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::auth::Session;
use crate::extract::{Path, Query};
use crate::json::{Body, present};
use crate::listing::{ListRequest, Listing};
use crate::openapi::{named, text, text_or_null};
use crate::sheet::Sheet;
use crate::users::check_text;
use crate::version::IfMatch;
use crate::{ApiError, App};

/// The most numbers of one contact.
const NUMBERS_MAX: usize = 50;

/// A contact as REST shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub(crate) struct ContactShape {
    id: ContactId,
    name: String,
    company_id: Option<String>,
    company_name: Option<String>,
    responsible_id: Option<UserId>,
    numbers: Vec<Number>,
    #[serde(flatten)]
    fields: ContactFields,
    #[serde(with = "linecard_calls::time::rfc3339")]
    created_at: UtcMillis,
    version: i64,
}

const SHEET: Sheet = Sheet {
    name: "contacts",
    columns: &[
        "id",
        "name",
        "company_id",
        "company_name",
        "responsible_id",
        "numbers",
        "emails",
        "source",
        "region",
        "industry",
        "notes",
        "custom",
        "created_at",
        "version",
    ],
};

impl ContactShape {
    fn of(contact: Contact) -> Self {
        let ContactDraft { name, company_id, responsible_id, numbers, fields } = contact.card;
        let Contact { id, company_name, created_at, version, .. } = contact;
        Self { id, name, company_id, company_name, responsible_id, numbers, fields, created_at, version }
    }
}

/// A number as it is typed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNumber {
    #[schema(schema_with = text::<200>)]
    number: String,
    label: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactPatch {
    #[schema(schema_with = text_or_null::<300>)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ContactId>)]
    company_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    responsible_id: Option<Option<UserId>>,
    #[schema(max_items = 50)]
    numbers: Option<Vec<NewNumber>>,
    #[schema(schema_with = emails)]
    emails: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    source: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    region: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    industry: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    notes: Option<Option<String>>,
    #[schema(value_type = Option<Object>)]
    custom: Option<serde_json::Map<String, serde_json::Value>>,
}

/// In the document: what a contact is made of.
pub(crate) struct NewContact;

impl PartialSchema for NewContact {
    fn schema() -> RefOr<Schema> {
        named::<ContactPatch>()
    }
}

impl ToSchema for NewContact {}

impl ContactPatch {
    fn onto(self, app: &App, old: ContactDraft) -> Result<ContactDraft, ApiError> {
        let numbers = self.numbers.map(|numbers| read_numbers(app, &numbers)).transpose()?;
        let draft = ContactDraft {
            name: self.name.unwrap_or(old.name),
            company_id: self.company_id.unwrap_or(old.company_id),
            responsible_id: self.responsible_id.unwrap_or(old.responsible_id),
            numbers: numbers.unwrap_or(old.numbers),
            fields: ContactFields {
                emails: self.emails.unwrap_or(old.fields.emails),
                source: self.source.unwrap_or(old.fields.source),
                region: self.region.unwrap_or(old.fields.region),
                industry: self.industry.unwrap_or(old.fields.industry),
                notes: self.notes.unwrap_or(old.fields.notes),
                custom: self.custom.unwrap_or(old.fields.custom),
            },
        };
        check_text("name", &draft.name, 300)?;
        for email in &draft.fields.emails {
            check_text("emails", email, 254)?;
        }
        Ok(draft)
    }
}

/// Addresses, as the document describes them.
fn emails() -> Schema {
    let kind = SchemaType::from_iter([Type::Array, Type::Null]);
    ArrayBuilder::new().schema_type(kind).items(text::<254>()).build().into()
}

/// What a list of contacts or companies is searched for, and its order.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    q: Option<String>,
    #[serde(default)]
    sort: Sort,
}

/// The orders of such a list.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    #[default]
    Newest,
    Name,
}

impl SearchQuery {
    /// Reads the words, a number among them in any spelling; none when only blanks were typed.
    pub(crate) fn read(self, app: &App) -> CardSearch {
        let words = self.q.filter(|q| !q.trim().is_empty());
        let number = words.as_deref().and_then(|words| app.settings.dial_plan.search(words));
        let order = match self.sort {
            Sort::Newest => CardOrder::Newest,
            Sort::Name => CardOrder::Name,
        };
        CardSearch { words, number, order }
    }
}

/// Whose contacts are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnerQuery {
    company_id: Option<String>,
    responsible_id: Option<UserId>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MatchQuery {
    number: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Matches {
    candidates: Vec<Candidate>,
}

/// Lists the contacts, or those whose name or number `q` finds.
#[utoipa::path(
    get, path = "/api/v1/contacts",
    params(SearchQuery, OwnerQuery),
    responses((status = 200, body = Listing<ContactShape>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Session,
    Query(search): Query<SearchQuery>,
    Query(OwnerQuery { company_id, responsible_id }): Query<OwnerQuery>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    let filter = ContactFilter { search: search.read(&app), company_id, responsible_id };
    list.answer(&SHEET, move |page| {
        let (app, filter) = (app.clone(), filter.clone());
        async move { Ok(app.store.contacts(&filter, &page).await?.map(ContactShape::of)) }
    })
    .await
}

/// Says who a number may be, best first, with reasons.
#[utoipa::path(
    get, path = "/api/v1/contacts/match",
    params(MatchQuery),
    responses((status = 200, body = Matches)),
)]
pub(crate) async fn find(
    State(app): State<App>,
    session: Session,
    Query(MatchQuery { number }): Query<MatchQuery>,
) -> Result<Json<Matches>, ApiError> {
    let number = app.settings.dial_plan.number(&number);
    let candidates = app.store.candidates(&number, Some(session.user.id), app.now()).await?;
    Ok(Json(Matches { candidates }))
}

/// Adds a contact.
#[utoipa::path(
    post, path = "/api/v1/contacts",
    request_body = NewContact,
    responses((status = CREATED, body = ContactShape)),
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: Session,
    Body(new): Body<ContactPatch>,
) -> Result<(StatusCode, Json<ContactShape>), ApiError> {
    let empty = ContactDraft {
        name: String::new(),
        company_id: None,
        responsible_id: None,
        numbers: Vec::new(),
        fields: ContactFields::default(),
    };
    let draft = new.onto(&app, empty)?;
    let contact = app.store.add_contact(app.make_id(), &draft, app.now()).await?;
    Ok((StatusCode::CREATED, Json(ContactShape::of(contact))))
}

/// Shows a contact.
#[utoipa::path(get, path = "/api/v1/contacts/{id}", responses((status = 200, body = ContactShape)))]
pub(crate) async fn show(
    State(app): State<App>,
    _: Session,
    Path(id): Path<ContactId>,
) -> Result<Json<ContactShape>, ApiError> {
    let contact = app.store.contact(id).await?.ok_or_else(|| ApiError::not_found("contact"))?;
    Ok(Json(ContactShape::of(contact)))
}

/// Changes the given fields of a contact.
#[utoipa::path(
    patch, path = "/api/v1/contacts/{id}",
    params(IfMatch),
    request_body = ContactPatch,
    responses((status = 200, body = ContactShape)),
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: Session,
    Path(id): Path<ContactId>,
    IfMatch(version): IfMatch,
    Body(patch): Body<ContactPatch>,
) -> Result<Json<ContactShape>, ApiError> {
    let old = app.store.contact(id).await?.ok_or_else(|| ApiError::not_found("contact"))?;
    let draft = patch.onto(&app, old.card)?;
    Ok(Json(ContactShape::of(app.store.change_contact(id, &draft, version).await?)))
}

/// Deletes a contact.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}", params(IfMatch), responses((status = NO_CONTENT)))]
pub(crate) async fn delete(
    State(app): State<App>,
    _: Session,
    Path(id): Path<ContactId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    app.store.contact(id).await?.ok_or_else(|| ApiError::not_found("contact"))?;
    app.store.delete_contact(id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads typed numbers; one field may hold several, and each becomes a number of its own.
pub(crate) fn read_numbers(app: &App, typed: &[NewNumber]) -> Result<Vec<Number>, ApiError> {
    let mut numbers = Vec::new();
    for NewNumber { number, label } in typed {
        check_text("numbers", number, 200)?;
        for mut read in app.settings.dial_plan.numbers(number) {
            read.label = label.clone();
            numbers.push(read);
        }
    }
    if numbers.len() > NUMBERS_MAX {
        return Err(ApiError::field("numbers", format!("write at most {NUMBERS_MAX} numbers")));
    }
    Ok(numbers)
}
