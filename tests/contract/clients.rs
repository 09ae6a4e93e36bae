//! Those who talk to the server over REST, a type each, so that a test says who does what.

use std::net::SocketAddr;
use std::ops::Deref;

use serde_json::{Value, json};

use crate::peers::http::{Reply, send};

/// The password of everybody in the tests.
pub(crate) const PASSWORD: &str = "a long password";

/// Somebody who is logged in. Paths are below `/api/v1`.
pub(crate) struct Client {
    pub(crate) http: SocketAddr,
    pub(crate) token: String,
}

impl Client {
    fn log_in(http: SocketAddr, login: &str) -> Self {
        let reply = log_in(http, login, PASSWORD, "");
        assert_eq!(reply.status, 201, "{login} logs in: {}", reply.text());
        Self { http, token: reply.json()["token"].as_str().expect("a token").to_owned() }
    }

    /// Sends a request with more header lines, each with its CRLF.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str, headers: &str) -> Reply {
        let headers = format!("Authorization: Bearer {}\r\n{headers}", self.token);
        send(self.http, method, &format!("/api/v1{path}"), body, &headers).expect("an answer")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &body.to_string(), "")
    }

    pub(crate) fn patch(&self, path: &str, version: i64, body: &Value) -> Reply {
        self.send("PATCH", path, &body.to_string(), &format!("If-Match: \"{version}\"\r\n"))
    }

    pub(crate) fn delete(&self, path: &str, version: i64) -> Reply {
        self.send("DELETE", path, "", &format!("If-Match: \"{version}\"\r\n"))
    }

    /// Reads an object or a list that has to be there.
    pub(crate) fn show(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// Reads the items of a list.
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        self.show(path)["items"].as_array().expect("items").clone()
    }

    /// Creates an object that has to be accepted.
    pub(crate) fn create(&self, path: &str, body: &Value) -> Value {
        let reply = self.post(path, body);
        assert_eq!(reply.status, 201, "POST {path} {body}: {}", reply.text());
        reply.json()
    }

    /// Changes an object as it stands now; the change has to be accepted.
    pub(crate) fn change(&self, path: &str, body: &Value) -> Value {
        let version = self.show(path)["version"].as_i64().expect("a version");
        let reply = self.patch(path, version, body);
        assert_eq!(reply.status, 200, "PATCH {path} {body}: {}", reply.text());
        reply.json()
    }
}

/// Asks for a session; `headers` are more header lines.
pub(crate) fn log_in(http: SocketAddr, login: &str, password: &str, headers: &str) -> Reply {
    let body = json!({"login": login, "password": password}).to_string();
    send(http, "POST", "/api/v1/session", &body, headers).expect("an answer")
}

/// The id of an object.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("an id: {object}")).to_owned()
}

/// An administrator.
pub(crate) struct AdminClient(Client);

impl AdminClient {
    pub(crate) fn log_in(http: SocketAddr, login: &str) -> Self {
        Self(Client::log_in(http, login))
    }

    /// Adds a user with the tests' password.
    pub(crate) fn add_user(&self, login: &str, role: &str) -> Value {
        self.create("/users", &json!({"login": login, "role": role, "password": PASSWORD}))
    }

    /// Adds a line at `server` for a user, or for nobody.
    pub(crate) fn add_line(&self, server: SocketAddr, username: &str, user_id: Option<&str>) -> Value {
        let server = server.to_string();
        let line = json!({"server": server, "username": username, "password": "secret", "user_id": user_id});
        self.create("/lines", &line)
    }
}

/// A supervisor.
pub(crate) struct SupervisorClient(Client);

impl SupervisorClient {
    pub(crate) fn log_in(http: SocketAddr, login: &str) -> Self {
        Self(Client::log_in(http, login))
    }
}

/// An agent.
pub(crate) struct AgentClient {
    client: Client,
    /// The agent's user.
    pub(crate) id: String,
}

impl AgentClient {
    pub(crate) fn log_in(http: SocketAddr, login: &str, user: &Value) -> Self {
        Self { client: Client::log_in(http, login), id: id(user) }
    }
}

impl Deref for AdminClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Deref for SupervisorClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Deref for AgentClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
