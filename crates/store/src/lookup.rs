//! Who a number may belong to: the rows that could fit, ranked by the CRM's rules.

use linecard_calls::{UserId, UtcMillis};
use linecard_crm::{Candidate, ContactRef, Found, Number, NumberOwner, Signals, SuffixProbes, rank};

use crate::cards::number_of;
use crate::database::{Row, assembled};
use crate::statement::Value;
use crate::{Store, StoreError};

/// The most rows that one kind of search brings: a number that thousands share tells nothing.
const ROWS_MAX: i64 = 200;

/// Rows of a number and its owner's contacts: a company's number brings one row for each contact of it. All that ranks
/// them comes with them: the pop waits for this one way to the database.
const SELECT: &str = "SELECT c.id AS contact_id, c.name AS name, c.responsible_id AS responsible_id, \
     c.company_id AS company_id, k.name AS company_name, n.number AS number, n.e164 AS e164, \
     n.extension AS extension, n.label AS label, n.contact_id IS NULL AS of_company, \
     (SELECT i.started_at FROM interactions i WHERE i.contact_id = c.id AND i.outcome = 'answered' \
     ORDER BY i.started_at DESC LIMIT 1) AS last_talk_at \
     FROM numbers n JOIN contacts c ON (c.id = n.contact_id OR (n.contact_id IS NULL AND c.company_id = n.company_id)) \
     LEFT JOIN companies k ON k.id = c.company_id";

impl Store {
    /// Returns who `number` may belong to, best first, as `user` would want to see it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn candidates(
        &self,
        number: &Number,
        user: Option<UserId>,
        now: UtcMillis,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut found = match (&number.e164, &number.extension) {
            (Some(e164), _) => self.rows_with("n.e164 = $1", e164).await?,
            (None, Some(extension)) => {
                self.rows_with("n.e164 IS NULL AND n.extension = $1", extension).await?
            }
            (None, None) => Vec::new(),
        };
        if found.is_empty()
            && let Some(probes) = number.suffix_probes()
        {
            found = self.rows_by_suffix(&probes).await?;
        }
        let signals = Signals { user_id: user.map(|id| id.to_string()), now_ms: Some(now.0) };
        Ok(rank(number, &found, &signals))
    }

    async fn rows_with(&self, condition: &'static str, value: &str) -> Result<Vec<Found>, StoreError> {
        let text = format!("{SELECT} WHERE {condition} ORDER BY c.id LIMIT $2");
        let rows =
            assembled(text, &[Value::text(value), Value::from(ROWS_MAX)]).fetch_all(&self.pops).await?;
        rows.iter().map(found_of).collect()
    }

    async fn rows_by_suffix(&self, probes: &SuffixProbes) -> Result<Vec<Found>, StoreError> {
        let text = format!("{SELECT} WHERE n.suffix_key >= $1 AND n.suffix_key < $2 ORDER BY c.id LIMIT $3");
        let values = [Value::text(&probes.from), Value::text(&probes.below), Value::from(ROWS_MAX)];
        let rows = assembled(text, &values).fetch_all(&self.pops).await?;
        let mut found: Vec<Found> = rows.iter().map(found_of).collect::<Result<_, _>>()?;
        for key in &probes.equal {
            found.extend(self.rows_with("n.suffix_key = $1", key).await?);
        }
        Ok(found)
    }
}

fn found_of(row: &Row) -> Result<Found, StoreError> {
    let of_company: bool = row.try_get("of_company")?;
    Ok(Found {
        contact: ContactRef {
            id: row.try_get("contact_id")?,
            name: row.try_get("name")?,
            company_name: row.try_get("company_name")?,
            responsible_id: row.try_get("responsible_id")?,
        },
        company_id: row.try_get("company_id")?,
        number: number_of(row)?,
        owner: if of_company { NumberOwner::Company } else { NumberOwner::Contact },
        last_talk_at: row.try_get("last_talk_at")?,
    })
}
