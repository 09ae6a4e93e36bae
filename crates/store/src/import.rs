//! Contacts of a file become contacts here: those that are not there yet are added, with the companies that they name.

use std::collections::{HashMap, HashSet};

use linecard_calls::{ContactId, UtcMillis};
use linecard_crm::import::Imported;
use linecard_crm::{DialPlan, Level, sort_key};

use crate::contacts::{CardSearch, CompanyDraft, CompanyFields, ContactDraft, ContactFields};
use crate::page::{MAX_LIMIT, PageRequest};
use crate::{Store, StoreError};

/// What became of one contact of a file, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was added.
    Added {
        /// Its company was added too.
        with_company: bool,
    },
    /// Somebody of this name has one of the numbers already.
    Known,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Say what would happen, and change nothing.
    DryRun,
    /// Add the contacts.
    Add,
}

/// One file on its way into the contacts.
pub struct Import<M> {
    store: Store,
    plan: DialPlan,
    make_id: M,
    intent: Intent,
    /// Ids of companies by the key of their name; of a dry run the new ones have none.
    companies: HashMap<String, Option<String>>,
    /// The names and numbers of those that this file added, or would.
    added: HashSet<(String, String)>,
}

impl<M: FnMut() -> ContactId> Import<M> {
    /// Begins with a file; numbers are read by `plan`.
    pub fn new(store: Store, plan: DialPlan, intent: Intent, make_id: M) -> Self {
        Self { store, plan, make_id, intent, companies: HashMap::new(), added: HashSet::new() }
    }

    /// Takes one contact.
    ///
    /// # Errors
    /// When the database fails; whoever was taken before is there.
    pub async fn take(&mut self, contact: Imported, now: UtcMillis) -> Result<Taken, StoreError> {
        let names = self.names(&contact);
        if names.iter().any(|name| self.added.contains(name)) || self.is_known(&contact, now).await? {
            return Ok(Taken::Known);
        }
        self.added.extend(names);
        let (company_id, with_company) = match &contact.company {
            Some(name) => self.company(name, now).await?,
            None => (None, false),
        };
        if self.intent == Intent::Add {
            let id = (self.make_id)();
            self.store.add_contact(id, &draft_of(contact, company_id), now).await?;
        }
        Ok(Taken::Added { with_company })
    }

    /// What tells that the same contact comes again: its name with each of its numbers.
    fn names(&self, contact: &Imported) -> Vec<(String, String)> {
        let key = sort_key(&contact.name);
        let numbers = contact.numbers.iter().filter_map(|number| {
            let read = self.plan.number(&number.number);
            read.e164.or(read.extension)
        });
        numbers.map(|number| (key.clone(), number)).collect()
    }

    /// Somebody of the same name holds one of the numbers: the same file may be imported again after a mend.
    async fn is_known(&self, contact: &Imported, now: UtcMillis) -> Result<bool, StoreError> {
        let key = sort_key(&contact.name);
        for number in &contact.numbers {
            let read = self.plan.number(&number.number);
            let found = self.store.candidates(&read, None, now).await?;
            let own = found.iter().filter(|it| matches!(it.level, Level::Exact | Level::Extension));
            if own.map(|candidate| sort_key(&candidate.contact.name)).any(|name| name == key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds or makes the company of this name, and tells whether it is new.
    async fn company(&mut self, name: &str, now: UtcMillis) -> Result<(Option<String>, bool), StoreError> {
        let key = sort_key(name);
        if let Some(known) = self.companies.get(&key) {
            return Ok((known.clone(), false));
        }
        let page = PageRequest::uncounted(MAX_LIMIT);
        let search = CardSearch { words: Some(name.to_owned()), ..CardSearch::default() };
        let found = self.store.companies(&search, &page).await?.items;
        let same = found.into_iter().find(|company| sort_key(&company.card.name) == key);
        let (id, is_new) = match (same, self.intent) {
            (Some(company), _) => (Some(company.id), false),
            (None, Intent::DryRun) => (None, true),
            (None, Intent::Add) => {
                let fields = CompanyFields::default();
                let draft = CompanyDraft { name: name.to_owned(), numbers: Vec::new(), fields };
                let id = (self.make_id)().to_string();
                (Some(self.store.add_company(&id, &draft, now).await?.id), true)
            }
        };
        self.companies.insert(key, id.clone());
        Ok((id, is_new))
    }
}

fn draft_of(contact: Imported, company_id: Option<String>) -> ContactDraft {
    let custom = contact.custom.into_iter().map(|(name, text)| (name, text.into())).collect();
    ContactDraft {
        name: contact.name,
        company_id,
        responsible_id: None,
        numbers: contact.numbers,
        fields: ContactFields {
            emails: contact.emails,
            source: contact.source,
            region: contact.region,
            industry: contact.industry,
            notes: contact.notes,
            custom,
        },
    }
}
