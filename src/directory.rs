//! Lines, users and devices in memory: whose call it is and where to ring is known without the database.

use std::collections::HashMap;
use std::net::IpAddr;

use linecard_calls::{DeviceId, LineId, Route, RoutedDevice, UserId};
use linecard_sip::digest::Secret;
use linecard_sip::message::{Header, HeaderName, NameAddr};
use linecard_sip::registrar;
use linecard_sip::transport::Transport;
use linecard_sip::ua;
use linecard_sip::uri::{Host, SipUri, Uri, escape_user};
use linecard_store::lines::{Line, LineMode, LineTransport};
use linecard_store::page::{MAX_LIMIT, PageRequest};
use linecard_store::phones::PhoneAccount;
use linecard_store::users::User;
use linecard_store::{Store, StoreError};
use sha2::{Digest, Sha256};

/// Whose an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// The user, if it is somebody's.
    pub(crate) user: Option<UserId>,
    /// The PBX, as sightings name it.
    pub(crate) server: String,
}

/// What was read from the store.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    lines: HashMap<LineId, Line>,
    users: HashMap<UserId, User>,
    devices: HashMap<UserId, Vec<RoutedDevice>>,
    phones: HashMap<DeviceId, Phone>,
}

/// A telephone that registers here.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) user: UserId,
    pub(crate) account: PhoneAccount,
}

impl Phone {
    /// Returns it as the user agent takes it; none when its digests cannot be read.
    pub(crate) fn sip_phone(&self) -> Option<registrar::Phone> {
        let PhoneAccount { device, username, secret, .. } = &self.account;
        let secret = Secret::from_hex(&secret.md5, &secret.sha256)?;
        let id = registrar::PhoneId::new(&device.to_string());
        Some(registrar::Phone { id, username: username.clone(), secret })
    }
}

