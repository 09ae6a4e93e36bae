//! `/api/v1/openapi.json`: the outside contract as OpenAPI 3.1.
//!
//! A handler says beside itself, in `#[utoipa::path]`, what is its own, and stands in the list of [`Operations`]. What
//! follows from the parts that handlers are made of is added here to all of them: the statuses of log-ins, bodies,
//! versions and keys, the CSV of a list, the ids of a path.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::schema::{AllOfBuilder, Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::error::Problem;
use crate::listing::ListQuery;
use crate::{
    about, audit, calls, colleagues, companies, contacts, dial, health, import, interactions, line_check,
    lines, metrics, missed, openapi, outline, people, phones, recordings, reports, session, sessions,
    standings, talks, users, ws,
};

/// Every operation, in the order of `router.rs`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Linecard",
        description = "Ids are UUIDv7, times RFC 3339 in UTC with milliseconds, durations in `_ms`; every field of an \
                       answer is present, null when unknown. Lists are walked with `cursor`. An `Idempotency-Key` on \
                       POST is kept for 24 h: same key and body, same answer. What is refused is told as \
                       problem+json (RFC 9457), with the `field` that is to blame."
    ),
    components(schemas(Problem<'_>)),
    paths(
        health::healthz,
        health::readyz,
        metrics::metrics,
        openapi::document,
        session::log_in,
        session::who_am_i,
        session::log_out,
        session::change_password,
        sessions::list,
        sessions::end_others,
        sessions::end,
        users::list,
        users::create,
        colleagues::list,
        users::show,
        users::change,
        users::delete,
        users::devices,
        users::add_device,
        users::delete_device,
        phones::rotate,
        people::list,
        lines::list,
        lines::create,
        standings::list,
        lines::show,
        lines::change,
        lines::delete,
        lines::put_back,
        line_check::check,
        line_check::check_line,
        contacts::list,
        contacts::create,
        contacts::find,
        import::import,
        contacts::show,
        contacts::change,
        contacts::delete,
        companies::list,
        companies::create,
        companies::show,
        companies::change,
        companies::delete,
        calls::list,
        dial::dial,
        calls::hang_up,
        talks::hold,
        talks::retrieve,
        talks::transfer,
        talks::press,
        interactions::list,
        interactions::show,
        interactions::change,
        interactions::explain,
        interactions::recorded_sessions,
        recordings::list,
        recordings::show,
        recordings::media,
        outline::peaks,
        audit::list,
        reports::load,
        about::show,
        missed::list,
        missed::show,
        missed::claim,
        missed::close,
        ws::events,
    )
)]
struct Operations;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| whole().to_string());

/// Shows this document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, body = Object)), security(()))]
pub(crate) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// Where schemas are named.
const SCHEMAS: &str = "#/components/schemas/";

/// What the name of a list's schema begins with, before the name of its items.
const LISTING: &str = "Listing_";

fn whole() -> Value {
    let mut document = json!(Operations::openapi());
    for (path, operations) in entries(&mut document, "/paths") {
        for (method, operation) in entries(operations, "") {
            complete(path, method, operation);
        }
    }
    let answers = answered_with(&document);
    for (name, schema) in entries(&mut document, "/components/schemas") {
        if answers.contains(name) {
            require_every_field(schema);
        } else {
            refuse_unknown_fields(schema);
        }
        // The generator writes the items out instead of naming them.
        if let Some(item) = name.strip_prefix(LISTING) {
            put(schema, "/properties/items", "items", json!({"$ref": format!("{SCHEMAS}{item}")}));
        }
    }
    let refusals = REFUSALS.map(|(status, description)| (name_of(status), problem(description)));
    put(&mut document, "/components", "responses", refusals.into_iter().collect());
    let schemes = json!({
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": crate::auth::COOKIE},
    });
    put(&mut document, "/components", "securitySchemes", schemes);
    put(&mut document, "", "servers", json!([{"url": "/"}]));
    document
}

/// What is refused wherever the same part of a request can be wrong.
const REFUSALS: [(StatusCode, &str); 11] = [
    (StatusCode::BAD_REQUEST, "The body is not JSON, or If-Match holds no version."),
    (StatusCode::UNAUTHORIZED, "Nobody is logged in."),
    (StatusCode::FORBIDDEN, "The role does not allow it, or the page's origin is not allowed."),
    (StatusCode::NOT_FOUND, "There is no such object, or none that this user may know of."),
    (StatusCode::CONFLICT, "Something is in use, or the key's first request is still being done."),
    (StatusCode::PRECONDITION_FAILED, "The object was changed meanwhile."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than 1 MiB."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body says that it is something else than JSON."),
    (StatusCode::UNPROCESSABLE_ENTITY, "A field or parameter holds something that cannot be used."),
    (StatusCode::PRECONDITION_REQUIRED, "If-Match is missing."),
    (StatusCode::SERVICE_UNAVAILABLE, "The database is busy or the server is stopping; try again."),
];

