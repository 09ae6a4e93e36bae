//! `/api/v1/openapi.json`: an operation for every route and for nothing else, open to those whom the matrix of roles
//! names. Whether the server keeps to it: `the_server_keeps_to_its_document` among the stories.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::every_route_has_its_roles::{Allowed, ROWS};
use super::server::Server;
use crate::peers::http::send;

/// The page with its files, and what answers where there is nothing.
const NOT_OF_THE_INTERFACE: [(&str, &str); 3] =
    [("GET", "/"), ("GET", "/{*path}"), ("ANY", "/api/v1/{*path}")];

fn document() -> Value {
    let server = Server::start();
    let reply = send(server.http, "GET", "/api/v1/openapi.json", "", "").expect("an answer");
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    reply.json()
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

#[test]
fn every_route_has_an_operation_and_every_operation_a_route() {
    let document = document();
    let documented: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let routes: BTreeSet<(String, String)> = ROWS
        .iter()
        .filter(|(method, path, _)| !NOT_OF_THE_INTERFACE.contains(&(*method, *path)))
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    let missing: Vec<_> = routes.difference(&documented).collect();
    assert!(missing.is_empty(), "describe with #[utoipa::path] and list in web/src/openapi.rs: {missing:?}");
    let invented: Vec<_> = documented.difference(&routes).collect();
    assert!(invented.is_empty(), "no such route: {invented:?}");
}

#[test]
fn the_document_asks_for_the_same_roles_as_the_matrix() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let row = ROWS.iter().find(|row| (row.0, row.1) == (&method, &path));
        let (_, _, allowed) = row.unwrap_or_else(|| panic!("a row for {method} {path}"));
        let security = operation["security"].as_array().expect("security");
        let is_open = security.contains(&json!({}));
        let is_for = |roles: Value| security.contains(&json!({"bearer": roles}));
        match allowed {
            Allowed::Everybody => assert!(is_open, "{method} {path}: {security:?}"),
            Allowed::LoggedIn => assert!(!is_open && is_for(json!([])), "{method} {path}: {security:?}"),
            Allowed::Supervisor => {
                assert!(!is_open && is_for(json!(["supervisor"])), "{method} {path}: {security:?}");
            }
            Allowed::Admin => assert!(!is_open && is_for(json!(["admin"])), "{method} {path}: {security:?}"),
        }
    }
}

#[test]
fn every_operation_says_what_it_takes_and_what_it_answers() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().expect("a name")), "{what}: its name twice");
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with(['.', ':'])),
            "{what}: a sentence"
        );
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status < &"400".to_owned()), "{what}: no success");
        for (status, response) in responses.iter().filter(|(status, _)| *status >= &"400".to_owned()) {
            let response = match response["$ref"].as_str() {
                Some(name) => document.pointer(name.trim_start_matches('#')).expect("what is referred to"),
                None => response,
            };
            let is_problem = response["content"].get("application/problem+json").is_some();
            assert!(is_problem || !path.starts_with("/api/"), "{what} {status}: {response}");
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()));
        }
        if ["POST", "PATCH"].contains(&method.as_str()) && responses.contains_key("415") {
            // A line is checked without saying how: then nobody is rung.
            let is_needed = path != "/api/v1/lines/{id}/check";
            assert_eq!(operation["requestBody"]["required"], is_needed, "{what}");
        }
    }
    assert_eq!(document["openapi"], "3.1.0");
}
