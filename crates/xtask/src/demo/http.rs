//! As much HTTP/1.1 as it takes to furnish the office: one request a connection, JSON both ways.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// An answer of the server.
pub(super) struct Answer {
    pub(super) status: u16,
    body: String,
}

/// A log-in.
pub(super) struct Session {
    server: SocketAddr,
    token: String,
}

impl Session {
    /// Logs in.
    pub(super) fn open(server: SocketAddr, login: &str, password: &str) -> Result<Self> {
        let body = serde_json::json!({"login": login, "password": password});
        let answer = request(server, "POST", "/api/v1/session", None, Some(&body))?;
        let value = answer.into_json("POST /api/v1/session")?;
        let token = value.get("token").and_then(Value::as_str).context("the session has no token")?;
        Ok(Self { server, token: token.into() })
    }

    /// Creates an object and returns it.
    pub(super) fn create(&self, path: &str, body: &Value) -> Result<Value> {
        let path = format!("/api/v1{path}");
        request(self.server, "POST", &path, Some(&self.token), Some(body))?.into_json(&format!("POST {path}"))
    }

    /// Reads an object or a list.
    pub(super) fn read(&self, path: &str) -> Result<Value> {
        let path = format!("/api/v1{path}");
        request(self.server, "GET", &path, Some(&self.token), None)?.into_json(&format!("GET {path}"))
    }
}

impl Answer {
    fn into_json(self, request: &str) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "{request}: {} {}", self.status, self.body);
        serde_json::from_str(&self.body).with_context(|| format!("{request} answered {:?}", self.body))
    }
}

/// Asks for a path without a log-in.
pub(super) fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    request(server, "GET", path, None, None)
}

fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let login = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n{login}{kind}Content-Length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    parse(&String::from_utf8_lossy(&text)).with_context(|| format!("{method} {path}: no HTTP answer"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn serve(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("sent");
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (address, served)
    }

    #[test]
    fn an_object_is_created_with_the_token() {
        let (server, served) = serve("HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"id\":\"7\"}");
        let session = Session { server, token: "T".into() };
        let made = session.create("/lines", &serde_json::json!({"name": "Офис"})).expect("created");
        assert_eq!(made["id"], "7");
        let request = served.join().expect("served");
        assert!(request.starts_with("POST /api/v1/lines HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("Authorization: Bearer T\r\n") && request.ends_with("{\"name\":\"Офис\"}"),
            "{request}"
        );
    }

    #[test]
    fn a_refusal_says_what_was_asked_and_why() {
        let (server, _served) = serve("HTTP/1.1 422 Unprocessable\r\n\r\n{\"field\":\"login\"}");
        let session = Session { server, token: "T".into() };
        let error = session.read("/users").expect_err("refused").to_string();
        assert!(error.contains("GET /api/v1/users: 422") && error.contains("login"), "{error}");
    }
}
