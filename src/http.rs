//! The HTTP side's socket: accepts connections and hands each to the router with what is known of it.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::map_request;
use axum::serve::{IncomingStream, Listener};
use linecard_web::{App, Connection, router};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The HTTP side while it runs.
pub(crate) struct Http {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Http {
    /// Serves the interface on a listener.
    pub(crate) fn serve(listener: TcpListener, app: App) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(serve(Plain(listener), app, stopped)) }
    }

    /// Takes no more connections and lets the open ones finish, for at most `within`.
    pub(crate) async fn stop(self, within: std::time::Duration) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(within, self.task).await;
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

/// Connections as they come.
struct Plain(TcpListener);

impl Listener for Plain {
    type Io = TcpStream;
    type Addr = Connection;

    async fn accept(&mut self) -> (TcpStream, Connection) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
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

fn local(listener: &TcpListener, is_encrypted: bool) -> std::io::Result<Connection> {
    let peer: SocketAddr = listener.local_addr()?;
    Ok(Connection { peer, is_encrypted })
}
