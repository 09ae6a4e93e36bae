//! The spool: a file that takes what must not be lost while the database cannot.
//!
//! One JSON object a line, in the order in which they came, each append followed by `fdatasync`. A last line without its end
//! was never acknowledged and is cut off when the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest line that is read back, in bytes; a longer one was not written by this program.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// The open spool of entries of one kind.
#[derive(Debug)]
pub(crate) struct Spool<T> {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be whole, durable lines.
    length: u64,
    /// How many they are.
    depth: u64,
    entries: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Opens the spool `name` of a folder, cuts off a torn last line, and returns what waits there.
    pub(crate) fn open(folder: &Path, name: &str) -> io::Result<(Self, Vec<T>)> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(name);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        File::open(folder)?.sync_all()?;
        let mut spool = Self { path, file, length: u64::MAX, depth: 0, entries: PhantomData };
        let (entries, end) = spool.read(0, usize::MAX)?;
        (spool.length, spool.depth) = (end, entries.len() as u64);
        spool.file.set_len(end)?;
        Ok((spool, entries))
    }

    /// Tells whether nothing waits here.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns how many entries wait here.
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }

    /// Appends entries and makes them durable. On failure nothing of them stays.
    pub(crate) fn append(&mut self, entries: &[T]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        match self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.length += text.len() as u64;
                self.depth += entries.len() as u64;
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
    /// A whole line that cannot be read is reported and passed over: the lines behind it count too.
    pub(crate) fn read(&self, place: u64, limit: usize) -> io::Result<(Vec<T>, u64)> {
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
                Ok(entry) => entries.push(entry),
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
        (self.length, self.depth) = (0, 0);
        Ok(())
    }
}

#[cfg(test)]
impl<T> Spool<T> {
    /// A spool whose every write fails for want of space, as on a full disk.
    pub(crate) fn on_a_full_disk() -> io::Result<Self> {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        Ok(Self { path, file, length: 0, depth: 0, entries: PhantomData })
    }
}
