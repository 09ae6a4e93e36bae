//! Streams: those that peers open, those opened towards them, and the carrying of bytes in both directions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linecard_sip::transport::{Flow, Transport, TransportFault};
use linecard_sip::ua::Server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Arrival;
use super::secure::{Glimpse, Trust};
use crate::tls::Served;

/// Messages that wait for a slow stream before it counts as broken.
pub(super) const STREAM_QUEUE: usize = 256;
/// How long a stream may take to connect, and again for the handshake of TLS.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a stream may take to accept one message.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// The writing end of one stream among all of this process; the stream is closed with its last sender.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) serial: u64,
    pub(super) sender: mpsc::Sender<Vec<u8>>,
}

static SERIALS: AtomicU64 = AtomicU64::new(0);

impl Link {
    /// Makes a link and the stream's end of it.
    pub(super) fn new(flow: Flow, arrivals: &mpsc::Sender<Arrival>) -> (Self, Carriage) {
        let (sender, queue) = mpsc::channel(STREAM_QUEUE);
        let serial = SERIALS.fetch_add(1, Ordering::Relaxed);
        (Self { serial, sender }, Carriage { flow, serial, queue, arrivals: arrivals.clone() })
    }
}

/// One end of a stream: whose it is, what is to be written, and where what is read goes.
pub(super) struct Carriage {
    pub(super) flow: Flow,
    pub(super) serial: u64,
    pub(super) queue: mpsc::Receiver<Vec<u8>>,
    pub(super) arrivals: mpsc::Sender<Arrival>,
}

/// What a listener does with each peer.
#[derive(Clone)]
pub(super) enum Door {
    Plain,
    Tls(Served),
}

/// Takes the streams that peers open, at most `streams_max` at a time.
pub(super) async fn accept(
    listener: TcpListener,
    local: SocketAddr,
    door: Door,
    arrivals: mpsc::Sender<Arrival>,
    streams_max: usize,
) {
    let places = Arc::new(Semaphore::new(streams_max));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, remote)) => {
                let (door, arrivals) = (door.clone(), arrivals.clone());
                tokio::spawn(async move {
                    welcome(stream, local, remote, door, arrivals).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors: the listener stays readable, so wait rather than spin.
                tracing::warn!(%error, "a stream could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn welcome(
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    door: Door,
    arrivals: mpsc::Sender<Arrival>,
) {
    let _ = stream.set_nodelay(true);
    let link = |transport| Link::new(Flow::new(transport, local, remote), &arrivals);
    match door {
        Door::Plain => {
            let (link, carriage) = link(Transport::Tcp);
            carriage.begin(stream, Some(link.sender), None).await;
        }
        Door::Tls(served) => {
            let acceptor = TlsAcceptor::from(served.borrow().clone());
            match timeout(CONNECT_WITHIN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let (link, carriage) = link(Transport::Tls);
                    carriage.begin(stream, Some(link.sender), None).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, %remote, "a peer's TLS handshake failed"),
                Err(_) => tracing::debug!(%remote, "a peer's TLS handshake took too long"),
            }
        }
    }
}

impl Carriage {
    /// Opens a stream, under TLS to the server that is named and to no other, and carries it.
    pub(super) async fn open(self, from: Option<IpAddr>, named: Option<(Arc<Trust>, Server)>) {
        let stream = match timeout(CONNECT_WITHIN, connect(from, self.flow.remote)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.fail(unconnected(&error)).await,
            Err(_) => return self.fail(unconnected(&io::ErrorKind::TimedOut.into())).await,
        };
        let _ = stream.set_nodelay(true);
        let Some((trust, server)) = named else {
            return self.begin(stream, None, None).await;
        };
        let transport = self.flow.transport;
        if !transport.is_secure() {
            return self.upgrade(stream, &server, None).await;
        }
        match timeout(CONNECT_WITHIN, trust.connect(stream, &server.host)).await {
            Ok(Ok((stream, glimpse))) if transport.is_websocket() => {
                self.upgrade(stream, &server, Some(glimpse)).await;
            }
            Ok(Ok((stream, glimpse))) => self.begin(stream, None, Some(glimpse)).await,
            Ok(Err(fault)) => self.fail(fault).await,
            Err(_) => self.fail(TransportFault::NotTls).await,
        }
    }

    pub(super) async fn fail(self, fault: TransportFault) {
        let Self { flow, serial, arrivals, .. } = self;
        let _ = arrivals.send(Arrival::TransmitFailed { flow, serial: Some(serial), fault }).await;
    }

    /// Tells that the stream is open, with the way to its writer if a peer has opened it, and carries it.
    async fn begin<S>(self, stream: S, sender: Option<mpsc::Sender<Vec<u8>>>, glimpse: Option<Glimpse>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let opened = Arrival::StreamOpened { flow: self.flow, serial: self.serial, sender };
        if self.arrivals.send(opened).await.is_ok() {
            self.carry(stream, glimpse).await;
        }
    }

    /// Carries one stream until either side ends it.
    async fn carry<S>(mut self, stream: S, glimpse: Option<Glimpse>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, mut writer) = tokio::io::split(stream);
        let (flow, serial) = (self.flow, self.serial);
        let mut reading = tokio::spawn(read(reader, flow, serial, self.arrivals.clone()));
        let ended = loop {
            tokio::select! {
                ended = &mut reading => break ended.ok().and_then(Result::err),
                payload = self.queue.recv() => {
                    let Some(payload) = payload else { break None };
                    let written = async {
                        writer.write_all(&payload).await?;
                        writer.flush().await
                    };
                    match timeout(WRITE_WITHIN, written).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => break Some(error),
                        Err(_) => break Some(io::ErrorKind::TimedOut.into()),
                    }
                }
            }
        };
        reading.abort();
        let _ = timeout(WRITE_WITHIN, writer.shutdown()).await;
        let fault = glimpse.and_then(|glimpse| glimpse.late_fault_of(&ended?));
        let _ = self.arrivals.send(Arrival::StreamClosed { flow, serial, fault }).await;
    }
}

async fn connect(from: Option<IpAddr>, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(ip) = from {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    other_end(socket.connect(remote).await?)
}

/// Refuses a stream that met itself: where nobody listens on this machine, and the system has chosen the port that is called as
/// the caller's own, TCP connects the two (RFC 9293 section 3.5, simultaneous open), and we would answer ourselves.
pub(super) fn other_end(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

fn unconnected(error: &io::Error) -> TransportFault {
    TransportFault::Unconnected { why: error.to_string() }
}

async fn read<S: AsyncRead>(
    mut reader: ReadHalf<S>,
    flow: Flow,
    serial: u64,
    arrivals: mpsc::Sender<Arrival>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let size = reader.read(&mut buffer).await?;
        let payload = buffer.get(..size).unwrap_or_default().to_vec();
        if size == 0 || arrivals.send(Arrival::StreamData { flow, serial, payload }).await.is_err() {
            return Ok(());
        }
    }
}
