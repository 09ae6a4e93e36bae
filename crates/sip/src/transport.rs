//! Names of transports and of the paths messages take (RFC 3261 section 18).
//!
//! Nothing here opens a socket: a [`Flow`] only says where bytes came from and where bytes must go.

use std::fmt;
use std::net::SocketAddr;

/// A transport protocol that carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams: one message each, may be lost.
    Udp,
    /// A plain byte stream.
    Tcp,
    /// A TLS byte stream.
    Tls,
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
        }
    }

    /// Gives the transport as a URI parameter spells it (`udp`).
    pub fn as_param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    /// Reads a transport's name in either spelling; `None` for one that is not carried here.
    pub fn from_name(name: &str) -> Option<Self> {
        [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|transport| transport.as_via().eq_ignore_ascii_case(name))
    }

    /// Gives the port that an address without one means (RFC 3261 section 18.2.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_param())
    }
}

/// The path of a message: where it came from and where its answer goes.
///
/// For a stream, `transport` and `remote` name the connection; `local` is the address this end listens on, also
/// when the connection was opened from here and the kernel chose another port for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// What carries the message.
    pub transport: Transport,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl Flow {
    /// Names a path.
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport, local, remote }
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
