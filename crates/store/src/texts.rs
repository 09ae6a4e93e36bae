//! Every SQL text of this crate runs on both databases: one tour calls everything, and what the two were given is held
//! against each other and against the texts in the source.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use linecard_calls::metrics::{By, Figure, Zone};
use linecard_calls::missed::Book;
use linecard_calls::{
    DeviceAddress, Direction, Interaction, InteractionId, MissedChange, Outcome, Role, RoutedDevice, UserId,
};
use xtask::postgres::Database;

use crate::audit::{AuditAction, AuditEntry, AuditFilter};
use crate::contacts::{CardOrder, CardSearch, ContactFilter};
use crate::counted::LocalTime;
use crate::frames::{FrameRow, Numbering};
use crate::idempotency::KeptAnswer;
use crate::interactions::{InteractionFilter, Whose};
use crate::ledger::{Batch, SavedCall};
use crate::load::LoadQuery;
use crate::missed::MissedFilter;
use crate::page::{CallOrder, Cursor, Key, PageRequest};
use crate::phones::{KeptBinding, PhoneAccount, PhoneSecret};
use crate::recordings::RecordingFilter;
use crate::users::{Device, UserDraft};
use crate::{EmptyDatabase, Store, StoreError, dialect, newest_schema};

#[path = "../tests/conformance/fixtures.rs"]
#[allow(dead_code, reason = "the conformance suite tells more stories with them")]
pub(crate) mod fixtures;

use fixtures::{
    Ids, NOW, add_company, add_contact, add_user, batch_of, company_draft, contact_draft, entry, interaction,
    internal, line_draft, local, public, record, saved, session, signal, user_draft,
};

