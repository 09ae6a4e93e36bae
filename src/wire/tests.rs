//! Bytes in and out of real sockets on the loopback range: what arrives, what is told, what is bounded.

use std::time::Duration;

use linecard_sip::ua::Records;
use tokio::time::timeout;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::streams::{STREAM_QUEUE, WRITE_WITHIN};
use super::*;
use crate::config::Config;

const SOON: Duration = Duration::from_secs(10);

fn nothing_secured() -> Equipment {
    Equipment::load(&Config::default()).expect("no file is named")
}

/// Sockets of our own, and what they bring.
struct Bench {
    wire: Wire,
    arrivals: mpsc::Receiver<Arrival>,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Bench {
    async fn open() -> Self {
        let (arrived, arrivals) = mpsc::channel(16_384);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = [(ListenTransport::Udp, any), (ListenTransport::Tcp, any)];
        let wire = Wire::open(&listeners, &nothing_secured(), arrived).await.expect("free ports");
        for (_, socket) in &wire.datagrams {
            socket.writable().await.expect("it can be written to");
        }
        let addresses = wire.local_addresses().to_vec();
        let at =
            |transport| addresses.iter().find(|local| local.transport == transport).expect("opened").addr;
        Self { wire, arrivals, udp: at(Transport::Udp), tcp: at(Transport::Tcp) }
    }

    /// What arrives next, as the reactor takes it in.
    async fn arrival(&mut self) -> Arrival {
        loop {
            let arrived = timeout(SOON, self.arrivals.recv()).await;
            let arrived = arrived.expect("something arrives").expect("the sockets live");
            if let Some(arrival) = self.wire.admit(arrived) {
                return arrival;
            }
        }
    }

    /// Bytes of a stream until there are `count`; TCP may cut them anywhere.
    async fn stream_bytes(&mut self, from: SocketAddr, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match self.arrival().await {
                Arrival::StreamData { flow, payload, .. } => {
                    assert_eq!((flow.transport, flow.remote), (Transport::Tcp, from));
                    bytes.extend(payload);
                }
                other => panic!("bytes were due: {other:?}"),
            }
        }
        bytes
    }

    fn tcp_flow(&self, remote: SocketAddr) -> Flow {
        Flow::new(Transport::Tcp, self.tcp, remote)
    }
}

