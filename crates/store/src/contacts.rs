//! Contacts and companies with their numbers.

use linecard_calls::{ContactId, UserId, UtcMillis};
use linecard_crm::{Number, sort_key};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::page::{Cursor, Page, PageRequest};
use crate::row::{id, id_opt, json, json_of};
use crate::{Store, StoreError};

/// A person in the CRM.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// Rises with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// Everything else.
    pub card: ContactDraft,
}

/// What a user writes of a contact.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactDraft {
    /// The name.
    pub name: String,
    /// The company's id.
    pub company_id: Option<String>,
    /// Who is responsible.
    pub responsible_id: Option<UserId>,
    /// The numbers, in the order in which they are shown.
    pub numbers: Vec<Number>,
    /// What is only shown.
    pub fields: ContactFields,
}

/// The fields of a contact that nothing is searched by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContactFields {
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Where the contact came from.
    pub source: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The industry.
    pub industry: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Fields of the company's own making.
    pub custom: serde_json::Map<String, serde_json::Value>,
}

/// A company in the CRM.
#[derive(Debug, Clone, PartialEq)]
pub struct Company {
    /// Its id.
    pub id: String,
    /// Rises with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// Everything else.
    pub card: CompanyDraft,
}

/// What a user writes of a company.
#[derive(Debug, Clone, PartialEq)]
pub struct CompanyDraft {
    /// The name.
    pub name: String,
    /// The numbers, in the order in which they are shown.
    pub numbers: Vec<Number>,
    /// What is only shown.
    pub fields: CompanyFields,
}

/// The fields of a company that nothing is searched by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompanyFields {
    /// The region.
    pub region: Option<String>,
    /// The industry.
    pub industry: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Fields of the company's own making.
    pub custom: serde_json::Map<String, serde_json::Value>,
}

