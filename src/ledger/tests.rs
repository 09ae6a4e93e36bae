//! The writer of the ledger: order, groups, the spool while the database refuses, and what it tells about it.

use std::path::PathBuf;

use linecard_calls::{
    CallId, Direction, Id, IdSource, Interaction, InteractionState, SignalBody, Source, UtcMillis,
};
use linecard_calls::{Outcome, Recording, RecordingState};
use linecard_store::interactions::InteractionFilter;
use linecard_store::page::PageRequest;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use xtask::postgres::{Cluster, Database};

use super::*;

const NOW: UtcMillis = UtcMillis(1_760_000_000_000);
const SOON: Duration = Duration::from_secs(10);

/// A ledger on a database and a spool of its own.
struct Bench {
    folder: TempDir,
    store: Store,
    ledger: Ledger,
    notices: mpsc::UnboundedReceiver<Notice>,
    ids: IdSource,
}

impl Bench {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let url = url(&folder);
        Self::open_at(folder, &url).await
    }

    async fn open_at(folder: TempDir, url: &str) -> Self {
        let store = Store::open(url).await.unwrap();
        let (ledger, notices) =
            Ledger::start(store.clone(), &folder.path().join("spool"), "epoch".to_owned()).await.unwrap();
        Self { folder, store, ledger, notices, ids: IdSource::new(ChaCha12Rng::seed_from_u64(3)) }
    }

    /// Starts a new writer on what an earlier one left, as after a crash.
    async fn start_again(&mut self) {
        let spool = self.folder.path().join("spool");
        let (ledger, notices) = Ledger::start(self.store.clone(), &spool, "epoch".to_owned()).await.unwrap();
        (self.ledger, self.notices) = (ledger, notices);
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool/signals.jsonl")
    }

    fn spooled_lines(&self) -> usize {
        std::fs::read_to_string(self.spool()).unwrap().lines().count()
    }

    fn make<T: Id>(&mut self) -> T {
        self.ids.make(NOW)
    }

    fn signal(&mut self, call: CallId) -> Signal {
        let body = SignalBody::LegAnswered { leg: self.make() };
        Signal { id: self.make(), call_id: call, source: Source::Anchor, observed_at: NOW, order: 1, body }
    }

    /// Gives the ledger `count` signals of one call and returns their ids.
    fn append(&mut self, call: CallId, count: usize) -> Vec<SignalId> {
        let signals: Vec<Signal> = (0..count).map(|_| self.signal(call)).collect();
        let ids = signals.iter().map(|signal| signal.id).collect();
        signals.into_iter().for_each(|signal| self.ledger.append(signal));
        ids
    }

    async fn heard(&mut self) -> Notice {
        tokio::time::timeout(SOON, self.notices.recv()).await.expect("a notice").expect("the writer lives")
    }

    /// Waits until all of these are durable; returns what else was told before that.
    async fn durable(&mut self, ids: &[SignalId]) -> Vec<Notice> {
        let (mut durable, mut others) = (Vec::new(), Vec::new());
        while durable.len() < ids.len() {
            match self.heard().await {
                Notice::Durable(some) => durable.extend(some),
                other => others.push(other),
            }
        }
        assert_eq!(durable, ids, "in the order in which they were given");
        others
    }

    async fn back(&mut self) -> Vec<Notice> {
        let mut before = Vec::new();
        loop {
            match self.heard().await {
                Notice::Back => return before,
                other => before.push(other),
            }
        }
    }

    /// What the database holds, each with its place.
    async fn entries(&self) -> Vec<(i64, SignalId, bool)> {
        let entries = self.store.signals_after(0, 10_000).await.unwrap();
        entries.into_iter().map(|entry| (entry.seq, entry.signal.id, entry.late_durable)).collect()
    }

    /// Locks the database against everybody who writes.
    async fn lock(&self) -> SqliteConnection {
        let mut other = SqliteConnection::connect(&url(&self.folder)).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        other
    }

    fn interaction(&mut self, notes: &str) -> Interaction {
        Interaction {
            id: self.make(),
            call_id: self.make(),
            direction: Direction::Inbound,
            outcome: Some(Outcome::Answered),
            state: InteractionState::Ended,
            caller_number: None,
            caller_dialled: None,
            callee_number: None,
            customer_number: None,
            connected_number: None,
            user_to_user: Vec::new(),
            contact_id: None,
            user_id: None,
            line_id: self.make(),
            started_at: NOW,
            answered_at: None,
            ended_at: None,
            ringing_ms: None,
            talk_ms: None,
            hold_ms: None,
            hangup_by: None,
            sip_status: None,
            legs: Vec::new(),
            recording_ids: Vec::new(),
            notes: Some(notes.to_owned()),
            disposition: None,
        }
    }
}

