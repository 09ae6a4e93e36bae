//! What the relay tells of legs by itself: that sound flows or is gone, how it is heard, and the reports to their parties.

use std::time::{Duration, Instant};

use linecard_media::{LegInput, LegOutput};

use super::{Relay, TICK};
use crate::media::{LegId, MediaEvent};

/// How often the figures of a leg are told although nothing has turned: what a crash may cost.
const MEASURED_EVERY: Duration = Duration::from_mins(10);

impl Relay {
    pub(super) fn report_leg(&mut self, leg: LegId, output: LegOutput) {
        match output {
            LegOutput::Flowing => self.report(MediaEvent::Flowing { leg }),
            LegOutput::Lost { silent_ms } => self.report(MediaEvent::Lost { leg, silent_ms }),
            LegOutput::Report(report) => {
                if let Some((_, line)) = self.line_of(leg) {
                    line.send_rtcp(&report);
                }
            }
            LegOutput::QualityTurned => self.measured(leg),
            LegOutput::Timeout { .. } | LegOutput::Idle => {}
        }
    }

    fn measured(&mut self, leg: LegId) {
        if let Some((_, line)) = self.line_of(leg) {
            line.measured_at = Instant::now();
            let quality = line.leg.quality();
            self.report(MediaEvent::Measured { leg, quality });
        }
    }

    /// Asks every leg whether its media has gone.
    pub(super) fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.ticked_at) < TICK {
            return;
        }
        self.ticked_at = now;
        self.workload.look(now);
        let (mut outputs, mut due) = (Vec::new(), Vec::new());
        for line in self.lines.iter_mut().flatten() {
            line.leg.handle_input(LegInput::Tick, now);
            line.open_way();
            due.extend(
                (now.saturating_duration_since(line.measured_at) >= MEASURED_EVERY).then_some(line.id),
            );
            loop {
                match line.leg.poll_output() {
                    LegOutput::Timeout { .. } | LegOutput::Idle => break,
                    output => outputs.push((line.id, output)),
                }
            }
        }
        outputs.into_iter().for_each(|(leg, output)| self.report_leg(leg, output));
        due.into_iter().for_each(|leg| self.measured(leg));
    }
}
