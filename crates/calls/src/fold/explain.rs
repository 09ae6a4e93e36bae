//! Says in dated sentences what the signals of a call show, and which rule decided its outcome.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::{gather, in_order};
use super::judge::judge;
use super::verdict::Rule;
use crate::id::{CallId, InteractionId, LegId};
use crate::interaction::Outcome;
use crate::opening::DialRequest;
use crate::quality::{Grade, LegQuality, PathQuality};
use crate::recorded::{DirectionEvidence, RecordedParty, SessionTold, Voices, end_text};
use crate::sighting::{Side, Sighting, SightingEnd, SightingOver, SightingStage};
use crate::signal::{
    CancelCause, EndCause, IdentitySource, Lookup, MediaFault, Offer, Reason, Signal, SignalBody, Source,
};
use crate::time::{UtcMillis, rfc3339};
use crate::transfer::{TransferFault, TransferKind, TransferRequest, TransferTarget};

/// Why an interaction is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// Its call.
    pub call_id: CallId,
    /// What was seen, in the fold's order, duplicates left out.
    pub sentences: Vec<Sentence>,
    /// The outcome; `None` while the call is open.
    pub outcome: Option<Outcome>,
    /// The rule that decided it.
    pub rule: Rule,
    /// The rule in English.
    pub verdict: String,
}

/// One dated sentence; a reader in another language translates `key` with `params`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    /// When it was seen.
    #[serde(with = "rfc3339")]
    pub at: UtcMillis,
    /// Who saw it.
    pub source: Source,
    /// The leg it is about.
    pub leg_id: Option<LegId>,
    /// What kind of sentence it is.
    pub key: String,
    /// What fills it.
    pub params: BTreeMap<String, String>,
    /// The sentence in English.
    pub text: String,
}

/// Explains the signals of one call; `None` when the signal that opens it is missing.
pub fn explain(signals: &[Signal]) -> Option<Explanation> {
    let facts = gather(signals)?;
    let verdict = judge(&facts);
    Some(Explanation {
        interaction_id: facts.opening.interaction(),
        call_id: facts.call_id,
        sentences: in_order(signals).into_iter().map(sentence).collect(),
        outcome: verdict.outcome,
        rule: verdict.rule,
        verdict: rule_text(verdict.rule).to_owned(),
    })
}

/// A sentence before it is dated.
struct Said {
    key: &'static str,
    leg: Option<LegId>,
    params: BTreeMap<String, String>,
    text: String,
}

fn said(key: &'static str, leg: Option<LegId>, params: &[(&str, String)], text: impl Into<String>) -> Said {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Said { key, leg, params, text: text.into() }
}

fn sentence(signal: &Signal) -> Sentence {
    let said = of_call(&signal.body)
        .or_else(|| of_turn(&signal.body))
        .or_else(|| of_leg(&signal.body))
        .or_else(|| of_leg_end(&signal.body))
        .or_else(|| of_recording(&signal.body))
        .or_else(|| of_watch(&signal.body))
        .unwrap_or_else(|| of_edit(&signal.body));
    Sentence {
        at: signal.observed_at,
        source: signal.source,
        leg_id: said.leg,
        key: said.key.to_owned(),
        params: said.params,
        text: said.text,
    }
}

fn of_offer(offer: &Offer) -> Said {
    let caller = &offer.caller;
    let line = ("line", offer.line.to_string());
    let leg = Some(offer.leg);
    match (&caller.number, caller.chosen, &caller.dialled) {
        (Some(number), ..) => {
            let text = format!("The line was called; the caller's number is {number}.");
            said("leg_offered", leg, &[("number", number.clone()), line], text)
        }
        (None, IdentitySource::Nothing, _) | (None, _, None) => {
            let text = "The line was called; the caller's number is withheld.";
            said("leg_offered", leg, &[("number", "withheld".to_owned()), line], text)
        }
        (None, _, Some(name)) => {
            let text = format!("The line was called by \"{name}\", which is no telephone number.");
            said("leg_offered_by_name", leg, &[("name", name.clone()), line], text)
        }
    }
}

fn of_request(request: &DialRequest) -> Said {
    let number = request.callee.number.clone();
    let text = format!("A user asked for a call to {number}.");
    let params = [("number", number), ("user", request.user.to_string()), ("line", request.line.to_string())];
    said("dial_requested", None, &params, text)
}

