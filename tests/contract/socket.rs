//! A browser's end of the events WebSocket.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use super::clients::Client;

/// How long a frame that is due may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// What came over the socket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// A frame.
    Frame(Value),
    /// The server closed with this code; 1006 when the connection was cut without one.
    Closed(u16),
    /// Nothing within the time given.
    Nothing,
}

/// An open socket.
pub(crate) struct EventSocket {
    socket: WebSocket<TcpStream>,
}

impl EventSocket {
    /// Opens the socket with these headers; `query` begins with `?` or is empty. Fails with the HTTP status.
    pub(crate) fn open(http: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(http).expect("the server listens");
        Self::open_over(stream, http, query, headers)
    }

    /// Opens the socket and logs in over a connection whose buffer for what arrives is as small as the system allows.
    pub(crate) fn narrow(who: &Client) -> Self {
        let narrow =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        narrow.set_recv_buffer_size(1).expect("a size can be set");
        narrow.connect(&who.http.into()).expect("the server listens");
        let mut socket = Self::open_over(narrow.into(), who.http, "", &[]).expect("the socket opens");
        socket.frame();
        socket.send(&json!({"type": "auth", "token": who.token}));
        socket.frame();
        socket
    }

    fn open_over(
        stream: TcpStream,
        http: SocketAddr,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, u16> {
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout can be set");
        let url = format!("ws://{http}/api/v1/events{query}");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        match client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(reply))) => Err(reply.status().as_u16()),
            Err(other) => panic!("neither a socket nor a refusal: {other}"),
        }
    }

    /// Opens the socket without any log-in, checks the greeting and returns it too.
    pub(crate) fn greeted(http: SocketAddr, query: &str, headers: &[(&str, &str)]) -> (Self, Value) {
        let mut socket = Self::open(http, query, headers).expect("the socket opens");
        let Heard::Frame(hello) = socket.hear(SOON) else { panic!("no hello") };
        assert_eq!(hello["type"], "hello", "{hello}");
        (socket, hello)
    }

    /// Opens the socket and logs in with the client's token; the snapshot is what comes next.
    pub(crate) fn logged_in(who: &Client) -> (Self, Value) {
        let (mut socket, _) = Self::greeted(who.http, "", &[]);
        socket.send(&json!({"type": "auth", "token": who.token}));
        let snapshot = socket.frame();
        assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
        (socket, snapshot)
    }

    /// Opens the socket and resumes after `cursor`; what was missed comes next.
    pub(crate) fn resumed(who: &Client, cursor: &str) -> Self {
        let (mut socket, _) = Self::greeted(who.http, "", &[]);
        socket.send(&json!({"type": "auth", "token": who.token, "cursor": cursor}));
        socket
    }

    pub(crate) fn send(&mut self, frame: &Value) {
        self.send_message(Message::text(frame.to_string()));
    }

    pub(crate) fn send_message(&mut self, message: Message) {
        self.socket.send(message).expect("the frame leaves");
    }

    /// Sends a frame as long as the other side takes it; tells whether it did.
    pub(crate) fn offer(&mut self, frame: &Value) -> bool {
        self.socket
            .get_ref()
            .set_write_timeout(Some(Duration::from_millis(300)))
            .expect("a timeout can be set");
        self.socket.send(Message::text(frame.to_string())).is_ok()
    }

    /// Waits for what comes next.
    pub(crate) fn hear(&mut self, within: Duration) -> Heard {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Nothing;
            }
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a timeout can be set");
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return Heard::Frame(serde_json::from_str(&text).expect("a frame is JSON"));
                }
                Ok(Message::Close(frame)) => return Heard::Closed(frame.map_or(1005, |it| it.code.into())),
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Heard::Closed(1006),
            }
        }
    }

    /// The next frame, heartbeats left out.
    pub(crate) fn frame(&mut self) -> Value {
        loop {
            match self.hear(SOON) {
                Heard::Frame(frame) if frame["type"] == "heartbeat" => {}
                Heard::Frame(frame) => return frame,
                other => panic!("a frame was due: {other:?}"),
            }
        }
    }

    /// Every frame up to and with the first one that fits.
    pub(crate) fn until(&mut self, mut fits: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame();
            frames.push(frame);
            if frames.last().is_some_and(&mut fits) {
                return frames;
            }
        }
    }

    /// Every frame up to and with the first of this type.
    pub(crate) fn until_type(&mut self, kind: &str) -> Vec<Value> {
        self.until(|frame| frame["type"] == kind)
    }

    /// The code with which the server closes; frames before are passed over.
    pub(crate) fn closed(&mut self, within: Duration) -> u16 {
        let until = Instant::now() + within;
        loop {
            match self.hear(until.saturating_duration_since(Instant::now())) {
                Heard::Frame(_) => {}
                Heard::Closed(code) => return code,
                Heard::Nothing => panic!("the socket is still open after {within:?}"),
            }
        }
    }
}

/// The numbers of frames, which have to rise strictly.
pub(crate) fn rising(frames: &[Value]) -> Vec<u64> {
    let numbers: Vec<u64> = frames.iter().map(|frame| frame["seq"].as_u64().expect("seq")).collect();
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "seq rises strictly: {numbers:?}");
    numbers
}

/// A frame's or a snapshot's cursor.
pub(crate) fn cursor(frame: &Value) -> String {
    frame["cursor"].as_str().unwrap_or_else(|| panic!("a cursor: {frame}")).to_owned()
}
