//! A JSON body, with refusals in our own words.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use crate::ApiError;

/// The largest JSON body, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// A JSON body read into `T`; an unknown field is an error that names it.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = axum::body::to_bytes(request.into_body(), BODY_MAX)
            .await
            .map_err(|_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "send at most 1 MiB of JSON"))?;
        parse(&bytes).map(Self)
    }
}

/// Reads JSON text into `T`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let field = text.split('`').nth(1).map(str::to_owned);
        match (error.is_data(), field) {
            (true, Some(field)) => ApiError::field(field, text),
            (true, None) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            (false, _) => ApiError::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {text}")),
        }
    })
}

/// Distinguishes, in a PATCH, a field left out from one set to null.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Some)
}
