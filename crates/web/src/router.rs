//! The table of contents: every path and who answers it.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};

use crate::{
    ApiError, App, about, audit, calls, colleagues, companies, completion, contacts, dial, headers, health,
    idempotency, import, interactions, line_check, lines, metrics, missed, openapi, outline, people, phones,
    recordings, reports, session, sessions, standings, talks, ui, users, ws,
};

/// Returns the whole HTTP side of the server.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .nest("/api/v1", api(&app))
        .route("/", get(ui::page))
        .route("/{*path}", get(ui::asset))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(headers::harden))
        .layer(from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}

fn api(app: &App) -> Router<App> {
    Router::new()
        .route("/session", post(session::log_in).get(session::who_am_i).delete(session::log_out))
        .route("/session/password", post(session::change_password))
        .route("/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/sessions/{id}", delete(sessions::end))
        .route("/users", get(users::list).post(users::create))
        .route("/users/colleagues", get(colleagues::list))
        .route("/users/{id}", get(users::show).patch(users::change).delete(users::delete))
        .route("/users/{id}/devices", get(users::devices).post(users::add_device))
        .route("/users/{id}/devices/{device}", delete(users::delete_device))
        .route("/users/{id}/devices/{device}/rotate", post(phones::rotate))
        .route("/people", get(people::list))
        .route("/lines", get(lines::list).post(lines::create))
        .route("/lines/standings", get(standings::list))
        .route("/lines/check", post(line_check::check))
        .route("/lines/{id}", get(lines::show).patch(lines::change).delete(lines::delete))
        .route("/lines/{id}/check", post(line_check::check_line))
        .route("/lines/{id}/put-back", post(lines::put_back))
        .route("/contacts", get(contacts::list).post(contacts::create))
        .route("/contacts/match", get(contacts::find))
        .route("/contacts/import", post(import::import))
        .route("/contacts/{id}", get(contacts::show).patch(contacts::change).delete(contacts::delete))
        .route("/companies", get(companies::list).post(companies::create))
        .route("/companies/{id}", get(companies::show).patch(companies::change).delete(companies::delete))
        .route("/calls", get(calls::list).post(dial::dial))
        .route("/calls/{id}/hangup", post(calls::hang_up))
        .route("/calls/{id}/hold", post(talks::hold))
        .route("/calls/{id}/retrieve", post(talks::retrieve))
        .route("/calls/{id}/transfer", post(talks::transfer))
        .route("/calls/{id}/dtmf", post(talks::press))
        .route("/interactions", get(interactions::list))
        .route("/interactions/{id}", get(interactions::show).patch(interactions::change))
        .route("/interactions/{id}/explain", get(interactions::explain))
        .route("/interactions/{id}/recorded-sessions", get(interactions::recorded_sessions))
        .route("/recordings", get(recordings::list))
        .route("/recordings/{id}", get(recordings::show))
        .route("/recordings/{id}/media", get(recordings::media))
        .route("/recordings/{id}/peaks", get(outline::peaks))
        .route("/reports/load", get(reports::load))
        .route("/audit", get(audit::list))
        .route("/server", get(about::show))
        .route("/missed", get(missed::list))
        .route("/missed/{id}", get(missed::show))
        .route("/missed/{id}/claim", post(missed::claim))
        .route("/missed/{id}/close", post(missed::close))
        .route("/events", get(ws::events))
        .route("/openapi.json", get(openapi::document))
        .route_layer(from_fn_with_state(app.clone(), idempotency::once))
        .route_layer(from_fn(completion::complete))
        // A route and not a fallback: that would lose to the page's own catch-all.
        .route("/{*path}", any(async || ApiError::not_found("path")))
        .method_not_allowed_fallback(method_not_allowed)
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}
