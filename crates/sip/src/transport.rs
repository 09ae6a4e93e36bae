//! Names of transports and of the paths messages take (RFC 3261 section 18).
//!
//! Nothing here opens a socket: a [`Flow`] only says where bytes came from and where bytes must go.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A transport protocol that carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams: one message each, may be lost.
    Udp,
    /// A plain byte stream.
    Tcp,
    /// A TLS byte stream.
    Tls,
    /// A WebSocket: one message each (RFC 7118).
    Ws,
    /// A WebSocket under TLS.
    Wss,
}

impl Transport {
    /// Tells whether the transport itself retransmits, so that the transaction layer must not.
    pub fn reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Gives the transport as the Via header spells it (`UDP`).
    pub fn as_via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// Gives the transport as a URI parameter spells it (`udp`); a WebSocket under TLS has no word of its own
    /// (RFC 7118 section 5.2.3).
    pub fn as_param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws | Transport::Wss => "ws",
        }
    }

    /// Reads a transport's name in either spelling; `None` for one that is not carried here.
    pub fn from_name(name: &str) -> Option<Self> {
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
            .into_iter()
            .find(|transport| transport.as_via().eq_ignore_ascii_case(name))
    }

    /// Tells whether nobody on the way can read along.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Tells whether it is a WebSocket: opened from here alone, and the only way to and from the peer.
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// Tells whether a connection is opened to a named server, and not to an address alone.
    pub fn names_server(self) -> bool {
        self.is_secure() || self.is_websocket()
    }

    /// Gives the port that an address without one means (RFC 3261 section 18.2.2, RFC 6455 section 3).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Transport::Wss { "wss" } else { self.as_param() })
    }
}

/// Names the server that a TLS connection or WebSocket opened from here leads to: the user agent knows it
/// ([`UserAgent::server`](crate::ua::UserAgent::server)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub(crate) u32);

/// A stream: by what and to where it leads, and as whom the other end was proved.
///
/// Two PBXes behind one address have a connection each, since each proves to be another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// What carries it.
    pub transport: Transport,
    /// The other end.
    pub remote: SocketAddr,
    /// Whom the other end has to be, for TLS and WebSockets opened from here.
    pub server: Option<ServerId>,
}

/// The path of a message: where it came from and where its answer goes.
///
/// For a stream, `transport`, `remote` and `server` name the connection; `local` is the address this end listens on,
/// also when the connection was opened from here and the kernel chose another port for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// What carries the message.
    pub transport: Transport,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Whom the other end has to be. Without it no TLS connection or WebSocket is opened; one that a peer opened has none.
    pub server: Option<ServerId>,
}

impl Flow {
    /// Names a path to nobody in particular.
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote, server: None }
    }

    /// Gives the connection that this path takes, if it is a stream's.
    pub fn connection(self) -> Connection {
        Connection { transport: self.transport, remote: self.remote, server: self.server }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.transport, self.local, self.remote)
    }
}

/// An address this end listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalAddress {
    /// What is listened for.
    pub transport: Transport,
    /// Where; never an unspecified address, because it is told to peers.
    pub addr: SocketAddr,
}

/// Why nothing can be sent along a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportFault {
    /// The system takes the message or the connection not, or nobody at the other end does.
    #[error("the PBX does not answer: {why}")]
    Unconnected {
        /// The system's reason.
        why: String,
    },
    /// No address of ours is of the peer's family.
    #[error("this server listens on no address by which {remote} can be reached")]
    NoAddress {
        /// The peer's address.
        remote: IpAddr,
    },
    /// A connection that was open is over.
    #[error("the PBX has closed the connection")]
    Closed,
    /// The other end does not speak TLS.
    #[error("no TLS is spoken there")]
    NotTls,
    /// The certificate is for other names (RFC 5922 section 7.1).
    #[error("the certificate is not for {name}; its SHA-256 is {fingerprint}")]
    WrongName {
        /// The name that was expected.
        name: String,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// Nobody who is trusted vouches for the certificate, and it is not pinned.
    #[error("nobody who is trusted vouches for the certificate; its SHA-256 is {fingerprint}")]
    Untrusted {
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// The certificate is no longer valid, or not yet.
    #[error("the certificate is not valid now; its SHA-256 is {fingerprint}")]
    NotValidNow {
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// The other end wants a certificate of ours, and there is none or it does not like it.
    #[error("the PBX wants a client certificate{}", if *.shown { " other than ours" } else { "" })]
    ClientCertificate {
        /// Whether one was shown.
        shown: bool,
    },
    /// The other end takes no WebSocket there (RFC 6455 section 4.2.2).
    #[error("no WebSocket is taken there: the answer is {status}")]
    NotWebSocket {
        /// The status of its HTTP answer.
        status: u16,
    },
    /// The other end takes a WebSocket, and no SIP along it (RFC 7118 section 4.1).
    #[error("the WebSocket there carries no SIP")]
    NotSip,
    /// The two ends do not agree on TLS for another reason.
    #[error("TLS fails: {why}")]
    Handshake {
        /// The reason.
        why: String,
    },
}
