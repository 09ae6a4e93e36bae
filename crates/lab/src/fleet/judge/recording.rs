//! What is in the recordings: as long as the talk, and in each channel who spoke there, one after the other.

use std::time::Instant;

use super::{Judge, between, held, in_words, off_by, talked};
use crate::fleet::observed::Found;
use crate::fleet::scorecard::Verdict;
use crate::fleet::sound::{Channel, Listening, tone_hz};
use crate::fleet::talk::{Hold, Side, Turn};
use crate::fleet::truth::Deeds;

/// As much may be strange at the edges of a tone, in ms.
const STRANGE_MS: u64 = 40;

/// Somebody speaks without a pause.
#[derive(Debug, Clone, Copy)]
struct Spell {
    tone_hz: u32,
    from: Instant,
    until: Instant,
}

impl Spell {
    fn length_ms(&self) -> u64 {
        between(self.from, self.until)
    }

    /// What is left of it around a time in which nothing is said.
    fn around(self, silent: Option<(Instant, Instant)>) -> Vec<Self> {
        let Some((from, until)) = silent else { return vec![self] };
        let parts =
            [Self { until: self.until.min(from), ..self }, Self { from: self.from.max(until), ..self }];
        parts.into_iter().filter(|part| part.from < part.until).collect()
    }
}

