//! The lock against guessed passwords: who has failed too often waits, also with the right password.
//!
//! Two counts over the last 15 minutes. Ten failures for one log-in from one source lock that log-in for that source
//! alone: a stranger who guesses an agent's password locks out the stranger, never the agent at the own desk. Fifty
//! failures from one source, whatever the log-ins, lock the source, so that one password tried on many log-ins is
//! stopped too. Sessions that are open go on. A source is an IPv4 address or an IPv6 network of 64 bits, of which one
//! subscriber has all addresses.
//!
//! The verdict falls after the password was checked, in one step with the count: a thousand attempts at once learn no
//! more than ten in a row. Nothing here reads a clock or waits.

use std::net::{IpAddr, Ipv6Addr};

use linecard_calls::UtcMillis;
use linecard_store::users::login_key;
use sha2::{Digest, Sha256};

use crate::recent::Recent;

/// How long a failure counts.
const WINDOW_MS: i64 = 15 * 60_000;

/// Failures of one log-in from one source before both wait.
const LOGIN_MAX: usize = 10;

/// Failures of one source before it waits.
const SOURCE_MAX: usize = 50;

/// Somebody's attempt to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    /// A digest: whatever is sent as a log-in takes the same room.
    login: [u8; 32],
    source: IpAddr,
}

impl Attempt {
    pub(crate) fn new(login: &str, source: IpAddr) -> Self {
        let source = match source {
            IpAddr::V4(_) => source,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        };
        Self { login: Sha256::digest(login_key(login)).into(), source }
    }
}

/// What an attempt comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The password is right.
    Granted,
    /// It is wrong.
    Wrong,
    /// It is wrong, and from now on both wait.
    WrongAndLocked,
    /// Right or wrong: it is not told before this many milliseconds.
    Locked {
        /// Until the lock is over.
        wait_ms: i64,
    },
}

/// The failures that still count.
#[derive(Debug)]
pub(crate) struct Lockout {
    logins: Recent<Attempt>,
    sources: Recent<IpAddr>,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { logins: Recent::within(WINDOW_MS), sources: Recent::within(WINDOW_MS) }
    }
}

impl Lockout {
    /// Returns how long an attempt has to wait; none when it may be made.
    pub(crate) fn wait_ms(&self, attempt: &Attempt, now: UtcMillis) -> Option<i64> {
        let waits = [
            self.logins.wait_ms(attempt, LOGIN_MAX, now),
            self.sources.wait_ms(&attempt.source, SOURCE_MAX, now),
        ];
        waits.into_iter().flatten().max()
    }

