//! Scheduled backups in a folder of their own: a name that says when, and only the newest few are kept.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::{BackupError, UNFINISHED};

/// How the names begin and end; what looks otherwise is never touched.
const BEGIN: &str = "linecard-";
const END: &str = ".tar.zst";
const MOMENT: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// An unfinished archive that was not written to for so long belongs to a backup that was killed.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Returns the name of a backup that is made at a moment (UTC); names sort by it.
pub(crate) fn file_name(at: OffsetDateTime) -> String {
    format!("{BEGIN}{}{END}", at.format(MOMENT).unwrap_or_default())
}

/// Deletes all but the newest `keep` backups of a folder, and what killed ones have left; returns what was deleted.
///
/// # Errors
/// When the folder cannot be read or a file cannot be deleted.
pub(crate) fn rotate(folder: &Path, keep: NonZeroUsize) -> Result<Vec<PathBuf>, BackupError> {
    let (mut names, mut left) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(BackupError::file(folder))? {
        let entry = entry.map_err(BackupError::file(folder))?;
        let name = entry.file_name();
        names.extend(name.to_str().filter(|name| is_ours(name)).map(String::from));
        left.extend(is_given_up(&entry).then(|| entry.path()));
    }
    names.sort_unstable();
    names.truncate(names.len().saturating_sub(keep.get()));
    let mut old: Vec<PathBuf> = names.into_iter().map(|name| folder.join(name)).collect();
    old.append(&mut left);
    for file in &old {
        std::fs::remove_file(file).map_err(BackupError::file(file))?;
    }
    Ok(old)
}

fn is_ours(name: &str) -> bool {
    let moment = name.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    moment.is_some_and(|moment| time::PrimitiveDateTime::parse(moment, MOMENT).is_ok())
}

fn is_given_up(entry: &std::fs::DirEntry) -> bool {
    let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|at| at.elapsed().ok());
    is_unfinished && age.is_some_and(|age| age > GIVEN_UP_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_kept_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = ["linecard-before-the-move.tar.zst", "notes.txt", "linecard-20261301T000000Z.tar.zst"];
        let at = |day: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000 + day);
        let names: Vec<String> = [3, 1, 40, 2].into_iter().map(|day| file_name(at(day))).collect();
        for name in names.iter().map(String::as_str).chain(foreign) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let gone = rotate(folder.path(), NonZeroUsize::new(2).unwrap()).unwrap();
        assert_eq!(gone, [folder.path().join(&names[1]), folder.path().join(&names[3])]);
        for name in [&names[0], &names[2]].into_iter().map(String::as_str).chain(foreign) {
            assert!(folder.path().join(name).exists(), "{name}");
        }
        let [old, new] = ["old", "new"].map(|name| folder.path().join(format!("{UNFINISHED}{name}")));
        for file in [&old, &new] {
            std::fs::write(file, "half").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - GIVEN_UP_AFTER - Duration::from_secs(60);
        std::fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(rotate(folder.path(), NonZeroUsize::new(9).unwrap()).unwrap(), [old]);
        assert!(new.exists(), "it may be under way");
        assert!(rotate(folder.path(), NonZeroUsize::new(9).unwrap()).unwrap().is_empty());
    }
}
