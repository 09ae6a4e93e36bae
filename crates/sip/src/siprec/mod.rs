//! Recording sessions (RFC 7866) and what they tell of the calls that are recorded (RFC 7865), as a recording server
//! reads it.
//!
//! A [`Metadata`] is one document as it came; a [`RecordedSession`] is what all documents of a session come to. Vendors
//! differ; what is known of them:
//!
//! - The drafts before RFC 7865 have another namespace, `id` where the RFC has `participant_id`, `session_id` and
//!   `stream_id`, and tell inside a participant what it sends and since when; Oracle and Ribbon write so still.
//! - Oracle says in its own extension which participant called (`callingParty`); BroadWorks which end of the call is
//!   recorded (`callType`) and both numbers.
//! - Some write `datamode`, some `dataMode`, some nothing: then a document says everything.
//!
//! What is told beyond that is kept with the document itself. It deliberately reads no media.

mod document;
mod session;

use crate::body::{BodyError, parts_of};
use crate::message::{Headers, Request};

pub use document::{
    DataMode, Metadata, MetadataError, Participant, ParticipantInSession, ParticipantStreams, Session, Stream,
};
pub use session::{Party, Presence, RecordedSession};

/// The extension's name in Require and Supported.
pub const OPTION: &str = "siprec";

/// The parameter of a recording server's Contact (RFC 7866 section 6.2.1).
pub(crate) const SERVER_FEATURE: &str = ";+sip.srs";

/// What a recording server reads.
pub const ACCEPTED: &str =
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed";

/// Tells whether a media type is that of the metadata, in the RFC's spelling or the drafts'.
#[must_use]
pub fn is_metadata(media_type: &str) -> bool {
    ["application/rs-metadata+xml", "application/rs-metadata"].contains(&media_type)
}

/// Takes the metadata out of a body, bytes as sent; `None` when there is none in it.
///
/// # Errors
/// When the body cannot be taken apart.
pub fn metadata_of(headers: &Headers, body: &[u8]) -> Result<Option<Vec<u8>>, BodyError> {
    let parts = parts_of(headers, body)?;
    let metadata = parts.into_iter().find(|part| is_metadata(&part.media_type));
    Ok(metadata.map(|part| part.content.to_vec()))
}

/// Tells whether a request asks for the extension: it comes from a recording client.
#[must_use]
pub fn is_required(request: &Request) -> bool {
    let required = request.headers.options_of(&crate::message::HeaderName::Require);
    required.iter().any(|option| option.eq_ignore_ascii_case(OPTION))
}
