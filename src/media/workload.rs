//! Whether the media path can bear another talk.
//!
//! Measured in CPU time, not in waiting: a machine that others keep busy is no reason to refuse calls, a core that this
//! process fills is. Past that point every further talk would be heard in all the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Over how long shares are taken.
const PERIOD: Duration = Duration::from_secs(1);
/// How much more of all cores the process may need than the forwarding thread of its own: what is left feeds the rest.
const PROCESS: f64 = 1.09;
/// How far a share has to fall below that for calls to be taken again.
const EASED_BY: f64 = 0.10;

/// Tells whether there is room for another talk. Cheap to clone and to ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    full: Arc<AtomicBool>,
}

impl Room {
    pub(super) fn is_left(&self) -> bool {
        !self.full.load(Ordering::Relaxed)
    }
}

/// CPU time that was spent until a moment.
#[derive(Clone, Copy, Debug)]
struct Spent {
    at: Instant,
    thread: Duration,
    process: Duration,
}

impl Spent {
    /// Reads the clocks of this thread and of the process.
    fn now(at: Instant) -> Self {
        let of = |clock| {
            let time = clock_gettime(clock);
            let (s, ns) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
            Duration::new(s.unwrap_or_default(), ns.unwrap_or_default())
        };
        Self { at, thread: of(ClockId::ThreadCPUTime), process: of(ClockId::ProcessCPUTime) }
    }
}

/// Watches what the forwarding thread and the process need.
#[derive(Debug)]
pub(super) struct Workload {
    room: Room,
    before: Option<Spent>,
    /// The share of a core that the forwarding thread may need.
    thread_max: f64,
    cores: f64,
}

impl Workload {
    /// Begins to watch, on behalf of whoever holds a clone of `room`. `thread_max` is the share of a core that the forwarding
    /// thread may need.
    pub(super) fn new(room: Room, thread_max: f64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { room, before: None, thread_max, cores: u32::try_from(cores).map_or(1.0, f64::from) }
    }

    /// Looks at the clocks; to be called by the forwarding thread, at least as often as every second.
    pub(super) fn look(&mut self, now: Instant) {
        if self.before.is_none_or(|before| now.saturating_duration_since(before.at) >= PERIOD) {
            self.judge(Spent::now(now));
        }
    }

    fn judge(&mut self, spent: Spent) {
        let Some(before) = self.before.replace(spent) else { return };
        let wall = spent.at.saturating_duration_since(before.at).as_secs_f64();
        let share = |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() / wall;
        let thread = share(spent.thread, before.thread) / self.thread_max;
        let process =
            share(spent.process, before.process) / (self.cores * (self.thread_max * PROCESS).min(1.0));
        let most = thread.max(process);
        let was_full = !self.room.is_left();
        let is_full = most >= if was_full { 1.0 - EASED_BY } else { 1.0 };
        if is_full != was_full {
            self.room.full.store(is_full, Ordering::Relaxed);
            if is_full {
                tracing::warn!(
                    "no more talks can be relayed on this machine: new calls are refused with 503"
                );
            } else {
                tracing::info!("talks can be relayed again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets seconds pass in which the thread and the process need a share; tells whether there is room after each.
    fn rooms(shares: &[(f64, f64)]) -> Vec<bool> {
        let room = Room::default();
        let mut workload = Workload { room: room.clone(), before: None, thread_max: 0.85, cores: 2.0 };
        let mut spent = Spent { at: Instant::now(), thread: Duration::ZERO, process: Duration::ZERO };
        workload.judge(spent);
        let pass = |(thread, process): &(f64, f64)| {
            spent.at += Duration::from_secs(1);
            spent.thread += Duration::from_secs_f64(*thread);
            spent.process += Duration::from_secs_f64(*process);
            workload.judge(spent);
            room.is_left()
        };
        shares.iter().map(pass).collect()
    }

    #[test]
    fn a_thread_that_fills_its_core_leaves_no_room_until_it_has_eased() {
        assert_eq!(rooms(&[(0.5, 0.9), (0.9, 1.2), (0.8, 1.2), (0.7, 1.2)]), [true, false, false, true]);
    }

    #[test]
    fn a_process_that_fills_every_core_leaves_no_room() {
        assert_eq!(rooms(&[(0.4, 1.8), (0.4, 1.9), (0.4, 1.8), (0.4, 1.5)]), [true, false, false, true]);
    }

    #[test]
    fn time_that_passes_without_work_is_no_load() {
        let room = Room::default();
        let mut workload = Workload::new(room.clone(), 0.85);
        let began = Instant::now();
        workload.look(began);
        workload.look(began + Duration::from_secs(60));
        assert!(room.is_left());
    }
}
