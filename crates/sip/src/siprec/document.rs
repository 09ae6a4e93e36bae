//! One document of recording metadata, read from XML (RFC 7865 section 6 and its drafts).

use roxmltree::Node;

use crate::xml::{self, XmlFault};

/// The beginning of the namespace of the RFC and of all its drafts.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:recording";

/// The largest document, in bytes.
pub(crate) const DOCUMENT_MAX: usize = 64 * 1024;

/// The most elements of one kind.
const ELEMENTS_MAX: usize = 128;

/// The longest id, name or address, in bytes.
const TEXT_MAX: usize = 512;

/// A document as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Whether what is left out is as it was.
    pub mode: DataMode,
    /// The group of sessions that are one to people, when it is told.
    pub group: Option<String>,
    /// The communication sessions that are recorded.
    pub sessions: Vec<Session>,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// The media.
    pub streams: Vec<Stream>,
    /// Since when and until when who takes part in what.
    pub in_sessions: Vec<ParticipantInSession>,
    /// Who sends what.
    pub sending: Vec<ParticipantStreams>,
}

/// How much a document says (RFC 7865 section 6.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DataMode {
    /// Everything.
    #[default]
    Complete,
    /// What changed.
    Partial,
}

/// A communication session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: String,
    /// When it began, as written.
    pub start: Option<String>,
    /// When it ended, as written.
    pub end: Option<String>,
    /// The Session-IDs (RFC 7989) of its dialogs, as written.
    pub sip_session_ids: Vec<String>,
    /// Whether the recorded end called, when an extension tells it.
    pub recorded_end_called: Option<bool>,
}

/// Somebody who takes part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participant {
    /// Its name in these documents.
    pub id: String,
    /// Its addresses of record as written, in order.
    pub aors: Vec<String>,
    /// The first name that is told.
    pub name: Option<String>,
    /// Whether it is the one who called, when an extension tells it.
    pub called: Option<bool>,
}

/// A stream of media.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its name in these documents.
    pub id: String,
    /// The `a=label` of its description.
    pub label: Option<String>,
}

/// Somebody's part in a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantInSession {
    /// Who.
    pub participant: String,
    /// Since when, as written.
    pub associated: Option<String>,
    /// Until when, as written.
    pub disassociated: Option<String>,
}

/// What somebody sends, by the streams' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantStreams {
    /// Who.
    pub participant: String,
    /// The streams that carry its voice.
    pub sends: Vec<String>,
    /// Whether that is over.
    pub disassociated: Option<String>,
}

