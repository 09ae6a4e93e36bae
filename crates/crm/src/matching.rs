//! Who a caller may be: the ranking of the contacts that the store found for a number.
//!
//! Pure and deterministic: it judges each found row again by its number, puts the best level of each contact first and says
//! why. It never breaks a tie by chance or by row order: candidates that nothing tells apart keep the same score and stand in
//! the order of name, then id. It deliberately does not search; the columns to search by come from
//! [`Number::suffix_key`](crate::number::Number::suffix_key) and [`Number::suffix_probes`](crate::number::Number::suffix_probes).

mod reason;
mod score;

pub use reason::Reason;
pub use score::Score;

use crate::keys::sort_key;
use crate::number::{Number, SUFFIX_DIGITS_MIN};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// The most candidates that [`rank`] returns; beyond it a list tells an agent nothing.
pub const CANDIDATES_MAX: usize = 50;
/// A talk counts as recent for this long, in milliseconds (30 days).
pub const RECENT_TALK_MS: i64 = 30 * 24 * 3_600_000;

/// The part of a contact that a screen-pop shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct ContactRef {
    /// The contact's UUIDv7.
    pub id: String,
    /// The name as stored.
    pub name: String,
    /// The name of its company.
    pub company_name: Option<String>,
    /// The user who is responsible for it.
    pub responsible_id: Option<String>,
}

/// How closely a candidate's number fits the caller's; the order is from best to weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The same E.164 number and the same extension, or none on both sides.
    Exact,
    /// The same internal extension of this telephone system.
    Extension,
    /// The number belongs to the contact's company or is its switchboard.
    Company,
    /// Only the last digits are the same, because one side has no area or country code.
    Suffix,
}

/// Whose number a found row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberOwner {
    /// One of the contact's own numbers.
    Contact,
    /// A number of the contact's company; one row for each contact of it.
    Company,
}

/// One row that the store found: a contact and the number by which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The contact.
    pub contact: ContactRef,
    /// Its company's id; contacts of one company that share a number share a switchboard.
    pub company_id: Option<String>,
    /// The stored number.
    pub number: Number,
    /// Whose number that is.
    pub owner: NumberOwner,
    /// When anybody last talked with the contact, UTC milliseconds.
    pub last_talk_at: Option<i64>,
}

/// What else is known at the time of the call and may tell candidates of one level apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals {
    /// The user who is being called; a candidate it is responsible for comes first.
    pub user_id: Option<String>,
    /// The time of the call, UTC milliseconds; without it no talk counts as recent.
    pub now_ms: Option<i64>,
}

/// A contact that the caller may be, with the reasons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// The contact.
    pub contact: ContactRef,
    /// How closely the number fits.
    pub level: Level,
    /// From 0 to 1; candidates of a better level always score higher, and equal ones are indistinguishable.
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    pub score: Score,
    /// Why it is here and why it stands where it stands.
    #[schema(value_type = Vec<String>)]
    pub reasons: Vec<Reason>,
}

/// Ranks the found rows for a caller: exact over extension over company over suffix, then by the signals.
///
/// Rows that do not fit the caller's number are dropped, several rows of one contact become its best one. At most
/// [`CANDIDATES_MAX`] candidates, best first.
#[must_use]
pub fn rank(caller: &Number, found: &[Found], signals: &Signals) -> Vec<Candidate> {
    let sharing = Sharing::of(caller, found);
    let mut best: BTreeMap<&str, Candidate> = BTreeMap::new();
    for row in found {
        let Some(candidate) = judge(caller, row, &sharing, signals) else {
            continue;
        };
        match best.get(row.contact.id.as_str()) {
            Some(known) if !stands_before(&candidate, known) => {}
            _ => {
                best.insert(row.contact.id.as_str(), candidate);
            }
        }
    }
    let mut ranked: Vec<Candidate> = best.into_values().collect();
    ranked.sort_by_cached_key(|candidate| {
        let ContactRef { id, name, .. } = &candidate.contact;
        (candidate.level, std::cmp::Reverse(candidate.score), sort_key(name), id.clone())
    });
    ranked.truncate(CANDIDATES_MAX);
    ranked
}

fn stands_before(one: &Candidate, other: &Candidate) -> bool {
    // By the reasons too, so that the order of the rows never decides which of two equal rows speaks for a contact.
    (one.score, &other.reasons) > (other.score, &one.reasons)
}

/// Who else holds the caller's very number.
struct Sharing<'a> {
    /// Contacts with the number, with or without an extension.
    contacts: BTreeSet<&'a str>,
    /// Contacts of each company with the number and the caller's own extension.
    by_company: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Companies whose own number it is.
    companies: BTreeSet<&'a str>,
}

