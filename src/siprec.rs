//! What a recording client tells of a call (RFC 7865), in the vocabulary of calls: who of its participants is ours, who
//! called, and whose voice which stream carries.

use linecard_calls::{
    Caller, DirectionEvidence, LegId, PartyRole, Reach, RecordedParty, Side, Sighting, SightingId,
    SightingStage, UserId, UtcMillis, Voices,
};
use linecard_crm::DialPlan;
use linecard_sip::dialog_info::Participant;
use linecard_sip::siprec::{Party, Presence, RecordedSession};
use linecard_sip::uri::{Uri, unescape};
use linecard_store::lines::Line;

use crate::directory::{Directory, Own, pbx_of};
use crate::media::Voice;
use crate::sightings;

/// What the documents of a session come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Everybody who takes or took part.
    pub(crate) parties: Vec<RecordedParty>,
    /// Those of ours who take part now.
    pub(crate) ours: Vec<OursHere>,
    /// On which side our first one is.
    pub(crate) side: Side,
    pub(crate) direction_by: DirectionEvidence,
    /// Which role each stream's label belongs to.
    labels: Vec<(String, PartyRole)>,
}

/// One of ours who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OursHere {
    /// Its name in the documents.
    pub(crate) id: String,
    extension: String,
    server: String,
    user: Option<UserId>,
    side: Side,
    party: Caller,
    reach: Reach,
}

/// What is read beside the documents.
pub(crate) struct Surroundings<'a> {
    pub(crate) plan: &'a DialPlan,
    pub(crate) directory: &'a Directory,
    /// The line to which the session came.
    pub(crate) line: &'a Line,
    /// Who called, as this session found at its beginning.
    pub(crate) settled: Option<(Side, DirectionEvidence)>,
    /// On which side another source sees an extension of a PBX.
    pub(crate) seen: &'a dyn Fn(&str, &str) -> Option<Side>,
}

/// A participant, and whose it is.
struct Known<'a> {
    party: &'a Party,
    account: String,
    own: Option<Own>,
}

