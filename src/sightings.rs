//! What a PBX tells of an extension's dialogs (RFC 4235), in the vocabulary of calls.

use linecard_calls::{
    Caller, IdentitySource, LegId, Reach, Side, Sighting, SightingEnd, SightingId, SightingOver,
    SightingStage,
};
use linecard_crm::{
    CallerNumber, Destination, DialPlan, IdentityHeaders, Party, choose_identity, dialled_part,
};
use linecard_sip::dialog_info::{
    DialogDirection, DialogState, Participant, ReportedDialog, TerminationCause,
};
use linecard_sip::uri::Uri;
use linecard_store::lines::Line;

use crate::directory::pbx_of;
use crate::translate;

/// Reads what is told of one dialog of the line's extension; `reach` when it is known already.
pub(crate) fn of_dialog(
    plan: &DialPlan,
    line: &Line,
    dialog: &ReportedDialog,
    reach: Option<Reach>,
    id: SightingId,
    leg: LegId,
) -> Sighting {
    let account = &line.account;
    let side = side_of(dialog);
    let (party, told) = party_of(plan, dialog.remote.as_ref(), side, account.dial_prefix.as_deref());
    let local = dialog.local.as_ref().and_then(account_of);
    let holds = dialog.local.as_ref().and_then(|local| local.rendering) == Some(false);
    Sighting {
        id,
        leg,
        line: line.id,
        user: account.user_id,
        extension: account.username.clone(),
        server: pbx_of(line),
        side,
        party,
        reach: reach.unwrap_or(told),
        did: local
            .filter(|local| *local != account.username && side == Side::Called)
            .map(|local| translate::called_number(plan, local)),
        sip_call_id: dialog.call_id.clone(),
        stage: match dialog.state {
            DialogState::Confirmed if holds => SightingStage::Holding,
            DialogState::Confirmed => SightingStage::Talking,
            _ => SightingStage::Ringing,
        },
    }
}

/// Who called. A PBX that does not say tells nothing of a dialog but its state: what rings was called, and what talks
/// without having rung has called (Asterisk).
fn side_of(dialog: &ReportedDialog) -> Side {
    match (dialog.direction, dialog.state) {
        (Some(DialogDirection::Recipient), _) => Side::Called,
        (Some(DialogDirection::Initiator), _) | (None, DialogState::Confirmed) => Side::Calling,
        (None, _) => Side::Called,
    }
}

/// Reads the other party from its identity; its target may be a code that picks the call up (FreeSWITCH).
pub(crate) fn party_of(
    plan: &DialPlan,
    remote: Option<&Participant>,
    side: Side,
    prefix: Option<&str>,
) -> (Caller, Reach) {
    let Some(identity) = remote.and_then(|remote| remote.identity.as_deref()) else {
        return (Caller::default(), Reach::Outside);
    };
    let headers = vec![("remote identity".to_owned(), identity.to_owned())];
    if side == Side::Calling {
        return called_party(plan, identity, prefix, headers);
    }
    let display = remote.and_then(|remote| remote.display.clone());
    let from = Party { display, uri: identity.to_owned(), privacy: None };
    let chosen = choose_identity(plan, &IdentityHeaders { from, ..IdentityHeaders::default() });
    let reach = match chosen.number {
        CallerNumber::Extension { .. } => Reach::Inside,
        _ => Reach::Outside,
    };
    let withheld = matches!(chosen.number, CallerNumber::Withheld { .. });
    let caller = Caller {
        number: chosen.number.call_number().map(str::to_owned),
        dialled: chosen.received,
        display: chosen.display,
        chosen: if withheld { IdentitySource::Nothing } else { IdentitySource::From },
        headers,
    };
    (caller, reach)
}

/// Reads whom an extension called: what was dialled, without what the PBX wants in front of it.
fn called_party(
    plan: &DialPlan,
    identity: &str,
    prefix: Option<&str>,
    headers: Vec<(String, String)>,
) -> (Caller, Reach) {
    let dialled = dialled_part(identity);
    let without = prefix.filter(|prefix| !prefix.is_empty()).and_then(|prefix| dialled.strip_prefix(prefix));
    let reach = |destination: &Destination| match destination {
        Destination::Outside { .. } => Reach::Outside,
        Destination::Inside(_) => Reach::Inside,
        Destination::Special(_) => Reach::Special,
    };
    let outside = without.and_then(|bare| Destination::read(plan, bare).ok());
    let outside = outside.filter(|destination| reach(destination) == Reach::Outside);
    let destination = outside.or_else(|| Destination::read(plan, &dialled).ok());
    let caller = Caller {
        number: destination.as_ref().map(|destination| destination.number().to_owned()),
        dialled: Some(dialled),
        display: None,
        chosen: IdentitySource::From,
        headers,
    };
    (caller, destination.as_ref().map_or(Reach::Outside, reach))
}

/// The user part of a party's identity.
pub(crate) fn account_of(party: &Participant) -> Option<String> {
    let uri = Uri::parse(party.identity.as_deref()?.as_bytes()).ok()?;
    uri.as_sip()?.user.clone()
}

/// Reads what the end of a dialog was told as.
pub(crate) fn over(id: SightingId, was: &ReportedDialog, told: Option<DialogState>) -> SightingOver {
    let Some(DialogState::Terminated { cause, status }) = told else {
        return SightingOver { id, end: SightingEnd::Untold, status: None, reasons: Vec::new() };
    };
    let talked = was.state == DialogState::Confirmed;
    let end = match cause {
        None => SightingEnd::Untold,
        Some(TerminationCause::Cancelled) => SightingEnd::Cancelled,
        Some(TerminationCause::Rejected) => SightingEnd::Rejected,
        Some(TerminationCause::Replaced) => SightingEnd::Replaced,
        Some(TerminationCause::LocalBye) => SightingEnd::HungUp,
        Some(TerminationCause::RemoteBye) => SightingEnd::OtherHungUp,
        Some(TerminationCause::Timeout) if !talked => SightingEnd::RangOut,
        Some(TerminationCause::Error | TerminationCause::Timeout) => SightingEnd::Fault,
    };
    SightingOver { id, end, status, reasons: Vec::new() }
}

#[cfg(test)]
mod tests;
