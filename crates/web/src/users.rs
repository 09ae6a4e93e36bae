//! `/users` and `/users/{id}/devices`: administrators only.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use linecard_calls::{DeviceAddress, DeviceId, DeviceView, Ring, Role, RoutedDevice, UserId};
use linecard_store::StoreError;
use linecard_store::audit::AuditAction;
use linecard_store::page::{Cursor, Page};
use linecard_store::phones::PhoneAccount;
use linecard_store::users::{Device, PASSWORD_MAX, PASSWORD_MIN, User, UserDraft};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Admin;
use crate::extract::Path;
use crate::json::{Body, present};
use crate::listing::{ListRequest, Listing};
use crate::openapi::{text, text_or_null};
use crate::phones::{self, NewPhoneShape, PhoneShape};
use crate::port::Command;
use crate::sheet::Sheet;
use crate::version::IfMatch;
use crate::{ApiError, App};

/// A user as REST shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserShape {
    id: UserId,
    login: String,
    name: String,
    role: Role,
    extension: Option<String>,
    ring: Ring,
    ring_timeout_ms: u32,
    allow_call_waiting: bool,
    devices: Vec<DeviceShape>,
    version: i64,
}

/// A device as REST shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum DeviceShape {
    /// A phone at a PBX, or any SIP URI.
    Sip { id: DeviceId, uri: String },
    /// The softphone in the user's browser.
    Browser { id: DeviceId },
    /// A telephone that registers here.
    Phone(PhoneShape),
}

/// A device that was added; of a telephone, what is to be entered on it.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum AddedDevice {
    /// A phone at a PBX, or any SIP URI.
    Sip { id: DeviceId, uri: String },
    /// The softphone in the user's browser.
    Browser { id: DeviceId },
    /// A telephone that registers here.
    Phone(NewPhoneShape),
}

const SHEET: Sheet = Sheet {
    name: "users",
    columns: &[
        "id",
        "login",
        "name",
        "role",
        "extension",
        "ring",
        "ring_timeout_ms",
        "allow_call_waiting",
        "devices",
        "version",
    ],
};

const DEVICES_SHEET: Sheet = Sheet {
    name: "devices",
    columns: &["id", "kind", "uri", "name", "username", "registrations", "last_seen"],
};

impl UserShape {
    pub(crate) fn of(user: User, devices: &Devices) -> Self {
        let own = devices.all.iter().filter(|device| device.user_id == user.id);
        Self {
            id: user.id,
            login: user.login,
            name: user.name,
            role: user.role,
            extension: user.extension,
            ring: user.ring,
            ring_timeout_ms: user.ring_timeout_ms,
            allow_call_waiting: user.allow_call_waiting,
            devices: own.filter_map(|device| devices.shape(device)).collect(),
            version: user.version,
        }
    }
}

impl DeviceShape {
    fn id(&self) -> DeviceId {
        match self {
            Self::Sip { id, .. } | Self::Browser { id } => *id,
            Self::Phone(phone) => phone.id(),
        }
    }
}

/// Devices with what is kept of telephones, and where those are.
#[derive(Default)]
pub(crate) struct Devices {
    all: Vec<Device>,
    accounts: Vec<PhoneAccount>,
    live: Vec<DeviceView>,
}

impl Devices {
    pub(crate) async fn of(app: &App, all: Vec<Device>) -> Result<Self, ApiError> {
        let is_phone = |device: &Device| matches!(device.routed.address, DeviceAddress::Phone { .. });
        if !all.iter().any(is_phone) {
            return Ok(Self { all, ..Self::default() });
        }
        Ok(Self { all, accounts: app.store.phones().await?, live: phones::live(app).await? })
    }

    fn shape(&self, device: &Device) -> Option<DeviceShape> {
        let id = device.routed.device;
        match &device.routed.address {
            DeviceAddress::Sip { uri } => Some(DeviceShape::Sip { id, uri: uri.clone() }),
            DeviceAddress::Browser {} => Some(DeviceShape::Browser { id }),
            DeviceAddress::Phone { .. } => {
                PhoneShape::of(id, &self.accounts, &self.live).map(DeviceShape::Phone)
            }
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    #[schema(schema_with = text::<64>)]
    login: String,
    #[schema(schema_with = text_or_null::<200>)]
    name: Option<String>,
    role: Role,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    #[schema(max_length = 16, pattern = "^[0-9]+$")]
    extension: Option<String>,
    ring: Option<Ring>,
    #[schema(minimum = 1_000, maximum = 600_000)]
    ring_timeout_ms: Option<u32>,
    allow_call_waiting: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserPatch {
    #[schema(schema_with = text_or_null::<64>)]
    login: Option<String>,
    #[schema(schema_with = text_or_null::<200>)]
    name: Option<String>,
    role: Option<Role>,
    #[schema(min_length = 8, max_length = 1024)]
    password: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 16, pattern = "^[0-9]+$")]
    extension: Option<Option<String>>,
    ring: Option<Ring>,
    #[schema(minimum = 1_000, maximum = 600_000)]
    ring_timeout_ms: Option<u32>,
    allow_call_waiting: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum NewDevice {
    Sip {
        #[schema(max_length = 256, pattern = "^([0-9*#]+|[sS][iI][pP][sS]?:[!#-;=?-~]+)$")]
        uri: String,
    },
    Browser {},
    Phone {
        #[schema(schema_with = text_or_null::<100>)]
        name: Option<String>,
    },
}

/// Lists the users with their devices.
#[utoipa::path(
    get, path = "/api/v1/users",
    responses((status = 200, body = Listing<UserShape>)),
    security(("admin" = [])),
)]
pub(crate) async fn list(State(app): State<App>, _: Admin, list: ListRequest) -> Result<Response, ApiError> {
    list.answer(&SHEET, move |page| {
        let app = app.clone();
        async move {
            let users = app.store.users(&page).await?;
            let devices = Devices::of(&app, app.store.all_devices().await?).await?;
            Ok(users.map(|user| UserShape::of(user, &devices)))
        }
    })
    .await
}

