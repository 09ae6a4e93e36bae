//! What the documents of one subscription come to.

use super::document::{DialogInfo, DialogState, ReportedDialog, Scope};

/// The dialogs of an extension as its PBX last told them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialogTable {
    version: Option<u32>,
    dialogs: Vec<(DialogKey, ReportedDialog)>,
    last_key: u64,
}

/// Names a dialog in a [`DialogTable`]: PBXes give one id to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogKey(u64);

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It was taken, and this is new.
    Taken(Vec<DialogChange>),
    /// It is older than what is known.
    Stale,
    /// Documents before it are missing: the PBX has to be asked for all (RFC 4235 section 4.2).
    Gap,
}

/// What a document changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogChange {
    /// A dialog that was not there, or that is further than it was, or of which more is known.
    Now {
        /// Its name here.
        key: DialogKey,
        /// All that is known of it.
        dialog: ReportedDialog,
    },
    /// A dialog that is over.
    Over {
        /// Its name here.
        key: DialogKey,
        /// What was last known of it, with the state in which it was.
        was: ReportedDialog,
        /// What its end was told as; `None` when it was just not there any more.
        told: Option<DialogState>,
    },
}

impl DialogTable {
    /// Lists the dialogs.
    pub fn dialogs(&self) -> impl Iterator<Item = &ReportedDialog> {
        self.dialogs.iter().map(|(_, dialog)| dialog)
    }

    /// Takes a document that came after all that were taken before.
    ///
    /// A full document is taken whatever its version says: it says everything, the requests that bring documents are in
    /// order, and some PBXes begin to count anew. A partial one is taken only right after the one before it.
    pub fn take(&mut self, document: DialogInfo) -> Reading {
        if document.scope == Scope::Partial {
            match self.version {
                Some(version) if document.version <= version => return Reading::Stale,
                Some(version) if document.version == version + 1 => {}
                Some(_) | None => return Reading::Gap,
            }
        }
        self.version = Some(document.version);
        let mut changes = Vec::new();
        let mut before = std::mem::take(&mut self.dialogs);
        for dialog in document.dialogs {
            let (same, others) = before.into_iter().partition(|(_, was)| is_same(was, &dialog));
            before = others;
            self.take_dialog(dialog, same, &mut changes);
        }
        match document.scope {
            Scope::Full => changes.extend(before.into_iter().map(|one| over(one, None))),
            Scope::Partial => self.dialogs.append(&mut before),
        }
        Reading::Taken(changes)
    }

    /// Takes the report of one dialog; `same` are those it may be of, more than one only when the id is all that tells
    /// them apart.
    fn take_dialog(
        &mut self,
        dialog: ReportedDialog,
        mut same: Vec<(DialogKey, ReportedDialog)>,
        changes: &mut Vec<DialogChange>,
    ) {
        if let told @ DialogState::Terminated { .. } = dialog.state {
            // Without one that was, it is the way to say that there is none (Asterisk).
            changes.extend(same.into_iter().map(|one| over(one, Some(told))));
            return;
        }
        let talks = |state: DialogState| state == DialogState::Confirmed;
        let named = |was: &ReportedDialog| was.call_id.is_some() && was.call_id == dialog.call_id;
        let goes_on = same.iter().position(|(_, was)| talks(was.state) == talks(dialog.state) || named(was));
        let was = match (goes_on, talks(dialog.state)) {
            (Some(at), _) => Some(same.remove(at)),
            (None, true) => same.pop(),
            // What was answered does not ring again: it is a second call under the same id.
            (None, false) => None,
        };
        match talks(dialog.state) {
            true => changes.extend(same.into_iter().map(|one| over(one, None))),
            false => self.dialogs.append(&mut same),
        }
        let (key, was) = match was {
            Some((key, was)) => (key, Some(was)),
            None => (self.next_key(), None),
        };
        let known = completed(dialog, was.as_ref());
        if was.as_ref() != Some(&known) {
            changes.push(DialogChange::Now { key, dialog: known.clone() });
        }
        self.dialogs.push((key, known));
    }

    fn next_key(&mut self) -> DialogKey {
        self.last_key += 1;
        DialogKey(self.last_key)
    }
}

fn over((key, was): (DialogKey, ReportedDialog), told: Option<DialogState>) -> DialogChange {
    DialogChange::Over { key, was, told }
}

/// Tells whether two reports are of one dialog: nothing that both tell differs.
fn is_same(one: &ReportedDialog, other: &ReportedDialog) -> bool {
    fn agree(one: Option<&String>, other: Option<&String>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    one.id == other.id
        && agree(one.call_id.as_ref(), other.call_id.as_ref())
        && agree(one.local_tag.as_ref(), other.local_tag.as_ref())
        && agree(one.remote_tag.as_ref(), other.remote_tag.as_ref())
}

/// Keeps what was told earlier and is left out now, such as the other party of a call that was answered (Asterisk).
fn completed(mut dialog: ReportedDialog, was: Option<&ReportedDialog>) -> ReportedDialog {
    if let Some(was) = was {
        dialog.call_id = dialog.call_id.or_else(|| was.call_id.clone());
        dialog.local_tag = dialog.local_tag.or_else(|| was.local_tag.clone());
        dialog.remote_tag = dialog.remote_tag.or_else(|| was.remote_tag.clone());
        dialog.direction = dialog.direction.or(was.direction);
        dialog.local = dialog.local.or_else(|| was.local.clone());
        dialog.remote = dialog.remote.or_else(|| was.remote.clone());
    }
    dialog
}
