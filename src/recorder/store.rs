//! The folder of recordings: names, repair after a crash, verification.
//!
//! A recording is `<id>.wav.part` while it is written and `<id>.wav` afterwards; `<id>.spans` holds its marked
//! spans until the ledger has them. Names are made of ids only, never of anything that came over the wire.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use linecard_media::wav::{self, Expected, Inspection, Repair, VerifyFault, WavFile};
use linecard_media::{MediaError, Span, span};
use thiserror::Error;

/// A span list longer than this is not one of ours.
const SPANS_LEN: u64 = 4 * 1024 * 1024;

/// Why the recorder could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// An id is empty, too long or holds anything but lower-case letters, digits and hyphens.
    #[error("not a recording id: only lower-case letters, digits and hyphens, at most 64")]
    Id,
    /// The recording is still being written.
    #[error("recording {0} is still being written")]
    Unfinished(RecordingId),
    /// There is no such recording.
    #[error("there is no recording {0}")]
    Missing(RecordingId),
    /// A file or the folder could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is damaged or not one of ours.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: MediaError,
    },
    /// A file is not what the ledger says.
    #[error("recording {id}: {fault}")]
    Verify {
        /// The recording.
        id: RecordingId,
        /// What differs.
        fault: VerifyFault,
    },
}

/// The opaque name of a recording: lower-case letters, digits and hyphens, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId(String);

