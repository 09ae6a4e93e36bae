//! Sequence numbers across their wrap, with duplicates and restarts told apart (RFC 3550 appendix A.1).

/// How far a sequence number may jump within one run; beyond it the sender has restarted.
const MAX_JUMP: i64 = 3_000;

/// How far back duplicates are recognised; older packets count as stale.
const WINDOW: i64 = 128;

/// What a sequence number means to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not seen before. `extended` does not wrap; `ahead` says it is the newest.
    Fresh {
        /// The number without wrap.
        extended: i64,
        /// It is newer than all before.
        ahead: bool,
    },
    /// Seen before.
    Duplicate,
    /// Too far behind to know.
    Stale,
    /// Too far from the last for the same run.
    Restarted,
}

/// The newest sequence number of a run and which of the 128 up to it were seen.
#[derive(Clone, Copy, Debug)]
pub struct SequenceWindow {
    highest: i64,
    seen: u128,
}

impl SequenceWindow {
    /// Starts a run at its first packet, whose extended number is the number itself plus one cycle, so that
    /// reordered predecessors stay positive.
    #[must_use]
    pub fn start(sequence: u16) -> Self {
        Self { highest: i64::from(sequence) + 0x1_0000, seen: 1 }
    }

    /// Returns the newest extended number.
    #[must_use]
    pub fn highest(&self) -> i64 {
        self.highest
    }

    /// Returns how far a number is ahead of the newest, behind it if negative.
    #[must_use]
    pub fn step_to(&self, sequence: u16) -> i64 {
        let last = u16::try_from(self.highest & 0xffff).unwrap_or_default();
        i64::from(sequence.wrapping_sub(last).cast_signed())
    }

    /// Tells whether an extended number came; of those too far back nobody knows.
    #[must_use]
    pub fn came(&self, extended: i64) -> bool {
        let back = self.highest - extended;
        (0..WINDOW).contains(&back) && self.seen & (1_u128 << back) != 0
    }

    /// Takes note of a sequence number.
    pub fn observe(&mut self, sequence: u16) -> Arrival {
        let step = self.step_to(sequence);
        if step.abs() > MAX_JUMP {
            return Arrival::Restarted;
        }
        if step > 0 {
            self.seen = if step < WINDOW { self.seen << step } else { 0 } | 1;
            self.highest += step;
            return Arrival::Fresh { extended: self.highest, ahead: true };
        }
        let back = -step;
        if back >= WINDOW {
            return Arrival::Stale;
        }
        let bit = 1_u128 << back;
        if self.seen & bit != 0 {
            return Arrival::Duplicate;
        }
        self.seen |= bit;
        Arrival::Fresh { extended: self.highest - back, ahead: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrap_is_one_step() {
        let mut window = SequenceWindow::start(65_535);
        let before = window.highest();
        assert_eq!(window.observe(0), Arrival::Fresh { extended: before + 1, ahead: true });
        assert_eq!(window.observe(65_534), Arrival::Fresh { extended: before - 1, ahead: false });
    }

    #[test]
    fn a_number_is_fresh_once() {
        let mut window = SequenceWindow::start(10);
        assert_eq!(window.observe(10), Arrival::Duplicate);
        assert!(matches!(window.observe(12), Arrival::Fresh { ahead: true, .. }));
        assert!(matches!(window.observe(11), Arrival::Fresh { ahead: false, .. }));
        assert_eq!(window.observe(11), Arrival::Duplicate);
        assert!(matches!(window.observe(400), Arrival::Fresh { ahead: true, .. }));
        assert_eq!(window.observe(12), Arrival::Stale);
    }

    #[test]
    fn a_far_jump_is_a_restart() {
        let mut window = SequenceWindow::start(10);
        assert_eq!(window.observe(20_000), Arrival::Restarted);
    }
}
