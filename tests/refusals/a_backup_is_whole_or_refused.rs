//! `backup` and `restore`: an archive is proved before anything is touched, and a place in use is left alone.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::place::{Place, refused};
use crate::contract::Evidence;

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";
const USER_ADD: [&str; 7] = ["user", "add", "--login", "maria", "--role", "agent", "--password-stdin"];

/// The members of an archive in their order.
type Members = Vec<(String, Vec<u8>)>;

impl Place {
    /// A place with a user and recorded calls.
    fn in_use(calls: i64) -> Self {
        let place = Self::new();
        let made = place.run(&USER_ADD, "a long password\n");
        assert_eq!(made.code, 0, "{made:?}");
        let url = format!("sqlite://{}", place.data().join("linecard.db").display());
        let mut evidence = Evidence::open(&url, place.data().join("recordings"));
        for call in 0..calls {
            let mut call = evidence.call(NOBODY, call);
            let recording = evidence.record(&mut call, 500);
            evidence.save(&call, vec![recording]);
        }
        place
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("linecard.tar.zst")
    }

    /// Backs the place up and returns the archive.
    fn backed_up(&self) -> PathBuf {
        let path = self.archive();
        let made = self.run(&["backup", &path.display().to_string()], "");
        assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
        path
    }

    fn restore(&self, archive: &Path) -> crate::peers::program::Ended {
        self.run(&["restore", &archive.display().to_string()], "")
    }

    /// Restores an archive that has to be refused with this code, and returns the line; nothing was touched.
    fn refuses(&self, archive: &Path, code: i32) -> String {
        let line = refused(&self.restore(archive), code);
        assert!(line.starts_with(&archive.display().to_string()), "{line}");
        assert!(!self.data().exists(), "nothing was touched: {line}");
        line
    }
}

fn members(archive: &Path) -> Members {
    let zstd = zstd::Decoder::new(std::fs::File::open(archive).expect("the archive")).expect("zstd");
    let mut tar = tar::Archive::new(zstd);
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry: tar::Entry<'_, zstd::Decoder<'_, _>> = entry.expect("a member");
        let name = entry.path().expect("its name").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        (name, content)
    };
    tar.entries().expect("members").map(read).collect()
}

fn write(archive: &Path, members: &Members) {
    let zstd = zstd::Encoder::new(std::fs::File::create(archive).expect("a file"), 1).expect("zstd");
    let mut tar = tar::Builder::new(zstd);
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        // As it is: the crate would refuse a name that leads upwards.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, content.as_slice()).expect("a member");
    }
    tar.into_inner().expect("the end").finish().expect("the end");
}

#[test]
fn a_backup_is_private_named_once_and_restores_into_an_empty_place() {
    let place = Place::in_use(3);
    let archive = place.backed_up();
    let mode = std::fs::metadata(&archive).expect("the archive").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let taken = refused(&place.run(&["backup", &archive.display().to_string()], ""), 2);
    assert!(taken.contains("there is such a file already"), "{taken}");
    let left = std::fs::read_dir(place.folder.path()).expect("the folder").count();
    assert_eq!(left, 3, "configuration, data and archive: no half file is left");

    let other = Place::new();
    let restored = other.restore(&archive);
    assert_eq!((restored.code, restored.stderr.as_str()), (0, ""), "{restored:?}");
    assert!(restored.stdout.contains("3 files of recordings"), "{restored:?}");
    let verified = other.run(&["recording", "verify", "--all"], "");
    assert_eq!((verified.code, verified.stdout.contains("3 recordings are well")), (0, true), "{verified:?}");
    let taken = refused(&other.run(&USER_ADD, "a long password\n"), 1);
    assert!(taken.contains("already in use"), "{taken}");
    for (name, content) in members(&archive) {
        if let Some(file) = name.strip_prefix("recordings/") {
            assert_eq!(
                std::fs::read(other.data().join("recordings").join(file)).ok(),
                Some(content),
                "{file}"
            );
        }
    }
    let line = refused(&other.restore(&archive), 1);
    assert!(line.contains("recording.dir") && line.contains("3 files of recordings already"), "{line}");
    std::fs::remove_dir_all(other.data().join("recordings")).expect("the recordings go");
    let line = refused(&other.restore(&archive), 1);
    assert!(line.contains("holds") && line.contains("rows of") && line.contains("server.data_dir"), "{line}");
    assert!(other.data().join("linecard.db").exists(), "the database is left alone");
}

