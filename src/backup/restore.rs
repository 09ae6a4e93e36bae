//! Restoring a backup: proved first, then put into an empty place.
//!
//! A mark in the data folder says that a restore has begun. It goes when everything is in its place; while it is there no
//! server starts, and the next restore may take what the cut-off one has left for its own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use linecard_store::{EmptyDatabase, Restoring, StoreError};

use super::archive::{Proof, Taker, read, whole};
use super::{About, BackupError, KEPT_FILES, LeftOut, SPOOLS};
use crate::config::Config;
use crate::recorder::{RecordingId, RecordingStore};
use crate::server::lock;

/// The mark's name.
const MARK: &str = "restore-unfinished";

/// What the names of recordings' files end with.
const SUFFIXES: [&str; 3] = [".wav", ".wav.part", ".spans"];

/// What was restored.
#[derive(Debug)]
pub(crate) struct Restored {
    /// When the backup was made.
    pub(crate) made_at: String,
    /// Rows of the database.
    pub(crate) rows: usize,
    /// Files of recordings.
    pub(crate) recordings: usize,
    /// Recordings that the backup could not take.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Tells whether a restore into this folder was begun and has not come to its end.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    folder.join(MARK).exists()
}

/// Puts the content of an archive into the configured place, which must be empty and without a running server.
///
/// # Errors
/// When the archive cannot be trusted or the place is not empty, nothing was touched; later the mark stays.
pub(crate) async fn restore(config: &Config, path: &Path) -> Result<Restored, BackupError> {
    let (about, left_out) = read(path, &mut Proof).await?;
    let folder = &config.server.data_dir;
    let _lock = lock(folder)?;
    let again = is_unfinished(folder);
    let recordings = config.recording_dir();
    if !again {
        refuse_used_folders(folder, &recordings)?;
    }
    let database =
        EmptyDatabase::open(&config.database_url(), again).await.map_err(|error| used(config, error))?;
    mark(folder)?;
    RecordingStore::open(&recordings)
        .map_err(|error| BackupError::File { path: recordings.clone(), why: error.to_string() })?;
    for file in recording_files(&recordings)? {
        fs::remove_file(&file).map_err(BackupError::file(&file))?;
    }
    let restoring = database.begin(about.schema).await?;
    let mut place = Place { folder: folder.clone(), recordings, restoring, rows: 0, files: 0 };
    let taken = read(path, &mut place).await.and_then(|(again, _)| same(path, &about, &again));
    taken.map_err(|error| unfinished(error, folder))?;
    for folder in [&place.folder, &place.folder.join("spool"), &place.recordings] {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file(folder))?;
    }
    place.restoring.finish().await?;
    fs::remove_file(folder.join(MARK)).map_err(BackupError::file(folder))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file(folder))?;
    Ok(Restored { made_at: about.made_at, rows: place.rows, recordings: place.files, left_out })
}

/// The archive was read twice: it has to be the same one.
fn same(path: &Path, proved: &About, taken: &About) -> Result<(), BackupError> {
    if proved == taken {
        return Ok(());
    }
    Err(BackupError::Damaged { path: path.to_owned(), why: "it was changed while it was read".to_owned() })
}

/// Says that what is there is no whole server.
fn unfinished(error: BackupError, folder: &Path) -> BackupError {
    BackupError::File {
        path: folder.to_owned(),
        why: format!("the restore has not come to its end ({error}); mend that and run it again"),
    }
}

fn used(config: &Config, error: StoreError) -> BackupError {
    match error {
        StoreError::Used { .. } => BackupError::Used {
            what: format!("database.url: {error}"),
            advice: match config.database_url().strip_prefix("sqlite:") {
                Some(_) => "write another server.data_dir, or move the old one away".to_owned(),
                None => {
                    "make a new database with `createdb` as the README says, and write its name".to_owned()
                }
            },
        },
        error => error.into(),
    }
}

fn refuse_used_folders(folder: &Path, recordings: &Path) -> Result<(), BackupError> {
    let files = recording_files(recordings)?.len();
    if files > 0 {
        return Err(BackupError::Used {
            what: format!(
                "recording.dir: {} holds {files} files of recordings already",
                recordings.display()
            ),
            advice: "write another recording.dir, or move the old one away".to_owned(),
        });
    }
    for name in SPOOLS {
        let spool = folder.join("spool").join(name);
        if fs::metadata(&spool).is_ok_and(|spool| spool.len() > 0) {
            return Err(BackupError::Used {
                what: format!("server.data_dir: {} holds what a database has not taken yet", spool.display()),
                advice: "write another server.data_dir, or move the old one away".to_owned(),
            });
        }
    }
    Ok(())
}

fn recording_files(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::file(folder)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(BackupError::file(folder))?;
        let is_recording = entry.file_name().to_str().is_some_and(is_recording_file);
        files.extend(is_recording.then(|| entry.path()));
    }
    Ok(files)
}

fn is_recording_file(name: &str) -> bool {
    let id = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    id.is_some_and(|id| RecordingId::new(id).is_ok())
}

/// Leaves the mark, as the user whom the folder belongs to: another's files would be no use to the server.
fn mark(folder: &Path) -> Result<(), BackupError> {
    let path = folder.join(MARK);
    let file = File::create(&path).map_err(BackupError::file(&path))?;
    let owners = file.metadata().and_then(|file| Ok((file.uid(), fs::metadata(folder)?.uid())));
    let (ours, theirs) = owners.map_err(BackupError::file(&path))?;
    if ours != theirs {
        let _ = fs::remove_file(&path);
        let why =
            format!("it belongs to user {theirs} and this is user {ours}; run the restore as the former");
        return Err(BackupError::File { path: folder.to_owned(), why });
    }
    file.sync_all().and_then(|()| File::open(folder)?.sync_all()).map_err(BackupError::file(&path))
}

/// Where the members go.
struct Place {
    folder: PathBuf,
    recordings: PathBuf,
    restoring: Restoring,
    rows: usize,
    files: usize,
}

impl Taker for Place {
    async fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(), BackupError> {
        if let Some(table) = name.strip_prefix("database/").and_then(|name| name.split('.').next()) {
            let unread = BackupError::file(Path::new(name));
            let lines = whole(content).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
            let lines = lines.map_err(unread)?;
            self.rows += lines.lines().count();
            return Ok(self.restoring.insert(table, &lines).await?);
        }
        if let Some(file) = name.strip_prefix("recordings/").filter(|file| is_recording_file(file)) {
            self.files += 1;
            return write(&self.recordings.join(file), content);
        }
        let kept =
            KEPT_FILES.iter().find(|(_, member)| *member == name).map(|(file, _)| self.folder.join(file));
        let spool = SPOOLS.iter().find(|file| name.strip_prefix("spool/") == Some(file));
        let spool = spool.map(|file| self.folder.join("spool").join(file));
        match kept.or(spool) {
            Some(path) => write(&path, content),
            None => {
                let why = format!("{name} has no place in this version");
                Err(BackupError::File { path: self.folder.clone(), why })
            }
        }
    }
}

/// Writes a file that only this user can read, and brings it to the disk.
fn write(path: &Path, content: &mut dyn Read) -> Result<(), BackupError> {
    let mut written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        io::copy(content, &mut file)?;
        file.flush()?;
        file.sync_all()
    };
    written().map_err(BackupError::file(path))
}
