//! Running a program of a step: what it writes is passed on, and its last lines are kept for who asks why it failed.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Lines kept of a program's end: enough for the summary of a test run and one failure of it.
const KEPT_LINES: usize = 80;
/// Nothing comes any more when a program has ended and this long passed without a line.
const QUIET: Duration = Duration::from_millis(500);

/// A program that ended with a fault.
#[derive(Debug)]
pub(crate) struct Failed {
    name: String,
    status: ExitStatus,
    /// What it wrote last, in the order in which it came.
    pub(crate) last_lines: Vec<String>,
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.status)
    }
}

impl std::error::Error for Failed {}

/// Runs a program to its end and passes on what it writes.
///
/// # Errors
/// When it cannot be started, and [`Failed`] when it ends with a fault.
pub(crate) fn run_command(mut command: Command, name: &str) -> Result<()> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| name.to_owned())?;
    let (to_us, lines) = channel();
    if let Some(stream) = child.stdout.take() {
        read_lines(stream, Stream::Output, to_us.clone());
    }
    if let Some(stream) = child.stderr.take() {
        read_lines(stream, Stream::Errors, to_us);
    }
    let last_lines = pass_on(&lines, &mut child);
    let status = child.wait().with_context(|| name.to_owned())?;
    if status.success() {
        return Ok(());
    }
    Err(Failed { name: name.to_owned(), status, last_lines }.into())
}

/// Which of a program's streams a line came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Errors,
}

/// The last lines of both streams: what one of them writes a lot pushes nothing of the other out.
#[derive(Debug, Default)]
struct LastLines(VecDeque<(Stream, String)>);

impl LastLines {
    fn push(&mut self, stream: Stream, line: String) {
        if self.0.len() == KEPT_LINES {
            let output = self.0.iter().filter(|(stream, _)| *stream == Stream::Output).count();
            let longer = if output * 2 >= KEPT_LINES { Stream::Output } else { Stream::Errors };
            if let Some(oldest) = self.0.iter().position(|(stream, _)| *stream == longer) {
                self.0.remove(oldest);
            }
        }
        self.0.push_back((stream, line));
    }

    fn in_order(self) -> Vec<String> {
        self.0.into_iter().map(|(_, line)| line).collect()
    }
}

fn read_lines(source: impl Read + Send + 'static, stream: Stream, to_us: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        // A stream that cannot be read any more has ended for us.
        while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if to_us.send((stream, text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// Prints the lines until both streams have ended, and returns the last ones. What a program left running may hold the
/// streams open for ever: so it also ends when the program has, and nothing more comes.
fn pass_on(lines: &Receiver<(Stream, String)>, child: &mut Child) -> Vec<String> {
    let mut last = LastLines::default();
    loop {
        match lines.recv_timeout(QUIET) {
            Ok((stream, line)) => {
                println!("{line}");
                last.push(stream, line);
            }
            Err(RecvTimeoutError::Disconnected) => return last.in_order(),
            Err(RecvTimeoutError::Timeout) if child.try_wait().is_ok_and(|status| status.is_none()) => {}
            Err(RecvTimeoutError::Timeout) => return last.in_order(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_said_aside_is_not_pushed_out_however_much_follows() {
        let mut last = LastLines::default();
        last.push(Stream::Errors, "said aside".to_owned());
        (0..1_000).for_each(|n| last.push(Stream::Output, n.to_string()));
        let lines = last.in_order();
        assert_eq!((lines.len(), lines[0].as_str(), lines[1].as_str()), (KEPT_LINES, "said aside", "921"));
    }

    #[test]
    fn the_last_lines_of_both_streams_stand_in_the_fault() {
        let script = "seq 1000; echo said aside >&2; exit 3";
        let fault = run_command(shell(script), "counting").expect_err("a fault");
        assert!(fault.to_string().starts_with("counting: exit status: 3"), "{fault}");
        let failed = fault.downcast_ref::<Failed>().expect("a failed program");
        assert_eq!(failed.last_lines.len(), KEPT_LINES);
        assert!(failed.last_lines.iter().any(|line| line == "said aside"));
        assert!(failed.last_lines.iter().any(|line| line == "1000"));
        assert!(!failed.last_lines.iter().any(|line| line == "900"));
    }

    #[test]
    fn what_a_program_leaves_running_is_not_waited_for() {
        let started = std::time::Instant::now();
        run_command(shell("sleep 30 & echo started"), "leaving").expect("no fault");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }

    #[test]
    fn what_ends_well_is_no_fault_and_what_cannot_start_is_one() {
        run_command(shell("echo all right"), "greeting").expect("no fault");
        let fault = run_command(Command::new("/no/such/program"), "nothing").expect_err("a fault");
        assert!(format!("{fault:#}").starts_with("nothing: "), "{fault:#}");
    }
}
