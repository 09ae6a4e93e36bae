//! `cargo verify`: every check in turn, each timed; the table at the end says which failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::postgres::{self, Cluster};
use super::root;
use super::running::{Failed, run_command};
use super::setup::{self, Runner};

/// Directories with a `package.json`.
const INTERFACES: [&str; 2] = ["crates/web/ui", "tests/browser"];
/// Scripts of a package, in the order in which they run when they exist.
const SCRIPTS: [&str; 5] = ["format:check", "lint", "check", "test", "build"];

struct Row {
    name: &'static str,
    took: Duration,
    fault: Option<Fault>,
}

/// Why a step failed: what is said of it in one line, and the last lines its programs wrote.
struct Fault {
    words: String,
    last_lines: Vec<String>,
}

impl Fault {
    fn of(error: &anyhow::Error) -> Self {
        let last_lines = error.downcast_ref::<Failed>().map(|failed| failed.last_lines.clone());
        Self { words: format!("{error:#}"), last_lines: last_lines.unwrap_or_default() }
    }
}

impl Row {
    fn verdict(&self) -> &str {
        self.fault.as_ref().map_or("good", |fault| fault.words.as_str())
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Runs a step and keeps its time and its fault.
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n==> {name}");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        let fault = result.as_ref().err().map(Fault::of);
        let row = Row { name, took, fault };
        println!("<== {name}: {} after {:.1} s", row.verdict(), took.as_secs_f64());
        self.rows.push(row);
        result.ok()
    }

    fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.fault.is_none())
    }

    /// Says again how each failed step ended, then the table: what counts stands where a reader looks first.
    fn print(&self) {
        for row in &self.rows {
            let Some(fault) = row.fault.as_ref().filter(|fault| !fault.last_lines.is_empty()) else {
                continue;
            };
            println!("\n==> {}: the last lines before it failed", row.name);
            fault.last_lines.iter().for_each(|line| println!("{line}"));
        }
        println!("\n{:<18} {:>9}  result", "step", "seconds");
        for row in &self.rows {
            let seconds = row.took.as_secs_f64();
            println!("{:<18} {seconds:>9.1}  {}", row.name, row.verdict());
        }
        let total: Duration = self.rows.iter().map(|row| row.took).sum();
        let verdict = if self.is_good() { "good" } else { "NOT GOOD" };
        println!("{:<18} {:>9.1}  {verdict}", "all", total.as_secs_f64());
    }
}

/// Runs every check; false when one failed. A check that fails does not keep the others from running.
///
/// # Errors
/// None of its own: a fault of set-up stands in the table like any other.
pub fn run() -> Result<bool> {
    let mut table = Table::default();
    if let Some(runner) = table.step("set-up", setup::everything) {
        checks(&mut table, runner);
    }
    table.print();
    Ok(table.is_good())
}

fn checks(table: &mut Table, runner: Runner) {
    table.step("formatting", || cargo(&["fmt", "--all", "--check"]));
    table.step("interface", interfaces);
    let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    table.step("lints", || cargo(&lints));
    let tests: &[&str] = match runner {
        Runner::Nextest => &["nextest", "run", "--workspace", "--locked"],
        Runner::Plain => &["test", "--workspace", "--locked", "--lib", "--bins", "--tests"],
    };
    // One cluster for all tests: each of them runs in a process of its own.
    let cluster = table.step("database", Cluster::start);
    let address = cluster.as_ref().map(|cluster| (postgres::SHARED, cluster.address().to_string()));
    table.step("tests", || cargo_with(tests, address.clone()));
    if runner == Runner::Nextest {
        let stories = ["nextest", "run", "-p", "linecard", "--profile", "postgres", "--locked"];
        let on_postgres = Some(("LINECARD_STORIES_ON", "postgres".to_owned()));
        table.step("stories again", || cargo_with(&stories, address.into_iter().chain(on_postgres)));
    }
    drop(cluster);
    table.step("documentation", || cargo(&["test", "--workspace", "--locked", "--doc"]));
}

fn cargo(arguments: &[&str]) -> Result<()> {
    cargo_with(arguments, [])
}

fn cargo_with<'a>(
    arguments: &[&str],
    environment: impl IntoIterator<Item = (&'a str, String)>,
) -> Result<()> {
    let mut command = super::cargo();
    command.args(arguments).current_dir(root()).envs(environment);
    run_command(command, &format!("cargo {}", arguments.join(" ")))
}

/// Installs, checks and builds what is written for the browser.
///
/// # Errors
/// When npm or one of the scripts fails.
pub fn interfaces() -> Result<()> {
    let directories = INTERFACES.iter().map(|directory| root().join(directory));
    let present: Vec<PathBuf> =
        directories.filter(|directory| directory.join("package.json").exists()).collect();
    // All of them first: later steps need them whatever a check says.
    for directory in &present {
        npm(directory, &["ci", "--no-audit", "--no-fund"])?;
    }
    for directory in present {
        let scripts = scripts_of(&directory)?;
        for script in SCRIPTS.iter().filter(|script| scripts.iter().any(|name| name == *script)) {
            npm(&directory, &["run", script])?;
        }
    }
    Ok(())
}

/// Installs what the interface needs and builds it, without its checks.
///
/// # Errors
/// When npm fails.
pub fn build_interface() -> Result<()> {
    let directory = root().join("crates/web/ui");
    npm(&directory, &["ci", "--no-audit", "--no-fund"])?;
    npm(&directory, &["run", "build"])
}

/// Builds the server as it is given to people and returns where it is.
///
/// # Errors
/// When cargo fails.
pub fn build_server() -> Result<PathBuf> {
    let mut cargo = super::cargo();
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "linecard",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let built = cargo.current_dir(root()).stderr(Stdio::inherit()).output().context("cargo build")?;
    ensure!(built.status.success(), "cargo build ended with {}", built.status);
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let values = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = values.filter_map(|value| value.get("executable")?.as_str().map(PathBuf::from)).next_back();
    path.context("cargo build names no program")
}

fn scripts_of(directory: &Path) -> Result<Vec<String>> {
    let path = directory.join("package.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let package: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let scripts = package.get("scripts").and_then(Value::as_object);
    Ok(scripts.map(|scripts| scripts.keys().cloned().collect()).unwrap_or_default())
}

fn npm(directory: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(directory).env("CI", "1");
    run_command(command, &format!("npm {} in {}", arguments.join(" "), directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_spoils_the_whole_and_the_others_still_run() {
        let mut table = Table::default();
        assert_eq!(table.step("first", || anyhow::Ok(7)), Some(7));
        assert!(table.is_good());
        assert!(table.step("second", || cargo(&["no-such-command"])).is_none());
        table.step("third", || anyhow::Ok(()));
        assert_eq!(table.rows.len(), 3);
        assert!(!table.is_good());
        let told = table.rows[1].fault.as_ref().expect("the fault of the second").last_lines.join("\n");
        assert!(told.contains("no-such-command"), "{told}");
    }

    #[test]
    fn scripts_are_read_from_the_package() {
        assert_eq!(scripts_of(&root().join("tests/browser")).expect("a package"), ["lint"]);
    }
}