impl Judge<'_> {
    /// A talk has one recording, with all of both ends.
    pub(super) fn recording(&mut self, call: usize, found: &Found) {
        let talked = self.expected(call).is_some_and(|expected| expected.outcome == "answered");
        let talked = talked && self.is_carried(call);
        let Some(deeds) = self.deeds.get(&call) else { return };
        let ids = &found.recording_ids;
        match (talked, ids.as_slice()) {
            (false, []) => return,
            (true, [_]) => {}
            (true, []) => {
                let expected = "a recording".to_owned();
                return self.find(Verdict::RecordingMissing, call, Some(found), expected, "none".to_owned());
            }
            (_, ids) => {
                let (expected, seen) = (format!("{} recordings", u8::from(talked)), ids.len().to_string());
                return self.find(Verdict::RecordingShort, call, Some(found), expected, seen);
            }
        }
        let Some((recording, sound)) = ids.first().and_then(|id| self.observed.recordings.get(id)) else {
            let seen = "an id that leads to nothing".to_owned();
            return self.find(Verdict::RecordingMissing, call, Some(found), "a recording".to_owned(), seen);
        };
        if recording.state != "finished" {
            let (expected, seen) = ("state finished".to_owned(), format!("state {}", recording.state));
            return self.find(Verdict::RecordingShort, call, Some(found), expected, seen);
        }
        let Some(sound) = sound else {
            let (expected, seen) = ("a WAV".to_owned(), "no WAV that can be read".to_owned());
            return self.find(Verdict::RecordingMissing, call, Some(found), expected, seen);
        };
        let short = self.heard(call, deeds, sound);
        if short.is_empty() {
            self.card.recordings_complete += 1;
        } else if self.observed.spoke_late.contains(&call) {
            // The fleet's own sound did not leave in time: what is missing is no fault of the server's.
            self.card.recordings_unjudged += 1;
            return;
        }
        for (expected, seen) in short {
            self.find(Verdict::RecordingShort, call, Some(found), expected, seen);
        }
    }

    /// What is not as it has to be in a recording.
    fn heard(&self, call: usize, deeds: &Deeds, sound: &Listening) -> Vec<(String, String)> {
        let talk = self.talked(call, deeds).unwrap_or(0..=0);
        let mut short = Vec::new();
        if off_by(sound.duration_ms, &talk) > self.tolerance.edge_ms {
            short.push((format!("{} ms", in_words(&talk)), format!("{} ms", sound.duration_ms)));
        }
        let early_ms = talk.end() - talk.start() + self.let_go_late_ms(deeds);
        let sides = [("customer", Side::Customer, &sound.customer), ("agent", Side::Agent, &sound.agent)];
        for (name, side, channel) in sides {
            let spells = self.spells(call, deeds, side);
            let mut own: Vec<u32> = spells.iter().map(|spell| spell.tone_hz).collect();
            own.push(tone_hz(call, side));
            short.extend(self.turns(name, &spells, channel));
            short.extend(self.lengths(name, &spells, channel, early_ms));
            short.extend(strange(name, &own, channel, sound.duration_ms));
            let pauses = spells.iter().zip(spells.iter().skip(1));
            let pauses = pauses.map(|(one, next)| between(one.until, next.from));
            let pauses = pauses.chain(self.untold_ms(deeds)).collect();
            short.extend(self.gaps(name, pauses, channel, self.lost_ms(call, side)));
        }
        short
    }

    /// Who speaks in a channel from when to when.
    fn spells(&self, call: usize, deeds: &Deeds, side: Side) -> Vec<Spell> {
        let Some((from, until)) = talked(deeds) else { return Vec::new() };
        let whole = |side| Spell { tone_hz: tone_hz(call, side), from, until };
        let held = held(deeds);
        if side == Side::Customer {
            // Whoever holds: the customer's side is told so, or says so, and is silent. Whoever waits for the next agent is
            // heard by nobody, the recording included.
            let waits = deeds.asked().map(|asked| (asked.at, asked.taken.or(asked.back).unwrap_or(until)));
            return whole(Side::Customer).around(held.or(waits));
        }
        let Some(asked) = deeds.asked() else {
            let by_agent = matches!(self.turn(call), Turn::Hold(Hold { by: Side::Agent, .. }));
            return whole(Side::Agent).around(held.filter(|_| by_agent));
        };
        let parted = held.map_or(asked.at, |(from, _)| from.min(asked.at));
        let first = Spell { until: parted.min(until), ..whole(Side::Agent) };
        let other = asked.taken.map(|taken| Spell { from: taken.min(until), ..whole(Side::Other) });
        let again = asked.back.map(|back| Spell { from: back.min(until), ..whole(Side::Agent) });
        [Some(first), other, again].into_iter().flatten().collect()
    }

    /// One after the other is heard, in the order in which they spoke.
    fn turns(&self, name: &str, spells: &[Spell], channel: &Channel) -> Option<(String, String)> {
        let mut expected: Vec<u32> = spells.iter().map(|spell| spell.tone_hz).collect();
        let found = channel.turns(&expected);
        expected.dedup();
        // Of a talk that hardly was one nothing has to be heard.
        let nothing = found.is_empty() && expected.len() == 1;
        (found != expected && !nothing)
            .then(|| (format!("tones of {expected:?} Hz on the {name}'s side"), format!("{found:?}")))
    }

    /// Each is heard as long as it spoke; `early_ms` is how much earlier it may have begun: than the word of the answer, or than
    /// the word that lets the agent go.
    fn lengths(
        &self,
        name: &str,
        spells: &[Spell],
        channel: &Channel,
        early_ms: u64,
    ) -> Vec<(String, String)> {
        let mut tones: Vec<u32> = spells.iter().map(|spell| spell.tone_hz).collect();
        tones.sort_unstable();
        tones.dedup();
        let edge = self.tolerance.edge_ms;
        let judged = tones.into_iter().filter_map(|hz| {
            let of_it = spells.iter().filter(|spell| spell.tone_hz == hz);
            let spoken: u64 = of_it.map(Spell::length_ms).sum();
            let (right, heard) = (spoken..=spoken + early_ms, channel.heard_ms(hz));
            (off_by(heard, &right) > edge).then(|| {
                let expected = format!("{} ms of {hz} Hz on the {name}'s side", in_words(&right));
                (expected, format!("{heard} ms of it"))
            })
        });
        judged.collect()
    }

    /// As much of what is heard in a channel was lost in a row.
    fn lost_ms(&self, call: usize, side: Side) -> u64 {
        let lost = |side| self.observed.lost_ms.get(&(call, side)).copied().unwrap_or(0);
        if side == Side::Customer { lost(side) } else { lost(Side::Agent).max(lost(Side::Other)) }
    }

    /// For how long somebody may have been silent where the word that it is over was lost until the talk's end, or came behind
    /// it: of a hold, or of a handing-over that nobody took. The server knew, and both were heard again.
    fn untold_ms(&self, deeds: &Deeds) -> Option<u64> {
        let end = talked(deeds).filter(|_| self.loses())?.1;
        let asked = deeds.asked().filter(|asked| asked.is_open()).map(|asked| (asked.at, end));
        let held =
            deeds.held.map(|(from, until)| (from, until.unwrap_or(end))).filter(|(_, until)| *until >= end);
        asked.or(held).map(|(from, until)| between(from, until))
    }

    /// Nobody is silent but between what is spoken, and where the network lost it.
    fn gaps(
        &self,
        name: &str,
        mut pauses: Vec<u64>,
        channel: &Channel,
        lost_ms: u64,
    ) -> Option<(String, String)> {
        let mut gaps = channel.gaps_ms(self.tolerance.gap_ms + lost_ms);
        for lengths in [&mut pauses, &mut gaps] {
            lengths.sort_unstable_by(|one, other| other.cmp(one));
        }
        let edge = self.tolerance.edge_ms;
        let allowed = pauses.iter().map(|pause| pause + edge).chain(std::iter::repeat(0));
        let longer = gaps.iter().zip(allowed).find(|(gap, allowed)| *gap > allowed)?.0;
        let expected = match pauses.is_empty() {
            true => format!("the {name}'s side without a gap over {lost_ms} ms"),
            false => format!("no gaps on the {name}'s side but of {pauses:?} ms"),
        };
        Some((expected, format!("a gap of {longer} ms")))
    }
}

/// Nothing else is heard.
fn strange(name: &str, own: &[u32], channel: &Channel, duration_ms: u64) -> Option<(String, String)> {
    let strange = channel.strange(own);
    let length_ms: u64 = strange.iter().map(|run| run.length_ms()).sum();
    let first = strange.first().filter(|_| length_ms > STRANGE_MS)?;
    let what = first.tone_hz.map_or("noise".to_owned(), |hz| format!("a tone of {hz} Hz"));
    let seen = format!("{length_ms} ms of it, {what} from {} ms of {duration_ms} on", first.from_ms);
    Some((format!("nothing else on the {name}'s side"), seen))
}
