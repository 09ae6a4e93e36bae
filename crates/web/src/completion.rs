//! A change that was begun is done to its end, also when whoever asked for it has hung up: the audit, the reactor and
//! the keeper of answers to repeated requests come after the database.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use crate::ApiError;
use crate::auth::changes_something;

/// Lets a request that changes something run in a task of its own, which nobody cuts off.
pub(crate) async fn complete(request: Request, next: Next) -> Result<Response, ApiError> {
    if !changes_something(request.method()) {
        return Ok(next.run(request).await);
    }
    let done = tokio::spawn(next.run(request)).await;
    done.map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed; the log says why"))
}
