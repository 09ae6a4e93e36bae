//! How losses lie: how many, how long in a row, and in which bursts (RFC 3611 section 4.7.2, G.107 clause 7.5).

/// Packets in a row that have to come for a burst to be over (RFC 3611, `Gmin`).
const GAP_MIN: u64 = 16;

/// What came and what did not, in the order in which it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossPattern {
    /// Packets that came.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Losses in a row count once.
    runs: u64,
    /// Bursts that are over.
    bursts: u64,
    /// The longest of them, in packets.
    burst_longest: u64,
    cluster: Option<Cluster>,
    last_lost: bool,
}

/// Losses with fewer than [`GAP_MIN`] packets between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cluster {
    lost: u64,
    len: u64,
    /// Packets that came since its last loss.
    since: u64,
}

impl LossPattern {
    /// Makes the pattern of a stretch of which only the counts are known.
    #[must_use]
    pub fn counted(received: u64, lost: u64) -> Self {
        Self { received, lost, ..Self::default() }
    }

    /// Takes the next packet of the sender.
    pub fn note(&mut self, came: bool) {
        match came {
            true => self.came(),
            false => self.was_lost(),
        }
        self.last_lost = !came;
    }

    /// Adds what another part of the stream was like; a burst is never longer than a part.
    pub fn add(&mut self, other: &Self) {
        let other = other.ended();
        self.received += other.received;
        self.lost += other.lost;
        self.runs += other.runs;
        self.bursts += other.bursts;
        self.burst_longest = self.burst_longest.max(other.burst_longest);
    }

    /// Packets that were sent.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.received + self.lost
    }

    /// The share that was lost, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        share(self.lost, self.expected())
    }

    /// The mean length of losses in a row over what it would be by chance (G.107, `BurstR`), from 1 on.
    #[must_use]
    pub fn burst_ratio(&self) -> f64 {
        (share(self.lost, self.runs) * (1.0 - self.loss())).max(1.0)
    }

    /// Bursts: losses that have fewer than 16 packets between them.
    #[must_use]
    pub fn bursts(&self) -> u64 {
        self.ended().bursts
    }

    /// The longest burst, in packets from its first loss to its last.
    #[must_use]
    pub fn burst_longest(&self) -> u64 {
        self.ended().burst_longest
    }

    fn came(&mut self) {
        self.received += 1;
        if let Some(cluster) = &mut self.cluster {
            cluster.since += 1;
            if cluster.since >= GAP_MIN {
                *self = self.ended();
            }
        }
    }

    fn was_lost(&mut self) {
        self.lost += 1;
        self.runs += u64::from(!self.last_lost);
        let cluster = self.cluster.get_or_insert(Cluster { lost: 0, len: 0, since: 0 });
        *cluster = Cluster { lost: cluster.lost + 1, len: cluster.len + cluster.since + 1, since: 0 };
    }

    /// The pattern with the last burst counted; one loss alone is none.
    fn ended(mut self) -> Self {
        if let Some(cluster) = self.cluster.take().filter(|cluster| cluster.lost > 1) {
            self.bursts += 1;
            self.burst_longest = self.burst_longest.max(cluster.len);
        }
        self
    }
}

/// A part of a whole; nothing of nothing is 0.
#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1` came, `0` did not.
    fn pattern(text: &str) -> LossPattern {
        let mut pattern = LossPattern::default();
        text.chars().filter(|it| !it.is_whitespace()).for_each(|it| pattern.note(it == '1'));
        pattern
    }

    #[test]
    fn losses_in_a_row_are_one_run_and_raise_the_burst_ratio() {
        let together = pattern(&format!("{}00000{}", "1".repeat(45), "1".repeat(50)));
        assert_eq!((together.lost, together.runs, together.expected()), (5, 1, 100));
        assert!((together.burst_ratio() - 4.75).abs() < 1e-9);
        let apart = pattern(&format!("{}0", "1".repeat(19)).repeat(5));
        assert!((apart.loss() - 0.05).abs() < 1e-9);
        assert!((apart.burst_ratio() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_burst_ends_where_sixteen_packets_in_a_row_came() {
        let fifteen = pattern(&format!("0{}0{}", "1".repeat(15), "1".repeat(40)));
        assert_eq!((fifteen.bursts(), fifteen.burst_longest()), (1, 17));
        let sixteen = pattern(&format!("0{}0{}", "1".repeat(16), "1".repeat(40)));
        assert_eq!((sixteen.bursts(), sixteen.burst_longest()), (0, 0), "each loss is alone");
        assert_eq!(pattern("1100").bursts(), 1, "the one under way counts");
    }

    #[test]
    fn parts_add_up() {
        let mut whole = pattern("1011");
        whole.add(&pattern("001"));
        assert_eq!((whole.received, whole.lost, whole.runs), (4, 3, 2));
        assert_eq!(whole.burst_longest(), 2);
    }

    #[test]
    fn nothing_is_no_loss() {
        let nothing = LossPattern::default();
        assert_eq!((nothing.loss(), nothing.burst_ratio()), (0.0, 1.0));
    }
}
