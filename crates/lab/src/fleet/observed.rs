//! What was seen of the server, through its outside contract alone.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde::Deserialize;

use super::mishap::Absence;
use super::sound::Listening;
use super::talk::Side;

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct Observed {
    /// What the server calls the line and the user of each desk, by the desk's number.
    pub desks: Vec<DeskNames>,
    /// The interactions of the desks' lines.
    pub interactions: Vec<Found>,
    /// The recordings, by their id, and what is in them.
    pub recordings: HashMap<String, (FoundRecording, Option<Listening>)>,
    /// The missed-call items.
    pub missed: Vec<FoundMissed>,
    /// The frames about pops, each as one desk's browser got it, in the order in which it did.
    pub pops: Vec<PopFrame>,
    /// Calls in which the fleet itself, for lack of time, spoke later than it should have.
    pub spoke_late: HashSet<usize>,
    /// The longest time in a row for which an end of a call was not heard, because the network lost its sound, in ms.
    pub lost_ms: HashMap<(usize, Side), u64>,
    /// The times for which lines were not there.
    pub absences: Vec<Absence>,
    /// What is wrong with the stream of frames itself.
    pub stream_faults: Vec<String>,
}

/// How the server names a desk.
#[derive(Debug, Clone, Default)]
pub struct DeskNames {
    /// The line.
    pub line_id: String,
    /// The user.
    pub user_id: String,
}

/// An interaction as `GET /api/v1/interactions` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// `inbound`, `outbound` or `internal`.
    pub direction: String,
    /// How it went.
    pub outcome: Option<String>,
    /// `live` or `ended`.
    pub state: String,
    /// The caller.
    pub caller_number: Option<String>,
    /// Who was called.
    pub callee_number: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The line.
    pub line_id: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// The talk, in ms.
    pub talk_ms: Option<i64>,
    /// The part of it on hold, in ms.
    pub hold_ms: Option<i64>,
    /// Who ended it.
    pub hangup_by: Option<String>,
    /// The final status on the customer's leg.
    pub sip_status: Option<u16>,
    /// Its recordings.
    pub recording_ids: Vec<String>,
}

/// A recording as `GET /api/v1/recordings` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct FoundRecording {
    /// Its id.
    pub id: String,
    /// The interaction.
    pub interaction_id: String,
    /// How it stands.
    pub state: String,
    /// Its length, in ms.
    pub duration_ms: Option<u64>,
}

/// A missed-call item as `GET /api/v1/missed` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct FoundMissed {
    /// The caller.
    pub number: Option<String>,
    /// `open`, `claimed` or `closed`.
    pub state: String,
    /// How often the caller tried.
    pub attempts: u32,
    /// The interaction of the last attempt.
    pub interaction_id: Option<String>,
}

/// A `pop.*` frame.
#[derive(Debug, Clone)]
pub struct PopFrame {
    /// The desk whose browser got it.
    pub desk: usize,
    /// When.
    pub at: Instant,
    /// Whether the browser read along at that time; one that was frozen or cut is late by itself.
    pub awake: bool,
    /// The frame's type.
    pub kind: String,
    /// The pop.
    pub pop_id: String,
    /// Its version.
    pub version: u64,
    /// The interaction.
    pub interaction_id: String,
    /// How it stands.
    pub state: String,
    /// The number that it shows.
    pub number: Option<String>,
}

impl PopFrame {
    /// Tells whether the pop is taken off the page.
    #[must_use]
    pub fn is_over(&self) -> bool {
        ["elsewhere", "missed", "ended"].contains(&self.state.as_str())
    }
}
