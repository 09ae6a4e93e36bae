//! `/readyz` says which part does not answer.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::support::{Answer, Desk};

async fn ready(desk: &Desk) -> Answer {
    desk.send(Request::builder().uri("/readyz").body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn each_part_that_does_not_answer_is_named() {
    let desk = Desk::open().await;
    let answer = ready(&desk).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({"ready": true, "database": "ready", "reactor": "ready"}));

    desk.store.close().await;
    let answer = ready(&desk).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json(), json!({"ready": false, "database": "failed", "reactor": "ready"}));

    let desk = Desk::open().await;
    desk.stop();
    let answer = ready(&desk).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json(), json!({"ready": false, "database": "ready", "reactor": "failed"}));
}

#[tokio::test]
async fn who_comes_over_no_loopback_socket_gets_no_figures() {
    let desk = Desk::open().await;
    let request = Request::builder().uri("/metrics").body(Body::empty()).expect("a request");
    desk.send(request).await.problem(401);
}
