//! What the doctor found out, as text for people and as JSON for programs.

use linecard_web::doctor::{Step, StepName, StepState};
use serde::Serialize;

/// All that was found out about one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// The server as it was given.
    pub(crate) server: String,
    /// The account.
    pub(crate) username: String,
    /// Whether Linecard can serve this account.
    pub(crate) healthy: bool,
    /// What was tried, in order.
    pub(crate) steps: Vec<Step>,
}

/// A step as lines of text, each with its line break.
pub(crate) fn step_text(step: &Step) -> String {
    let mark = match step.state {
        StepState::Good => "ok",
        StepState::Noted => "--",
        StepState::Bad => "NO",
    };
    let mut text = format!("  {mark}  {:<13} {}\n", word(step.name), visible(&step.text));
    if let Some(advice) = &step.advice {
        text += &format!("      {:<13} -> {}\n", "", visible(advice));
    }
    text
}

/// What a look comes to, as a line of text.
pub(crate) fn verdict_text(healthy: bool) -> &'static str {
    if healthy { "Linecard can serve this account.\n" } else { "Linecard cannot serve this account yet.\n" }
}

fn word(name: StepName) -> &'static str {
    match name {
        StepName::Resolve => "name",
        StepName::Port => "port",
        StepName::Register => "registration",
        StepName::Bindings => "contacts",
        StepName::Server => "server",
        StepName::Codecs => "codecs",
        StepName::Events => "events",
        StepName::Abilities => "abilities",
        StepName::Dialogs => "calls",
        StepName::Outlook => "outlook",
    }
}

/// Text of a peer without letters that a terminal obeys.
fn visible(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::said::Said;

    #[test]
    fn a_report_reads_top_down_and_obeys_no_peer() {
        let noted = Said::new("server_named", "evil\u{1b}[31m\r\nPBX").noted(StepName::Server);
        assert_eq!(step_text(&noted), "  --  server        evil[31mPBX\n");
        let bad = Said::fault("forbidden", "403", "allow it").bad(StepName::Register);
        let text = step_text(&bad);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1].trim()), ("  NO  registration  403", "-> allow it"));
    }
}
