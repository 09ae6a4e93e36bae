//! The last packets of a leg before its party, its peer or its recording is known.
//!
//! A phone speaks as soon as it has answered, and its packets overtake the word of it: they come before the relay knows
//! from whom, to whom, and into which file. They wait here for a moment, so that no talk begins clipped.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_media::PayloadKind;

/// How much earlier than the word of an answer its sound may come.
const AHEAD: Duration = Duration::from_millis(20);
/// Packets that are kept; more than come while a bridge is built.
const KEPT: usize = 16;

/// Datagrams that came before it was said where the party is: nobody has judged them.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    waiting: VecDeque<(SocketAddr, Instant, Vec<u8>)>,
}

impl Ahead {
    /// Keeps a datagram; the oldest makes room.
    pub(super) fn keep(&mut self, from: SocketAddr, at: Instant, bytes: &[u8]) {
        if self.waiting.len() >= KEPT {
            self.waiting.pop_front();
        }
        self.waiting.push_back((from, at, bytes.to_vec()));
    }

    /// Gives those of the party in the order in which they came, with their time. Others learn nothing from having been
    /// early: a source that differs from what was said is learned only from what comes later.
    pub(super) fn of(self, party: SocketAddr) -> impl Iterator<Item = (Instant, Vec<u8>)> {
        self.waiting.into_iter().filter(move |(from, ..)| *from == party).map(|(_, at, bytes)| (at, bytes))
    }
}

/// A packet that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) kind: PayloadKind,
    pub(super) at: Instant,
    pub(super) bytes: Vec<u8>,
    /// When it was sent to the other party.
    heard_at: Option<Instant>,
}

/// The packets that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    waiting: VecDeque<Waiting>,
}

impl Recent {
    /// Keeps a packet, that is `sent` or not; the oldest makes room.
    pub(super) fn keep(&mut self, kind: PayloadKind, at: Instant, bytes: &[u8], sent: bool) {
        let oldest = if self.waiting.len() < KEPT { None } else { self.waiting.pop_front() };
        let mut room = oldest.map(|oldest| oldest.bytes).unwrap_or_default();
        room.clear();
        room.extend_from_slice(bytes);
        self.waiting.push_back(Waiting { kind, at, bytes: room, heard_at: sent.then_some(at) });
    }

    /// Takes what belongs to a talk that began at `since` and that nobody has heard; the other party has it `now`.
    pub(super) fn take_unsent(&mut self, since: Instant, now: Instant) -> Vec<(PayloadKind, Vec<u8>)> {
        let from = ahead_of(since);
        let mut unsent = Vec::new();
        for waiting in &mut self.waiting {
            if waiting.at >= from && waiting.heard_at.is_none() {
                waiting.heard_at = Some(now);
                unsent.push((waiting.kind, waiting.bytes.clone()));
            }
        }
        unsent
    }

    /// Takes all that belongs to a recording.
    pub(super) fn take(&mut self, recorded: Recorded) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting).into_iter().filter(|waiting| recorded.has(waiting)).collect()
    }

    /// When the first packet came of what would be taken.
    pub(super) fn first(&self, recorded: Recorded) -> Option<Instant> {
        self.waiting.iter().find(|waiting| recorded.has(waiting)).map(|waiting| waiting.at)
    }
}

/// What of a line belongs to a recording: of what its party said since the bridge stood, all that the other one hears
/// from the beginning of the recording on. What was heard before, as early media is, belongs to no talk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) said_since: Instant,
    pub(super) heard_since: Instant,
}

impl Recorded {
    fn has(self, waiting: &Waiting) -> bool {
        let heard_from = ahead_of(self.heard_since);
        waiting.at >= ahead_of(self.said_since) && waiting.heard_at.is_none_or(|at| at >= heard_from)
    }
}

fn ahead_of(since: Instant) -> Instant {
    since.checked_sub(AHEAD).unwrap_or(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(20);

    fn kept(packets: u32, began: Instant) -> Recent {
        let mut recent = Recent::default();
        for packet in 0..packets {
            recent.keep(PayloadKind::Other, began + STEP * packet, &packet.to_be_bytes(), packet < 2);
        }
        recent
    }

    fn numbers(waiting: &[Waiting]) -> Vec<u8> {
        waiting.iter().filter_map(|waiting| waiting.bytes.last().copied()).collect()
    }

    #[test]
    fn what_came_with_the_answer_or_just_before_it_is_sent_once_and_recorded() {
        let began = Instant::now();
        let mut recent = kept(6, began);
        // Numbers 0 and 1 were heard; 2 came a packet before the word of the answer.
        let now = began + STEP * 6;
        let unsent = recent.take_unsent(began + STEP * 3, now);
        assert_eq!(
            unsent.iter().filter_map(|(_, bytes)| bytes.last().copied()).collect::<Vec<_>>(),
            [2, 3, 4, 5]
        );
        assert!(recent.take_unsent(began, now).is_empty(), "nobody hears it twice");
        let recorded = Recorded { said_since: began + STEP * 3, heard_since: now };
        assert_eq!(recent.first(recorded), Some(began + STEP * 2));
        assert_eq!(numbers(&recent.take(recorded)), [2, 3, 4, 5]);
        assert!(recent.take(recorded).is_empty());
    }

    #[test]
    fn what_was_said_long_before_a_talk_is_no_part_of_it() {
        let began = Instant::now();
        let mut recent = kept(100, began);
        assert_eq!(recent.take_unsent(began, began + STEP * 100).len(), KEPT);
        let at = began + STEP * 98;
        assert_eq!(numbers(&recent.take(Recorded { said_since: at, heard_since: at })), [97, 98, 99]);
    }

    #[test]
    fn what_was_heard_before_a_recording_is_not_in_it() {
        let began = Instant::now();
        let mut recent = Recent::default();
        for packet in 0..10 {
            recent.keep(PayloadKind::Other, began + STEP * packet, &packet.to_be_bytes(), true);
        }
        let recorded = Recorded { said_since: began, heard_since: began + STEP * 7 };
        assert_eq!(numbers(&recent.take(recorded)), [6, 7, 8, 9]);
    }
}
