//! `If-Match: "version"` on PATCH and DELETE.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use crate::ApiError;

/// The version that the client has read.
pub(crate) struct IfMatch(pub(crate) i64);

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let version = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .pattern(Some("^\"?[0-9]{1,18}\"?$"));
        let header = ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header);
        let header =
            header.required(Required::True).description(Some("The `version` that was read, in quotes."));
        vec![header.schema(Some(version)).build()]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            let detail = "send If-Match with the version that you read, such as \"3\"";
            return Err(ApiError::new(StatusCode::PRECONDITION_REQUIRED, detail));
        };
        let text = value.to_str().unwrap_or_default().trim().trim_matches('"');
        let detail = "If-Match holds no version; send the number that you read, in quotes";
        text.parse().map(Self).map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, detail))
    }
}