/// Whose numbers are written.
enum Owner<'a> {
    Contact(&'a str),
    Company(&'a str),
}

const CONTACT: &str =
    "SELECT id, name, company_id, responsible_id, fields, version, created_at FROM contacts";
const COMPANY: &str = "SELECT id, name, fields, version, created_at FROM companies";

impl Store {
    /// Adds a contact.
    ///
    /// # Errors
    /// `Dangling` when company or responsible user do not exist.
    pub async fn add_contact(
        &self,
        id: ContactId,
        card: &ContactDraft,
        now: UtcMillis,
    ) -> Result<Contact, StoreError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "INSERT INTO contacts (id, name, search_key, company_id, responsible_id, fields, version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
        )
        .bind(id.to_string())
        .bind(&card.name)
        .bind(sort_key(&card.name))
        .bind(&card.company_id)
        .bind(card.responsible_id.map(|user| user.to_string()))
        .bind(json_of(&card.fields)?)
        .bind(now.0)
        .execute(&mut *tx)
        .await
        .map_err(|e| StoreError::constraint(e, "id", "company_id or responsible_id"))?;
        write_numbers(&mut tx, &Owner::Contact(&id.to_string()), &card.numbers).await?;
        tx.commit().await?;
        Ok(Contact { id, version: 1, created_at: now, card: card.clone() })
    }

    /// Changes a contact that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile, `Dangling` as for `add_contact`.
    pub async fn change_contact(
        &self,
        id: ContactId,
        card: &ContactDraft,
        version: i64,
    ) -> Result<Contact, StoreError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let done = sqlx::query(
            "UPDATE contacts SET name = $1, search_key = $2, company_id = $3, responsible_id = $4, fields = $5, \
             version = version + 1 WHERE id = $6 AND version = $7",
        )
        .bind(&card.name)
        .bind(sort_key(&card.name))
        .bind(&card.company_id)
        .bind(card.responsible_id.map(|user| user.to_string()))
        .bind(json_of(&card.fields)?)
        .bind(id.to_string())
        .bind(version)
        .execute(&mut *tx)
        .await
        .map_err(|e| StoreError::constraint(e, "id", "company_id or responsible_id"))?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        write_numbers(&mut tx, &Owner::Contact(&id.to_string()), &card.numbers).await?;
        tx.commit().await?;
        self.contact(id).await?.ok_or(StoreError::Stale)
    }

    /// Deletes a contact that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn delete_contact(&self, id: ContactId, version: i64) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM contacts WHERE id = $1 AND version = $2")
            .bind(id.to_string())
            .bind(version)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::Stale) } else { Ok(()) }
    }

    /// Returns a contact.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Contact>, StoreError> {
        let text = sqlx::AssertSqlSafe(format!("{CONTACT} WHERE id = $1"));
        let row = sqlx::query(text).bind(id.to_string()).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let numbers = self.numbers_of(&Owner::Contact(&id.to_string())).await?;
        contact_of(&row, numbers).map(Some)
    }

    /// Lists contacts, newest first; with `search`, those whose name begins with it or has a word that does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contacts(
        &self,
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Contact>, StoreError> {
        let (from, pattern) = (page.cursor.clone().unwrap_or_else(Cursor::top), search.map(name_pattern));
        let text = sqlx::AssertSqlSafe(format!(
            "{CONTACT} WHERE (CAST($1 AS TEXT) IS NULL OR ' ' || search_key LIKE $1 ESCAPE '!') \
             AND (created_at < $2 OR (created_at = $2 AND id < $3)) ORDER BY created_at DESC, id DESC LIMIT $4"
        ));
        let rows = sqlx::query(text)
            .bind(&pattern)
            .bind(from.key)
            .bind(&from.id)
            .bind(i64::from(page.limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let total: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM contacts WHERE (CAST($1 AS TEXT) IS NULL OR ' ' || search_key LIKE $1 ESCAPE '!')",
        )
        .bind(&pattern)
        .fetch_one(&self.pool)
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let owner: String = row.try_get("id")?;
            found.push(contact_of(row, self.numbers_of(&Owner::Contact(&owner)).await?)?);
        }
        Ok(Page::cut(found, total, page.limit, |c| Cursor { key: c.created_at.0, id: c.id.to_string() }))
    }

    /// Adds a company.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_company(
        &self,
        id: &str,
        card: &CompanyDraft,
        now: UtcMillis,
    ) -> Result<Company, StoreError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "INSERT INTO companies (id, name, search_key, fields, version, created_at) VALUES ($1, $2, $3, $4, 1, $5)",
        )
        .bind(id)
        .bind(&card.name)
        .bind(sort_key(&card.name))
        .bind(json_of(&card.fields)?)
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        write_numbers(&mut tx, &Owner::Company(id), &card.numbers).await?;
        tx.commit().await?;
        Ok(Company { id: id.to_owned(), version: 1, created_at: now, card: card.clone() })
    }

    /// Changes a company that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn change_company(
        &self,
        id: &str,
        card: &CompanyDraft,
        version: i64,
    ) -> Result<Company, StoreError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let done = sqlx::query(
            "UPDATE companies SET name = $1, search_key = $2, fields = $3, version = version + 1 \
             WHERE id = $4 AND version = $5",
        )
        .bind(&card.name)
        .bind(sort_key(&card.name))
        .bind(json_of(&card.fields)?)
        .bind(id)
        .bind(version)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        write_numbers(&mut tx, &Owner::Company(id), &card.numbers).await?;
        tx.commit().await?;
        self.company(id).await?.ok_or(StoreError::Stale)
    }

    /// Deletes a company that is still at `version`; its contacts stay.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn delete_company(&self, id: &str, version: i64) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM companies WHERE id = $1 AND version = $2")
            .bind(id)
            .bind(version)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::Stale) } else { Ok(()) }
    }

    /// Returns a company.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn company(&self, id: &str) -> Result<Option<Company>, StoreError> {
        let text = sqlx::AssertSqlSafe(format!("{COMPANY} WHERE id = $1"));
        let row = sqlx::query(text).bind(id).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        company_of(&row, self.numbers_of(&Owner::Company(id)).await?).map(Some)
    }

    /// Lists companies, newest first; with `search`, those whose name begins with it or has a word that does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn companies(
        &self,
        search: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Company>, StoreError> {
        let (from, pattern) = (page.cursor.clone().unwrap_or_else(Cursor::top), search.map(name_pattern));
        let text = sqlx::AssertSqlSafe(format!(
            "{COMPANY} WHERE (CAST($1 AS TEXT) IS NULL OR ' ' || search_key LIKE $1 ESCAPE '!') \
             AND (created_at < $2 OR (created_at = $2 AND id < $3)) ORDER BY created_at DESC, id DESC LIMIT $4"
        ));
        let rows = sqlx::query(text)
            .bind(&pattern)
            .bind(from.key)
            .bind(&from.id)
            .bind(i64::from(page.limit) + 1)
            .fetch_all(&self.pool)
            .await?;
        let total: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM companies WHERE (CAST($1 AS TEXT) IS NULL OR ' ' || search_key LIKE $1 ESCAPE '!')",
        )
        .bind(&pattern)
        .fetch_one(&self.pool)
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let owner: String = row.try_get("id")?;
            found.push(company_of(row, self.numbers_of(&Owner::Company(&owner)).await?)?);
        }
        Ok(Page::cut(found, total, page.limit, |c| Cursor { key: c.created_at.0, id: c.id.clone() }))
    }

    async fn numbers_of(&self, owner: &Owner<'_>) -> Result<Vec<Number>, StoreError> {
        let (contact, company) = owner.columns();
        let rows = sqlx::query(
            "SELECT number, e164, extension, label FROM numbers \
             WHERE contact_id = $1 OR company_id = $2 ORDER BY position",
        )
        .bind(contact)
        .bind(company)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(number_of).collect()
    }
}

