//! A desk: a store, an engine behind the door, and people who are logged in.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use linecard_calls::{
    AgentState, CallId, Caller, Engine, EngineConfig, Id, IdSource, Input, Interaction, InteractionId, LegId,
    Offer, Output, Recording, RecordingPolicy, RecordingState, Ring, Role, Signal, Span, SpanKind, UserId,
    UtcMillis, fold, fold_recordings,
};
use linecard_crm::DialPlan;
use linecard_store::Store;
use linecard_store::ledger::{Batch, SavedCall};
use linecard_store::phones::PhoneSecret;
use linecard_store::users::{User, UserDraft};
use linecard_web::doctor::Doctor;
use linecard_web::phones::PhoneSettings;
use linecard_web::port::{
    Audit, AuditOrder, Colleague, Command, Doors, Figures, LiveInteraction, Reactor, Refusal,
};
use linecard_web::{App, WebSettings, router};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt;

/// The moment at which the stories begin.
pub(crate) const NOW: UtcMillis = UtcMillis(1_760_000_000_000);

pub(crate) const PASSWORD: &str = "a long password";

thread_local! {
    static CLOCK: Cell<i64> = const { Cell::new(NOW.0) };
}

fn clock() -> UtcMillis {
    UtcMillis(CLOCK.get())
}

/// Lets time pass.
pub(crate) fn pass(ms: i64) {
    CLOCK.set(CLOCK.get() + ms);
}

/// What a test does to the engine between two commands.
type Happening = Box<dyn FnOnce(&mut Engine, &mut Unsaved) + Send>;

/// Ended calls on their way into the database.
type Unsaved = Vec<SavedCall>;

/// A server without sockets.
pub(crate) struct Desk {
    pub(crate) store: Store,
    router: Router,
    ids: IdSource,
    happenings: mpsc::UnboundedSender<Happening>,
    /// While a gate stands here, who reloads waits at it.
    gates: mpsc::UnboundedSender<oneshot::Receiver<()>>,
    reactor: tokio::task::JoinHandle<()>,
    /// Holds the database and the recordings.
    pub(crate) dir: TempDir,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    token: String,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn items(&self) -> Vec<Value> {
        assert_eq!(self.status, StatusCode::OK, "{:?}", String::from_utf8_lossy(&self.body));
        self.json()["items"].as_array().expect("items").clone()
    }

