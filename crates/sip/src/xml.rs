//! XML as it is taken from a peer: without document types, bounded in elements and depth.

use roxmltree::{Document, ParsingOptions};

/// The most elements, texts and attributes of a document.
const NODES_MAX: u32 = 8_192;

/// How deep elements may lie.
const DEPTH_MAX: usize = 16;

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum XmlFault {
    /// Too many levels or elements.
    TooLarge(&'static str),
    /// Not XML, or with a document type, whose entities may grow without end.
    NotXml(String),
}

/// Reads a document.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, XmlFault> {
    if deepest(text) > DEPTH_MAX {
        return Err(XmlFault::TooLarge("levels"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => XmlFault::TooLarge("elements"),
        error => XmlFault::NotXml(error.to_string()),
    })
}

/// Counts how deep a text could lie at most, so that no parser has to go there: every tag that is not closed in itself
/// opens a level.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for tag in text.split('<').skip(1) {
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !tag.starts_with(['?', '!']) && !tag.split('>').next().is_some_and(|tag| tag.ends_with('/'))
        {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}
