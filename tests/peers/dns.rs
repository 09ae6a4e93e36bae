//! A DNS server that knows what a test tells it (RFC 1035, 2782, 3403).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::net::{own_address, udp_socket};

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;
const NO_SUCH_NAME: u8 = 3;

/// What is known: name, type and data of each record.
#[derive(Default)]
pub(crate) struct Zone(Vec<(String, u16, Vec<u8>)>);

impl Zone {
    /// A host has an address.
    pub(crate) fn host(mut self, name: &str, ip: Ipv4Addr) -> Self {
        self.0.push((name.to_owned(), A, ip.octets().to_vec()));
        self
    }

    /// A service is at a port of a host.
    pub(crate) fn service(mut self, name: &str, priority: u16, port: u16, host: &str) -> Self {
        let numbers = [priority, 1, port].map(u16::to_be_bytes).concat();
        self.0.push((name.to_owned(), SRV, [numbers, labels(host)].concat()));
        self
    }

    /// A domain prefers a service.
    pub(crate) fn prefers(mut self, name: &str, order: u16, service: &str, replacement: &str) -> Self {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        let numbers = [order, 0].map(u16::to_be_bytes).concat();
        let rest = [text("s"), text(service), text(""), labels(replacement)].concat();
        self.0.push((name.to_owned(), NAPTR, [numbers, rest].concat()));
        self
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, after) = question(query)?;
        let asked = u16::from_be_bytes([*query.get(after)?, *query.get(after + 1)?]);
        let known = self.0.iter().any(|(of, ..)| *of == name);
        let records: Vec<_> = self.0.iter().filter(|(of, kind, _)| *of == name && *kind == asked).collect();
        let code = if known { 0 } else { NO_SUCH_NAME };
        let mut answer = [query.get(..2)?, &[0x85, 0x80 | code, 0, 1]].concat();
        answer.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
        answer.extend([0; 4]);
        answer.extend(query.get(12..after + 4)?);
        for (_, kind, data) in records {
            answer.extend([0xc0, 12]);
            answer.extend([kind.to_be_bytes(), 1_u16.to_be_bytes()].concat());
            answer.extend(60_u32.to_be_bytes());
            answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

fn labels(name: &str) -> Vec<u8> {
    let parts = name.split('.').filter(|part| !part.is_empty());
    let mut bytes: Vec<u8> = parts
        .flat_map(|part| [&[u8::try_from(part.len()).expect("short")], part.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}

/// The name that is asked about, in lower case, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut parts) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((parts.join("."), at));
        }
        parts.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

/// A running server; it ends when it goes out of scope.
pub(crate) struct Dns {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    pub(crate) fn start(zone: Zone) -> Self {
        let socket = udp_socket(own_address());
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
        let address = socket.local_addr().expect("bound");
        let over = Arc::<AtomicBool>::default();
        let watched = Arc::clone(&over);
        let thread = std::thread::spawn(move || serve(&socket, &zone, &watched));
        Self { address, over, thread: Some(thread) }
    }

    /// The configuration that asks it.
    pub(crate) fn configured(&self) -> String {
        format!("dns = [\"{}\"]\n", self.address)
    }
}

fn serve(socket: &UdpSocket, zone: &Zone, over: &AtomicBool) {
    let mut query = [0; 1_500];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut query) else { continue };
        if let Some(answer) = zone.answer(&query[..length]) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
