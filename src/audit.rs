//! The audit's writer: brings the rows of the handlers into the database, in the order in which they came.
//!
//! A row is safe once it is committed, or in an fsynced file (`spool/audit.jsonl`) when the database takes longer than
//! 50 ms, is locked or gone; from there it is carried over later, after a crash at the next start. Who is audited waits
//! for that, not for the database. A row that neither takes waits in memory and is told of in the log.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use linecard_store::audit::AuditEntry;
use linecard_store::{Store, StoreError};
use linecard_web::port::{Audit, AuditOrder};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::spool::Spool;

/// The spool's name in its folder.
const SPOOL: &str = "audit.jsonl";

/// How long a commit may take before the spool is used.
const COMMIT_WITHIN: Duration = Duration::from_millis(50);

/// How often what was refused is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// The most rows in one commit.
const GROUP_MAX: usize = 500;

/// The most rows that wait in memory; those that come then are in the spool alone and are read from there later.
const WAITING_MAX: usize = 10_000;

/// The running writer.
pub(crate) struct AuditWriter {
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

impl AuditWriter {
    /// Opens the spool in `folder` and starts the writer.
    ///
    /// # Errors
    /// When the spool cannot be used.
    pub(crate) fn start(store: Store, folder: &Path) -> anyhow::Result<(Audit, Self)> {
        let spool = Spool::open(folder, SPOOL)?;
        let (orders, queue) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(Writer::new(store, spool).run(queue, stopped));
        Ok((Audit::new(orders), Self { stop, task }))
    }

