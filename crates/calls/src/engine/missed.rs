//! The missed-call items beside the calls: what an end, an answer or a user changes, and who is told.

use super::Engine;
use super::call::Call;
use super::outbox::Outbox;
use crate::fold::fold;
use crate::id::{MissedId, UserId};
use crate::interaction::Interaction;
use crate::io::Output;
use crate::metrics::Missed;
use crate::missed::{Deed, Judgement, KeptItem, MissedChange, MissedItem};
use crate::signal::Source;

impl Engine {
    /// Begins with the items of an earlier process, before [`Engine::recover`]; `answered` are calls that were answered
    /// about the time when the calls to be recovered rang.
    pub fn load_missed(&mut self, kept: Vec<KeptItem>, answered: &[Interaction]) {
        for interaction in answered {
            self.out.missed_or_reached(interaction);
        }
        let changes = self.out.missed.load(kept);
        self.out.missed_changed(changes, None);
    }

    /// Takes an interaction that was amended after it was given out.
    pub fn missed_amended(&mut self, interaction: &Interaction) {
        self.out.missed_amended(interaction);
    }

    /// Shows an item; `None` when the database knows it better, or nobody knows it.
    pub fn missed(&self, id: MissedId) -> Option<&MissedItem> {
        self.out.missed.item(id)
    }

    /// Tells how a call that nobody answered stands; `None` when no item counts it.
    pub fn missed_stands(&self, interaction: &Interaction) -> Option<Missed> {
        self.out.missed.stands(interaction)
    }

    pub(super) fn missed_acted(&mut self, id: MissedId, user: UserId, deed: Deed) {
        if self.missed(id).is_none_or(|item| item.judge(deed, user) != Judgement::Due) {
            return;
        }
        let Some(act) = self.out.missed.date(id, user, deed, self.out.at) else { return };
        self.out.record(act.call_id, Source::User, act.at, act.body());
        let changes = self.out.missed.act(id, act);
        self.out.missed_changed(changes, None);
    }
}

impl Call {
    /// Tells the items that the customer was reached or missed.
    pub(super) fn tell_missed(&self, out: &mut Outbox) {
        if let Some(interaction) = fold(&self.signals) {
            out.missed_or_reached(&interaction);
        }
    }
}

impl Outbox {
    pub(super) fn missed_or_reached(&mut self, interaction: &Interaction) {
        let changes = self.missed.take(interaction);
        self.missed_changed(changes, Some(interaction));
    }

    pub(super) fn missed_amended(&mut self, interaction: &Interaction) {
        let changes = self.missed.amend(interaction);
        self.missed_changed(changes, None);
    }

    fn missed_changed(&mut self, changes: Vec<MissedChange>, because: Option<&Interaction>) {
        for change in changes {
            let event = change.event();
            let because = because.cloned().map(Box::new);
            self.queue.push_back(Output::MissedChanged { change, because });
            self.publish(event);
        }
    }
}
