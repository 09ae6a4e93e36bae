//! The comparison of what happened with what was seen.

mod pops;
mod recording;

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::observed::{Found, Observed};
use super::quirk::Quirk;
use super::scorecard::{Finding, Scorecard, Verdict};
use super::talk::{Handover, Side, Turn};
use super::truth::{Deeds, Handing};
use super::world::{Course, InboundEnd, Mode, Network, OutboundEnd, World};
use super::{mishap, missed};

/// How far what is seen may lie from what happened.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Between the ends' idea of how long they talked and the server's, in ms: both are told by messages.
    pub talk_ms: u64,
    /// From the customer's INVITE to the frame in the browser, in ms.
    pub pop_ms: u64,
    /// What may lack of a tone at the beginning and end of a recording, in ms.
    pub edge_ms: u64,
    /// The longest silence within a tone, in ms.
    pub gap_ms: u64,
}

impl Tolerance {
    /// Allows so much more for every step, in ms: for a machine that is busy with other things.
    #[must_use]
    pub fn with_slack(self, slack_ms: u64) -> Self {
        Self {
            talk_ms: self.talk_ms + slack_ms,
            pop_ms: self.pop_ms + slack_ms,
            edge_ms: self.edge_ms + slack_ms,
            gap_ms: self.gap_ms,
        }
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { talk_ms: 500, pop_ms: 1_000, edge_ms: 500, gap_ms: 60 }
    }
}

/// Compares a world's deeds with what was seen of the server.
#[must_use]
pub fn judge(
    world: &World,
    deeds: &BTreeMap<usize, Deeds>,
    observed: &Observed,
    tolerance: Tolerance,
) -> Scorecard {
    let made = deeds.values().filter(|deeds| deeds.begun.is_some()).count();
    let card = Scorecard { seed: world.plan.seed, calls: made, ..Scorecard::default() };
    let mut judge = Judge { world, deeds, observed, tolerance, card, pop_ms: Vec::new() };
    judge.count_handovers();
    let pairs = judge.pair();
    for (call, found) in &pairs {
        judge.interaction(*call, found);
        judge.recording(*call, found);
        judge.pop(*call, found);
    }
    judge.faults();
    judge.stray_pops(&pairs);
    judge.pops_told_twice();
    missed::judge(world, deeds, observed, &mut judge.card);
    mishap::judge(observed, &mut judge.card);
    judge.pop_ms.sort_unstable();
    let at = |share: usize| judge.pop_ms.get(judge.pop_ms.len() * share / 100).copied().unwrap_or(0);
    judge.card.pop_ms = (at(50), at(99));
    judge.card
}

struct Judge<'a> {
    world: &'a World,
    deeds: &'a BTreeMap<usize, Deeds>,
    observed: &'a Observed,
    tolerance: Tolerance,
    card: Scorecard,
    pop_ms: Vec<u64>,
}

/// What an interaction has to say.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    direction: &'static str,
    outcome: &'static str,
    hangup_by: Option<&'static str>,
    /// The final status on the customer's leg, where the plan decides it.
    status: Option<u16>,
}

impl<'a> Judge<'a> {
    fn find(&mut self, verdict: Verdict, call: usize, found: Option<&Found>, expected: String, seen: String) {
        let interaction = found.map(|found| found.id.clone());
        self.card.findings.push(Finding { verdict, call: Some(call), interaction, expected, found: seen });
    }

    /// Brings each call that was made together with its interaction: by line and number, in the order of time.
    fn pair(&mut self) -> Vec<(usize, &'a Found)> {
        let mut found: HashMap<(&str, Option<&str>), Vec<&'a Found>> = HashMap::new();
        for interaction in &self.observed.interactions {
            let number = match interaction.direction.as_str() {
                "inbound" => interaction.caller_number.as_deref(),
                _ => interaction.callee_number.as_deref(),
            };
            found.entry((&interaction.line_id, number)).or_default().push(interaction);
        }
        let mut made: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::new();
        for (number, _) in self.deeds.iter().filter(|(_, deeds)| deeds.begun.is_some()) {
            let desk = self.world.calls.get(*number).and_then(|call| self.observed.desks.get(call.desk));
            let line = desk.map_or("", |desk| desk.line_id.as_str());
            made.entry((line, self.world.other_number(*number))).or_default().push(*number);
        }
        let mut pairs = Vec::new();
        for (key, mut calls) in made {
            calls.sort_by_key(|call| self.deeds.get(call).and_then(|deeds| deeds.begun));
            let mut here = found.remove(&key).unwrap_or_default();
            here.sort_by(|a, b| a.started_at.cmp(&b.started_at));
            for (place, call) in calls.iter().enumerate() {
                match here.get(place) {
                    Some(interaction) => pairs.push((*call, *interaction)),
                    None => {
                        let expected = self.describe(*call);
                        let told = self.deeds.get(call).and_then(|deeds| deeds.status);
                        let told = told
                            .map_or("nothing".to_owned(), |status| format!("{status} told and nothing kept"));
                        self.find(Verdict::InteractionMissing, *call, None, expected, told);
                    }
                }
            }
            let last = calls.last().copied().unwrap_or(0);
            for double in here.into_iter().skip(calls.len()) {
                let expected = format!("{} interactions of {:?}", calls.len(), key.1);
                self.find(Verdict::InteractionDouble, last, Some(double), expected, summary(double));
            }
        }
        for nobody in found.into_values().flatten() {
            let (verdict, interaction) = (Verdict::InteractionDouble, Some(nobody.id.clone()));
            let (expected, found) = ("no such call".to_owned(), summary(nobody));
            self.card.findings.push(Finding { verdict, call: None, interaction, expected, found });
        }
        pairs.sort_by_key(|(call, _)| *call);
        pairs
    }

