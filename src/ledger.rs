//! The one writer of the ledger: appends signals in groups, keeps going when the database does not.
//!
//! Every signal gets its place here. A group goes to the database in one commit; when that is locked, slow or gone,
//! the signals go to the spool (an fsynced file) in the same order and are carried over later. Interactions and
//! frames wait in memory meanwhile, and some of them also otherwise: both can be made again from the signals.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linecard_calls::{InteractionId, MissedChange, MissedItem, Signal, SignalId};
use linecard_store::Store;
use linecard_store::frames::FrameRow;
use linecard_store::ledger::{Batch, LedgerEntry, SavedCall};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::pace::Pace;
use self::waiting::{Share, Waiting};
use crate::spool::Spool;

mod pace;
mod waiting;

/// The spool's name in its folder.
const SPOOL: &str = "signals.jsonl";

/// How long a call waits for its evidence to be safe before it goes on without.
pub(crate) const DURABLE_WITHIN: Duration = Duration::from_millis(100);

/// How long one commit may take before the spool is used: what remains of `DURABLE_WITHIN` is for the spool.
const COMMIT_WITHIN: Duration = Duration::from_millis(70);

/// How long a group of spooled signals may take to be carried over.
const CARRY_WITHIN: Duration = Duration::from_secs(2);

/// How often a database that was away is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Why the database counts as away when it only does not answer.
const TOO_LONG: &str = "the database takes too long to commit";

/// The most entries in one commit.
const GROUP_MAX: usize = 512;

/// What the ledger is given.
#[derive(Debug)]
enum Entry {
    Signal(Box<Signal>),
    Save(Box<SavedCall>),
    Missed(Box<MissedChange>, Option<Box<SavedCall>>),
    Frame(FrameRow),
    Flush(oneshot::Sender<()>),
    Ask(oneshot::Sender<bool>),
    Settle { within: Duration, done: oneshot::Sender<()> },
}

impl Entry {
    /// Tells whether the database need not have it at once.
    fn may_wait(&self) -> bool {
        match self {
            Self::Save(call) => !call.settled,
            Self::Frame(_) => true,
            Self::Signal(_) | Self::Missed(..) | Self::Flush(_) | Self::Ask(_) | Self::Settle { .. } => false,
        }
    }
}

/// What the ledger tells the reactor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// These signals will survive a crash.
    Durable(Vec<SignalId>),
    /// This signal became safe only after the call may have gone on without it.
    Late(SignalId),
    /// These interactions are in the database as they were last given for good.
    Saved(Vec<InteractionId>),
    /// These missed-call items are in the database as they are here.
    MissedSaved(Vec<MissedItem>),
    /// The database does not take signals; the spool does, or memory if that fails too.
    Away {
        /// Why, for an administrator.
        reason: String,
    },
    /// The database has everything again.
    Back,
}

/// The sending side of the ledger; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    entries: mpsc::UnboundedSender<(Instant, Entry)>,
    /// How many signals the spool holds; written by the writer alone.
    spooled: Arc<AtomicU64>,
}

