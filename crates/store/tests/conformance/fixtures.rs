//! The people, numbers and calls that the tests tell of.

use linecard_calls::{
    CallId, Direction, Id, IdSource, Interaction, InteractionState, LegId, Outcome, Recording,
    RecordingState, Ring, Role, Signal, SignalBody, Source, Span, SpanKind, UserId, UtcMillis,
};
use linecard_crm::Number;
use linecard_store::Store;
use linecard_store::contacts::{
    CardSearch, CompanyDraft, CompanyFields, Contact, ContactDraft, ContactFields,
};
use linecard_store::ledger::{Batch, LedgerEntry, SavedCall};
use linecard_store::lines::{DialFormat, LineDraft, LineMode, LineTransport};
use linecard_store::page::{Page, PageRequest};
use linecard_store::sessions::OpenSession;
use linecard_store::users::{User, UserDraft};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// The moment at which the stories happen.
pub(crate) const NOW: UtcMillis = UtcMillis(1_760_000_000_000);

/// A day in milliseconds.
pub(crate) const DAY_MS: i64 = 24 * 3_600_000;

/// Names for things, rising in the order in which they are made.
pub(crate) struct Ids(IdSource);

impl Ids {
    pub(crate) fn new() -> Self {
        Self(IdSource::new(ChaCha12Rng::seed_from_u64(11)))
    }

    pub(crate) fn make<T: Id>(&mut self) -> T {
        self.0.make(NOW)
    }
}

/// Reads a list to its end, page by page, with each cursor carried as text as a browser would.
pub(crate) async fn walk<T>(limit: u32, read: impl AsyncFn(&PageRequest) -> Page<T>) -> Vec<T> {
    let mut all = Vec::new();
    let mut request = PageRequest { limit, ..PageRequest::default() };
    loop {
        let page = read(&request).await;
        let size = u32::try_from(page.items.len()).expect("a page is small");
        assert!(size <= limit, "a page of {size} rows where {limit} were asked for");
        all.extend(page.items);
        match page.next {
            Some(next) => {
                assert_eq!(size, limit, "only the last page may be short");
                request.cursor = Some(next.to_string().parse().expect("a cursor reads back"));
            }
            None => {
                assert_eq!(page.total, i64::try_from(all.len()).expect("few rows"), "total");
                return all;
            }
        }
    }
}

/// A user who logs in as `login` with the password `right`.
pub(crate) fn user_draft(login: &str) -> UserDraft {
    UserDraft {
        login: login.to_owned(),
        name: format!("{login} Иванова"),
        role: Role::Agent,
        password: Some("right".to_owned()),
        extension: Some("105".to_owned()),
        ring: Ring::InOrder,
        ring_timeout_ms: 25_000,
        allow_call_waiting: true,
    }
}

pub(crate) async fn add_user(store: &Store, ids: &mut Ids, login: &str) -> User {
    store.add_user(ids.make(), &user_draft(login), NOW).await.expect("a new login")
}

/// A line with every field set.
pub(crate) fn line_draft(user_id: Option<UserId>) -> LineDraft {
    LineDraft {
        name: "Офис".to_owned(),
        server: "pbx.example:5070".to_owned(),
        username: "105".to_owned(),
        password: "сим-сим \"открой';--".to_owned(),
        auth_username: Some("auth105".to_owned()),
        outbound_proxy: Some("proxy.example".to_owned()),
        transport: Some(LineTransport::Tcp),
        websocket_path: None,
        mode: LineMode::Anchor,
        user_id,
        dial_format: DialFormat::Plus,
        dial_prefix: Some("9".to_owned()),
        caller_id: Some("+78312000000".to_owned()),
        transfer: linecard_store::lines::LineTransfer::Pbx,
    }
}

/// A public number.
pub(crate) fn public(e164: &str) -> Number {
    Number { number: e164.to_owned(), e164: Some(e164.to_owned()), extension: None, label: None }
}

/// An internal number.
pub(crate) fn internal(extension: &str) -> Number {
    Number {
        number: extension.to_owned(),
        e164: None,
        extension: Some(extension.to_owned()),
        label: Some("внутр.".to_owned()),
    }
}

/// A number that no numbering plan completes.
pub(crate) fn local(digits: &str) -> Number {
    Number { number: digits.to_owned(), e164: None, extension: None, label: None }
}

pub(crate) fn contact_draft(name: &str, numbers: &[Number]) -> ContactDraft {
    ContactDraft {
        name: name.to_owned(),
        company_id: None,
        responsible_id: None,
        numbers: numbers.to_vec(),
        fields: ContactFields::default(),
    }
}

pub(crate) async fn add_contact(store: &Store, ids: &mut Ids, card: &ContactDraft) -> Contact {
    store.add_contact(ids.make(), card, NOW).await.expect("a sound card")
}

pub(crate) fn company_draft(name: &str, numbers: &[Number]) -> CompanyDraft {
    CompanyDraft { name: name.to_owned(), numbers: numbers.to_vec(), fields: CompanyFields::default() }
}

/// A search for a name.
pub(crate) fn words(words: &str) -> CardSearch {
    CardSearch { words: Some(words.to_owned()), ..CardSearch::default() }
}

