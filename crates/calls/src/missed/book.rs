//! The callers that matter now: those with an item that is not closed, and those heard of within a day.

use std::collections::{BTreeMap, HashMap};

use super::evidence::{Act, Answer, CallerEvidence, CallerKey, MissedCall};
use super::{Deed, Item, MissedItem, MissedState, items};
use crate::event::{Event, Role, Viewer};
use crate::id::{InteractionId, MissedId, UserId};
use crate::interaction::Interaction;
use crate::metrics::Missed;
use crate::time::UtcMillis;

/// Longer than any call rings, in milliseconds: for as long a caller without an open item stays known, and for as long
/// before a call an answered one may matter to it.
pub const RINGS_AT_MOST_MS: i64 = 24 * 3_600_000;

/// Callers below which nobody is looked for to be forgotten.
const CALLERS_MIN: usize = 4_096;

/// What one piece of evidence changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedChange {
    /// The item as it is now.
    pub item: MissedItem,
    /// Those of its calls that are new to it or that changed.
    pub calls: Vec<MissedCall>,
    /// The item is no more: later evidence showed that the caller had been answered meanwhile.
    pub void: bool,
}

impl MissedChange {
    /// Yields the event that tells it: named after how the item stands now.
    pub fn event(&self) -> Event {
        let item = Box::new(self.item.clone());
        match self.item.state {
            MissedState::Open => Event::MissedOpened(item),
            MissedState::Claimed => Event::MissedClaimed(item),
            MissedState::Closed => Event::MissedClosed(item),
        }
    }
}

/// An item as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptItem {
    /// The item.
    pub item: MissedItem,
    /// Its calls.
    pub calls: Vec<MissedCall>,
    /// What users did with it, from the ledger.
    pub acts: Vec<Act>,
}

#[derive(Debug, Default)]
struct Caller {
    evidence: CallerEvidence,
    items: Vec<Item>,
}

/// Every item that is not closed, and what is needed to take in what comes late.
#[derive(Debug, Default)]
pub struct Book {
    callers: BTreeMap<CallerKey, Caller>,
    callers_of: HashMap<MissedId, CallerKey>,
    open: u64,
    open_of: HashMap<UserId, u64>,
    /// How many callers may be known before some are forgotten.
    forget_at: usize,
}

impl Book {
    /// Begins with what the database holds and yields what the ledger knows better.
    pub fn load(&mut self, kept: Vec<KeptItem>) -> Vec<MissedChange> {
        let mut keys = Vec::new();
        for KeptItem { item, calls, acts } in kept {
            let Some(key) = calls.first().map(MissedCall::caller) else { continue };
            self.callers_of.insert(item.id, key.clone());
            self.count(&item, true);
            let caller = self.callers.entry(key.clone()).or_default();
            let known = calls.iter().cloned().map(|call| (call.interaction_id, call));
            caller.evidence.missed.extend(known);
            caller.evidence.acts.extend(acts);
            caller.items.push(Item { record: item, calls });
            keys.push(key);
        }
        keys.sort_unstable();
        keys.dedup();
        keys.iter().flat_map(|key| self.fold_again(key)).collect()
    }

    /// Takes an interaction that was answered or is over; a second time it changes nothing.
    pub fn take(&mut self, interaction: &Interaction) -> Vec<MissedChange> {
        let told = Answer::of(interaction).is_some() || MissedCall::of(interaction).is_some();
        let Some(key) = CallerKey::of(interaction).filter(|_| told) else { return Vec::new() };
        self.forget_old(interaction.started_at);
        self.callers.entry(key.clone()).or_default().evidence.take(interaction);
        self.fold_again(&key)
    }

    /// Takes an interaction that was amended: of a missed call the contact, and nothing else.
    pub fn amend(&mut self, interaction: &Interaction) -> Vec<MissedChange> {
        let Some(key) = CallerKey::of(interaction) else { return Vec::new() };
        let missed = self.callers.get_mut(&key).map(|caller| &mut caller.evidence.missed);
        let Some(call) = missed.and_then(|missed| missed.get_mut(&interaction.id)) else {
            return Vec::new();
        };
        call.contact_id = interaction.contact_id;
        self.fold_again(&key)
    }

