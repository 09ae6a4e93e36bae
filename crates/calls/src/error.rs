//! What can go wrong when text from outside is read into this crate's types.
//!
//! The engine and the fold have no errors: a peer's nonsense is an outcome there.

/// A text that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a UUID.
    #[error("not a {kind}")]
    Id {
        /// The name of the type that was asked for.
        kind: &'static str,
    },
    /// Not a time of RFC 3339.
    #[error("not an RFC 3339 time")]
    Time,
    /// Not a cursor `epoch:seq`.
    #[error("not a cursor")]
    Cursor,
}
