//! What the transaction layer tells its user, and the names of transactions.

use std::time::Instant;

use super::timer::TimerName;
use crate::message::{Request, Response};
use crate::transport::Flow;

/// Names a transaction this end began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientTransactionId(pub(super) u64);

/// Names a transaction a peer began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTransactionId(pub(super) u64);

/// Names a transaction of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionId {
    /// One this end began.
    Client(ClientTransactionId),
    /// One a peer began.
    Server(ServerTransactionId),
}

impl From<ClientTransactionId> for TransactionId {
    fn from(id: ClientTransactionId) -> Self {
        TransactionId::Client(id)
    }
}

impl From<ServerTransactionId> for TransactionId {
    fn from(id: ServerTransactionId) -> Self {
        TransactionId::Server(id)
    }
}

/// What [`TransactionLayer::poll_output`](super::TransactionLayer::poll_output) yields, in the order it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum TransactionOutput {
    /// Bytes to send; for a stream the connection to `flow.remote` is opened when there is none.
    Transmit {
        /// Where to.
        flow: Flow,
        /// One whole message.
        bytes: Vec<u8>,
    },
    /// A new request, exactly once however often it was received. Its top Via carries `received` and `rport`.
    Request {
        /// To answer it with.
        id: ServerTransactionId,
        /// Any method but ACK and CANCEL.
        request: Request,
        /// The path it came by.
        flow: Flow,
    },
    /// A CANCEL, exactly once. Its user answers `id` (200, or 481 when `invite` is `None`) and the INVITE (487).
    Cancel {
        /// The CANCEL's own transaction.
        id: ServerTransactionId,
        /// The INVITE it means, when that is still known (RFC 3261 section 9.2); it may have its final answer already.
        invite: Option<ServerTransactionId>,
        /// The CANCEL itself (its Reason headers tell why).
        request: Request,
        /// The path it came by.
        flow: Flow,
    },
    /// An ACK that ends no transaction: the one for a 2xx, each time it is received. It belongs to the dialog.
    Ack {
        /// The INVITE, when the ACK carried its branch (RFC 6026 section 7.1 lets it through from Accepted).
        invite: Option<ServerTransactionId>,
        /// The ACK itself, perhaps with the answer in its body.
        request: Request,
        /// The path it came by.
        flow: Flow,
    },
    /// A response: each provisional, one failure, and every 2xx to an INVITE as often as it arrives (RFC 6026).
    /// Failures to an INVITE are acknowledged already, 2xx are not.
    Response {
        /// The transaction it answers.
        id: ClientTransactionId,
        /// The response as received.
        response: Response,
        /// The path it came by.
        flow: Flow,
    },
    /// A 2xx to an INVITE that has no transaction any more: a late retransmission or a fork.
    StrayResponse {
        /// The response as received.
        response: Response,
        /// The path it came by.
        flow: Flow,
    },
    /// Nobody answered in 64 * T1 (a client treats it as 408), or the ACK for our failure never came (a server).
    TimedOut {
        /// The transaction, which is over.
        id: TransactionId,
    },
    /// A message could not be sent. A client transaction is over (treat it as 503); an INVITE's server lives on.
    TransportFailed {
        /// The transaction.
        id: TransactionId,
    },
    /// A transaction has left the table: the last word about `id`.
    Terminated {
        /// The transaction.
        id: TransactionId,
    },
    /// Nothing more to do before `at`; then call `handle_timeout`.
    Timeout {
        /// When.
        at: Instant,
        /// Which timer is due then.
        reason: TimerName,
    },
}

/// Why a response was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RespondRefused {
    /// No such transaction, or no longer.
    #[error("the transaction is over")]
    UnknownTransaction,
    /// A final response went before; only a 2xx may follow a 2xx to an INVITE.
    #[error("the transaction has its final response")]
    AlreadyAnswered,
}

/// Why an INVITE cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CancelRefused {
    /// No such transaction, or no longer.
    #[error("the transaction is over")]
    UnknownTransaction,
    /// Only an INVITE can be cancelled (RFC 3261 section 9.1).
    #[error("the request is no INVITE")]
    NotInvite,
    /// The final response is here: hang up with BYE instead.
    #[error("the request has its final response")]
    AlreadyAnswered,
    /// A CANCEL was asked for before.
    #[error("the request is being cancelled")]
    AlreadyCancelled,
}
