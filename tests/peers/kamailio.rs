//! The PBX: kamailio with the very configuration of `sip-config/kamailio`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use serde_json::{Value, json};

use super::net::{free_port, own_address};
use super::program::{Program, eventually};
use super::root;
use super::tls::{Authority, Identity};

/// The empty tables that Kamailio comes with.
const PRESENCE_TABLES: &str = "/usr/share/kamailio/dbtext/kamailio";

/// An account on the PBX: its user, its password, and the public numbers that ring it.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) numbers: Vec<String>,
}

impl Account {
    /// An account without public numbers; its password is made from the user.
    pub(crate) fn new(user: &str) -> Self {
        Self { user: user.into(), password: format!("secret-{user}"), numbers: Vec::new() }
    }

    /// Gives the account one more public number.
    pub(crate) fn with_number(mut self, number: &str) -> Self {
        self.numbers.push(number.into());
        self
    }
}

/// A running PBX.
pub(crate) struct Kamailio {
    program: Program,
    address: SocketAddr,
    /// Where it listens for TLS, if it does.
    tls: Option<SocketAddr>,
    settings: Vec<(String, String)>,
    asked: u64,
}

impl Kamailio {
    /// Starts a PBX with these accounts and waits until it answers.
    pub(crate) fn start(accounts: &[Account]) -> Self {
        Self::start_with(accounts, &[])
    }

    /// Starts a PBX with settings of `kamailio.cfg` overridden, such as `("DIGEST", "\"SHA-256\"")`.
    pub(crate) fn start_with(accounts: &[Account], settings: &[(&str, &str)]) -> Self {
        let mut pbx = Self::of(accounts);
        pbx.override_settings(settings);
        pbx.run();
        pbx
    }

    /// Starts a PBX on IPv6.
    pub(crate) fn start_on_ipv6(accounts: &[Account]) -> Self {
        let mut pbx = Self::of_at(Ipv6Addr::LOCALHOST, accounts);
        pbx.override_settings(&[("TRUNK_SOURCES", "\"^::1$\"")]);
        pbx.run();
        pbx
    }

    /// Starts a PBX that tells extensions of their own calls (RFC 4235).
    pub(crate) fn start_telling(accounts: &[Account]) -> Self {
        Self::start_telling_with(accounts, &[])
    }

    /// Starts one with settings overridden.
    pub(crate) fn start_telling_with(accounts: &[Account], settings: &[(&str, &str)]) -> Self {
        let mut pbx = Self::of(accounts);
        let tables = pbx.program.directory().join("presence");
        std::fs::create_dir(&tables).expect("a folder");
        for entry in
            std::fs::read_dir(PRESENCE_TABLES).expect("Kamailio's tables (cargo verify installs them)")
        {
            let entry = entry.expect("a table");
            std::fs::copy(entry.path(), tables.join(entry.file_name())).expect("a copy");
        }
        pbx.override_settings(settings);
        pbx.settings.push(("PRESENCE".into(), format!("\"text://{}\"", tables.display())));
        pbx.settings.push(("PRESENCE_ADDRESS".into(), format!("\"sip:{}\"", pbx.address)));
        pbx.run();
        pbx
    }

    /// Starts a PBX that also takes TLS, with a certificate; with an authority it wants one of every peer.
    pub(crate) fn start_secure_at(
        ip: Ipv4Addr,
        accounts: &[Account],
        identity: &Identity,
        clients: Option<&Authority>,
    ) -> Self {
        Self::start_secure_with(ip, accounts, identity, clients, &[])
    }

    /// Starts one with settings overridden.
    pub(crate) fn start_secure_with(
        ip: Ipv4Addr,
        accounts: &[Account],
        identity: &Identity,
        clients: Option<&Authority>,
        overridden: &[(&str, &str)],
    ) -> Self {
        let mut pbx = Self::of_at(ip, accounts);
        pbx.override_settings(overridden);
        pbx.tls = Some(SocketAddr::from((ip, free_port(ip))));
        pbx.shows(identity);
        let home = pbx.program.directory().display().to_string();
        let mut settings = vec![("TLS_CERTIFICATE", "pbx.pem"), ("TLS_KEY", "pbx.key")];
        if let Some(authority) = clients {
            pbx.program.write("clients.pem", authority.pem());
            settings.push(("TLS_CLIENT_CA", "clients.pem"));
        }
        let settings = settings.iter().map(|(key, file)| ((*key).to_owned(), format!("\"{home}/{file}\"")));
        pbx.settings.extend(settings);
        pbx.run();
        pbx
    }

    /// Gives it another certificate; it is shown from the next start on.
    pub(crate) fn shows(&self, identity: &Identity) {
        self.program.write("pbx.pem", identity.certificate.clone());
        self.program.write("pbx.key", identity.key.clone());
    }

