//! Backup and restore: everything that a server needs to go on elsewhere, in one archive.
//!
//! The archive is a tar in zstd, so that `tar --zstd` can look into it. First comes `about.json`, last `manifest.json` with
//! length and SHA-256 of every other member; an archive without its manifest was cut off. Between them: the rows of the
//! database as JSON lines, which either database takes; the spool; the self-signed certificate; the recordings.
//!
//! A backup beside a running server is a moment of it, as if it had been killed then: calls under way are there with
//! their evidence and what of their recording was on the disk, and the restored server closes them as interrupted.

mod archive;
mod make;
mod restore;
mod rotation;

use std::path::{Path, PathBuf};

use linecard_store::StoreError;
use serde::{Deserialize, Serialize};

pub(crate) use make::make;
pub(crate) use restore::{is_unfinished, restore};
pub(crate) use rotation::{file_name, rotate};

/// The archive's own version; it rises when an older program could no longer read it.
const FORMAT: u32 = 1;

/// Names of the first and the last member.
const ABOUT: &str = "about.json";
const MANIFEST: &str = "manifest.json";

/// How the name of an archive begins until it is whole.
const UNFINISHED: &str = ".linecard-backup-";

/// The files of the data folder that are taken as they are, and their names in the archive.
const KEPT_FILES: [(&str, &str); 3] = [
    ("self-signed.pem", "tls/self-signed.pem"),
    ("self-signed.key", "tls/self-signed.key"),
    ("alive", "alive"),
];

/// The files of the spool.
const SPOOLS: [&str; 2] = ["signals.jsonl", "audit.jsonl"];

/// What the first member says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The archive's own version.
    linecard_backup: u32,
    /// The version of the program that made it.
    program: String,
    /// The version of the database's schema.
    schema: i64,
    /// When it was begun, RFC 3339 in UTC.
    made_at: String,
}

/// What the last member says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    members: Vec<Member>,
    left_out: Vec<LeftOut>,
}

/// A member of the archive as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    name: String,
    bytes: u64,
    /// SHA-256 of its content, lower-case hexadecimal.
    sha256: String,
}

/// A recording that is not in the archive though the database names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// The recording's id.
    pub(crate) recording: String,
    /// Why its file could not be taken.
    pub(crate) why: String,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// A file or folder refuses.
    #[error("{}: {why}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What happened, and what to do.
        why: String,
    },
    /// The archive's name is taken.
    #[error("{}: there is such a file already; write another name", path.display())]
    Taken {
        /// The name.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{}: this is no backup of Linecard's; write the path of a file that `linecard backup` made", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The archive cannot be trusted.
    #[error("{}: {why}; nothing was restored, take another backup", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The archive comes from a newer program.
    #[error("{}: Linecard {program} made it, which is newer than this one ({this}); install that version and restore with it", path.display(), this = env!("CARGO_PKG_VERSION"))]
    Newer {
        /// The archive.
        path: PathBuf,
        /// The program that made it.
        program: String,
    },
    /// The place is not empty.
    #[error("{what}; a backup is restored into an empty place only: {advice}")]
    Used {
        /// What is there.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The server runs, or the folder cannot be had.
    #[error(transparent)]
    Start(#[from] crate::server::StartError),
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// Says what the system said about a file.
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, why: error.to_string() }
    }
}
