//! What the doctor found out, step by step, as text for people and as JSON for programs.

use std::fmt;

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

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) name: StepName,
    pub(crate) state: StepState,
    /// What was seen.
    pub(crate) text: String,
    /// What to change, when something should be.
    pub(crate) advice: Option<String>,
}

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepName {
    /// The server's name has an address.
    Resolve,
    /// A TCP connection can be made.
    TcpPort,
    /// The account can be registered.
    Register,
    /// Which contacts the account has.
    Bindings,
    /// What the server says it is.
    Server,
    /// The codecs that it names outside a call.
    Codecs,
    /// What it says it can do.
    Abilities,
    /// What Linecard will see of this account.
    Outlook,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    /// As it should be.
    Good,
    /// Worth knowing, no obstacle.
    Noted,
    /// Something has to be changed.
    Bad,
}

impl Step {
    pub(crate) fn good(name: StepName, text: impl Into<String>) -> Self {
        Self { name, state: StepState::Good, text: text.into(), advice: None }
    }

    pub(crate) fn noted(name: StepName, text: impl Into<String>) -> Self {
        Self { name, state: StepState::Noted, text: text.into(), advice: None }
    }

    pub(crate) fn bad(name: StepName, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: StepState::Bad, text: text.into(), advice: Some(advice.into()) }
    }
}

impl StepName {
    fn word(self) -> &'static str {
        match self {
            Self::Resolve => "name",
            Self::TcpPort => "TCP port",
            Self::Register => "registration",
            Self::Bindings => "contacts",
            Self::Server => "server",
            Self::Codecs => "codecs",
            Self::Abilities => "abilities",
            Self::Outlook => "outlook",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {}", self.username, self.server)?;
        for step in &self.steps {
            let mark = match step.state {
                StepState::Good => "ok",
                StepState::Noted => "--",
                StepState::Bad => "NO",
            };
            writeln!(f, "  {mark}  {:<13} {}", step.name.word(), visible(&step.text))?;
            if let Some(advice) = &step.advice {
                writeln!(f, "      {:<13} -> {}", "", visible(advice))?;
            }
        }
        let verdict = if self.healthy {
            "Linecard can serve this account."
        } else {
            "Linecard cannot serve this account yet."
        };
        writeln!(f, "{verdict}")
    }
}

/// Text of a peer without letters that a terminal obeys.
fn visible(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_top_down_and_obeys_no_peer() {
        let report = Report {
            server: "pbx".to_owned(),
            username: "100".to_owned(),
            healthy: false,
            steps: vec![
                Step::good(StepName::Resolve, "127.0.0.1"),
                Step::noted(StepName::Server, "evil\u{1b}[31m\r\nPBX"),
                Step::bad(StepName::Register, "403", "allow it"),
            ],
        };
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "100 at pbx");
        assert_eq!(lines[2], "  --  server        evil[31mPBX");
        assert_eq!(lines[4].trim(), "-> allow it");
        assert_eq!(lines[5], "Linecard cannot serve this account yet.");
    }
}
