//! People who log in, and the devices they answer on.

use linecard_calls::{DeviceAddress, DeviceId, Ring, Role, RoutedDevice, SessionId, UserId, UtcMillis};

use crate::database::{Db, Row, Tx, sql};
use crate::page::{List, Page, PageRequest};
use crate::row::{id, number, text_of, word};
use crate::sessions::end_sessions;
use crate::statement::{Columns, Conditions, Table, Value};
use crate::{Store, StoreError};

/// The shortest password, in characters.
pub const PASSWORD_MIN: usize = 8;

/// The longest password, in characters.
pub const PASSWORD_MAX: usize = 1024;

/// A person who logs in. The password's hash stays in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The log-in name.
    pub login: String,
    /// The name that others see.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The internal number under which colleagues reach the user.
    pub extension: Option<String>,
    /// Whether the devices ring together or one after the other.
    pub ring: Ring,
    /// How long they ring.
    pub ring_timeout_ms: u32,
    /// Whether a second call is offered during a talk.
    pub allow_call_waiting: bool,
    /// Rises with each change.
    pub version: i64,
}

/// What an administrator gives of a user.
#[derive(Debug, Clone)]
pub struct UserDraft {
    /// The log-in name; unique without regard to case.
    pub login: String,
    /// The name that others see.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The new password; `None` keeps the old one (not for a new user).
    pub password: Option<String>,
    /// The internal number.
    pub extension: Option<String>,
    /// Together or in order.
    pub ring: Ring,
    /// How long the devices ring.
    pub ring_timeout_ms: u32,
    /// Whether a second call is offered during a talk.
    pub allow_call_waiting: bool,
}

/// A device of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The device and where it is reached.
    pub routed: RoutedDevice,
    /// Whose it is.
    pub user_id: UserId,
}

const USERS: Table = Table { name: "users", unique: "login", reference: "user_id" };

const LIST: List = List {
    columns: "id, login, name, role, extension, ring, ring_timeout_ms, allow_call_waiting, version",
    from: "users",
    key: "created_at",
    id: "id",
};

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// `Taken { field: "login" }` when the log-in exists.
    pub async fn add_user(&self, id: UserId, draft: &UserDraft, now: UtcMillis) -> Result<User, StoreError> {
        let hash = hash_password(draft.password.clone().unwrap_or_default()).await?;
        USERS.insert(&self.pool, &id.to_string(), columns_of(draft, Some(hash))?, now).await?;
        self.user(&id.to_string())
            .await?
            .ok_or_else(|| StoreError::unreadable("users", "the new row is gone"))
    }

    /// Changes a user that is still at `version`. A new password ends the user's sessions.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile, `Taken` when the log-in exists, `LastAdmin` when nobody would be
    /// an administrator any more.
    pub async fn change_user(&self, id: UserId, draft: &UserDraft, version: i64) -> Result<User, StoreError> {
        let hash = match &draft.password {
            Some(password) => Some(hash_password(password.clone()).await?),
            None => None,
        };
        let (user, is_renewed) = (id.to_string(), hash.is_some());
        let mut tx = self.pool.begin().await?;
        if draft.role != Role::Admin {
            keep_an_admin(&mut tx, &user, version).await?;
        }
        USERS.update(&mut tx, &user, columns_of(draft, hash)?, version).await?;
        if is_renewed {
            end_sessions(&mut tx, id, None).await?;
        }
        tx.commit().await?;
        self.user(&user).await?.ok_or(StoreError::Stale)
    }

    /// Gives a user another password and ends the user's sessions but for `kept`.
    ///
    /// # Errors
    /// `Stale` when the user is gone.
    pub async fn set_password(&self, id: UserId, password: &str, kept: SessionId) -> Result<(), StoreError> {
        let hash = hash_password(password.to_owned()).await?;
        let mut tx = self.pool.begin().await?;
        let set = sql("UPDATE users SET password_hash = $2, version = version + 1 WHERE id = $1");
        if set.bind(id.to_string()).bind(hash).execute(&mut tx).await? == 0 {
            return Err(StoreError::Stale);
        }
        end_sessions(&mut tx, id, Some(kept)).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a user that is still at `version`, with devices and sessions.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile, `LastAdmin` when nobody would be an administrator any more.
    pub async fn delete_user(&self, id: UserId, version: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        keep_an_admin(&mut tx, &id.to_string(), version).await?;
        USERS.delete(&mut tx, &id.to_string(), version).await?;
        Ok(tx.commit().await?)
    }

    /// Returns a user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user(&self, id: &str) -> Result<Option<User>, StoreError> {
        self.row(&LIST, id, user_of).await
    }

    /// Returns the user of a log-in if the password is right. An unknown log-in takes as long as a wrong password.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn log_in(&self, login: &str, password: &str) -> Result<Option<User>, StoreError> {
        let row = sql("SELECT id, password_hash FROM users WHERE login_key = $1").bind(login_key(login));
        let (user_id, hash): (Option<String>, String) = match row.fetch_optional(&self.pool).await? {
            Some(row) => (Some(row.try_get("id")?), row.try_get("password_hash")?),
            None => (None, decoy_hash().await?),
        };
        let password: String = password.chars().take(PASSWORD_MAX).collect();
        let right =
            tokio::task::spawn_blocking(move || password_auth::verify_password(password, &hash).is_ok());
        let right = right.await.map_err(|_| StoreError::Hash)?;
        match user_id {
            Some(user_id) if right => self.user(&user_id).await,
            _ => Ok(None),
        }
    }

    /// Lists the users, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users(&self, page: &PageRequest) -> Result<Page<User>, StoreError> {
        self.page(&LIST, Conditions::default(), page, user_of).await
    }

    /// Returns a user's devices in the order in which they ring.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn devices(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        let rows = sql("SELECT id, user_id, kind, uri FROM devices WHERE user_id = $1 ORDER BY position, id")
            .bind(user.to_string())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(device_of).collect()
    }

    /// Returns every device of every user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all_devices(&self) -> Result<Vec<Device>, StoreError> {
        let rows = sql("SELECT id, user_id, kind, uri FROM devices ORDER BY user_id, position, id")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(device_of).collect()
    }

    /// Adds a device as the last one of its user; a telephone that registers here is added by [`Self::add_phone`].
    ///
    /// # Errors
    /// `Dangling { field: "user_id" }` when there is no such user.
    pub async fn add_device(&self, device: &Device) -> Result<(), StoreError> {
        insert_device(&self.pool, device).await
    }

    /// Deletes a user's device and tells whether it was there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_device(&self, user: UserId, device: DeviceId) -> Result<bool, StoreError> {
        let deleted = sql("DELETE FROM devices WHERE id = $1 AND user_id = $2")
            .bind(device.to_string())
            .bind(user.to_string())
            .execute(&self.pool)
            .await?;
        Ok(deleted > 0)
    }
}

