//! What counts as one listen to a recording: a player fetches one playback in many pieces.
//!
//! A request is a new listen when it begins at the first byte, or when the same user fetched nothing of the recording
//! in the last 60 s. Pieces from within that follow each other belong to the listen before them; a piece after a long
//! silence is counted again, since too many rows harm an audit less than one too few.

use std::collections::HashMap;

use linecard_calls::{RecordingId, UserId, UtcMillis};

/// How long after a request the next one is of the same listen.
const SAME_LISTEN_MS: i64 = 60_000;

/// Listens that are known at a time; past that the oldest is forgotten and would be counted again.
const KNOWN_MAX: usize = 10_000;

/// When who last fetched a piece of what.
#[derive(Debug, Default)]
pub(crate) struct Listens(HashMap<(UserId, RecordingId), UtcMillis>);

impl Listens {
    /// Notes a request for bytes from `first_byte` on and tells whether a listen begins with it.
    pub(crate) fn begins(
        &mut self,
        user: UserId,
        recording: RecordingId,
        first_byte: u64,
        now: UtcMillis,
    ) -> bool {
        let key = (user, recording);
        if self.0.len() >= KNOWN_MAX && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let before = self.0.insert(key, now);
        first_byte == 0 || !before.is_some_and(|before| is_recent(before, now))
    }

    fn make_room(&mut self, now: UtcMillis) {
        self.0.retain(|_, at| is_recent(*at, now));
        if self.0.len() >= KNOWN_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
    }
}

/// Tells whether `before` is within the time of one listen; a clock that was set back makes it a new one.
fn is_recent(before: UtcMillis, now: UtcMillis) -> bool {
    before <= now && now.since_ms(before) < SAME_LISTEN_MS
}

#[cfg(test)]
mod tests {
    use linecard_calls::IdSource;
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn at(ms: i64) -> UtcMillis {
        UtcMillis(1_760_000_000_000 + ms)
    }

    fn ids() -> IdSource {
        IdSource::new(ChaCha12Rng::seed_from_u64(5))
    }

    #[test]
    fn the_pieces_of_one_playback_are_one_listen() {
        let (mut listens, mut ids) = (Listens::default(), ids());
        let (user, recording) = (ids.make(at(0)), ids.make(at(0)));
        assert!(listens.begins(user, recording, 0, at(0)));
        for (piece, ms) in [(4_096, 10), (90_000, 40_000), (8_192, 99_000), (700, 158_999)] {
            assert!(!listens.begins(user, recording, piece, at(ms)), "byte {piece} after {ms} ms");
        }
        assert!(listens.begins(user, recording, 9_000, at(158_999 + 60_000)), "after a long silence");
        assert!(listens.begins(user, recording, 0, at(220_000)), "from the beginning");
    }

    #[test]
    fn everybody_and_every_recording_is_counted_apart() {
        let (mut listens, mut ids) = (Listens::default(), ids());
        let (maria, olga): (UserId, UserId) = (ids.make(at(0)), ids.make(at(0)));
        let (first, second): (RecordingId, RecordingId) = (ids.make(at(0)), ids.make(at(0)));
        for (user, recording) in [(maria, first), (olga, first), (maria, second), (olga, second)] {
            assert!(listens.begins(user, recording, 44, at(0)), "a piece from within is a listen too");
            assert!(!listens.begins(user, recording, 44, at(1)));
        }
        assert!(listens.begins(maria, first, 44, at(-5_000)), "a clock set back counts once more");
    }

    #[test]
    fn memory_is_bounded() {
        let (mut listens, mut ids) = (Listens::default(), ids());
        let user = ids.make(at(0));
        for ms in 0..i64::try_from(KNOWN_MAX + 100).unwrap() {
            let recording = ids.make(at(0));
            assert!(listens.begins(user, recording, 1, at(ms / 1_000)));
        }
        assert_eq!(listens.0.len(), KNOWN_MAX);
        assert!(listens.begins(user, ids.make(at(0)), 1, at(200_000)));
        assert_eq!(listens.0.len(), 1, "what is long over is forgotten");
    }
}
