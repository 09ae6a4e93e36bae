//! The Debian package: what is in it, whom it belongs to, that systemd takes its units and that the server in it runs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::peers::http::request;
use crate::peers::program::{Program, run_to_end};
use crate::peers::{eventually, net, root};

const SOON: Duration = Duration::from_secs(15);

/// The package of the server under test, and the folder that keeps it.
fn package() -> &'static str {
    static MADE: OnceLock<(tempfile::TempDir, String)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Path::new(env!("CARGO_BIN_EXE_linecard"));
        let package = xtask::package::make(server, folder.path()).expect("the package is made");
        (folder, package.display().to_string())
    });
    path
}

fn says(program: &str, arguments: &[&str]) -> String {
    let ended = run_to_end(program, Path::new("/"), arguments, &[], "");
    assert_eq!(ended.code, 0, "{program} {arguments:?}: {ended:?}");
    ended.stdout
}

fn unpacked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    says("dpkg-deb", &["-x", package(), &folder.path().display().to_string()]);
    folder
}

/// One test, since making the package takes its time: one process makes it once.
#[test]
fn the_package_holds_a_server_that_runs() {
    it_says_what_it_is();
    its_files_belong_to_root_and_only_the_configuration_is_private();
    its_scripts_are_scripts();
    systemd_takes_its_units();
    the_server_in_it_runs_with_its_configuration();
}

fn it_says_what_it_is() {
    let version = env!("CARGO_PKG_VERSION");
    let control = says("dpkg-deb", &["--info", package()]);
    for line in [
        "Package: linecard".to_owned(),
        format!("Version: {version}"),
        format!("Architecture: {}", says("dpkg", &["--print-architecture"]).trim()),
        "Section: comm".to_owned(),
    ] {
        assert!(control.lines().any(|it| it.trim() == line), "{line}: {control}");
    }
    let depends = control.lines().find(|line| line.trim().starts_with("Depends: ")).expect("dependencies");
    for needed in ["libc6 (>= 2.", "adduser", "init-system-helpers"] {
        assert!(depends.contains(needed), "{depends}");
    }
    assert!(!control.contains('{'), "every place is filled in: {control}");
    let changelog = std::fs::read_to_string(root().join("crates/xtask/package/changelog")).expect("it");
    assert!(changelog.starts_with(&format!("linecard ({version}) ")), "the changelog tells of this version");
}

fn its_files_belong_to_root_and_only_the_configuration_is_private() {
    let listed = says("dpkg-deb", &["--contents", package()]);
    let files: BTreeMap<&str, &str> = listed
        .lines()
        .map(|line| (line.rsplit_once(' ').expect("a name").1, line.split(' ').next().expect("a mode")))
        .collect();
    assert!(listed.lines().all(|line| line.contains(" root/root ")), "{listed}");
    for (name, mode) in [
        ("./usr/bin/linecard", "-rwxr-xr-x"),
        ("./etc/linecard/linecard.toml", "-rw-r-----"),
        ("./usr/lib/systemd/system/linecard.service", "-rw-r--r--"),
        ("./usr/lib/systemd/system/linecard-backup.service", "-rw-r--r--"),
        ("./usr/lib/systemd/system/linecard-backup.timer", "-rw-r--r--"),
        ("./usr/share/doc/linecard/copyright", "-rw-r--r--"),
        ("./usr/share/doc/linecard/changelog.gz", "-rw-r--r--"),
        ("./usr/share/doc/linecard/crates.txt.gz", "-rw-r--r--"),
        ("./usr/share/doc/linecard/README.md", "-rw-r--r--"),
        ("./usr/share/doc/linecard/sip-config/generic/README.md", "-rw-r--r--"),
    ] {
        assert_eq!(files.get(name), Some(&mode), "{name}: {listed}");
    }
    let folders = files.iter().filter(|(name, _)| name.ends_with('/'));
    folders.for_each(|(name, mode)| assert_eq!(*mode, "drwxr-xr-x", "{name}"));
    assert!(!files.keys().any(|name| name.starts_with("./var")), "data is made by its owner");
    let conffiles = says("dpkg-deb", &["--info", package(), "conffiles"]);
    assert_eq!(conffiles, "/etc/linecard/linecard.toml\n");
}