fn url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("linecard.db").display())
}

async fn unlock(mut other: SqliteConnection) {
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
}

fn numbered(ids: &[SignalId]) -> Vec<(i64, SignalId, bool)> {
    (1..).zip(ids).map(|(seq, id)| (seq, *id, false)).collect()
}

#[tokio::test]
async fn signals_become_durable_in_groups_and_in_the_order_given() {
    let mut bench = Bench::open().await;
    let call = bench.make();
    // More than fit into one commit.
    let ids = bench.append(call, GROUP_MAX + 90);
    let told = bench.durable(&ids).await;
    // On a busy machine a full group may take longer than a call waits, and go through the spool.
    if told.iter().any(|notice| matches!(notice, Notice::Away { .. })) && !told.contains(&Notice::Back) {
        bench.back().await;
    }
    let entries = bench.entries().await;
    let places: Vec<(i64, SignalId)> = entries.iter().map(|(seq, id, _)| (*seq, *id)).collect();
    let wanted: Vec<(i64, SignalId)> = (1..).zip(ids.iter().copied()).collect();
    assert_eq!(places, wanted);
    assert_eq!(bench.spooled_lines(), 0, "the spool was not needed");
}

#[tokio::test]
async fn while_the_database_refuses_the_spool_takes_over_and_drains_in_order() {
    let mut bench = Bench::open().await;
    let call = bench.make();
    let mut ids = bench.append(call, 1);
    bench.durable(&ids.clone()).await;
    let lock = bench.lock().await;
    for count in [1, 3, 2] {
        let more = bench.append(call, count);
        let begun = Instant::now();
        let told = bench.durable(&more).await;
        assert!(begun.elapsed() < SOON / 2, "the spool does not wait for the lock");
        let away = told.iter().filter(|notice| matches!(notice, Notice::Away { .. })).count();
        assert_eq!(away, usize::from(count == 1), "said once: {told:?}");
        ids.extend(more);
    }
    assert_eq!(bench.entries().await.len(), 1, "nothing came through the lock");
    assert_eq!(bench.spooled_lines(), 6);

    unlock(lock).await;
    let before = bench.back().await;
    assert!(before.iter().all(|notice| !matches!(notice, Notice::Durable(_))), "told once: {before:?}");
    let places: Vec<(i64, SignalId)> = bench.entries().await.iter().map(|(seq, id, _)| (*seq, *id)).collect();
    assert_eq!(places, (1..).zip(ids.iter().copied()).collect::<Vec<_>>());
    assert_eq!(bench.spooled_lines(), 0, "it is empty again");
    let after = bench.append(call, 1);
    let told = bench.durable(&after).await;
    assert!(!told.iter().any(|notice| matches!(notice, Notice::Away { .. })), "{told:?}");
    assert_eq!(bench.entries().await.len(), 8);
}

#[tokio::test]
async fn while_the_databases_server_is_away_no_signal_waits_for_a_connection() {
    let mut cluster = Cluster::start().unwrap();
    let database = Database::make_in(&cluster).unwrap();
    let mut bench = Bench::open_at(TempDir::new().unwrap(), &database.url()).await;
    let call = bench.make();
    let mut ids = bench.append(call, 1);
    let told = bench.durable(&ids.clone()).await;
    // On a busy machine the first commit may take longer than a call waits, and go through the spool.
    if told.iter().any(|notice| matches!(notice, Notice::Away { .. })) && !told.contains(&Notice::Back) {
        bench.back().await;
    }
    cluster.stop();
    for round in 0..4 {
        let more = bench.append(call, 2);
        let begun = Instant::now();
        let told = bench.durable(&more).await;
        // A connection is waited for 5 s; the rest is for a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(2), "round {round}: {:?}", begun.elapsed());
        let away = told.iter().filter(|notice| matches!(notice, Notice::Away { .. })).count();
        assert_eq!(away, usize::from(round == 0), "said once: {told:?}");
        ids.extend(more);
        tokio::time::sleep(RETRY_EVERY).await;
    }
    assert_eq!(bench.spooled_lines(), 8);

    cluster.start_again().unwrap();
    bench.back().await;
    assert_eq!(bench.entries().await, numbered(&ids));
    assert_eq!(bench.spooled_lines(), 0);
    bench.store.close().await;
}