fn of_call(body: &SignalBody) -> Option<Said> {
    Some(match body {
        SignalBody::LegOffered(offer) => of_offer(offer),
        SignalBody::DialRequested(request) => of_request(request),
        SignalBody::Routed(route) => {
            let devices = route.devices.len();
            let user = route.user.map(|user| user.to_string()).unwrap_or_default();
            let text = route_text(route);
            let absent = absent(route);
            let key = if absent == 0 { "routed" } else { "routed_absent" };
            let params = [("user", user), ("devices", devices.to_string()), ("absent", absent.to_string())];
            said(key, None, &params, text)
        }
        SignalBody::RouteUnavailable {} => {
            said("route_unavailable", None, &[], "It could not be read in time whose line it is.")
        }
        SignalBody::UserInCall { user, other } => {
            let text = format!("The user was in call {other} and takes one call at a time.");
            said("user_in_call", None, &[("user", user.to_string()), ("other", other.to_string())], text)
        }
        SignalBody::MediaUnavailable { why: MediaFault::NoPort } => {
            said("media_unavailable", None, &[], "No RTP port was free.")
        }
        SignalBody::MediaUnavailable { why: MediaFault::NoRoom } => {
            said("media_full", None, &[], "As many talks were relayed as this machine can bear.")
        }
        SignalBody::MediaUnavailable { why: MediaFault::NoCodec } => {
            said("no_common_codec", None, &[], "The caller offered no codec that can be passed on.")
        }
        SignalBody::MediaUnavailable { why: MediaFault::NoEncryption } => said(
            "no_common_encryption",
            None,
            &[],
            "The caller's offer does not fit how talks are encrypted here.",
        ),
        SignalBody::ContactLookedUp { candidates, lookup, .. } => {
            let count = candidates.len();
            let text = match (lookup, count) {
                (Lookup::Done, 0) => "Nobody is known by this number.".to_owned(),
                (Lookup::Done, _) => format!("The number fits {count} contact(s)."),
                _ => "The contacts could not be read.".to_owned(),
            };
            said("contact_looked_up", None, &[("candidates", count.to_string())], text)
        }
        _ => return None,
    })
}

/// How many of the devices are telephones that were not registered.
fn absent(route: &crate::signal::Route) -> usize {
    let is_absent = |device: &&crate::signal::RoutedDevice| {
        matches!(device.address, crate::signal::DeviceAddress::Phone { contact: None })
    };
    route.devices.iter().filter(is_absent).count()
}

fn route_text(route: &crate::signal::Route) -> String {
    let how = match route.ring {
        crate::signal::Ring::Together => "together",
        crate::signal::Ring::InOrder => "in order, each",
    };
    let devices = route.devices.len();
    match route.user {
        None => "The line belongs to nobody.".to_owned(),
        Some(_) => {
            let absent = match absent(route) {
                0 => String::new(),
                absent => format!(" {absent} of them, telephones, were not registered."),
            };
            format!(
                "The line's user has {devices} device(s); they ring {how} for {} ms.{absent}",
                route.ring_timeout_ms
            )
        }
    }
}

fn of_turn(body: &SignalBody) -> Option<Said> {
    Some(match body {
        SignalBody::Bridged { agent, .. } => {
            said("bridged", Some(*agent), &[], "Customer and agent were connected.")
        }
        SignalBody::PartyNamed { leg, party } => {
            let number = party.number.clone().unwrap_or_default();
            let text = format!("The other side is connected with {number} now.");
            said("party_named", Some(*leg), &[("number", number)], text)
        }
        SignalBody::HoldRequested { user } => {
            let text = "A user put the customer on hold in the interface.";
            said("hold_requested", None, &[("user", user.to_string())], text)
        }
        SignalBody::RetrieveRequested { user } => {
            let text = "A user took the customer back in the interface.";
            said("retrieve_requested", None, &[("user", user.to_string())], text)
        }
        SignalBody::TransferRequested(request) => of_transfer(request),
        SignalBody::TransferFailed { why } => of_transfer_fault(*why),
        SignalBody::ReferralSent { number, .. } => {
            let text = format!("The PBX was asked to connect the customer with {number}.");
            said("referral_sent", None, &[("number", number.clone())], text)
        }
        SignalBody::ReferralFailed { status } => {
            let text = format!("The PBX did not connect the customer ({status}).");
            said("referral_failed", None, &[("status", status.to_string())], text)
        }
        SignalBody::HandedToPbx { number } => {
            let after = "what follows is neither seen nor recorded here";
            let text = format!("The PBX connected the customer with {number}: {after}.");
            said("handed_to_pbx", None, &[("number", number.clone())], text)
        }
        SignalBody::DigitsSent { user, count } => {
            let params = [("user", user.to_string()), ("count", count.to_string())];
            said("dtmf_sent", None, &params, format!("{count} digit(s) were sent to the customer."))
        }
        SignalBody::HangUpRequested { user } => {
            let text = "A user hung up in the interface.";
            said("hang_up_requested", None, &[("user", user.to_string())], text)
        }
        SignalBody::Interrupted { alive_until } => {
            let text = format!("The server had died with the call open; it was last alive at {alive_until}.");
            said("interrupted", None, &[("alive_until", alive_until.to_string())], text)
        }
        SignalBody::LateDurable { signal } => {
            let text = format!("Signal {signal} was not safe within 100 ms; the call went on.");
            said("late_durable", None, &[("signal", signal.to_string())], text)
        }
        _ => return None,
    })
}

