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
    /// Whether the other party has it.
    sent: bool,
}

/// The packets that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    waiting: VecDeque<Waiting>,
}

impl Recent {
    /// Keeps a packet; the oldest makes room.
    pub(super) fn keep(&mut self, kind: PayloadKind, at: Instant, bytes: &[u8], sent: bool) {
        let oldest = if self.waiting.len() < KEPT { None } else { self.waiting.pop_front() };
        let mut room = oldest.map(|oldest| oldest.bytes).unwrap_or_default();
        room.clear();
        room.extend_from_slice(bytes);
        self.waiting.push_back(Waiting { kind, at, bytes: room, sent });
    }

    /// Takes what belongs to a talk that began at `since` and that nobody has heard.
    pub(super) fn take_unsent(&mut self, since: Instant) -> Vec<Waiting> {
        let mut unsent = Vec::new();
        for waiting in self.since(since).filter(|waiting| !waiting.sent) {
            waiting.sent = true;
            let Waiting { kind, at, ref bytes, sent } = *waiting;
            unsent.push(Waiting { kind, at, bytes: bytes.clone(), sent });
        }
        unsent
    }

    /// Takes all that belongs to a recording that begins at `since`.
    pub(super) fn take(&mut self, since: Instant) -> Vec<Waiting> {
        let from = since.checked_sub(AHEAD).unwrap_or(since);
        std::mem::take(&mut self.waiting).into_iter().filter(|waiting| waiting.at >= from).collect()
    }

    /// When the first packet came of what would be taken.
    pub(super) fn first(&mut self, since: Instant) -> Option<Instant> {
        self.since(since).next().map(|waiting| waiting.at)
    }

    fn since(&mut self, since: Instant) -> impl Iterator<Item = &mut Waiting> {
        let from = since.checked_sub(AHEAD).unwrap_or(since);
        self.waiting.iter_mut().filter(move |waiting| waiting.at >= from)
    }
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
        assert_eq!(numbers(&recent.take_unsent(began + STEP * 3)), [2, 3, 4, 5]);
        assert!(recent.take_unsent(began).is_empty(), "nobody hears it twice");
        assert_eq!(recent.first(began + STEP * 3), Some(began + STEP * 2));
        assert_eq!(numbers(&recent.take(began + STEP * 3)), [2, 3, 4, 5]);
        assert!(recent.take(began).is_empty());
    }

    #[test]
    fn what_was_said_long_before_a_talk_is_no_part_of_it() {
        let began = Instant::now();
        let mut recent = kept(100, began);
        assert_eq!(numbers(&recent.take_unsent(began)).len(), KEPT);
        assert_eq!(numbers(&recent.take(began + STEP * 98)), [97, 98, 99]);
    }
}
