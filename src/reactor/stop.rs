//! Stopping: no new calls, those under way may finish, then lines are unregistered.

use std::time::{Duration, Instant};

use linecard_calls::{EndCause, Input};

use super::{Course, Reactor, everybody};
use crate::translate;

/// How long calls under way may take to finish.
const GRACE: Duration = Duration::from_secs(20);
/// How long a call that was hung up may take to be saved.
const SAVING: Duration = Duration::from_secs(6);
/// How long unregistering may take.
const UNREGISTERING: Duration = Duration::from_secs(3);

impl Reactor {
    /// Takes no new calls from now on.
    pub(super) fn drain(&mut self) {
        let calls = self.parts.engine.calls(&everybody()).iter().filter(|call| !call.watched).count();
        tracing::info!(calls, "stopping: calls under way may finish");
        self.course = Course::Draining { until: Instant::now() + GRACE };
        self.hang_up_sessions(Instant::now());
        self.go_on_stopping(Instant::now());
    }

    /// Goes from one stage of stopping to the next when its time has come.
    pub(super) fn go_on_stopping(&mut self, now: Instant) {
        match self.course {
            Course::Running | Course::Gone => {}
            Course::Draining { until } => {
                let idle = self.parts.engine.is_at_rest();
                if idle || now >= until + SAVING {
                    self.parts.agent.shut_down(now);
                    self.course = Course::Leaving { until: now + UNREGISTERING };
                } else if now >= until {
                    self.hang_up_everything(now);
                }
            }
            Course::Leaving { until } if now >= until => self.course = Course::Gone,
            Course::Leaving { .. } => {}
        }
    }

    fn hang_up_everything(&mut self, now: Instant) {
        let reason = translate::hang_up_reason(linecard_calls::HangUpReason::System);
        let legs: Vec<_> = self.legs.all().map(|(id, leg)| (id, leg.handle)).collect();
        for (leg, handle) in legs {
            if self.parts.agent.bye(handle, Some(&reason), now).is_ok() {
                self.engine(Input::LegEnded { leg, by: EndCause::System, reasons: Vec::new() });
            }
        }
    }
}
