//! The fleet's TCP: what is written is torn into pieces and joined as networks do it, and connections end on demand.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use linecard_lab::fleet::Chance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fleet::Arrival;

/// How long a piece is ahead of the next one.
const BETWEEN_PIECES: Duration = Duration::from_millis(2);
/// The most pieces of one write.
const PIECES_MAX: u64 = 4;

/// What happens to a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// The server has opened one.
    Accepted(TcpStream),
    /// It is open, whoever has opened it.
    Opened,
    /// Some bytes came.
    Bytes(Vec<u8>),
    /// It is over, or could not be opened.
    Closed,
}

/// The streams of one PBX.
pub(super) struct Streams {
    place: usize,
    address: SocketAddr,
    arrivals: mpsc::Sender<Arrival>,
    open: HashMap<SocketAddr, Open>,
    chance: Chance,
    serial: u64,
    listening: JoinHandle<()>,
}

/// One stream; it ends with its writer's queue.
struct Open {
    serial: u64,
    writer: mpsc::UnboundedSender<Vec<u8>>,
}

impl Streams {
    /// Listens for the server.
    pub(super) fn open(
        place: usize,
        listener: TcpListener,
        arrivals: mpsc::Sender<Arrival>,
        chance: Chance,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listening = tokio::spawn(accept(place, listener, arrivals.clone()));
        Ok(Self { place, address, arrivals, open: HashMap::new(), chance, serial: 0, listening })
    }

    /// Sends to a peer along its stream, which is opened if there is none.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        if let Some(open) = self.open.get(&to) {
            let _ = open.writer.send(bytes);
            return;
        }
        let from = SocketAddr::new(self.address.ip(), 0);
        self.carry(to, connect(from, to));
        if let Some(open) = self.open.get(&to) {
            let _ = open.writer.send(bytes);
        }
    }

    /// Tells whether an event is of a stream that is open; a stream that was accepted is carried from now on.
    pub(super) fn admit(&mut self, peer: SocketAddr, serial: u64, event: StreamEvent) -> Option<StreamEvent> {
        if let StreamEvent::Accepted(stream) = event {
            self.carry(peer, ready(Ok(stream)));
            return None;
        }
        if self.open.get(&peer).is_none_or(|open| open.serial != serial) {
            return None;
        }
        if matches!(event, StreamEvent::Closed) {
            self.open.remove(&peer);
        }
        Some(event)
    }

    /// Ends every stream; what was sent before still leaves.
    pub(super) fn cut(&mut self) {
        self.open.clear();
    }

    fn carry<F>(&mut self, peer: SocketAddr, stream: F)
    where
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        self.serial += 1;
        let serial = self.serial;
        let (writer, queue) = mpsc::unbounded_channel();
        let chance = Chance::new(self.chance.below(u64::MAX));
        let (place, arrivals) = (self.place, self.arrivals.clone());
        tokio::spawn(async move {
            let tell = |event| arrivals.send(Arrival::Stream { place, peer, serial, event });
            if let Ok(stream) = stream.await
                && stream.set_nodelay(true).is_ok()
                && tell(StreamEvent::Opened).await.is_ok()
            {
                let (reader, writer) = stream.into_split();
                tokio::select! {
                    () = read(reader, tell) => {}
                    () = write(writer, queue, chance) => {}
                }
            }
            let _ = tell(StreamEvent::Closed).await;
        });
        self.open.insert(peer, Open { serial, writer });
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn accept(place: usize, listener: TcpListener, arrivals: mpsc::Sender<Arrival>) {
    loop {
        // Out of descriptors: the listener stays readable, so wait rather than spin.
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let event = StreamEvent::Accepted(stream);
        if arrivals.send(Arrival::Stream { place, peer, serial: 0, event }).await.is_err() {
            return;
        }
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(from)?;
    socket.connect(to).await
}

async fn read<T, F, E>(mut reader: OwnedReadHalf, tell: T)
where
    T: Fn(StreamEvent) -> F,
    F: Future<Output = Result<(), E>>,
{
    let mut buffer = vec![0; 16_384];
    while let Ok(length) = reader.read(&mut buffer).await {
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        if length == 0 || tell(StreamEvent::Bytes(bytes)).await.is_err() {
            return;
        }
    }
}

/// Writes what waits in one go or in pieces, wherever these begin.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Vec<u8>>, mut chance: Chance) {
    while let Some(mut bytes) = queue.recv().await {
        while let Ok(more) = queue.try_recv() {
            bytes.extend(more);
        }
        let mut rest = bytes.as_slice();
        for length in pieces(&mut chance, bytes.len()) {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            if writer.write_all(piece).await.is_err() {
                return;
            }
            if !rest.is_empty() {
                tokio::time::sleep(BETWEEN_PIECES).await;
            }
        }
    }
}

/// Divides a length: every third time into pieces of any size.
fn pieces(chance: &mut Chance, length: usize) -> Vec<usize> {
    let count = if chance.one_in(3) { 2 + chance.below(PIECES_MAX - 1) } else { 1 };
    let mut ends: Vec<usize> = (1..count).map(|_| chance.index(length)).collect();
    ends.push(length);
    ends.sort_unstable();
    let mut before = 0;
    let lengths = ends.into_iter().map(|end| end - std::mem::replace(&mut before, end));
    lengths.filter(|length| *length > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_torn_now_and_then_and_nothing_is_lost() {
        let mut chance = Chance::new(5);
        let all: Vec<Vec<usize>> = (0..300).map(|_| pieces(&mut chance, 700)).collect();
        assert!(all.iter().all(|lengths| lengths.iter().sum::<usize>() == 700));
        let torn = all.iter().filter(|lengths| lengths.len() > 1).count();
        assert!((70..130).contains(&torn), "{torn} of 300");
        assert!(all.iter().any(|lengths| lengths.len() > 2));
    }

    #[tokio::test]
    async fn a_stream_carries_both_ways_and_one_that_was_cut_is_heard_of_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, mut arrivals) = mpsc::channel(64);
        let mut streams = Streams::open(0, listener, arrived, Chance::new(1)).unwrap();
        let mut server = TcpStream::connect(address).await.unwrap();
        server.write_all(b"REGISTER").await.unwrap();
        let mut heard = Vec::new();
        while heard != b"REGISTER" {
            let Some(Arrival::Stream { peer, serial, event, .. }) = arrivals.recv().await else { panic!() };
            assert_eq!(peer, server.local_addr().unwrap());
            if let Some(StreamEvent::Bytes(bytes)) = streams.admit(peer, serial, event) {
                heard.extend(bytes);
            }
        }
        let said = vec![b'x'; 5_000];
        for part in said.chunks(50) {
            streams.send(server.local_addr().unwrap(), part.to_vec());
        }
        let mut read = vec![0; said.len()];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(read, said);
        streams.cut();
        assert_eq!(server.read(&mut read).await.unwrap_or(0), 0, "it is over");
        let late = StreamEvent::Bytes(b"late".to_vec());
        assert!(streams.admit(server.local_addr().unwrap(), 1, late).is_none());
    }
}