#[test]
fn what_no_database_has_taken_yet_is_not_restored_over() {
    let archive = Place::in_use(1);
    let path = archive.backed_up();
    for spool in ["signals.jsonl", "audit.jsonl"] {
        let other = Place::new();
        let spooled = other.data().join("spool").join(spool);
        std::fs::create_dir_all(spooled.parent().expect("a folder")).expect("the folder");
        std::fs::write(&spooled, "{\"evidence\": 1}\n").expect("a spool");
        let line = refused(&other.restore(&path), 1);
        assert!(line.contains(spool) && line.contains("has not taken yet"), "{line}");
        assert_eq!(std::fs::read_to_string(&spooled).ok().as_deref(), Some("{\"evidence\": 1}\n"));
        assert!(!other.data().join("linecard.db").exists(), "nothing was touched");
    }
}

#[test]
fn wrong_usage_is_told_from_a_place_that_refuses() {
    let place = Place::new();
    for arguments in
        [&["backup"][..], &["restore"], &["backup", "a", "--into", "b"], &["backup", "a", "--keep", "2"]]
    {
        assert_eq!(place.run(arguments, "").code, 2, "{arguments:?}");
    }
    let nowhere = place.run(&["backup", "x.tar.zst"], "");
    assert!(refused(&nowhere, 1).contains("there is no database at"), "{nowhere:?}");
    let missing = place.restore(&place.folder.path().join("missing.tar.zst"));
    assert!(refused(&missing, 1).contains("missing.tar.zst: "), "{missing:?}");
    let used = Place::in_use(0);
    let nowhere = used.run(&["backup", "no/such/folder/x.tar.zst"], "");
    assert!(refused(&nowhere, 1).contains("no/such/folder: no file can be made there"), "{nowhere:?}");
}

#[test]
fn what_is_no_backup_is_refused_as_such() {
    let place = Place::new();
    let file = place.folder.path().join("other");
    let mut tarball = Vec::new();
    let mut zstd = zstd::Encoder::new(&mut tarball, 1).expect("zstd");
    zstd.write_all(b"not a tar at all, only words that somebody has packed").expect("words");
    zstd.finish().expect("the end");
    for content in [&b"Some words.\n"[..], b"PK\x03\x04\0\0", &[0; 4096], &tarball] {
        std::fs::write(&file, content).expect("written");
        let ended = place.restore(&file);
        let line = refused(&ended, ended.code);
        assert!(!place.data().exists() && [1, 2].contains(&ended.code), "{line}");
    }
    write(&file, &vec![("letters/a.txt".to_owned(), b"Dear".to_vec())]);
    let line = place.refuses(&file, 2);
    assert!(line.contains("this is no backup of Linecard's"), "{line}");
    std::fs::write(&file, "Some words that are no archive.\n").expect("written");
    assert!(place.refuses(&file, 2).contains("this is no backup of Linecard's"));
}

#[test]
fn a_torn_or_damaged_archive_is_refused_wherever_it_is_torn() {
    let archive = Place::in_use(2).backed_up_bytes();
    let place = Place::new();
    let file = place.folder.path().join("torn.tar.zst");
    for part in 0..40 {
        std::fs::write(&file, &archive[..archive.len() * part / 40]).expect("written");
        let line = place.refuses(&file, 1);
        assert!(line.contains("it was cut off") && line.contains("nothing was restored"), "{part}: {line}");
    }
    for part in 0..80 {
        let mut bytes = archive.clone();
        let at = 6 + (bytes.len() - 6) * part / 80;
        bytes[at] ^= 0x10;
        std::fs::write(&file, &bytes).expect("written");
        let ended = place.restore(&file);
        assert!(refused(&ended, ended.code).contains("torn.tar.zst: "), "{ended:?}");
        assert!(!place.data().exists(), "byte {at}");
    }
}

impl Place {
    fn backed_up_bytes(&self) -> Vec<u8> {
        std::fs::read(self.backed_up()).expect("the archive")
    }
}

#[test]
fn a_changed_archive_is_refused_whatever_was_changed() {
    let source = Place::in_use(2);
    let whole = members(&source.backed_up());
    let place = Place::new();
    let file = place.folder.path().join("changed.tar.zst");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        let name = changed[at].0.clone();
        match changed[at].1.last_mut() {
            Some(byte) if name != "manifest.json" && name != "about.json" => *byte ^= 1,
            _ => drop(changed.remove(at)),
        }
        write(&file, &changed);
        let ended = place.restore(&file);
        refused(&ended, if name == "about.json" { 2 } else { 1 });
        assert!(!place.data().exists(), "{name}");
    }
    let mut swapped = whole.clone();
    swapped.swap(2, 3);
    write(&file, &swapped);
    assert!(place.refuses(&file, 1).contains("is not what its manifest says, it was changed"));
    let mut more = whole.clone();
    more.push(("recordings/x.wav".to_owned(), Vec::new()));
    write(&file, &more);
    assert!(place.refuses(&file, 1).contains("recordings/x.wav follows its manifest"));
    write(&file, &whole);
    assert_eq!(place.restore(&file).code, 0, "what is packed anew without a change is the same backup");
}