impl Ledger {
    /// Opens the spool, carries over what a crash left in it, and starts the writer.
    ///
    /// # Errors
    /// When the spool's folder cannot be used or the database cannot be read.
    pub(crate) async fn start(
        store: Store,
        folder: &Path,
        epoch: String,
    ) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Notice>)> {
        let (spool, spooled) = Spool::<LedgerEntry>::open(folder, SPOOL)?;
        let last = store.last_signal_seq().await?.max(spooled.last().map_or(0, |entry| entry.seq));
        let (entries, queue) = mpsc::unbounded_channel();
        let (notices, heard) = mpsc::unbounded_channel();
        let mut writer = Writer::new(store, spool, last, epoch, notices);
        writer.carry_over(COMMIT_WITHIN).await;
        let spooled = Arc::clone(&writer.spooled);
        tokio::spawn(writer.run(queue));
        Ok((Self { entries, spooled }, heard))
    }

    /// Appends a signal; `Notice::Durable` tells when it is safe.
    pub(crate) fn append(&self, signal: Signal) {
        self.send(Entry::Signal(Box::new(signal)));
    }

    /// Saves what the fold made of a call; of several states only the newest is written.
    pub(crate) fn save(&self, call: SavedCall) {
        self.send(Entry::Save(Box::new(call)));
    }

    /// Saves what changed of a missed-call item, in one commit with the interaction that brought it about.
    pub(crate) fn save_missed(&self, change: MissedChange, because: Option<SavedCall>) {
        self.send(Entry::Missed(Box::new(change), because.map(Box::new)));
    }

    /// Keeps a frame to resume from.
    pub(crate) fn keep(&self, frame: FrameRow) {
        self.send(Entry::Frame(frame));
    }

    /// Waits until everything given so far is in the database, or at least no attempt is left undone.
    pub(crate) async fn flush(&self) {
        let (done, finished) = oneshot::channel();
        self.send(Entry::Flush(done));
        let _ = finished.await;
    }

    /// Waits until every signal given so far is in the database, however long that takes: what is folded from the
    /// database then lacks nothing.
    pub(crate) async fn reached(&self) {
        loop {
            let (done, answer) = oneshot::channel();
            self.send(Entry::Ask(done));
            // Without a writer the process is going down, and nobody waits for what is folded.
            if answer.await.unwrap_or(true) {
                return;
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Waits at the end until everything is in the database; what it has not taken after `within` stays in the spool,
    /// as far as it has a place there.
    pub(crate) async fn settle(&self, within: Duration) {
        let (done, settled) = oneshot::channel();
        self.send(Entry::Settle { within, done });
        let _ = settled.await;
    }

    /// Returns how many signals wait in the spool for the database.
    pub(crate) fn spooled(&self) -> u64 {
        self.spooled.load(Ordering::Relaxed)
    }

    fn send(&self, entry: Entry) {
        // The writer lives as long as any sender: a closed channel means that the process is going down.
        let _ = self.entries.send((Instant::now(), entry));
    }
}

/// Whether the database takes what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Here,
    Away,
}

/// Signals that the database did not take.
#[derive(Debug)]
struct Uncommitted {
    signals: Vec<LedgerEntry>,
    /// Why, for an administrator.
    reason: String,
}

struct Writer {
    store: Store,
    spool: Spool<LedgerEntry>,
    spooled: Arc<AtomicU64>,
    next_seq: i64,
    epoch: String,
    /// Signals that neither the database nor the spool took.
    homeless: Vec<LedgerEntry>,
    waiting: Waiting,
    reach: Reach,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Writer {
    /// Makes a writer that goes on after the place `last`.
    fn new(
        store: Store,
        spool: Spool<LedgerEntry>,
        last: i64,
        epoch: String,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Self {
        Self {
            store,
            spool,
            spooled: Arc::default(),
            next_seq: last + 1,
            epoch,
            homeless: Vec::new(),
            waiting: Waiting::default(),
            reach: Reach::Here,
            notices,
        }
    }

    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<(Instant, Entry)>) {
        let mut group = Vec::new();
        let mut pace = Pace::new(Instant::now());
        // A task, since a connection that is waited for here must not keep `write` from getting one.
        let mut attempt = JoinSet::new();
        loop {
            self.spooled.store(self.spool.depth(), Ordering::Relaxed);
            tokio::time::sleep_until(pace.next_at()).await;
            let received = match self.reach {
                Reach::Here => {
                    tokio::select! {
                        biased;
                        received = queue.recv_many(&mut group, GROUP_MAX) => Some(received),
                        () = until(self.waiting.due_at()) => None,
                    }
                }
                Reach::Away => {
                    if attempt.is_empty() {
                        attempt.spawn(reachable_again(self.store.clone()));
                    }
                    tokio::select! {
                        received = queue.recv_many(&mut group, GROUP_MAX) => Some(received),
                        _ = attempt.join_next() => {
                            self.carry_over(COMMIT_WITHIN).await;
                            continue;
                        }
                    }
                }
            };
            if received == Some(0) {
                return;
            }
            let now = Instant::now();
            let due = self.waiting.due_at().is_some_and(|due| due <= now);
            if due || group.iter().any(|(_, entry)| !entry.may_wait()) {
                let signals = group.iter().filter(|(_, entry)| matches!(entry, Entry::Signal(_)));
                pace.begun(signals.count(), now);
            }
            self.write(std::mem::take(&mut group)).await;
        }
    }

    async fn write(&mut self, group: Vec<(Instant, Entry)>) {
        let mut signals = Vec::new();
        let (mut flushed, mut asked, mut settling) = (Vec::new(), Vec::new(), None);
        for (given_at, entry) in group {
            match entry {
                Entry::Signal(signal) => {
                    signals.push((
                        given_at,
                        LedgerEntry { seq: self.next_seq, late_durable: false, signal: *signal },
                    ));
                    self.next_seq += 1;
                }
                Entry::Save(call) => self.waiting.save(*call),
                Entry::Missed(change, because) => {
                    self.waiting.save_missed(*change, because.map(|call| *call))
                }
                Entry::Frame(frame) => self.waiting.keep(frame),
                Entry::Flush(done) => flushed.push(done),
                Entry::Ask(done) => asked.push(done),
                Entry::Settle { within, done } => {
                    settling = Some(within);
                    flushed.push(done);
                }
            }
        }
        let share = if flushed.is_empty() { Share::Due } else { Share::All };
        self.make_durable(signals, share).await;
        if let Some(within) = settling {
            self.settle(Instant::now() + within).await;
        }
        for done in flushed {
            let _ = done.send(());
        }
        for done in asked {
            let _ = done.send(self.spool.is_empty() && self.homeless.is_empty());
        }
    }

    /// Tries until nothing waits; nobody is on the phone any more, so each commit may take its time.
    async fn settle(&mut self, deadline: Instant) {
        while self.has_work_waiting() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            self.carry_over(left).await;
            if self.has_work_waiting() {
                tokio::time::sleep(RETRY_EVERY.min(left)).await;
            }
        }
    }

    fn has_work_waiting(&self) -> bool {
        let waits = !self.spool.is_empty() || !self.homeless.is_empty();
        waits || !self.waiting.is_empty()
    }

    /// Puts the signals into the database with what is due of all that waits, or into the spool.
    async fn make_durable(&mut self, signals: Vec<(Instant, LedgerEntry)>, share: Share) {
        let mut entries: Vec<LedgerEntry> = Vec::with_capacity(signals.len());
        for (given_at, mut entry) in signals {
            if given_at.elapsed() > DURABLE_WITHIN {
                entry.late_durable = true;
                self.tell(Notice::Late(entry.signal.id));
            }
            entries.push(entry);
        }
        let straight = self.reach == Reach::Here && self.spool.is_empty() && self.homeless.is_empty();
        if straight {
            match self.commit(entries, share, COMMIT_WITHIN).await {
                Ok(()) => return,
                Err(uncommitted) => {
                    self.set_away(uncommitted.reason);
                    entries = uncommitted.signals;
                }
            }
        }
        self.homeless.append(&mut entries);
        self.spool_homeless();
    }

    /// Writes what has no home yet to the spool and tells whether that worked.
    fn spool_homeless(&mut self) -> bool {
        if self.homeless.is_empty() {
            return true;
        }
        match self.spool.append(&self.homeless) {
            Ok(()) => {
                let ids = self.homeless.drain(..).map(|entry| entry.signal.id).collect();
                self.tell_durable(ids);
                true
            }
            Err(error) => {
                tracing::error!(%error, waiting = self.homeless.len(), "the spool takes no signals");
                false
            }
        }
    }

    /// Commits signals with a share of what waits, and tells what is safe now.
    async fn commit(
        &mut self,
        signals: Vec<LedgerEntry>,
        share: Share,
        within: Duration,
    ) -> Result<(), Uncommitted> {
        let mut batch =
            Batch { signals, epoch: self.epoch.clone(), ..self.waiting.take(share, Instant::now()) };
        if batch.is_empty() {
            return Ok(());
        }
        let within = within.max(patience(batch.frames.len()));
        let reason = match timeout(within, self.store.append(&batch)).await {
            Ok(Ok(())) => {
                self.tell_written(batch);
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => TOO_LONG.to_owned(),
        };
        let signals = std::mem::take(&mut batch.signals);
        self.waiting.put_back(batch);
        Err(Uncommitted { signals, reason })
    }

    fn tell_written(&self, batch: Batch) {
        let settled = batch.saves.iter().filter(|call| call.settled);
        let settled: Vec<InteractionId> = settled.map(|call| call.interaction.id).collect();
        if !settled.is_empty() {
            self.tell(Notice::Saved(settled));
        }
        if !batch.missed.is_empty() {
            self.tell(Notice::MissedSaved(batch.missed.into_iter().map(|change| change.item).collect()));
        }
        self.tell_durable(batch.signals.iter().map(|entry| entry.signal.id).collect());
    }

    /// Carries spooled signals over into the database, in order, then commits `within` what waits in memory; on failure
    /// the next try is later.
    async fn carry_over(&mut self, within: Duration) {
        if !self.homeless.is_empty() && self.spool_homeless() {
            tracing::info!("the spool takes signals again");
        }
        let mut place = 0;
        while !self.spool.is_empty() {
            let (entries, next) = match self.spool.read(place, GROUP_MAX) {
                Ok(read) => read,
                Err(error) => return self.set_away(format!("the spool cannot be read: {error}")),
            };
            if entries.is_empty() && next == place {
                break;
            }
            let batch = Batch { signals: entries, epoch: self.epoch.clone(), ..Batch::default() };
            match timeout(CARRY_WITHIN, self.store.append(&batch)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.set_away(error.to_string()),
                Err(_) => return self.set_away(TOO_LONG.to_owned()),
            }
            place = next;
        }
        if let Err(error) = self.spool.clear() {
            return self.set_away(format!("the spool cannot be emptied: {error}"));
        }
        let homeless = std::mem::take(&mut self.homeless);
        match self.commit(homeless, Share::All, within).await {
            Ok(()) => {
                if self.reach != Reach::Here {
                    self.reach = Reach::Here;
                    self.tell(Notice::Back);
                }
            }
            Err(uncommitted) => {
                self.homeless = uncommitted.signals;
                self.set_away(uncommitted.reason);
            }
        }
    }

    fn set_away(&mut self, reason: String) {
        if self.reach == Reach::Here {
            tracing::warn!(%reason, "the database does not take signals; they are spooled");
            self.tell(Notice::Away { reason });
        }
        self.reach = Reach::Away;
    }

    fn tell_durable(&self, ids: Vec<SignalId>) {
        if !ids.is_empty() {
            self.tell(Notice::Durable(ids));
        }
    }

    fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}

/// Waits until a moment; for ever when there is none.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits a while, and then until the database answers: signals are spooled meanwhile, however long a new connection to
/// a server takes.
async fn reachable_again(store: Store) {
    loop {
        tokio::time::sleep(RETRY_EVERY).await;
        if store.reach().await.is_ok() {
            return;
        }
    }
}

/// A large backlog takes longer than one call's signals; it is written when nothing waits for it.
fn patience(frames: usize) -> Duration {
    Duration::from_micros(100 * frames as u64)
}

#[cfg(test)]
mod tests;
