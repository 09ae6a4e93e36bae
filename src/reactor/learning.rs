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
        // A call that ended a moment ago is then in the database, or in memory still: while the database takes nothing its
        // calls cannot be found there, and the number would be forgotten without them.
        self.ledger.reached().await;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use linecard_calls::{
        ContactId, Direction, Interaction, InteractionId, InteractionState, LegId, LineId, Outcome, Signal,
        SignalBody, SignalId, Source, UtcMillis,
    };
    use linecard_store::contacts::{ContactDraft, ContactFields};
    use linecard_store::ledger::SavedCall;
    use sqlx::{Connection, SqliteConnection};
    use uuid::Uuid;

    use super::*;
    use crate::config::Config;

    const NOW: UtcMillis = UtcMillis(1_760_000_000_000);
    const STRANGER: &str = "+79161112233";

    fn missed(call: CallId) -> Interaction {
        Interaction {
            id: InteractionId::from_uuid(Uuid::now_v7()),
            call_id: call,
            direction: Direction::Inbound,
            outcome: Some(Outcome::Abandoned),
            state: InteractionState::Ended,
            caller_number: Some(STRANGER.to_owned()),
            caller_dialled: None,
            callee_number: None,
            customer_number: None,
            connected_number: None,
            user_to_user: Vec::new(),
            contact_id: None,
            user_id: None,
            line_id: LineId::from_uuid(Uuid::now_v7()),
            started_at: NOW,
            answered_at: None,
            ended_at: None,
            ringing_ms: None,
            talk_ms: None,
            hold_ms: None,
            hangup_by: None,
            sip_status: None,
            legs: Vec::new(),
            recording_ids: Vec::new(),
            notes: None,
            disposition: None,
        }
    }

    fn evidence(call: CallId) -> Signal {
        let body = SignalBody::LegAnswered { leg: LegId::from_uuid(Uuid::now_v7()) };
        let (id, source) = (SignalId::from_uuid(Uuid::now_v7()), Source::Anchor);
        Signal { id, call_id: call, source, observed_at: NOW, order: 1, body }
    }

    #[tokio::test]
    async fn a_call_that_waits_for_the_database_is_looked_at_before_its_number_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("linecard.db").display());
        let store = Store::open(&url).await.unwrap();
        let spool = folder.path().join("spool");
        let (ledger, mut notices) = Ledger::start(store.clone(), &spool, "epoch".to_owned()).await.unwrap();
        let plan = Config::default().dial_plan().unwrap();
        let card = ContactDraft {
            name: "Irina".to_owned(),
            company_id: None,
            responsible_id: None,
            numbers: vec![plan.number(STRANGER)],
            fields: ContactFields::default(),
        };
        store.add_contact(ContactId::from_uuid(Uuid::now_v7()), &card, NOW).await.unwrap();
        let mut lock = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.unwrap();
        let call = CallId::from_uuid(Uuid::now_v7());
        ledger.append(evidence(call));
        ledger.save(SavedCall { interaction: missed(call), recordings: Vec::new(), settled: true });
        notices.recv().await.expect("the database is away");
        let (answers, mut told) = mpsc::unbounded_channel();
        let learner = Learner { store, ledger, plan, answers };
        let learning = tokio::spawn(async move { learner.run().await });
        tokio::time::sleep(Duration::from_millis(600)).await;
        sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
        let found = async {
            while let Some(answer) = told.recv().await {
                if let Answer::Learned { old, .. } = answer
                    && let Some(old) = old.into_iter().next()
                {
                    return Some(old.call);
                }
            }
            None
        };
        let found = tokio::time::timeout(Duration::from_secs(20), found).await.expect("an end");
        assert_eq!(found, Some(call));
        learning.await.unwrap().unwrap();
    }
}
