//! The RTP ports: pairs of an even port and the odd one above it (RFC 3550 section 11), lent and returned.
//!
//! Pairs are lent in random order and the longest unused first, so that a caller's late packets meet nobody.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use thiserror::Error;

/// Pairs tried before giving up because other programs hold them.
const ATTEMPTS: usize = 64;

/// Why no pair of ports could be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PortError {
    /// Every pair is lent: the call is to be refused (503 or 486).
    #[error("all {pairs} pairs of RTP ports are in use: raise media.port_max or lower media.port_min")]
    Exhausted {
        /// Pairs in the range.
        pairs: usize,
    },
    /// The free pairs tried are held by other programs.
    #[error("RTP ports are taken by other programs: choose another media.port_min and media.port_max")]
    Taken,
    /// The system gives no socket: no such local address, or no file descriptors left.
    #[error("no RTP socket on {address}: {source}")]
    Socket {
        /// The local address asked for.
        address: IpAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The free pairs, named by their even port.
#[derive(Clone, Debug)]
pub struct PortPool {
    free: Arc<Mutex<VecDeque<u16>>>,
    pairs: usize,
}

impl PortPool {
    /// Makes a pool of the pairs that lie wholly in `port_min..=port_max`, in an order of `seed`'s choice.
    #[must_use]
    pub fn new(port_min: u16, port_max: u16, seed: u64) -> Self {
        let mut ports: Vec<u16> = (port_min..port_max).filter(|port| port % 2 == 0).collect();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        for last in (1..ports.len()).rev() {
            let span = u64::try_from(last + 1).unwrap_or(1);
            let other = usize::try_from(rng.next_u64() % span).unwrap_or_default();
            ports.swap(last, other);
        }
        let pairs = ports.len();
        Self { free: Arc::new(Mutex::new(ports.into())), pairs }
    }

    /// Returns how many pairs are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.lock().len()
    }

    /// Lends a pair, bound to `address` and ready for non-blocking use.
    ///
    /// # Errors
    /// [`PortError`]; nothing stays lent then.
    pub fn lend(&self, address: IpAddr) -> Result<LentPorts, PortError> {
        for _ in 0..ATTEMPTS.min(self.pairs.max(1)) {
            let Some(port) = self.lock().pop_front() else {
                return Err(PortError::Exhausted { pairs: self.pairs });
            };
            let lease = Lease { port, pool: self.clone() };
            match bind_pair(address, port) {
                Ok((rtp, rtcp)) => return Ok(LentPorts { rtp, rtcp, lease }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => drop(lease),
                Err(source) => return Err(PortError::Socket { address, source }),
            }
        }
        Err(PortError::Taken)
    }

    // A panic while the lock is held leaves a list of ports, whole or one short: no reason to stop lending.
    fn lock(&self) -> MutexGuard<'_, VecDeque<u16>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let bind = |port| {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket)
    };
    Ok((bind(port)?, bind(port.saturating_add(1))?))
}

/// A pair of bound sockets. The ports return to the pool when the lease is dropped.
#[derive(Debug)]
pub struct LentPorts {
    /// The even port.
    pub rtp: UdpSocket,
    /// The odd port.
    pub rtcp: UdpSocket,
    /// Keeps the pair lent; to be dropped after the sockets.
    pub lease: Lease,
}

/// A pair on loan.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    pool: PortPool,
}

impl Lease {
    /// Returns the even port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.lock().push_back(self.port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_random_and_the_ports_are_even() {
        let ports =
            |seed| -> Vec<u16> { PortPool::new(20_001, 20_100, seed).lock().iter().copied().collect() };
        assert_ne!(ports(1), ports(2));
        let mut sorted = ports(1);
        sorted.sort_unstable();
        let even: Vec<u16> = (20_002..20_100).step_by(2).collect();
        assert_eq!(sorted, even);
    }
}