#[tokio::test]
async fn what_a_crash_left_in_the_spool_comes_first_after_the_start() {
    let mut bench = Bench::open().await;
    let call = bench.make();
    let lock = bench.lock().await;
    let mut ids = bench.append(call, 3);
    bench.durable(&ids.clone()).await;
    // A line without its end was never acknowledged.
    let mut torn = std::fs::read(bench.spool()).unwrap();
    torn.extend_from_slice(b"{\"seq\":4,\"late_dur");
    // The old writer is cut off here; what it held is on disk.
    std::fs::write(bench.spool(), torn).unwrap();
    bench.start_again().await;
    unlock(lock).await;
    bench.back().await;
    assert_eq!(bench.entries().await, numbered(&ids));
    let next = bench.append(call, 1);
    bench.durable(&next).await;
    ids.extend(next);
    assert_eq!(bench.entries().await, numbered(&ids), "no place is used twice");
}

#[tokio::test]
async fn without_database_and_spool_nothing_counts_as_durable_and_nothing_is_lost() {
    let mut bench = Bench::open().await;
    let call = bench.make();
    let full = Spool::on_a_full_disk().unwrap();
    let (notices, heard) = mpsc::unbounded_channel();
    let (entries, mut queue) = mpsc::unbounded_channel();
    let mut writer = Writer::new(bench.store.clone(), full, 0, "epoch".to_owned(), notices);
    let lock = bench.lock().await;
    bench.ledger = Ledger { entries, spooled: Arc::clone(&writer.spooled) };
    bench.notices = heard;
    let ids = bench.append(call, 2);
    let mut group = Vec::new();
    queue.recv_many(&mut group, 9).await;
    writer.write(group).await;
    assert!(matches!(bench.heard().await, Notice::Away { .. }));
    assert!(bench.notices.try_recv().is_err(), "nobody was told that they are safe");
    assert_eq!(writer.homeless.len(), 2);
    writer.spool = Spool::open(&bench.folder.path().join("roomy"), SPOOL).unwrap().0;
    unlock(lock).await;
    writer.carry_over(COMMIT_WITHIN).await;
    bench.durable(&ids).await;
    assert_eq!(bench.heard().await, Notice::Back);
    assert_eq!(bench.entries().await, numbered(&ids));
}

#[tokio::test]
async fn a_signal_that_was_safe_too_late_is_told_and_marked() {
    let mut bench = Bench::open().await;
    let call = bench.make();
    let (on_time, late) = (bench.signal(call), bench.signal(call));
    let ids = [on_time.id, late.id];
    let long_ago = Instant::now().checked_sub(DURABLE_WITHIN * 2).expect("the clock is past its start");
    bench.ledger.append(on_time);
    bench.durable(&ids[..1]).await;
    bench.ledger.entries.send((long_ago, Entry::Signal(Box::new(late)))).unwrap();
    assert_eq!(bench.heard().await, Notice::Late(ids[1]), "before it counts as safe");
    bench.durable(&ids[1..]).await;
    assert_eq!(bench.entries().await, [(1, ids[0], false), (2, ids[1], true)]);
}

#[tokio::test]
async fn the_newest_state_of_an_interaction_wins_and_keeps_its_recordings() {
    let mut bench = Bench::open().await;
    let lock = bench.lock().await;
    let (first, other) = (bench.interaction("first"), bench.interaction("other"));
    let recording = Recording {
        id: bench.make(),
        interaction_id: first.id,
        state: RecordingState::Recording,
        duration_ms: None,
        channels: None,
        sample_rate_hz: None,
        sha256: None,
        spans: Vec::new(),
        path: None,
    };
    let saved = |interaction: &Interaction, recordings: &[Recording], settled: bool| SavedCall {
        interaction: interaction.clone(),
        recordings: recordings.to_vec(),
        settled,
    };
    let newest = Interaction { notes: Some("newest".to_owned()), ..first.clone() };
    bench.ledger.save(saved(&first, std::slice::from_ref(&recording), false));
    bench.ledger.save(saved(&other, &[], true));
    // It does not speak of recordings, which does not mean that there are none.
    bench.ledger.save(saved(&newest, &[], false));
    let call = first.call_id;
    let signals = bench.append(call, 1);
    bench.durable(&signals).await;
    let page = PageRequest::default();
    let listed = bench.store.interactions(&InteractionFilter::default(), &page).await.unwrap();
    assert_eq!(listed.total, 0, "they wait in memory");
    unlock(lock).await;
    bench.back().await;
    assert_eq!(bench.store.interaction(first.id).await.unwrap(), Some(newest));
    assert_eq!(bench.store.interaction(other.id).await.unwrap(), Some(other));
    assert_eq!(bench.store.recording(recording.id).await.unwrap(), Some(recording));
}

