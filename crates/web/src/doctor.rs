//! The door to the doctor, who finds out what a PBX lets Linecard do with an account, and what is told through it.
//!
//! A look is asked for by an order; its findings come one by one, and it ends when nobody takes them any more.

use std::collections::BTreeMap;
use std::fmt;

use linecard_calls::LineId;
use linecard_store::lines::{LineMode, LineTransport};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

/// Findings that wait for a slow reader.
const FINDINGS_MAX: usize = 256;

/// The account to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// `host` or `host:port`.
    pub server: String,
    /// The user part of the address of record.
    pub username: String,
    /// The password.
    pub password: String,
    /// The name for authentication, when it differs.
    pub auth_username: Option<String>,
    /// A proxy that every request goes through.
    pub outbound_proxy: Option<String>,
    /// The transport; `None` tries them in turn.
    pub transport: Option<LineTransport>,
    /// What is asked for at a WebSocket's server.
    pub websocket_path: Option<String>,
    /// How the account's calls are, or would be, captured: for one that only is watched nothing is registered.
    pub mode: LineMode,
    /// The line that has this account: then the look only asks and registers nothing beside it.
    pub line: Option<LineId>,
    /// Whether the account is called by itself, which rings its real telephone for a moment.
    pub test_call: TestCall,
}

/// Whether an account is called by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestCall {
    /// Nobody is rung.
    No,
    /// It is, and the caller's name says in this language that it is a test.
    Yes(Language),
}

/// A language that a telephone's display is written to in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Russian.
    Ru,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("server", &self.server)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// What a look brings, one after the other; as JSON the `type` tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Finding {
    /// A step is over.
    Step(Step),
    /// One thing that the PBX does for the account, or does not, with the message that shows it.
    Check(Check),
    /// How Linecard would capture the account's calls, and what it will see of them.
    Plan(Plan),
    /// A SIP message went over the wire.
    Message(Exchanged),
    /// The look is over.
    Verdict {
        /// Whether Linecard can serve this account.
        healthy: bool,
    },
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What it is about.
    pub name: StepName,
    /// How it went.
    pub state: StepState,
    /// Which sentence `text` is, for pages that have it in another language.
    pub key: &'static str,
    /// The values in the sentence.
    pub params: BTreeMap<&'static str, String>,
    /// What was seen.
    pub text: String,
    /// What to change, when something should be.
    pub advice: Option<&'static str>,
    /// The field of the account that is most likely to blame.
    pub field: Option<&'static str>,
}

/// One thing that a PBX does for an account, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// What was seen of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Which sentence `text` is.
    pub key: &'static str,
    /// The values in the sentence.
    pub params: BTreeMap<&'static str, String>,
    /// What that means.
    pub text: String,
}

/// What was seen of one thing. Silence is none of the first two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Messages show it.
    Seen {
        /// Where; at least one.
        evidence: Vec<Evidence>,
    },
    /// The messages that would show it came and do not.
    NotSeen {
        /// These.
        messages: Vec<u32>,
    },
    /// It was asked for, and nothing came that would tell.
    Silent {
        /// The requests that asked.
        messages: Vec<u32>,
    },
    /// It was not asked for; the sentence says how to ask.
    NotAsked,
}

/// A place in the exchange that shows something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The number of the message; null for what was seen of a connection.
    pub message: Option<u32>,
    /// The header, a part of the body, or the address connected to.
    pub place: String,
    /// What stands there.
    pub value: String,
}

/// What a check is about; the order is that in which pages show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// Whether another phone of the account rings.
    Ringing,
    /// Whether a call to the account comes to our contact.
    Fork,
    /// As whom the caller is shown to us.
    Caller,
    /// Whom the PBX asserts as the caller (RFC 3325).
    CallerAsserted,
    /// Whether it is told who diverted a call (RFC 5806, 7044).
    Diversion,
    /// Whether a fork is told why it ends (RFC 3326).
    Reason,
    /// Whether the wish that a phone picks up by itself gets through.
    AutoAnswer,
    /// What it tells of the account's calls (RFC 4235).
    DialogEvents,
    /// The event packages that it names (RFC 6665).
    Events,
    /// Transfer by REFER (RFC 3515).
    Refer,
    /// Taking a party's place (RFC 3891).
    Replaces,
    /// Session timers (RFC 4028).
    SessionTimers,
    /// Reliable provisional responses (RFC 3262).
    Reliable,
    /// The codecs that it offers.
    Codecs,
    /// Encrypted media (RFC 4568).
    Srtp,
    /// How long a registration may last.
    Expiry,
    /// Whether addresses are translated on the way.
    Nat,
    /// Whether signalling can be encrypted.
    Tls,
    /// Ways of reaching us through edges (RFC 3327, 5626, 5627).
    Paths,
    /// The numbers that the account has (RFC 7315).
    OwnNumbers,
}

