//! The null sink: takes everything, counts it, and says how much it was. What the load is proved against.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::process::Pinned;

/// Asks for the count.
const QUESTION: &[u8] = b"how many?";

/// A running sink.
pub struct Sink {
    _process: Pinned,
    /// Where it takes everything.
    pub address: SocketAddr,
}

impl Sink {
    /// Starts this program as a sink.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, log: &Path) -> Result<Self> {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        command.args(["null-sink", &address.to_string()]);
        let process = Pinned::start(&command, log)?;
        std::thread::sleep(Duration::from_millis(300));
        Ok(Self { _process: process, address })
    }

    /// How many packets have come.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn count(&self) -> Result<usize> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send_to(QUESTION, self.address)?;
        let mut buffer = [0; 64];
        let len = socket.recv(&mut buffer).context("the sink is silent")?;
        Ok(std::str::from_utf8(buffer.get(..len).unwrap_or_default())?.parse()?)
    }
}

/// What the sink's process does.
///
/// # Errors
/// When the system fails.
pub fn run(address: SocketAddr) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.bind(&address.into())?;
    let socket: UdpSocket = socket.into();
    let (mut buffer, mut count) = ([0; 2_048], 0_usize);
    loop {
        let (len, from) = socket.recv_from(&mut buffer)?;
        if buffer.get(..len) == Some(QUESTION) {
            socket.send_to(count.to_string().as_bytes(), from)?;
        } else {
            count += 1;
        }
    }
}
