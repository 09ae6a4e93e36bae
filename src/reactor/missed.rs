//! Missed-call items on their way: into the database, and between users and the engine.

use linecard_calls::missed::Judgement;
use linecard_calls::{Deed, Input, Interaction, MissedChange, MissedId, MissedItem, Viewer};
use linecard_store::ledger::SavedCall;
use linecard_web::port::Refusal;
use tokio::sync::oneshot;

use super::Reactor;

impl Reactor {
    /// Gives a changed item to the database and shows it as it is until it is there.
    pub(super) fn missed_changed(&mut self, change: MissedChange, because: Option<Box<Interaction>>) {
        if change.void {
            self.unsaved_missed.remove(&change.item.id);
        } else {
            self.unsaved_missed.insert(change.item.id, change.item.clone());
        }
        let because = because.map(|interaction| SavedCall {
            interaction: *interaction,
            recordings: Vec::new(),
            settled: false,
        });
        self.parts.ledger.save_missed(change, because);
    }

    /// Leaves to the database what it has as it is.
    pub(super) fn missed_saved(&mut self, items: &[MissedItem]) {
        for item in items {
            if self.unsaved_missed.get(&item.id) == Some(item) {
                self.unsaved_missed.remove(&item.id);
            }
        }
    }

    pub(super) fn unsaved_missed(&self, viewer: &Viewer) -> Vec<MissedItem> {
        self.unsaved_missed.values().filter(|item| item.visible_to(viewer)).cloned().collect()
    }

    pub(super) fn missed(&self, id: MissedId, viewer: &Viewer) -> Option<MissedItem> {
        self.parts.engine.missed(id).filter(|item| item.visible_to(viewer)).cloned()
    }

    pub(super) fn missed_act(
        &mut self,
        id: MissedId,
        viewer: &Viewer,
        deed: Deed,
        reply: oneshot::Sender<Result<MissedItem, Refusal>>,
    ) {
        let Some(item) = self.missed(id, viewer) else {
            let _ = reply.send(Err(Refusal::NoSuchMissed));
            return;
        };
        if item.judge(deed, viewer.user_id) == Judgement::Refused {
            let _ = reply.send(Err(Refusal::Taken));
            return;
        }
        self.engine(Input::MissedActed { item: id, user: viewer.user_id, deed });
        self.pump_engine();
        let answer = self.missed(id, viewer).ok_or(Refusal::NoSuchMissed);
        // Answered once its evidence is safe and the item written, if the database takes it at all.
        let ledger = self.parts.ledger.clone();
        tokio::spawn(async move {
            ledger.flush().await;
            let _ = reply.send(answer);
        });
    }
}
