//! Between the vocabulary of SIP and that of calls: exhaustive matches and nothing else.

use std::time::Instant;

use linecard_calls::quality::told;
use linecard_calls::{
    Caller, EndCause, Grade, HangUpReason, IdentitySource, Input, LegId, LegQuality, LineState, PathQuality,
    Reason, RecordingClosed, RecordingId, Span, SpanKind, UtcMillis, WindowQuality,
};
use linecard_crm::{CallerNumber, DialPlan, IdentityHeaders, Party, choose_identity};
use linecard_sip::dialog::DialogRecord;
use linecard_sip::invite;
use linecard_sip::message::{HeaderName, NameAddr, ReasonValue, Request};
use linecard_sip::registration::{RegistrationState, WaitReason};
use linecard_sip::subscription::{self, SubscriptionState};
use linecard_sip::ua::PeerIdentity;
use serde::{Deserialize, Serialize};

use crate::trouble::Trouble;
use crate::{media, recorder};

/// How a line stands, apart from which line it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineStanding {
    pub(crate) state: LineState,
    /// None when nobody has to do anything.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) expires_at: Option<UtcMillis>,
    pub(crate) contacts: u32,
}

/// Reads who calls from an INVITE's identity headers.
pub(crate) fn caller(plan: &DialPlan, request: &Request) -> Caller {
    let headers = &request.headers;
    let identity = IdentityHeaders {
        asserted: headers.asserted_identity().iter().map(party).collect(),
        remote_party: headers.remote_party_id().iter().map(party).collect(),
        from: headers.from_().map(|from| party(&from)).unwrap_or_default(),
        privacy: headers.text(&HeaderName::from("Privacy")).map(|text| text.into_owned()),
    };
    let chosen = choose_identity(plan, &identity);
    let named = ["From", "P-Asserted-Identity", "Remote-Party-ID", "Privacy", "Diversion"];
    let received = headers.iter().filter_map(|header| {
        let name = *named.iter().find(|name| HeaderName::from(**name) == header.name)?;
        Some((name.to_owned(), linecard_sip::message::readable(&header.value).into_owned()))
    });
    Caller {
        number: chosen.number.call_number().map(str::to_owned),
        dialled: chosen.received,
        display: chosen.display,
        chosen: match (&chosen.number, chosen.source) {
            (CallerNumber::Withheld { .. }, _) => IdentitySource::Nothing,
            (_, source) => header_of(source),
        },
        headers: received.collect(),
    }
}

/// Names the header that an identity was taken from.
fn header_of(source: linecard_crm::IdentitySource) -> IdentitySource {
    match source {
        linecard_crm::IdentitySource::Asserted => IdentitySource::AssertedIdentity,
        linecard_crm::IdentitySource::RemoteParty => IdentitySource::RemotePartyId,
        linecard_crm::IdentitySource::From => IdentitySource::From,
    }
}

/// Reads who is at the other end now; none when that is no telephone number or is kept back.
pub(crate) fn named(plan: &DialPlan, identity: &PeerIdentity) -> Option<Caller> {
    let told = IdentityHeaders {
        asserted: identity.asserted.iter().map(party).collect(),
        remote_party: identity.remote_party.iter().map(party).collect(),
        from: Party::default(),
        privacy: identity.privacy.clone(),
    };
    let chosen = choose_identity(plan, &told);
    let is_number = matches!(chosen.number, CallerNumber::E164 { .. } | CallerNumber::Extension { .. });
    is_number.then(|| Caller {
        number: chosen.number.call_number().map(str::to_owned),
        dialled: chosen.received,
        display: chosen.display,
        chosen: header_of(chosen.source),
        headers: Vec::new(),
    })
}

fn party(address: &NameAddr) -> Party {
    Party {
        display: address.display_text(),
        uri: address.uri.to_string(),
        privacy: address.params.unquoted("privacy"),
    }
}

/// Returns the number that was dialled: To, when it names another than the line's own account; else what is told of where
/// the call was before it came here: P-Called-Party-ID, the first target of History-Info, the first who diverted it.
pub(crate) fn did(plan: &DialPlan, request: &Request, username: &str) -> Option<String> {
    let headers = &request.headers;
    let to = headers.to().ok();
    let told = to.into_iter().chain(headers.called_party()).chain(headers.history());
    let told = told.chain(headers.diversions().into_iter().rev());
    let dialled = told.filter_map(|address| address.uri.as_sip()?.user.clone());
    let is_number = |user: &String| user.bytes().any(|byte| byte.is_ascii_digit());
    let mut others = dialled.filter(|user| user != username);
    let first = others.next()?;
    let told = if is_number(&first) { first } else { others.find(is_number).unwrap_or(first) };
    Some(called_number(plan, told))
}

