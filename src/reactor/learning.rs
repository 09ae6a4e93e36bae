//! Calls of numbers that the contacts did not know and now do: each is looked at again, unless a user decided about it.
//!
//! The rows that `Store::learned` gives are written with the contact, whoever wrote it, and go last: what a crash cut is
//! done again, and finds most of it done.

use linecard_calls::{CallId, Candidate, ContactStanding, Input, contact_standing, settled_contact};
use linecard_crm::DialPlan;
use linecard_store::Store;
use tokio::sync::{mpsc, oneshot};

use super::amendments::Reply;
use super::{Answer, Reactor};
use crate::clock::wall_clock;
use crate::ledger::Ledger;

/// The most calls of one number that are looked at again: the newest.
const CALLS_MAX: u32 = 1_000;

/// How many of them the reactor is given at a time.
const CALLS_AT_ONCE: usize = 20;

/// How many numbers are read at a time.
const NUMBERS_AT_ONCE: u32 = 50;

/// Whether a task looks at calls again; there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learning {
    Idle,
    UnderWay,
}

/// A number that the contacts learned, and who it is.
#[derive(Debug, Clone)]
pub(super) struct LearnedNumber {
    number: String,
    candidates: Vec<Candidate>,
}

/// A call that is over, to be saved as what its evidence comes to then.
#[derive(Debug)]
pub(super) struct OldCall {
    call: CallId,
    standing: ContactStanding,
    saved: Reply,
}

impl Reactor {
    /// Looks whether the contacts learned something, unless that is under way.
    pub(super) fn begin_learning(&mut self) {
        if self.learning == Learning::UnderWay {
            return;
        }
        self.learning = Learning::UnderWay;
        let learner = Learner {
            store: self.parts.store.clone(),
            ledger: self.parts.ledger.clone(),
            plan: self.parts.dial_plan.clone(),
            answers: self.answers.clone(),
        };
        tokio::spawn(async move {
            if let Err(error) = learner.run().await {
                tracing::debug!(%error, "calls of a new contact wait for the database");
            }
            let _ = learner.answers.send(Answer::LearnedAll);
        });
    }

    /// Tells the calls under way, and those old ones that nobody is known of.
    pub(super) fn learned(&mut self, learned: &LearnedNumber, old: Vec<OldCall>) {
        for call in self.parts.engine.calls_of_number(&learned.number) {
            self.tell_call(call, learned);
        }
        for OldCall { call, standing, saved } in old {
            // A call in memory was told just now, and is saved in its own time.
            if self.live_interaction(call).is_some() {
                continue;
            }
            self.amendments.wait(call, saved);
            if standing == ContactStanding::Open {
                self.tell_call(call, learned);
            }
            // One whose evidence names somebody is due too: a crash kept that from being saved.
            self.amendments.due(call);
        }
    }

    fn tell_call(&mut self, call: CallId, learned: &LearnedNumber) {
        let LearnedNumber { number, candidates } = learned.clone();
        self.engine(Input::ContactLearned { call, number, candidates });
    }
}

struct Learner {
    store: Store,
    ledger: Ledger,
    plan: DialPlan,
    answers: mpsc::UnboundedSender<Answer>,
}

impl Learner {
    async fn run(&self) -> anyhow::Result<()> {
        loop {
            let rows = self.store.learned(NUMBERS_AT_ONCE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                self.number(&row.number).await?;
            }
            self.store.forget_learned(&rows).await?;
        }
    }

    async fn number(&self, number: &str) -> anyhow::Result<()> {
        let candidates = self.store.candidates(&self.plan.number(number), None, wall_clock()).await?;
        let settled = settled_contact(&candidates).is_some();
        let learned = LearnedNumber { number: number.to_owned(), candidates };
        self.tell(&learned, Vec::new());
        if !settled {
            return Ok(());
        }
        // A call that ended a moment ago is then in the database, or in memory still.
        self.ledger.flush().await;
        let calls = self.store.calls_of_nobody(number, CALLS_MAX).await?;
        for some in calls.chunks(CALLS_AT_ONCE) {
            let (mut old, mut saving) = (Vec::new(), Vec::new());
            for call in some {
                let standing = contact_standing(&self.store.signals_of(*call).await?);
                if standing != ContactStanding::Decided {
                    let (saved, told) = oneshot::channel();
                    old.push(OldCall { call: *call, standing, saved });
                    saving.push(told);
                }
            }
            self.tell(&learned, old);
            for told in saving {
                // Unanswered are those that are in memory.
                if let Ok(Err(refusal)) = told.await {
                    return Err(refusal.into());
                }
            }
        }
        Ok(())
    }

    fn tell(&self, learned: &LearnedNumber, old: Vec<OldCall>) {
        let _ = self.answers.send(Answer::Learned { learned: learned.clone(), old });
    }
}
