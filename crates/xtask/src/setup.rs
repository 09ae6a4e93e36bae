//! What must be on the machine: compilers are checked, Debian packages installed, and each step says what it does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::root;

/// Something a package brings, and the package.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// A program on the path, or a file by its whole path, in which one folder may be `*`.
    pub probe: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

const fn tool(probe: &'static str, package: &'static str) -> Tool {
    Tool { probe, package }
}

/// What building needs beside Rust and Node.
pub const TO_BUILD: [Tool; 2] = [tool("cc", "build-essential"), tool("git", "git")];

/// What making the Debian package needs.
pub const TO_PACK: [Tool; 4] = [
    tool("dpkg-deb", "dpkg"),
    tool("dpkg-shlibdeps", "dpkg-dev"),
    tool("strip", "binutils"),
    tool("gzip", "gzip"),
];

/// What the demonstration needs.
pub const TO_SHOW: [Tool; 5] = [
    tool("kamailio", "kamailio"),
    tool("baresip", "baresip-core"),
    tool("sox", "sox"),
    tool("espeak-ng", "espeak-ng"),
    tool("setpriv", "util-linux"),
];

/// What the tests need beside that.
pub const TO_TEST: [Tool; 10] = [
    tool("sipp", "sip-tester"),
    tool("/usr/lib/*/kamailio/modules/tls.so", "kamailio-tls-modules"),
    tool("/usr/lib/*/kamailio/modules/presence.so", "kamailio-presence-modules"),
    tool("/usr/lib/*/kamailio/modules/websocket.so", "kamailio-websocket-modules"),
    tool("turnserver", "coturn"),
    tool("ip", "iproute2"),
    tool("iptables", "iptables"),
    tool("/usr/lib/postgresql/*/bin/initdb", "postgresql"),
    tool("chromium", "chromium"),
    tool("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
];

/// What the document of the interface is tried with, each with its version (PyPI).
const SCHEMATHESIS: &str = include_str!("../schemathesis.txt");
const PYTHON: [u32; 2] = [3, 10];

/// What the speed rounds are measured beside, and with.
pub const TO_BENCH: [Tool; 2] = [tool("rtpengine", "rtpengine-daemon"), tool("taskset", "util-linux")];

const RUST: [u32; 2] = [1, 95];
const NODE: [u32; 2] = [20, 19];

/// How tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// `cargo nextest run`.
    Nextest,
    /// `cargo test`, when nextest cannot be had.
    Plain,
}

/// Sets up everything that `cargo verify` needs.
///
/// # Errors
/// When something is missing that cannot be installed; the message says what to do.
pub fn everything() -> Result<Runner> {
    compilers()?;
    packages(&[&TO_BUILD[..], &TO_SHOW, &TO_PACK, &TO_TEST].concat())?;
    schemathesis()?;
    Ok(nextest())
}

/// Sets up everything that `cargo demo` needs.
///
/// # Errors
/// As [`everything`].
pub fn for_demo() -> Result<()> {
    compilers()?;
    packages(&[&TO_BUILD[..], &TO_SHOW].concat())
}

/// Sets up everything that `cargo bench-all` needs.
///
/// # Errors
/// As [`everything`].
pub fn for_bench() -> Result<()> {
    compilers()?;
    packages(&[&TO_BUILD[..], &TO_BENCH].concat())
}

/// Sets up everything that `cargo xtask package` needs.
///
/// # Errors
/// As [`everything`].
pub fn for_package() -> Result<()> {
    compilers()?;
    packages(&[&TO_BUILD[..], &TO_PACK].concat())
}

fn compilers() -> Result<()> {
    at_least("rustc", RUST, "rustup update stable, or install Rust from https://rustup.rs")?;
    at_least("node", NODE, "install Node 20.19 or newer with npm from https://nodejs.org/en/download")?;
    at_least("npm", [9, 0], "install npm, which comes with Node")
}

fn at_least(program: &str, wanted: [u32; 2], fix: &str) -> Result<()> {
    let [major, minor] = wanted;
    let need = format!("{program} {major}.{minor} or newer is needed: {fix}");
    let answer = Command::new(program)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .with_context(|| need.clone())?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let found =
        version_in(&text).with_context(|| format!("{program} --version answered {text:?}; {need}"))?;
    ensure!(found >= wanted, "{need} (found {})", text.trim());
    println!("  {}", text.trim());
    Ok(())
}

/// Finds the first `major.minor` in a text.
fn version_in(text: &str) -> Option<[u32; 2]> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text.get(start..)?.split(|c: char| !c.is_ascii_digit());
    Some([numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?])
}