static SEEN: Mutex<BTreeSet<(&'static str, String)>> = Mutex::new(BTreeSet::new());

/// Notes that a driver is given a text.
pub(crate) fn saw(driver: &'static str, text: &str) {
    SEEN.lock().expect("no test panics in here").insert((driver, text.to_owned()));
}

fn seen(driver: &str) -> BTreeSet<String> {
    let seen = SEEN.lock().expect("no test panics in here");
    seen.iter().filter(|(of, _)| *of == driver).map(|(_, text)| text.clone()).collect()
}

/// Calls everything that the store can do, with every part of every filter.
async fn tour(store: &Store) {
    let mut ids = Ids::new();
    people(store, &mut ids).await;
    cards(store, &mut ids).await;
    calls(store, &mut ids).await;
    store.leave_numbering(&Numbering { epoch: "e".to_owned(), last_seq: 7 }).await.unwrap();
    store.take_numbering("f").await.unwrap();
    store.frames_between("e", 0, 9, 9).await.unwrap();
    store.frames_floor("e").await.unwrap();
    store.forget_frames(NOW.0).await.unwrap();
    let answer =
        KeptAnswer { request: "r".to_owned(), status: 204, content_type: None, response: String::new() };
    store.keep_answer("anna", "k", &answer, NOW.0, 0).await.unwrap();
    store.kept_answer("anna", "k", 0).await.unwrap();
    store.forget_answers(NOW.0).await.unwrap();
    store.integrity_faults().await.unwrap();
    store.probe().await.unwrap();
    missed(store, &mut ids).await;
    audit(store, &mut ids).await;
}

/// Reads everything and writes it where it came from, as after a restore that was cut off.
async fn back_up_and_restore(store: &Store, url: &str) {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut parts = Vec::new();
    while let Some(part) = snapshot.next().await.unwrap() {
        parts.push(part);
    }
    drop(snapshot);
    assert!(matches!(EmptyDatabase::open(url, false).await, Err(StoreError::Used { .. })));
    let database = EmptyDatabase::open(url, true).await.unwrap();
    let mut restoring = database.begin(newest_schema()).await.unwrap();
    for part in parts {
        restoring.insert(&part.table, &part.lines).await.unwrap();
    }
    restoring.finish().await.unwrap();
}

async fn missed(store: &Store, ids: &mut Ids) {
    let it = Interaction {
        answered_at: None,
        talk_ms: Some(0),
        outcome: Some(Outcome::Abandoned),
        ended_at: Some(NOW.plus_ms(9_000)),
        ..interaction(ids, NOW)
    };
    let changes = Book::default().take(&it);
    let item = changes.first().expect("a missed call opens an item").item.clone();
    // The second time the call's row is there and its contact is amended.
    for _ in 0..2 {
        let saves = vec![SavedCall { settled: true, ..saved(&it, &[]) }];
        store.append(&Batch { saves, missed: changes.clone(), ..Batch::default() }).await.unwrap();
    }
    store.missed_item(item.id).await.unwrap().expect("it was saved");
    let user_id = it.user_id.map(|id| id.to_string());
    let all = MissedFilter { state: Some(item.state), user_id, without: vec![ids.make()] };
    for page in pages() {
        for filter in [MissedFilter::default(), all.clone()] {
            store.missed_items(&filter, &page).await.unwrap();
        }
    }
    store.kept_missed().await.unwrap();
    store.answered_with("105", NOW).await.unwrap();
    let gone = changes.into_iter().map(|change| MissedChange { void: true, ..change }).collect();
    store.append(&Batch { missed: gone, ..Batch::default() }).await.unwrap();
}

async fn audit(store: &Store, ids: &mut Ids) {
    let source = "192.0.2.1".parse().unwrap();
    let (action, user_id, subject) = (AuditAction::Login, Some(ids.make()), None);
    store
        .add_audit(&[AuditEntry { id: ids.make(), at: NOW, action, user_id, subject, source }])
        .await
        .unwrap();
    store.user_of_login("anna").await.unwrap();
    let (from, until) = (Some(NOW.0), Some(NOW.0 + 1));
    let all = AuditFilter { user_id, action: Some(action), from, until };
    for page in pages() {
        for filter in [AuditFilter::default(), all.clone()] {
            store.audit(&filter, &page).await.unwrap();
        }
    }
}

fn pages() -> [PageRequest; 2] {
    let cursor = Some(Cursor { key: NOW.0.into(), id: "z".to_owned() });
    [PageRequest::default(), PageRequest { cursor, ..PageRequest::default() }]
}

async fn people(store: &Store, ids: &mut Ids) {
    let anna = add_user(store, ids, "anna").await;
    let anna = store.change_user(anna.id, &user_draft("Анна"), anna.version).await.unwrap();
    store.log_in("Анна", "right").await.unwrap().expect("the password is right");
    let address = DeviceAddress::Sip { uri: "105".to_owned() };
    let device = Device { routed: RoutedDevice { device: ids.make(), address }, user_id: anna.id };
    store.add_device(&device).await.unwrap();
    assert_eq!(store.devices(anna.id).await.unwrap(), store.all_devices().await.unwrap());
    phones(store, ids, anna.id).await;
    store.delete_device(anna.id, device.routed.device).await.unwrap();
    let open = session(ids, anna.id, NOW.0 + 1_000);
    store.open_session("hash", &open).await.unwrap();
    store.session_user("hash", NOW).await.unwrap().expect("it has begun");
    store.sessions(anna.id, NOW).await.unwrap();
    store.set_password(anna.id, "another", open.id).await.unwrap();
    store.close_other_sessions(anna.id, open.id).await.unwrap();
    store.close_session(anna.id, open.id).await.unwrap();
    let anna = store.user(&anna.id.to_string()).await.unwrap().expect("she is there");
    let boss = UserDraft { role: Role::Admin, ..user_draft("boss") };
    let boss = store.add_user(ids.make(), &boss, NOW).await.unwrap();
    assert!(matches!(store.delete_user(boss.id, boss.version).await, Err(StoreError::LastAdmin)));
    let line = store.add_line(ids.make(), &line_draft(Some(anna.id)), NOW).await.unwrap();
    let line = store.change_line(line.id, &line_draft(None), line.version).await.unwrap();
    store.lines().await.unwrap();
    for page in pages() {
        store.users(&page).await.unwrap();
        store.lines_page(&page).await.unwrap();
    }
    store.delete_line(line.id, line.version).await.unwrap();
    store.delete_user(anna.id, anna.version).await.unwrap();
}

async fn phones(store: &Store, ids: &mut Ids, user_id: UserId) {
    let routed = RoutedDevice { device: ids.make(), address: DeviceAddress::Phone { contact: None } };
    let id = routed.device;
    let secret = PhoneSecret { realm: "r".to_owned(), md5: "m".to_owned(), sha256: "s".to_owned() };
    let username = "u".to_owned();
    let account = PhoneAccount { device: id, name: None, username, secret: secret.clone(), last_seen: None };
    store.add_phone(&Device { routed, user_id }, &account).await.unwrap();
    assert!(store.renew_phone(user_id, id, &secret).await.unwrap());
    assert_eq!(store.phones().await.unwrap(), [account]);
    let kept = KeptBinding {
        contact: "sip:a@b".to_owned(),
        transport: "udp".to_owned(),
        local: "l".to_owned(),
        remote: "r".to_owned(),
        q: 1,
        instance: None,
        user_agent: None,
        call_id: "c".to_owned(),
        cseq: 1,
        since: NOW,
        expires_at: NOW,
    };
    store.keep_bindings(&[(id, vec![kept.clone()])], NOW).await.unwrap();
    assert_eq!(store.kept_bindings().await.unwrap(), [(id, kept)]);
    assert!(store.delete_device(user_id, id).await.unwrap());
}

async fn cards(store: &Store, ids: &mut Ids) {
    let company = add_company(store, ids, "Ёж", &[internal("105")]).await;
    store.change_company(&company, &company_draft("Ёжик", &[]), 1).await.unwrap();
    let mut card = contact_draft("Пётр", &[public("+79030000001"), local("212-34-56")]);
    card.company_id = Some(company.clone());
    let contact = add_contact(store, ids, &card).await;
    let contact = store.change_contact(contact.id, &card, contact.version).await.unwrap();
    let mut talk = interaction(ids, NOW);
    talk.contact_id = Some(contact.id);
    store.append(&Batch { saves: vec![saved(&talk, &[])], ..Batch::default() }).await.unwrap();
    for number in [public("+79030000001"), internal("105"), local("212-34-56"), public("+78312123456")] {
        store.candidates(&number, Some(ids.make()), NOW).await.unwrap();
    }
    let by_name = Some(Cursor { key: Key::Text("а".to_owned()), id: "z".to_owned() });
    for page in pages().into_iter().chain([PageRequest { cursor: by_name, ..PageRequest::default() }]) {
        for search in searches(&page) {
            store.companies(&search, &page).await.unwrap();
            let (company_id, responsible_id) = (Some(company.clone()), Some(ids.make()));
            let filter = ContactFilter { search, company_id, responsible_id };
            store.contacts(&filter, &page).await.unwrap();
        }
    }
    let learned = store.learned(9).await.unwrap();
    store.forget_learned(&learned).await.unwrap();
    store.calls_of_nobody("+79030000001", 9).await.unwrap();
    store.delete_contact(contact.id, contact.version).await.unwrap();
    store.delete_company(&company, 2).await.unwrap();
}

/// Searches of each kind, in the order that the page's cursor is of.
fn searches(page: &PageRequest) -> Vec<CardSearch> {
    let order = match page.cursor.as_ref().map(|cursor| &cursor.key) {
        Some(Key::Text(_)) => CardOrder::Name,
        _ => CardOrder::Newest,
    };
    let plan = linecard_crm::DialPlan::default();
    let typed = [None, Some("п"), Some("8312"), Some("+78312123456"), Some("доб 12")];
    let search = |typed: Option<&str>| CardSearch {
        words: typed.map(str::to_owned),
        number: typed.and_then(|typed| plan.search(typed)),
        order,
    };
    typed.into_iter().map(search).collect()
}

async fn calls(store: &Store, ids: &mut Ids) {
    let mut it: Interaction = interaction(ids, NOW);
    it.legs.iter_mut().for_each(|leg| leg.user_id = Some(ids.make()));
    let recording = record(ids, &mut it);
    let batch = Batch {
        saves: vec![saved(&it, std::slice::from_ref(&recording))],
        frames: vec![FrameRow { seq: 1, at: NOW.0, frame: "{}".to_owned() }],
        epoch: "e".to_owned(),
        frames_lost_until: Some(0),
        ..batch_of(vec![entry(1, signal(ids, it.call_id))])
    };
    store.append(&batch).await.unwrap();
    store.interaction(it.id).await.unwrap().expect("it was saved");
    store.interaction_of_call(it.call_id).await.unwrap().expect("it was saved");
    store.recording(recording.id).await.unwrap().expect("it was saved");
    store.recordings_of(it.id).await.unwrap();
    store.last_signal_seq().await.unwrap();
    store.signals_of(it.call_id).await.unwrap();
    store.signals_after(0, 9).await.unwrap();
    store.fill_counted().await.unwrap();
    store.fill_all_counted().await.unwrap();
    load(store, it.id).await;
    store.unsettled_calls().await.unwrap();
    store.calls_after(None, 9).await.unwrap();
    let filter = InteractionFilter {
        from: Some(0),
        until: Some(NOW.0 + 1),
        direction: Some(Direction::Inbound),
        outcome: Some(Outcome::Answered),
        whose: it.user_id.map(Whose::Of),
        line_id: Some(it.line_id),
        contact_id: Some("c".to_owned()),
        company_id: Some("k".to_owned()),
        number: Some("105".to_owned()),
        recorded: Some(true),
        local: LocalTime { zone: summer(), hour: Some(9), weekday: Some(1) },
        figure: None,
        under_way_at: Some(NOW),
        without: vec![it.id],
        order: CallOrder::Newest,
    };
    let live = vec![Interaction { contact_id: Some(ids.make()), ..it.clone() }];
    store.of_company("k", live).await.unwrap();
    for figure in Figure::ALL {
        let filter = InteractionFilter { figure: Some((figure, 20_000)), ..InteractionFilter::default() };
        store.interactions(&filter, &PageRequest::default()).await.unwrap();
    }
    let with = it.user_id.map(Whose::With);
    let talked = InteractionFilter { whose: with, ..InteractionFilter::default() };
    store.interactions(&talked, &PageRequest::default()).await.unwrap();
    let talked = RecordingFilter { whose: with, ..RecordingFilter::default() };
    store.recordings(&talked, &PageRequest::default()).await.unwrap();
    let of_nobody = InteractionFilter {
        whose: Some(Whose::Nobody),
        order: CallOrder::Longest,
        ..InteractionFilter::default()
    };
    store.interactions(&of_nobody, &PageRequest::default()).await.unwrap();
    for page in pages() {
        store.interactions(&filter, &page).await.unwrap();
        recordings(store, ids, &it, &page).await;
    }
}

async fn recordings(store: &Store, ids: &mut Ids, it: &Interaction, page: &PageRequest) {
    let all = RecordingFilter {
        from: Some(1),
        until: Some(2),
        direction: Some(Direction::Inbound),
        outcome: Some(Outcome::Answered),
        whose: it.user_id.map(Whose::Of),
        contact_id: Some(ids.make()),
        name: Some("Мария".to_owned()),
        number: Some("105".to_owned()),
        duration_min_ms: Some(1),
        duration_max_ms: Some(2),
        order: CallOrder::Newest,
    };
    let of_nobody = RecordingFilter { whose: Some(Whose::Nobody), ..RecordingFilter::default() };
    let shortest = RecordingFilter { order: CallOrder::Shortest, ..RecordingFilter::default() };
    for filter in [RecordingFilter::default(), all, of_nobody, shortest] {
        store.recordings(&filter, page).await.unwrap();
    }
}

fn summer() -> Zone {
    let mut zone = Zone::fixed(3_600_000);
    zone.change(NOW, 7_200_000);
    zone
}

async fn load(store: &Store, known: InteractionId) {
    for by in [By::Hour, By::Weekday, By::Line, By::Agent] {
        for without in [Vec::new(), vec![known]] {
            let (from, until) = (NOW.plus_ms(-1_000), NOW.plus_ms(1_000));
            let query = LoadQuery { from, until, by, zone: summer(), within_ms: 20_000, without };
            store.load(&query).await.unwrap();
            store.load_peaks(&query, until).await.unwrap();
            store.counted_calls(&query, from).await.unwrap();
        }
    }
}

/// The SQL in a source: each text as the pieces around what is put into it.
fn texts_in(source: &str) -> Vec<Vec<String>> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let literals = code.split('"').skip(1).step_by(2);
    literals.map(joined).filter(|text| is_sql(text)).map(|text| pieces(&text)).collect()
}

