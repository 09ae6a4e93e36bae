//! The embedded interface: one page and its assets, built by Vite into `ui/dist`.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::ApiError;
use crate::extract::Path;

#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Dist;

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Linecard</title>\
    <h1>Linecard runs, its interface is not built</h1>\
    <p>This server was built without the interface. With Node 20.19 or newer, build it and the server again:</p>\
    <pre>cd crates/web/ui &amp;&amp; npm ci &amp;&amp; npm run build\ncargo run --release -- serve</pre>\
    <p>The REST interface under <code>/api/v1</code> and the events WebSocket work.</p></html>";

/// The page; every path that is no file is a place within it.
pub(crate) async fn page() -> Response {
    match Dist::get("index.html") {
        Some(file) => Html(file.data.into_owned()).into_response(),
        None => Html(NOT_BUILT).into_response(),
    }
}

/// A file beside the page; assets carry their content's hash in the name and never change.
pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    if path == "api" || path.starts_with("api/") {
        return ApiError::not_found("path").into_response();
    }
    let Some(file) = Dist::get(&path) else {
        let wants_page =
            headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
        return if wants_page {
            page().await
        } else {
            (StatusCode::NOT_FOUND, "there is no such file\n").into_response()
        };
    };
    let kind = HeaderValue::from_static(content_type(&path));
    let keep = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let named = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(keep))];
    (named, file.data.into_owned()).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("wav") => "audio/wav",
        Some("mp3") => "audio/mpeg",
        _ => "application/octet-stream",
    }
}
