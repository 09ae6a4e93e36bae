//! The door to the doctor, who finds out what a PBX lets Linecard do with an account, and what is told through it.
//!
//! A look is asked for by an order; its findings come one by one, and it ends when nobody takes them any more.

use std::collections::BTreeMap;
use std::fmt;

use linecard_calls::LineId;
use linecard_store::lines::{LineMode, LineTransport};
use serde::Serialize;
use tokio::sync::mpsc;

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
    /// How the account's calls are, or would be, captured: for one that only is watched nothing is registered.
    pub mode: LineMode,
    /// The line that has this account: then the look only asks and registers nothing beside it.
    pub line: Option<LineId>,
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

/// A SIP message as it was sent or received, without the headers that carry digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchanged {
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
    /// Which contacts the account has.
    Bindings,
    /// What the server says it is.
    Server,
    /// The codecs that it names outside a call.
    Codecs,
    /// Which events it can be asked for.
    Events,
    /// What else it says it can do.
    Abilities,
    /// What it tells of the account's calls when it is asked to (RFC 4235).
    Dialogs,
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