#[test]
fn an_archive_of_a_newer_program_is_refused_with_its_version() {
    let source = Place::in_use(0);
    let whole = members(&source.backed_up());
    let place = Place::new();
    let file = place.folder.path().join("newer.tar.zst");
    for key in ["linecard_backup", "schema"] {
        let mut newer = whole.clone();
        let mut about: Value = serde_json::from_slice(&newer[0].1).expect("JSON");
        about[key] = 9_999.into();
        about["program"] = "7.1.0".into();
        newer[0].1 = about.to_string().into_bytes();
        write(&file, &with_true_manifest(newer));
        let line = place.refuses(&file, 1);
        assert!(line.contains("Linecard 7.1.0 made it") && line.contains("install that version"), "{line}");
    }
}

/// Makes the manifest agree with changed members, as somebody would who knows how.
fn with_true_manifest(mut members: Members) -> Members {
    let (name, text) = members.pop().expect("the manifest is the last");
    let mut manifest: Value = serde_json::from_slice(&text).expect("JSON");
    let list = members.iter().map(|(name, content)| {
        let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        serde_json::json!({"name": name, "bytes": content.len(), "sha256": digest})
    });
    manifest["members"] = list.collect();
    members.push((name, manifest.to_string().into_bytes()));
    members
}

#[test]
fn a_member_that_would_leave_its_folder_is_refused_and_writes_nothing() {
    let source = Place::in_use(0);
    let whole = members(&source.backed_up());
    for name in
        ["recordings/../x.wav", "recordings/a/b.wav", "alive/../x", "/etc/passwd", "spool/other", "database"]
    {
        let place = Place::new();
        let file = place.folder.path().join("odd.tar.zst");
        let mut odd = whole.clone();
        odd.insert(odd.len() - 1, (name.to_owned(), b"x".to_vec()));
        write(&file, &with_true_manifest(odd));
        let line = refused(&place.restore(&file), 1);
        assert!(line.contains(&format!("{name} has no place in this version")), "{line}");
    }
}

#[test]
fn a_restore_that_was_cut_off_is_run_again_and_no_server_starts_until_then() {
    let archive = Place::in_use(2).into_archive();
    let place = Place::new();
    std::fs::create_dir(place.data()).expect("the folder");
    // Where the spool's folder is to be, something stands in the way.
    std::fs::write(place.data().join("spool"), "in the way").expect("written");
    let file = place.folder.path().join("linecard.tar.zst");
    std::fs::write(&file, archive).expect("written");
    let line = refused(&place.restore(&file), 1);
    assert!(line.contains("has not come to its end") && line.contains("run it again"), "{line}");
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.contains("has not come to its end; run `linecard restore` again"), "{line}");
    std::fs::remove_file(place.data().join("spool")).expect("out of the way");
    let restored = place.restore(&file);
    assert_eq!((restored.code, restored.stderr.as_str()), (0, ""), "{restored:?}");
    let verified = place.run(&["recording", "verify", "--all"], "");
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(!place.data().join("restore-unfinished").exists());
}

impl Place {
    fn into_archive(self) -> Vec<u8> {
        self.backed_up_bytes()
    }
}

#[test]
fn scheduled_backups_are_named_after_the_moment_and_the_oldest_go() {
    let place = Place::in_use(1);
    let folder = place.folder.path().join("backups");
    std::fs::create_dir(&folder).expect("a folder");
    let old = ["linecard-20250101T000000Z.tar.zst", "linecard-20250102T000000Z.tar.zst"];
    for name in old.into_iter().chain(["mine.tar.zst"]) {
        std::fs::write(folder.join(name), "old").expect("written");
    }
    let into = folder.display().to_string();
    let made = place.run(&["backup", "--into", &into, "--keep", "2"], "");
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{made:?}");
    assert!(made.stdout.contains(&format!("{} deleted", folder.join(old[0]).display())), "{made:?}");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort_unstable();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!((names[0].as_str(), names[2].as_str()), (old[1], "mine.tar.zst"));
    let newest = Place::new().restore(&folder.join(&names[1]));
    assert_eq!(newest.code, 0, "{newest:?}");
}