/// Writes a number that was called as calls keep it: E.164, else as it was told.
pub(crate) fn called_number(plan: &DialPlan, told: String) -> String {
    plan.number(&told).e164.unwrap_or(told)
}

/// Returns what the end of a leg means to the engine; none when this end asked for it.
pub(crate) fn leg_ended(leg: LegId, cause: &invite::EndCause) -> Option<Input> {
    match cause {
        invite::EndCause::RemoteBye { reasons } => {
            Some(Input::LegEnded { leg, by: EndCause::Remote, reasons: self::reasons(reasons) })
        }
        invite::EndCause::LocalBye => None,
        invite::EndCause::Cancelled => Some(Input::LegRejected { leg, status: 487, reasons: Vec::new() }),
        invite::EndCause::AckTimeout | invite::EndCause::SessionExpired | invite::EndCause::Lost { .. } => {
            Some(Input::LegEnded { leg, by: EndCause::System, reasons: Vec::new() })
        }
    }
}

/// Returns how a leg was heard; `moment` is now on both clocks.
pub(crate) fn leg_quality(quality: &media::LegQuality, moment: (Instant, UtcMillis)) -> LegQuality {
    let mut received = quality.received.as_ref().map(|path| path_quality(path, moment));
    if let Some(received) = &mut received {
        received.burst_ratio = quality.received.map(|path| told(path.heard.burst_ratio));
        received.bursts = quality.received.map(|path| path.heard.bursts);
        received.burst_longest = quality.received.map(|path| path.heard.burst_longest);
        (received.duplicates, received.reordered) = (Some(quality.duplicates), Some(quality.reordered));
    }
    LegQuality {
        codec: quality.codec.map(|codec| codec.name().to_owned()),
        received,
        sent: quality.sent.as_ref().map(|path| path_quality(path, moment)),
        round_trip_ms: quality.round_trip.map(|round| told(round.mean_ms)),
        round_trip_max_ms: quality.round_trip.map(|round| told(round.max_ms)),
    }
}

/// Returns what is known of either direction.
fn path_quality(path: &media::PathQuality, moment: (Instant, UtcMillis)) -> PathQuality {
    let window = |window: &media::WindowQuality| WindowQuality {
        at: at_moment(window.began, moment),
        mos: told(window.mos),
        loss_percent: told(100.0 * window.loss),
        jitter_ms: told(window.jitter_ms),
    };
    let bad = match &path.standing {
        media::Standing::Well => None,
        media::Standing::Bad { window: bad, .. } => Some(window(bad)),
    };
    PathQuality {
        grade: Grade::of(path.mos),
        mos: told(path.mos),
        packets: path.heard.received,
        lost: path.heard.lost,
        loss_percent: told(100.0 * path.heard.loss),
        burst_ratio: None,
        bursts: None,
        burst_longest: None,
        duplicates: None,
        reordered: None,
        jitter_ms: told(path.heard.jitter_ms),
        jitter_max_ms: told(path.heard.jitter_max_ms),
        worst: path.worst.as_ref().map(window),
        bad,
    }
}

/// Returns a moment of the past on the wall clock.
fn at_moment(at: Instant, (now, wall): (Instant, UtcMillis)) -> UtcMillis {
    let ago_ms = i64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(i64::MAX);
    wall.plus_ms(ago_ms.saturating_neg())
}

/// Returns Reason headers as evidence.
pub(crate) fn reasons(values: &[ReasonValue]) -> Vec<Reason> {
    let reason = |value: &ReasonValue| Reason {
        protocol: value.protocol.clone(),
        cause: value.cause.and_then(|cause| u16::try_from(cause).ok()),
        text: value.text.clone(),
    };
    values.iter().map(reason).collect()
}