fn of_transfer(request: &TransferRequest) -> Said {
    let to = match &request.to {
        TransferTarget::User { name, route } => {
            name.clone().or_else(|| route.user.map(|user| user.to_string())).unwrap_or_default()
        }
        TransferTarget::Number { number, .. } => number.clone(),
    };
    let params = [("user", request.by.to_string()), ("to", to.clone())];
    match request.kind {
        TransferKind::Blind => {
            let text = format!("The customer is to be connected to {to} at once.");
            said("transfer_blind", None, &params, text)
        }
        TransferKind::Attended => {
            let text = format!("The customer waits while the agent asks {to}.");
            said("transfer_attended", None, &params, text)
        }
        TransferKind::Recall => {
            let text = "Nobody took the customer over and the agent had left, so the agent is rung again.";
            said("transfer_recall", None, &params, text)
        }
    }
}

fn of_transfer_fault(why: TransferFault) -> Said {
    let why = match why {
        TransferFault::Busy => "the other was busy",
        TransferFault::Declined => "the other declined",
        TransferFault::NoAnswer => "the other did not answer in time",
        TransferFault::Unreachable => "the other could not be reached",
        TransferFault::GivenUp => "the agent took the customer back",
        TransferFault::OtherLeft => "the other hung up while the agent asked",
    };
    said(
        "transfer_failed",
        None,
        &[("why", why.to_owned())],
        format!("The customer was not handed over: {why}."),
    )
}

fn of_leg(body: &SignalBody) -> Option<Said> {
    Some(match body {
        SignalBody::LegDialled { leg, user, device } => {
            let params = [("user", user.to_string()), ("device", device.to_string())];
            said("leg_dialled", Some(*leg), &params, format!("Device {device} was dialled."))
        }
        SignalBody::LegRedirected { leg, number, .. } => {
            let text = format!("The phone sent the call on to {number}.");
            said("leg_redirected", Some(*leg), &[("number", number.clone())], text)
        }
        SignalBody::PhoneDialled { leg, user, device } => {
            let params = [("user", user.to_string()), ("device", device.to_string())];
            let text = format!("The user dialled on device {device}, which waits for the answer.");
            said("phone_dialled", Some(*leg), &params, text)
        }
        SignalBody::LegProgressed { leg, status } => {
            let text = format!("The phone rings ({status}).");
            said("leg_progressed", Some(*leg), &[("status", status.to_string())], text)
        }
        SignalBody::OtherDialled { leg, number } => {
            let text = format!("{number} was dialled, to whom the customer is to be handed over.");
            said("other_dialled", Some(*leg), &[("number", number.clone())], text)
        }
        SignalBody::CalleeDialled { leg } => {
            said("callee_dialled", Some(*leg), &[], "The user is there; the one to be called is dialled.")
        }
        SignalBody::EarlyMedia { leg } => {
            said("early_media", Some(*leg), &[], "The called side sends sound before its answer.")
        }
        SignalBody::LegAnswered { leg } => said("leg_answered", Some(*leg), &[], "The leg was answered."),
        SignalBody::LegConfirmed { leg } => {
            said("leg_confirmed", Some(*leg), &[], "The customer's side confirmed the answer.")
        }
        SignalBody::DialogRecorded { leg, .. } => {
            said("dialog_recorded", Some(*leg), &[], "The dialog's state was written down.")
        }
        SignalBody::Held { leg } => said("held", Some(*leg), &[], "This party put the other on hold."),
        SignalBody::Retrieved { leg } => {
            said("retrieved", Some(*leg), &[], "This party came back from hold.")
        }
        SignalBody::PartyReplaced { leg } => {
            said("party_replaced", Some(*leg), &[], "Another phone took this party's place.")
        }
        SignalBody::LegMeasured { leg, quality } => of_quality(*leg, quality),
        SignalBody::MediaLost { leg } => {
            said("media_lost", Some(*leg), &[], "No media came any more and the party did not respond.")
        }
        _ => return None,
    })
}