    /// Counts an attempt whose password was checked, and says what it comes to.
    pub(crate) fn settle(&mut self, attempt: &Attempt, is_right: bool, now: UtcMillis) -> Verdict {
        if let Some(wait_ms) = self.wait_ms(attempt, now) {
            return Verdict::Locked { wait_ms };
        }
        if is_right {
            // The source's count stays: somebody with one account must not guess at others for ever.
            self.logins.forget(attempt);
            return Verdict::Granted;
        }
        self.logins.add(*attempt, now);
        self.sources.add(attempt.source, now);
        match self.wait_ms(attempt, now) {
            Some(_) => Verdict::WrongAndLocked,
            None => Verdict::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "192.0.2.1";
    const ELSEWHERE: &str = "203.0.113.7";

    fn at(ms: i64) -> UtcMillis {
        UtcMillis(1_760_000_000_000 + ms)
    }

    fn attempt(login: &str, source: &str) -> Attempt {
        Attempt::new(login, source.parse().unwrap())
    }

    fn fail(lockout: &mut Lockout, who: &Attempt, times: usize, now: UtcMillis) -> Verdict {
        (0..times).map(|_| lockout.settle(who, false, now)).last().unwrap()
    }

    #[test]
    fn ten_failures_lock_a_log_in_for_their_source_alone() {
        let mut lockout = Lockout::default();
        let (stranger, maria) = (attempt("maria", ELSEWHERE), attempt("maria", HOME));
        assert_eq!(fail(&mut lockout, &stranger, 9, at(0)), Verdict::Wrong);
        assert_eq!(lockout.wait_ms(&stranger, at(0)), None);
        assert_eq!(fail(&mut lockout, &stranger, 1, at(1_000)), Verdict::WrongAndLocked);
        assert_eq!(
            lockout.settle(&stranger, true, at(2_000)),
            Verdict::Locked { wait_ms: WINDOW_MS - 2_000 }
        );
        assert_eq!(lockout.settle(&maria, true, at(2_000)), Verdict::Granted, "the agent's own desk");
        assert_eq!(lockout.settle(&attempt("olga", ELSEWHERE), true, at(2_000)), Verdict::Granted);
    }

    #[test]
    fn a_log_in_is_the_same_however_it_is_written() {
        let mut lockout = Lockout::default();
        for spelling in ["maria", "MARIA", " Maria "].iter().cycle().take(10) {
            lockout.settle(&attempt(spelling, HOME), false, at(0));
        }
        assert!(lockout.wait_ms(&attempt("mAria", HOME), at(0)).is_some());
    }

    #[test]
    fn the_lock_is_over_with_the_window_and_attempts_do_not_prolong_it() {
        let mut lockout = Lockout::default();
        let who = attempt("maria", HOME);
        fail(&mut lockout, &who, 10, at(0));
        for ms in (1..15).map(|minute| minute * 60_000) {
            assert_eq!(lockout.settle(&who, false, at(ms)), Verdict::Locked { wait_ms: WINDOW_MS - ms });
        }
        assert_eq!(lockout.wait_ms(&who, at(WINDOW_MS - 1)), Some(1));
        assert_eq!(lockout.settle(&who, true, at(WINDOW_MS)), Verdict::Granted);
    }

    #[test]
    fn never_more_than_ten_guesses_in_any_fifteen_minutes() {
        let mut lockout = Lockout::default();
        let who = attempt("maria", HOME);
        let mut guesses: Vec<i64> = Vec::new();
        for ms in (0..8 * WINDOW_MS).step_by(7_000) {
            if !matches!(lockout.settle(&who, false, at(ms)), Verdict::Locked { .. }) {
                guesses.push(ms);
            }
        }
        assert!(guesses.len() >= 70, "it goes on after each window: {}", guesses.len());
        for eleven in guesses.windows(11) {
            assert!(eleven[10] - eleven[0] >= WINDOW_MS, "{eleven:?}");
        }
    }

    #[test]
    fn a_right_password_forgives_the_log_in_but_not_the_source() {
        let mut lockout = Lockout::default();
        let own = attempt("own", ELSEWHERE);
        for victim in 0..5 {
            fail(&mut lockout, &attempt(&format!("victim{victim}"), ELSEWHERE), 9, at(0));
            assert_eq!(lockout.settle(&own, true, at(0)), Verdict::Granted);
        }
        assert_eq!(fail(&mut lockout, &own, 5, at(0)), Verdict::WrongAndLocked, "fifty from one source");
        assert!(matches!(lockout.settle(&own, true, at(0)), Verdict::Locked { .. }));
        assert!(lockout.wait_ms(&attempt("victim0", HOME), at(0)).is_none());
        let mut lockout = Lockout::default();
        fail(&mut lockout, &own, 9, at(0));
        lockout.settle(&own, true, at(0));
        assert_eq!(fail(&mut lockout, &own, 9, at(0)), Verdict::Wrong, "the count began anew");
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_source() {
        let mut lockout = Lockout::default();
        for host in 1..=10 {
            lockout.settle(&attempt("maria", &format!("2001:db8::{host}")), false, at(0));
        }
        assert!(lockout.wait_ms(&attempt("maria", "2001:db8::ffff:1"), at(0)).is_some());
        assert!(lockout.wait_ms(&attempt("maria", "2001:db8:0:1::1"), at(0)).is_none());
    }

    #[test]
    fn a_clock_that_is_set_back_or_forward_locks_nobody_for_longer() {
        let hour = 3_600_000;
        let mut lockout = Lockout::default();
        let who = attempt("maria", HOME);
        fail(&mut lockout, &who, 10, at(hour));
        assert_eq!(lockout.wait_ms(&who, at(0)), None, "set back");
        assert_eq!(lockout.wait_ms(&who, at(2 * hour)), None, "set forward");
    }
}
