//! Programs under measurement: pinned to one core, and what they cost.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core of whatever is measured.
pub const MEASURED_CORE: usize = 0;
/// The core of the load.
pub const LOAD_CORE: usize = 1;
/// How long a program may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// What the kernel counts CPU time in, a second (`getconf CLK_TCK`: fixed in the interface of Linux).
const TICKS: f64 = 100.0;

/// Keeps this process to the load's core.
///
/// # Errors
/// On a machine with one core.
pub fn pin_the_load() -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(LOAD_CORE);
    sched_setaffinity(None, &cores).context("the rounds need two cores: one for the load")?;
    Ok(())
}

/// A program that runs pinned to the measured core, and is ended with this value.
pub struct Pinned {
    child: Child,
    name: String,
}

impl Pinned {
    /// Starts a program; what it says goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &Command, log: &Path) -> Result<Self> {
        let folder = log.parent().context("a log lies in a folder")?;
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let name = command.get_program().to_string_lossy().into_owned();
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &MEASURED_CORE.to_string()]).arg(command.get_program()).args(command.get_args());
        // What it leaves behind when it crashes at its end lies there too.
        pinned.current_dir(folder);
        let child = pinned.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self { child: child.with_context(|| format!("{name} cannot be started"))?, name })
    }

    /// CPU time of the program and all that it started and waited for.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.with_context(|| format!("{} has ended", self.name))?;
        // The second field is a name in brackets and may hold spaces (proc(5)).
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let ticks: f64 = fields.skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks / TICKS))
    }

    /// Memory that is there and not only promised, in kB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_kb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.with_context(|| format!("{} has ended", self.name))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let until = Instant::now() + ENDS_WITHIN;
        while Instant::now() < until {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("{} does not end", self.name)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
