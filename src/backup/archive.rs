//! The archive itself: written once from front to back, read from front to back as often as need be.

use std::fs::{File, Permissions};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{ABOUT, About, BackupError, FORMAT, LeftOut, MANIFEST, Manifest, Member, UNFINISHED};

/// How hard zstd tries: a talk shrinks little, and the calls need the processor.
const LEVEL: i32 = 1;

/// A manifest or another member that is read as a whole is shorter than this.
const WHOLE_MAX: u64 = 1 << 30;

/// An archive being written; dropped unfinished it leaves no file.
pub(super) struct ArchiveWriter {
    path: PathBuf,
    folder: PathBuf,
    tar: tar::Builder<zstd::Encoder<'static, BufWriter<NamedTempFile>>>,
    made_at_s: u64,
    members: Vec<Member>,
}

impl ArchiveWriter {
    /// Begins an archive that gets its name when it is whole; until then only this user can read it, as afterwards.
    pub(super) fn create(path: &Path, about: &About, made_at_s: u64) -> Result<Self, BackupError> {
        if path.exists() {
            return Err(BackupError::Taken { path: path.to_owned() });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let failed = |error: io::Error| BackupError::File {
            path: folder.clone(),
            why: format!("no file can be made there: {error}"),
        };
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&folder)
            .map_err(failed)?;
        let mut zstd = zstd::Encoder::new(BufWriter::new(file), LEVEL).map_err(failed)?;
        zstd.include_checksum(true).map_err(failed)?;
        let tar = tar::Builder::new(zstd);
        let mut archive = Self { path: path.to_owned(), folder, tar, made_at_s, members: Vec::new() };
        archive.add_json(ABOUT, about)?;
        Ok(archive)
    }

    /// Adds a member from memory.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> Result<(), BackupError> {
        self.add_stream(name, content.len() as u64, content)
    }

    /// Adds a member of a length that is known; what `content` lacks is filled with zeros, what it has more is left.
    pub(super) fn add_stream(
        &mut self,
        name: &str,
        bytes: u64,
        content: impl Read,
    ) -> Result<(), BackupError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(self.made_at_s);
        let mut content = Hashed::new(content.chain(io::repeat(0)).take(bytes));
        self.tar.append_data(&mut header, name, &mut content).map_err(BackupError::file(&self.path))?;
        self.members.push(content.member(name));
        Ok(())
    }

    fn add_json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<(), BackupError> {
        let json = serde_json::to_vec(value).map_err(|error| BackupError::file(&self.path)(error.into()))?;
        self.add(name, &json)
    }

    /// Adds the manifest, brings everything to the disk and gives the archive its name.
    pub(super) fn finish(mut self, left_out: Vec<LeftOut>) -> Result<u64, BackupError> {
        let manifest = Manifest { members: std::mem::take(&mut self.members), left_out };
        self.add_json(MANIFEST, &manifest)?;
        let Self { path, folder, tar, .. } = self;
        let written = |tar: tar::Builder<zstd::Encoder<'static, BufWriter<NamedTempFile>>>| {
            let file = tar.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            Ok((file.as_file().metadata()?.len(), file))
        };
        let (bytes, file) = written(tar).map_err(BackupError::file(&path))?;
        file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Taken { path: path.clone() },
            _ => BackupError::file(&path)(error.error),
        })?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file(&folder))?;
        Ok(bytes)
    }
}

/// What is done with each member while the archive is read.
pub(super) trait Taker {
    /// Takes the content of a member; what is left of it is read anyway.
    async fn take(&mut self, name: &str, content: &mut dyn Read) -> Result<(), BackupError>;
}

/// Takes nothing: the archive is only proved.
pub(super) struct Proof;

impl Taker for Proof {
    async fn take(&mut self, _name: &str, _content: &mut dyn Read) -> Result<(), BackupError> {
        Ok(())
    }
}

