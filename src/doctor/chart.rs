//! Where the doctor writes what it finds, and how it notices that nobody reads on.

use linecard_sip::message::readable;
use linecard_web::doctor::{Exchanged, Finding, Step, StepState};
use tokio::sync::mpsc;

/// Messages that are told of one look; a peer cannot make it more.
const MESSAGES_MAX: usize = 48;
/// The letters of one message that are told.
const MESSAGE_MAX: usize = 8_192;

/// Headers that carry what a password could be guessed from.
const SECRET: [&str; 4] =
    ["authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"];

/// What was found so far.
pub(super) struct Chart {
    findings: mpsc::Sender<Finding>,
    healthy: bool,
}

/// The part of a chart that takes the messages.
pub(super) struct Exchange {
    findings: mpsc::Sender<Finding>,
    left: usize,
}

impl Chart {
    pub(super) fn new(findings: mpsc::Sender<Finding>) -> Self {
        Self { findings, healthy: true }
    }

    pub(super) async fn step(&mut self, step: Step) {
        self.healthy &= step.state != StepState::Bad;
        let _ = self.findings.send(Finding::Step(step)).await;
    }

    /// Says how it ended.
    pub(super) async fn close(self) {
        let _ = self.findings.send(Finding::Verdict { healthy: self.healthy }).await;
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.findings.is_closed()
    }

    /// Waits until nobody wants to know any more.
    pub(super) async fn left(&self) {
        self.findings.closed().await;
    }

    pub(super) fn exchange(&self) -> Exchange {
        Exchange { findings: self.findings.clone(), left: MESSAGES_MAX }
    }
}

impl Exchange {
    /// Writes a message down that was sent.
    pub(super) fn sent(&mut self, message: &[u8]) {
        self.put(true, message);
    }

    /// Writes a message down that was received.
    pub(super) fn received(&mut self, message: &[u8]) {
        self.put(false, message);
    }

    fn put(&mut self, sent: bool, message: &[u8]) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        // Nobody waits for a reader here: a message that finds no room is left out.
        let _ = self.findings.try_send(Finding::Message(Exchanged { sent, text: without_secrets(message) }));
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
        let mut exchange = Chart::new(findings).exchange();
        for _ in 0..1_000 {
            exchange.received(&[b'a'; 60_000]);
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