/// A literal without the breaks of its lines.
fn joined(literal: &str) -> String {
    literal
        .split("\\\n")
        .enumerate()
        .map(|(part, text)| if part == 0 { text } else { text.trim_start() })
        .collect()
}

fn is_sql(text: &str) -> bool {
    let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];
    let condition = ["= ?", "< ?", "LIKE ?", "= $", "< $"].iter().any(|mark| text.contains(mark));
    condition || verbs.iter().any(|verb| text.starts_with(verb))
}

/// Cuts at `{what is put in}` and at the places of values.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '{' | '?' | '$' => {
                inside = letter == '{';
                pieces.push(String::new());
            }
            '}' => inside = false,
            letter if inside || letter.is_ascii_digit() => {}
            letter => pieces.last_mut().expect("never empty").push(letter),
        }
    }
    pieces
}

/// Whether a text that ran holds the pieces in their order.
fn holds(ran: &str, pieces: &[String]) -> bool {
    let ran: String = ran.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let mut rest = ran.as_str();
    pieces.iter().all(|piece| match rest.split_once(piece.as_str()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[tokio::test]
async fn every_text_runs_on_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let file_url = format!("sqlite://{}", folder.path().join("linecard.db").display());
    let file = Store::open(&file_url).await.unwrap();
    let database = Database::make().unwrap();
    let server = Store::open(&database.url()).await.unwrap();
    for (store, url) in [(&file, file_url), (&server, database.url())] {
        tour(store).await;
        back_up_and_restore(store, &url).await;
    }
    server.close().await;
    let (mut on_file, mut on_server) = (seen("SQLite"), seen("PostgreSQL"));
    assert!(on_server.remove(dialect::INTEGRITY.postgres) && on_file.remove(dialect::INTEGRITY.sqlite));
    assert!(on_server.remove(dialect::SORTING) && on_file.remove(dialect::SHAPES));
    assert_eq!(on_file, on_server);

    let mut texts = 0;
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("src").read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir()
            || path.ends_with("dialect.rs")
            || path.ends_with("address.rs")
            || path.ends_with("texts.rs")
        {
            continue;
        }
        for pieces in texts_in(&std::fs::read_to_string(&path).unwrap()) {
            texts += 1;
            assert!(
                on_server.iter().any(|ran| holds(ran, &pieces)),
                "{}: {pieces:?} ran nowhere",
                path.display()
            );
        }
    }
    assert!(texts > 40, "only {texts} texts were found");
}