impl Reading {
    /// Reads what is known of a session; `now` ends the part of whoever is gone without a time.
    pub(crate) fn of(session: &RecordedSession, around: &Surroundings<'_>, now: UtcMillis) -> Self {
        let mut known: Vec<Known<'_>> = session.parties.iter().map(|party| known(party, around)).collect();
        claim_one(&mut known, around);
        let all_ours = known.iter().all(|known| known.own.is_some());
        let (side, direction_by) = direction(session, &known, around);
        let caller = if side == Side::Called { first_of(&known, false) } else { first_of(&known, true) };
        // Of an internal call the one who called is heard left.
        let left = all_ours.then_some(caller).flatten().or(all_ours.then_some(0));
        let role = |index: usize, known: &Known<'_>| match (&known.own, left) {
            (None, _) => PartyRole::Customer,
            (Some(_), Some(left)) if left == index && all_ours => PartyRole::Customer,
            (Some(_), _) => PartyRole::Agent,
        };
        let roles: Vec<PartyRole> =
            known.iter().enumerate().map(|(index, known)| role(index, known)).collect();
        let mut reading =
            Self { parties: Vec::new(), ours: Vec::new(), side, direction_by, labels: Vec::new() };
        for (index, (one, role)) in known.iter().zip(&roles).enumerate() {
            reading.parties.push(shown(one, *role, around, now));
            if one.party.presence == Presence::Gone {
                continue;
            }
            let labels = session.labels_of(one.party).map(|label| (label.to_owned(), *role));
            reading.labels.extend(labels);
            if let Some(own) = &one.own {
                let other = other_of(&known, index, all_ours);
                let own_side = if all_ours && left == Some(index) { Side::Calling } else { side };
                let own_side = if reading.ours.is_empty() || all_ours { own_side } else { Side::Called };
                reading.ours.push(here(one, own, own_side, other, around));
            }
        }
        if reading.ours.is_empty() && reading.parties.iter().any(|party| party.disassociated_at.is_none()) {
            reading.ours.extend(nobody(&known, around));
        }
        reading
    }

    /// Makes the sighting of one of ours.
    pub(crate) fn sighting(
        one: &OursHere,
        names: (SightingId, LegId),
        line: &Line,
        sip_call_id: &str,
        stage: SightingStage,
    ) -> Sighting {
        Sighting {
            id: names.0,
            leg: names.1,
            line: line.id,
            user: one.user,
            extension: one.extension.clone(),
            server: one.server.clone(),
            side: one.side,
            party: one.party.clone(),
            reach: one.reach,
            did: None,
            sip_call_id: Some(sip_call_id.to_owned()),
            stage,
        }
    }

    /// Says whose voice each stream carries, by the streams' labels in their order: one stream alone carries everybody's;
    /// of several that carry one role the last counts; what no document assigns takes the role that is free.
    pub(crate) fn voices(&self, labels: &[Option<String>]) -> (Voices, Vec<(usize, Voice)>) {
        if let [_] = labels {
            return (Voices::Mixed, vec![(0, Voice::Both)]);
        }
        let role_of = |label: &Option<String>| {
            let label = label.as_ref()?;
            let told = self.labels.iter().rev().find(|(known, _)| known == label);
            told.map(|(_, role)| *role)
        };
        let told: Vec<Option<PartyRole>> = labels.iter().map(role_of).collect();
        let mut voices = Vec::new();
        for role in [PartyRole::Customer, PartyRole::Agent] {
            let by_label = self.labels.iter().rev().find_map(|(label, of)| {
                let place = labels.iter().position(|known| known.as_ref() == Some(label));
                place.filter(|_| *of == role)
            });
            let free = || {
                let taken = |index: &usize| voices.iter().any(|(known, _)| known == index);
                (0..told.len()).find(|index| told.get(*index) == Some(&None) && !taken(index))
            };
            let voice = if role == PartyRole::Customer { Voice::Customer } else { Voice::Agent };
            if let Some(index) = by_label.or_else(free) {
                voices.push((index, voice));
            }
        }
        (Voices::Separate, voices)
    }
}

fn known<'a>(party: &'a Party, around: &Surroundings<'_>) -> Known<'a> {
    let account = party.who.aors.first().map(|aor| account_of(aor)).unwrap_or_default();
    let host = party.who.aors.first().and_then(|aor| host_of(aor));
    let own = around.directory.own(&account, &pbx_of(around.line), host.as_deref());
    Known { party, account, own }
}

/// Nobody of ours is among them: the one with an internal number is, else the last, who was called.
fn claim_one(known: &mut [Known<'_>], around: &Surroundings<'_>) {
    if known.len() < 2 || known.iter().any(|known| known.own.is_some()) {
        return;
    }
    let inside = |known: &Known<'_>| {
        let number = around.plan.number(&known.account);
        number.e164.is_none() && number.extension.is_some()
    };
    let index = known.iter().position(inside).unwrap_or(known.len().saturating_sub(1));
    if let Some(one) = known.get_mut(index) {
        one.own = Some(Own { user: None, server: pbx_of(around.line) });
    }
}

