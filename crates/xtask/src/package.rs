//! `cargo xtask package`: the Debian package, made of a built server and the files in `crates/xtask/package`, without a
//! network. What the tests build is made by the same hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{root, setup, verify};

/// Where a file of the project goes: its path from the root, its place in the package, its mode.
type Place = (&'static str, &'static str, u32);

const PLACES: [Place; 7] = [
    ("crates/xtask/package/linecard.service", "usr/lib/systemd/system", 0o644),
    ("crates/xtask/package/linecard-backup.service", "usr/lib/systemd/system", 0o644),
    ("crates/xtask/package/linecard-backup.timer", "usr/lib/systemd/system", 0o644),
    ("crates/xtask/package/linecard.toml", "etc/linecard", 0o640),
    ("crates/xtask/package/copyright", DOCUMENTS, 0o644),
    ("README.md", DOCUMENTS, 0o644),
    ("LICENSE-MIT", DOCUMENTS, 0o644),
];

const DOCUMENTS: &str = "usr/share/doc/linecard";

/// What an administrator enters on the PBX.
const GUIDES: [&str; 5] = [
    "sip-config/generic/README.md",
    "sip-config/kamailio/README.md",
    "sip-config/phones/README.md",
    "sip-config/kamailio/kamailio.cfg",
    "sip-config/baresip/accounts",
];

/// The scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Builds interface, server and package.
///
/// # Errors
/// When a step fails.
pub fn run() -> Result<()> {
    println!("==> set-up");
    setup::for_package()?;
    println!("==> building the interface and the server");
    verify::build_interface()?;
    let server = verify::build_server()?;
    let package = make(&server, &root().canonicalize()?.join("target/package"))?;
    println!("\n{}\ninstall it with: apt install {}", package.display(), package.display());
    Ok(())
}

/// Makes the package of a built server in `folder` and returns its path.
///
/// # Errors
/// When a file is missing or `dpkg-deb` refuses.
pub fn make(server: &Path, folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    for (from, to, mode) in PLACES {
        let name = Path::new(from).file_name().context("a file's name")?;
        put(&root().join(from), &tree.join(to).join(name), mode)?;
    }
    for guide in GUIDES {
        put(&root().join(guide), &tree.join(DOCUMENTS).join(guide), 0o644)?;
    }
    let program = tree.join("usr/bin/linecard");
    put(server, &program, 0o755)?;
    run_in(&tree, Command::new("strip").arg("--strip-debug").arg(&program))?;
    let changelog = fs::read(root().join("crates/xtask/package/changelog"))?;
    pack(&tree.join(DOCUMENTS).join("changelog.gz"), &changelog)?;
    pack(&tree.join(DOCUMENTS).join("crates.txt.gz"), crates()?.as_bytes())?;
    // The control files are no part of what is installed, so its size comes before them.
    let size = size_kib(&tree)?;
    control(&tree, &program, size)?;
    let package = folder.join(format!("linecard_{}_{}.deb", version(), architecture()?));
    let mut build = Command::new("dpkg-deb");
    build.args(["--build", "--root-owner-group", "-Zgzip"]).arg(&tree).arg(&package);
    run_in(folder, build.stdout(Stdio::null()))?;
    fs::remove_dir_all(&tree)?;
    Ok(package)
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn architecture() -> Result<String> {
    Ok(answer(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned())
}

fn control(tree: &Path, program: &Path, size: u64) -> Result<()> {
    let files = root().join("crates/xtask/package");
    let debian = tree.join("DEBIAN");
    for script in SCRIPTS {
        put(&files.join(script), &debian.join(script), 0o755)?;
    }
    let text = fs::read_to_string(files.join("control"))?
        .replace("{version}", version())
        .replace("{architecture}", &architecture()?)
        .replace("{installed_size}", &size.to_string())
        .replace("{depends}", &libraries(tree, program)?);
    write(&debian.join("control"), text.as_bytes())?;
    write(&debian.join("conffiles"), b"/etc/linecard/linecard.toml\n")
}

/// Asks which packages the program's libraries come from, and in which version at least.
fn libraries(tree: &Path, program: &Path) -> Result<String> {
    let place = tree.with_extension("libraries");
    write(&place.join("debian/control"), b"Source: linecard\n\nPackage: linecard\nArchitecture: any\n")?;
    let mut ask = Command::new("dpkg-shlibdeps");
    let text = answer(ask.arg("-O").arg(program).current_dir(&place))?;
    fs::remove_dir_all(&place)?;
    let depends = text.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    depends.map(String::from).context("dpkg-shlibdeps names no libraries")
}

/// The crates in the program, each with its version and licence.
fn crates() -> Result<String> {
    let mut tree = super::cargo();
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "--package",
        "linecard",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    tree.args(["--no-dedupe", "--format", "{p} {l}"]).current_dir(root());
    let listed = answer(&mut tree)?;
    let mut lines: Vec<String> =
        listed.lines().filter(|line| !line.contains('(')).map(String::from).collect();
    lines.sort_unstable();
    lines.dedup();
    ensure!(lines.len() > 50, "cargo tree names only {} crates", lines.len());
    Ok(lines.join("\n") + "\n")
}

fn size_kib(folder: &Path) -> Result<u64> {
    let text = answer(Command::new("du").args(["-sk", "--apparent-size"]).arg(folder))?;
    text.split_whitespace().next().and_then(|size| size.parse().ok()).context("du names no size")
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let content = fs::read(from).with_context(|| from.display().to_string())?;
    write(to, &content)?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

/// Writes a file and the folders above it as everybody may read them, whatever this user's mask is.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().context("a folder")?;
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    for folder in missing {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    fs::write(path, content).with_context(|| path.display().to_string())?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o644))?)
}

/// Writes a text as Debian wants it: packed as well as can be, without the moment.
fn pack(path: &Path, content: &[u8]) -> Result<()> {
    let plain = path.with_extension("");
    write(&plain, content)?;
    run_in(path.parent().context("a folder")?, Command::new("gzip").arg("-9n").arg(&plain))
}

fn run_in(folder: &Path, command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.current_dir(folder).status().with_context(|| name.clone())?;
    ensure!(status.success(), "{name}: {status}");
    Ok(())
}

fn answer(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| name.clone())?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
