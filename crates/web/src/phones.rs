//! Telephones that register at the server: `POST /users/{id}/devices {kind: "phone"}` and its `rotate`.
//!
//! The password is made here, shown in the one answer and kept as digests alone; so that answer is kept for no repeated
//! request either.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use linecard_calls::time::rfc3339;
use linecard_calls::{
    DeviceAddress, DeviceId, DeviceView, PhoneRegistration, RoutedDevice, UserId, UtcMillis,
};
use linecard_store::StoreError;
use linecard_store::audit::AuditAction;
use linecard_store::phones::{PhoneAccount, PhoneSecret};
use linecard_store::users::Device;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Admin;
use crate::extract::Path;
use crate::idempotency::Unkept;
use crate::port::Command;
use crate::users::{AddedDevice, changed, check_text};
use crate::{ApiError, App};

/// What stands in user names and passwords: what cannot be mistaken for another, and is typed on a telephone's keys.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// 80 bits.
const PASSWORD_LETTERS: usize = 16;

/// 45 bits behind a letter that is the same for all.
const USERNAME_LETTERS: usize = 9;

/// What a telephone is told to be let in.
#[derive(Debug, Clone)]
pub struct PhoneSettings {
    /// Whether telephones may register at all.
    pub admitted: bool,
    /// The realm of their passwords.
    pub realm: String,
    /// Digests a password: user name, realm, password.
    pub digest: fn(&str, &str, &str) -> PhoneSecret,
    /// The address that telephones register at.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// `udp`, `tcp`, `tls`, as far as there are sockets.
    pub transports: Vec<String>,
}

/// A telephone as REST shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Phone)]
pub(crate) struct PhoneShape {
    id: DeviceId,
    name: Option<String>,
    username: String,
    registrations: Vec<PhoneRegistration>,
    #[serde(with = "rfc3339::option")]
    last_seen: Option<UtcMillis>,
}

impl PhoneShape {
    pub(crate) fn id(&self) -> DeviceId {
        self.id
    }

    /// Puts together what is kept of a telephone and where it is; none when it was removed meanwhile.
    pub(crate) fn of(device: DeviceId, accounts: &[PhoneAccount], live: &[DeviceView]) -> Option<Self> {
        let account = accounts.iter().find(|account| account.device == device)?;
        let live = live.iter().find(|view| view.device_id == device);
        Some(Self {
            id: device,
            name: account.name.clone(),
            username: account.username.clone(),
            registrations: live.map(|view| view.registrations.clone()).unwrap_or_default(),
            last_seen: live.and_then(|view| view.last_seen).or(account.last_seen),
        })
    }
}

/// What is entered on a telephone. The password is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewPhone)]
pub(crate) struct NewPhoneShape {
    id: DeviceId,
    name: Option<String>,
    username: String,
    password: String,
    realm: String,
    server: String,
    port: u16,
    transports: Vec<String>,
    registrations: Vec<PhoneRegistration>,
    #[serde(with = "rfc3339::option")]
    last_seen: Option<UtcMillis>,
}

/// Adds a telephone; the answer has what is to be entered on it.
pub(crate) async fn add(
    app: &App,
    admin: &Admin,
    user_id: UserId,
    name: Option<String>,
) -> Result<Response, ApiError> {
    admitted(app)?;
    if let Some(name) = &name {
        check_text("name", name, 100)?;
    }
    let (username, password) = (format!("t{}", drawn(USERNAME_LETTERS)?), drawn(PASSWORD_LETTERS)?);
    let PhoneSettings { realm, digest, .. } = &app.settings.phones;
    let secret = digest(&username, realm, &password);
    let routed = RoutedDevice { device: app.make_id(), address: DeviceAddress::Phone { contact: None } };
    let account = PhoneAccount { device: routed.device, name, username, secret, last_seen: None };
    app.store.add_phone(&Device { routed, user_id }, &account).await?;
    changed(app, admin, user_id).await?;
    Ok((StatusCode::CREATED, shown_once(app, account, password)).into_response())
}

/// Gives a telephone another password; what is registered with the old one is gone.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/devices/{device}/rotate",
    responses(
        (status = 200, body = AddedDevice),
        (status = CONFLICT, description = "The device is no telephone that registers here, or none may."),
    ),
    security(("admin" = [])),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    admin: Admin,
    Path((id, device)): Path<(UserId, DeviceId)>,
) -> Result<Response, ApiError> {
    let devices = app.store.devices(id).await?;
    if !devices.iter().any(|known| known.routed.device == device) {
        return Err(ApiError::not_found("device"));
    }
    let account = app.store.phones().await?.into_iter().find(|account| account.device == device);
    let Some(account) = account else {
        let detail = "this device does not register here; its password is the PBX's";
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    };
    admitted(&app)?;
    let password = drawn(PASSWORD_LETTERS)?;
    let PhoneSettings { realm, digest, .. } = &app.settings.phones;
    let secret = digest(&account.username, realm, &password);
    if !app.store.renew_phone(id, device, &secret).await? {
        return Err(StoreError::Stale.into());
    }
    changed(&app, &admin, id).await?;
    app.audit(AuditAction::PasswordChanged, Some(admin.user), Some(id.to_string()), admin.source).await;
    Ok(shown_once(&app, account, password).into_response())
}

/// Returns where telephones are.
pub(crate) async fn live(app: &App) -> Result<Vec<DeviceView>, ApiError> {
    Ok(app.reactor.ask(|reply| Command::Phones { reply }).await?)
}

fn admitted(app: &App) -> Result<(), ApiError> {
    if app.settings.phones.admitted {
        return Ok(());
    }
    let detail = "no telephone may register here: sip.registrar is \"off\"; write \"known\" or \"anyone\"";
    Err(ApiError::new(StatusCode::CONFLICT, detail).keyed("registrar_off"))
}

fn shown_once(app: &App, account: PhoneAccount, password: String) -> impl IntoResponse {
    let PhoneSettings { realm, server, port, transports, .. } = app.settings.phones.clone();
    let PhoneAccount { device, name, username, last_seen, .. } = account;
    let shape = NewPhoneShape {
        id: device,
        name,
        username,
        password,
        realm,
        server,
        port,
        transports,
        registrations: Vec::new(),
        last_seen,
    };
    (axum::Extension(Unkept), Json(AddedDevice::Phone(shape)))
}

/// Draws letters that nobody can guess.
fn drawn(letters: usize) -> Result<String, ApiError> {
    let mut bytes = vec![0_u8; letters];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random numbers")
    })?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    Ok(bytes.iter().filter_map(letter).collect())
}
