//! The clocks that RTP timestamps count: each payload type has one (RFC 3550 section 5.1).
//!
//! G.711, G.722 and comfort noise count 8,000 ticks a second (RFC 3551 section 4.5), Opus 48,000 whatever it carries (RFC 7587
//! section 4.1), telephone events what their description says. Places on a recording's line are ticks of 8,000 always.

use crate::CLOCK_HZ;

/// The clock of a payload type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClockRate {
    /// 8,000 ticks a second.
    #[default]
    Hz8000,
    /// 48,000 ticks a second.
    Hz48000,
}

impl ClockRate {
    /// Every clock.
    pub const ALL: [Self; 2] = [Self::Hz8000, Self::Hz48000];

    /// Returns the ticks per second.
    #[must_use]
    pub fn hz(self) -> u32 {
        self.per_line_tick() * CLOCK_HZ
    }

    /// Returns the clock of so many ticks per second, if it is one of these.
    #[must_use]
    pub fn of_hz(hz: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|clock| clock.hz() == hz)
    }

    /// Returns the ticks per millisecond.
    #[must_use]
    pub fn per_ms(self) -> u32 {
        self.hz() / 1_000
    }

    /// Returns the ticks in one of a recording's line.
    #[must_use]
    pub fn per_line_tick(self) -> u32 {
        match self {
            Self::Hz8000 => 1,
            Self::Hz48000 => 6,
        }
    }

    /// Brings a span of this clock to another one, rounded down.
    #[must_use]
    pub fn convert(self, ticks: i64, to: Self) -> i64 {
        (ticks * i64::from(to.per_line_tick())).div_euclid(i64::from(self.per_line_tick()))
    }
}

/// The times of one stream told on another clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retiming {
    from: ClockRate,
    to: ClockRate,
    source: Option<Source>,
}

/// A source whose times are told anew.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    /// Its first time, which stays as it is.
    first: u32,
    /// Ticks from the first time to the newest.
    newest: i64,
}

impl Retiming {
    pub(crate) fn new(from: ClockRate, to: ClockRate) -> Self {
        Self { from, to, source: None }
    }

    /// Tells whether anything changes.
    pub(crate) fn changes(&self) -> bool {
        self.from != self.to
    }

    /// Returns the time of a packet on the other clock.
    pub(crate) fn time(&mut self, ssrc: u32, timestamp: u32) -> u32 {
        let known = self.source.filter(|source| source.ssrc == ssrc);
        let source = known.unwrap_or(Source { ssrc, first: timestamp, newest: 0 });
        let newest_time = source.first.wrapping_add(low(source.newest));
        let place = source.newest + i64::from(timestamp.wrapping_sub(newest_time).cast_signed());
        self.source = Some(Source { newest: source.newest.max(place), ..source });
        source.first.wrapping_add(low(self.from.convert(place, self.to)))
    }
}

/// The low half: times wrap.
fn low(ticks: i64) -> u32 {
    u32::try_from(ticks & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_at_the_other_clock_through_wraps_disorder_and_pauses() {
        for (from, to) in [(ClockRate::Hz48000, ClockRate::Hz8000), (ClockRate::Hz8000, ClockRate::Hz48000)] {
            let mut retiming = Retiming::new(from, to);
            let first = u32::MAX - 5_000;
            for ms in [0_u32, 20, 60, 40, 80, 5_000, 4_980, 900_000] {
                let told = retiming.time(7, first.wrapping_add(ms * from.per_ms()));
                assert_eq!(told, first.wrapping_add(ms * to.per_ms()), "{ms} ms");
            }
            assert_eq!(retiming.time(8, 55), 55, "another source begins with its own time");
            assert_eq!(retiming.time(8, 55 + 20 * from.per_ms()), 55 + 20 * to.per_ms());
        }
    }

    #[test]
    fn a_clock_is_known_by_its_rate() {
        assert!(ClockRate::ALL.into_iter().all(|clock| ClockRate::of_hz(clock.hz()) == Some(clock)));
        assert_eq!((ClockRate::Hz8000.hz(), ClockRate::Hz48000.hz()), (8_000, 48_000));
        assert_eq!(ClockRate::of_hz(16_000), None);
    }
}
