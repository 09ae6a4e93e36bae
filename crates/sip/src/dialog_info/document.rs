//! One document of the dialog event package, read from XML.

use roxmltree::Node;

use crate::xml::{self, XmlFault};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:dialog-info";

/// The largest body that is looked at, in bytes.
const BODY_MAX: usize = 64 * 1024;

/// The most dialogs that one extension can have.
const DIALOGS_MAX: usize = 64;

/// The longest id, tag, name or address, in bytes.
const TEXT_MAX: usize = 512;

/// A document as it came (RFC 4235 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogInfo {
    /// Whose dialogs these are, as the PBX writes it.
    pub entity: String,
    /// Counts the documents of a subscription.
    pub version: u32,
    /// Whether what is left out is over.
    pub scope: Scope,
    /// The dialogs.
    pub dialogs: Vec<ReportedDialog>,
}

/// How much a document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every dialog that there is.
    Full,
    /// Only what changed.
    Partial,
}

/// What a document says of one dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDialog {
    /// Names it within the subscription; some PBXes give all dialogs of an extension the same.
    pub id: String,
    /// The Call-ID, when it is told.
    pub call_id: Option<String>,
    /// The extension's tag, when it is told.
    pub local_tag: Option<String>,
    /// The other party's tag, when it is told.
    pub remote_tag: Option<String>,
    /// Who called, when it is told.
    pub direction: Option<DialogDirection>,
    /// How far it is.
    pub state: DialogState,
    /// The extension.
    pub local: Option<Participant>,
    /// The other party.
    pub remote: Option<Participant>,
}

/// Who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialogDirection {
    /// The extension called.
    Initiator,
    /// The extension was called.
    Recipient,
}

/// How far a dialog is (RFC 4235 section 3.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialogState {
    /// The INVITE is sent.
    Trying,
    /// Somebody works on it, nobody has a tag yet.
    Proceeding,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
    /// It is over.
    Terminated {
        /// Why, when it is told.
        cause: Option<TerminationCause>,
        /// The status of the response that ended it, when it is told.
        status: Option<u16>,
    },
}

/// Why a dialog is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TerminationCause {
    /// The caller gave up.
    Cancelled,
    /// A final failure.
    Rejected,
    /// Another dialog took its place.
    Replaced,
    /// The extension hung up.
    LocalBye,
    /// The other party hung up.
    RemoteBye,
    /// Something failed.
    Error,
    /// It was silent for too long.
    Timeout,
}

/// One of the two parties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participant {
    /// The name shown.
    pub display: Option<String>,
    /// Who it is: a URI as the PBX writes it.
    pub identity: Option<String>,
    /// Where it is reached: a URI, perhaps one that picks the call up.
    pub target: Option<String>,
    /// Whether it hears the other party (`+sip.rendering`, RFC 4235 section 4.1.6.2): one that does not has the call on hold.
    pub rendering: Option<bool>,
}

/// Why a body is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialogInfoError {
    /// Too many bytes, elements, levels or dialogs, or a text that is too long.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// Not XML, or with a document type.
    #[error("not XML as it is taken here: {0}")]
    NotXml(String),
    /// XML of another kind.
    #[error("not a document of dialogs: {0}")]
    Foreign(&'static str),
}

impl ReportedDialog {
    /// Tells whether it is over, or never was.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, DialogState::Terminated { .. })
    }
}

impl DialogInfo {
    /// Reads a body; a byte that is no UTF-8 becomes a sign that stands for it.
    ///
    /// # Errors
    /// When it is no document of the package, has a document type (RFC 4235 needs none, and entities of one may grow
    /// without end), or is larger than any true one.
    pub fn parse(body: &[u8]) -> Result<Self, DialogInfoError> {
        if body.len() > BODY_MAX {
            return Err(DialogInfoError::TooLarge("bytes"));
        }
        let text = String::from_utf8_lossy(body);
        let document = xml::parse(&text).map_err(|fault| match fault {
            XmlFault::TooLarge(what) => DialogInfoError::TooLarge(what),
            XmlFault::NotXml(why) => DialogInfoError::NotXml(why),
        })?;
        let root = document.root_element();
        if !is(root, "dialog-info") {
            return Err(DialogInfoError::Foreign("another element than dialog-info"));
        }
        let version = root.attribute("version").and_then(|version| version.trim().parse().ok());
        let scope = match root.attribute("state") {
            Some("full") => Scope::Full,
            Some("partial") => Scope::Partial,
            _ => return Err(DialogInfoError::Foreign("state is neither full nor partial")),
        };
        let dialogs: Vec<Node<'_, '_>> = root.children().filter(|child| is(*child, "dialog")).collect();
        if dialogs.len() > DIALOGS_MAX {
            return Err(DialogInfoError::TooLarge("dialogs"));
        }
        Ok(Self {
            entity: attribute(root, "entity")?.unwrap_or_default(),
            version: version.ok_or(DialogInfoError::Foreign("version is no number of 32 bits"))?,
            scope,
            dialogs: dialogs.into_iter().map(dialog_of).collect::<Result<_, _>>()?,
        })
    }
}

