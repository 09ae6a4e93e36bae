//! The dialog event package (RFC 4235): what a PBX tells of the calls of one of its extensions.
//!
//! A [`DialogInfo`] is one document as it came. A [`DialogTable`] is what all documents of a subscription come to, and
//! tells what each of them changed. PBXes differ in how they write the same thing; what is known of them:
//!
//! - Asterisk names every call of an extension by the same id, the extension; tells the other party only while it
//!   rings; and says that nothing happens by a `terminated` dialog that never was.
//! - FreeSWITCH says that nothing happens by a full document without dialogs; the other party's target may be a code
//!   for picking the call up, so its identity says who it is; and that a call is on hold by `+sip.rendering` of its own
//!   target, which is `no`.
//! - Kamailio tells that a branch of a fork is over while the call goes on in another: dialogs are told apart by id and
//!   tags, and only the application knows which of them are one call.

mod document;
mod table;

pub use document::{
    DialogDirection, DialogInfo, DialogInfoError, DialogState, Participant, ReportedDialog, Scope,
    TerminationCause,
};
pub use table::{DialogChange, DialogKey, DialogTable, Reading};

/// The package's name in Event headers.
pub const PACKAGE: &str = "dialog";

/// The type of its documents.
pub const MIME: &str = "application/dialog-info+xml";