    /// Lets the database take what waits, for at most `within`; the rest stays in the spool.
    pub(crate) async fn settle(self, within: Duration) {
        let _ = self.stop.send(within);
        let _ = self.task.await;
    }
}

/// A row that the database does not have.
struct Waiting {
    entry: AuditEntry,
    place: Place,
}

enum Place {
    /// Here alone; somebody waits since then to hear that it is safe.
    Memory { since: Instant, safe: oneshot::Sender<()> },
    /// In the spool too.
    Spool,
}

/// A commit under way: the first so many rows that wait.
type Attempt = (usize, JoinHandle<Result<(), StoreError>>);

struct Writer {
    store: Store,
    spool: Spool<AuditEntry>,
    waiting: VecDeque<Waiting>,
    /// Whether the spool holds rows that do not wait here, and up to where it was read.
    is_behind: bool,
    read_until: u64,
    /// Whether the database refused at the last try.
    is_away: bool,
    retry_at: Instant,
    /// When the spool may be tried again.
    spool_at: Instant,
}

impl Writer {
    /// Makes a writer on a spool and what waits there.
    fn new(store: Store, (spool, left): (Spool<AuditEntry>, Vec<AuditEntry>)) -> Self {
        let (retry_at, spool_at) = (Instant::now(), Instant::now());
        let (waiting, is_behind) = (VecDeque::new(), !left.is_empty());
        Self { store, spool, waiting, is_behind, read_until: 0, is_away: false, retry_at, spool_at }
    }

    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<AuditOrder>,
        mut stopped: oneshot::Receiver<Duration>,
    ) {
        let mut attempt = None;
        loop {
            self.read_on();
            if attempt.is_none() && Instant::now() >= self.retry_at {
                attempt = self.attempt();
            }
            let far = Instant::now() + Duration::from_secs(3_600);
            let retry_at = if attempt.is_none() && !self.waiting.is_empty() { self.retry_at } else { far };
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return self.settle(attempt, Duration::ZERO).await,
                },
                (rows, done) = finished(&mut attempt) => self.attempted(rows, done),
                () = sleep_until(self.next_spooling().unwrap_or(far)) => self.spool_rows(),
                () = sleep_until(retry_at) => {}
                within = &mut stopped => {
                    orders.close();
                    while let Ok(order) = orders.try_recv() {
                        self.take(order);
                    }
                    return self.settle(attempt, within.unwrap_or_default()).await;
                }
            }
        }
    }

    fn take(&mut self, AuditOrder { entry, safe }: AuditOrder) {
        if self.waiting.len() < WAITING_MAX {
            let place = Place::Memory { since: Instant::now(), safe };
            self.waiting.push_back(Waiting { entry, place });
            return;
        }
        match self.spool.append(&[entry]) {
            Ok(()) => {
                self.is_behind = true;
                let _ = safe.send(());
            }
            Err(error) => tracing::error!(%error, "neither database nor disk takes the audit: a row is lost"),
        }
    }

    /// Takes rows out of the spool that never waited here; forgets the spool when it has no more.
    fn read_on(&mut self) {
        if !self.waiting.is_empty() || self.spool.is_empty() {
            return;
        }
        if self.is_behind {
            match self.spool.read(self.read_until, WAITING_MAX) {
                Ok((entries, until)) => {
                    self.read_until = until;
                    let rows = entries.into_iter().map(|entry| Waiting { entry, place: Place::Spool });
                    self.waiting.extend(rows);
                }
                Err(error) => {
                    tracing::error!(%error, "the audit's spool cannot be read; its rows are carried over later");
                    return;
                }
            }
        }
        if self.waiting.is_empty() {
            match self.spool.clear() {
                Ok(()) => (self.is_behind, self.read_until) = (false, 0),
                Err(error) => tracing::warn!(%error, "the audit's spool cannot be emptied"),
            }
        }
    }

    /// Begins a commit of what waits. It is never given up half-way: its connection would stay in its wait for the lock.
    fn attempt(&mut self) -> Option<Attempt> {
        let entries: Vec<_> =
            self.waiting.iter().take(GROUP_MAX).map(|waiting| waiting.entry.clone()).collect();
        if entries.is_empty() {
            return None;
        }
        let store = self.store.clone();
        Some((entries.len(), tokio::spawn(async move { store.add_audit(&entries).await })))
    }

    fn attempted(&mut self, rows: usize, done: Result<(), StoreError>) {
        match done {
            Ok(()) => {
                for Waiting { place, .. } in self.waiting.drain(..rows.min(self.waiting.len())) {
                    if let Place::Memory { safe, .. } = place {
                        let _ = safe.send(());
                    }
                }
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("the database takes the audit again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(%error, "the database does not take the audit; it is spooled");
                }
                self.retry_at = Instant::now() + RETRY_EVERY;
                self.spool_rows();
            }
        }
    }

    /// Returns when the first row that is here alone has waited for long enough.
    fn next_spooling(&self) -> Option<Instant> {
        let since = self.waiting.iter().find_map(|waiting| match waiting.place {
            Place::Memory { since, .. } => Some(since),
            Place::Spool => None,
        });
        since.map(|since| (since + COMMIT_WITHIN).max(self.spool_at))
    }

    /// Makes safe in the spool what is here alone.
    fn spool_rows(&mut self) {
        let alone = |waiting: &&mut Waiting| matches!(waiting.place, Place::Memory { .. });
        let rows: Vec<_> = self.waiting.iter_mut().filter(alone).collect();
        let entries: Vec<_> = rows.iter().map(|row| row.entry.clone()).collect();
        if entries.is_empty() {
            return;
        }
        if let Err(error) = self.spool.append(&entries) {
            tracing::error!(%error, rows = entries.len(), "neither database nor disk takes the audit; it waits in memory");
            self.spool_at = Instant::now() + RETRY_EVERY;
            return;
        }
        for row in rows {
            if let Place::Memory { safe, .. } = std::mem::replace(&mut row.place, Place::Spool) {
                let _ = safe.send(());
            }
        }
    }

    async fn settle(mut self, mut attempt: Option<Attempt>, within: Duration) {
        let written = timeout(within, async {
            loop {
                self.read_on();
                if attempt.is_none() {
                    attempt = self.attempt();
                }
                if attempt.is_none() {
                    return;
                }
                let (rows, done) = finished(&mut attempt).await;
                self.attempted(rows, done);
                sleep_until(self.retry_at).await;
            }
        });
        if written.await.is_err() {
            self.spool_rows();
        }
    }
}

/// Waits for the end of the commit under way, for ever if there is none.
async fn finished(attempt: &mut Option<Attempt>) -> (usize, Result<(), StoreError>) {
    let Some((rows, task)) = attempt else { return std::future::pending().await };
    let (rows, done) = (*rows, task.await);
    *attempt = None;
    (rows, done.unwrap_or(Err(StoreError::Hash)))
}

#[cfg(test)]
mod tests;
