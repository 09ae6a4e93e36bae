//! An agent's browser as the server sees it: the events WebSocket, with a habit of its own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use linecard_lab::fleet::{Chance, PopFrame};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::{Server, text};

/// How long a frame of the greeting may take.
const GREETING_WITHIN: Duration = Duration::from_secs(10);
/// How long a browser is away that was cut.
const AWAY: Duration = Duration::from_millis(700);
/// How long a laptop is closed, in ms: at least, and by how much more.
const ASLEEP_MS: [u64; 2] = [25_000, 15_000];
/// How long a laptop is open between two sleeps, in ms.
const OPEN_MS: [u64; 2] = [3_000, 9_000];
/// A frame that was waited for behind a pause counts as read late by the browser, not told late by the server.
const CATCHING_UP: Duration = Duration::from_millis(500);

/// What a browser does beside reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// It reads along.
    Steady,
    /// Its connection is cut now and then, and it resumes after its cursor.
    Cuts,
    /// It freezes now and then, as a tab in the background, and reads on.
    Freezes,
    /// Its laptop is closed for half a minute, without a word; opened, it resumes after its cursor along a new connection.
    Sleeps,
}

impl Habit {
    /// How long a browser reads before it does something else.
    fn reads_for(self, chance: &mut Chance) -> Duration {
        let [least, more] = match self {
            Self::Steady => [3_600_000, 1],
            Self::Cuts | Self::Freezes => [1_500, 4_000],
            Self::Sleeps => OPEN_MS,
        };
        Duration::from_millis(least + chance.below(more))
    }
}

/// What a browser got.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) pops: Vec<PopFrame>,
    pub(super) faults: Vec<String>,
}

/// One agent at a desk.
pub(super) struct Browser {
    pub(super) server: Server,
    pub(super) desk: usize,
    pub(super) token: String,
    pub(super) habit: Habit,
    pub(super) chance: Chance,
}

/// Where a browser is in the stream.
#[derive(Default)]
struct Place {
    cursor: Option<String>,
    seq: Option<u64>,
    /// What it shows: pops that are not over.
    shown: HashMap<String, PopFrame>,
    /// Until then what comes is late because of the browser.
    asleep_until: Option<Instant>,
}

impl Place {
    fn show(&mut self, pop: PopFrame, heard: &mut Heard) {
        if pop.is_over() {
            self.shown.remove(&pop.pop_id);
        } else {
            self.shown.insert(pop.pop_id.clone(), pop.clone());
        }
        heard.pops.push(pop);
    }
}

impl Browser {
    /// Reads until `stop` says so; tells `ready` once the first snapshot is there.
    ///
    /// # Errors
    /// When the socket cannot be opened the first time.
    pub(super) async fn run(
        mut self,
        ready: tokio::sync::mpsc::Sender<()>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Heard> {
        let (mut heard, mut place) = (Heard::default(), Place::default());
        let mut socket = self.open(&mut place, &mut heard).await?;
        ready.send(()).await.ok();
        drop(ready);
        loop {
            let rest = self.habit.reads_for(&mut self.chance);
            tokio::select! {
                read = self.read_along(&mut socket, &mut place, &mut heard) => {
                    if let Err(error) = read {
                        heard.faults.push(format!("desk {}: {error:#}", self.desk));
                        socket = self.open_again(&mut place, &mut heard).await?;
                    }
                }
                () = tokio::time::sleep(rest) => match self.habit {
                    Habit::Steady => {}
                    Habit::Freezes => {
                        tokio::time::sleep(AWAY).await;
                        place.asleep_until = Some(Instant::now() + CATCHING_UP);
                    }
                    Habit::Cuts => {
                        // No close frame: the cable is pulled.
                        drop(socket);
                        tokio::time::sleep(AWAY).await;
                        socket = self.open_again(&mut place, &mut heard).await?;
                        place.asleep_until = Some(Instant::now() + CATCHING_UP);
                    }
                    Habit::Sleeps => {
                        let [least, more] = ASLEEP_MS;
                        let asleep = Duration::from_millis(least + self.chance.below(more));
                        let woken = tokio::time::timeout(asleep, stop.changed()).await.is_ok();
                        // What came to the old connection is gone with it.
                        drop(std::mem::replace(&mut socket, self.open_again(&mut place, &mut heard).await?));
                        place.asleep_until = Some(Instant::now() + CATCHING_UP);
                        if woken {
                            let read = self.read_along(&mut socket, &mut place, &mut heard);
                            let _ = tokio::time::timeout(CATCHING_UP, read).await;
                            return Ok(heard);
                        }
                    }
                },
                _ = stop.changed() => return Ok(heard),
            }
        }
    }

    async fn open(&self, place: &mut Place, heard: &mut Heard) -> anyhow::Result<WebSocketStream<TcpStream>> {
        let stream = self.server.connect().await?;
        let url = format!("ws://{}/api/v1/events", self.server.authority);
        let (mut socket, _) = client_async(url, stream).await.context("the events socket")?;
        let hello = next(&mut socket).await?;
        if text(&hello, "type") != "hello" {
            bail!("the events socket greets with {hello}");
        }
        let auth = match &place.cursor {
            Some(cursor) => json!({"type": "auth", "token": self.token, "cursor": cursor}),
            None => json!({"type": "auth", "token": self.token}),
        };
        socket.send(Message::text(auth.to_string())).await?;
        if place.cursor.is_none() {
            let snapshot = next(&mut socket).await?;
            self.take(&snapshot, place, heard);
        }
        Ok(socket)
    }

    async fn open_again(
        &self,
        place: &mut Place,
        heard: &mut Heard,
    ) -> anyhow::Result<WebSocketStream<TcpStream>> {
        let mut last = None;
        for _ in 0..40 {
            match self.open(place, heard).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("never tried"))).context("a browser cannot come back")
    }

