//! The lock against guessed passwords: who fails is answered ever later, and then not at all for a time.
//!
//! Counted are wrong passwords for a nonce that was given to the very address (see `digest`): nobody is locked out by
//! who only writes an address of others. An account is counted for a source, as where people log in: a stranger who
//! guesses at an account locks out the stranger and never the phone at its own place. A source is an IPv4 address or
//! an IPv6 network of 64 bits. Memory is bounded, and nothing is kept of who is only challenged.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How long a failure counts, and a lock lasts.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Failures of one account from one source before both wait for the rest of the window.
const ACCOUNT_MAX: u32 = 10;

/// Failures of one source, whatever the accounts, before it waits for the rest of the window.
const SOURCE_MAX: u32 = 50;

/// So many failures are answered at once; each further one doubles the time without an answer.
const FREE: u32 = 3;

/// So many suspects are remembered; the one that has not failed for longest is forgotten.
const MAX_SUSPECTS: usize = 4_096;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Suspect {
    Source(IpAddr),
    Account(IpAddr, String),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    first: Instant,
    last: Instant,
}

/// Whether somebody is answered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Heard,
    /// Not before a while is over.
    Slowed,
    /// Not before the window is over.
    Locked,
}

/// Who has failed.
#[derive(Debug, Default)]
pub struct Guesses {
    failures: HashMap<Suspect, Failures>,
}

impl Guesses {
    /// Tells how a source stands, whatever the account.
    #[must_use]
    pub fn of_source(&self, source: IpAddr, now: Instant) -> Standing {
        // The account's own count slows; many accounts behind one NAT are not to slow each other.
        match self.count(&Suspect::Source(network(source)), now) {
            Some(failures) if failures.count >= SOURCE_MAX => Standing::Locked,
            _ => Standing::Heard,
        }
    }

    /// Tells how an account stands for a source.
    #[must_use]
    pub fn of_account(&self, source: IpAddr, username: &str, now: Instant) -> Standing {
        let Some(failures) = self.count(&Suspect::Account(network(source), username.to_owned()), now) else {
            return Standing::Heard;
        };
        if failures.count >= ACCOUNT_MAX {
            return Standing::Locked;
        }
        let doublings = failures.count.checked_sub(FREE + 1);
        let quiet = doublings.map_or(Duration::ZERO, |doublings| Duration::from_secs(1 << doublings));
        if now < failures.last + quiet { Standing::Slowed } else { Standing::Heard }
    }

    /// Counts a wrong password; gives how the account, or else the source, stands from now on.
    pub fn failed(&mut self, source: IpAddr, username: &str, now: Instant) -> Standing {
        let source = network(source);
        for suspect in [Suspect::Source(source), Suspect::Account(source, username.to_owned())] {
            let failures = self.count(&suspect, now).unwrap_or(Failures { count: 0, first: now, last: now });
            let failures = Failures { count: failures.count.saturating_add(1), last: now, ..failures };
            self.failures.insert(suspect, failures);
        }
        self.bound(now);
        match self.of_source(source, now) {
            Standing::Heard => self.of_account(source, username, now),
            standing => standing,
        }
    }

    /// Takes note of a right password: the account's count begins anew, the source's stays, since somebody with one
    /// account must not guess at others for ever.
    pub fn passed(&mut self, source: IpAddr, username: &str) {
        self.failures.remove(&Suspect::Account(network(source), username.to_owned()));
    }

    /// Counts who is remembered.
    #[must_use]
    pub fn suspects(&self) -> usize {
        self.failures.len()
    }

    fn count(&self, suspect: &Suspect, now: Instant) -> Option<Failures> {
        self.failures.get(suspect).filter(|failures| now < failures.first + WINDOW).copied()
    }

    fn bound(&mut self, now: Instant) {
        if self.failures.len() <= MAX_SUSPECTS {
            return;
        }
        self.failures.retain(|_, failures| now < failures.first + WINDOW);
        while self.failures.len() > MAX_SUSPECTS {
            let quietest = self.failures.iter().min_by_key(|(_, failures)| failures.last);
            let Some(quietest) = quietest.map(|(suspect, _)| suspect.clone()) else { return };
            self.failures.remove(&quietest);
        }
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
