//! SIP along a WebSocket that is opened here (RFC 7118): the handshake, and one message a frame in both directions.
//!
//! The keep-alives of RFC 5626, which are line ends, travel as pings and pongs (RFC 7118 section 6).

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use linecard_sip::frame::MAX_STREAM_MESSAGE;
use linecard_sip::transport::{Flow, TransportFault};
use linecard_sip::ua::Server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, error::ProtocolError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Arrival;
use super::secure::Glimpse;
use super::streams::{Carriage, WRITE_WITHIN};

/// What is asked for where nothing else is named.
const USUAL_PATH: &str = "/ws";
/// The subprotocol (RFC 7118 section 4.1).
const SUBPROTOCOL: HeaderValue = HeaderValue::from_static("sip");
/// Bytes read at once; the library would reserve 128 KiB for each connection.
const READ_BUFFER: usize = 16 * 1024;
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// Opens a WebSocket along a fresh connection.
pub(super) async fn open<S>(
    stream: S,
    flow: Flow,
    server: &Server,
) -> Result<WebSocketStream<S>, TransportFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(flow, server)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_STREAM_MESSAGE))
        .max_frame_size(Some(MAX_STREAM_MESSAGE));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, answer)) => match answer.headers().get(SEC_WEBSOCKET_PROTOCOL) {
            Some(chosen) if *chosen == SUBPROTOCOL => Ok(socket),
            _ => Err(TransportFault::NotSip),
        },
        Err(Error::Http(answer)) => Err(TransportFault::NotWebSocket { status: answer.status().as_u16() }),
        Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))) => Err(TransportFault::NotSip),
        Err(error) => Err(TransportFault::Unconnected { why: error.to_string() }),
    }
}

fn request(flow: Flow, server: &Server) -> Result<Request<()>, TransportFault> {
    let (transport, port) = (flow.transport, flow.remote.port());
    let port = if port == transport.default_port() { String::new() } else { format!(":{port}") };
    let path = server.path.as_deref().unwrap_or(USUAL_PATH);
    let unusable = |error: Error| TransportFault::Unconnected { why: error.to_string() };
    let mut request =
        format!("{transport}://{}{port}{path}", server.host).into_client_request().map_err(unusable)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    Ok(request)
}

impl Carriage {
    /// Opens a WebSocket along a fresh connection, and carries messages until either side ends it.
    pub(super) async fn upgrade<S>(mut self, stream: S, server: &Server, glimpse: Option<Glimpse>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (flow, serial) = (self.flow, self.serial);
        let socket = match timeout(WRITE_WITHIN, open(stream, flow, server)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(fault)) => return self.fail(fault).await,
            Err(_) => {
                let why = "nobody answers the WebSocket's handshake".to_owned();
                return self.fail(TransportFault::Unconnected { why }).await;
            }
        };
        if self.arrivals.send(Arrival::StreamOpened { flow, serial, sender: None }).await.is_err() {
            return;
        }
        let (mut sink, source) = socket.split();
        let mut reading = tokio::spawn(read(source, flow, serial, self.arrivals.clone()));
        let ended = tokio::select! {
            ended = &mut reading => ended.ok().and_then(Result::err),
            ended = write(&mut sink, &mut self.queue) => ended,
        };
        reading.abort();
        let _ = timeout(WRITE_WITHIN, sink.close()).await;
        let fault = match (glimpse, ended) {
            (Some(glimpse), Some(Error::Io(error))) => glimpse.late_fault_of(&error),
            _ => None,
        };
        let _ = self.arrivals.send(Arrival::StreamClosed { flow, serial, fault }).await;
    }
}

/// Writes messages until there are no more, or one cannot be written.
async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    queue: &mut mpsc::Receiver<Vec<u8>>,
) -> Option<Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(payload) = queue.recv().await {
        match timeout(WRITE_WITHIN, sink.send(frame(payload))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(error),
            Err(_) => return Some(Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
    None
}

/// Text where it is text; a name in an old encoding is bytes (RFC 7118 section 4.2 takes both).
fn frame(payload: Vec<u8>) -> Message {
    match payload.as_slice() {
        PING => Message::Ping(Bytes::new()),
        PONG => Message::Pong(Bytes::new()),
        _ => match String::from_utf8(payload) {
            Ok(text) => Message::text(text),
            Err(bytes) => Message::binary(bytes.into_bytes()),
        },
    }
}

async fn read<S>(
    mut source: SplitStream<WebSocketStream<S>>,
    flow: Flow,
    serial: u64,
    arrivals: mpsc::Sender<Arrival>,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = source.next().await {
        let payload = match message? {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => bytes.to_vec(),
            Message::Pong(_) => PONG.to_vec(),
            // Answered by the library.
            Message::Ping(_) | Message::Frame(_) => continue,
            Message::Close(_) => break,
        };
        if arrivals.send(Arrival::StreamData { flow, serial, payload }).await.is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use linecard_sip::transport::Transport;
    use linecard_sip::uri::Host;

    use super::*;

    fn asked(transport: Transport, remote: &str, host: &str, path: Option<&str>) -> (String, String) {
        let local = "192.0.2.9:5060".parse().expect("an address");
        let flow = Flow::new(transport, local, remote.parse().expect("an address"));
        let host = Host::parse(host.as_bytes()).expect("a host");
        let request = request(flow, &Server { host, path: path.map(str::to_owned) }).expect("a request");
        let host = request.headers().get("Host").expect("a host").to_str().expect("text").to_owned();
        (request.uri().to_string(), host)
    }

    #[test]
    fn the_servers_own_name_port_and_path_are_asked_for() {
        let own = asked(Transport::Wss, "192.0.2.5:8089", "pbx.example", Some("/sip/ws?x=1"));
        assert_eq!(own, ("wss://pbx.example:8089/sip/ws?x=1".to_owned(), "pbx.example:8089".to_owned()));
        let usual = asked(Transport::Ws, "[2001:db8::5]:80", "[2001:db8::5]", None);
        assert_eq!(usual, ("ws://[2001:db8::5]/ws".to_owned(), "[2001:db8::5]".to_owned()));
    }

    #[test]
    fn line_ends_are_pings_and_bytes_that_are_no_text_stay_bytes() {
        assert!(frame(PING.to_vec()).is_ping() && frame(PONG.to_vec()).is_pong());
        assert!(frame(b"OPTIONS sip:x SIP/2.0\r\n\r\n".to_vec()).is_text());
        assert!(frame(b"OPTIONS sip:x SIP/2.0\r\nSubject: \xcf\r\n\r\n".to_vec()).is_binary());
    }
}