fn its_scripts_are_scripts() {
    let folder = tempfile::tempdir().expect("a folder");
    says("dpkg-deb", &["-e", package(), &folder.path().display().to_string()]);
    for script in ["postinst", "prerm", "postrm"] {
        let path = folder.path().join(script);
        let mode = std::fs::metadata(&path).expect("the script").permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{script}");
        says("sh", &["-n", &path.display().to_string()]);
        // With a word that no step is for, it does nothing and says so by its code.
        says(&path.display().to_string(), &["some-other-word"]);
    }
    // A purge keeps data; what is not there is no fault.
    let text = std::fs::read_to_string(folder.path().join("postrm")).expect("the script");
    assert!(!text.contains("rm -r"), "a purge throws no recordings away: {text}");
}

fn systemd_takes_its_units() {
    let tree = unpacked();
    let units = tree.path().join("usr/lib/systemd/system");
    let read = |name: &str| std::fs::read_to_string(units.join(name)).expect("the unit");
    let server = read("linecard.service");
    for line in [
        "User=linecard",
        "StateDirectory=linecard",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "Restart=on-failure",
        "RestartPreventExitStatus=2",
        "KillSignal=SIGTERM",
        "LimitNOFILE=65536",
    ] {
        assert!(server.lines().any(|it| it == line), "{line}");
    }
    let stop = server.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time to stop");
    // 20 s for calls, 6 s to save them, 3 s to unregister, 2 s for HTTP, twice 5 s for the database.
    assert!(stop.parse::<u64>().expect("seconds") > 20 + 6 + 3 + 2 + 5 + 5, "{stop}");
    assert!(read("linecard-backup.timer").contains("OnCalendar="));
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is missing: the units were read, not verified");
        return;
    }
    for unit in ["linecard.service", "linecard-backup.service", "linecard-backup.timer"] {
        // Where the program lies here, so that systemd finds it.
        let program = tree.path().join("usr/bin/linecard").display().to_string();
        std::fs::write(units.join(unit), read(unit).replace("/usr/bin/linecard", &program)).expect("written");
    }
    for unit in ["linecard.service", "linecard-backup.service", "linecard-backup.timer"] {
        let path = units.join(unit).display().to_string();
        let verified = run_to_end("systemd-analyze", Path::new("/"), &["verify", "--man=no", &path], &[], "");
        assert_eq!((verified.code, verified.stderr.contains(unit)), (0, false), "{verified:?}");
        if unit.ends_with(".service") {
            let security = ["security", "--offline=true", "--threshold=35", "--no-pager", &path];
            let exposed = run_to_end("systemd-analyze", Path::new("/"), &security, &[], "");
            assert_eq!(exposed.code, 0, "{exposed:?}");
        }
    }
}

fn the_server_in_it_runs_with_its_configuration() {
    let tree = unpacked();
    let binary = tree.path().join("usr/bin/linecard");
    let version = says(&binary.display().to_string(), &["--version"]);
    assert_eq!(version.trim(), format!("linecard {}", env!("CARGO_PKG_VERSION")));
    let text =
        std::fs::read_to_string(tree.path().join("etc/linecard/linecard.toml")).expect("the configuration");
    // With every default written out, as an administrator does who takes the signs away.
    let written_out: String = text.lines().map(|line| uncommented(line).to_owned() + "\n").collect();
    let data = tree.path().join("var/lib/linecard");
    let ip = net::own_address();
    let (http, sip) = ((ip, net::free_port(ip)).into(), net::free_port(ip));
    let own = written_out
        .replace("/var/lib/linecard", &data.display().to_string())
        .replace("127.0.0.1:8080", &format!("{http}"))
        .replace("0.0.0.0:5060", &format!("{ip}:{sip}"));
    let config = tree.path().join("etc/linecard/linecard.toml");
    std::fs::write(&config, own).expect("written");
    let path: &'static str = Box::leak(binary.display().to_string().into_boxed_str());
    let mut server = Program::new(path, "linecard");
    server.start(&["--config".to_owned(), config.display().to_string(), "serve".to_owned()]);
    eventually("the server answers", SOON, || {
        let reply = request(http, "GET", "/healthz", "", None).ok()?;
        (reply.status == 200).then_some(())
    });
    assert!(data.join("linecard.db").exists(), "its data lies where the configuration says");
    server.signal(Signal::TERM);
    assert!(server.wait(SOON).success(), "{}", server.log());
}

/// A commented default without its sign; prose stays a comment.
fn uncommented(line: &str) -> &str {
    let default = line.strip_prefix("# ").filter(|rest| {
        rest.split_once(" = ")
            .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    });
    default.unwrap_or(line)
}
