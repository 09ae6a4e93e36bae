//! Calls that are recorded here and go on elsewhere (RFC 7866): what a recording client tells of them, kept as it was
//! sent, and what its documents come to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{LegId, LineId, UserId};
use crate::signal::{EndCause, Signal, SignalBody};
use crate::time::{UtcMillis, rfc3339};

/// A recording client tells of a call, at the beginning of its session or in the middle of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTold {
    /// The leg of the recording session (see [`crate::Engine::make_leg`]).
    pub leg: LegId,
    /// The line to which the session came.
    pub line: LineId,
    /// Its Call-ID.
    pub sip_call_id: String,
    /// The name of the recorded communication session.
    pub session: Option<String>,
    /// Everybody who takes or took part, in the order in which they were told.
    pub parties: Vec<RecordedParty>,
    /// What tells who called.
    pub direction_by: DirectionEvidence,
    /// How the voices come.
    pub voices: Voices,
    /// The document as sent.
    pub document: String,
}

/// Somebody who takes or took part in a recorded call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedParty {
    /// Its name in the documents.
    pub id: String,
    /// Its address of record as sent.
    pub address: Option<String>,
    /// Its name, hostile until shown as text.
    pub name: Option<String>,
    /// Its number: E.164, else bare digits.
    pub number: Option<String>,
    /// On whose side it is.
    pub role: PartyRole,
    /// The user whose extension it is.
    pub user_id: Option<UserId>,
    /// Since when, as the client tells it.
    #[serde(with = "rfc3339::option")]
    pub associated_at: Option<UtcMillis>,
    /// Until when.
    #[serde(with = "rfc3339::option")]
    pub disassociated_at: Option<UtcMillis>,
}

/// On whose side a party of a recorded call is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartyRole {
    /// The customer: the left channel.
    #[default]
    Customer,
    /// One of ours: the right channel.
    Agent,
}

/// What tells who called in a recorded call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionEvidence {
    /// An extension of the vendor.
    Extension,
    /// Who takes part for longer.
    JoinedFirst,
    /// Another source sees the same call.
    SeenElsewhere,
    /// Nothing: it is taken for a call that came in.
    #[default]
    Nothing,
}

/// How the voices of a recorded call come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Voices {
    /// Each in a stream of its own: the customer is heard left, the agent right.
    #[default]
    Separate,
    /// All in one stream: both channels are alike.
    Mixed,
}

/// A recording session as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedSession {
    /// The leg of the recording session.
    pub leg_id: LegId,
    /// The line to which it came.
    pub line_id: LineId,
    /// Its Call-ID.
    pub sip_call_id: String,
    /// The name of the recorded communication session.
    pub session: Option<String>,
    /// When it began.
    #[serde(with = "rfc3339")]
    pub started_at: UtcMillis,
    /// When it ended.
    #[serde(with = "rfc3339::option")]
    pub ended_at: Option<UtcMillis>,
    /// Everybody who takes or took part.
    pub parties: Vec<RecordedParty>,
    /// What tells who called.
    pub direction_by: DirectionEvidence,
    /// How the voices come.
    pub voices: Voices,
    /// What was told, as it was sent, oldest first.
    pub documents: Vec<RecordedDocument>,
}

/// One document of a recording session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedDocument {
    /// When it came.
    #[serde(with = "rfc3339")]
    pub received_at: UtcMillis,
    /// The document as sent.
    pub content: String,
}

/// Lists the recording sessions of one call, oldest first, whatever the order of its signals.
pub fn recorded_sessions(signals: &[Signal]) -> Vec<RecordedSession> {
    let mut sessions: Vec<RecordedSession> = Vec::new();
    for signal in crate::fold::in_order(signals) {
        let at = signal.observed_at;
        match &signal.body {
            SignalBody::SessionTold(told) => {
                let known = sessions.iter().position(|known| known.leg_id == told.leg);
                let mut session = match known {
                    Some(known) => sessions.remove(known),
                    None => begun(told, at),
                };
                session.session = told.session.clone().or(session.session);
                session.parties.clone_from(&told.parties);
                (session.direction_by, session.voices) = (told.direction_by, told.voices);
                let content = told.document.clone();
                session.documents.push(RecordedDocument { received_at: at, content });
                sessions.push(session);
            }
            SignalBody::SessionOver { leg, .. } => {
                if let Some(known) = sessions.iter_mut().find(|known| known.leg_id == *leg) {
                    known.ended_at.get_or_insert(at);
                }
            }
            _ => {}
        }
    }
    sessions.sort_by_key(|session| (session.started_at, session.leg_id));
    sessions
}

fn begun(told: &SessionTold, at: UtcMillis) -> RecordedSession {
    RecordedSession {
        leg_id: told.leg,
        line_id: told.line,
        sip_call_id: told.sip_call_id.clone(),
        session: None,
        started_at: at,
        ended_at: None,
        parties: Vec::new(),
        direction_by: told.direction_by,
        voices: told.voices,
        documents: Vec::new(),
    }
}

/// Says how a recording session ended.
pub(crate) fn end_text(by: EndCause) -> &'static str {
    match by {
        EndCause::Remote => "the recording client ended it",
        EndCause::Local | EndCause::HungUp => "the server ended it",
        EndCause::System => "the recording client was not there any more",
    }
}
