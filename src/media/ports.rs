//! The RTP ports: pairs of an even port and the odd one above it (RFC 3550 section 11), lent and returned.
//!
//! Pairs are lent in random order and the longest unused first, and one that was used rests for a moment, so that a
//! caller's late packets meet nobody.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use thiserror::Error;

/// Pairs tried before giving up because other programs hold them.
const ATTEMPTS: usize = 64;

/// Why no pair of ports could be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PortError {
    /// Every pair is lent or rests: the call is to be refused (503 or 486).
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

/// A pair that nobody has, named by its even port.
#[derive(Clone, Copy, Debug)]
struct Free {
    port: u16,
    /// When its rest is over; one that was never used has none.
    rested_at: Option<Instant>,
}

/// The free pairs.
#[derive(Clone, Debug)]
pub struct PortPool {
    free: Arc<Mutex<VecDeque<Free>>>,
    pairs: usize,
    rest: Duration,
}

impl PortPool {
    /// Makes a pool of the pairs that lie wholly in `port_min..=port_max`, in an order of `seed`'s choice. A pair that
    /// comes back is lent again after `rest`.
    #[must_use]
    pub fn new(port_min: u16, port_max: u16, rest: Duration, seed: u64) -> Self {
        let mut ports: Vec<u16> = (port_min..port_max).filter(|port| port % 2 == 0).collect();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        for last in (1..ports.len()).rev() {
            let span = u64::try_from(last + 1).unwrap_or(1);
            let other = usize::try_from(rng.next_u64() % span).unwrap_or_default();
            ports.swap(last, other);
        }
        let pairs = ports.len();
        let free = ports.into_iter().map(|port| Free { port, rested_at: None }).collect();
        Self { free: Arc::new(Mutex::new(free)), pairs, rest }
    }

    /// Returns how many pairs nobody has, those that rest too.
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
            let port = self.take_rested().ok_or(PortError::Exhausted { pairs: self.pairs })?;
            match bind_pair(address, port) {
                Ok((rtp, rtcp)) => {
                    let lease = Lease { port, pool: self.clone() };
                    return Ok(LentPorts { rtp, rtcp, lease });
                }
                // Nothing was sent from here, so there is nothing to rest from.
                Err(source) => {
                    self.lock().push_back(Free { port, rested_at: None });
                    if source.kind() != io::ErrorKind::AddrInUse {
                        return Err(PortError::Socket { address, source });
                    }
                }
            }
        }
        Err(PortError::Taken)
    }

    /// Takes the pair that has been unused for the longest time, if it has rested: those behind it have not either.
    fn take_rested(&self) -> Option<u16> {
        let mut free = self.lock();
        let front = free.front()?;
        if front.rested_at.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        free.pop_front().map(|it| it.port)
    }

    // A panic while the lock is held leaves a list of ports, whole or one short: no reason to stop lending.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Free>> {
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
        let rested_at = Some(Instant::now() + self.pool.rest);
        self.pool.lock().push_back(Free { port: self.port, rested_at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_random_and_the_ports_are_even() {
        let ports = |seed| -> Vec<u16> {
            let pool = PortPool::new(20_001, 20_100, Duration::ZERO, seed);
            Vec::from_iter(pool.lock().iter().map(|it| it.port))
        };
        assert_ne!(ports(1), ports(2));
        let mut sorted = ports(1);
        sorted.sort_unstable();
        let even: Vec<u16> = (20_002..20_100).step_by(2).collect();
        assert_eq!(sorted, even);
    }

    #[test]
    fn a_pair_rests_before_the_next_call_gets_it() {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let here = IpAddr::from([127, 64 | (high & 0x3f), low, 10]);
        let pool = PortPool::new(20_000, 20_001, Duration::from_millis(200), 1);
        let first = pool.lend(here).unwrap();
        assert!(matches!(pool.lend(here), Err(PortError::Exhausted { pairs: 1 })));
        let back = Instant::now();
        drop(first);
        assert_eq!(pool.free(), 1);
        while pool.lend(here).is_err() {
            assert!(back.elapsed() < Duration::from_secs(5), "it comes back");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(back.elapsed() >= Duration::from_millis(200), "{:?}", back.elapsed());
    }
}
