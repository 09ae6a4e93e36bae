//! Edits of interactions: signals while the call lives, and after its end signals and a new fold of the whole call.

use std::collections::HashMap;

use linecard_calls::{
    CallId, Edit, Event, Input, Interaction, InteractionState, Recording, fold, fold_recordings,
};
use linecard_web::port::Refusal;
use tokio::sync::oneshot;

use super::{Answer, Reactor};
use crate::clock::wall_clock;

pub(super) type Reply = oneshot::Sender<Result<Interaction, Refusal>>;

/// Ended calls that have to be folded again.
#[derive(Debug, Default)]
pub(super) struct Amendments(HashMap<CallId, Amendment>);

/// One call's: at most one fold is under way, so that an older one never overtakes a newer one.
#[derive(Debug, Default)]
struct Amendment {
    /// Whether the ledger was given something that no fold has seen.
    due: bool,
    /// Those who wait for the next fold.
    waiting: Vec<Reply>,
    /// Those who wait for the fold that is under way.
    folding: Option<Vec<Reply>>,
}

impl Amendments {
    /// Notes that the ledger holds more about a call.
    pub(super) fn due(&mut self, call: CallId) {
        self.0.entry(call).or_default().due = true;
    }

    pub(super) fn wait(&mut self, call: CallId, reply: Reply) {
        self.0.entry(call).or_default().waiting.push(reply);
    }

    /// Takes the calls whose fold may begin now.
    fn begin(&mut self) -> Vec<CallId> {
        let ready = self.0.iter_mut().filter(|(_, it)| it.due && it.folding.is_none());
        let begun = ready.map(|(call, it)| {
            it.due = false;
            it.folding = Some(std::mem::take(&mut it.waiting));
            *call
        });
        begun.collect()
    }

    /// Gives back those who waited for the fold that is done.
    fn done(&mut self, call: CallId) -> Vec<Reply> {
        let Some(amendment) = self.0.get_mut(&call) else { return Vec::new() };
        let waited = amendment.folding.take().unwrap_or_default();
        if !amendment.due && amendment.waiting.is_empty() {
            self.0.remove(&call);
        }
        waited
    }
}

impl Reactor {
    pub(super) fn edit(&mut self, call: CallId, edits: Vec<Edit>, reply: Reply) {
        let live = self.live_interaction(call).is_some_and(|it| it.state == InteractionState::Live);
        let unchanged = edits.is_empty();
        for edit in edits {
            self.engine(Input::Edited { call, edit });
        }
        if live {
            let _ = reply.send(self.live_interaction(call).ok_or(Refusal::NoSuchCall));
            return;
        }
        self.amendments.wait(call, reply);
        if unchanged {
            self.amendments.due(call);
        }
    }

    /// Folds ended calls again, once the ledger was given everything that is known about them.
    pub(super) fn begin_amendments(&mut self) {
        for call in self.amendments.begin() {
            let (store, ledger, answers) =
                (self.parts.store.clone(), self.parts.ledger.clone(), self.answers.clone());
            tokio::spawn(async move {
                // Without the evidence that is spooled still, the fold would take back what the call has come to.
                ledger.reached().await;
                let folded = match store.signals_of(call).await {
                    Ok(signals) => fold(&signals).map(|it| (Box::new(it), fold_recordings(&signals))),
                    Err(error) => {
                        tracing::error!(%call, %error, "an ended call cannot be folded again");
                        None
                    }
                };
                let _ = answers.send(Answer::Amended { call, folded });
            });
        }
    }

    pub(super) fn amended(&mut self, call: CallId, folded: Option<(Box<Interaction>, Vec<Recording>)>) {
        let waiting = self.amendments.done(call);
        let Some((interaction, recordings)) = folded else {
            for reply in waiting {
                let _ = reply.send(Err(Refusal::NoSuchCall));
            }
            return;
        };
        self.parts.engine.missed_amended(&interaction);
        self.save_for_good((*interaction).clone(), recordings, None);
        self.parts.hub.publish(Event::InteractionClosed(interaction.clone()), wall_clock());
        // Answered once it is in the store, so that what the answer says is what the next read finds.
        let ledger = self.parts.ledger.clone();
        tokio::spawn(async move {
            ledger.flush().await;
            for reply in waiting {
                let _ = reply.send(Ok((*interaction).clone()));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_comes_during_a_fold_waits_for_the_next_one() {
        let (mut amendments, call) = (Amendments::default(), CallId::from_uuid(Uuid::from_u128(1)));
        let wait = |amendments: &mut Amendments| amendments.wait(call, oneshot::channel().0);
        wait(&mut amendments);
        assert_eq!(amendments.begin(), [], "the ledger was not given it yet");
        amendments.due(call);
        amendments.due(call);
        assert_eq!(amendments.begin(), [call], "one fold for all that was given");
        wait(&mut amendments);
        amendments.due(call);
        assert_eq!(amendments.begin(), [], "one at a time");
        assert_eq!(amendments.done(call).len(), 1);
        assert_eq!(amendments.begin(), [call], "then the next");
        assert_eq!(amendments.done(call).len(), 1);
        assert_eq!(amendments.begin(), []);
        assert!(amendments.0.is_empty(), "nothing is kept of it");
    }
}
