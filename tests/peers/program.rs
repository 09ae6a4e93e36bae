//! A program that a test started: its directory, its log, its end.
//!
//! It runs in a process group of its own, so that its children end with it, and is told to end if the test's
//! process dies first. No shell takes part.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// A running program with a directory of its own.
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
    directory: TempDir,
    child: Option<Child>,
    /// The network namespace that it runs in, if it is not the test's own.
    namespace: Option<&'static str>,
}

impl Program {
    /// Makes the directory for a program of the Debian package `package`; nothing runs yet.
    pub(crate) fn new(name: &'static str, package: &'static str) -> Self {
        let directory = tempfile::Builder::new().prefix("lc-").tempdir().expect("a temporary directory");
        Self { name, package, directory, child: None, namespace: None }
    }

    /// Lets it run in a network namespace.
    pub(crate) fn in_namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// The program's own directory; it is deleted with the value.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file into the directory and returns its path.
    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the directory is made");
        fs::write(&path, content).expect("the file is written");
        path
    }

    /// Starts the program with output and errors going to the log. A running one must have been ended before.
    pub(crate) fn start(&mut self, args: &[String]) {
        let log = self.open_log();
        self.spawn(args, Stdio::null(), Stdio::from(log));
    }

    /// Starts the program with its input and output in the test's hands; errors go to the log.
    pub(crate) fn start_piped(&mut self, args: &[String]) -> (ChildStdin, ChildStdout) {
        self.spawn(args, Stdio::piped(), Stdio::piped());
        let child = self.child.as_mut().expect("just started");
        (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"))
    }

    fn spawn(&mut self, args: &[String], stdin: Stdio, stdout: Stdio) {
        use std::os::unix::process::CommandExt;
        assert!(self.child.is_none(), "{} is already running", self.name);
        let log = self.open_log();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]);
        if let Some(namespace) = self.namespace {
            command.args(["ip", "netns", "exec", namespace]);
        }
        command.arg(self.name).args(args);
        command.current_dir(self.directory()).process_group(0);
        command.stdin(stdin).stdout(stdout).stderr(log);
        assert!(
            is_on_path(self.name),
            "{} is missing: install the package {} (cargo verify does)",
            self.name,
            self.package
        );
        self.child = Some(command.spawn().expect("setpriv of the package util-linux starts the program"));
    }

    fn log_path(&self) -> PathBuf {
        self.directory().join("log.txt")
    }

    fn open_log(&self) -> File {
        File::options().create(true).append(true).open(self.log_path()).expect("the log opens")
    }

    /// What the program has printed so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// The process id, which is the id of its group too.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the program runs").id()
    }

    /// Whether it still runs; fails the test loudly with the log if it should.
    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.exit_status() {
            panic!("{} ended with {status}:\n{}", self.name, tail(&self.log()));
        }
    }

    /// How it ended, or `None` while it runs.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().expect("the program was started").try_wait().expect("its state can be asked")
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let name = self.name;
        let status = eventually(&format!("{name} ends"), at_most, || self.exit_status());
        self.child = None;
        status
    }

    /// Ends the whole group at once with SIGKILL and waits for it.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// Sends a signal to the whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(child) = &self.child else { return };
        let pid = Pid::from_child(child);
        let _ = kill_process_group(pid, signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- {} in {}:\n{}", self.name, self.directory().display(), tail(&self.log()));
        }
        self.kill();
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(120)..].join("\n")
}

fn is_on_path(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).exists())
}

/// How long a program that is run to its end may take before it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program in `folder` until it ends by itself, with `input` as its standard input.
pub(crate) fn run_to_end(
    program: &str,
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> Ended {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // One that ends without reading its input is no failure of the test.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let begun = Instant::now();
    while child.try_wait().expect("its state can be asked").is_none() {
        if begun.elapsed() > ENDS_WITHIN {
            child.kill().expect("it can be killed");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("it has ended");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    Ended { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Asks again and again until there is an answer; fails the test when `at_most` has passed.
pub(crate) fn eventually<T>(what: &str, at_most: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < at_most, "waited {at_most:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
