//! Contacts and companies with their numbers.

use linecard_calls::{ContactId, UserId, UtcMillis};
use linecard_crm::Number;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cards::Card;
pub use crate::cards::{CardOrder, CardSearch};
use crate::database::Row;
use crate::page::{List, Page, PageRequest};
use crate::row::{id, id_opt, json, json_of};
use crate::statement::{Columns, Conditions, Table, Value};
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
    /// The name of the company.
    pub company_name: Option<String>,
    /// Everything else.
    pub card: ContactDraft,
}

/// Which contacts are wanted; every part left out says nothing.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// What is searched, and the order.
    pub search: CardSearch,
    /// The company they belong to.
    pub company_id: Option<String>,
    /// Who is responsible for them.
    pub responsible_id: Option<UserId>,
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
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
    #[schema(value_type = Object)]
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
    /// How many contacts belong to it.
    pub contact_count: i64,
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompanyFields {
    /// The region.
    pub region: Option<String>,
    /// The industry.
    pub industry: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Fields of the company's own making.
    #[schema(value_type = Object)]
    pub custom: serde_json::Map<String, serde_json::Value>,
}

impl Card for Contact {
    type Draft = ContactDraft;
    const TABLE: Table = Table { name: "contacts", unique: "id", reference: "responsible_id" };
    const LIST: List = List {
        columns: "c.id, c.name, c.company_id, k.name AS company_name, c.responsible_id, c.fields, c.version, c.created_at",
        from: "contacts c LEFT JOIN companies k ON k.id = c.company_id",
        key: "c.created_at",
        id: "c.id",
    };
    const OWNER: &'static str = "contact_id";
    /// Who is reached by a company's number too.
    const FOUND_BY: &'static [(&'static str, &'static str)] =
        &[("c.id", "contact_id"), ("c.company_id", "company_id")];

    fn columns(draft: &ContactDraft) -> Result<Columns, StoreError> {
        Ok(vec![
            ("company_id", Value::from(draft.company_id.clone())),
            ("responsible_id", Value::from(draft.responsible_id.map(|user| user.to_string()))),
            ("fields", Value::text(json_of(&draft.fields)?)),
        ])
    }

    fn name(draft: &ContactDraft) -> &str {
        &draft.name
    }

    fn numbers(draft: &ContactDraft) -> &[Number] {
        &draft.numbers
    }

    fn company(draft: &ContactDraft) -> Option<&str> {
        draft.company_id.as_deref()
    }

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: id(row, "contacts", "id")?,
            version: row.try_get("version")?,
            created_at: UtcMillis(row.try_get("created_at")?),
            company_name: row.try_get("company_name")?,
            card: ContactDraft {
                name: row.try_get("name")?,
                company_id: row.try_get("company_id")?,
                responsible_id: id_opt(row, "contacts", "responsible_id")?,
                numbers: Vec::new(),
                fields: json(row, "contacts", "fields")?,
            },
        })
    }

    fn numbers_mut(&mut self) -> (String, &mut Vec<Number>) {
        (self.id.to_string(), &mut self.card.numbers)
    }
}

impl Card for Company {
    type Draft = CompanyDraft;
    const TABLE: Table = Table { name: "companies", unique: "id", reference: "id" };
    const LIST: List = List {
        columns: "c.id, c.name, c.fields, c.version, c.created_at, \
             (SELECT COUNT(*) FROM contacts p WHERE p.company_id = c.id) AS contact_count",
        from: "companies c",
        key: "c.created_at",
        id: "c.id",
    };
    const OWNER: &'static str = "company_id";
    const FOUND_BY: &'static [(&'static str, &'static str)] = &[("c.id", "company_id")];

    fn columns(draft: &CompanyDraft) -> Result<Columns, StoreError> {
        Ok(vec![("fields", Value::text(json_of(&draft.fields)?))])
    }

    fn name(draft: &CompanyDraft) -> &str {
        &draft.name
    }

    fn numbers(draft: &CompanyDraft) -> &[Number] {
        &draft.numbers
    }

    fn company(_: &CompanyDraft) -> Option<&str> {
        None
    }

    fn of(row: &Row) -> Result<Self, StoreError> {
        let fields = json(row, "companies", "fields")?;
        Ok(Self {
            id: row.try_get("id")?,
            version: row.try_get("version")?,
            created_at: UtcMillis(row.try_get("created_at")?),
            contact_count: row.try_get("contact_count")?,
            card: CompanyDraft { name: row.try_get("name")?, numbers: Vec::new(), fields },
        })
    }

    fn numbers_mut(&mut self) -> (String, &mut Vec<Number>) {
        (self.id.clone(), &mut self.card.numbers)
    }
}

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
        self.add_card(&id.to_string(), card, now).await
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
        self.change_card(&id.to_string(), card, version).await
    }

    /// Deletes a contact that is still at `version`.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn delete_contact(&self, id: ContactId, version: i64) -> Result<(), StoreError> {
        Contact::TABLE.delete(&self.pool, &id.to_string(), version).await
    }

    /// Returns a contact.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Contact>, StoreError> {
        self.card(&id.to_string()).await
    }

    /// Lists contacts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contacts(
        &self,
        filter: &ContactFilter,
        page: &PageRequest,
    ) -> Result<Page<Contact>, StoreError> {
        let mut conditions = Conditions::default();
        if let Some(company) = &filter.company_id {
            conditions.and("c.company_id = ?", Value::text(company));
        }
        if let Some(user) = filter.responsible_id {
            conditions.and("c.responsible_id = ?", Value::text(user.to_string()));
        }
        self.cards(&filter.search, conditions, page).await
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
        self.add_card(id, card, now).await
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
        self.change_card(id, card, version).await
    }

    /// Deletes a company that is still at `version`; its contacts stay.
    ///
    /// # Errors
    /// `Stale` when it was changed or deleted meanwhile.
    pub async fn delete_company(&self, id: &str, version: i64) -> Result<(), StoreError> {
        Company::TABLE.delete(&self.pool, id, version).await
    }

    /// Returns a company.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn company(&self, id: &str) -> Result<Option<Company>, StoreError> {
        self.card(id).await
    }

    /// Lists companies.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn companies(
        &self,
        search: &CardSearch,
        page: &PageRequest,
    ) -> Result<Page<Company>, StoreError> {
        self.cards(search, Conditions::default(), page).await
    }
}
