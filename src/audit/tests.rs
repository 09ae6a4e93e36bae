//! The audit's writer: order, the spool while the database refuses, a crash, a stop.

use linecard_calls::{AuditId, IdSource, UserId, UtcMillis};
use linecard_store::audit::{AuditAction, AuditFilter};
use linecard_store::page::PageRequest;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::*;

const NOW: UtcMillis = UtcMillis(1_760_000_000_000);
const SOON: Duration = Duration::from_secs(10);

/// A database and a spool of its own.
struct Bench {
    folder: TempDir,
    store: Store,
    ids: IdSource,
}

impl Bench {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&url(&folder)).await.unwrap();
        Self { folder, store, ids: IdSource::new(ChaCha12Rng::seed_from_u64(3)) }
    }

    fn entry(&mut self) -> AuditEntry {
        let user: UserId = self.ids.make(NOW);
        AuditEntry {
            id: self.ids.make(NOW),
            at: NOW,
            action: AuditAction::Login,
            user_id: Some(user),
            subject: None,
            source: "192.0.2.1".parse().unwrap(),
        }
    }

    fn spool(&self) -> (Spool<AuditEntry>, Vec<AuditEntry>) {
        Spool::open(self.folder.path(), SPOOL).unwrap()
    }

    fn spooled(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join(SPOOL)).unwrap().lines().count()
    }

    /// Starts a writer on a spool.
    fn start(&self, spool: (Spool<AuditEntry>, Vec<AuditEntry>)) -> Bringer {
        let (orders, queue) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(Writer::new(self.store.clone(), spool).run(queue, stopped));
        Bringer { orders, writer: AuditWriter { stop, task } }
    }

    async fn lock(&self) -> SqliteConnection {
        let mut other = SqliteConnection::connect(&url(&self.folder)).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        other
    }

    /// The ids in the database, in the order in which they were made.
    async fn written(&self) -> Vec<AuditId> {
        let page = PageRequest { limit: 500, ..PageRequest::default() };
        let page = self.store.audit(&AuditFilter::default(), &page).await.unwrap();
        page.items.into_iter().rev().map(|row| row.id).collect()
    }

    async fn await_written(&self, expected: &[AuditId]) {
        let begun = Instant::now();
        while self.written().await != expected {
            assert!(begun.elapsed() < SOON, "{:?} instead of {expected:?}", self.written().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Gives rows to a writer.
struct Bringer {
    orders: mpsc::UnboundedSender<AuditOrder>,
    writer: AuditWriter,
}

impl Bringer {
    fn bring(&self, entry: &AuditEntry) -> oneshot::Receiver<()> {
        let (safe, told) = oneshot::channel();
        assert!(self.orders.send(AuditOrder { entry: entry.clone(), safe }).is_ok(), "the writer lives");
        told
    }

    /// Ends the writer without a stop.
    async fn crash(self) {
        self.writer.task.abort();
        let _ = self.writer.task.await;
    }
}

fn url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("linecard.db").display())
}

#[tokio::test]
async fn rows_reach_the_database_in_their_order_and_are_told_to_be_safe() {
    let mut bench = Bench::open().await;
    let writer = bench.start(bench.spool());
    let entries: Vec<_> = (0..100).map(|_| bench.entry()).collect();
    let told: Vec<_> = entries.iter().map(|entry| writer.bring(entry)).collect();
    for safe in told {
        timeout(SOON, safe).await.unwrap().unwrap();
    }
    bench.await_written(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_locked_database_is_replaced_by_the_spool_until_it_is_back() {
    let mut bench = Bench::open().await;
    let writer = bench.start(bench.spool());
    let lock = bench.lock().await;
    let entries: Vec<_> = (0..3).map(|_| bench.entry()).collect();
    for entry in &entries {
        // The database would be waited for 5 s.
        timeout(Duration::from_secs(2), writer.bring(entry)).await.unwrap().unwrap();
    }
    assert_eq!((bench.spooled(), bench.written().await), (3, Vec::new()));
    lock.close().await.unwrap();
    bench.await_written(&entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).await;
    let begun = Instant::now();
    while bench.spooled() > 0 {
        assert!(begun.elapsed() < SOON, "the spool is emptied");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_crash_left_in_the_spool_is_carried_over_once() {
    let mut bench = Bench::open().await;
    let writer = bench.start(bench.spool());
    let lock = bench.lock().await;
    let (first, second, third) = (bench.entry(), bench.entry(), bench.entry());
    for entry in [&first, &second] {
        timeout(SOON, writer.bring(entry)).await.unwrap().unwrap();
    }
    writer.crash().await;
    lock.close().await.unwrap();
    // The first was committed too before the crash, and nobody could tell the spool.
    bench.store.add_audit(std::slice::from_ref(&first)).await.unwrap();
    let left = bench.spool();
    assert_eq!(left.1, [first.clone(), second.clone()]);
    let writer = bench.start(left);
    timeout(SOON, writer.bring(&third)).await.unwrap().unwrap();
    bench.await_written(&[first.id, second.id, third.id]).await;
}

#[tokio::test]
async fn a_full_disk_and_a_locked_database_keep_the_row_in_memory() {
    let mut bench = Bench::open().await;
    let writer = bench.start((Spool::on_a_full_disk().unwrap(), Vec::new()));
    let lock = bench.lock().await;
    let entry = bench.entry();
    let mut safe = writer.bring(&entry);
    assert!(
        timeout(Duration::from_millis(300), &mut safe).await.is_err(),
        "it is not safe and not told to be"
    );
    lock.close().await.unwrap();
    timeout(SOON, safe).await.unwrap().unwrap();
    assert_eq!(bench.written().await, [entry.id]);
}

#[tokio::test]
async fn a_stop_writes_what_waits_or_leaves_it_in_the_spool() {
    let mut bench = Bench::open().await;
    let writer = bench.start(bench.spool());
    let entries: Vec<_> = (0..3).map(|_| bench.entry()).collect();
    let told = writer.bring(&entries[0]);
    writer.writer.settle(SOON).await;
    assert_eq!((told.await, bench.written().await), (Ok(()), vec![entries[0].id]));

    let lock = bench.lock().await;
    let writer = bench.start(bench.spool());
    writer.bring(&entries[1]);
    writer.bring(&entries[2]);
    writer.writer.settle(Duration::ZERO).await;
    assert_eq!(bench.spool().1, entries[1..]);
    lock.close().await.unwrap();
}

#[tokio::test]
async fn more_rows_than_memory_takes_are_in_the_spool_and_lost_by_none() {
    let mut bench = Bench::open().await;
    let mut writer = Writer::new(bench.store.clone(), bench.spool());
    let mut told = Vec::new();
    let entries: Vec<_> = (0..WAITING_MAX + 5).map(|_| bench.entry()).collect();
    for entry in &entries {
        let (safe, is_safe) = oneshot::channel();
        writer.take(AuditOrder { entry: entry.clone(), safe });
        told.push(is_safe);
    }
    assert_eq!((writer.waiting.len(), bench.spooled()), (WAITING_MAX, 5));
    let counted = |bench: &Bench| {
        let store = bench.store.clone();
        async move { store.audit(&AuditFilter::default(), &PageRequest::default()).await.unwrap().total }
    };
    writer.settle(None, Duration::from_secs(60)).await;
    assert_eq!(counted(&bench).await, i64::try_from(entries.len()).unwrap());
    assert_eq!(bench.spooled(), 0);
    for safe in told {
        assert_eq!(safe.await, Ok(()));
    }
}