/// Adds a user.
#[utoipa::path(
    post, path = "/api/v1/users",
    request_body = NewUser,
    responses((status = CREATED, body = UserShape)),
    security(("admin" = [])),
)]
pub(crate) async fn create(
    State(app): State<App>,
    admin: Admin,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<UserShape>), ApiError> {
    let draft = UserDraft {
        name: new.name.unwrap_or_else(|| new.login.clone()),
        login: new.login,
        role: new.role,
        password: Some(new.password),
        extension: new.extension,
        ring: new.ring.unwrap_or_default(),
        ring_timeout_ms: new.ring_timeout_ms.unwrap_or(20_000),
        allow_call_waiting: new.allow_call_waiting.unwrap_or(false),
    };
    check(&draft)?;
    let user = app.store.add_user(app.make_id(), &draft, app.now()).await?;
    changed(&app, &admin, user.id).await?;
    Ok((StatusCode::CREATED, Json(UserShape::of(user, &Devices::default()))))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/api/v1/users/{id}",
    responses((status = 200, body = UserShape)),
    security(("admin" = [])),
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<UserId>,
) -> Result<Json<UserShape>, ApiError> {
    let user = app.store.user(&id.to_string()).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let devices = Devices::of(&app, app.store.devices(id).await?).await?;
    Ok(Json(UserShape::of(user, &devices)))
}

/// Changes the given fields of a user.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}",
    params(IfMatch),
    request_body = UserPatch,
    responses(
        (status = 200, body = UserShape),
        (status = CONFLICT, description = "The log-in is in use, or nobody would be an administrator any more."),
    ),
    security(("admin" = [])),
)]
pub(crate) async fn change(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
    Body(patch): Body<UserPatch>,
) -> Result<Json<UserShape>, ApiError> {
    let user = app.store.user(&id.to_string()).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let draft = UserDraft {
        login: patch.login.unwrap_or(user.login),
        name: patch.name.unwrap_or(user.name),
        role: patch.role.unwrap_or(user.role),
        password: patch.password,
        extension: patch.extension.unwrap_or(user.extension),
        ring: patch.ring.unwrap_or(user.ring),
        ring_timeout_ms: patch.ring_timeout_ms.unwrap_or(user.ring_timeout_ms),
        allow_call_waiting: patch.allow_call_waiting.unwrap_or(user.allow_call_waiting),
    };
    check(&draft)?;
    let is_renewed = draft.password.is_some();
    let user = match app.store.change_user(id, &draft, version).await {
        Err(error @ StoreError::LastAdmin) => return Err(ApiError::from(error).at("role")),
        changed => changed?,
    };
    if is_renewed {
        app.audit(AuditAction::PasswordChanged, Some(admin.user), Some(id.to_string()), admin.source).await;
    }
    changed(&app, &admin, id).await?;
    let devices = Devices::of(&app, app.store.devices(id).await?).await?;
    Ok(Json(UserShape::of(user, &devices)))
}

