//! The agents' browsers: a WebSocket each, every frame decoded, the moment kept at which a pop names its caller.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::office::token_of;

/// Browsers that log in at the same time.
const AT_ONCE: usize = 20;
/// How long a greeting may take.
const GREETS_WITHIN: Duration = Duration::from_secs(10);

/// A pop that says who calls.
#[derive(Debug, Clone)]
pub struct Named {
    /// Whose screen it was on.
    pub agent: usize,
    /// The number it shows.
    pub number: String,
    /// The name it shows.
    pub name: String,
    /// When it was decoded.
    pub at: Instant,
}

/// What all browsers have seen.
#[derive(Default)]
struct Seen {
    named: Vec<Named>,
    broken: Vec<String>,
}

/// Open browsers; they close with this value.
pub struct Browsers {
    /// Runs them; dropped first.
    _runtime: Runtime,
    seen: Arc<Mutex<Seen>>,
}

impl Browsers {
    /// Opens a browser for each of the first agents; all have their snapshot when it returns.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn open(http: SocketAddr, agents: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let agents: Vec<usize> = (0..agents).collect();
        for group in agents.chunks(AT_ONCE) {
            let opened = runtime
                .block_on(futures_util::future::join_all(group.iter().map(|agent| open(http, *agent))));
            for (agent, socket) in group.iter().zip(opened) {
                let socket = socket.with_context(|| format!("the browser of agent {agent}"))?;
                runtime.spawn(read(*agent, socket, Arc::clone(&seen)));
            }
        }
        Ok(Self { _runtime: runtime, seen })
    }

    /// Gives every pop with a name that came since the last time.
    ///
    /// # Errors
    /// When a browser was cut.
    pub fn take(&self) -> Result<Vec<Named>> {
        let Ok(mut seen) = self.seen.lock() else { bail!("a browser has panicked") };
        if let Some(broken) = seen.broken.first() {
            bail!("{} browsers were cut; the first: {broken}", seen.broken.len());
        }
        Ok(std::mem::take(&mut seen.named))
    }
}

async fn open(http: SocketAddr, agent: usize) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(http).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = client_async(format!("ws://{http}/api/v1/events"), stream).await?;
    next(&mut socket).await.context("hello")?;
    let auth = json!({"type": "auth", "token": token_of(agent)});
    socket.send(Message::text(auth.to_string())).await?;
    let snapshot = next(&mut socket).await.context("the snapshot")?;
    match snapshot.get("type").and_then(Value::as_str) {
        Some("snapshot") => Ok(socket),
        _ => bail!("no snapshot but {snapshot}"),
    }
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Result<Value> {
    let message = tokio::time::timeout(GREETS_WITHIN, socket.next()).await.context("silence")?;
    match message.context("the end")?? {
        Message::Text(text) => Ok(serde_json::from_str(&text)?),
        other => bail!("{other:?}"),
    }
}

async fn read(agent: usize, mut socket: WebSocketStream<TcpStream>, seen: Arc<Mutex<Seen>>) {
    let ended = loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let Ok(frame) = serde_json::from_str::<Value>(&text) else {
                    break format!("no JSON: {text}");
                };
                let kind = frame.get("type").and_then(Value::as_str).unwrap_or_default();
                if kind == "heartbeat" {
                    let _ = socket.send(Message::text("{\"type\":\"heartbeat\"}")).await;
                } else if kind.starts_with("pop.")
                    && let Some(named) = named(agent, frame.get("data"))
                    && let Ok(mut seen) = seen.lock()
                {
                    seen.named.push(named);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => break error.to_string(),
            None => break "closed".to_owned(),
        }
    };
    if let Ok(mut seen) = seen.lock() {
        seen.broken.push(format!("agent {agent}: {ended}"));
    }
}

fn named(agent: usize, pop: Option<&Value>) -> Option<Named> {
    let pop = pop?;
    let number = pop.get("number")?.as_str()?.to_owned();
    let name = pop.pointer("/candidates/0/contact/name")?.as_str()?.to_owned();
    Some(Named { agent, number, name, at: Instant::now() })
}