/// Adds to an operation what follows from its parts.
fn complete(path: &str, method: &str, operation: &mut Value) {
    name(operation);
    let (needs_login, needs_role) = write_security(operation);
    let mut refused = Vec::new();
    if needs_login {
        refused.push(StatusCode::UNAUTHORIZED);
    }
    if needs_role || needs_login && method != "get" {
        refused.push(StatusCode::FORBIDDEN);
    }
    if add_path_parameters(path, operation) {
        refused.push(StatusCode::NOT_FOUND);
    }
    if method == "post" && needs_login {
        add_parameter(operation, idempotency_key());
        refused.extend([StatusCode::CONFLICT, StatusCode::PAYLOAD_TOO_LARGE]);
        refused.push(StatusCode::UNPROCESSABLE_ENTITY);
    }
    if operation.get("requestBody").is_some() {
        let body = operation.pointer("/requestBody/content/application~1json/schema");
        let is_required = !body.is_some_and(may_be_null);
        put(operation, "/requestBody", "required", json!(is_required));
        refused.extend([StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE]);
        refused.extend([StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::UNPROCESSABLE_ENTITY]);
        if needs_login {
            refused.push(StatusCode::CONFLICT);
        }
    }
    add_list(operation);
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let has = |key: &str, value: &str| {
        parameters.into_iter().flatten().any(|parameter| parameter.get(key).is_some_and(|it| it == value))
    };
    if has("in", "query") {
        refused.push(StatusCode::UNPROCESSABLE_ENTITY);
    }
    if has("name", "If-Match") {
        refused.push(StatusCode::BAD_REQUEST);
        refused.extend([StatusCode::PRECONDITION_FAILED, StatusCode::PRECONDITION_REQUIRED]);
    }
    if needs_login || operation.get("requestBody").is_some() {
        refused.push(StatusCode::SERVICE_UNAVAILABLE);
    }
    add_refusals(operation, refused);
}

/// Makes the name of an operation of its module's and its handler's, since handlers of two modules have the same.
fn name(operation: &mut Value) {
    let part = |pointer| operation.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}_{}", part("/tags/0"), part("/operationId"));
    put(operation, "", "operationId", json!(name));
}

/// Writes out who may do it, and tells whether that is somebody who is logged in, and one of some roles only.
fn write_security(operation: &mut Value) -> (bool, bool) {
    let said = operation.get("security").and_then(Value::as_array);
    let said = || said.into_iter().flatten();
    let role = ["admin", "supervisor"].into_iter().find(|role| said().any(|one| one.get(role).is_some()));
    let is_open = said().any(|one| *one == json!({}));
    let mut security = if is_open { vec![json!({})] } else { Vec::new() };
    if role.is_some() || !is_open {
        let roles = role.map_or_else(|| json!([]), |role| json!([role]));
        security.extend([json!({"bearer": roles}), json!({"cookie": roles})]);
    }
    put(operation, "", "security", json!(security));
    (role.is_some() || !is_open, role.is_some())
}

/// Adds the ids of the path, and tells whether there are any.
fn add_path_parameters(path: &str, operation: &mut Value) -> bool {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut found = false;
    for name in names {
        let schema = json!({"type": "string", "format": "uuid"});
        add_parameter(operation, json!({"name": name, "in": "path", "required": true, "schema": schema}));
        found = true;
    }
    found
}

fn add_parameter(operation: &mut Value, parameter: Value) {
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.push(parameter),
        None => put(operation, "", "parameters", json!([parameter])),
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A repeated request with the same key and body is answered again and not done again; the \
                        answer then carries `Idempotency-Replayed`. Another body is refused with 422.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    })
}

/// Adds paging and the CSV file to an operation that answers with a list.
fn add_list(operation: &mut Value) {
    let Some(content) = operation.pointer_mut("/responses/200/content") else { return };
    let schema = content.pointer("/application~1json/schema/$ref").and_then(Value::as_str);
    let name = schema.and_then(|name| name.strip_prefix(SCHEMAS));
    if name.is_some_and(|name| name.starts_with(LISTING)) {
        put(content, "", "text/csv", json!({"schema": {"type": "string"}}));
        for parameter in ListQuery::into_params(|| None) {
            add_parameter(operation, json!(parameter));
        }
    }
}