    /// Checks that this is a problem in our words and returns the field to blame.
    pub(crate) fn problem(&self, status: u16) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json", "{text}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for key in ["type", "title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {problem}");
        }
        assert!(problem.as_object().expect("an object").contains_key("field"), "{problem}");
        problem["field"].as_str().map(str::to_owned)
    }
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let url = format!("sqlite://{}", dir.path().join("linecard.db").display());
        let store = Store::open(&url).await.expect("an empty database opens");
        let (commands, asked) = mpsc::channel(64);
        let (happenings, happened) = mpsc::unbounded_channel();
        let (gates, gated) = mpsc::unbounded_channel();
        let reactor = tokio::spawn(serve(asked, happened, gated));
        let (audit, orders) = mpsc::unbounded_channel();
        tokio::spawn(keep_audit(store.clone(), orders));
        let phones = PhoneSettings {
            admitted: true,
            realm: "linecard".to_owned(),
            digest: |username, realm, password| PhoneSecret {
                realm: realm.to_owned(),
                md5: format!("md5 of {username} {password}"),
                sha256: format!("sha256 of {username} {password}"),
            },
            server: "192.0.2.9".to_owned(),
            port: 5060,
            transports: vec!["udp".to_owned(), "tcp".to_owned()],
        };
        let settings = WebSettings {
            phones,
            barring: linecard_crm::Barring::default(),
            calls_per_minute: 20,
            public_url: "http://desk.example".to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            dial_plan: DialPlan::default(),
            outliner: |_, _| Err(std::io::ErrorKind::Unsupported.into()),
            recording_dir: dir.path().to_owned(),
            epoch: "e".to_owned(),
        };
        let (orders, _) = mpsc::channel(1);
        let (reactor_door, audit, doctor) = (Reactor::new(commands), Audit::new(audit), Doctor::new(orders));
        let doors = Doors { reactor: reactor_door, audit, doctor };
        let app = App::new(store.clone(), doors, settings, ids(2), clock);
        Self { store, router: router(app), ids: ids(3), happenings, gates, reactor, dir }
    }

    pub(crate) fn make<T: Id>(&mut self) -> T {
        self.ids.make(clock())
    }

    /// Adds a user and logs in.
    pub(crate) async fn person(&mut self, login: &str, role: Role) -> Person {
        let user = self.add_user(login, role).await;
        self.log_in(login, user.id).await
    }

    /// Logs a user in, once more perhaps.
    pub(crate) async fn log_in(&self, login: &str, id: UserId) -> Person {
        let text = serde_json::json!({"login": login, "password": PASSWORD}).to_string();
        let answer = self.send(request(Method::POST, "/session", None, &text)).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        Person { id, token: answer.json()["token"].as_str().expect("a token").to_owned() }
    }

    async fn add_user(&mut self, login: &str, role: Role) -> User {
        let draft = UserDraft {
            login: login.to_owned(),
            name: login.to_owned(),
            role,
            password: Some(PASSWORD.to_owned()),
            extension: None,
            ring: Ring::Together,
            ring_timeout_ms: 20_000,
            allow_call_waiting: false,
        };
        let id = self.make();
        self.store.add_user(id, &draft, clock()).await.expect("a new login")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.raw(request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request and leaves the answer's body unread.
    pub(crate) async fn raw(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.expect("the router always answers")
    }

    pub(crate) async fn get(&self, person: &Person, path: &str) -> Answer {
        self.send(request(Method::GET, path, Some(person), "")).await
    }

    pub(crate) async fn post(&self, person: &Person, path: &str, body: &Value) -> Answer {
        self.send(request(Method::POST, path, Some(person), &body.to_string())).await
    }

    /// Lets something happen in the engine, before the next request is served.
    pub(crate) fn happens(&self, happening: impl FnOnce(&mut Engine) + Send + 'static) {
        let happening: Happening = Box::new(|engine, _| happening(engine));
        assert!(self.happenings.send(happening).is_ok(), "the engine lives");
    }

    /// A call is over and known to the reactor alone.
    pub(crate) fn holds(&self, call: SavedCall) {
        let happening: Happening = Box::new(|_, unsaved| unsaved.push(call));
        assert!(self.happenings.send(happening).is_ok(), "the engine lives");
    }

    /// A customer calls `user`; the call rings until the test says otherwise.
    pub(crate) fn calls(&mut self, user: Option<UserId>, number: &str) -> InteractionId {
        let offer = Offer {
            leg: self.make::<LegId>(),
            interaction: self.make(),
            line: self.make(),
            user,
            caller: Caller { number: Some(number.to_owned()), ..Caller::default() },
            did: None,
            user_to_user: Vec::new(),
            sip_call_id: self.make::<CallId>().to_string(),
            from_tag: "tag".to_owned(),
        };
        let (interaction, at) = (offer.interaction, clock());
        self.happens(move |engine| engine.handle_input(Input::LegOffered(offer), Instant::now(), at));
        interaction
    }

    /// Makes the next change of users or lines wait until the sender is used or dropped.
    pub(crate) fn hold_reload(&self) -> oneshot::Sender<()> {
        let (open, gate) = oneshot::channel();
        self.gates.send(gate).expect("the engine lives");
        open
    }

    /// Stops the engine, as a server that is going down does.
    pub(crate) fn stop(&self) {
        self.reactor.abort();
    }
}

fn ids(seed: u64) -> IdSource {
    IdSource::new(ChaCha12Rng::seed_from_u64(seed))
}

/// A request under `/api/v1`.
pub(crate) fn request(method: Method, path: &str, person: Option<&Person>, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if let Some(person) = person {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", person.token));
    }
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(Body::from(body.to_owned())).expect("a sound request")
}

async fn keep_audit(store: Store, mut orders: mpsc::UnboundedReceiver<AuditOrder>) {
    while let Some(AuditOrder { entry, safe }) = orders.recv().await {
        store.add_audit(&[entry]).await.expect("the audit is written");
        let _ = safe.send(());
    }
}

async fn serve(
    mut commands: mpsc::Receiver<Command>,
    mut happenings: mpsc::UnboundedReceiver<Happening>,
    mut gates: mpsc::UnboundedReceiver<oneshot::Receiver<()>>,
) {
    let config = EngineConfig { recording: RecordingPolicy::Nothing };
    let mut engine = Engine::new(config, ids(1), Instant::now(), NOW);
    let mut unsaved = Unsaved::new();
    loop {
        tokio::select! {
            biased;
            Some(happening) = happenings.recv() => happening(&mut engine, &mut unsaved),
            Some(command) = commands.recv() => answer(&mut engine, &unsaved, command, &mut gates),
            else => return,
        }
        while !matches!(engine.poll_output(), Output::Idle | Output::Timeout { .. }) {}
    }
}

fn answer(
    engine: &mut Engine,
    unsaved: &Unsaved,
    command: Command,
    gates: &mut mpsc::UnboundedReceiver<oneshot::Receiver<()>>,
) {
    match command {
        Command::Calls { viewer, reply } => drop(reply.send(engine.calls(&viewer))),
        Command::HangUp { call, viewer, reply } => {
            let view = engine.call(call).filter(|view| viewer.sees(view.user_id));
            drop(reply.send(view.ok_or(Refusal::NoSuchCall)));
        }
        Command::Talk { reply, .. } => drop(reply.send(Err(Refusal::NoSuchCall))),
        Command::Colleagues { reply } => drop(reply.send(vec![Colleague {
            id: "01900000-0000-7000-8000-000100000002".parse().expect("an id"),
            name: "Ирина".to_owned(),
            extension: Some("202".to_owned()),
            state: AgentState::Busy,
        }])),
        Command::Edit { call, edits, reply } => {
            for edit in edits {
                engine.handle_input(Input::Edited { call, edit }, Instant::now(), clock());
            }
            drop(reply.send(engine.live_interaction(call).ok_or(Refusal::NoSuchCall)));
        }
        Command::LiveInteractions { viewer, reply } => {
            let mut live = engine.live_interactions(&viewer);
            live.extend(unsaved.iter().map(|call| call.interaction.clone()));
            let live = live.into_iter();
            let live = live.map(|it| LiveInteraction { missed: engine.missed_stands(&it), interaction: it });
            drop(reply.send(live.collect()));
        }
        Command::LiveInteraction { interaction, reply } => {
            let held = || unsaved.iter().find(|call| call.interaction.id == interaction).cloned();
            let saved = |signals: &[Signal]| {
                let recordings = fold_recordings(signals);
                fold(signals).map(|interaction| SavedCall { interaction, recordings, settled: false })
            };
            drop(reply.send(engine.live_signals(interaction).and_then(saved).or_else(held)));
        }
        Command::LiveRecording { recording, reply } => {
            let held = || unsaved.iter().flat_map(|call| &call.recordings).find(|it| it.id == recording);
            drop(reply.send(engine.live_recording(recording).or_else(|| held().cloned())));
        }
        Command::LiveSignals { interaction, reply } => {
            drop(reply.send(engine.live_signals(interaction).map(<[_]>::to_vec)));
        }
        Command::PutBack { reply, .. } => drop(reply.send(Ok(()))),
        Command::Dial { reply, .. } => drop(reply.send(Err(Refusal::NoDevice))),
        Command::UnsavedMissed { reply, .. } => drop(reply.send(Vec::new())),
        Command::Missed { reply, .. } => drop(reply.send(None)),
        Command::MissedAct { reply, .. } => drop(reply.send(Err(Refusal::NoSuchMissed))),
        Command::Registrations { reply, .. } => drop(reply.send(HashMap::new())),
        Command::Phones { reply } => drop(reply.send(Vec::new())),
        Command::Figures { reply } => drop(reply.send(Figures::default())),
        Command::Reload { reply } => {
            let gate = gates.try_recv();
            tokio::spawn(async move {
                if let Ok(gate) = gate {
                    let _ = gate.await;
                }
                let _ = reply.send(());
            });
        }
        Command::Subscribe { .. } | Command::PopDrawn { .. } => {}
    }
}

/// What the store would hold of a call that began at `started_at` and is over.
pub(crate) fn ended(desk: &mut Desk, user: Option<UserId>, started_at: UtcMillis) -> Interaction {
    Interaction {
        id: desk.make(),
        call_id: desk.make(),
        direction: linecard_calls::Direction::Inbound,
        outcome: Some(linecard_calls::Outcome::Abandoned),
        state: linecard_calls::InteractionState::Ended,
        caller_number: Some("+78312123456".to_owned()),
        caller_dialled: Some("88312123456".to_owned()),
        callee_number: None,
        customer_number: None,
        connected_number: None,
        user_to_user: Vec::new(),
        contact_id: None,
        user_id: user,
        line_id: desk.make(),
        started_at,
        answered_at: None,
        ended_at: Some(started_at.plus_ms(3_000)),
        ringing_ms: Some(3_000),
        talk_ms: Some(0),
        hold_ms: Some(0),
        hangup_by: Some(linecard_calls::HangupBy::Caller),
        sip_status: Some(487),
        legs: Vec::new(),
        recording_ids: Vec::new(),
        notes: None,
        disposition: None,
    }
}

/// Saves a call of `person`'s line that nobody answered, and its item.
pub(crate) async fn add_missed(desk: &mut Desk, person: &Person) {
    let it = ended(desk, Some(person.id), NOW);
    let missed = linecard_calls::missed::Book::default().take(&it);
    let saves = vec![SavedCall { interaction: it, recordings: Vec::new(), settled: true }];
    desk.store.append(&Batch { saves, missed, ..Batch::default() }).await.expect("a sound batch");
}

/// Saves an interaction of `person` with a recording and yields both ids.
pub(crate) async fn add_recorded(
    desk: &mut Desk,
    person: &Person,
    state: RecordingState,
) -> (String, String) {
    let mut it = ended(desk, Some(person.id), NOW);
    let recording = Recording {
        id: desk.make(),
        interaction_id: it.id,
        state,
        duration_ms: Some(3_000),
        channels: Some(2),
        sample_rate_hz: Some(8_000),
        sha256: Some("ab".repeat(32)),
        spans: vec![Span { kind: SpanKind::Hold, from_ms: 1_000, until_ms: 2_000 }],
        path: None,
    };
    it.recording_ids.push(recording.id);
    let ids = (it.id.to_string(), recording.id.to_string());
    let saves = vec![SavedCall { interaction: it, recordings: vec![recording], settled: true }];
    desk.store.append(&Batch { saves, ..Batch::default() }).await.expect("a sound batch");
    ids
}

/// Saves interactions as the ledger does.
pub(crate) async fn save(store: &Store, interactions: &[Interaction]) {
    let saves = interactions.iter().map(|it| SavedCall {
        interaction: it.clone(),
        recordings: Vec::new(),
        settled: true,
    });
    store.append(&Batch { saves: saves.collect(), ..Batch::default() }).await.expect("a sound batch");
}
