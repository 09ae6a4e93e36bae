//! `/healthz`: the process lives and its reactor answers.

use axum::extract::State;
use axum::http::StatusCode;

use crate::App;
use crate::port::Command;

/// Answers 200 when the reactor answers.
pub(crate) async fn healthz(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.reactor.ask(|reply| Command::Registrations { reply }).await {
        Ok(_) => (StatusCode::OK, "ok\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