    async fn read_along(
        &self,
        socket: &mut WebSocketStream<TcpStream>,
        place: &mut Place,
        heard: &mut Heard,
    ) -> anyhow::Result<()> {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(told))) => {
                    let frame: Value = serde_json::from_str(&told).context("a frame is no JSON")?;
                    if text(&frame, "type") == "heartbeat" {
                        socket.send(Message::text(json!({"type": "heartbeat"}).to_string())).await?;
                    } else {
                        self.take(&frame, place, heard);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    bail!("the server closed the socket: {:?}", frame.map(|frame| frame.code));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("the socket was cut"),
            }
        }
    }

    /// Takes a frame or a snapshot in.
    fn take(&self, frame: &Value, place: &mut Place, heard: &mut Heard) {
        let at = Instant::now();
        let kind = text(frame, "type").to_owned();
        let number = |name: &str| frame.get(name).and_then(Value::as_u64);
        let data = frame.get("data").unwrap_or(&Value::Null);
        if kind == "snapshot" {
            if place.seq > number("seq") {
                heard
                    .faults
                    .push(format!("desk {}: a snapshot is older than frame {:?}", self.desk, place.seq));
            }
            place.seq = number("seq");
            place.cursor = Some(text(frame, "cursor").to_owned());
            let told = data.get("pops").and_then(Value::as_array).into_iter().flatten();
            let told: Vec<PopFrame> = told.map(|pop| self.pop(pop, &kind, at, false)).collect();
            // What it does not have is taken off the page.
            for (id, pop) in std::mem::take(&mut place.shown) {
                if told.iter().all(|pop| pop.pop_id != id) {
                    heard.pops.push(PopFrame {
                        at,
                        awake: false,
                        kind: kind.clone(),
                        state: "ended".into(),
                        ..pop
                    });
                }
            }
            for pop in told {
                place.show(pop, heard);
            }
            return;
        }
        if let Some(seq) = number("seq") {
            if place.seq.is_some_and(|before| before >= seq) {
                heard.faults.push(format!("desk {}: frame {seq} came after {:?}", self.desk, place.seq));
            }
            place.seq = Some(seq);
            place.cursor = Some(text(frame, "cursor").to_owned());
        }
        if kind.starts_with("pop.") {
            let awake = place.asleep_until.is_none_or(|until| at > until);
            place.show(self.pop(data, &kind, at, awake), heard);
        }
    }

    fn pop(&self, pop: &Value, kind: &str, at: Instant, awake: bool) -> PopFrame {
        let named = |name: &str| text(pop, name).to_owned();
        PopFrame {
            desk: self.desk,
            at,
            awake,
            kind: kind.to_owned(),
            pop_id: named("pop_id"),
            version: pop.get("version").and_then(Value::as_u64).unwrap_or(0),
            interaction_id: named("interaction_id"),
            state: named("state"),
            number: pop.get("number").and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// The next frame of a greeting.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> anyhow::Result<Value> {
    loop {
        let message = tokio::time::timeout(GREETING_WITHIN, socket.next()).await;
        match message.context("the events socket is silent")? {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
            Some(Ok(Message::Close(frame))) => {
                bail!("the events socket was closed: {:?}", frame.map(|frame| frame.code))
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => bail!("the events socket was closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser() -> Browser {
        let server = Server::parse("http://127.0.0.1:1").unwrap();
        Browser { server, desk: 0, token: String::new(), habit: Habit::Sleeps, chance: Chance::new(1) }
    }

    fn pop(id: &str, version: u64, state: &str) -> Value {
        json!({"pop_id": id, "version": version, "interaction_id": id, "state": state, "number": null})
    }

    fn told(frames: &[Value]) -> Heard {
        let (mut place, mut heard) = (Place::default(), Heard::default());
        frames.iter().for_each(|frame| browser().take(frame, &mut place, &mut heard));
        heard
    }

    #[test]
    fn a_snapshot_takes_off_the_page_what_it_does_not_have() {
        let shown =
            |id: &str, seq: u64| json!({"type": "pop.shown", "seq": seq, "data": pop(id, 1, "ringing")});
        let snapshot = json!({"type": "snapshot", "seq": 9, "data": {"pops": [pop("b", 2, "mine")]}});
        let heard = told(&[shown("a", 3), shown("b", 4), snapshot]);
        assert_eq!(heard.faults, [""; 0]);
        let last = |id: &str| {
            heard.pops.iter().rfind(|pop| pop.pop_id == id).map(|pop| (pop.state.as_str(), pop.awake))
        };
        assert_eq!(last("a"), Some(("ended", false)));
        assert_eq!(last("b"), Some(("mine", false)));
    }

    #[test]
    fn frames_that_go_back_are_a_fault_and_a_snapshot_that_does_too() {
        let frame = |kind: &str, seq: u64| json!({"type": kind, "seq": seq, "data": {}});
        assert_eq!(told(&[frame("call.ended", 4), frame("call.ended", 5)]).faults.len(), 0);
        assert_eq!(told(&[frame("call.ended", 4), frame("call.ended", 4)]).faults.len(), 1);
        assert_eq!(told(&[frame("call.ended", 4), frame("snapshot", 4)]).faults.len(), 0);
        assert_eq!(told(&[frame("call.ended", 4), frame("snapshot", 3)]).faults.len(), 1);
    }
}