    fn describe(&self, call: usize) -> String {
        let number = self.world.other_number(call).unwrap_or("a withheld number");
        match self.expected(call) {
            Some(expected) => format!("{} {} of {number}", expected.direction, expected.outcome),
            None => format!("a call of {number}"),
        }
    }

    /// What has to come out, by the plan; where two ends crossed, by what the customer's end was told.
    fn expected(&self, call: usize) -> Option<Expected> {
        let (planned, deeds) = (self.world.calls.get(call)?, self.deeds.get(&call)?);
        let expected =
            |direction, outcome, hangup_by, status| Expected { direction, outcome, hangup_by, status };
        if !self.is_carried(call) {
            return Some(self.expected_at_phone(call, &planned.course, deeds));
        }
        Some(match &planned.course {
            // It came when the talk was over already: the phone rang, and nobody was there.
            Course::Intrusion { .. } if deeds.rang.is_some() => {
                expected("inbound", "no_answer", None, Some(480))
            }
            Course::Intrusion { .. } => expected("inbound", "busy", None, Some(486)),
            Course::Inbound { .. } if self.word_was_late(deeds) => {
                expected("inbound", "no_answer", None, Some(480))
            }
            Course::Inbound { end, .. } => match end {
                InboundEnd::Talk { .. } => expected("inbound", "answered", who(deeds, "caller"), Some(200)),
                // The answer and the end crossed: the customer was connected, and is hung up at once.
                InboundEnd::GivesUp { .. } if deeds.status == Some(200) => {
                    expected("inbound", "answered", Some("caller"), Some(200))
                }
                InboundEnd::GivesUp { .. } => expected("inbound", "abandoned", Some("caller"), Some(487)),
                InboundEnd::RingsOut => expected("inbound", "no_answer", None, Some(480)),
                InboundEnd::Busy { .. } => expected("inbound", "busy", None, Some(486)),
                InboundEnd::Declined { .. } => expected("inbound", "rejected", None, Some(486)),
            },
            Course::Outbound { .. } if self.was_never_dialled(deeds) => {
                expected("outbound", "canceled", None, None)
            }
            Course::Outbound { end, .. } => match end {
                OutboundEnd::Talk { .. } => expected("outbound", "answered", who(deeds, "callee"), Some(200)),
                OutboundEnd::Refused { status, .. } => {
                    let outcome = match status {
                        486 => "busy",
                        603 => "rejected",
                        480 => "no_answer",
                        _ => "failed",
                    };
                    expected("outbound", outcome, None, Some(*status))
                }
                OutboundEnd::AgentLeaves { .. } => expected("outbound", "canceled", Some("agent"), None),
                OutboundEnd::AgentDeclines => expected("outbound", "canceled", Some("agent"), None),
            },
        })
    }

    /// On a network that loses, what the agent's own phone says may come to the server only when the ring time is over: then
    /// nobody else is called.
    fn was_never_dialled(&self, deeds: &Deeds) -> bool {
        self.loses() && deeds.dialled.is_none()
    }

    /// Whether the network loses messages.
    fn loses(&self) -> bool {
        self.world.plan.network == Network::Lossy
    }

    fn count_handovers(&mut self) {
        for deeds in self.deeds.values() {
            match &deeds.handover {
                Some(Handing::NobodyIdle) => self.card.nobody_idle += 1,
                Some(Handing::Asked(asked)) if asked.taken.is_some() => self.card.handed_over += 1,
                Some(Handing::Asked(asked)) if asked.back.is_some() => self.card.handed_back += 1,
                Some(Handing::Asked(_)) | None => {}
            }
        }
    }