/// Deletes a user.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}",
    params(IfMatch),
    responses((status = NO_CONTENT), (status = CONFLICT, description = "It is the own user, or the last administrator.")),
    security(("admin" = [])),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let user = app.store.user(&id.to_string()).await?.ok_or_else(|| ApiError::not_found("user"))?;
    if id == admin.user && user.version == version {
        let advice = "you cannot remove yourself; another administrator does that";
        return Err(ApiError::new(StatusCode::CONFLICT, advice));
    }
    app.store.delete_user(id, version).await?;
    changed(&app, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the devices of a user, in the order in which they ring.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/devices",
    responses((status = 200, body = Listing<DeviceShape>)),
    security(("admin" = [])),
)]
pub(crate) async fn devices(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<UserId>,
    list: ListRequest,
) -> Result<Response, ApiError> {
    app.store.user(&id.to_string()).await?.ok_or_else(|| ApiError::not_found("user"))?;
    list.answer(&DEVICES_SHEET, move |page| {
        let app = app.clone();
        async move {
            let devices = Devices::of(&app, app.store.devices(id).await?).await?;
            let shapes = devices.all.iter().filter_map(|device| devices.shape(device));
            let placed = (0_i64..).zip(shapes).map(|(place, device)| (-place, device));
            let place = |(place, device): &(i64, DeviceShape)| Cursor {
                key: (*place).into(),
                id: device.id().to_string(),
            };
            Ok(Page::cut(placed.collect(), &page, place).map(|(_, device)| device))
        }
    })
    .await
}

/// Adds a device, which rings after those that are there.
///
/// Of a telephone that registers here the answer has what is to be entered on it; the password is told this once.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/devices",
    request_body = NewDevice,
    responses(
        (status = CREATED, body = AddedDevice),
        (status = CONFLICT, description = "No telephone may register here: sip.registrar is \"off\"."),
    ),
    security(("admin" = [])),
)]
pub(crate) async fn add_device(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<UserId>,
    Body(new): Body<NewDevice>,
) -> Result<Response, ApiError> {
    app.store.user(&id.to_string()).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let device = app.make_id();
    let (address, added) = match new {
        NewDevice::Sip { uri } => {
            let uri = device_uri(&uri)?;
            (DeviceAddress::Sip { uri: uri.clone() }, AddedDevice::Sip { id: device, uri })
        }
        NewDevice::Browser {} => (DeviceAddress::Browser {}, AddedDevice::Browser { id: device }),
        NewDevice::Phone { name } => return phones::add(&app, &admin, id, name).await,
    };
    let device = Device { routed: RoutedDevice { device, address }, user_id: id };
    app.store.add_device(&device).await?;
    changed(&app, &admin, id).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

/// Deletes a device.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/devices/{device}",
    responses((status = NO_CONTENT)),
    security(("admin" = [])),
)]
pub(crate) async fn delete_device(
    State(app): State<App>,
    admin: Admin,
    Path((id, device)): Path<(UserId, DeviceId)>,
) -> Result<StatusCode, ApiError> {
    if !app.store.delete_device(id, device).await? {
        return Err(ApiError::not_found("device"));
    }
    changed(&app, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes down that a user was changed, and puts the change in force.
pub(crate) async fn changed(app: &App, by: &Admin, user: UserId) -> Result<(), ApiError> {
    app.audit(AuditAction::UserChanged, Some(by.user), Some(user.to_string()), by.source).await;
    Ok(app.reactor.ask(|reply| Command::Reload { reply }).await?)
}

fn check(draft: &UserDraft) -> Result<(), ApiError> {
    check_text("login", &draft.login, 64)?;
    check_text("name", &draft.name, 200)?;
    if let Some(password) = &draft.password {
        check_password("password", password)?;
    }
    if let Some(extension) = &draft.extension
        && (extension.is_empty() || extension.len() > 16 || !extension.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(ApiError::field("extension", "write digits only, such as \"201\""));
    }
    if !(1_000..=600_000).contains(&draft.ring_timeout_ms) {
        return Err(ApiError::field("ring_timeout_ms", "write 1000 to 600000"));
    }
    Ok(())
}

/// Refuses a password that is too short, or longer than what is hashed.
pub(crate) fn check_password(field: &str, password: &str) -> Result<(), ApiError> {
    if (PASSWORD_MIN..=PASSWORD_MAX).contains(&password.chars().count()) {
        return Ok(());
    }
    Err(ApiError::field(field, format!("write {PASSWORD_MIN} to {PASSWORD_MAX} characters")))
}

/// Refuses an empty or overlong text and control characters, which must never reach a header.
pub(crate) fn check_text(field: &str, text: &str, max_chars: usize) -> Result<(), ApiError> {
    if text.trim().is_empty() || text.chars().count() > max_chars {
        return Err(ApiError::field(field, format!("write 1 to {max_chars} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(ApiError::field(field, "leave out control characters and line breaks"));
    }
    Ok(())
}

/// A device is a bare extension or a `sip:` or `sips:` URI; anything that could end a header line is refused.
fn device_uri(uri: &str) -> Result<String, ApiError> {
    let advice = "write an extension such as \"201\" or a URI such as \"sip:201@pbx.example\"";
    let uri = uri.trim();
    let sane =
        (1..=256).contains(&uri.len()) && uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b));
    let lower = uri.to_ascii_lowercase();
    let is_extension = uri.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
    let is_uri = ["sip:", "sips:"]
        .iter()
        .any(|scheme| lower.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if sane && (is_extension || is_uri) { Ok(uri.to_owned()) } else { Err(ApiError::field("uri", advice)) }
}
