//! How well a leg is heard, both ways, from its beginning on, in its worst ten seconds, and right now.

use std::time::Instant;

use crate::codec::AudioCodec;
use crate::emodel::{PathMeasure, mos};
use crate::reception::{Heard, WINDOW_PACKETS_MIN};
use crate::reporting::RoundTrip;

/// Below this a window is bad: nearly all users are dissatisfied (G.109, `R` < 60).
pub const BAD_BELOW: f64 = 3.1;
/// From this on a window is good again (G.109, `R` from 70 on).
pub const GOOD_FROM: f64 = 3.6;
/// Good windows that follow each other until a direction is good again.
const GOOD_WINDOWS: u8 = 2;
/// What a phone waits until it plays a packet, at least: one packet of 20 ms, and the one that is being spoken.
const PLAYOUT_MIN_MS: f64 = 20.0;
const PACKET_MS: f64 = 20.0;

/// A stretch of a talk in one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowQuality {
    /// When it began.
    pub began: Instant,
    /// The share of packets that were lost, 0 to 1.
    pub loss: f64,
    /// Mean jitter in ms.
    pub jitter_ms: f64,
    /// Mean opinion score by the E-model.
    pub mos: f64,
}

/// How a direction stands now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// Nothing is wrong, or nothing is known.
    Well,
    /// It is bad since a window that was, and `good` windows were good since.
    Bad {
        /// The last window that was bad.
        window: WindowQuality,
        /// Good ones since.
        good: u8,
    },
}

/// One direction of a leg from its beginning on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathQuality {
    /// What was heard; loss and jitter.
    pub heard: HeardFigures,
    /// Mean opinion score of the whole.
    pub mos: f64,
    /// The worst window.
    pub worst: Option<WindowQuality>,
    /// How it stands now.
    pub standing: Standing,
}

/// What was counted in one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeardFigures {
    /// Packets that came.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Their share, 0 to 1.
    pub loss: f64,
    /// How much longer losses are together than by chance.
    pub burst_ratio: f64,
    /// Bursts of losses.
    pub bursts: u64,
    /// The longest of them in packets.
    pub burst_longest: u64,
    /// Mean jitter in ms.
    pub jitter_ms: f64,
    /// Largest jitter in ms.
    pub jitter_max_ms: f64,
}

impl From<Heard> for HeardFigures {
    fn from(heard: Heard) -> Self {
        let Heard { pattern, jitter_ms, jitter_max_ms } = heard;
        Self {
            received: pattern.received,
            lost: pattern.lost,
            loss: pattern.loss(),
            burst_ratio: pattern.burst_ratio(),
            bursts: pattern.bursts(),
            burst_longest: pattern.burst_longest(),
            jitter_ms,
            jitter_max_ms,
        }
    }
}

/// A leg as it was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegQuality {
    /// What its party sent last.
    pub codec: Option<AudioCodec>,
    /// What came from its party; `None` when nothing did.
    pub received: Option<PathQuality>,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came behind later ones.
    pub reordered: u64,
    /// Packets that came too late to be played; they are among the lost.
    pub late: u64,
    /// What its party heard, by its reports; `None` when it made none.
    pub sent: Option<PathQuality>,
    /// The way to the party and back.
    pub round_trip: Option<RoundTrip>,
}

/// The windows of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    worst: Option<WindowQuality>,
    standing: Standing,
}

impl Default for Course {
    fn default() -> Self {
        Self { worst: None, standing: Standing::Well }
    }
}

impl Course {
    /// Takes a window that is over; tells whether the direction has turned bad, or good again.
    pub(crate) fn note(&mut self, began: Instant, heard: &Heard, way: Way) -> bool {
        let Some(window) = window_of(began, heard, way) else { return false };
        self.worst = worse(self.worst, window);
        let before = self.standing;
        self.standing = match before {
            _ if window.mos < BAD_BELOW => Standing::Bad { window, good: 0 },
            Standing::Well => Standing::Well,
            Standing::Bad { window: bad, .. } if window.mos < GOOD_FROM => {
                Standing::Bad { window: bad, good: 0 }
            }
            Standing::Bad { good, .. } if good + 1 >= GOOD_WINDOWS => Standing::Well,
            Standing::Bad { window: bad, good } => Standing::Bad { window: bad, good: good + 1 },
        };
        matches!(before, Standing::Bad { .. }) != self.is_bad()
    }

