//! The HTTP side's socket: accepts connections, plain or under TLS, and hands each to the router with what is known of it.
//!
//! Handshakes run beside each other, so a slow one holds up nobody. They are bounded in number and time; when all
//! places are taken the oldest gives way after a second, which an honest one never needs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::map_request;
use axum::serve::{IncomingStream, Listener};
use linecard_web::{App, Connection, router};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::Served;

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take when others wait for its place.
const HANDSHAKE_UNDER_PRESSURE: Duration = Duration::from_secs(1);

/// The most handshakes at a time.
const HANDSHAKES_MAX: usize = 256;

/// The HTTP side while it runs.
pub(crate) struct Http {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Http {
    /// Serves the interface on a listener, under TLS if there is a certificate.
    pub(crate) fn serve(listener: TcpListener, certificate: Option<Served>, app: App) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = match certificate {
            None => tokio::spawn(serve(Plain(listener), app, stopped)),
            Some(certificate) => tokio::spawn(serve(Encrypted::new(listener, certificate), app, stopped)),
        };
        Self { stop, task }
    }

    /// Takes no more connections and lets the open ones finish, for at most `within`.
    pub(crate) async fn stop(self, within: Duration) {
        let _ = self.stop.send(());
        let _ = timeout(within, self.task).await;
    }
}

async fn serve<L>(listener: L, app: App, stopped: oneshot::Receiver<()>)
where
    L: Listener<Addr = Connection>,
    for<'a> Accepted: Connected<IncomingStream<'a, L>>,
{
    let router = router(app).layer(map_request(with_connection));
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<Accepted>());
    let serving = serving.with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    if let Err(error) = serving.await {
        tracing::error!(%error, "the HTTP side has ended");
    }
}

/// A connection as the router's maker is told of it.
#[derive(Debug, Clone, Copy)]
struct Accepted(Connection);

async fn with_connection(
    ConnectInfo(Accepted(connection)): ConnectInfo<Accepted>,
    mut request: Request,
) -> Request {
    request.extensions_mut().insert(connection);
    request
}

/// Accepts a connection whose frames leave at once: by itself TCP holds a second small one back until the first is
/// acknowledged, which a browser does after 40 ms (RFC 1122 section 4.2.3.4).
async fn accept_prompt(listener: &mut TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, peer) = Listener::accept(listener).await;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection will be slow");
    }
    (stream, peer)
}

/// Connections as they come.
struct Plain(TcpListener);

impl Listener for Plain {
    type Io = TcpStream;
    type Addr = Connection;

    async fn accept(&mut self) -> (TcpStream, Connection) {
        let (stream, peer) = accept_prompt(&mut self.0).await;
        (stream, Connection { peer, is_encrypted: false })
    }

    fn local_addr(&self) -> std::io::Result<Connection> {
        local(&self.0, false)
    }
}

impl Connected<IncomingStream<'_, Plain>> for Accepted {
    fn connect_info(stream: IncomingStream<'_, Plain>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Connections whose handshake is done, in the order in which they got there.
struct Encrypted {
    listener: TcpListener,
    certificate: Served,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
    /// When each handshake began, oldest first; ended ones are among them for a while.
    begun: VecDeque<(Instant, AbortHandle)>,
}

impl Encrypted {
    fn new(listener: TcpListener, certificate: Served) -> Self {
        Self { listener, certificate, handshakes: JoinSet::new(), begun: VecDeque::new() }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let acceptor = TlsAcceptor::from(self.certificate.borrow().clone());
        let handshake = self.handshakes.spawn(async move {
            match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Some((stream, peer)),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    None
                }
                Err(_) => None,
            }
        });
        if self.begun.len() >= 2 * HANDSHAKES_MAX {
            self.begun.retain(|(_, handshake)| !handshake.is_finished());
        }
        self.begun.push_back((Instant::now(), handshake));
    }

    /// Returns when the oldest handshake must give way to others.
    fn oldest_until(&mut self) -> Option<Instant> {
        while self.begun.front().is_some_and(|(_, handshake)| handshake.is_finished()) {
            self.begun.pop_front();
        }
        self.begun.front().map(|(at, _)| *at + HANDSHAKE_UNDER_PRESSURE)
    }
}

impl Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = Connection;

    async fn accept(&mut self) -> (TlsStream<TcpStream>, Connection) {
        loop {
            let is_full = self.handshakes.len() >= HANDSHAKES_MAX;
            let oldest_until = self.oldest_until().unwrap_or_else(Instant::now);
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some((stream, peer))) = done {
                        return (stream, Connection { peer, is_encrypted: true });
                    }
                }
                (stream, peer) = accept_prompt(&mut self.listener), if !is_full => self.begin(stream, peer),
                () = sleep_until(oldest_until), if is_full => {
                    if let Some((_, oldest)) = self.begun.pop_front() {
                        oldest.abort();
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Connection> {
        local(&self.listener, true)
    }
}

impl Connected<IncomingStream<'_, Encrypted>> for Accepted {
    fn connect_info(stream: IncomingStream<'_, Encrypted>) -> Self {
        Self(*stream.remote_addr())
    }
}

fn local(listener: &TcpListener, is_encrypted: bool) -> std::io::Result<Connection> {
    let peer: SocketAddr = listener.local_addr()?;
    Ok(Connection { peer, is_encrypted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_frame_waits_for_the_acknowledgement_of_the_one_before_it() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        let (stream, _) = accept_prompt(&mut listener).await;
        assert!(stream.nodelay().expect("an option"));
    }
}
