//! The real binary with a small office around it: a PBX, an agent with a phone, a line, a log-in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use xtask::postgres::Database;

use crate::peers::customer::{Customer, CustomerCall};
use crate::peers::http::{Reply, request, send};
use crate::peers::program::{Program, run_to_end};
use crate::peers::{
    Account, Answer, Baresip, Browser, Kamailio, PhoneOptions, Tab, Wav, eventually, nat, net,
};

/// The password of everybody in the tests.
pub(crate) const PASSWORD: &str = "a long password";

/// How long a registration or a call's step may take before the story fails.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// The database that a story is told on.
pub(crate) enum Storage {
    /// A file in the server's folder.
    Sqlite,
    /// A database of a PostgreSQL server.
    Postgres(Database),
}

/// What a run of the stories on PostgreSQL sets; see `.config/nextest.toml`.
const STORIES_ON: &str = "LINECARD_STORIES_ON";

impl Storage {
    /// The database of this run of the stories: a file, unless it is told otherwise.
    pub(crate) fn of_the_run() -> Self {
        match std::env::var(STORIES_ON).as_deref() {
            Ok("postgres") => Self::postgres(),
            Ok(other) => panic!("{STORIES_ON}={other}: write postgres, or leave it out"),
            Err(_) => Self::Sqlite,
        }
    }

    /// A new database in the PostgreSQL of the run.
    pub(crate) fn postgres() -> Self {
        Self::Postgres(Database::make().expect("a database"))
    }
}

/// A running server and how to talk to it.
pub(crate) struct Linecard {
    pub(crate) program: Program,
    pub(crate) http: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    storage: Storage,
    token: String,
}

impl Linecard {
    /// Starts the server on free ports in a folder of its own, with an administrator.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts the server with more configuration: keys of `[sip]` first, `listen` before all
    /// if it is not the usual, then other tables.
    pub(crate) fn start_with(more: &str) -> Self {
        Self::start_on(Storage::of_the_run(), more)
    }

    /// Starts the server on a database, with more configuration.
    pub(crate) fn start_on(storage: Storage, more: &str) -> Self {
        let ip = net::own_address();
        let port = || SocketAddr::from((ip, net::free_port(ip)));
        let (http, sip) = match nat::is_built() {
            true => (SocketAddr::from((nat::INSIDE, 8080)), SocketAddr::from((nat::INSIDE, 5060))),
            false => (port(), port()),
        };
        let folder = tempfile::tempdir().expect("a folder for the server");
        let listen = format!("listen = [\"udp://{sip}\", \"tcp://{sip}\"]\n");
        let listen = if more.starts_with("listen") { "" } else { &listen };
        let config = format!(
            "[server]\ndata_dir = {:?}\nhttp = \"{http}\"\npublic_url = \"http://{http}\"\n\
             [log]\nlevel = \"info,linecard=debug\"\n[sip]\n{listen}{more}",
            folder.path().join("data"),
        );
        let mut server = Self {
            program: nat::inside(Program::new(env!("CARGO_BIN_EXE_linecard"), "linecard")),
            http,
            folder,
            storage,
            token: String::new(),
        };
        server.configure(&config);
        server.command(&["user", "add", "--login", "admin", "--role", "admin", "--password-stdin"], PASSWORD);
        server.launch();
        server.token = server.log_in("admin");
        server
    }

    /// Writes the configuration with the address of the database.
    fn configure(&self, config: &str) {
        let database = match &self.storage {
            Storage::Sqlite => String::new(),
            Storage::Postgres(database) => format!("[database]\nurl = {:?}\n", database.url()),
        };
        std::fs::write(self.config(), database + config).expect("the configuration is written");
    }

    /// Loses the machine: the process is killed, its folder and its database are gone. Another machine at the same
    /// address takes the backup.
    pub(crate) fn lose_and_restore(&mut self, archive: &Path, storage: Storage) {
        self.program.kill();
        std::fs::remove_dir_all(self.data()).expect("the folder goes");
        let config = std::fs::read_to_string(self.config()).expect("the configuration");
        let server = config.find("[server]").expect("the section");
        self.storage = storage;
        self.configure(&config[server..]);
        self.command(&["restore", &archive.display().to_string()], "");
        self.command(&["recording", "verify", "--all"], "");
        self.launch();
        self.token = self.log_in("admin");
    }

