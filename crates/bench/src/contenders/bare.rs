//! The bare relay: a socket a leg, read and sent on, no judgement, no recording. The floor below which no relay gets.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mio::{Events, Interest, Poll, Token};

use crate::process::Pinned;
use crate::sound::SOCKETS;

/// Datagrams read from one socket before others have their turn.
const TURN: usize = 32;

/// A running bare relay.
pub struct Bare {
    /// Its process.
    pub process: Pinned,
    legs: Vec<SocketAddr>,
}

impl Bare {
    /// Starts this program as a relay between the streams of some calls.
    ///
    /// # Errors
    /// When there are no free ports or it does not start.
    pub fn start(program: &Path, calls: usize, listeners: &[SocketAddr], log: &Path) -> Result<Self> {
        let base = free_ports(calls * 2)?;
        let list = listeners.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new(program);
        command.args(["bare-relay", &base.to_string(), &(calls * 2).to_string(), &list]);
        let process = Pinned::start(&command, log)?;
        std::thread::sleep(Duration::from_millis(500));
        let legs = (0..calls * 2)
            .filter_map(|leg| Some((Ipv4Addr::LOCALHOST, base + u16::try_from(leg).ok()?).into()));
        Ok(Self { process, legs: legs.collect() })
    }

    /// Where a stream is sent to.
    #[must_use]
    pub fn leg(&self, stream: usize) -> Option<SocketAddr> {
        self.legs.get(stream).copied()
    }
}

/// Finds as many ports in a row as are asked for, below the ephemeral range.
fn free_ports(count: usize) -> Result<u16> {
    let count = u16::try_from(count)?;
    (4_000..30_000_u16)
        .step_by(usize::from(count))
        .find(|base| {
            let bound: Vec<_> =
                (*base..base + count).map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port))).collect();
            bound.iter().all(Result::is_ok)
        })
        .context("no free ports")
}

/// What the relay's process does: legs lie at `base` and above, a call has two, and leg k's party listens at the
/// listener of its stream.
///
/// # Errors
/// When the system fails.
pub fn run(base: u16, legs: usize, listeners: &[SocketAddr]) -> Result<()> {
    ensure!(listeners.len() == SOCKETS, "{SOCKETS} listeners are expected");
    let mut poll = Poll::new()?;
    let mut sockets = HashMap::new();
    for leg in 0..legs {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, base + u16::try_from(leg)?));
        let mut socket = mio::net::UdpSocket::bind(address)?;
        poll.registry().register(&mut socket, Token(leg), Interest::READABLE)?;
        sockets.insert(leg, socket);
    }
    let mut events = Events::with_capacity(1_024);
    let mut buffer = [0_u8; 2_048];
    loop {
        poll.poll(&mut events, None)?;
        for leg in events.iter().map(|event| event.token().0) {
            let peer = leg ^ 1;
            let (Some(from), Some(to)) = (sockets.get(&leg), sockets.get(&peer)) else { continue };
            let Some(party) = listeners.get(peer % SOCKETS) else { continue };
            for _ in 0..TURN {
                let Ok(len) = from.recv(&mut buffer) else { break };
                let _ = to.send_to(buffer.get(..len).unwrap_or_default(), *party);
            }
        }
    }
}
