//! `linecard import contacts`.

use std::path::PathBuf;

use linecard_calls::IdSource;
use linecard_crm::import::read;
use linecard_store::import::{Import, Intent, Taken};

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

impl Tally {
    fn add(&mut self, taken: Taken) {
        match taken {
            Taken::Added { with_company } => {
                self.added += 1;
                self.companies += u64::from(with_company);
            }
            Taken::Known => self.known += 1,
        }
    }
}

/// Reads contacts from a file and adds those that are not there yet; refused rows are named with the reason.
pub(crate) async fn contacts(config: &Config, source: Source) -> Result<Ended, CliError> {
    let bytes = file(&source)?;
    let plan = config.dial_plan()?;
    let named =
        |error: &dyn std::fmt::Display| CliError::Environment(format!("{}: {error}", source.file.display()));
    let entries = read(&bytes, &plan).map_err(|error| named(&error))?;
    let intent = if source.dry_run { Intent::DryRun } else { Intent::Add };
    let mut ids = IdSource::new(chance::generator()?);
    let store = open_or_make(config).await?;
    let mut import = Import::new(store, plan, intent, || ids.make(wall_clock()));
    let mut tally = Tally::default();
    for entry in entries {
        match entry.read {
            Ok(contact) => tally.add(import.take(contact, wall_clock()).await?),
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
