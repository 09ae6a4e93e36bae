//! An HTTP client of one server's REST interface: one connection, kept open and opened again when it breaks.

use anyhow::{Context, anyhow, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The most bytes of one answer that are read.
const ANSWER_MAX: usize = 64 << 20;

/// Where a server is.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Host and port.
    pub(super) authority: String,
}

impl Server {
    /// Reads the address that was typed, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When it is no such address.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("--url: write http://HOST:PORT")?;
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return Err("--url: write http://HOST:PORT and nothing after it".to_owned());
        }
        let with_port = if authority.rsplit(']').next().is_some_and(|tail| tail.contains(':')) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        Ok(Self { authority: with_port })
    }

    pub(super) async fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(&self.authority).await;
        let stream = stream.with_context(|| format!("{} cannot be reached", self.authority))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A log-in.
pub(super) struct Client {
    server: Server,
    token: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Logs in.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(super) async fn log_in(server: &Server, login: &str, password: &str) -> anyhow::Result<Self> {
        let mut client = Self { server: server.clone(), token: String::new(), sender: None };
        let session = client.post("/session", &json!({"login": login, "password": password})).await?;
        client.token = text(&session, "token").to_owned();
        Ok(client)
    }

    /// Gives the token of the session.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        json_of(&self.ask(Method::GET, path, None, None).await?)
    }

    /// Reads bytes, such as a WAV.
    pub(super) async fn bytes(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.ask(Method::GET, path, None, None).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json_of(&self.ask(Method::POST, path, Some(body), None).await?)
    }

    /// Removes an object of which this version is known.
    pub(super) async fn delete(&mut self, path: &str, version: i64) -> anyhow::Result<()> {
        self.ask(Method::DELETE, path, None, Some(version)).await.map(|_| ())
    }

    /// Walks a list to its end; `path` has a query already.
    pub(super) async fn list(&mut self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}&limit=500{cursor}")).await?;
            let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) else {
                return Err(anyhow!("{path} is no list"));
            };
            items.extend(found);
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        version: Option<i64>,
    ) -> anyhow::Result<Bytes> {
        let name = format!("{method} {path}");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("Host", &self.server.authority)
            .header("Content-Type", "application/json");
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        if let Some(version) = version {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        let body = Bytes::from(body.map(Value::to_string).unwrap_or_default());
        let request = request.body(Full::new(body))?;
        let answer = self.sender().await?.send_request(request).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.sender = None;
                return Err(error).context(name);
            }
        };
        let status = answer.status();
        let read = http_body_util::Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let bytes = read.map_err(|error| anyhow!("{name}: {error}"))?.to_bytes();
        ensure!(status.is_success(), "{name}: {}", refusal(status, &bytes));
        Ok(bytes)
    }

    async fn sender(&mut self) -> anyhow::Result<&mut SendRequest<Full<Bytes>>> {
        let open = match self.sender.take() {
            Some(mut open) => open.ready().await.is_ok().then_some(open),
            None => None,
        };
        let open = match open {
            Some(open) => open,
            None => {
                let stream = self.server.connect().await?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection to the server ended");
                    }
                });
                sender
            }
        };
        Ok(self.sender.insert(open))
    }
}

/// Gives a text of an object; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn json_of(bytes: &Bytes) -> anyhow::Result<Value> {
    if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(bytes)?) }
}

fn refusal(status: StatusCode, bytes: &Bytes) -> String {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    format!("{} {} {}", status.as_u16(), text(&problem, "title"), text(&problem, "detail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_a_wrong_one_named() {
        assert_eq!(Server::parse("http://127.0.0.1:8080/").unwrap().authority, "127.0.0.1:8080");
        assert_eq!(Server::parse("http://cti.example").unwrap().authority, "cti.example:80");
        assert_eq!(Server::parse("http://[::1]").unwrap().authority, "[::1]:80");
        for wrong in ["127.0.0.1:8080", "https://a", "http://", "http://a/b", "http://u@a"] {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
        }
    }
}
