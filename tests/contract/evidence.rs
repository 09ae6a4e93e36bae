//! What earlier calls have left in the database and in the folder of recordings, put there by the store's own hand.

use std::path::PathBuf;

use linecard_calls::{
    Direction, Id, IdSource, Interaction, InteractionState, Outcome, Recording, RecordingState, Ring, Role,
    UserId, UtcMillis,
};
use linecard_store::Store;
use linecard_store::ledger::{Batch, SavedCall};
use linecard_store::users::UserDraft;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

use super::clients::PASSWORD;

/// When the first of the earlier calls began.
pub(crate) const LONG_AGO: UtcMillis = UtcMillis(1_760_000_000_000);

/// A database that is locked.
pub(crate) struct Lock<'a> {
    runtime: &'a Runtime,
    other: Option<SqliteConnection>,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if let Some(other) = self.other.take() {
            let _ = self.runtime.block_on(other.close());
        }
    }
}

/// A way to the database beside the server's own.
pub(crate) struct Evidence {
    url: String,
    runtime: Runtime,
    store: Store,
    recording_dir: PathBuf,
    ids: IdSource,
}

impl Evidence {
    pub(crate) fn open(url: &str, recording_dir: PathBuf) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let store = runtime.block_on(Store::open(url)).expect("the database opens");
        // Ids of two ways to one database must differ.
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let ids = IdSource::new(ChaCha12Rng::seed_from_u64(seed.as_secs() ^ u64::from(seed.subsec_nanos())));
        Self { url: url.to_owned(), runtime, store, recording_dir, ids }
    }

    pub(crate) fn make_id<T: Id>(&mut self) -> T {
        self.ids.make(LONG_AGO)
    }

    pub(crate) fn add_admin(&mut self) {
        let draft = UserDraft {
            login: "admin".to_owned(),
            name: "Admin".to_owned(),
            role: Role::Admin,
            password: Some(PASSWORD.to_owned()),
            extension: None,
            ring: Ring::Together,
            ring_timeout_ms: 20_000,
            allow_call_waiting: false,
        };
        let id: UserId = self.make_id();
        self.runtime.block_on(self.store.add_user(id, &draft, LONG_AGO)).expect("a new log-in");
    }

    /// An answered inbound call of a minute, begun `after_s` seconds after [`LONG_AGO`]; not saved yet.
    pub(crate) fn call(&mut self, user_id: &str, after_s: i64) -> Interaction {
        let started_at = LONG_AGO.plus_ms(after_s * 1_000);
        Interaction {
            id: self.make_id(),
            call_id: self.make_id(),
            direction: Direction::Inbound,
            outcome: Some(Outcome::Answered),
            state: InteractionState::Ended,
            caller_number: Some("+78312123456".to_owned()),
            caller_dialled: Some("88312123456".to_owned()),
            callee_number: Some("100".to_owned()),
            customer_number: None,
            connected_number: None,
            user_to_user: Vec::new(),
            contact_id: None,
            user_id: Some(user_id.parse().expect("a user's id")),
            line_id: self.make_id(),
            started_at,
            answered_at: Some(started_at.plus_ms(3_000)),
            ended_at: Some(started_at.plus_ms(63_000)),
            ringing_ms: Some(3_000),
            talk_ms: Some(60_000),
            hold_ms: Some(0),
            hangup_by: None,
            sip_status: Some(200),
            legs: Vec::new(),
            recording_ids: Vec::new(),
            notes: None,
            disposition: None,
        }
    }

    /// Writes a stereo WAV of `duration_ms` and names it in the interaction.
    pub(crate) fn record(&mut self, interaction: &mut Interaction, duration_ms: u64) -> Recording {
        let mut recording = self.recording_without_file(interaction, RecordingState::Finished);
        std::fs::create_dir_all(&self.recording_dir).expect("the folder of recordings");
        let path = self.recording_dir.join(format!("{}.wav", recording.id));
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&path, spec).expect("the WAV is made");
        for step in 0..duration_ms * 8 {
            for channel in [1, -1] {
                let level = i16::try_from(step % 1_000).expect("small") * channel;
                wav.write_sample(level).expect("the WAV is written");
            }
        }
        wav.finalize().expect("the WAV is finished");
        let digest = Sha256::digest(std::fs::read(&path).expect("the WAV is there"));
        recording.sha256 = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        recording.duration_ms = Some(duration_ms);
        recording.channels = Some(2);
        recording.sample_rate_hz = Some(8_000);
        recording
    }

    /// A recording of which only the row exists.
    pub(crate) fn recording_without_file(
        &mut self,
        interaction: &mut Interaction,
        state: RecordingState,
    ) -> Recording {
        let id = self.make_id();
        interaction.recording_ids.push(id);
        Recording {
            id,
            interaction_id: interaction.id,
            state,
            duration_ms: None,
            channels: None,
            sample_rate_hz: None,
            sha256: None,
            spans: Vec::new(),
            path: None,
        }
    }

    /// Saves a call with its recordings, as the ledger's writer does.
    pub(crate) fn save(&self, interaction: &Interaction, recordings: Vec<Recording>) {
        let saved = SavedCall { interaction: interaction.clone(), recordings, settled: true };
        let batch = Batch { saves: vec![saved], ..Batch::default() };
        self.runtime.block_on(self.store.append(&batch)).expect("the call is saved");
    }

    /// What the database holds of a missed-call item, as REST would show it.
    pub(crate) fn missed(&self, id: &str) -> Option<Value> {
        let item = self.runtime.block_on(self.store.missed_item(id.parse().expect("an id"))).expect("a row");
        item.map(|item| serde_json::to_value(item).expect("JSON"))
    }

    /// What the ledger comes to: every call folded anew, whatever is saved.
    pub(crate) fn folded(&self) -> Vec<Interaction> {
        self.runtime.block_on(async {
            let calls = self.store.calls_after(None, 1_000).await.expect("the calls");
            let mut folded = Vec::new();
            for call in calls {
                let signals = self.store.signals_of(call).await.expect("its evidence");
                folded.extend(linecard_calls::fold(&signals));
            }
            folded
        })
    }

    /// Locks the database against everybody who writes, until the answer goes out of scope.
    pub(crate) fn lock(&self) -> Lock<'_> {
        let other = self.runtime.block_on(async {
            let mut other = SqliteConnection::connect(&self.url).await.expect("a second connection");
            sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock is free");
            other
        });
        Lock { runtime: &self.runtime, other: Some(other) }
    }

    /// Forgets every frame, as the retention does.
    pub(crate) fn forget_frames(&self) -> u64 {
        self.runtime.block_on(self.store.forget_frames(i64::MAX)).expect("frames are forgotten")
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}