#[tokio::test]
async fn a_flush_returns_when_what_was_given_before_it_is_written() {
    let mut bench = Bench::open().await;
    let call = bench.make();
    let interaction = bench.interaction("saved");
    for seq in 1..=3 {
        bench.ledger.keep(FrameRow { seq, at: NOW.0, frame: format!("{{\"n\":{seq}}}") });
    }
    bench.ledger.save(SavedCall { interaction: interaction.clone(), recordings: Vec::new(), settled: true });
    let ids = bench.append(call, 2);
    bench.ledger.flush().await;
    assert_eq!(bench.entries().await.len(), ids.len());
    assert_eq!(bench.store.interaction(interaction.id).await.unwrap(), Some(interaction));
    let frames = bench.store.frames_between("epoch", 0, 9, 9).await.unwrap();
    assert_eq!(frames.iter().map(|frame| frame.seq).collect::<Vec<_>>(), [1, 2, 3]);

    // While the database is away it returns too: nobody may wait for a lock that stays.
    let lock = bench.lock().await;
    bench.append(call, 1);
    tokio::time::timeout(SOON / 2, bench.ledger.flush()).await.expect("it does not wait for the lock");
    assert_eq!(bench.spooled_lines(), 1);
    unlock(lock).await;
}

#[tokio::test]
async fn what_may_wait_is_written_after_a_while_and_what_is_over_at_once() {
    let mut bench = Bench::open().await;
    let (live, over) = (bench.interaction("live"), bench.interaction("over"));
    let saved = |interaction: &Interaction, settled| SavedCall {
        interaction: interaction.clone(),
        recordings: Vec::new(),
        settled,
    };
    bench.ledger.save(saved(&live, false));
    bench.ledger.keep(FrameRow { seq: 1, at: NOW.0, frame: "{}".to_owned() });
    let begun = Instant::now();
    bench.ledger.save(saved(&over, true));
    assert_eq!(bench.heard().await, Notice::Saved(vec![over.id]));
    if begun.elapsed() < Duration::from_millis(100) {
        assert_eq!(bench.store.interaction(live.id).await.unwrap(), None, "it may still change");
    }
    while bench.store.interaction(live.id).await.unwrap().is_none() {
        assert!(begun.elapsed() < SOON, "it waits for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bench.store.frames_between("epoch", 0, 9, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn frames_that_were_given_up_are_not_resumed_from() {
    let bench = Bench::open().await;
    let (notices, _heard) = mpsc::unbounded_channel();
    let spool = Spool::open(&bench.folder.path().join("another"), SPOOL).unwrap().0;
    let mut writer = Writer::new(bench.store.clone(), spool, 0, "epoch".to_owned(), notices);
    let frame = |seq: i64| FrameRow { seq, at: NOW.0, frame: "{}".to_owned() };
    bench
        .store
        .append(&Batch { frames: vec![frame(1)], epoch: "epoch".into(), ..Batch::default() })
        .await
        .unwrap();
    let lost = Batch { frames: vec![frame(7)], frames_lost_until: Some(6), ..Batch::default() };
    writer.waiting.put_back(lost);
    writer.commit(Vec::new(), Share::All, SOON).await.unwrap();
    // A cursor before the loss must get a snapshot: nothing of before it may be resumed from.
    assert_eq!(bench.store.frames_floor("epoch").await.unwrap(), Some(6));
}

#[tokio::test]
async fn at_the_end_it_waits_for_the_database_and_not_for_ever() {
    let mut bench = Bench::open().await;
    let interaction = bench.interaction("saved");
    let lock = bench.lock().await;
    let call = bench.make();
    let ids = bench.append(call, 2);
    bench.durable(&ids).await;
    bench.ledger.save(SavedCall { interaction: interaction.clone(), recordings: Vec::new(), settled: true });
    bench.ledger.keep(FrameRow { seq: 1, at: NOW.0, frame: "{}".to_owned() });
    let begun = Instant::now();
    bench.ledger.settle(Duration::from_millis(400)).await;
    assert!(begun.elapsed() >= Duration::from_millis(400), "it tried: {:?}", begun.elapsed());
    assert!(begun.elapsed() < SOON / 2, "and gave up: {:?}", begun.elapsed());
    assert_eq!(bench.spooled_lines(), 2, "what has a place there is kept");

    let ledger = bench.ledger.clone();
    let settling = tokio::spawn(async move { ledger.settle(SOON).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!settling.is_finished(), "the database is still locked");
    unlock(lock).await;
    settling.await.unwrap();
    assert_eq!(bench.entries().await, numbered(&ids));
    assert_eq!(bench.store.interaction(interaction.id).await.unwrap(), Some(interaction));
    assert_eq!(bench.store.frames_between("epoch", 0, 9, 9).await.unwrap().len(), 1);
    assert_eq!(bench.spooled_lines(), 0);
}