/// Tells whether an element is one of the package's; some PBXes leave the namespace out.
fn is(node: Node<'_, '_>, name: &str) -> bool {
    let of_package = |namespace: Option<&str>| namespace.is_none_or(|namespace| namespace == NAMESPACE);
    node.is_element() && node.tag_name().name() == name && of_package(node.tag_name().namespace())
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| is(*child, name))
}

fn attribute(node: Node<'_, '_>, name: &str) -> Result<Option<String>, DialogInfoError> {
    node.attribute(name).map(bounded).transpose()
}

/// Takes a text; one of nothing but blanks says nothing.
fn bounded(text: &str) -> Result<String, DialogInfoError> {
    let text = text.trim();
    if text.len() > TEXT_MAX { Err(DialogInfoError::TooLarge("a text")) } else { Ok(text.to_owned()) }
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn dialog_of(node: Node<'_, '_>) -> Result<ReportedDialog, DialogInfoError> {
    let state = child(node, "state").ok_or(DialogInfoError::Foreign("a dialog without a state"))?;
    Ok(ReportedDialog {
        id: attribute(node, "id")?.ok_or(DialogInfoError::Foreign("a dialog without an id"))?,
        call_id: some(attribute(node, "call-id")?),
        local_tag: some(attribute(node, "local-tag")?),
        remote_tag: some(attribute(node, "remote-tag")?),
        direction: match node.attribute("direction") {
            Some("initiator") => Some(DialogDirection::Initiator),
            Some("recipient") => Some(DialogDirection::Recipient),
            _ => None,
        },
        state: state_of(state)?,
        local: child(node, "local").map(participant_of).transpose()?,
        remote: child(node, "remote").map(participant_of).transpose()?,
    })
}

fn state_of(node: Node<'_, '_>) -> Result<DialogState, DialogInfoError> {
    Ok(match node.text().unwrap_or_default().trim() {
        "trying" => DialogState::Trying,
        "proceeding" => DialogState::Proceeding,
        "early" => DialogState::Early,
        "confirmed" => DialogState::Confirmed,
        "terminated" => DialogState::Terminated {
            cause: node.attribute("event").and_then(cause_of),
            status: node.attribute("code").and_then(|code| code.trim().parse().ok()),
        },
        _ => return Err(DialogInfoError::Foreign("a state that the package does not have")),
    })
}

fn cause_of(event: &str) -> Option<TerminationCause> {
    Some(match event {
        "cancelled" => TerminationCause::Cancelled,
        "rejected" => TerminationCause::Rejected,
        "replaced" => TerminationCause::Replaced,
        "local-bye" => TerminationCause::LocalBye,
        "remote-bye" => TerminationCause::RemoteBye,
        "error" => TerminationCause::Error,
        "timeout" => TerminationCause::Timeout,
        _ => return None,
    })
}

fn participant_of(node: Node<'_, '_>) -> Result<Participant, DialogInfoError> {
    let identity = child(node, "identity");
    let display = identity.map(|identity| attribute(identity, "display")).transpose()?;
    let who = identity.and_then(|identity| identity.text()).map(bounded).transpose()?;
    let target = child(node, "target");
    let rendering = target.and_then(rendering_of);
    let target = target.map(|target| attribute(target, "uri")).transpose()?;
    Ok(Participant {
        display: some(display.flatten()),
        identity: some(who),
        target: some(target.flatten()),
        rendering,
    })
}

fn rendering_of(target: Node<'_, '_>) -> Option<bool> {
    let rendering =
        |param: &Node<'_, '_>| is(*param, "param") && param.attribute("pname") == Some("+sip.rendering");
    match target.children().find(rendering)?.attribute("pvalue")? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}
