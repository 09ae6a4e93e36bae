//! Telephones that register at the server itself: their accounts, and where they were last.
//!
//! Of a password there are digests alone (RFC 7616 section 3.4.2). What a contact or a path means is for others.

use linecard_calls::{DeviceId, UserId, UtcMillis};

use crate::database::{Row, Tx, sql};
use crate::row::{id, number};
use crate::users::{Device, insert_device};
use crate::{Store, StoreError};

/// The account of a telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneAccount {
    /// The device that it is.
    pub device: DeviceId,
    /// What people call it.
    pub name: Option<String>,
    /// The name that it registers with.
    pub username: String,
    /// What its password opens.
    pub secret: PhoneSecret,
    /// When it was last registered.
    pub last_seen: Option<UtcMillis>,
}

/// The digests of a password, which are as secret as the password, and the realm that they are for.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneSecret {
    /// The realm.
    pub realm: String,
    /// MD5 in hexadecimal.
    pub md5: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl std::fmt::Debug for PhoneSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhoneSecret").finish_non_exhaustive()
    }
}

/// Where a telephone is, as it is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBinding {
    /// The URI that requests are for.
    pub contact: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Our address and port.
    pub local: String,
    /// The telephone's.
    pub remote: String,
    /// Its wish to be preferred, in thousandths.
    pub q: u16,
    /// What it calls itself for ever.
    pub instance: Option<String>,
    /// What it says that it is.
    pub user_agent: Option<String>,
    /// Call-ID of its REGISTER.
    pub call_id: String,
    /// CSeq of its REGISTER.
    pub cseq: u32,
    /// Since when it is there.
    pub since: UtcMillis,
    /// Until when.
    pub expires_at: UtcMillis,
}

impl Store {
    /// Adds a telephone as the last device of its user.
    ///
    /// # Errors
    /// `Dangling { field: "user_id" }` when there is no such user, `Taken { field: "username" }` when the name is in use.
    pub async fn add_phone(&self, device: &Device, account: &PhoneAccount) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        insert_device(&mut tx, device).await?;
        let PhoneSecret { realm, md5, sha256 } = &account.secret;
        sql("INSERT INTO phones (device_id, name, username, realm, md5, sha256) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(account.device.to_string())
            .bind(account.name.clone())
            .bind(account.username.clone())
            .bind(realm.clone())
            .bind(md5.clone())
            .bind(sha256.clone())
            .execute(&mut tx)
            .await
            .map_err(|error| StoreError::constraint(error, "username", "device_id"))?;
        Ok(tx.commit().await?)
    }

    /// Gives a user's telephone another password, and tells whether it was there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_phone(
        &self,
        user: UserId,
        device: DeviceId,
        secret: &PhoneSecret,
    ) -> Result<bool, StoreError> {
        let renewed = sql("UPDATE phones SET realm = $3, md5 = $4, sha256 = $5 WHERE device_id = $1 \
             AND EXISTS (SELECT 1 FROM devices WHERE id = $1 AND user_id = $2)")
        .bind(device.to_string())
        .bind(user.to_string())
        .bind(secret.realm.clone())
        .bind(secret.md5.clone())
        .bind(secret.sha256.clone())
        .execute(&self.pool)
        .await?;
        Ok(renewed > 0)
    }

    /// Returns the account of every telephone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phones(&self) -> Result<Vec<PhoneAccount>, StoreError> {
        let text =
            "SELECT device_id, name, username, realm, md5, sha256, last_seen FROM phones ORDER BY device_id";
        sql(text).fetch_all(&self.pool).await?.iter().map(account_of).collect()
    }

    /// Writes down where telephones are now, all of each; one that was removed meanwhile is passed over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_bindings(
        &self,
        phones: &[(DeviceId, Vec<KeptBinding>)],
        now: UtcMillis,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        for (device, bindings) in phones {
            let device = device.to_string();
            let gone = sql("DELETE FROM phone_bindings WHERE device_id = $1").bind(device.clone());
            gone.execute(&mut tx).await?;
            let seen = sql("UPDATE phones SET last_seen = $2 WHERE device_id = $1");
            let is_there = seen.bind(device.clone()).bind(now.0).execute(&mut tx).await? > 0;
            for (place, binding) in (0_i64..).zip(bindings).filter(|_| is_there) {
                keep(&mut tx, &device, place, binding).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Returns where telephones were when it was last written down.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn kept_bindings(&self) -> Result<Vec<(DeviceId, KeptBinding)>, StoreError> {
        let text = "SELECT device_id, contact, transport, local, remote, q, instance, user_agent, call_id, cseq, \
             since, expires_at FROM phone_bindings ORDER BY device_id, place";
        let rows = sql(text).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((id(row, "phone_bindings", "device_id")?, binding_of(row)?))).collect()
    }
}

async fn keep(tx: &mut Tx, device: &str, place: i64, binding: &KeptBinding) -> Result<(), StoreError> {
    let KeptBinding { contact, transport, local, remote, q, instance, user_agent, call_id, .. } =
        binding.clone();
    sql("INSERT INTO phone_bindings (device_id, place, contact, transport, local, remote, q, instance, user_agent, \
         call_id, cseq, since, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
    .bind(device.to_owned())
    .bind(place)
    .bind(contact)
    .bind(transport)
    .bind(local)
    .bind(remote)
    .bind(i64::from(q))
    .bind(instance)
    .bind(user_agent)
    .bind(call_id)
    .bind(i64::from(binding.cseq))
    .bind(binding.since.0)
    .bind(binding.expires_at.0)
    .execute(tx)
    .await?;
    Ok(())
}

fn account_of(row: &Row) -> Result<PhoneAccount, StoreError> {
    Ok(PhoneAccount {
        device: id(row, "phones", "device_id")?,
        name: row.try_get("name")?,
        username: row.try_get("username")?,
        secret: PhoneSecret {
            realm: row.try_get("realm")?,
            md5: row.try_get("md5")?,
            sha256: row.try_get("sha256")?,
        },
        last_seen: row.try_get::<Option<i64>>("last_seen")?.map(UtcMillis),
    })
}

fn binding_of(row: &Row) -> Result<KeptBinding, StoreError> {
    let table = "phone_bindings";
    Ok(KeptBinding {
        contact: row.try_get("contact")?,
        transport: row.try_get("transport")?,
        local: row.try_get("local")?,
        remote: row.try_get("remote")?,
        q: number(row, table, "q")?,
        instance: row.try_get("instance")?,
        user_agent: row.try_get("user_agent")?,
        call_id: row.try_get("call_id")?,
        cseq: number(row, table, "cseq")?,
        since: UtcMillis(row.try_get("since")?),
        expires_at: UtcMillis(row.try_get("expires_at")?),
    })
}
