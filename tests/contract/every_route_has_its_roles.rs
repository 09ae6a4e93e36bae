//! Who may do what: a row for every route and method of `crates/web/src/router.rs`, whose text is read, so that a new route
//! without a row fails here. Each row is tried as nobody, agent, supervisor and administrator.

use std::collections::BTreeSet;

use super::clients::Client;
use super::server::Server;
use crate::peers::http::send;
use crate::peers::root;

/// Who gets through to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Without a log-in.
    Everybody,
    /// Every log-in; what is another's is hidden by 404, which other tests show.
    LoggedIn,
    /// Supervisors and administrators.
    Supervisor,
    /// Administrators.
    Admin,
}

use Allowed::{Admin, Everybody, LoggedIn, Supervisor};

pub(super) const ROWS: &[(&str, &str, Allowed)] = &[
    ("GET", "/healthz", Everybody),
    ("GET", "/readyz", Everybody),
    // From this machine; who else may look: `figures_are_told_without_names`.
    ("GET", "/metrics", Everybody),
    ("GET", "/", Everybody),
    ("GET", "/{*path}", Everybody),
    ("POST", "/api/v1/session", Everybody),
    ("GET", "/api/v1/session", LoggedIn),
    ("DELETE", "/api/v1/session", LoggedIn),
    ("POST", "/api/v1/session/password", LoggedIn),
    ("GET", "/api/v1/sessions", LoggedIn),
    ("DELETE", "/api/v1/sessions", LoggedIn),
    ("DELETE", "/api/v1/sessions/{id}", LoggedIn),
    ("GET", "/api/v1/users", Admin),
    ("POST", "/api/v1/users", Admin),
    ("GET", "/api/v1/users/colleagues", LoggedIn),
    ("GET", "/api/v1/users/{id}", Admin),
    ("PATCH", "/api/v1/users/{id}", Admin),
    ("DELETE", "/api/v1/users/{id}", Admin),
    ("GET", "/api/v1/users/{id}/devices", Admin),
    ("POST", "/api/v1/users/{id}/devices", Admin),
    ("DELETE", "/api/v1/users/{id}/devices/{device}", Admin),
    ("POST", "/api/v1/users/{id}/devices/{device}/rotate", Admin),
    ("GET", "/api/v1/people", LoggedIn),
    ("GET", "/api/v1/lines", Admin),
    ("POST", "/api/v1/lines", Admin),
    ("POST", "/api/v1/lines/check", Admin),
    ("GET", "/api/v1/lines/standings", LoggedIn),
    ("GET", "/api/v1/lines/{id}", Admin),
    ("PATCH", "/api/v1/lines/{id}", Admin),
    ("DELETE", "/api/v1/lines/{id}", Admin),
    ("POST", "/api/v1/lines/{id}/check", Admin),
    ("POST", "/api/v1/lines/{id}/put-back", Admin),
    ("GET", "/api/v1/contacts", LoggedIn),
    ("POST", "/api/v1/contacts", LoggedIn),
    ("GET", "/api/v1/contacts/match", LoggedIn),
    ("POST", "/api/v1/contacts/import", Supervisor),
    ("GET", "/api/v1/contacts/{id}", LoggedIn),
    ("PATCH", "/api/v1/contacts/{id}", LoggedIn),
    ("DELETE", "/api/v1/contacts/{id}", LoggedIn),
    ("GET", "/api/v1/companies", LoggedIn),
    ("POST", "/api/v1/companies", LoggedIn),
    ("GET", "/api/v1/companies/{id}", LoggedIn),
    ("PATCH", "/api/v1/companies/{id}", LoggedIn),
    ("DELETE", "/api/v1/companies/{id}", LoggedIn),
    ("GET", "/api/v1/calls", LoggedIn),
    ("POST", "/api/v1/calls", LoggedIn),
    ("POST", "/api/v1/calls/{id}/hangup", LoggedIn),
    ("POST", "/api/v1/calls/{id}/hold", LoggedIn),
    ("POST", "/api/v1/calls/{id}/retrieve", LoggedIn),
    ("POST", "/api/v1/calls/{id}/transfer", LoggedIn),
    ("POST", "/api/v1/calls/{id}/dtmf", LoggedIn),
    ("GET", "/api/v1/interactions", LoggedIn),
    ("GET", "/api/v1/interactions/{id}", LoggedIn),
    ("PATCH", "/api/v1/interactions/{id}", LoggedIn),
    ("GET", "/api/v1/interactions/{id}/explain", LoggedIn),
    ("GET", "/api/v1/interactions/{id}/recorded-sessions", Supervisor),
    ("GET", "/api/v1/recordings", LoggedIn),
    ("GET", "/api/v1/recordings/{id}", LoggedIn),
    ("GET", "/api/v1/recordings/{id}/media", LoggedIn),
    ("GET", "/api/v1/recordings/{id}/peaks", LoggedIn),
    ("GET", "/api/v1/reports/load", Supervisor),
    ("GET", "/api/v1/audit", Admin),
    ("GET", "/api/v1/server", Admin),
    ("GET", "/api/v1/missed", LoggedIn),
    ("GET", "/api/v1/missed/{id}", LoggedIn),
    ("POST", "/api/v1/missed/{id}/claim", LoggedIn),
    ("POST", "/api/v1/missed/{id}/close", LoggedIn),
    // A socket logs in over the socket: `a_socket_greets_and_closes_by_its_codes`. Without an upgrade it is refused.
    ("GET", "/api/v1/events", Everybody),
    ("GET", "/api/v1/openapi.json", Everybody),
    ("ANY", "/api/v1/{*path}", Everybody),
];