#[tokio::test]
async fn a_datagram_arrives_with_its_flow_and_is_answered_along_it() {
    let mut bench = Bench::open().await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let largest = vec![0xa5; 60_000];
    for payload in [&b"OPTIONS\r\n\r\n"[..], b"", &largest] {
        peer.send_to(payload, bench.udp).await.unwrap();
        let Arrival::Datagram { flow, payload: got } = bench.arrival().await else { panic!("a datagram") };
        assert_eq!(flow, Flow::new(Transport::Udp, bench.udp, peer.local_addr().unwrap()));
        assert_eq!(got, payload);
    }
    let flow = Flow::new(Transport::Udp, bench.udp, peer.local_addr().unwrap());
    bench.wire.transmit(flow, b"200".to_vec(), None);
    let mut buffer = [0; 64];
    let (size, from) = timeout(SOON, peer.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!((&buffer[..size], from), (&b"200"[..], bench.udp), "from the address that it was sent to");
}

#[tokio::test]
async fn what_cannot_leave_as_a_datagram_is_told_and_the_socket_goes_on() {
    let mut bench = Bench::open().await;
    let v6 = Flow::new(Transport::Udp, bench.udp, "[::1]:5060".parse().unwrap());
    bench.wire.transmit(v6, b"x".to_vec(), None);
    let Arrival::TransmitFailed { flow, .. } = bench.arrival().await else {
        panic!("no IPv6 socket is open")
    };
    assert_eq!(flow, v6);
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let too_long = Flow::new(Transport::Udp, bench.udp, peer.local_addr().unwrap());
    bench.wire.transmit(too_long, vec![0; 70_000], None);
    let Arrival::TransmitFailed { flow, .. } = bench.arrival().await else {
        panic!("no datagram is that long")
    };
    assert_eq!(flow, too_long);
    bench.wire.transmit(too_long, b"short".to_vec(), None);
    let mut buffer = [0; 64];
    let (size, _) = timeout(SOON, peer.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer[..size], b"short");
}

#[tokio::test]
async fn a_peers_stream_is_opened_read_answered_and_closed() {
    let mut bench = Bench::open().await;
    let mut peer = TcpStream::connect(bench.tcp).await.unwrap();
    let address = peer.local_addr().unwrap();
    let Arrival::StreamOpened { flow, .. } = bench.arrival().await else { panic!("it opens") };
    assert_eq!(flow, bench.tcp_flow(address));
    let long = vec![0x5a; 100_000];
    peer.write_all(&long).await.unwrap();
    assert_eq!(bench.stream_bytes(address, long.len()).await, long);

    bench.wire.transmit(flow, b"first".to_vec(), None);
    bench.wire.transmit(flow, b"second".to_vec(), None);
    let mut answer = [0; 11];
    timeout(SOON, peer.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"firstsecond", "along the same stream, in order");
    drop(peer);
    let Arrival::StreamClosed { flow: closed, .. } = bench.arrival().await else { panic!("it closes") };
    assert_eq!(closed, flow);

    let mut peer = TcpStream::connect(bench.tcp).await.unwrap();
    let Arrival::StreamOpened { flow, .. } = bench.arrival().await else { panic!("it opens") };
    bench.wire.close_stream(flow);
    let ended = timeout(SOON, peer.read(&mut answer)).await.expect("the peer is told");
    assert_eq!(ended.unwrap(), 0, "closed from this end");
    assert!(matches!(bench.arrival().await, Arrival::StreamClosed { flow: closed, .. } if closed == flow));
}

#[tokio::test]
async fn our_stream_is_opened_once_used_again_and_opened_anew_after_its_end() {
    let mut bench = Bench::open().await;
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = bench.tcp_flow(peer.local_addr().unwrap());
    bench.wire.transmit(flow, b"one ".to_vec(), None);
    bench.wire.transmit(flow, b"two".to_vec(), None);
    let (mut stream, _) = timeout(SOON, peer.accept()).await.unwrap().unwrap();
    let mut heard = [0; 7];
    timeout(SOON, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"one two", "both over one stream");
    assert!(matches!(bench.arrival().await, Arrival::StreamOpened { flow: opened, .. } if opened == flow));
    stream.write_all(b"back").await.unwrap();
    assert_eq!(bench.stream_bytes(flow.remote, 4).await, b"back", "known by the address that was called");
    let second = timeout(Duration::from_millis(100), peer.accept()).await;
    assert!(second.is_err(), "no other stream was opened");

    drop(stream);
    assert!(matches!(bench.arrival().await, Arrival::StreamClosed { flow: closed, .. } if closed == flow));
    bench.wire.transmit(flow, b"three".to_vec(), None);
    let (mut stream, _) = timeout(SOON, peer.accept()).await.unwrap().unwrap();
    let mut heard = [0; 5];
    timeout(SOON, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"three", "the message that found the stream gone is not lost");
}

#[tokio::test]
async fn a_peer_that_refuses_is_told_at_once() {
    let mut bench = Bench::open().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let flow = bench.tcp_flow(nobody);
    bench.wire.transmit(flow, b"hello".to_vec(), None);
    assert!(matches!(bench.arrival().await, Arrival::TransmitFailed { flow: failed, .. } if failed == flow));
}

#[tokio::test]
async fn a_stream_that_meets_itself_counts_as_refused() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let itself = socket.local_addr().unwrap();
    let stream = socket.connect(itself).await.expect("the system connects it with itself");
    let refused = super::streams::other_end(stream).expect_err("nobody is there");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    super::streams::other_end(stream).expect("another end");
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_a_bounded_queue_and_delays_nobody() {
    let mut bench = Bench::open().await;
    let slow = TcpStream::connect(bench.tcp).await.unwrap();
    let Arrival::StreamOpened { flow: stuck, .. } = bench.arrival().await else { panic!("it opens") };
    let (begun, mut sent) = (tokio::time::Instant::now(), 0);
    let failed = loop {
        bench.wire.transmit(stuck, vec![b'x'; 60_000], None);
        sent += 1;
        tokio::task::yield_now().await;
        match bench.arrivals.try_recv() {
            Ok(Arrival::TransmitFailed { flow, .. }) => break flow,
            Ok(other) => panic!("nothing else may happen: {other:?}"),
            Err(_) => assert!(sent < 10_000, "the queue has a bound"),
        }
    };
    assert_eq!(failed, stuck);
    assert!(begun.elapsed() < WRITE_WITHIN, "a full queue is told before the stream is given up");
    assert!(sent > STREAM_QUEUE, "a slow peer has the whole queue: {sent}");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    bench.wire.transmit(
        Flow::new(Transport::Udp, bench.udp, peer.local_addr().unwrap()),
        b"x".to_vec(),
        None,
    );
    let mut buffer = [0; 8];
    timeout(SOON, peer.recv_from(&mut buffer)).await.expect("others are served").unwrap();
    drop(slow);
}

#[tokio::test]
async fn more_streams_than_there_are_places_wait_until_one_is_free() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, mut arrivals) = mpsc::channel(64);
    tokio::spawn(streams::accept(listener, address, Door::Plain, arrived, 2));
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(TcpStream::connect(address).await.unwrap());
    }
    let mut senders = Vec::new();
    for _ in 0..2 {
        let opened = timeout(SOON, arrivals.recv()).await.unwrap();
        let Some(Arrival::StreamOpened { sender, .. }) = opened else { panic!("two are taken: {opened:?}") };
        senders.push(sender);
    }
    let third = timeout(Duration::from_millis(200), arrivals.recv()).await;
    assert!(third.is_err(), "the third waits: {third:?}");
    drop(peers.remove(0));
    assert!(matches!(timeout(SOON, arrivals.recv()).await, Ok(Some(Arrival::StreamClosed { .. }))));
    let third = timeout(SOON, arrivals.recv()).await.expect("its turn has come");
    assert!(matches!(third, Some(Arrival::StreamOpened { .. })), "{third:?}");
}

