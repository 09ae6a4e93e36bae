//! Making a backup, beside a running server too.
//!
//! The order keeps it whole: the spool is read before the database, so what is carried over meanwhile is in one of them
//! or in both, never in none; the files come after the database that names them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use linecard_calls::{CallId, RecordingState, Signal, fold_recordings};
use linecard_store::ledger::LedgerEntry;
use linecard_store::{Snapshot, Store, newest_schema};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::archive::ArchiveWriter;
use super::{About, BackupError, FORMAT, KEPT_FILES, LeftOut, SPOOLS};
use crate::config::Config;
use crate::recorder::{RecordingId, RecordingStore};

/// How often a spool that is emptied while it is read is read anew.
const READ_AGAIN: usize = 20;

/// What a backup holds.
#[derive(Debug)]
pub(crate) struct Made {
    /// Rows of the database.
    pub(crate) rows: u64,
    /// Recordings that are whole.
    pub(crate) recordings: u64,
    /// Recordings that are being written, as far as they were on the disk.
    pub(crate) unfinished: Vec<String>,
    /// Recordings whose file could not be taken.
    pub(crate) left_out: Vec<LeftOut>,
    /// Length of the archive.
    pub(crate) bytes: u64,
}

/// Writes everything into the archive `path`, which must not exist yet.
///
/// # Errors
/// When something cannot be read or written; there is no archive then.
pub(crate) async fn make(config: &Config, store: &Store, path: &Path) -> Result<Made, BackupError> {
    let now = OffsetDateTime::now_utc();
    let about = About {
        linecard_backup: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: newest_schema(),
        made_at: now.format(&Rfc3339).unwrap_or_default(),
    };
    let made_at_s = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let archive = ArchiveWriter::create(path, &about, made_at_s)?;
    let folder = &config.server.data_dir;
    let spools = SPOOLS.map(|name| read_spool(&folder.join("spool").join(name)));
    let mut snapshot = store.snapshot().await?;
    let mut work = Work {
        archive,
        recordings: RecordingStore::open(config.recording_dir())
            .map_err(|error| file_refused(&config.recording_dir(), &error))?,
        made: Made { rows: 0, recordings: 0, unfinished: Vec::new(), left_out: Vec::new(), bytes: 0 },
    };
    let mut spooled = Vec::new();
    for (name, lines) in SPOOLS.into_iter().zip(spools) {
        let lines = lines?;
        work.archive.add(&format!("spool/{name}"), &lines)?;
        spooled.extend(signals_in(&lines));
    }
    let named = named_recordings(&snapshot, spooled);
    while let Some(part) = snapshot.next().await? {
        work.made.rows += part.rows;
        let name = format!("database/{}.{:06}.jsonl", part.table, part.part);
        work.archive.add(&name, part.lines.as_bytes())?;
    }
    drop(snapshot);
    for (file, name) in KEPT_FILES {
        match std::fs::read(folder.join(file)) {
            Ok(content) => work.archive.add(name, &content)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::file(&folder.join(file))(error)),
        }
    }
    // Those that are being written first: their talks go on.
    for closed in [false, true] {
        for (id, _) in named.iter().filter(|(_, is_closed)| **is_closed == closed) {
            work.add_recording(id, closed)?;
        }
    }
    let Work { archive, mut made, .. } = work;
    made.bytes = archive.finish(made.left_out.clone())?;
    Ok(made)
}

fn file_refused(path: &Path, error: &impl std::fmt::Display) -> BackupError {
    BackupError::File { path: path.to_owned(), why: error.to_string() }
}

/// Reads the whole lines of a spool. The server may empty it meanwhile: then everything is in the database, and what was
/// read until then may end in the middle of something else.
fn read_spool(path: &Path) -> Result<Vec<u8>, BackupError> {
    for _ in 0..READ_AGAIN {
        let mut bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(BackupError::file(path)(error)),
        };
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        if lines.all(|line| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()) {
            return Ok(bytes);
        }
    }
    Err(BackupError::File { path: path.to_owned(), why: "a line of the spool cannot be read".to_owned() })
}

fn signals_in(lines: &[u8]) -> impl Iterator<Item = Signal> {
    // Lines of the audit's spool are no entries of the ledger.
    let entry = |line| serde_json::from_slice::<LedgerEntry>(line).ok();
    lines.split(|byte| *byte == b'\n').filter_map(entry).map(|entry| entry.signal)
}

/// Returns each recording that the evidence names, and whether its file is closed. Of a call that a restart will look at,
/// its signals decide, as they will then.
fn named_recordings(snapshot: &Snapshot, spooled: Vec<Signal>) -> BTreeMap<String, bool> {
    let is_closed = |state: &RecordingState| match state {
        RecordingState::Recording => Some(false),
        RecordingState::Failed => None,
        RecordingState::Finished | RecordingState::Repaired | RecordingState::Truncated => Some(true),
    };
    let saved = snapshot.recordings().iter();
    let mut named: BTreeMap<String, bool> =
        saved.filter_map(|(id, state)| Some((id.to_string(), is_closed(state)?))).collect();
    let mut open: BTreeMap<CallId, Vec<Signal>> = snapshot.unsettled_calls().clone();
    for signal in spooled {
        open.entry(signal.call_id).or_default().push(signal);
    }
    for recording in open.values().flat_map(|signals| fold_recordings(signals)) {
        if let Some(is_closed) = is_closed(&recording.state) {
            named.insert(recording.id.to_string(), is_closed);
        }
    }
    named
}

struct Work {
    archive: ArchiveWriter,
    recordings: RecordingStore,
    made: Made,
}

impl Work {
    fn add_recording(&mut self, id: &str, closed: bool) -> Result<(), BackupError> {
        let Ok(id) = RecordingId::new(id) else { return Ok(()) };
        let taken = if closed { self.add_closed(&id)? } else { self.add_unfinished(&id)? };
        if !taken {
            let why = "its file is not there".to_owned();
            self.made.left_out.push(LeftOut { recording: id.to_string(), why });
        }
        Ok(())
    }

    fn add_closed(&mut self, id: &RecordingId) -> Result<bool, BackupError> {
        let taken = self.add_file(&self.recordings.path(id), &format!("{id}.wav"))?;
        self.made.recordings += u64::from(taken);
        Ok(taken)
    }

    /// Takes a recording whose end the database does not know: as it is while it is written, or with the spans kept
    /// beside it. The restored server makes either whole.
    fn add_unfinished(&mut self, id: &RecordingId) -> Result<bool, BackupError> {
        let part = format!("{id}.wav.part");
        let spans = read_or_none(&self.recordings.spans_path(id))?;
        let taken = self.add_file(&self.recordings.part_path(id), &part)?
            || match &spans {
                Some(_) => self.add_file(&self.recordings.path(id), &format!("{id}.wav"))?,
                None => self.add_file(&self.recordings.path(id), &part)?,
            };
        if taken {
            self.made.unfinished.push(id.to_string());
            if let Some(spans) = spans {
                self.archive.add(&format!("recordings/{id}.spans"), &spans)?;
            }
        }
        Ok(taken)
    }

    /// Adds a file as long as it is now; false when there is none.
    fn add_file(&mut self, path: &Path, name: &str) -> Result<bool, BackupError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(BackupError::file(path)(error)),
        };
        let bytes = file.metadata().map_err(BackupError::file(path))?.len();
        self.archive.add_stream(&format!("recordings/{name}"), bytes, io::BufReader::new(file))?;
        Ok(true)
    }
}

fn read_or_none(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BackupError::file(path)(error)),
    }
}
