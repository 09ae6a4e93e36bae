//! The pops: one for each phone that rings for a customer, in time, and none that stays.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use super::{Judge, between};
use crate::fleet::observed::{Found, PopFrame};
use crate::fleet::scorecard::{Finding, Verdict};
use crate::fleet::talk::Asks;
use crate::fleet::truth::{Asked, Deeds};
use crate::fleet::world::{Course, Mode, Network};

/// A phone that rings for a call, and what its agent's browser has to show.
struct Bell {
    desk: usize,
    /// From when on it is waited for; `None` when the phone did not ring, or when nobody knows.
    since: Option<Instant>,
    rang: bool,
    /// How many pops there may be.
    most: usize,
}

impl Judge<'_> {
    /// Where a phone rang for a customer's call there is one pop, in time, and it goes.
    pub(super) fn pop(&mut self, call: usize, found: &Found) {
        let (Some(planned), Some(deeds)) = (self.world.calls.get(call), self.deeds.get(&call)) else {
            return;
        };
        let before = self.card.findings.len();
        let rang = deeds.rang.is_some() && !matches!(planned.course, Course::Outbound { .. });
        let intrudes = matches!(planned.course, Course::Intrusion { .. });
        // A fork whose INVITE was lost rings when the phone does no more: the pop is there again.
        let lossy = self.world.plan.network == Network::Lossy;
        let late_fork = lossy && self.mode(call) == Some(Mode::Shadow);
        let asked = deeds.asked();
        let recalled = asked.is_some_and(|asked| asked.left.is_some() && asked.back.is_some());
        let most = usize::from(rang || !intrudes) + usize::from(late_fork) + usize::from(recalled);
        let since = deeds.invited.filter(|_| rang);
        self.bell(call, found, &Bell { desk: planned.desk, since, rang, most });
        if let Some(asked) = asked {
            self.first_pop_goes(call, found, planned.desk, asked);
            self.second_pop(call, found, asked);
        }
        self.other_desks(call, found, deeds);
        if rang && self.card.findings.len() == before {
            self.card.pops_right += 1;
        }
    }

    fn frames(&self, found: &Found, desk: usize) -> Vec<PopFrame> {
        let mine = |frame: &&PopFrame| frame.interaction_id == found.id && frame.desk == desk;
        self.observed.pops.iter().filter(mine).cloned().collect()
    }

    fn bell(&mut self, call: usize, found: &Found, bell: &Bell) {
        let frames = self.frames(found, bell.desk);
        let pops: HashSet<&str> = frames.iter().map(|frame| frame.pop_id.as_str()).collect();
        if bell.rang && pops.is_empty() {
            let (expected, seen) = (format!("a pop at desk {}", bell.desk), "no frame".to_owned());
            return self.find(Verdict::PopLost, call, Some(found), expected, seen);
        }
        if pops.len() > bell.most {
            let (expected, seen) = (format!("{} pops at desk {}", bell.most, bell.desk), pops.len());
            self.find(Verdict::PopGhost, call, Some(found), expected, format!("{seen} pops"));
        }
        for pop in pops {
            let of_pop = frames.iter().filter(|frame| frame.pop_id == pop);
            if let Some(last) = of_pop.max_by_key(|frame| frame.version)
                && !last.is_over()
            {
                let (expected, seen) =
                    ("a pop that is taken off".to_owned(), format!("state {}", last.state));
                self.find(Verdict::PopGhost, call, Some(found), expected, seen);
            }
        }
        let Some(first) = frames.first().filter(|_| bell.rang) else { return };
        if let Some(since) = bell.since.filter(|_| first.awake) {
            let late = between(since, first.at);
            self.pop_ms.push(late);
            if late > self.tolerance.pop_ms {
                let expected = format!("a pop within {} ms at desk {}", self.tolerance.pop_ms, bell.desk);
                self.find(Verdict::PopLate, call, Some(found), expected, format!("after {late} ms"));
            }
        }
        let number = self.world.other_number(call);
        if let Some(wrong) = frames.iter().find(|frame| frame.number.as_deref() != number) {
            let expected = format!("a pop for {number:?} at desk {}", bell.desk);
            self.find(Verdict::PopGhost, call, Some(found), expected, format!("{:?}", wrong.number));
        }
    }

    /// The colleague's browser shows the first caller, unless the PBX connected the two by itself.
    fn second_pop(&mut self, call: usize, found: &Found, asked: &Asked) {
        let Some(desk) = asked.desk else { return };
        let by_pbx = self.handover(call).is_some_and(|handover| handover.asks == Asks::OnPhoneAfterTalk);
        let rang = asked.rang.is_some() && !by_pbx;
        self.bell(call, found, &Bell { desk, since: asked.rang, rang, most: usize::from(!by_pbx) });
    }

    /// Who is free of a customer has nothing on the screen any more.
    fn first_pop_goes(&mut self, call: usize, found: &Found, desk: usize, asked: &Asked) {
        // What is lost on the way is not known to the phone.
        let good = self.world.plan.network == Network::Good;
        let Some(free) = asked.left.filter(|_| good).or(asked.taken) else { return };
        let frames = self.frames(found, desk);
        let Some(first) = frames.first() else { return };
        let gone = frames.iter().find(|frame| frame.pop_id == first.pop_id && frame.is_over());
        let late = gone.filter(|gone| gone.awake).map_or(0, |gone| between(free, gone.at));
        if late > self.tolerance.pop_ms {
            let expected = "a pop that goes with the customer".to_owned();
            self.find(Verdict::PopGhost, call, Some(found), expected, format!("after {late} ms"));
        }
    }

    /// Nobody else's browser shows the call.
    fn other_desks(&mut self, call: usize, found: &Found, deeds: &Deeds) {
        let own = self.world.calls.get(call).map(|planned| planned.desk);
        let taker = deeds.asked().and_then(|asked| asked.desk);
        let of_call = self.observed.pops.iter().filter(|frame| frame.interaction_id == found.id);
        let others: BTreeSet<usize> =
            of_call.map(|frame| frame.desk).filter(|desk| ![own, taker].contains(&Some(*desk))).collect();
        for desk in others {
            let expected = "no pop at any other desk".to_owned();
            self.find(Verdict::PopGhost, call, Some(found), expected, format!("one at desk {desk}"));
        }
    }

    /// Each version of a pop is told once; a snapshot tells how pops stand, whatever was told before.
    pub(super) fn pops_told_twice(&mut self) {
        let mut told = HashSet::new();
        for frame in self.observed.pops.iter().filter(|frame| frame.kind != "snapshot") {
            if !told.insert((frame.desk, frame.pop_id.as_str(), frame.version)) {
                self.card.findings.push(Finding {
                    verdict: Verdict::PopGhost,
                    call: None,
                    interaction: Some(frame.interaction_id.clone()),
                    expected: format!("version {} of a pop once", frame.version),
                    found: format!("it twice at desk {}", frame.desk),
                });
            }
        }
    }

    /// Pops of interactions that no call has.
    pub(super) fn stray_pops(&mut self, pairs: &[(usize, &Found)]) {
        let known: HashSet<&str> = pairs.iter().map(|(_, found)| found.id.as_str()).collect();
        let mut told = HashSet::new();
        for frame in &self.observed.pops {
            if !known.contains(frame.interaction_id.as_str()) && told.insert(frame.pop_id.as_str()) {
                self.card.findings.push(Finding {
                    verdict: Verdict::PopGhost,
                    call: None,
                    interaction: Some(frame.interaction_id.clone()),
                    expected: "no pop".to_owned(),
                    found: format!("a pop for {:?} at desk {}", frame.number, frame.desk),
                });
            }
        }
    }
}