impl Owner<'_> {
    fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Contact(id) => (Some(id), None),
            Self::Company(id) => (None, Some(id)),
        }
    }
}

/// Replaces the owner's numbers.
async fn write_numbers(
    tx: &mut Transaction<'_, Sqlite>,
    owner: &Owner<'_>,
    numbers: &[Number],
) -> Result<(), StoreError> {
    let (contact, company) = owner.columns();
    sqlx::query("DELETE FROM numbers WHERE contact_id = $1 OR company_id = $2")
        .bind(contact)
        .bind(company)
        .execute(&mut **tx)
        .await?;
    for (position, number) in (0_i64..).zip(numbers) {
        sqlx::query(
            "INSERT INTO numbers (id, contact_id, company_id, position, number, e164, extension, label, suffix_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(format!("{}:{position}", contact.or(company).unwrap_or_default()))
        .bind(contact)
        .bind(company)
        .bind(position)
        .bind(&number.number)
        .bind(&number.e164)
        .bind(&number.extension)
        .bind(&number.label)
        .bind(number.suffix_key())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// A pattern for `' ' || search_key`: the words typed begin a word of the name.
fn name_pattern(search: &str) -> String {
    let escaped: String = sort_key(search).chars().flat_map(escape_like).collect();
    format!("% {escaped}%")
}

fn escape_like(letter: char) -> impl Iterator<Item = char> {
    let escape = matches!(letter, '%' | '_' | '!').then_some('!');
    escape.into_iter().chain([letter])
}

pub(crate) fn number_of(row: &SqliteRow) -> Result<Number, StoreError> {
    Ok(Number {
        number: row.try_get("number")?,
        e164: row.try_get("e164")?,
        extension: row.try_get("extension")?,
        label: row.try_get("label")?,
    })
}

fn contact_of(row: &SqliteRow, numbers: Vec<Number>) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: id(row, "contacts", "id")?,
        version: row.try_get("version")?,
        created_at: UtcMillis(row.try_get("created_at")?),
        card: ContactDraft {
            name: row.try_get("name")?,
            company_id: row.try_get("company_id")?,
            responsible_id: id_opt(row, "contacts", "responsible_id")?,
            numbers,
            fields: json(row, "contacts", "fields")?,
        },
    })
}

fn company_of(row: &SqliteRow, numbers: Vec<Number>) -> Result<Company, StoreError> {
    Ok(Company {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        created_at: UtcMillis(row.try_get("created_at")?),
        card: CompanyDraft { name: row.try_get("name")?, numbers, fields: json(row, "companies", "fields")? },
    })
}
