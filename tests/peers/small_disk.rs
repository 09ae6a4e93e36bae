//! A file system of a few megabytes that a test can fill.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Set in the copy of a test that runs with a small file system of its own.
const INSIDE: &str = "LINECARD_TEST_SMALL_DISK";

/// Runs `story` with a file system of one megabyte. The test `name` (its whole path) runs itself again in a mount
/// namespace, so that nothing is left mounted, and needs no root where user namespaces are allowed.
pub(crate) fn with_small_disk(name: &str, story: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return story(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder to mount on");
    let mount = r#"mount -t tmpfs -o size=1m linecard-test "$0" && exec "$1" --exact "$2" --nocapture"#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", mount])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("the test's own program"))
        .arg(name)
        .env(INSIDE, folder.path())
        .output()
        .expect("this test needs `unshare` of the package util-linux");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "in a mount namespace (util-linux, user namespaces allowed):\n{text}");
    assert!(text.contains("1 passed"), "the story was told:\n{text}");
}

/// Fills the small file system with one file until it takes no more.
pub(crate) fn fill(path: &Path) {
    let mut left = vec![0_u8; 2 * 1024 * 1024];
    while !left.is_empty() {
        let mut file = fs::File::options().append(true).create(true).open(path).expect("the filler opens");
        match file.write(&left) {
            Ok(written) => drop(left.drain(..written)),
            Err(error) => return assert_eq!(error.kind(), std::io::ErrorKind::StorageFull),
        }
    }
    panic!("the small disk took two megabytes");
}