/// How Linecard would capture the calls of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The mode.
    pub mode: LineMode,
    /// Which sentence `text` is.
    pub key: &'static str,
    /// The values in the sentence.
    pub params: BTreeMap<&'static str, String>,
    /// Why this one.
    pub text: String,
    /// What is seen in it.
    pub sights: Vec<Sight>,
    /// What to enter.
    pub fields: Vec<Field>,
}

/// One part of a call, and whether it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    /// Which.
    pub name: SightName,
    /// How sure that is.
    #[serde(flatten)]
    pub view: View,
    /// Which sentence `text` is.
    pub key: &'static str,
    /// Why.
    pub text: &'static str,
}

/// How sure it is that something is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum View {
    /// This look saw it, in this message.
    Proven {
        /// Its number.
        message: u32,
    },
    /// It follows from how the mode works; this look did not see it.
    Expected,
    /// It is not seen.
    Hidden,
    /// Nothing in this look tells.
    Unknown,
}

/// A part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SightName {
    /// That a call rings.
    Ringing,
    /// Who calls.
    Caller,
    /// Who answered it.
    AnsweredWhere,
    /// When it ended.
    End,
    /// What is dialled on the desk phone.
    DialledOnPhone,
    /// The talk as a recording.
    Recording,
}

/// A field of the line, or of the configuration, with what to enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The field's name in the API, or the key of the configuration.
    pub name: &'static str,
    /// What to enter.
    pub value: String,
}

/// A SIP message as it was sent or received, without the headers that carry digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchanged {
    /// Its place in the exchange, from 1; evidence names it.
    pub number: u32,
    /// When, in ms since the look began.
    pub at_ms: u64,
    /// Whether Linecard sent it.
    pub sent: bool,
    /// The message.
    pub text: String,
}

/// What a step is about; the order is that in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The server's name has an address.
    Resolve,
    /// Somebody listens there.
    Port,
    /// The account can be registered.
    Register,
    /// What the server says it is.
    Server,
    /// What it says that it can do, when it is asked.
    Abilities,
    /// What it tells of the account's calls when it is asked to (RFC 4235).
    Dialogs,
    /// The account called by itself.
    Call,
    /// Which contacts the account has.
    Bindings,
    /// What Linecard will see of this account.
    Outlook,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// As it should be.
    Good,
    /// Worth knowing, no obstacle.
    Noted,
    /// Something has to be changed.
    Bad,
}

/// A look that is wanted.
#[derive(Debug)]
pub struct LookOrder {
    /// At what.
    pub account: Account,
    /// Where the findings go; closed when nobody wants them any more.
    pub findings: mpsc::Sender<Finding>,
}

/// Why there is no look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the doctor looks at as many accounts as it can already")]
pub struct Occupied;

/// The sending side of the door; cheap to clone.
#[derive(Debug, Clone)]
pub struct Doctor {
    orders: mpsc::Sender<LookOrder>,
}

impl Doctor {
    /// Wraps the sending side; as many orders as it has room for may wait.
    #[must_use]
    pub fn new(orders: mpsc::Sender<LookOrder>) -> Self {
        Self { orders }
    }

    /// Begins a look at an account and returns its findings as they come.
    ///
    /// # Errors
    /// `Occupied` when others wait already, or the server is stopping.
    pub(crate) fn look(&self, account: Account) -> Result<mpsc::Receiver<Finding>, Occupied> {
        let (findings, told) = mpsc::channel(FINDINGS_MAX);
        self.orders.try_send(LookOrder { account, findings }).map_err(|_| Occupied)?;
        Ok(told)
    }
}
