//! `/healthz` and `/readyz`: whether the process lives, and whether each part of it answers. Neither needs a log-in.

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::App;
use crate::port::Command;

/// How long a part may take to answer before it counts as not ready.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Which parts are ready.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    database: Part,
    reactor: Part,
}

/// How a part stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Ready,
    /// It says that it cannot.
    Failed,
    /// It says nothing.
    Silent,
}

/// Answers 200 when the reactor answers.
#[utoipa::path(
    get, path = "/healthz",
    responses((status = 200, body = str), (status = SERVICE_UNAVAILABLE, body = str)),
    security(()),
)]
pub(crate) async fn healthz(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.reactor.ask(|reply| Command::Registrations { of: Vec::new(), reply }).await {
        Ok(_) => (StatusCode::OK, "ok\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

/// Answers 200 when every part answers within a second, else 503; the body says which one does not.
#[utoipa::path(
    get, path = "/readyz",
    responses((status = 200, body = Readiness), (status = SERVICE_UNAVAILABLE, body = Readiness)),
    security(()),
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let reactor = app.reactor.ask(|reply| Command::Registrations { of: Vec::new(), reply });
    let (database, reactor) = tokio::join!(part(app.store.probe()), part(reactor));
    let ready = database == Part::Ready && reactor == Part::Ready;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, database, reactor }))
}

/// Asks a part and says how it stands.
pub(crate) async fn part<T, E>(answer: impl Future<Output = Result<T, E>>) -> Part {
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(_)) => Part::Ready,
        Ok(Err(_)) => Part::Failed,
        Err(_) => Part::Silent,
    }
}