/// Installs the packages of the tools that are missing.
///
/// # Errors
/// When this user may not install, or apt-get fails; the message holds the command to run.
pub fn packages(tools: &[Tool]) -> Result<()> {
    let mut missing: Vec<&str> =
        tools.iter().filter(|tool| !is_there(tool.probe)).map(|tool| tool.package).collect();
    missing.dedup();
    if missing.is_empty() {
        println!("  all {} packages are there", tools.len());
        return Ok(());
    }
    let command = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    ensure!(
        is_there("apt-get"),
        "missing: {}. This is no Debian or Ubuntu: install them by hand",
        missing.join(", ")
    );
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {}. Run: sudo {command}", missing.join(", "));
    }
    println!("  installing {}", missing.join(", "));
    let _quiet = NoServices::begin()?;
    run_apt(&["update"])?;
    run_apt(&[&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat())?;
    let still: Vec<&str> = tools.iter().filter(|tool| !is_there(tool.probe)).map(|tool| tool.probe).collect();
    ensure!(still.is_empty(), "after {command} these are still missing: {}", still.join(", "));
    Ok(())
}

fn run_apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    run(command, &format!("apt-get {}", arguments.join(" ")))
}

/// Whether a program is on the path, or a file is where it should be.
fn is_there(probe: &str) -> bool {
    if let Some((before, after)) = probe.split_once("/*/") {
        let entries = std::fs::read_dir(before).into_iter().flatten().flatten();
        return entries.into_iter().any(|entry| entry.path().join(after).exists());
    }
    if probe.starts_with('/') {
        return Path::new(probe).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrative = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(administrative).any(|directory| directory.join(probe).exists())
}

/// While it lives, packages start no service, so that none takes port 5060 (`invoke-rc.d` asks policy-rc.d first).
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").with_context(|| format!("cannot write {POLICY}"))?;
        let guard = Self { ours: true };
        std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

/// Where [`everything`] installs schemathesis.
#[must_use]
pub fn schemathesis_folder() -> PathBuf {
    root().join("target/schemathesis")
}

/// Installs schemathesis into a virtual environment of its own, unless these very versions are there.
fn schemathesis() -> Result<()> {
    if !has_venv() {
        packages(&[tool("python3", "python3"), tool("/usr/lib/*/ensurepip/__init__.py", "python3-venv")])?;
    }
    at_least("python3", PYTHON, "install it with the package python3-venv")?;
    let folder = schemathesis_folder();
    let installed = folder.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|versions| versions == SCHEMATHESIS) {
        println!("  schemathesis is there");
        return Ok(());
    }
    println!("  installing schemathesis into {}", folder.display());
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    run(venv, "python3 -m venv")?;
    let wanted = folder.join("wanted.txt");
    std::fs::write(&wanted, SCHEMATHESIS).with_context(|| wanted.display().to_string())?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
        .arg(&wanted);
    run(pip, "pip install (schemathesis is fetched from https://pypi.org)")?;
    std::fs::rename(&wanted, &installed).with_context(|| installed.display().to_string())
}

/// Whether Python can make virtual environments, which Debian splits off.
fn has_venv() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn run(mut command: Command, name: &str) -> Result<()> {
    let status = command.status().with_context(|| name.to_owned())?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

fn nextest() -> Runner {
    let asked = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if asked(&["nextest", "--version"]) {
        return Runner::Nextest;
    }
    println!("  installing cargo-nextest: cargo install cargo-nextest --locked");
    if asked(&["install", "cargo-nextest", "--locked"]) {
        return Runner::Nextest;
    }
    println!("  cargo-nextest cannot be installed here: tests run with cargo test, one program at a time");
    Runner::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        assert_eq!(version_in("rustc 1.95.0 (59807616e 2026-04-14)\n"), Some([1, 95]));
        assert_eq!(version_in("v20.20.2\n"), Some([20, 20]));
        assert_eq!(version_in("none"), None);
        assert!([20, 20] >= NODE && [19, 99] < NODE);
    }

    #[test]
    fn a_program_too_old_or_missing_is_named_with_its_fix() {
        let old = at_least("cargo", [999, 0], "update it").expect_err("too old").to_string();
        assert!(old.contains("cargo 999.0 or newer is needed: update it"), "{old}");
        let missing = at_least("no-such-program", [1, 0], "install it").expect_err("missing").to_string();
        assert!(missing.contains("install it"), "{missing}");
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        assert!(is_there("cargo") && is_there("/"));
        assert!(is_there("/usr/*/env") && !is_there("/usr/*/no-such-program") && !is_there("/no/*/env"));
        assert!(!is_there("no-such-program") && !is_there("/no/such/file"));
        packages(&[tool("cargo", "cargo")]).expect("nothing to do");
    }
}