    /// Dates what a user does with an item, after all that is known of its caller.
    pub fn date(&self, id: MissedId, user_id: UserId, deed: Deed, now: UtcMillis) -> Option<Act> {
        let caller = self.callers.get(self.callers_of.get(&id)?)?;
        let item = caller.items.iter().find(|item| item.record.id == id)?;
        let at = caller.evidence.newest().map_or(now, |newest| newest.max(now));
        Some(Act { at, call_id: item.calls.last()?.call_id, user_id, deed })
    }

    /// Takes what a user did with an item.
    pub fn act(&mut self, id: MissedId, act: Act) -> Vec<MissedChange> {
        let Some(key) = self.callers_of.get(&id).cloned() else { return Vec::new() };
        if let Some(caller) = self.callers.get_mut(&key) {
            caller.evidence.act(act);
        }
        self.fold_again(&key)
    }

    /// Shows an item; `None` once it is closed and forgotten.
    pub fn item(&self, id: MissedId) -> Option<&MissedItem> {
        let caller = self.callers.get(self.callers_of.get(&id)?)?;
        caller.items.iter().map(|item| &item.record).find(|item| item.id == id)
    }

    /// Tells how a missed call stands; `None` when no item that is known counts it.
    pub fn stands(&self, interaction: &Interaction) -> Option<Missed> {
        let caller = self.callers.get(&CallerKey::of(interaction)?)?;
        let counts = |item: &&Item| item.calls.iter().any(|call| call.interaction_id == interaction.id);
        caller.items.iter().find(counts).map(|item| Missed::of(&item.record))
    }

    /// Counts the open items that `viewer` may see.
    pub fn open_for(&self, viewer: &Viewer) -> u64 {
        match viewer.role {
            Role::Supervisor | Role::Admin => self.open,
            Role::Agent => self.open_of.get(&viewer.user_id).copied().unwrap_or(0),
        }
    }

    fn fold_again(&mut self, key: &CallerKey) -> Vec<MissedChange> {
        let Some(caller) = self.callers.get_mut(key) else { return Vec::new() };
        let after = items(&caller.evidence);
        let before = std::mem::replace(&mut caller.items, after.clone());
        before.iter().for_each(|item| self.count(&item.record, false));
        after.iter().for_each(|item| self.count(&item.record, true));
        let changes = changes(&before, &after);
        for change in &changes {
            if change.void {
                self.callers_of.remove(&change.item.id);
            } else {
                self.callers_of.insert(change.item.id, key.clone());
            }
        }
        changes
    }

    fn count(&mut self, item: &MissedItem, more: bool) {
        if item.state != MissedState::Open {
            return;
        }
        let step = |count: u64| if more { count.saturating_add(1) } else { count.saturating_sub(1) };
        self.open = step(self.open);
        for user in &item.user_ids {
            let count = self.open_of.entry(*user).or_default();
            *count = step(*count);
        }
    }

    /// Forgets, once in a while, callers whose items are closed and who were not heard of for long.
    fn forget_old(&mut self, now: UtcMillis) {
        if self.callers.len() < self.forget_at.max(CALLERS_MIN) {
            return;
        }
        let before = now.plus_ms(-RINGS_AT_MOST_MS);
        self.callers.retain(|_, caller| {
            let open = caller.items.iter().any(|item| item.record.state != MissedState::Closed);
            open || caller.evidence.newest().is_some_and(|newest| newest >= before)
        });
        let callers = &self.callers;
        self.callers_of.retain(|_, key| callers.contains_key(key));
        self.forget_at = self.callers.len().saturating_mul(2);
    }
}

fn changes(before: &[Item], after: &[Item]) -> Vec<MissedChange> {
    let known: HashMap<InteractionId, (MissedId, &MissedCall)> = before
        .iter()
        .flat_map(|item| item.calls.iter().map(|call| (call.interaction_id, (item.record.id, call))))
        .collect();
    let gone = before.iter().filter(|old| !after.iter().any(|new| new.record.id == old.record.id));
    let gone = gone.map(|old| MissedChange {
        item: MissedItem { state: MissedState::Closed, ..old.record.clone() },
        calls: Vec::new(),
        void: true,
    });
    let changed = after.iter().filter(|new| !before.contains(new)).map(|new| {
        let id = new.record.id;
        let calls = new.calls.iter().filter(|call| known.get(&call.interaction_id) != Some(&(id, *call)));
        MissedChange { item: new.record.clone(), calls: calls.cloned().collect(), void: false }
    });
    gone.chain(changed).collect()
}
