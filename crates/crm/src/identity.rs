//! Which of a call's headers names the caller.
//!
//! P-Asserted-Identity (RFC 3325) before Remote-Party-ID before From. Who asks for privacy stays withheld: RFC 3325 section 7
//! lets an asserted number travel inside a trust domain, so a PBX may hand it to us beside `Privacy: id`, but the
//! caller asked that the called user should not see it, and our screen shows it to just that user. So the number is null and no contact is matched.
//! It deliberately does not judge whether the sender may assert an identity: headers of untrusted sources are to be left out.

use crate::number::{CallerNumber, DialPlan, Number, TYPED_CHARS_MAX, Withheld, dialled_part};
use serde::{Deserialize, Serialize};

/// One name-addr of a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The display name, unquoted.
    pub display: Option<String>,
    /// The URI, with or without `<>`.
    pub uri: String,
    /// The value of a `privacy` parameter, as Remote-Party-ID has it (`full`, `uri`, `name`, `off`).
    pub privacy: Option<String>,
}

/// The headers of an INVITE that speak about the caller, in the order received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// P-Asserted-Identity: at most one SIP and one tel URI (RFC 3325 section 9.1).
    pub asserted: Vec<Party>,
    /// Remote-Party-ID with `party=calling` or none.
    pub remote_party: Vec<Party>,
    /// From.
    pub from: Party,
    /// The value of Privacy, such as `id;critical`.
    pub privacy: Option<String>,
}

/// The header that an identity was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// P-Asserted-Identity.
    Asserted,
    /// Remote-Party-ID.
    RemoteParty,
    /// From.
    From,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The number, or why there is none.
    pub number: CallerNumber,
    /// The display name, bounded and without control characters; none for a withheld caller.
    pub display: Option<String>,
    /// The header that it was taken from.
    pub source: IdentitySource,
    /// The user part as received (`*_dialled` of api.md), such as `anonymous`; none when privacy was asked for.
    pub received: Option<String>,
}

impl Identity {
    /// The number to match contacts by, with the received text as typed; none when withheld.
    #[must_use]
    pub fn to_number(&self) -> Option<Number> {
        self.number.to_number()
    }
}

/// Chooses the caller's identity.
///
/// The first header with a telephone number or an extension wins; if none has one, the first that names anybody. `Privacy`
/// with `id`, `user` or `header` (RFC 3323 section 4.2, RFC 3325 section 9.3) and `privacy=full` or `uri` on any
/// Remote-Party-ID withhold the number, whatever other headers say.
#[must_use]
pub fn choose_identity(plan: &DialPlan, headers: &IdentityHeaders) -> Identity {
    let asserted = headers.asserted.iter().map(|party| (IdentitySource::Asserted, party));
    let remote = headers.remote_party.iter().map(|party| (IdentitySource::RemoteParty, party));
    let mut named = asserted.chain(remote).chain([(IdentitySource::From, &headers.from)]);
    if asks_privacy(headers) {
        let source = named.next().map_or(IdentitySource::From, |(source, _)| source);
        let number = CallerNumber::Withheld { why: Withheld::Privacy };
        return Identity { number, display: None, source, received: None };
    }
    let from = read_party(plan, IdentitySource::From, &headers.from);
    // The earlier header keeps its place against an equal.
    named.map(|(source, party)| read_party(plan, source, party)).reduce(better).unwrap_or(from)
}

fn better(chosen: Identity, next: Identity) -> Identity {
    if certainty(&next.number) > certainty(&chosen.number) { next } else { chosen }
}

fn certainty(number: &CallerNumber) -> u8 {
    match number {
        CallerNumber::E164 { .. } | CallerNumber::Extension { .. } => 2,
        CallerNumber::Other { .. } => 1,
        CallerNumber::Withheld { .. } => 0,
    }
}

fn asks_privacy(headers: &IdentityHeaders) -> bool {
    let header = headers.privacy.as_deref().is_some_and(|value| asks_for(value, &["id", "user", "header"]));
    let parameters = headers.remote_party.iter().filter_map(|party| party.privacy.as_deref());
    header || parameters.into_iter().any(|value| asks_for(value, &["full", "uri"]))
}

fn read_party(plan: &DialPlan, source: IdentitySource, party: &Party) -> Identity {
    let number = plan.caller(&party.uri);
    let received = Some(dialled_part(&party.uri)).filter(|user| !user.is_empty());
    let name_hidden = matches!(number, CallerNumber::Withheld { .. })
        || party.privacy.as_deref().is_some_and(|value| asks_for(value, &["name"]));
    let display =
        party.display.as_deref().filter(|_| !name_hidden).map(shown).filter(|name| !name.is_empty());
    Identity { number, display, source, received }
}

fn asks_for(value: &str, wanted: &[&str]) -> bool {
    value
        .split([';', ',', '-', ' '])
        .any(|part| wanted.iter().any(|name| part.trim().eq_ignore_ascii_case(name)))
}

/// Text for a screen: no control characters or direction marks, bounded, markup left as it is (it is text everywhere).
fn shown(text: &str) -> String {
    let visible = text.chars().filter(|letter| !letter.is_control() && !crate::keys::is_invisible(*letter));
    visible.take(TYPED_CHARS_MAX).collect::<String>().trim().to_owned()
}