/// Adds a company and yields its id.
pub(crate) async fn add_company(store: &Store, ids: &mut Ids, name: &str, numbers: &[Number]) -> String {
    let id = ids.make::<CallId>().to_string();
    store.add_company(&id, &company_draft(name, numbers), NOW).await.expect("a sound company").id
}

/// A signal of `call` that says a leg was answered.
pub(crate) fn signal(ids: &mut Ids, call: CallId) -> Signal {
    let body = SignalBody::LegAnswered { leg: ids.make() };
    Signal { id: ids.make(), call_id: call, source: Source::Anchor, observed_at: NOW, order: 1, body }
}

/// The entry of a signal at place `seq`.
pub(crate) fn entry(seq: i64, signal: Signal) -> LedgerEntry {
    LedgerEntry { seq, late_durable: false, signal }
}

/// A batch of signals alone.
pub(crate) fn batch_of(signals: Vec<LedgerEntry>) -> Batch {
    Batch { signals, ..Batch::default() }
}

/// An answered inbound call, over and without a recording.
pub(crate) fn interaction(ids: &mut Ids, started_at: UtcMillis) -> Interaction {
    Interaction {
        id: ids.make(),
        call_id: ids.make(),
        direction: Direction::Inbound,
        outcome: Some(Outcome::Answered),
        state: InteractionState::Ended,
        caller_number: Some("+79030000001".to_owned()),
        caller_dialled: Some("89030000001".to_owned()),
        callee_number: Some("105".to_owned()),
        customer_number: None,
        connected_number: None,
        user_to_user: Vec::new(),
        contact_id: None,
        user_id: Some(ids.make()),
        line_id: ids.make(),
        started_at,
        answered_at: Some(started_at.plus_ms(3_000)),
        ended_at: Some(started_at.plus_ms(63_000)),
        ringing_ms: Some(3_000),
        talk_ms: Some(60_000),
        hold_ms: Some(0),
        hangup_by: None,
        sip_status: Some(200),
        legs: vec![customer_leg(ids.make(), started_at)],
        recording_ids: Vec::new(),
        notes: Some("перезвонить в ёлочный отдел".to_owned()),
        disposition: None,
    }
}

fn customer_leg(leg_id: LegId, started_at: UtcMillis) -> linecard_calls::LegRecord {
    linecard_calls::LegRecord {
        leg_id,
        party: linecard_calls::Party::Customer,
        user_id: None,
        device_id: None,
        number: None,
        state: linecard_calls::LegState::Ended,
        started_at,
        answered_at: Some(started_at.plus_ms(3_000)),
        ended_at: Some(started_at.plus_ms(63_000)),
        sip_status: Some(200),
        quality: Some(linecard_calls::LegQuality {
            codec: Some("PCMA".to_owned()),
            received: Some(heard(started_at)),
            sent: None,
            round_trip_ms: Some(33.33),
            round_trip_max_ms: None,
        }),
    }
}

fn heard(at: UtcMillis) -> linecard_calls::PathQuality {
    linecard_calls::PathQuality {
        grade: linecard_calls::Grade::Fair,
        mos: 3.97,
        packets: 2_900,
        lost: 101,
        loss_percent: 3.37,
        burst_ratio: Some(1.07),
        bursts: Some(4),
        burst_longest: Some(17),
        duplicates: Some(0),
        reordered: Some(2),
        jitter_ms: 0.29,
        jitter_max_ms: 11.3,
        worst: Some(linecard_calls::WindowQuality { at, mos: 2.71, loss_percent: 17.1, jitter_ms: 0.7 }),
        bad: None,
    }
}

/// A finished recording of `interaction`, named in it.
pub(crate) fn record(ids: &mut Ids, interaction: &mut Interaction) -> Recording {
    let id = ids.make();
    interaction.recording_ids.push(id);
    Recording {
        id,
        interaction_id: interaction.id,
        state: RecordingState::Finished,
        duration_ms: Some(60_000),
        channels: Some(2),
        sample_rate_hz: Some(8_000),
        sha256: Some("ab".repeat(32)),
        spans: vec![Span { kind: SpanKind::Hold, from_ms: 1_000, until_ms: 2_500 }],
        path: None,
    }
}

/// A settled call without signals.
pub(crate) fn saved(interaction: &Interaction, recordings: &[Recording]) -> SavedCall {
    SavedCall { interaction: interaction.clone(), recordings: recordings.to_vec(), settled: true }
}

/// Saves interactions as settled calls.
pub(crate) async fn save(store: &Store, saves: Vec<SavedCall>) {
    store.append(&Batch { saves, ..Batch::default() }).await.expect("the batch is sound");
}

/// A session of a user from NOW until `expires_at`.
pub(crate) fn session(ids: &mut Ids, user_id: UserId, expires_at: i64) -> OpenSession {
    OpenSession {
        id: ids.make(),
        user_id,
        created_at: NOW,
        expires_at: UtcMillis(expires_at),
        source: "192.0.2.1".to_owned(),
        user_agent: Some("Mozilla/5.0".to_owned()),
    }
}
