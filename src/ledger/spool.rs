//! The spool: a file that takes the signals while the database cannot.
//!
//! One JSON object a line, in the ledger's order, each append followed by `fdatasync`. A last line without its end
//! was never acknowledged and is cut off when the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use linecard_calls::Signal;
use linecard_store::ledger::LedgerEntry;
use serde::{Deserialize, Serialize};

/// The longest line that is read back, in bytes; a longer one was not written by this program.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// The open spool.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be whole, durable lines.
    length: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    seq: i64,
    late_durable: bool,
    signal: Signal,
}

impl Spool {
    /// Opens the spool of a folder, cuts off a torn last line, and returns the place of its last signal.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Option<i64>)> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("signals.jsonl");
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        File::open(folder)?.sync_all()?;
        let mut spool = Self { path, file, length: u64::MAX };
        let (entries, end) = spool.read(0, usize::MAX)?;
        spool.length = end;
        spool.file.set_len(end)?;
        Ok((spool, entries.last().map(|entry| entry.seq)))
    }

    /// Tells whether no signal waits here.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends entries and makes them durable. On failure nothing of them stays.
    pub(crate) fn append(&mut self, entries: &[LedgerEntry]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            let signal = entry.signal.clone();
            serde_json::to_writer(
                &mut text,
                &Line { seq: entry.seq, late_durable: entry.late_durable, signal },
            )?;
            text.push(b'\n');
        }
        match self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.length += text.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What a failed write left behind would otherwise stand before the next whole line.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    /// Returns at most `limit` entries from `place` (bytes) on, and the place after them.
    ///
    /// A whole line that cannot be read is reported and passed over: the lines behind it are evidence too.
    pub(crate) fn read(&self, place: u64, limit: usize) -> io::Result<(Vec<LedgerEntry>, u64)> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(place))?;
        let mut reader = BufReader::new(file);
        let (mut entries, mut at, mut line) = (Vec::new(), place, Vec::new());
        while entries.len() < limit && at < self.length {
            line.clear();
            let bytes = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(Line { seq, late_durable, signal }) => {
                    entries.push(LedgerEntry { seq, late_durable, signal })
                }
                Err(error) => tracing::error!(place = at, %error, "a line of the spool cannot be read"),
            }
            at += bytes as u64;
        }
        Ok((entries, at))
    }

    /// Forgets everything: it is in the database.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_data()?;
        self.length = 0;
        Ok(())
    }
}

#[cfg(test)]
impl Spool {
    /// A spool whose every write fails for want of space, as on a full disk.
    pub(crate) fn on_a_full_disk() -> io::Result<Self> {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        Ok(Self { path, file, length: 0 })
    }
}