/// Reads an archive to its end, proves it and hands each member but the first and the last on.
///
/// # Errors
/// When it is no archive of ours, of a newer program, cut off, or not what its manifest says.
pub(super) async fn read(path: &Path, taker: &mut impl Taker) -> Result<(About, Vec<LeftOut>), BackupError> {
    let file = File::open(path).map_err(BackupError::file(path))?;
    if !file.metadata().map_err(BackupError::file(path))?.is_file() {
        return Err(BackupError::Foreign { path: path.to_owned() });
    }
    let damaged = |why: String| BackupError::Damaged { path: path.to_owned(), why };
    let torn = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it ends too early, it was cut off".to_owned()),
        _ => damaged(format!("it is damaged ({error})")),
    };
    let zstd = zstd::Decoder::new(BufReader::new(file)).map_err(torn)?;
    let mut tar = tar::Archive::new(zstd);
    let (mut about, mut manifest, mut members) = (None, None::<Manifest>, Vec::new());
    for entry in tar.entries().map_err(torn)? {
        let mut entry =
            entry.map_err(|error| if about.is_none() { first(path, &error) } else { torn(error) })?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if manifest.is_some() {
            return Err(damaged(format!("{name} follows its manifest")));
        }
        let mut content = Hashed::new(&mut entry);
        match name.as_str() {
            _ if about.is_none() => about = Some(read_about(path, &name, &mut content)?),
            MANIFEST => {
                let text = whole(&mut content).map_err(torn)?;
                manifest = Some(serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?);
                continue;
            }
            name => taker.take(name, &mut content).await?,
        }
        io::copy(&mut content, &mut io::sink()).map_err(torn)?;
        members.push(content.member(&name));
    }
    // The checksum of zstd stands behind the end of the tar.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(torn)?;
    let about = about.ok_or_else(|| damaged("it is empty".to_owned()))?;
    let manifest = manifest.ok_or_else(|| damaged("it has no manifest, it was cut off".to_owned()))?;
    let differs = |(member, listed): (&Member, &Member)| (member != listed).then(|| listed.name.clone());
    if let Some(name) = members.iter().zip(&manifest.members).find_map(differs) {
        return Err(damaged(format!("{name} is not what its manifest says, it was changed")));
    }
    if members.len() != manifest.members.len() {
        return Err(damaged("it has not the members that its manifest names".to_owned()));
    }
    Ok((about, manifest.left_out))
}

/// What is wrong when not even the first member can be read.
fn first(path: &Path, error: &io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BackupError::Damaged {
            path: path.to_owned(),
            why: "it ends too early, it was cut off".to_owned(),
        },
        _ => BackupError::Foreign { path: path.to_owned() },
    }
}

fn read_about(path: &Path, name: &str, content: &mut impl Read) -> Result<About, BackupError> {
    let text = if name == ABOUT { whole(content).unwrap_or_default() } else { Vec::new() };
    let foreign = || BackupError::Foreign { path: path.to_owned() };
    let json: serde_json::Value = serde_json::from_slice(&text).map_err(|_| foreign())?;
    let format = json.get("linecard_backup").and_then(serde_json::Value::as_u64).ok_or_else(foreign)?;
    let schema = json.get("schema").and_then(serde_json::Value::as_i64).unwrap_or_default();
    if format > u64::from(FORMAT) || schema > linecard_store::newest_schema() {
        let program = json.get("program").and_then(serde_json::Value::as_str).unwrap_or_default();
        return Err(BackupError::Newer { path: path.to_owned(), program: program.to_owned() });
    }
    serde_json::from_value(json).map_err(|_| foreign())
}

/// Reads a member that fits into memory.
pub(super) fn whole(content: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content.take(WHOLE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Counts and hashes what is read through it.
struct Hashed<R> {
    inner: R,
    bytes: u64,
    hash: Sha256,
}

impl<R> Hashed<R> {
    fn new(inner: R) -> Self {
        Self { inner, bytes: 0, hash: Sha256::new() }
    }

    fn member(self, name: &str) -> Member {
        Member { name: name.to_owned(), bytes: self.bytes, sha256: format!("{:x}", self.hash.finalize()) }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(bytes.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