    fn turn(&self, call: usize) -> Turn {
        match self.world.calls.get(call).map(|planned| &planned.course) {
            Some(
                Course::Inbound { end: InboundEnd::Talk { talk, .. }, .. }
                | Course::Outbound { end: OutboundEnd::Talk { talk, .. }, .. },
            ) => talk.turn,
            _ => Turn::Straight,
        }
    }

    fn handover(&self, call: usize) -> Option<Handover> {
        match self.turn(call) {
            Turn::Handover(handover) => Some(handover),
            Turn::Straight | Turn::Hold(_) => None,
        }
    }

    /// Whether the server has the call's sound, and is asked for its end.
    fn is_carried(&self, call: usize) -> bool {
        self.mode(call) == Some(Mode::Anchor)
    }

    fn mode(&self, call: usize) -> Option<Mode> {
        Some(self.world.desks.get(self.world.calls.get(call)?.desk)?.mode)
    }

    /// What has to come out of a call that the desk phone had for itself: as much as its PBX tells.
    fn expected_at_phone(&self, call: usize, course: &Course, deeds: &Deeds) -> Expected {
        let desk = self.world.calls.get(call).map(|planned| planned.desk);
        let profile = desk.and_then(|desk| self.world.profile(desk));
        let tells_end = profile.is_some_and(|profile| profile.has(Quirk::TellsHowItEnded));
        let (direction, customer) = match course {
            Course::Outbound { .. } => ("outbound", "callee"),
            _ => ("inbound", "caller"),
        };
        let outcome = match course {
            _ if deeds.connected.is_some() => "answered",
            Course::Inbound { end: InboundEnd::Declined { .. }, .. } => "rejected",
            _ => "abandoned",
        };
        let hangup_by = who(deeds, customer).filter(|_| tells_end);
        Expected { direction, outcome, hangup_by, status: None }
    }

    /// On a network that loses, the word of what a phone or the customer did may come to the server only when the ring time is
    /// over, and the customer's end is told so.
    fn word_was_late(&self, deeds: &Deeds) -> bool {
        let rang_ms = deeds.begun.zip(deeds.over).map_or(0, |(from, until)| between(from, until));
        self.loses() && deeds.status == Some(480) && rang_ms + 100 >= self.world.plan.ring_timeout_ms
    }

    /// How long the talk lasted, in ms. Where a network that loses made the word of the answer or of the end come late, the
    /// server may count from the answer, and until it knew of the end.
    fn talked(&self, call: usize, deeds: &Deeds) -> Option<RangeInclusive<u64>> {
        let least = talk_ms(deeds)?;
        if !self.loses() {
            return Some(least..=least);
        }
        let inbound =
            self.world.calls.get(call).is_some_and(|it| matches!(it.course, Course::Inbound { .. }));
        let answered = if inbound { deeds.picked_up } else { deeds.answered };
        let late_ms = answered.zip(deeds.connected).map_or(0, |(word, known)| between(word, known));
        Some(least..=least + late_ms + self.end_late_ms(deeds))
    }

    /// For how long the server may not have known that somebody had hung up: the word of it may be lost and come again.
    fn end_late_ms(&self, deeds: &Deeds) -> u64 {
        let ended = deeds.hung_up.filter(|_| self.loses());
        ended.zip(deeds.let_go).map_or(0, |((_, word), known)| between(word, known))
    }

    /// For how long the other may have had the customer before the agent's phone knew that it is let go: the word of it may be
    /// lost and come again.
    fn let_go_late_ms(&self, deeds: &Deeds) -> u64 {
        let asked = deeds.asked().filter(|_| self.loses());
        asked.and_then(|asked| Some(between(asked.answered?, asked.taken?))).unwrap_or(0)
    }