    /// Forgets how it stands: nothing is heard for now, because somebody holds.
    pub(crate) fn pause(&mut self) {
        self.standing = Standing::Well;
    }

    /// Tells whether the direction is bad now.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.standing, Standing::Bad { .. })
    }

    /// Says how the direction was, with a window that is not over yet.
    pub(crate) fn quality(&self, whole: &Heard, last: Option<(Instant, Heard)>, way: Way) -> PathQuality {
        let last = last.and_then(|(began, heard)| window_of(began, &heard, way));
        let worst = last.map_or(self.worst, |last| worse(self.worst, last));
        PathQuality { heard: (*whole).into(), mos: score(whole, way), worst, standing: self.standing }
    }
}

/// What is known of a way beside what is heard over it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) codec: AudioCodec,
    pub(crate) round_trip: Option<RoundTrip>,
}

fn worse(known: Option<WindowQuality>, window: WindowQuality) -> Option<WindowQuality> {
    Some(known.filter(|known| known.mos <= window.mos).unwrap_or(window))
}

fn window_of(began: Instant, heard: &Heard, way: Way) -> Option<WindowQuality> {
    let enough = heard.pattern.expected() >= WINDOW_PACKETS_MIN;
    let (loss, jitter_ms) = (heard.pattern.loss(), heard.jitter_ms);
    enough.then(|| WindowQuality { began, loss, jitter_ms, mos: score(heard, way) })
}

/// A phone is taken to wait twice the jitter until it plays; the way is half of the way to and fro, and where nobody has
/// told that, it is taken to be none.
fn score(heard: &Heard, way: Way) -> f64 {
    let network_ms = way.round_trip.map_or(0.0, |round| round.mean_ms / 2.0);
    let delay_ms = network_ms + PACKET_MS + (2.0 * heard.jitter_ms).max(PLAYOUT_MIN_MS);
    let (loss, burst_ratio) = (heard.pattern.loss(), heard.pattern.burst_ratio());
    mos(PathMeasure { codec: way.codec, loss, burst_ratio, delay_ms })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pattern::LossPattern;

    const WAY: Way = Way { codec: AudioCodec::Pcma, round_trip: None };

    fn heard(received: u64, lost: u64) -> Heard {
        let pattern = LossPattern::counted(received, lost);
        Heard { pattern, jitter_ms: 1.0, jitter_max_ms: 2.0 }
    }

    fn turns(windows: &[(u64, u64)]) -> Vec<usize> {
        let mut course = Course::default();
        let noted =
            windows.iter().map(|(received, lost)| course.note(Instant::now(), &heard(*received, *lost), WAY));
        noted.enumerate().filter(|(_, turned)| *turned).map(|(at, _)| at).collect()
    }

    #[test]
    fn a_direction_turns_bad_at_once_and_good_after_two_good_windows() {
        let (good, bad, between) = ((500, 0), (400, 100), (455, 45));
        assert_eq!(turns(&[good, bad, good, good, good]), [1, 3]);
        assert_eq!(turns(&[bad, good, bad, good, bad]), [0], "it does not flicker");
        assert_eq!(turns(&[bad, between, between, good, good]), [0, 4], "fair is not good again");
        assert_eq!(turns(&[between, between]), Vec::<usize>::new(), "and not bad either");
        assert_eq!(turns(&[(10, 30)]), Vec::<usize>::new(), "too little to say anything");
    }

    #[test]
    fn the_worst_window_stays_and_the_one_under_way_counts() {
        let (mut course, began) = (Course::default(), Instant::now());
        course.note(began, &heard(450, 50), WAY);
        let later = began + Duration::from_secs(10);
        course.note(later, &heard(490, 10), WAY);
        let quality = course.quality(&heard(940, 60), None, WAY);
        assert_eq!(quality.worst.map(|window| window.began), Some(began));
        let quality = course.quality(&heard(940, 160), Some((later, heard(0, 100))), WAY);
        assert_eq!(quality.worst.map(|window| (window.began, window.loss)), Some((later, 1.0)));
    }

    #[test]
    fn a_clean_short_way_is_above_4_3_and_a_long_one_is_not() {
        assert!(score(&heard(500, 0), WAY) > 4.3);
        let round_trip = Some(RoundTrip { mean_ms: 700.0, max_ms: 700.0 });
        assert!(score(&heard(500, 0), Way { round_trip, ..WAY }) < 3.6);
    }
}