pub(crate) async fn insert_device(db: impl Into<Db<'_>>, device: &Device) -> Result<(), StoreError> {
    let (kind, uri) = match &device.routed.address {
        DeviceAddress::Sip { uri } => ("sip", Some(uri)),
        DeviceAddress::Browser {} => ("browser", None),
        DeviceAddress::Phone { .. } => ("phone", None),
    };
    sql("INSERT INTO devices (id, user_id, kind, uri, position) VALUES ($1, $2, $3, $4, \
         (SELECT COALESCE(MAX(position), 0) + 1 FROM devices WHERE user_id = $2))")
    .bind(device.routed.device.to_string())
    .bind(device.user_id.to_string())
    .bind(kind)
    .bind(uri.cloned())
    .execute(db)
    .await
    .map_err(|e| StoreError::constraint(e, "id", "user_id"))?;
    Ok(())
}

/// Refuses to go on when the user, still at `version`, is the last administrator.
async fn keep_an_admin(tx: &mut Tx, id: &str, version: i64) -> Result<(), StoreError> {
    let found = sql("SELECT role FROM users WHERE id = $1 AND version = $2").bind(id).bind(version);
    let found = found.fetch_optional(&mut *tx).await?;
    let is_admin = match found {
        Some(row) => word::<Role>(&row, "users", "role")? == Role::Admin,
        None => false,
    };
    if !is_admin {
        return Ok(());
    }
    // Changes nothing and locks them: of two administrators who demote each other at once, the second one counts anew.
    let admins = sql("UPDATE users SET role = role WHERE role = $1").bind(text_of(&Role::Admin)?);
    if admins.execute(&mut *tx).await? <= 1 { Err(StoreError::LastAdmin) } else { Ok(()) }
}

/// The columns of a user; without a new hash the old one stays.
fn columns_of(draft: &UserDraft, password_hash: Option<String>) -> Result<Columns, StoreError> {
    let mut columns = vec![
        ("login", Value::text(&draft.login)),
        ("login_key", Value::text(login_key(&draft.login))),
        ("name", Value::text(&draft.name)),
        ("role", Value::text(text_of(&draft.role)?)),
        ("extension", Value::from(draft.extension.clone())),
        ("ring", Value::text(text_of(&draft.ring)?)),
        ("ring_timeout_ms", Value::from(i64::from(draft.ring_timeout_ms))),
        ("allow_call_waiting", Value::from(draft.allow_call_waiting)),
    ];
    if let Some(hash) = password_hash {
        columns.push(("password_hash", Value::text(hash)));
    }
    Ok(columns)
}

/// Returns what two spellings of one log-in have in common.
#[must_use]
pub fn login_key(login: &str) -> String {
    linecard_crm::sort_key(login.trim())
}

async fn hash_password(password: String) -> Result<String, StoreError> {
    tokio::task::spawn_blocking(move || password_auth::generate_hash(password))
        .await
        .map_err(|_| StoreError::Hash)
}

/// A hash that no password fits, so that an unknown log-in costs what a wrong password costs.
async fn decoy_hash() -> Result<String, StoreError> {
    static DECOY: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    DECOY.get_or_try_init(|| hash_password("no password of anybody".to_owned())).await.cloned()
}

fn user_of(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: id(row, "users", "id")?,
        login: row.try_get("login")?,
        name: row.try_get("name")?,
        role: word(row, "users", "role")?,
        extension: row.try_get("extension")?,
        ring: word(row, "users", "ring")?,
        ring_timeout_ms: number(row, "users", "ring_timeout_ms")?,
        allow_call_waiting: row.try_get("allow_call_waiting")?,
        version: row.try_get("version")?,
    })
}

fn device_of(row: &Row) -> Result<Device, StoreError> {
    let kind: String = row.try_get("kind")?;
    let uri: Option<String> = row.try_get("uri")?;
    let address = match (kind.as_str(), uri) {
        ("sip", Some(uri)) => DeviceAddress::Sip { uri },
        ("browser", _) => DeviceAddress::Browser {},
        ("phone", _) => DeviceAddress::Phone { contact: None },
        (kind, _) => return Err(StoreError::unreadable("devices", format!("kind {kind}"))),
    };
    Ok(Device {
        routed: RoutedDevice { device: id(row, "devices", "id")?, address },
        user_id: id(row, "devices", "user_id")?,
    })
}