impl Directory {
    /// Reads everything.
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let lines = store.lines().await?.into_iter().map(|line| (line.id, line)).collect();
        let mut directory = Self { lines, ..Self::default() };
        let mut page = PageRequest::uncounted(MAX_LIMIT);
        loop {
            let read = store.users(&page).await?;
            directory.users.extend(read.items.into_iter().map(|user| (user.id, user)));
            match read.next {
                Some(next) => page.cursor = Some(next),
                None => break,
            }
        }
        let mut accounts: HashMap<DeviceId, PhoneAccount> =
            store.phones().await?.into_iter().map(|account| (account.device, account)).collect();
        for device in store.all_devices().await? {
            if let Some(account) = accounts.remove(&device.routed.device) {
                directory.phones.insert(account.device, Phone { user: device.user_id, account });
            }
            directory.devices.entry(device.user_id).or_default().push(device.routed);
        }
        Ok(directory)
    }

    /// Knows these lines and nobody.
    #[cfg(test)]
    pub(crate) fn of_lines(lines: impl IntoIterator<Item = Line>) -> Self {
        let lines = lines.into_iter().map(|line| (line.id, line)).collect();
        Self { lines, ..Self::default() }
    }

    pub(crate) fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.get(&id)
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    /// Returns a telephone.
    pub(crate) fn phone(&self, device: DeviceId) -> Option<&Phone> {
        self.phones.get(&device)
    }

    pub(crate) fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.phones.values()
    }

    /// Returns whose line it is.
    pub(crate) fn user_of(&self, line: LineId) -> Option<UserId> {
        self.line(line).and_then(|line| line.account.user_id)
    }

    /// Returns which devices a user has, wherever telephones are now.
    pub(crate) fn route_to(&self, user: Option<UserId>) -> Route {
        let user = user.and_then(|id| self.users.get(&id));
        let devices = user.and_then(|user| self.devices.get(&user.id));
        Route {
            user: user.map(|user| user.id),
            devices: devices.cloned().unwrap_or_default(),
            ring: user.map(|user| user.ring).unwrap_or_default(),
            ring_timeout_ms: user.map_or(20_000, |user| user.ring_timeout_ms),
            allow_call_waiting: user.is_some_and(|user| user.allow_call_waiting),
        }
    }

    /// Returns a user's name.
    pub(crate) fn name_of(&self, user: UserId) -> Option<&str> {
        self.users.get(&user).map(|user| user.name.as_str())
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Returns who is reached by an internal number of a line's PBX: the user who has it, or whose own line it is.
    pub(crate) fn user_at(&self, line: LineId, extension: &str) -> Option<UserId> {
        let named = self.users.values().find(|user| user.extension.as_deref() == Some(extension));
        let server = &self.line(line)?.account.server;
        let own = || {
            let lines = self.lines.values().map(|line| &line.account);
            let theirs = lines.filter(|line| line.username == extension && line.server == *server);
            theirs.filter_map(|line| line.user_id).next()
        };
        named.map(|user| user.id).or_else(own)
    }

    /// Tells whether an account is one of ours, and at which PBX: a line's, or a user's extension. Where several PBXes know
    /// the account, the one at `server` or at `host` is meant, else none in particular.
    pub(crate) fn own(&self, account: &str, server: &str, host: Option<&str>) -> Option<Own> {
        let user = self.users.values().find(|user| user.extension.as_deref() == Some(account));
        let lines = self.lines.values().filter(|line| line.account.mode != LineMode::Siprec);
        let lines: Vec<&Line> = lines.filter(|line| line.account.username == account).collect();
        let at = |place: &str| lines.iter().find(|line| pbx_of(line) == place);
        let only = || lines.first().filter(|_| lines.len() == 1);
        let line = at(server).or_else(|| host.and_then(at)).or_else(only);
        let of_line = line.and_then(|line| line.account.user_id);
        let found = line.is_some() || user.is_some();
        found.then(|| Own {
            user: of_line.or(user.map(|user| user.id)),
            server: line.map_or_else(|| server.to_owned(), |line| pbx_of(line)),
        })
    }

    /// Returns where a device is reached: an extension, or a URI at the line's own server, through the line.
    pub(crate) fn target(&self, line: LineId, uri: &str) -> Option<(Uri, ua::Route)> {
        if !uri.contains(':') {
            return self.extension_at(line, uri);
        }
        let line = self.line(line)?;
        let server: SipUri = server_uri(&line.account.server)?;
        let through = through(line);
        let target: Uri = Uri::parse(uri.as_bytes()).ok()?;
        let at_server = target.as_sip().is_some_and(|sip| sip.host == server.host);
        Some((target, if at_server { through } else { ua::Route::Direct }))
    }

    /// Returns where a number is reached that the line's PBX is to judge.
    pub(crate) fn extension_at(&self, line: LineId, number: &str) -> Option<(Uri, ua::Route)> {
        let line = self.line(line)?;
        let server: SipUri = server_uri(&line.account.server)?;
        let target = SipUri { user: Some(escape_user(number)), ..server };
        Some((Uri::from(target), through(line)))
    }

    /// Asserts a number at the line's PBX, as who is calling (RFC 3325); From stays the account, or registrars
    /// refuse it.
    pub(crate) fn asserted_identity(
        &self,
        line: LineId,
        number: &str,
        display: Option<&str>,
    ) -> Option<Header> {
        let host = server_host(&self.line(line)?.account.server)?;
        let uri = SipUri { user: Some(escape_user(number)), ..SipUri::new(host) };
        let mut identity = NameAddr::new(Uri::from(uri));
        identity.display = display.map(|name| name.as_bytes().to_vec());
        Some(Header { name: HeaderName::PAssertedIdentity, value: identity.to_bytes() })
    }

    /// Returns the addresses of devices that are reached directly, as far as they are given as addresses.
    pub(crate) fn device_addresses(&self) -> Vec<IpAddr> {
        let addresses = self.devices.values().flatten().filter_map(|device| match &device.address {
            linecard_calls::DeviceAddress::Sip { uri } => Uri::parse(uri.as_bytes()).ok(),
            linecard_calls::DeviceAddress::Browser {} | linecard_calls::DeviceAddress::Phone { .. } => None,
        });
        addresses.filter_map(|uri| uri.as_sip().and_then(|sip| sip.host.ip())).collect()
    }
}

fn through(line: &Line) -> ua::Route {
    ua::Route::Line(ua::LineId::new(&line.id.to_string()))
}