/// Says how a leg was heard: both ways, or only the one that is counted here.
fn of_quality(leg: LegId, quality: &LegQuality) -> Said {
    let Some(received) = &quality.received else {
        return said("leg_unheard", Some(leg), &[], "Nothing came from this party.");
    };
    let mut params = figures(received, ["mos", "loss", "jitter_ms", "worst_mos"]);
    let heard = format!("This party came through {}.", in_words(received));
    let Some(sent) = &quality.sent else {
        return said("leg_measured", Some(leg), &params, heard);
    };
    params.extend(figures(sent, ["sent_mos", "sent_loss", "sent_jitter_ms", "sent_worst_mos"]));
    let text = format!("{heard} By its own reports it heard the other {}.", in_words(sent));
    said("leg_measured_both", Some(leg), &params, text)
}

fn figures(path: &PathQuality, names: [&'static str; 4]) -> Vec<(&'static str, String)> {
    let worst = path.worst.as_ref().map_or(path.mos, |worst| worst.mos);
    let [mos, worst] = [path.mos, worst].map(|mos| format!("{mos:.2}"));
    let values = [mos, format!("{:.1}", path.loss_percent), format!("{:.0}", path.jitter_ms), worst];
    names.into_iter().zip(values).collect()
}

fn in_words(path: &PathQuality) -> String {
    let how = match path.grade {
        Grade::Good => "well",
        Grade::Fair => "fairly",
        Grade::Poor => "poorly",
    };
    let PathQuality { mos, loss_percent, jitter_ms, .. } = path;
    let worst = path.worst.as_ref().map_or(*mos, |worst| worst.mos);
    format!("{how} (MOS {mos:.2}, at worst {worst:.2}; {loss_percent:.1} % lost, jitter {jitter_ms:.0} ms)")
}

fn of_leg_end(body: &SignalBody) -> Option<Said> {
    Some(match body {
        SignalBody::LegRejected { leg, status, reasons } => {
            let text = format!("The leg was refused with {status}{}.", reason_text(reasons));
            said("leg_rejected", Some(*leg), &[("status", status.to_string())], text)
        }
        SignalBody::LegCancelled { leg, by, reasons } => {
            let why = match by {
                CancelCause::Remote => "the caller gave up",
                CancelCause::AnsweredElsewhere => "another device was answered",
                CancelCause::RingTimeout => "the ring time was over",
                CancelCause::DeclinedElsewhere => "the user declined on another device",
                CancelCause::CallerGone => "the caller had gone",
                CancelCause::AgentGone => "the user was not at the phone, or hung up",
                CancelCause::HungUp => "a user hung up in the interface",
                CancelCause::System => "a fault",
            };
            let text = format!("The leg was cancelled: {why}{}.", reason_text(reasons));
            said("leg_cancelled", Some(*leg), &[("by", why.to_owned())], text)
        }
        SignalBody::LegEnded { leg, by, reasons } => {
            let why = match by {
                EndCause::Remote => "its party hung up",
                EndCause::Local => "the server ended it",
                EndCause::HungUp => "a user hung up in the interface",
                EndCause::System => "a fault",
            };
            let text = format!("The leg ended: {why}{}.", reason_text(reasons));
            said("leg_ended", Some(*leg), &[("by", why.to_owned())], text)
        }
        _ => return None,
    })
}

fn of_watch(body: &SignalBody) -> Option<Said> {
    Some(match body {
        SignalBody::CallSighted { sighting, .. } | SignalBody::Sighted(sighting) => of_sighting(sighting),
        SignalBody::SightingOver(over) => of_sighting_over(over),
        SignalBody::SessionTold(told) => of_session(told),
        SignalBody::SessionOver { leg, by } => {
            let why = end_text(*by);
            let text = format!("The recording session is over: {why}.");
            said("session_over", Some(*leg), &[("by", why.to_owned())], text)
        }
        SignalBody::WatchOver {} => {
            said("watch_over", None, &[], "Nobody saw the call any more, so it counts as over.")
        }
        _ => return None,
    })
}

fn of_sighting(sighting: &Sighting) -> Said {
    let number = sighting.party.number.clone().unwrap_or_else(|| "unknown".to_owned());
    let params = [("extension", sighting.extension.clone()), ("number", number.clone())];
    let (extension, leg) = (&sighting.extension, Some(sighting.leg));
    match (sighting.side, sighting.stage) {
        (Side::Called, SightingStage::Ringing) => {
            let text = format!("Extension {extension} was seen to ring; the other party is {number}.");
            said("seen_ringing", leg, &params, text)
        }
        (Side::Calling, SightingStage::Ringing) => {
            said("seen_calling", leg, &params, format!("Extension {extension} was seen to call {number}."))
        }
        (_, SightingStage::Holding) => {
            let text = format!("Extension {extension} was seen to hold the other party.");
            said("seen_holding", leg, &params, text)
        }
        (_, SightingStage::Talking) => {
            let text = format!("Extension {extension} was seen to talk; the other party is {number}.");
            said("seen_talking", leg, &params, text)
        }
    }
}

fn of_session(told: &SessionTold) -> Said {
    let party = |party: &RecordedParty| {
        party.number.clone().or_else(|| party.address.clone()).unwrap_or_else(|| "somebody".to_owned())
    };
    let here = told.parties.iter().filter(|party| party.disassociated_at.is_none());
    let parties = here.map(party).collect::<Vec<_>>().join(", ");
    let direction = match told.direction_by {
        DirectionEvidence::Extension => "an extension of its vendor tells who called",
        DirectionEvidence::JoinedFirst => "whoever takes part for longer called",
        DirectionEvidence::SeenElsewhere => "who called is known from the PBX",
        DirectionEvidence::Nothing => "nothing tells who called, so it counts as a call that came in",
    };
    let voices = match told.voices {
        Voices::Separate => "each voice comes in a stream of its own",
        Voices::Mixed => "all voices come in one stream, so that both channels are alike",
    };
    let text = format!("A recording client tells of the call of {parties}: {direction}; {voices}.");
    let params = [("parties", parties), ("direction", direction.to_owned()), ("voices", voices.to_owned())];
    said("session_told", Some(told.leg), &params, text)
}

fn of_sighting_over(over: &SightingOver) -> Said {
    let how = match over.end {
        SightingEnd::Cancelled => "it was cancelled before an answer",
        SightingEnd::Rejected => "it was refused",
        SightingEnd::Replaced => "another dialog took its place",
        SightingEnd::HungUp => "the extension hung up",
        SightingEnd::OtherHungUp => "the other party hung up",
        SightingEnd::Fault => "a fault",
        SightingEnd::RangOut => "it rang for too long",
        SightingEnd::Untold => "the reason is not told",
        SightingEnd::Blind => "the PBX tells of it no more",
    };
    let status = over.status.map(|status| format!(" with {status}")).unwrap_or_default();
    let text = format!("The extension's part is over: {how}{status}{}.", reason_text(&over.reasons));
    said("seen_over", None, &[("how", how.to_owned())], text)
}

fn of_recording(body: &SignalBody) -> Option<Said> {
    Some(match body {
        SignalBody::RecordingOpened { recording, .. } => {
            said("recording_opened", None, &[("recording", recording.to_string())], "The recording began.")
        }
        SignalBody::RecordingClosed(closed) => {
            let text = format!("The recording is complete, {} ms long.", closed.duration_ms);
            let params = [
                ("recording", closed.recording.to_string()),
                ("duration_ms", closed.duration_ms.to_string()),
            ];
            said("recording_closed", None, &params, text)
        }
        SignalBody::RecordingFailed { recording, why } => {
            let params = [("recording", recording.to_string()), ("why", why.clone())];
            said("recording_failed", None, &params, format!("The recording failed: {why}."))
        }
        _ => return None,
    })
}

fn of_edit(body: &SignalBody) -> Said {
    match body {
        SignalBody::NoteEdited { user, .. } => {
            said("note_edited", None, &[("user", user.to_string())], "Notes were written.")
        }
        SignalBody::DispositionChosen { disposition, user } => {
            let chosen = disposition.clone().unwrap_or_default();
            let params = [("user", user.to_string()), ("disposition", chosen)];
            said("disposition_chosen", None, &params, "A disposition was chosen.")
        }
        SignalBody::ContactChosen { contact, user } => {
            let chosen = contact.map(|contact| contact.to_string()).unwrap_or_default();
            let params = [("user", user.to_string()), ("contact", chosen)];
            said("contact_chosen", None, &params, "A user said who the customer is.")
        }
        SignalBody::MissedClaimed { user } => {
            said("missed_claimed", None, &[("user", user.to_string())], "A user took the missed call over.")
        }
        SignalBody::MissedClosed { user } => {
            said("missed_closed", None, &[("user", user.to_string())], "A user closed the missed call.")
        }
        _ => said("seen", None, &[], "Something else was seen."),
    }
}

fn reason_text(reasons: &[Reason]) -> String {
    let one = |reason: &Reason| match (reason.cause, reason.text.as_deref()) {
        (Some(cause), Some(text)) => format!("{} {cause} {text}", reason.protocol),
        (Some(cause), None) => format!("{} {cause}", reason.protocol),
        (None, Some(text)) => format!("{} {text}", reason.protocol),
        (None, None) => reason.protocol.clone(),
    };
    if reasons.is_empty() {
        return String::new();
    }
    format!(" ({})", reasons.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn rule_text(rule: Rule) -> &'static str {
    match rule {
        Rule::StillOpen => "The customer's leg is open, so there is no outcome yet.",
        Rule::Connected => "Answered: customer and agent were connected.",
        Rule::CutByCrash => "Interrupted: the server died before the customer's leg ended.",
        Rule::CallerLeft => "Abandoned: the caller left before anybody was connected.",
        Rule::CallerLost => "Failed: the caller's leg was lost before anybody was connected.",
        Rule::UserInCall => "Busy: the user had another call and takes one at a time; no device rang.",
        Rule::NoMedia => "Failed: no RTP port was free.",
        Rule::NoRoom => "Failed: as many talks were relayed as this machine can bear.",
        Rule::NoCodec => "Failed: the caller offered no codec that is spoken here (G.711, G.722 or Opus).",
        Rule::NoEncryption => {
            "Failed: the caller's offer does not fit how talks are encrypted here (media.srtp)."
        }
        Rule::NoRoute => "Failed: it could not be read whose line it is.",
        Rule::DeclinedInInterface => "Rejected: a user hung up in the interface before the answer.",
        Rule::NobodyToRing => "No answer: the line has no user, or the user no device.",
        Rule::DeclinedOnDevice => "Rejected: the user declined, or hung up before the caller was connected.",
        Rule::RangOut => "No answer: the ring time was over and nobody had declined.",
        Rule::DevicesBusy => "Busy: no device rang to the end, and a device was busy.",
        Rule::DevicesAbsent => "No answer: no device could be reached.",
        Rule::DevicesFaulty => "Failed: every device answered with a fault.",
        Rule::StatusOnly => "Judged by the final status alone: nothing else was seen.",
        Rule::AgentNeverThere => "Canceled: the user's own phone was not picked up; nobody else was dialled.",
        Rule::AgentUnreachable => {
            "Failed: the user's own phone answered with a fault; nobody else was dialled."
        }
        Rule::AgentLeft => "Canceled: the user hung up before the called one answered.",
        Rule::CalleeBusy => "Busy: the called one was busy.",
        Rule::CalleeDeclined => "Rejected: the called one declined.",
        Rule::CalleeSilent => "No answer: the called one did not answer.",
        Rule::SeenTalking => "Answered: an extension was seen to talk.",
        Rule::AnsweredElsewhere => {
            "Answered elsewhere: no extension that is watched was seen to talk, no refusal was told, and the PBX gave as its reason that another phone was answered."
        }
        Rule::SeenRefused => {
            "The extensions that were called refused; a person's refusal counts above a busy phone."
        }
        Rule::SeenRingOut => "No answer: an extension rang for too long.",
        Rule::SeenUnanswered => {
            "Not answered: no extension that is watched was seen to talk, and nothing tells of an answer elsewhere."
        }
        Rule::CalleeUnreachable => "Failed: the called one could not be reached, or the network refused.",
    }
}
