//! `linecard import contacts`.

use std::collections::HashMap;
use std::path::PathBuf;

use linecard_calls::{ContactId, IdSource};
use linecard_crm::import::{Imported, read};
use linecard_crm::{DialPlan, Level, sort_key};
use linecard_store::Store;
use linecard_store::contacts::{CardSearch, CompanyDraft, CompanyFields, ContactDraft, ContactFields};
use linecard_store::page::{MAX_LIMIT, PageRequest};

use super::{CliError, Ended, open_or_make};
use crate::chance;
use crate::clock::wall_clock;
use crate::config::Config;

/// The largest file, in bytes.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// What to import.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// A CSV table with headers in Russian or English, or a vCard file.
    file: PathBuf,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What became of the rows.
#[derive(Debug, Default)]
struct Tally {
    added: u64,
    companies: u64,
    known: u64,
    refused: u64,
}

/// Reads contacts from a file and adds those that are not there yet; refused rows are named with the reason.
pub(crate) async fn contacts(config: &Config, source: Source) -> Result<Ended, CliError> {
    let bytes = file(&source)?;
    let plan = config.dial_plan()?;
    let named =
        |error: &dyn std::fmt::Display| CliError::Environment(format!("{}: {error}", source.file.display()));
    let entries = read(&bytes, &plan).map_err(|error| named(&error))?;
    let mut importer = Importer {
        store: open_or_make(config).await?,
        plan,
        ids: IdSource::new(chance::generator()?),
        companies: HashMap::new(),
        dry_run: source.dry_run,
    };
    let mut tally = Tally::default();
    for entry in entries {
        match entry.read {
            Ok(contact) => importer.take(contact, &mut tally).await?,
            Err(refused) => {
                tally.refused += 1;
                println!("{}: refused: {refused}", entry.place);
            }
        }
    }
    let would = if source.dry_run { "would be added" } else { "added" };
    println!(
        "{} contacts {would}, {} companies {would}, {} are there already, {} refused",
        tally.added, tally.companies, tally.known, tally.refused
    );
    Ok(if tally.refused == 0 { Ended::Well } else { Ended::NotWell })
}

fn file(source: &Source) -> Result<Vec<u8>, CliError> {
    let path = source.file.display();
    let refused = |error: std::io::Error| CliError::Environment(format!("{path} cannot be read: {error}"));
    let size = std::fs::metadata(&source.file).map_err(refused)?.len();
    if size > FILE_MAX {
        return Err(CliError::Environment(format!("{path} is larger than 256 MiB; import it in parts")));
    }
    std::fs::read(&source.file).map_err(refused)
}

struct Importer {
    store: Store,
    plan: DialPlan,
    ids: IdSource,
    /// Ids of companies by the key of their name; of a dry run the new ones have none.
    companies: HashMap<String, Option<String>>,
    dry_run: bool,
}

impl Importer {
    async fn take(&mut self, contact: Imported, tally: &mut Tally) -> Result<(), CliError> {
        if self.is_known(&contact).await? {
            tally.known += 1;
            return Ok(());
        }
        let company_id = match &contact.company {
            Some(name) => self.company(name, tally).await?,
            None => None,
        };
        tally.added += 1;
        if self.dry_run {
            return Ok(());
        }
        let custom = contact.custom.into_iter().map(|(name, text)| (name, text.into())).collect();
        let draft = ContactDraft {
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
        };
        let now = wall_clock();
        let id: ContactId = self.ids.make(now);
        self.store.add_contact(id, &draft, now).await?;
        Ok(())
    }

    /// Somebody of the same name holds one of the numbers: the same file may be imported again after a mend.
    async fn is_known(&self, contact: &Imported) -> Result<bool, CliError> {
        let key = sort_key(&contact.name);
        for number in &contact.numbers {
            let read = self.plan.number(&number.number);
            let found = self.store.candidates(&read, None, wall_clock()).await?;
            let own = found.iter().filter(|it| matches!(it.level, Level::Exact | Level::Extension));
            if own.map(|candidate| sort_key(&candidate.contact.name)).any(|name| name == key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds or makes the company of this name.
    async fn company(&mut self, name: &str, tally: &mut Tally) -> Result<Option<String>, CliError> {
        let key = sort_key(name);
        if let Some(known) = self.companies.get(&key) {
            return Ok(known.clone());
        }
        let page = PageRequest::uncounted(MAX_LIMIT);
        let found = self
            .store
            .companies(&CardSearch { words: Some(name.to_owned()), ..CardSearch::default() }, &page)
            .await?
            .items;
        let same =
            found.into_iter().find(|company| sort_key(&company.card.name) == key).map(|company| company.id);
        let id = match same {
            Some(id) => Some(id),
            None => {
                tally.companies += 1;
                self.new_company(name).await?
            }
        };
        self.companies.insert(key, id.clone());
        Ok(id)
    }

    async fn new_company(&mut self, name: &str) -> Result<Option<String>, CliError> {
        if self.dry_run {
            return Ok(None);
        }
        let now = wall_clock();
        let id: ContactId = self.ids.make(now);
        let draft =
            CompanyDraft { name: name.to_owned(), numbers: Vec::new(), fields: CompanyFields::default() };
        Ok(Some(self.store.add_company(&id.to_string(), &draft, now).await?.id))
    }
}