/// Returns a line as the user agent takes it.
pub(crate) fn sip_line(line: &Line, expires_s: u32) -> ua::Line {
    let account = &line.account;
    ua::Line {
        id: ua::LineId::new(&line.id.to_string()),
        server: account.server.clone(),
        username: account.username.clone(),
        password: account.password.clone(),
        auth_username: account.auth_username.clone(),
        outbound_proxy: account.outbound_proxy.clone(),
        transport: account.transport.map(transport_of),
        websocket_path: account.websocket_path.clone(),
        expires_s,
        contact_user: Some(contact_user(line.id, &account.password)),
        presence: match account.mode {
            LineMode::Anchor => ua::Presence::Registers,
            LineMode::Shadow => ua::Presence::Beside,
            LineMode::DialogInfo => ua::Presence::Watches,
            LineMode::Siprec => ua::Presence::Records,
        },
    }
}

/// Returns a line's transport as SIP names it.
pub(crate) fn transport_of(transport: LineTransport) -> Transport {
    match transport {
        LineTransport::Udp => Transport::Udp,
        LineTransport::Tcp => Transport::Tcp,
        LineTransport::Tls => Transport::Tls,
        LineTransport::Ws => Transport::Ws,
        LineTransport::Wss => Transport::Wss,
    }
}

/// A user part that nobody can guess without the password, and that stays the same over restarts: a binding of an
/// earlier run is refreshed and not left beside the new one.
pub(crate) fn contact_user(line: LineId, password: &str) -> String {
    let mut digest = Sha256::new();
    for part in ["linecard contact", &line.to_string(), password] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn server_uri(server: &str) -> Option<SipUri> {
    match Uri::parse(format!("sip:{server}").as_bytes()).ok()? {
        Uri::Sip(uri) => Some(uri),
        Uri::Tel(_) | Uri::Other(_) => None,
    }
}

/// Returns the host of a server as it stands in a URI.
pub(crate) fn server_host(server: &str) -> Option<Host> {
    server_uri(server).map(|uri| uri.host)
}

/// Returns the PBX of a line as sightings name it.
pub(crate) fn pbx_of(line: &Line) -> String {
    server_host(&line.account.server).map(|host| host.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use linecard_calls::IdSource;
    use linecard_store::lines::{DialFormat, LineDraft};
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn with_line() -> (Directory, LineId) {
        let id: LineId = IdSource::new(ChaCha12Rng::seed_from_u64(1)).make(linecard_calls::UtcMillis(1));
        let account = LineDraft {
            name: "Main".to_owned(),
            server: "pbx.example:5070".to_owned(),
            username: "100".to_owned(),
            password: "secret".to_owned(),
            auth_username: None,
            outbound_proxy: None,
            transport: None,
            websocket_path: None,
            mode: LineMode::Anchor,
            user_id: None,
            dial_format: DialFormat::Plus,
            dial_prefix: None,
            caller_id: None,
            transfer: linecard_store::lines::LineTransfer::Here,
        };
        let line = Line { id, account, version: 1, created_at: linecard_calls::UtcMillis(1) };
        (Directory { lines: HashMap::from([(id, line)]), ..Directory::default() }, id)
    }

    fn target(uri: &str) -> Option<(String, bool)> {
        let (directory, line) = with_line();
        let (target, route) = directory.target(line, uri)?;
        Some((target.to_string(), matches!(route, ua::Route::Line(_))))
    }

    #[test]
    fn an_extension_is_reached_through_the_line_and_a_foreign_host_straight() {
        let through = |uri: &str| Some((uri.to_owned(), true));
        assert_eq!(target("201"), through("sip:201@pbx.example:5070"));
        assert_eq!(target("*21#"), through("sip:*21%23@pbx.example:5070"));
        assert_eq!(target("sip:201@pbx.example"), through("sip:201@pbx.example"));
        assert_eq!(target("sip:201@192.0.2.7:5062"), Some(("sip:201@192.0.2.7:5062".to_owned(), false)));
        assert_eq!(target("sip:"), None);
    }

    #[test]
    fn a_contact_is_the_same_after_a_restart_and_another_with_another_password() {
        let (mut directory, id) = with_line();
        let contact = |directory: &Directory| {
            let line = directory.line(id).expect("the line");
            contact_user(line.id, &line.account.password)
        };
        let first = contact(&directory);
        assert_eq!((first.len(), contact(&directory) == first), (24, true));
        directory.lines.get_mut(&id).expect("the line").account.password = "other".to_owned();
        assert_ne!(contact(&directory), first);
    }
}