    /// Where it takes TLS.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls.expect("a PBX that was started with a certificate")
    }

    /// A PBX that does not run yet.
    fn of(accounts: &[Account]) -> Self {
        Self::of_at(own_address(), accounts)
    }

    fn of_at(ip: impl Into<IpAddr>, accounts: &[Account]) -> Self {
        let ip = ip.into();
        let program = Program::new("kamailio", "kamailio");
        write_directory(&program, accounts);
        Self {
            program,
            address: SocketAddr::from((ip, free_port(ip))),
            tls: None,
            settings: Vec::new(),
            asked: 0,
        }
    }

    fn override_settings(&mut self, settings: &[(&str, &str)]) {
        self.settings.extend(settings.iter().map(|&(key, value)| (key.into(), value.into())));
    }

    fn run(&mut self) {
        let home = self.program.directory().display().to_string();
        let config = root().join("sip-config/kamailio/kamailio.cfg").display().to_string();
        let mut args: Vec<String> =
            ["-DD", "-E", "-m", "32", "-M", "4", "-f", &config, "-Y", &home].map(String::from).into();
        for transport in ["udp", "tcp"] {
            args.extend(["-l".into(), format!("{transport}:{}", self.address)]);
        }
        if let Some(tls) = self.tls {
            args.extend(["-l".into(), format!("tls:{tls}")]);
        }
        args.extend(["-A".into(), format!("DIRECTORY=\"text://{home}/directory\"")]);
        args.extend(["-A".into(), format!("RPC_SOCKET=\"{home}/rpc.sock\"")]);
        for (key, value) in &self.settings {
            args.extend(["-A".into(), format!("{key}={value}")]);
        }
        self.program.start(&args);
        eventually("kamailio answers", Duration::from_secs(15), || {
            self.program.must_run();
            self.rpc("core.uptime", &json!([])).ok()
        });
    }

    /// Where it listens, by UDP and by TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The contact URIs that are registered for `user` now.
    pub(crate) fn registered(&mut self, user: &str) -> Vec<String> {
        let Ok(answer) = self.rpc("ul.lookup", &json!(["location", user])) else {
            return Vec::new();
        };
        let contacts = answer["Contacts"].as_array().cloned().unwrap_or_default();
        contacts.iter().filter_map(|entry| entry["Contact"]["Address"].as_str().map(String::from)).collect()
    }

    /// How many contacts are registered in all.
    pub(crate) fn contact_count(&mut self) -> usize {
        let told = self.rpc("stats.get_statistics", &json!(["usrloc:"])).unwrap_or_default();
        let figures = told.as_array().into_iter().flatten().filter_map(Value::as_str);
        let contacts = figures.filter(|figure| figure.contains("location_contacts"));
        contacts.filter_map(|figure| figure.rsplit(' ').next()?.parse::<usize>().ok()).sum()
    }

    /// Waits until `user` has `count` contacts.
    pub(crate) fn wait_registered(&mut self, user: &str, count: usize, at_most: Duration) {
        eventually(&format!("{user} has {count} contacts"), at_most, || {
            (self.registered(user).len() == count).then_some(())
        });
    }

    /// Enters a contact by hand, for a phone that cannot register.
    pub(crate) fn bind(&mut self, user: &str, contact: &str) {
        let args = json!(["location", user, contact, 3600, "1.0", "", 0, 0, 5663]);
        self.rpc("ul.add", &args).expect("the contact is entered");
    }

    /// Kills it in mid-sentence.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Kills it if it still runs and starts it again at the same address; no phone is registered then.
    pub(crate) fn restart_empty(&mut self) {
        self.program.kill();
        self.run();
    }

    fn rpc(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.asked += 1;
        let socket = self.rpc_socket().map_err(|error| error.to_string())?;
        let request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": self.asked});
        socket.send(request.to_string().as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = vec![0; 65_536];
        let length = socket.recv(&mut answer).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&answer[..length]).map_err(|error| error.to_string())?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(answer["error"].to_string()),
        }
    }

    fn rpc_socket(&self) -> std::io::Result<UnixDatagram> {
        let home = self.program.directory();
        let socket = UnixDatagram::bind(home.join(format!("ask-{}.sock", self.asked)))?;
        socket.connect(home.join("rpc.sock"))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(socket)
    }
}

fn write_directory(program: &Program, accounts: &[Account]) {
    let mut users = String::from("user(string) password(string)\n");
    let mut numbers = String::from("number(string) account(string)\n");
    for account in accounts {
        users += &format!("{}:{}\n", account.user, account.password.replace(':', "\\:"));
        for number in &account.numbers {
            numbers += &format!("{number}:{}\n", account.user);
        }
    }
    program.write("directory/accounts", users);
    program.write("directory/numbers", numbers);
}
