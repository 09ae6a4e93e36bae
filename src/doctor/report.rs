//! What the doctor found out, as text for people and as JSON for programs.

use linecard_web::doctor::{
    Check, CheckName, Evidence, Exchanged, Outcome, Plan, SightName, Step, StepName, StepState, View,
};
use serde::Serialize;

/// The numbers of messages that are named beside a check.
const NUMBERS_SHOWN: usize = 6;

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
    /// What the PBX does and does not, with the messages that show it.
    pub(crate) checks: Vec<Check>,
    /// How Linecard would capture the account's calls; null when it cannot.
    pub(crate) plan: Option<Plan>,
    /// What went over the wire, when it was asked for.
    pub(crate) messages: Vec<Exchanged>,
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

/// A check as a line of text, with the numbers of the messages that it comes from.
pub(crate) fn check_text(check: &Check) -> String {
    let (mark, numbers): (_, Vec<u32>) = match &check.outcome {
        Outcome::Seen { evidence } => ("seen", evidence.iter().filter_map(|it| it.message).collect()),
        Outcome::NotSeen { messages } => ("not seen", messages.clone()),
        Outcome::Silent { messages } => ("silence", messages.clone()),
        Outcome::NotAsked => ("not asked", Vec::new()),
    };
    let mut text = format!("  {mark:<9}  {:<17} {}", check_word(check.name), visible(&check.text));
    if !numbers.is_empty() {
        let numbers: Vec<String> = numbers.iter().take(NUMBERS_SHOWN).map(u32::to_string).collect();
        text += &format!(" [{}]", numbers.join(" "));
    }
    text.push('\n');
    if let Outcome::Seen { evidence } = &check.outcome {
        for Evidence { place, value, .. } in evidence {
            text += &format!("{:31}{}: {}\n", "", visible(place), visible(value));
        }
    }
    text
}

/// The mode that fits, what is seen in it and what to enter, as lines of text.
pub(crate) fn plan_text(plan: &Plan) -> String {
    let mut text = format!("Mode {}: {}.\n", super::plan::word(plan.mode), plan.text);
    for sight in &plan.sights {
        let (mark, number) = match sight.view {
            View::Proven { message } => ("seen", format!(" [{message}]")),
            View::Expected => ("expected", String::new()),
            View::Hidden => ("hidden", String::new()),
            View::Unknown => ("not known", String::new()),
        };
        text += &format!("  {mark:<9}  {:<17} {}{number}\n", sight_word(sight.name), sight.text);
    }
    let entered: Vec<String> =
        plan.fields.iter().map(|field| format!("{} = {}", field.name, visible(&field.value))).collect();
    text + &format!("  enter      {}\n", entered.join(", "))
}

/// A message of the exchange with its number.
pub(crate) fn message_text(message: &Exchanged) -> String {
    let way = if message.sent { "sent" } else { "received" };
    let mut text = format!("[{}] {way} at {} ms\n", message.number, message.at_ms);
    for line in message.text.trim_end().lines() {
        text += &format!("    {}\n", visible(line));
    }
    text
}

fn word(name: StepName) -> &'static str {
    match name {
        StepName::Resolve => "name",
        StepName::Port => "port",
        StepName::Register => "registration",
        StepName::Server => "server",
        StepName::Abilities => "abilities",
        StepName::Dialogs => "calls",
        StepName::Call => "test call",
        StepName::Bindings => "contacts",
        StepName::Outlook => "outlook",
    }
}

fn check_word(name: CheckName) -> &'static str {
    match name {
        CheckName::Ringing => "rings elsewhere",
        CheckName::Fork => "comes here",
        CheckName::Caller => "caller",
        CheckName::CallerAsserted => "asserted caller",
        CheckName::Diversion => "diversion",
        CheckName::Reason => "reason",
        CheckName::AutoAnswer => "auto-answer",
        CheckName::DialogEvents => "dialog events",
        CheckName::Events => "event packages",
        CheckName::Refer => "REFER",
        CheckName::Replaces => "Replaces",
        CheckName::SessionTimers => "session timers",
        CheckName::Reliable => "100rel",
        CheckName::Codecs => "codecs",
        CheckName::Srtp => "SRTP",
        CheckName::Expiry => "expiry",
        CheckName::Nat => "NAT",
        CheckName::Tls => "TLS",
        CheckName::Paths => "paths",
        CheckName::OwnNumbers => "own numbers",
    }
}

fn sight_word(name: SightName) -> &'static str {
    match name {
        SightName::Ringing => "ringing",
        SightName::Caller => "caller",
        SightName::AnsweredWhere => "answered where",
        SightName::End => "end",
        SightName::DialledOnPhone => "dialled on phone",
        SightName::Recording => "recording",
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