const METHODS: [&str; 6] = ["any", "get", "post", "patch", "delete", "put"];

/// The methods and paths that the router's text names.
fn routes_of(text: &str) -> BTreeSet<(String, String)> {
    let api_begins = text.find("fn api(").expect("the routes below /api/v1");
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(".route(") {
        let statement = &text[at..];
        let end = statement.find("\n        .").unwrap_or(statement.len());
        let statement = &statement[..end];
        let path = statement.split('"').nth(1).expect("a path in quotes");
        let prefix = if at > api_begins { "/api/v1" } else { "" };
        for method in METHODS {
            let begins_with = |mark: &str| statement.contains(&format!("{mark}{method}("));
            if begins_with(" ") || begins_with(".") {
                found.insert((method.to_uppercase(), format!("{prefix}{path}")));
            }
        }
    }
    found
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let text = std::fs::read_to_string(root().join("crates/web/src/router.rs")).expect("the router's text");
    let rows: BTreeSet<(String, String)> =
        ROWS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(rows.len(), ROWS.len(), "no row twice");
    let routes = routes_of(&text);
    assert!(routes.len() > 30, "the router is read: {routes:?}");
    let without_row: Vec<_> = routes.difference(&rows).collect();
    assert!(without_row.is_empty(), "say who may do it: {without_row:?}");
    let without_route: Vec<_> = rows.difference(&routes).collect();
    assert!(without_route.is_empty(), "no such route: {without_route:?}");

    let more = text.replace(
        "        .route(\"/calls\"",
        "        .route(\n            \"/secrets/{id}\",\n            get(secrets::list).delete(secrets::drop),\n        )\n        .route(\"/calls\"",
    );
    let new: Vec<_> = routes_of(&more).difference(&rows).cloned().collect();
    let path = "/api/v1/secrets/{id}".to_owned();
    assert_eq!(new, [("DELETE".to_owned(), path.clone()), ("GET".to_owned(), path)], "a new route is seen");
}

#[test]
fn each_route_lets_through_those_whom_its_row_names() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let supervisor = server.supervisor(&admin, "anna");
    let nobody = "01900000-0000-7000-8000-000000000000";
    for (method, path, allowed) in ROWS {
        let method = if *method == "ANY" { &"PUT" } else { method };
        let path = path.replace("{id}", nobody).replace("{device}", nobody).replace("{*path}", "favicon.ico");
        if (*method, path.as_str()) == ("DELETE", "/api/v1/session") {
            // It would end the log-ins that the other rows need; `a_session_is_a_cookie_or_a_bearer` shows it.
            assert_eq!(status(&server, None, method, &path), 401);
            continue;
        }
        let roles: [(&str, Option<&Client>, bool); 4] = [
            ("nobody", None, *allowed == Everybody),
            ("agent", Some(&agent), !matches!(*allowed, Admin | Supervisor)),
            ("supervisor", Some(&supervisor), *allowed != Admin),
            ("admin", Some(&admin), true),
        ];
        for (role, client, through) in roles {
            let status = status(&server, client, method, &path);
            let expected = match (through, client) {
                (true, _) => status != 403 && (status != 401 || *allowed == Everybody),
                (false, None) => status == 401,
                (false, Some(_)) => status == 403,
            };
            assert!(expected, "{role}: {method} {path} answers {status}");
            assert!(status < 500, "{role}: {method} {path} answers {status}");
        }
    }
}

fn status(server: &Server, client: Option<&Client>, method: &str, path: &str) -> u16 {
    let login =
        client.map(|client| format!("Authorization: Bearer {}\r\n", client.token)).unwrap_or_default();
    send(server.http, method, path, "", &format!("{login}If-Match: \"1\"\r\n")).expect("an answer").status
}
