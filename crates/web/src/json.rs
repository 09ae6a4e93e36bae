//! A JSON body, with refusals in our own words.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::ApiError;
use crate::extract::unusable;

/// The largest JSON body, in bytes.
pub(crate) const BODY_MAX: usize = 1024 * 1024;

/// A JSON body read into `T`; an unknown field is an error that names it.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_kind(request.headers())?;
        parse(&whole(request.into_body()).await?).map(Self)
    }
}

/// A JSON body that may be left out.
pub(crate) struct BodyOrNone<T>(pub(crate) Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for BodyOrNone<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let kind = check_kind(request.headers());
        let bytes = whole(request.into_body()).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        kind.and_then(|()| parse(&bytes)).map(Self)
    }
}

/// Reads a body to its end, if that is not too far.
pub(crate) async fn whole(body: axum::body::Body) -> Result<axum::body::Bytes, ApiError> {
    let bytes = axum::body::to_bytes(body, BODY_MAX).await;
    bytes.map_err(|_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "send at most 1 MiB of JSON"))
}

/// Refuses a body that says it is something else than JSON; one that says nothing is read.
fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON with Content-Type: application/json"))
}

/// Reads JSON text into `T`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A list would be read as the fields in the order in which the source happens to name them.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "send a JSON object, not a list"));
    }
    match axum::Json::from_bytes(bytes) {
        Ok(axum::Json(found)) => Ok(found),
        Err(JsonRejection::JsonDataError(error)) => Err(unusable(&error.body_text())),
        Err(error) => {
            let text = error.body_text();
            let why = text.rsplit_once(": ").map_or(text.as_str(), |(_, why)| why);
            Err(ApiError::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {why}")))
        }
    }
}

/// Distinguishes, in a PATCH, a field left out from one set to null.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Card {
        #[allow(dead_code, reason = "only its reading is looked at")]
        name: String,
        #[allow(dead_code, reason = "only its reading is looked at")]
        numbers: Vec<Entry>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        #[allow(dead_code, reason = "only its reading is looked at")]
        number: String,
        #[allow(dead_code, reason = "only its reading is looked at")]
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Mobile,
    }

    #[test]
    fn a_refused_body_names_the_field_to_blame() {
        let cases = [
            (r#"{"numbers": []}"#, Some("name")),
            (r#"{"name": 5, "numbers": []}"#, Some("name")),
            (r#"{"name": "5: 6", "numbers": {}}"#, Some("numbers")),
            (r#"{"name": "a", "numbers": [], "extra": 1}"#, Some("extra")),
            (r#"{"name": "a", "name": "b", "numbers": []}"#, Some("name")),
            (r#"{"name": "a", "numbers": [{"number": "1"}, {}]}"#, Some("numbers[1].number")),
            (r#"{"name": "a", "numbers": [{"number": "1", "kind": "car"}]}"#, Some("numbers[0].kind")),
            (r#""text""#, None),
            (r#"["a", []]"#, None),
        ];
        for (text, field) in cases {
            let refused = parse::<Card>(text.as_bytes()).unwrap_err();
            assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{text}");
            assert_eq!(refused.blamed(), field, "{text}: {refused:?}");
        }
        let kind = parse::<Kind>(br#""mobile""#).unwrap();
        assert!(matches!(kind, Kind::Mobile));
        for text in ["", "{", "{\"name\": \"a\", \"numbers\": []} more", "имя"] {
            assert_eq!(
                parse::<Card>(text.as_bytes()).unwrap_err().status(),
                StatusCode::BAD_REQUEST,
                "{text}"
            );
        }
    }
}
