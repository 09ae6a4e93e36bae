//! What a path and a query hold, with refusals in our own words.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use linecard_calls::UtcMillis;
use serde::de::DeserializeOwned;

use crate::ApiError;

/// The variables of a path. One that is no id names nothing that exists.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(found)) => Ok(Self(found)),
            Err(_) => Err(ApiError::not_found("object: the path holds no id")),
        }
    }
}

/// The query of a URL; a parameter that cannot be used is named.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(found)) => Ok(Self(found)),
            Err(rejection) => Err(unusable(&rejection.body_text())),
        }
    }
}

/// Reads a time of a query, as UTC milliseconds.
pub(crate) fn time(field: &str, text: Option<String>) -> Result<Option<i64>, ApiError> {
    let read = text.map(|text| text.parse::<UtcMillis>().map(|at| at.0)).transpose();
    read.map_err(|_| ApiError::field(field, "write a time such as 2026-01-31T09:00:00Z"))
}

/// Makes a refusal of what a reader of queries or JSON says: a heading, then perhaps the path of the value, then why.
pub(crate) fn unusable(text: &str) -> ApiError {
    let why = text.split_once(": ").map_or(text, |(_, why)| why);
    let (path, why) = match why.split_once(": ") {
        Some((path, why)) if is_path(path) => (Some(path), why),
        _ => (None, why),
    };
    let named = ["missing field `", "unknown field `", "duplicate field `"];
    let named = named.iter().find_map(|lead| why.strip_prefix(lead)?.split('`').next());
    match (path, named) {
        (Some(path), Some(name)) if path != name && why.starts_with("missing") => {
            ApiError::field(format!("{path}.{name}"), why)
        }
        (Some(path), _) => ApiError::field(path, why),
        (None, Some(name)) => ApiError::field(name, why),
        (None, None) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.[]-?".contains(c))
}