/// Returns the Reason header of a BYE.
pub(crate) fn hang_up_reason(reason: HangUpReason) -> ReasonValue {
    let (cause, text) = match reason {
        HangUpReason::OtherPartyGone => (200, "Other party hung up"),
        HangUpReason::AnsweredElsewhere => (200, "Call completed elsewhere"),
        HangUpReason::Transferred => (200, "Transferred"),
        HangUpReason::Requested => (200, "Hung up"),
        HangUpReason::MediaLost => (503, "No media"),
        HangUpReason::System => (503, "Server failure"),
    };
    ReasonValue { protocol: "SIP".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
}

/// Returns how a registration looks to an administrator.
pub(crate) fn standing(state: &RegistrationState, now: Instant, at: UtcMillis) -> LineStanding {
    let (state, trouble, expires_at, contacts) = match state {
        RegistrationState::Registered { expires_at, contacts } => {
            let left = expires_at.saturating_duration_since(now).as_millis();
            let at = at.plus_ms(i64::try_from(left).unwrap_or(i64::MAX));
            (LineState::Registered, None, Some(at), *contacts)
        }
        RegistrationState::Waiting { reason, .. } => (LineState::Trying, Trouble::of_wait(reason), None, 0),
        RegistrationState::Failed { reason, .. } => {
            (LineState::Failed, Some(Trouble::of_failure(reason)), None, 0)
        }
        RegistrationState::Idle
        | RegistrationState::Querying
        | RegistrationState::Registering
        | RegistrationState::Unregistering
        | RegistrationState::Unregistered => (LineState::Trying, None, None, 0),
    };
    LineStanding { state, trouble, expires_at, contacts: u32::try_from(contacts).unwrap_or(u32::MAX) }
}

/// Returns how a line that only watches looks to an administrator; none when nothing is to be said.
pub(crate) fn watch_standing(state: &SubscriptionState) -> Option<LineStanding> {
    let (state, trouble) = match state {
        SubscriptionState::Idle | SubscriptionState::Ended => return None,
        SubscriptionState::Asking => (LineState::Trying, None),
        SubscriptionState::Active => (LineState::Registered, None),
        SubscriptionState::Pending => (LineState::Trying, Some(Trouble::watch_pending())),
        SubscriptionState::Waiting { reason, .. } => match reason {
            subscription::WaitReason::Refused(refused) => {
                (LineState::Failed, Some(Trouble::of_watch_refused(*refused)))
            }
            reason => (LineState::Trying, Some(Trouble::of_watch_wait(reason))),
        },
    };
    Some(LineStanding { state, trouble, expires_at: None, contacts: 0 })
}

/// Tells whether a registration waits because nobody answers at the other end.
pub(crate) fn is_unreachable(state: &RegistrationState) -> bool {
    matches!(state, RegistrationState::Waiting { reason: WaitReason::Unreachable { .. }, .. })
}

/// Returns what a marked part of a recording is.
pub(crate) fn span_kind(kind: SpanKind) -> linecard_media::SpanKind {
    match kind {
        SpanKind::Hold => linecard_media::SpanKind::Hold,
        SpanKind::Loss => linecard_media::SpanKind::Loss,
        SpanKind::Masked => linecard_media::SpanKind::Masked,
        SpanKind::Transfer => linecard_media::SpanKind::Transfer,
    }
}

/// Returns what became of a recording.
pub(crate) fn recording_closed(id: RecordingId, closed: &recorder::ClosedRecording) -> Input {
    let state = match closed.state {
        recorder::RecordingState::Finished => linecard_calls::RecordingState::Finished,
        recorder::RecordingState::Truncated => linecard_calls::RecordingState::Truncated,
        recorder::RecordingState::Failed => {
            return Input::RecordingFailed { recording: id, why: "nothing could be written".to_owned() };
        }
    };
    Input::RecordingClosed(RecordingClosed {
        recording: id,
        state,
        duration_ms: closed.duration_ms,
        channels: 2,
        sample_rate_hz: closed.sample_rate_hz,
        sha256: closed.sha256.clone(),
        spans: spans(&closed.spans),
    })
}

/// Returns marked spans as the ledger keeps them.
pub(crate) fn spans(spans: &[linecard_media::Span]) -> Vec<Span> {
    let kind = |kind| match kind {
        linecard_media::SpanKind::Hold => SpanKind::Hold,
        linecard_media::SpanKind::Loss => SpanKind::Loss,
        linecard_media::SpanKind::Masked => SpanKind::Masked,
        linecard_media::SpanKind::Transfer => SpanKind::Transfer,
    };
    spans
        .iter()
        .map(|span| Span { kind: kind(span.kind), from_ms: span.from_ms, until_ms: span.until_ms })
        .collect()
}

/// A dialog as it lies in the ledger: the same words as [`DialogRecord`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "DialogRecord")]
struct DialogShape {
    call_id: String,
    local_uri: String,
    local_tag: String,
    remote_uri: String,
    remote_tag: String,
    remote_target: String,
    route_set: Vec<String>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    transport: String,
    local_addr: String,
    remote_addr: String,
    line: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Shaped(#[serde(with = "DialogShape")] DialogRecord);

/// Writes a dialog down for the ledger.
pub(crate) fn dialog_to_json(record: DialogRecord) -> serde_json::Value {
    serde_json::to_value(Shaped(record)).unwrap_or_default()
}

/// Reads a dialog of an earlier process; none when it is not one.
pub(crate) fn dialog_of_json(value: &serde_json::Value) -> Option<DialogRecord> {
    serde_json::from_value::<Shaped>(value.clone()).ok().map(|shaped| shaped.0)
}

#[cfg(test)]
mod tests;