/// Why a body is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Too many bytes, elements or levels, or a text that is too long.
    #[error("the metadata is too large: {0}")]
    TooLarge(&'static str),
    /// Not XML, or with a document type.
    #[error("the metadata is not XML as it is taken here: {0}")]
    NotXml(String),
    /// XML of another kind.
    #[error("the metadata is no document of RFC 7865: {0}")]
    Foreign(&'static str),
}

impl Metadata {
    /// Reads a document; a byte that is no UTF-8 becomes a sign that stands for it.
    ///
    /// # Errors
    /// When it is no document of the RFC or of a draft, has a document type, or is larger than any true one.
    pub fn parse(body: &[u8]) -> Result<Self, MetadataError> {
        if body.len() > DOCUMENT_MAX {
            return Err(MetadataError::TooLarge("more than 64 KiB"));
        }
        let text = String::from_utf8_lossy(body);
        // Some write blank lines before the declaration, where XML allows nothing.
        let document = xml::parse(text.trim_start()).map_err(|fault| match fault {
            XmlFault::TooLarge(what) => MetadataError::TooLarge(what),
            XmlFault::NotXml(why) => MetadataError::NotXml(why),
        })?;
        let root = document.root_element();
        if !is(root, "recording") {
            return Err(MetadataError::Foreign("its element is not recording"));
        }
        let mode = children(root, "datamode").next().and_then(|mode| mode.text()).unwrap_or_default();
        let partial = mode.trim().eq_ignore_ascii_case("partial");
        let mut metadata = Self {
            mode: if partial { DataMode::Partial } else { DataMode::Complete },
            group: first(root, "group").map(|group| id_of(group, "group_id")).transpose()?.flatten(),
            sessions: each(root, "session", session_of)?,
            participants: each(root, "participant", participant_of)?,
            streams: each(root, "stream", stream_of)?,
            in_sessions: each(root, "participantsessionassoc", in_session_of)?,
            sending: each(root, "participantstreamassoc", streams_of)?,
        };
        metadata.take_drafts(root)?;
        Ok(metadata)
    }

    /// Takes what the drafts tell inside a participant: what it sends, and since when.
    fn take_drafts(&mut self, root: Node<'_, '_>) -> Result<(), MetadataError> {
        for node in children(root, "participant") {
            let Some(participant) = id_of(node, "participant_id")? else { continue };
            let sends = texts(node, "send")?;
            if !sends.is_empty() {
                let participant = participant.clone();
                self.sending.push(ParticipantStreams { participant, sends, disassociated: None });
            }
            let associated = text_in(node, "associate-time")?;
            let disassociated = text_in(node, "disassociate-time")?;
            let known = self.in_sessions.iter().any(|known| known.participant == participant);
            if !known && (associated.is_some() || disassociated.is_some()) {
                self.in_sessions.push(ParticipantInSession { participant, associated, disassociated });
            }
        }
        Ok(())
    }
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    let namespace = node.tag_name().namespace();
    node.is_element()
        && node.tag_name().name().eq_ignore_ascii_case(name)
        && namespace.is_none_or(|namespace| namespace.starts_with(NAMESPACE))
}

fn children<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> + use<'a, 'input> {
    node.children().filter(move |child| is(*child, name))
}

fn first<'a, 'input>(node: Node<'a, 'input>, name: &'a str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

fn each<T>(
    root: Node<'_, '_>,
    name: &str,
    read: impl Fn(Node<'_, '_>) -> Result<Option<T>, MetadataError>,
) -> Result<Vec<T>, MetadataError> {
    let mut all = Vec::new();
    for node in children(root, name) {
        if all.len() >= ELEMENTS_MAX {
            return Err(MetadataError::TooLarge("elements"));
        }
        all.extend(read(node)?);
    }
    Ok(all)
}

/// Takes a text; one of nothing but blanks says nothing.
fn bounded(text: &str) -> Result<Option<String>, MetadataError> {
    let text = text.trim();
    match text.len() {
        0 => Ok(None),
        TEXT_MAX.. => Err(MetadataError::TooLarge("a text")),
        _ => Ok(Some(text.to_owned())),
    }
}

fn text_in(node: Node<'_, '_>, name: &str) -> Result<Option<String>, MetadataError> {
    Ok(first(node, name).and_then(|child| child.text()).map(bounded).transpose()?.flatten())
}

fn texts(node: Node<'_, '_>, name: &str) -> Result<Vec<String>, MetadataError> {
    let found = children(node, name).take(ELEMENTS_MAX).filter_map(|child| child.text());
    let texts: Vec<Option<String>> = found.map(bounded).collect::<Result<_, _>>()?;
    Ok(texts.into_iter().flatten().collect())
}

/// Reads the name of an element: the attribute of the RFC, else that of the drafts.
fn id_of(node: Node<'_, '_>, name: &str) -> Result<Option<String>, MetadataError> {
    let id = node.attribute(name).or_else(|| node.attribute("id"));
    Ok(id.map(bounded).transpose()?.flatten())
}

/// Finds what an extension of a vendor tells, anywhere in an element, by its local name.
fn extension(node: Node<'_, '_>, name: &str) -> Option<String> {
    let foreign = |it: &Node<'_, '_>| it.is_element() && !is(*it, name) && it.tag_name().name() == name;
    node.descendants().find(foreign)?.text().map(|text| text.trim().to_ascii_lowercase())
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn session_of(node: Node<'_, '_>) -> Result<Option<Session>, MetadataError> {
    let Some(id) = id_of(node, "session_id")? else { return Ok(None) };
    let start = text_in(node, "start-time")?.or(text_in(node, "associate-time")?);
    let end = text_in(node, "end-time")?.or(text_in(node, "stop-time")?);
    let call_type = node.descendants().find(|it| it.is_element() && it.tag_name().name() == "callType");
    let has = |name: &str| {
        call_type.is_some_and(|it| it.children().any(|child| child.tag_name().name().starts_with(name)))
    };
    let recorded_end_called = match (has("orig"), has("term")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    };
    let sip_session_ids = texts(node, "sipSessionID")?;
    Ok(Some(Session { id, start, end, sip_session_ids, recorded_end_called }))
}

fn participant_of(node: Node<'_, '_>) -> Result<Option<Participant>, MetadataError> {
    let Some(id) = id_of(node, "participant_id")? else { return Ok(None) };
    let mut participant = Participant { id, ..Participant::default() };
    for name_id in children(node, "nameID").take(ELEMENTS_MAX) {
        // The drafts' older form has the address in an element of its own.
        let aor = name_id.attribute("aor").map(bounded).transpose()?.flatten();
        let aor = match aor {
            Some(aor) => Some(aor),
            None => text_in(name_id, "aor")?,
        };
        participant.aors.extend(aor);
        if participant.name.is_none() {
            participant.name = text_in(name_id, "name")?;
        }
    }
    if participant.aors.is_empty() {
        participant.aors.extend(text_in(node, "aor")?);
    }
    participant.called = extension(node, "callingParty").and_then(|text| yes_or_no(&text));
    Ok(Some(participant))
}

fn stream_of(node: Node<'_, '_>) -> Result<Option<Stream>, MetadataError> {
    let Some(id) = id_of(node, "stream_id")? else { return Ok(None) };
    Ok(Some(Stream { id, label: text_in(node, "label")? }))
}

fn in_session_of(node: Node<'_, '_>) -> Result<Option<ParticipantInSession>, MetadataError> {
    let Some(participant) = id_of(node, "participant_id")? else { return Ok(None) };
    let associated = text_in(node, "associate-time")?;
    let disassociated = text_in(node, "disassociate-time")?;
    Ok(Some(ParticipantInSession { participant, associated, disassociated }))
}

fn streams_of(node: Node<'_, '_>) -> Result<Option<ParticipantStreams>, MetadataError> {
    let Some(participant) = id_of(node, "participant_id")? else { return Ok(None) };
    let disassociated = text_in(node, "disassociate-time")?;
    Ok(Some(ParticipantStreams { participant, sends: texts(node, "send")?, disassociated }))
}