    /// Starts the program; it must not run.
    pub(crate) fn launch(&mut self) {
        let config = self.config().display().to_string();
        self.program.start(&["--config".to_owned(), config, "serve".to_owned()]);
        let http = self.http;
        eventually("the server answers", SOON, || {
            let reply = request(http, "GET", "/healthz", "", None).ok()?;
            (reply.status == 200).then_some(())
        });
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Where it takes SIP over UDP.
    pub(crate) fn sip(&self) -> SocketAddr {
        let config = std::fs::read_to_string(self.config()).expect("the configuration");
        let listens = config.split("udp://").nth(1).and_then(|rest| rest.split('"').next());
        listens.and_then(|address| address.parse().ok()).expect("it listens for UDP")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("linecard.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a command of the program beside the server and returns its exit code and what it printed.
    pub(crate) fn ask(&self, arguments: &[&str], input: &str) -> (i32, String) {
        let config = self.config().display().to_string();
        let arguments = [&["--config", &config], arguments].concat();
        let ended = run_to_end(env!("CARGO_BIN_EXE_linecard"), self.folder.path(), &arguments, &[], input);
        (ended.code, format!("{}{}", ended.stdout, ended.stderr))
    }

    /// Runs a command that has to succeed.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> String {
        let (code, text) = self.ask(arguments, input);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        text
    }

    /// Says what `linecard explain` says of an interaction, once the database has it: the server shows it before.
    pub(crate) fn explain(&self, interaction: &str) -> String {
        eventually("the interaction can be explained", SOON, || {
            let (code, text) = self.ask(&["explain", interaction], "");
            (code == 0).then_some(text)
        })
    }

    pub(crate) fn log_in(&self, login: &str) -> String {
        let body = json!({"login": login, "password": PASSWORD}).to_string();
        let reply = request(self.http, "POST", "/api/v1/session", &body, None).expect("an answer");
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["token"].as_str().expect("a token").to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let reply = self.request("GET", path, "");
        assert_eq!(reply.status, 200, "GET {path}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    pub(crate) fn create(&self, path: &str, body: &Value) -> Value {
        let reply = self.request("POST", path, &body.to_string());
        assert_eq!(reply.status, 201, "POST {path}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    /// Asks as the administrator; `path` is below `/api/v1`.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Reply {
        request(self.http, method, &format!("/api/v1{path}"), body, Some(&self.token)).expect("an answer")
    }

    /// Changes an object as the administrator, with the version that it has now.
    pub(crate) fn change(&self, path: &str, body: &Value) -> Value {
        let version = &self.get(path)["version"];
        let headers = format!("Authorization: Bearer {}\r\nIf-Match: \"{version}\"\r\n", self.token);
        let path = format!("/api/v1{path}");
        let reply = send(self.http, "PATCH", &path, &body.to_string(), &headers).expect("an answer");
        assert_eq!(reply.status, 200, "PATCH {path}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    /// Waits for the only interaction to end and returns it.
    pub(crate) fn ended_interaction(&self) -> Value {
        eventually("one interaction has ended", SOON, || {
            let list = self.get("/interactions");
            let items = list["items"].as_array()?;
            assert!(items.len() <= 1, "one call, one interaction: {items:?}");
            items.first().filter(|it| it["state"] == "ended").cloned()
        })
    }

    /// The rows of a query for one text column, read beside the server.
    pub(crate) fn rows(&self, query: &'static str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let rows = runtime.block_on(async {
            match &self.storage {
                Storage::Sqlite => {
                    let file = self.data().join("linecard.db");
                    let options =
                        SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(SOON);
                    sqlx::query_scalar(query).fetch_all(&mut options.connect().await?).await
                }
                Storage::Postgres(database) => {
                    let mut connection = PgConnection::connect(&database.url()).await?;
                    sqlx::query_scalar(query).fetch_all(&mut connection).await
                }
            }
        });
        rows.expect("the database answers")
    }

    /// Waits until an interaction's recording is closed, which may take a moment longer than the interaction, and opens it.
    pub(crate) fn closed_recording(&self, interaction: &Value) -> Wav {
        let id = interaction["recording_ids"][0].as_str().expect("a recording");
        eventually("the recording is closed", SOON, || {
            let reply = self.request("GET", &format!("/recordings/{id}"), "");
            (reply.status == 200 && reply.json()["state"] != "recording").then_some(())
        });
        Wav::open(&self.recording_file(id))
    }

    /// Where a recording's file lies.
    pub(crate) fn recording_file(&self, id: &str) -> PathBuf {
        self.data().join("recordings").join(Path::new(id)).with_extension("wav")
    }
}

/// A PBX with a line that Linecard serves and an agent whose phone is at extension 201.
pub(crate) struct Office {
    pub(crate) pbx: Kamailio,
    pub(crate) phone: Baresip,
    pub(crate) server: Linecard,
    pub(crate) agent_id: String,
    pub(crate) line_id: String,
}

/// The number that customers dial.
pub(crate) const NUMBER: &str = "+78312000000";

/// A number of the PBX's account 101, which nobody serves unless a story does.
pub(crate) const OTHER_NUMBER: &str = "+78312000001";

/// A number of the PBX's account 102, likewise.
pub(crate) const THIRD_NUMBER: &str = "+78312000002";

/// Numbers of customers who can be called, of the PBX's accounts 110 and 111.
pub(crate) const CUSTOMERS: [&str; 2] = ["+78312000010", "+78312000011"];

/// The accounts of the office's PBX.
pub(crate) fn accounts() -> [Account; 8] {
    [
        Account::new("100").with_number(NUMBER),
        Account::new("201"),
        Account::new("202"),
        Account::new("101").with_number(OTHER_NUMBER),
        Account::new("203"),
        Account::new("102").with_number(THIRD_NUMBER),
        Account::new("110").with_number(CUSTOMERS[0]),
        Account::new("111").with_number(CUSTOMERS[1]),
    ]
}

impl Office {
    /// Opens the office: everything is registered when it returns.
    pub(crate) fn open(answer: Answer) -> Self {
        Self::open_with(answer, "")
    }

    /// Opens the office of a server with more configuration.
    pub(crate) fn open_with(answer: Answer, more: &str) -> Self {
        Self::open_on(Storage::of_the_run(), answer, more)
    }

    /// Opens the office of a server on a database, with more configuration.
    pub(crate) fn open_on(storage: Storage, answer: Answer, more: &str) -> Self {
        let pbx = Kamailio::start(&accounts());
        let line = json!({"server": pbx.address().to_string()});
        Self::open_at(pbx, &line, answer, storage, more)
    }

    /// Opens the office at a PBX with [`accounts`]; `line` says how Linecard's line reaches it.
    pub(crate) fn open_at(pbx: Kamailio, line: &Value, answer: Answer, storage: Storage, more: &str) -> Self {
        Self::open_within(SOON, pbx, line, answer, storage, more)
    }

    /// Opens one whose line may take a while to register.
    pub(crate) fn open_within(
        at_most: Duration,
        mut pbx: Kamailio,
        line: &Value,
        answer: Answer,
        storage: Storage,
        more: &str,
    ) -> Self {
        let options = PhoneOptions { answer, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
        let phone = Baresip::start(pbx.address(), &Account::new("201"), &options);
        pbx.wait_registered("201", 1, SOON);
        let server = Linecard::start_on(storage, more);
        let agent = server.create(
            "/users",
            &json!({"login": "maria", "name": "Мария", "role": "agent", "password": PASSWORD}),
        );
        let agent_id = agent["id"].as_str().expect("an id").to_owned();
        server.create(&format!("/users/{agent_id}/devices"), &json!({"kind": "sip", "uri": "201"}));
        let mut draft = line.clone();
        for (key, value) in
            [("name", "Main"), ("username", "100"), ("password", "secret-100"), ("user_id", &agent_id)]
        {
            draft[key] = value.into();
        }
        let line = server.create("/lines", &draft);
        let line_id = line["id"].as_str().expect("an id").to_owned();
        pbx.wait_registered("100", 1, at_most);
        eventually("the line says that it is registered", SOON, || {
            let line = server.get(&format!("/lines/{line_id}"));
            (line["registration"]["state"] == "registered").then_some(())
        });
        Self { pbx, phone, server, agent_id, line_id }
    }

    /// Opens the agent's desk in a browser tab, in Russian, and logs in.
    pub(crate) fn desk<'a>(&self, browser: &'a Browser, tab: &str) -> Tab<'a> {
        self.desk_at(browser, tab, self.server.http)
    }

    /// Opens the desk at an address that leads to the server.
    pub(crate) fn desk_at<'a>(&self, browser: &'a Browser, tab: &str, address: SocketAddr) -> Tab<'a> {
        Self::desk_of(browser, tab, "maria", address)
    }

    /// Opens the desk of somebody in a browser of their own, in Russian.
    pub(crate) fn desk_of<'a>(browser: &'a Browser, tab: &str, login: &str, address: SocketAddr) -> Tab<'a> {
        Self::desk_in(browser, tab, login, "ru-RU", address)
    }

    /// Opens the desk of somebody in a browser of their own.
    pub(crate) fn desk_in<'a>(
        browser: &'a Browser,
        tab: &str,
        login: &str,
        locale: &str,
        address: SocketAddr,
    ) -> Tab<'a> {
        let desk = browser.open(tab, login, locale, &format!("http://{address}/"));
        desk.wait_for("[data-testid=login-form]", SOON);
        desk.fill("[data-testid=login-input]", login);
        desk.fill("[data-testid=password-input]", PASSWORD);
        desk.click("[data-testid=login-button]");
        desk.wait_for("[data-testid=connection][data-state=online]", SOON);
        desk
    }

    /// Lets a known customer call and the agent, at the desk, answer: they talk when it returns.
    pub(crate) fn talks_to_maria<'a>(&self, browser: &'a Browser) -> (Tab<'a>, CustomerCall) {
        self.knows("Мария Иванова", "+7 831 212-34-56");
        let desk = self.desk(browser, "desk");
        let call = Customer::new(self.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
        self.phone.wait_ringing(SOON);
        self.phone.answer();
        call.wait_talking(SOON);
        call.rtp().wait_received(50, SOON);
        (desk, call)
    }

    /// Takes on another agent with a phone at `extension` and a line of the account `line`; returns its user and phone.
    pub(crate) fn hires(
        &mut self,
        login: &str,
        extension: &str,
        line: &str,
        answer: Answer,
    ) -> (String, Baresip) {
        let options = PhoneOptions { answer, tone_hz: 900, expires_s: 60, ..PhoneOptions::default() };
        let phone = Baresip::start(self.pbx.address(), &Account::new(extension), &options);
        self.pbx.wait_registered(extension, 1, SOON);
        let user = json!({"login": login, "role": "agent", "password": PASSWORD});
        let user = self.server.create("/users", &user)["id"].as_str().expect("an id").to_owned();
        self.server.create(&format!("/users/{user}/devices"), &json!({"kind": "sip", "uri": extension}));
        self.server.create(
            "/lines",
            &json!({
                "name": login, "server": self.pbx.address().to_string(), "username": line,
                "password": format!("secret-{line}"), "user_id": user,
            }),
        );
        self.pbx.wait_registered(line, 1, SOON);
        (user, phone)
    }

    /// Changes how the agent is rung.
    pub(crate) fn rings(&self, how: &Value) {
        self.server.change(&format!("/users/{}", self.agent_id), how);
    }

    /// Gives the agent one more device.
    pub(crate) fn adds_device(&self, uri: &str) -> String {
        let path = format!("/users/{}/devices", self.agent_id);
        let device = self.server.create(&path, &json!({"kind": "sip", "uri": uri}));
        device["id"].as_str().expect("an id").to_owned()
    }

    /// Adds a contact with one number.
    pub(crate) fn knows(&self, name: &str, number: &str) -> String {
        let contact =
            self.server.create("/contacts", &json!({"name": name, "numbers": [{"number": number}]}));
        contact["id"].as_str().expect("an id").to_owned()
    }
}