#[tokio::test]
async fn the_system_knows_the_address_of_this_machine_and_none_of_a_name_that_is_not() {
    let names = Names::load(&Config::default()).expect("no server is named");
    let addresses = |answer: Answer| match answer.records {
        Records::Addresses(addresses) => addresses,
        other => panic!("{other:?}"),
    };
    let found = addresses(names.ask(&Question::Addresses("localhost".to_owned())).await);
    assert!(found.iter().any(IpAddr::is_loopback), "{found:?}");
    // RFC 6761 section 6.4: no name below .invalid exists.
    let found = addresses(names.ask(&Question::Addresses("pbx.invalid".to_owned())).await);
    assert_eq!(found, Vec::<IpAddr>::new());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
    let address = taken.local_addr().unwrap();
    let (arrived, _arrivals) = mpsc::channel(1);
    let (named, error) =
        Wire::open(&[(ListenTransport::Udp, address)], &nothing_secured(), arrived).await.unwrap_err();
    assert_eq!((named, error.kind()), (address, io::ErrorKind::AddrInUse));
}

#[test]
fn a_peer_is_never_told_an_unspecified_address() {
    let told = told_address(SocketAddr::from(([0, 0, 0, 0], 5060))).unwrap();
    assert!(!told.ip().is_unspecified() && told.port() == 5060, "{told}");
    let bound = SocketAddr::from(([127, 0, 0, 7], 5062));
    assert_eq!(told_address(bound).unwrap(), bound, "one that was chosen stays");
}
