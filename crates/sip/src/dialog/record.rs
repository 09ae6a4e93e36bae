//! A dialog as plain text and numbers: what a ledger keeps so that a BYE can still be sent after a restart.

use std::net::SocketAddr;

use super::{Dialog, DialogId, DialogPhase, tagged};
use crate::message::NameAddr;
use crate::transport::{Flow, Transport};
use crate::uri::Uri;

/// Everything a new process needs to end a dialog of an old one (RFC 3261 section 12: the dialog state).
///
/// All fields are text as on the wire, so that they can be stored as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogRecord {
    /// Call-ID.
    pub call_id: String,
    /// Our URI (From of our requests).
    pub local_uri: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's URI (To of our requests).
    pub remote_uri: String,
    /// The peer's tag; empty for a peer of RFC 2543.
    pub remote_tag: String,
    /// Where requests are addressed: the peer's Contact.
    pub remote_target: String,
    /// Route header values, in the order they are sent.
    pub route_set: Vec<String>,
    /// The CSeq number last used by this end.
    pub local_cseq: u32,
    /// The highest CSeq number received, if a request came.
    pub remote_cseq: Option<u32>,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// This end's `address:port`.
    pub local_addr: String,
    /// The neighbour's `address:port`.
    pub remote_addr: String,
    /// The line the dialog belongs to, if any: its credentials answer a challenge.
    pub line: Option<String>,
}

/// Why a record cannot be made a dialog again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordRefused {
    /// `local_uri`, `remote_uri` or `remote_target` is no URI.
    #[error("the record's {0} is no URI")]
    Uri(&'static str),
    /// A value of `route_set` is no name-addr.
    #[error("the record's route set is damaged")]
    Route,
    /// `transport` is unknown.
    #[error("the record's transport is unknown")]
    Transport,
    /// `local_addr` or `remote_addr` is no socket address.
    #[error("the record's {0} is no address")]
    Address(&'static str),
}

impl DialogRecord {
    /// Writes a dialog down.
    pub fn of(dialog: &Dialog, flow: Flow, line: Option<String>) -> Self {
        Self {
            call_id: dialog.id.call_id.clone(),
            local_uri: dialog.local.uri.to_string(),
            local_tag: dialog.id.local_tag.clone(),
            remote_uri: dialog.remote.uri.to_string(),
            remote_tag: dialog.id.remote_tag.clone(),
            remote_target: dialog.remote_target.to_string(),
            route_set: dialog.route_set.iter().map(ToString::to_string).collect(),
            local_cseq: dialog.local_cseq,
            remote_cseq: dialog.remote_cseq,
            transport: flow.transport.to_string(),
            local_addr: flow.local.to_string(),
            remote_addr: flow.remote.to_string(),
            line,
        }
    }

    /// Reads the dialog and its path back.
    pub fn restore(&self) -> Result<(Dialog, Flow), RecordRefused> {
        let local = uri(&self.local_uri, "local_uri")?;
        let remote = uri(&self.remote_uri, "remote_uri")?;
        let remote_target = uri(&self.remote_target, "remote_target")?;
        let route_set = self
            .route_set
            .iter()
            .map(|route| NameAddr::parse(route.as_bytes()).map_err(|_| RecordRefused::Route))
            .collect::<Result<Vec<_>, _>>()?;
        let transport = Transport::from_name(&self.transport).ok_or(RecordRefused::Transport)?;
        let flow = Flow::new(
            transport,
            address(&self.local_addr, "local_addr")?,
            address(&self.remote_addr, "remote_addr")?,
        );
        let dialog = Dialog {
            id: DialogId {
                call_id: self.call_id.clone(),
                local_tag: self.local_tag.clone(),
                remote_tag: self.remote_tag.clone(),
            },
            local: tagged(local, &self.local_tag),
            remote: tagged(remote, &self.remote_tag),
            remote_target,
            route_set,
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            phase: DialogPhase::Confirmed,
        };
        Ok((dialog, flow))
    }
}

fn uri(text: &str, field: &'static str) -> Result<Uri, RecordRefused> {
    Uri::parse(text.as_bytes()).map_err(|_| RecordRefused::Uri(field))
}

fn address(text: &str, field: &'static str) -> Result<SocketAddr, RecordRefused> {
    text.parse().map_err(|_| RecordRefused::Address(field))
}
