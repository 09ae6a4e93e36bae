//! The scorecard: what was right, what was not, and which calls those were.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a part of a call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interaction says something else than what happened.
    InteractionWrong,
    /// There is no interaction.
    InteractionMissing,
    /// There is one more than calls.
    InteractionDouble,
    /// The pop came later than it may.
    PopLate,
    /// The agent's phone rang and no pop came.
    PopLost,
    /// A pop for nobody, a second one, or one that stayed.
    PopGhost,
    /// The recording lacks a part, or has what does not belong there.
    RecordingShort,
    /// There is no recording of a talk.
    RecordingMissing,
    /// The missed-call item is not as the caller's calls make it.
    MissedWrong,
    /// The server did to an end what nobody asked for, or did not let go of it.
    Signalling,
    /// The stream of frames has a fault of its own.
    Stream,
    /// A line was away for longer than it may be.
    LineAway,
}

/// Something that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind it is.
    pub verdict: Verdict,
    /// The call's number in the world; none for what belongs to no call.
    pub call: Option<usize>,
    /// The interaction, to go on with `linecard explain`.
    pub interaction: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// The counts and everything that is not right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scorecard {
    /// The seed of the world.
    pub seed: u64,
    /// Calls that were made.
    pub calls: usize,
    /// Customers whom another one took over.
    pub handed_over: usize,
    /// Customers whom nobody took over, so that the agent had them back.
    pub handed_back: usize,
    /// Customers who stayed where they were for want of an idle colleague.
    pub nobody_idle: usize,
    /// Interactions that say what happened.
    pub interactions_right: usize,
    /// Pops that came in time and went.
    pub pops_right: usize,
    /// How late the pops came: half of them, and 99 in 100, within so many ms.
    pub pop_ms: (u64, u64),
    /// Recordings with all of both ends.
    pub recordings_complete: usize,
    /// Recordings that could not be judged, because the fleet's own sound was late.
    pub recordings_unjudged: usize,
    /// Missed-call items as the callers' calls make them.
    pub missed_right: usize,
    /// How often a line was there again in time after its PBX had been away, or its connection.
    pub lines_back: usize,
    /// What is not right.
    pub findings: Vec<Finding>,
}

impl Scorecard {
    /// Tells whether everything is right, and enough was looked at: half of the recordings at the least.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let judged = self.recordings_unjudged <= self.recordings_complete;
        self.findings.is_empty() && self.calls > 0 && self.interactions_right == self.calls && judged
    }

    /// Counts what is not right in one way.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// Takes the scorecard of another world in.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.handed_over += other.handed_over;
        self.handed_back += other.handed_back;
        self.nobody_idle += other.nobody_idle;
        self.interactions_right += other.interactions_right;
        self.pops_right += other.pops_right;
        self.pop_ms = (self.pop_ms.0.max(other.pop_ms.0), self.pop_ms.1.max(other.pop_ms.1));
        self.recordings_complete += other.recordings_complete;
        self.recordings_unjudged += other.recordings_unjudged;
        self.missed_right += other.missed_right;
        self.lines_back += other.lines_back;
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Scorecard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Verdict::{
            InteractionDouble, InteractionMissing, InteractionWrong, LineAway, MissedWrong, PopGhost,
            PopLate, PopLost, RecordingMissing, RecordingShort, Signalling, Stream,
        };
        writeln!(f, "seed {}, {} calls", self.seed, self.calls)?;
        let n = |verdict| self.count(verdict);
        writeln!(
            f,
            "handed over   {}, back with the agent {}, nobody idle {}",
            self.handed_over, self.handed_back, self.nobody_idle
        )?;
        writeln!(
            f,
            "interactions  right {:<7} wrong {:<5} missing {:<5} double {}",
            self.interactions_right,
            n(InteractionWrong),
            n(InteractionMissing),
            n(InteractionDouble)
        )?;
        writeln!(
            f,
            "pops          right {:<7} late  {:<5} lost    {:<5} ghost  {}   (p50 {} ms, p99 {} ms)",
            self.pops_right,
            n(PopLate),
            n(PopLost),
            n(PopGhost),
            self.pop_ms.0,
            self.pop_ms.1
        )?;
        writeln!(
            f,
            "recordings    complete {:<4} short {:<5} missing {:<5} not judged {}",
            self.recordings_complete,
            n(RecordingShort),
            n(RecordingMissing),
            self.recordings_unjudged
        )?;
        writeln!(f, "missed items  right {:<7} wrong {}", self.missed_right, n(MissedWrong))?;
        writeln!(f, "lines         back  {:<7} away too long {}", self.lines_back, n(LineAway))?;
        writeln!(f, "signalling    faults {}, stream of events {}", n(Signalling), n(Stream))?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        writeln!(f, "{}", if self.is_right() { "all is right" } else { "NOT RIGHT" })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = serde_json::to_value(self.verdict).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default().replace('_', " ");
        match self.call {
            Some(call) => write!(f, "{kind}, call {call}: ")?,
            None => write!(f, "{kind}: ")?,
        }
        write!(f, "expected {}, found {}", self.expected, self.found)?;
        match &self.interaction {
            Some(id) => write!(f, "  (linecard explain {id})"),
            None => Ok(()),
        }
    }
}