fn first_of(known: &[Known<'_>], ours: bool) -> Option<usize> {
    known.iter().position(|known| known.own.is_some() == ours)
}

/// Says on which side our first one is, and what tells it.
fn direction(
    session: &RecordedSession,
    known: &[Known<'_>],
    around: &Surroundings<'_>,
) -> (Side, DirectionEvidence) {
    if let Some(settled) = around.settled {
        return settled;
    }
    let side_of = |own_called: bool| if own_called { Side::Calling } else { Side::Called };
    let ours = known.iter().find(|known| known.own.is_some());
    let other = known.iter().find(|known| known.own.is_none());
    let told = ours.and_then(|it| it.party.who.called).or_else(|| Some(!other?.party.who.called?));
    let told = told.or_else(|| session.sessions.iter().find_map(|session| session.recorded_end_called));
    if let Some(own_called) = told {
        return (side_of(own_called), DirectionEvidence::Extension);
    }
    let seen = ours.and_then(|it| (around.seen)(&it.account, &it.own.as_ref()?.server));
    if let Some(side) = seen {
        return (side, DirectionEvidence::SeenElsewhere);
    }
    let since = |known: Option<&Known<'_>>| known.and_then(|it| time(it.party.associated.as_deref()));
    match (since(ours), since(other)) {
        (Some(own), Some(other)) if own != other => (side_of(own < other), DirectionEvidence::JoinedFirst),
        _ => (Side::Called, DirectionEvidence::Nothing),
    }
}

/// The other party of one of ours: the customer who is there, else who was; of an internal call the other one.
fn other_of<'k, 'a>(known: &'k [Known<'a>], index: usize, all_ours: bool) -> Option<&'k Known<'a>> {
    let others = || {
        let others = known.iter().enumerate().filter(move |(other, _)| *other != index);
        others.map(|(_, known)| known).filter(move |known| all_ours || known.own.is_none())
    };
    others().find(|known| known.party.presence == Presence::Here).or_else(|| others().next_back())
}

fn here(
    one: &Known<'_>,
    own: &Own,
    side: Side,
    other: Option<&Known<'_>>,
    around: &Surroundings<'_>,
) -> OursHere {
    let (party, reach) = caller_of(other, side, around);
    OursHere {
        id: one.party.who.id.clone(),
        extension: one.account.clone(),
        server: own.server.clone(),
        user: own.user,
        side,
        party,
        reach,
    }
}

/// Only somebody of the other side is there: the call is seen by the line itself.
fn nobody(known: &[Known<'_>], around: &Surroundings<'_>) -> Option<OursHere> {
    let here = known.iter().find(|known| known.party.presence == Presence::Here);
    let gone = known.iter().any(|known| known.own.is_some());
    let (party, reach) = caller_of(here, Side::Called, around);
    (!gone).then(|| OursHere {
        id: String::new(),
        extension: around.line.account.username.clone(),
        server: pbx_of(around.line),
        user: around.line.account.user_id,
        side: Side::Called,
        party,
        reach,
    })
}

fn caller_of(known: Option<&Known<'_>>, side: Side, around: &Surroundings<'_>) -> (Caller, Reach) {
    let participant = known.map(|known| Participant {
        display: known.party.who.name.clone(),
        identity: known.party.who.aors.first().cloned(),
        ..Participant::default()
    });
    let prefix = around.line.account.dial_prefix.as_deref();
    sightings::party_of(around.plan, participant.as_ref(), side, prefix)
}

fn shown(known: &Known<'_>, role: PartyRole, around: &Surroundings<'_>, now: UtcMillis) -> RecordedParty {
    let party = known.party;
    let (caller, _) = caller_of(Some(known), Side::Called, around);
    let gone = (party.presence == Presence::Gone).then_some(now);
    RecordedParty {
        id: party.who.id.clone(),
        address: party.who.aors.first().cloned(),
        name: party.who.name.clone(),
        number: caller.number,
        role,
        user_id: known.own.as_ref().and_then(|own| own.user),
        associated_at: time(party.associated.as_deref()),
        disassociated_at: time(party.disassociated.as_deref()).or(gone),
    }
}

/// Reads a time; one without its zone is in UTC, as the drafts have it.
fn time(text: Option<&str>) -> Option<UtcMillis> {
    let text = text?;
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

/// The user part of an address of record, or the number of a `tel:` one.
fn account_of(aor: &str) -> String {
    match Uri::parse(aor.trim().as_bytes()) {
        Ok(Uri::Sip(uri)) => {
            let user = uri.user.as_deref().map(unescape).unwrap_or_default();
            String::from_utf8_lossy(&user).into_owned()
        }
        Ok(Uri::Tel(uri)) => uri.number.clone(),
        Ok(Uri::Other(_)) | Err(_) => aor.trim().to_owned(),
    }
}

fn host_of(aor: &str) -> Option<String> {
    match Uri::parse(aor.trim().as_bytes()) {
        Ok(Uri::Sip(uri)) => Some(uri.host.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