impl RecordingId {
    /// Checks a name.
    ///
    /// # Errors
    /// [`RecorderError::Id`] if it could be anything but a plain file name.
    pub fn new(id: impl Into<String>) -> Result<Self, RecorderError> {
        let id = id.into();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Err(RecorderError::Id);
        }
        Ok(Self(id))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RecordingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file of the recordings' folder, as `crates/media` needs it.
#[derive(Debug)]
pub struct RecordingFile(pub(crate) File);

impl Read for RecordingFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for RecordingFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl WavFile for RecordingFile {
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

/// A recording that the last run has left behind, made whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which one.
    pub id: RecordingId,
    /// What was repaired; `None` if the file was finished and only the ledger does not know.
    pub repair: Option<Repair>,
    /// Frames per second.
    pub sample_rate_hz: u32,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// The marked spans known.
    pub spans: Vec<Span>,
}

/// The folder of recordings.
#[derive(Clone, Debug)]
pub struct RecordingStore {
    root: PathBuf,
}

impl RecordingStore {
    /// Opens a folder, making it if need be, readable by this user only.
    ///
    /// # Errors
    /// [`RecorderError::File`] if it cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, RecorderError> {
        use std::os::unix::fs::DirBuilderExt;
        let root = root.into();
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&root);
        made.map_err(|source| RecorderError::File { path: root.clone(), source })?;
        Ok(Self { root })
    }

    /// Returns where a finished recording lies.
    #[must_use]
    pub fn path(&self, id: &RecordingId) -> PathBuf {
        self.root.join(format!("{id}.wav"))
    }

    /// Returns where a recording lies while it is written.
    #[must_use]
    pub fn part_path(&self, id: &RecordingId) -> PathBuf {
        self.root.join(format!("{id}.wav.part"))
    }

    /// Returns where a recording's spans lie until they are acknowledged.
    #[must_use]
    pub fn spans_path(&self, id: &RecordingId) -> PathBuf {
        self.root.join(format!("{id}.spans"))
    }

    /// Opens the file of a finished recording.
    ///
    /// # Errors
    /// [`RecorderError::Unfinished`] while it is written, [`RecorderError::Missing`] if there is none.
    pub fn read(&self, id: &RecordingId) -> Result<File, RecorderError> {
        let path = self.path(id);
        match File::open(&path) {
            Ok(file) => Ok(file),
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RecorderError::File { path, source })
            }
            Err(_) if self.part_path(id).exists() => Err(RecorderError::Unfinished(id.clone())),
            Err(_) => Err(RecorderError::Missing(id.clone())),
        }
    }

    /// Reads a finished recording and compares it with what the ledger says; runs beside a live server.
    ///
    /// # Errors
    /// As [`RecordingStore::read`]; [`RecorderError::Verify`] names what differs.
    pub fn verify(&self, id: &RecordingId, expected: &Expected) -> Result<Inspection, RecorderError> {
        let mut file = self.read(id)?;
        wav::verify(&mut file, expected).map_err(|fault| RecorderError::Verify { id: id.clone(), fault })
    }

    /// Forgets the spans kept beside a recording, once the ledger has it.
    ///
    /// # Errors
    /// [`RecorderError::File`] if they cannot be removed.
    pub fn acknowledge(&self, id: &RecordingId) -> Result<(), RecorderError> {
        let path = self.spans_path(id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RecorderError::File { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Makes whole what the last run has left: unfinished files are repaired and renamed, finished ones that
    /// nobody acknowledged are reported again. To be called before the first recording of this run. A file
    /// that cannot be repaired stays where it is and is an error of its own.
    ///
    /// # Errors
    /// [`RecorderError::File`] if the folder cannot be read.
    pub fn recover(&self) -> Result<Vec<Result<Recovered, RecorderError>>, RecorderError> {
        let failed = |source| RecorderError::File { path: self.root.clone(), source };
        let mut parts = Vec::new();
        let mut spans = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let id = |suffix| name.strip_suffix(suffix).and_then(|id| RecordingId::new(id).ok());
            parts.extend(id(".wav.part"));
            spans.extend(id(".spans"));
        }
        let finished = spans.into_iter().filter(|id| !parts.contains(id) && self.path(id).exists());
        let finished: Vec<_> = finished.map(|id| self.report(id, None)).collect();
        let repaired = parts.into_iter().map(|id| self.repair(id));
        Ok(repaired.chain(finished).collect())
    }

    /// Makes one unfinished recording whole and gives it its final name.
    fn repair(&self, id: RecordingId) -> Result<Recovered, RecorderError> {
        let path = self.part_path(&id);
        let file = File::options().read(true).write(true).open(&path);
        let file = file.map_err(|source| RecorderError::File { path: path.clone(), source })?;
        let mut file = RecordingFile(file);
        let repaired = wav::repair(&mut file).map_err(|source| RecorderError::Content { path, source })?;
        self.settle(&id, &file.0)?;
        self.report(id, Some(repaired))
    }

    fn report(&self, id: RecordingId, repair: Option<Repair>) -> Result<Recovered, RecorderError> {
        let found = self.verify(&id, &Expected::default())?;
        let duration_ms = found.duration_ms();
        let spans = span::settle(self.spans(&id)?, duration_ms);
        let sample_rate_hz = found.rate.hz();
        Ok(Recovered { id, repair, sample_rate_hz, duration_ms, sha256: found.sha256, spans })
    }

    /// Reads the spans kept beside a recording; without a list there are none.
    ///
    /// # Errors
    /// [`RecorderError::Content`] if the list is not one of ours.
    pub fn spans(&self, id: &RecordingId) -> Result<Vec<Span>, RecorderError> {
        let path = self.spans_path(id);
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(SPANS_LEN).read_to_string(&mut text));
        match read {
            Ok(_) => span::parse(&text).map_err(|source| RecorderError::Content { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(RecorderError::File { path, source }),
        }
    }

    /// Brings an unfinished file to the disk and gives it its final name: fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// [`RecorderError::File`] with the step's path.
    pub(crate) fn settle(&self, id: &RecordingId, file: &File) -> Result<(), RecorderError> {
        let part = self.part_path(id);
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| RecorderError::File { path, source }
        };
        file.sync_all().map_err(failed(&part))?;
        fs::rename(&part, self.path(id)).map_err(failed(&part))?;
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(failed(&self.root))
    }
}