/// Adds the refusals that an operation does not describe itself, and what those lack that it does.
fn add_refusals(operation: &mut Value, refused: Vec<StatusCode>) {
    for (status, response) in entries(operation, "/responses") {
        let is_refusal = status.starts_with('4') || status.starts_with('5');
        if is_refusal && response.get("content").is_none() {
            put(response, "", "content", problem_content());
        }
        // The bytes of a file have no schema.
        if response.pointer("/content/audio~1wav").is_some() {
            put(response, "/content", "audio/wav", json!({}));
        }
        if response.get("description").is_none() {
            let status = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            let name = status.and_then(|status| status.canonical_reason());
            put(response, "", "description", json!(name));
        }
    }
    for status in refused {
        if operation.pointer(&format!("/responses/{}", status.as_str())).is_none() {
            let reference = format!("#/components/responses/{}", name_of(status));
            put(operation, "/responses", status.as_str(), json!({"$ref": reference}));
        }
    }
}

fn problem(description: &str) -> Value {
    json!({"description": description, "content": problem_content()})
}

fn problem_content() -> Value {
    json!({"application/problem+json": {"schema": {"$ref": format!("{SCHEMAS}Problem")}}})
}

fn name_of(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace(' ', "")
}

/// Sets a field of the object at `pointer` (RFC 6901).
fn put(value: &mut Value, pointer: &str, field: &str, new: Value) {
    if let Some(object) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.insert(field.to_owned(), new);
    }
}

/// Returns the fields of the object at `pointer`.
fn entries<'a>(value: &'a mut Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value.pointer_mut(pointer).and_then(Value::as_object_mut).into_iter().flatten()
}

/// Returns the names of the schemas that answers are made of.
fn answered_with(document: &Value) -> BTreeSet<String> {
    let operations = document.get("paths").into_iter().flat_map(below).flat_map(below);
    let mut left: Vec<&Value> = operations.filter_map(|operation| operation.get("responses")).collect();
    let mut names = BTreeSet::new();
    while let Some(value) = left.pop() {
        left.extend(value.as_array().into_iter().flatten());
        left.extend(below(value));
        let name = value.get("$ref").and_then(Value::as_str);
        if let Some(name) = name.and_then(|name| name.strip_prefix(SCHEMAS))
            && names.insert(name.to_owned())
        {
            left.extend(document.pointer(&format!("/components/schemas/{name}")));
        }
    }
    names
}

fn below(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flatten().map(|(_, field)| field)
}

fn may_be_null(schema: &Value) -> bool {
    let kinds = schema.get("type").and_then(Value::as_array).into_iter().flatten();
    let alternatives = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    kinds.chain(alternatives.filter_map(|one| one.get("type"))).any(|kind| kind == "null")
}

/// Says of a schema of answers what the contract promises: what is unknown is null and not left out.
fn require_every_field(schema: &mut Value) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.into_iter().flatten().any(|one| one == name);
        let present = properties.iter().filter(|(name, field)| is_required(name) || may_be_null(field));
        let present = present.map(|(name, _)| name.clone()).collect();
        put(schema, "", "required", present);
    }
    for parts in ["allOf", "oneOf"] {
        schema
            .get_mut(parts)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .for_each(require_every_field);
    }
}

/// Says of each alternative of a schema of requests what the generator says of plain ones.
fn refuse_unknown_fields(schema: &mut Value) {
    let alternatives = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
    for alternative in alternatives.filter(|one| one.get("properties").is_some()) {
        put(alternative, "", "additionalProperties", json!(false));
    }
}

/// In the document: a `T` in which the name may not be missing.
pub(crate) fn named<T: ToSchema>() -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    let named = ObjectBuilder::new().property("name", name).required("name");
    AllOfBuilder::new().item(Ref::from_schema_name(T::name())).item(named).into()
}

/// What `check_text` lets through, beside the length.
const TEXT: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// In the document: a text of at most `MAX` characters that is not blank and has no control characters.
pub(crate) fn text<const MAX: usize>() -> Object {
    text_of(SchemaType::new(Type::String), MAX)
}

/// The same, or null.
pub(crate) fn text_or_null<const MAX: usize>() -> Object {
    text_of(SchemaType::from_iter([Type::String, Type::Null]), MAX)
}

/// In the document: such a text, or an empty one.
pub(crate) fn text_or_empty<const MAX: usize>() -> Object {
    maybe_empty(SchemaType::new(Type::String), MAX)
}

/// In the document: such a text, an empty one, or null.
pub(crate) fn text_or_empty_or_null<const MAX: usize>() -> Object {
    maybe_empty(SchemaType::from_iter([Type::String, Type::Null]), MAX)
}

fn text_of(kind: SchemaType, max: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(kind)
        .min_length(Some(1))
        .max_length(Some(max))
        .pattern(Some(TEXT))
        .build()
}

fn maybe_empty(kind: SchemaType, max: usize) -> Object {
    let pattern = format!("^$|{TEXT}");
    ObjectBuilder::new().schema_type(kind).max_length(Some(max)).pattern(Some(pattern)).build()
}

/// In the document: one of the words that are accepted so far, or null.
pub(crate) fn words_or_null(words: &[&str]) -> Object {
    let values = words.iter().map(|word| json!(word)).chain([Value::Null]);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(values))
        .build()
}