    fn interaction(&mut self, call: usize, found: &Found) {
        let before = self.card.findings.len();
        let Some(expected) = self.expected(call) else { return };
        let desk = self.world.calls.get(call).and_then(|planned| self.observed.desks.get(planned.desk));
        let user = desk.map(|desk| desk.user_id.clone());
        let mut wrong = Vec::new();
        let mut check = |name: &str, right: String, seen: String| {
            if right != seen {
                wrong.push((format!("{name} {right}"), format!("{name} {seen}")));
            }
        };
        let text = |value: Option<&str>| value.unwrap_or("null").to_owned();
        check("direction", expected.direction.to_owned(), found.direction.clone());
        check("outcome", expected.outcome.to_owned(), text(found.outcome.as_deref()));
        check("state", "ended".to_owned(), found.state.clone());
        check("user", text(user.as_deref()), text(found.user_id.as_deref()));
        if let Some(by) = expected.hangup_by {
            check("hangup_by", by.to_owned(), text(found.hangup_by.as_deref()));
        }
        if let Some(status) = expected.status {
            check("sip_status", status.to_string(), text(found.sip_status.map(|s| s.to_string()).as_deref()));
        }
        wrong.extend(self.times(call, &expected, found));
        let told = self.deeds.get(&call).and_then(|deeds| deeds.status);
        if let (Some(status), Some(told)) = (expected.status, told)
            && status != told
        {
            wrong.push((format!("the customer's end told {status}"), format!("{told}")));
        }
        for (right, seen) in wrong {
            self.find(Verdict::InteractionWrong, call, Some(found), right, seen);
        }
        if self.card.findings.len() == before {
            self.card.interactions_right += 1;
        }
    }

    /// Compares talk and hold with what both ends know of them.
    fn times(&self, call: usize, expected: &Expected, found: &Found) -> Vec<(String, String)> {
        let Some(deeds) = self.deeds.get(&call) else { return Vec::new() };
        let mut wrong = Vec::new();
        let within = |true_ms: &RangeInclusive<u64>, found: Option<i64>| {
            let found = found.and_then(|ms| u64::try_from(ms).ok());
            found.is_some_and(|found| off_by(found, true_ms) <= self.tolerance.talk_ms)
        };
        let talked = if expected.outcome == "answered" { self.talked(call, deeds) } else { Some(0..=0) };
        if let Some(talked) = talked.filter(|talked| !within(talked, found.talk_ms)) {
            wrong.push((format!("talk_ms {}", in_words(&talked)), format!("talk_ms {:?}", found.talk_ms)));
        }
        let held = held(deeds).map_or(0, |(from, until)| between(from, until));
        let held = held.saturating_sub(self.let_go_late_ms(deeds))..=held + self.end_late_ms(deeds);
        if !within(&held, found.hold_ms) {
            wrong.push((format!("hold_ms {}", in_words(&held)), format!("hold_ms {:?}", found.hold_ms)));
        }
        wrong
    }

    /// What the ends themselves saw that must not be.
    fn faults(&mut self) {
        let deeds = self.deeds;
        for (call, fault) in
            deeds.iter().flat_map(|(call, deeds)| deeds.faults.iter().map(move |f| (call, f)))
        {
            let expected = self.describe(*call);
            self.find(Verdict::Signalling, *call, None, expected, fault.clone());
        }
        for fault in &self.observed.stream_faults {
            self.card.findings.push(Finding {
                verdict: Verdict::Stream,
                call: None,
                interaction: None,
                expected: "frames in order, each once".to_owned(),
                found: fault.clone(),
            });
        }
    }
}

fn who(deeds: &Deeds, customer: &'static str) -> Option<&'static str> {
    match deeds.hung_up? {
        (Side::Customer, _) => Some(customer),
        (Side::Agent | Side::Other, _) => Some("agent"),
    }
}

/// How long both ends talked, in ms.
fn talk_ms(deeds: &Deeds) -> Option<u64> {
    talked(deeds).map(|(from, until)| between(from, until))
}

/// From when to when both ends talked.
fn talked(deeds: &Deeds) -> Option<(Instant, Instant)> {
    let from = deeds.connected?.max(deeds.picked_up?);
    Some((from, deeds.hung_up.map(|(_, at)| at).or(deeds.over)?))
}

/// From when to when one held the other.
fn held(deeds: &Deeds) -> Option<(Instant, Instant)> {
    let (from, until) = deeds.held?;
    let until = until.or(deeds.hung_up.map(|(_, at)| at)).or(deeds.over)?;
    Some((from, until.max(from)))
}

/// How far a time lies outside what it may be, in ms.
fn off_by(found_ms: u64, right: &RangeInclusive<u64>) -> u64 {
    right.start().saturating_sub(found_ms).max(found_ms.saturating_sub(*right.end()))
}

fn in_words(right: &RangeInclusive<u64>) -> String {
    if right.start() == right.end() {
        right.start().to_string()
    } else {
        format!("{} to {}", right.start(), right.end())
    }
}

fn between(from: Instant, until: Instant) -> u64 {
    u64::try_from(until.saturating_duration_since(from).min(Duration::from_secs(86_400)).as_millis())
        .unwrap_or(u64::MAX)
}

fn summary(found: &Found) -> String {
    let number = if found.direction == "inbound" { &found.caller_number } else { &found.callee_number };
    format!("{} {} of {:?}", found.direction, found.outcome.as_deref().unwrap_or("live"), number)
}
