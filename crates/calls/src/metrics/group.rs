//! By what a report parts the calls.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CountedCall, Zone};
use crate::id::{LineId, UserId};
use crate::time::UtcMillis;

/// By what the calls are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The local hour in which they began.
    Hour,
    /// The local day of the week on which they began.
    Weekday,
    /// Their line.
    Line,
    /// Their user.
    Agent,
}

/// One part of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// All of them.
    All,
    /// Those begun in this hour of the day, 0 to 23.
    Hour(i64),
    /// Those begun on this day of the week, Monday 1 to Sunday 7.
    Weekday(i64),
    /// Those of a line.
    Line(LineId),
    /// Those of a user, or of nobody.
    Agent(Option<UserId>),
}

impl By {
    /// Yields the part that a call belongs to.
    pub fn group(self, call: &CountedCall, zone: &Zone) -> Group {
        match self {
            By::Hour | By::Weekday => self.group_of_time(call.started_at, zone),
            By::Line => Group::Line(call.line_id),
            By::Agent => Group::Agent(call.user_id),
        }
    }

    /// Yields the part that a moment belongs to; all of them where time does not matter.
    pub fn group_of_time(self, at: UtcMillis, zone: &Zone) -> Group {
        match self {
            By::Hour => Group::Hour(zone.hour(at)),
            By::Weekday => Group::Weekday(zone.weekday(at)),
            By::Line | By::Agent => Group::All,
        }
    }

    /// Tells whether calls of different parts are under way beside each other, each part with a peak of its own.
    pub fn parts_lines(self) -> bool {
        matches!(self, By::Line | By::Agent)
    }
}
