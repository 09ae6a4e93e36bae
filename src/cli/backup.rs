//! `linecard backup` and `linecard restore`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{CliError, Ended, open_existing};
use crate::backup::{self, BackupError, LeftOut};
use crate::config::Config;

/// Where the backup goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Destination {
    /// The archive to write; there must be no such file yet.
    #[arg(required_unless_present = "into", conflicts_with = "into")]
    file: Option<PathBuf>,
    /// Write it into this folder, named after the moment.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Afterwards delete all but the newest so many backups of the folder.
    #[arg(long, value_name = "NUMBER", conflicts_with = "file")]
    keep: Option<NonZeroUsize>,
}

impl From<BackupError> for CliError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Taken { .. } | BackupError::Foreign { .. } => Self::Usage(error.to_string()),
            BackupError::Store(error) => error.into(),
            BackupError::Start(crate::server::StartError::Config(error)) => error.into(),
            error => Self::Environment(error.to_string()),
        }
    }
}

/// Writes everything into one archive, beside a running server too.
pub(crate) async fn back_up(config: &Config, destination: Destination) -> Result<Ended, CliError> {
    let Destination { file, into, keep } = destination;
    let in_folder = into.as_ref().map(|folder| folder.join(backup::file_name(OffsetDateTime::now_utc())));
    let path = file.or(in_folder).unwrap_or_default();
    // Calls go first; where that is not allowed the backup is made all the same.
    let _ = rustix::process::nice(10);
    let store = open_existing(config).await?;
    let made = backup::make(config, &store, &path).await?;
    store.close().await;
    println!("{}: {} rows, {} recordings, {} bytes", path.display(), made.rows, made.recordings, made.bytes);
    for id in &made.unfinished {
        println!("recording {id} is being written: kept as far as it was on the disk");
    }
    name_left_out(&made.left_out);
    if let (Some(folder), Some(keep)) = (&into, keep) {
        for old in backup::rotate(folder, keep)? {
            println!("{} deleted", old.display());
        }
    }
    Ok(Ended::Well)
}

/// Puts an archive's content into an empty place.
pub(crate) async fn restore(config: &Config, file: &Path) -> Result<Ended, CliError> {
    let restored = backup::restore(config, file).await?;
    println!(
        "restored as of {}: {} rows, {} files of recordings; the server can be started",
        restored.made_at, restored.rows, restored.recordings
    );
    name_left_out(&restored.left_out);
    Ok(Ended::Well)
}

fn name_left_out(left_out: &[LeftOut]) {
    for LeftOut { recording, why } in left_out {
        println!("recording {recording} is not in the backup: {why}");
    }
}
