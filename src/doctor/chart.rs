//! Where the doctor writes what it finds, and how it notices that nobody reads on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use linecard_sip::message::readable;
use linecard_web::doctor::{Check, Exchanged, Finding, Plan, Step, StepName, StepState};
use tokio::sync::mpsc;

use super::said::Said;

/// Messages that are told of one look; a peer cannot make it more.
const MESSAGES_MAX: u32 = 120;
/// The letters of one message that are told.
const MESSAGE_MAX: usize = 8_192;

/// Headers that carry what a password could be guessed from.
const SECRET: [&str; 4] =
    ["authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"];

/// What was found so far.
pub(super) struct Chart {
    findings: mpsc::Sender<Finding>,
    healthy: bool,
    begun: Instant,
    /// When the look has to be over.
    ends_at: Instant,
    /// The number of the last message.
    numbers: Arc<AtomicU32>,
}

/// The part of a chart that takes the messages.
pub(super) struct Exchange {
    findings: mpsc::Sender<Finding>,
    begun: Instant,
    numbers: Arc<AtomicU32>,
}

impl Chart {
    pub(super) fn new(findings: mpsc::Sender<Finding>, at_most: Duration) -> Self {
        let begun = Instant::now();
        Self { findings, healthy: true, begun, ends_at: begun + at_most, numbers: Arc::default() }
    }

    pub(super) async fn step(&mut self, step: Step) {
        self.healthy &= step.state != StepState::Bad;
        let _ = self.findings.send(Finding::Step(step)).await;
    }

    pub(super) async fn checks(&self, mut checks: Vec<Check>) {
        checks.sort_by_key(|check| check.name);
        for check in checks {
            let _ = self.findings.send(Finding::Check(check)).await;
        }
    }

    pub(super) async fn plan(&self, plan: Plan) {
        let _ = self.findings.send(Finding::Plan(plan)).await;
    }

    /// Says how it ended.
    pub(super) async fn close(mut self) {
        if Instant::now() >= self.ends_at {
            let took_s = self.begun.elapsed().as_secs();
            let advice = "try again, and look into Linecard's log";
            let said = Said::fault("took_too_long", format!("it took more than {took_s} s"), advice);
            self.step(said.bad(StepName::Outlook)).await;
        }
        let _ = self.findings.send(Finding::Verdict { healthy: self.healthy }).await;
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.findings.is_closed() && Instant::now() < self.ends_at
    }

    /// Waits until nobody wants to know any more, or the time is over.
    pub(super) async fn left(&self) {
        tokio::select! {
            () = self.findings.closed() => {}
            () = tokio::time::sleep_until(self.ends_at.into()) => {}
        }
    }

    pub(super) fn exchange(&self) -> Exchange {
        let (findings, numbers) = (self.findings.clone(), Arc::clone(&self.numbers));
        Exchange { findings, begun: self.begun, numbers }
    }
}

impl Exchange {
    /// Tells a message; returns its number and when it was, in ms since the look began.
    pub(super) fn put(&self, sent: bool, message: &[u8]) -> (u32, u64) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if number <= MESSAGES_MAX {
            let text = without_secrets(message);
            // Nobody waits for a reader here: a message that finds no room is left out.
            let _ = self.findings.try_send(Finding::Message(Exchanged { number, at_ms, sent, text }));
        }
        (number, at_ms)
    }
}

/// Returns a message as people may see it.
fn without_secrets(message: &[u8]) -> String {
    let text = readable(message);
    let mut shown = String::new();
    let mut in_secret = false;
    for line in text.lines() {
        let is_folded = line.starts_with([' ', '\t']);
        in_secret = if is_folded { in_secret } else { is_secret(line) };
        match (in_secret, is_folded) {
            (true, true) => continue,
            (true, false) => {
                shown.push_str(line.split(':').next().unwrap_or_default());
                shown.push_str(": (left out)");
            }
            (false, _) => shown.extend(line.chars().filter(|letter| !letter.is_control())),
        }
        shown.push('\n');
    }
    shown.chars().take(MESSAGE_MAX).collect()
}

fn is_secret(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default().trim();
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_without_its_digests() {
        let told = without_secrets(
            b"REGISTER sip:pbx SIP/2.0\r\nAUTHORIZATION : Digest username=\"100\",\r\n response=\"5ec1\"\r\n\
              Proxy-Authorization: Digest response=\"5ec2\"\r\nAuthentication-Info: rspauth=\"5ec3\"\r\n\
              Contact: <sip:a@b>\r\n \x1b[31m;q=1\r\n\r\n",
        );
        assert!(!told.contains("5ec"), "{told}");
        assert!(!told.contains('\x1b'), "{told:?}");
        assert_eq!(
            told,
            "REGISTER sip:pbx SIP/2.0\nAUTHORIZATION : (left out)\nProxy-Authorization: (left out)\n\
             Authentication-Info: (left out)\nContact: <sip:a@b>\n [31m;q=1\n\n"
        );
    }

    #[tokio::test]
    async fn a_peer_that_never_stops_fills_no_memory() {
        let (findings, mut told) = mpsc::channel(256);
        let exchange = Chart::new(findings, Duration::from_secs(60)).exchange();
        for _ in 0..1_000 {
            exchange.put(false, &[b'a'; 60_000]);
        }
        drop(exchange);
        let mut count = 0;
        while let Some(Finding::Message(message)) = told.recv().await {
            assert_eq!(message.text.len(), MESSAGE_MAX);
            count += 1;
        }
        assert_eq!(count, MESSAGES_MAX);
    }
}
