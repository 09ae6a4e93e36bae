//! Loopback addresses and ports that no other test is using.
//!
//! Each peer gets an address of its own in 127.64.0.0/10, made from the process id and a counter, so that parallel
//! test processes never meet. Ports stay below 32768, where the ephemeral range begins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

const PORT_MIN: u16 = 10_000;
const PORT_MAX: u16 = 32_760;

static PEERS: AtomicU32 = AtomicU32::new(1);
static PORTS: AtomicU32 = AtomicU32::new(0);

/// Gives an address that no other peer of this machine's tests has.
pub(crate) fn own_address() -> Ipv4Addr {
    let peer = PEERS.fetch_add(1, Ordering::Relaxed);
    assert!(peer < 255, "one test process starts fewer than 255 peers");
    address_of(u8::try_from(peer).expect("below 255"))
}

/// Every address that a peer of this test may have or get.
pub(crate) fn own_addresses() -> impl Iterator<Item = Ipv4Addr> {
    (1..255).map(address_of)
}

fn address_of(peer: u8) -> Ipv4Addr {
    if super::nat::is_built() {
        return Ipv4Addr::new(198, 51, 100, 2 + peer);
    }
    let [_, _, high, low] = (std::process::id() % 0x4000).to_be_bytes();
    Ipv4Addr::new(127, 64 | high, low, peer)
}

/// Finds a port that is free for UDP and for TCP at `ip`.
pub(crate) fn free_port(ip: impl Into<IpAddr>) -> u16 {
    free_ports(ip, 1)
}

/// Finds the first of `count` neighbouring ports, all free for UDP and TCP at `ip`; the first is even.
pub(crate) fn free_ports(ip: impl Into<IpAddr>, count: u16) -> u16 {
    let ip = ip.into();
    let room = u32::from((PORT_MAX - PORT_MIN - count) / 2);
    for _ in 0..500 {
        let turn = PORTS.fetch_add(1, Ordering::Relaxed).wrapping_mul(2_654_435_761) ^ std::process::id();
        let first = PORT_MIN + 2 * u16::try_from(turn % room).expect("below the range");
        if (first..first + count).all(|port| is_free(ip, port)) {
            return first;
        }
    }
    panic!("no {count} free ports at {ip}");
}

fn is_free(ip: IpAddr, port: u16) -> bool {
    UdpSocket::bind((ip, port)).is_ok() && TcpListener::bind((ip, port)).is_ok()
}

/// Gives the address from which a peer speaks to `other`: of its own where there are many, `::1` where it is IPv6.
pub(crate) fn address_towards(other: SocketAddr) -> IpAddr {
    if other.is_ipv4() { own_address().into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// Gives how a session description names the kind of an address (RFC 8866 section 5.7).
pub(crate) fn kind_of(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

/// Binds a UDP socket at `ip` on a free even port.
pub(crate) fn udp_socket(ip: impl Into<IpAddr>) -> UdpSocket {
    let ip = ip.into();
    (0..50).find_map(|_| UdpSocket::bind((ip, free_ports(ip, 2))).ok()).expect("a free UDP port")
}

/// The IPv4 address of a socket address.
pub(crate) fn ipv4(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip} is not an IPv4 address"),
    }
}