impl<'a> Sharing<'a> {
    fn of(caller: &Number, found: &'a [Found]) -> Self {
        let mut sharing =
            Self { contacts: BTreeSet::new(), by_company: BTreeMap::new(), companies: BTreeSet::new() };
        let same = |row: &&Found| caller.e164.is_some() && row.number.e164 == caller.e164;
        for row in found.iter().filter(same) {
            let (id, company_id) = (row.contact.id.as_str(), row.company_id.as_deref());
            match (row.owner, company_id) {
                (NumberOwner::Company, Some(company_id)) => {
                    sharing.companies.insert(company_id);
                }
                (NumberOwner::Company, None) => {}
                (NumberOwner::Contact, _) => {
                    sharing.contacts.insert(id);
                }
            }
            if let (NumberOwner::Contact, Some(company_id)) = (row.owner, company_id)
                && row.number.extension == caller.extension
            {
                sharing.by_company.entry(company_id).or_default().insert(id);
            }
        }
        sharing
    }

    fn is_switchboard(&self, caller: &Number, row: &Found) -> bool {
        let Some(company_id) = row.company_id.as_deref() else {
            return false;
        };
        caller.extension.is_none()
            && (self.companies.contains(company_id)
                || self.by_company.get(company_id).is_some_and(|contacts| contacts.len() > 1))
    }
}

fn judge(caller: &Number, row: &Found, sharing: &Sharing<'_>, signals: &Signals) -> Option<Candidate> {
    let (level, base, reason) = fit(caller, row, sharing)?;
    let mut reasons = vec![reason];
    let mut score = base;
    if level == Level::Exact && sharing.contacts.len() > 1 {
        score = Score::SHARED;
        reasons.push(Reason::Shared { others: sharing.contacts.len() - 1 });
    }
    if signals.user_id.is_some() && row.contact.responsible_id == signals.user_id {
        score = score.plus(Score::RESPONSIBLE);
        reasons.push(Reason::Responsible);
    }
    if let Some(days) = recent_talk(row.last_talk_at, signals.now_ms) {
        score = score.plus(Score::RECENT_TALK);
        reasons.push(Reason::RecentTalk { days });
    }
    if row.owner == NumberOwner::Contact && row.number.label.as_deref().is_some_and(is_personal) {
        score = score.plus(Score::PERSONAL);
        reasons.push(Reason::PersonalNumber);
    }
    Some(Candidate { contact: row.contact.clone(), level, score, reasons })
}

fn fit(caller: &Number, row: &Found, sharing: &Sharing<'_>) -> Option<(Level, Score, Reason)> {
    let stored = &row.number;
    match (&caller.e164, &stored.e164) {
        (Some(called_from), Some(held)) if called_from == held => Some(same_number(caller, row, sharing)),
        (None, None) if caller.extension.is_some() => {
            (caller.extension == stored.extension && row.owner == NumberOwner::Contact).then(|| {
                let extension = caller.extension.clone().unwrap_or_default();
                (Level::Extension, Score::EXTENSION, Reason::SameExtension { extension })
            })
        }
        (Some(_), Some(_)) => None,
        _ => {
            let digits = common_tail(&caller.digits(), &stored.digits())?;
            Some((Level::Suffix, Score::suffix(digits), Reason::SameLastDigits { digits }))
        }
    }
}

fn same_number(caller: &Number, row: &Found, sharing: &Sharing<'_>) -> (Level, Score, Reason) {
    if row.owner == NumberOwner::Company {
        return (Level::Company, Score::COMPANY, Reason::CompanyNumber);
    }
    if caller.extension != row.number.extension {
        let reason = match (&caller.extension, &row.number.extension) {
            (None, Some(extension)) => Reason::BehindExtension { extension: extension.clone() },
            _ => Reason::OtherExtension,
        };
        return (Level::Company, Score::COMPANY, reason);
    }
    if sharing.is_switchboard(caller, row) {
        return (Level::Company, Score::COMPANY, Reason::Switchboard);
    }
    match &row.number.extension {
        Some(extension) => {
            (Level::Exact, Score::EXACT, Reason::SameNumberAndExtension { extension: extension.clone() })
        }
        None => (Level::Exact, Score::EXACT, Reason::SameNumber),
    }
}

/// The whole shorter side, when the longer one ends with it and it is long enough to mean anything.
fn common_tail(one: &str, other: &str) -> Option<usize> {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    (short.len() >= SUFFIX_DIGITS_MIN && long.ends_with(short)).then_some(short.len())
}

fn recent_talk(last_talk_at: Option<i64>, now_ms: Option<i64>) -> Option<u32> {
    let age_ms = now_ms?.checked_sub(last_talk_at?)?;
    if !(0..=RECENT_TALK_MS).contains(&age_ms) {
        return None;
    }
    u32::try_from(age_ms / (24 * 3_600_000)).ok()
}

fn is_personal(label: &str) -> bool {
    const PERSONAL: [&str; 9] =
        ["mobile", "cell", "direct", "personal", "home", "мобильный", "личный", "прямой", "домашний"];
    let label = sort_key(label);
    PERSONAL.contains(&label.as_str())
}
