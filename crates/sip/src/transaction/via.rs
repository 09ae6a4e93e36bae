//! The Via header as transports use it: ours on requests, the way back on responses (RFC 3261 section 18, RFC 3581).

use std::net::{IpAddr, SocketAddr};

use crate::message::Via;
use crate::transport::Flow;
use crate::uri::Host;

/// Makes our Via for a request along `flow`; `rport` asks the peer to answer to the port it sees (RFC 3581).
pub(super) fn own(flow: Flow, sent_by: Option<&Host>, branch: &str) -> Via {
    let local = flow.local.ip();
    let alike = |host: &&Host| host.ip().is_none_or(|ip| ip.is_ipv4() == local.is_ipv4());
    let host = sent_by.filter(alike).cloned().unwrap_or_else(|| Host::from(local));
    let port = (!flow.transport.is_websocket()).then_some(flow.local.port());
    let mut via = Via::new(flow.transport.as_via(), host, port);
    via.set_branch(branch);
    via.set_rport(None);
    via
}

/// Writes down where a request came from, over whatever it claimed (RFC 3261 section 18.2.1, RFC 3581 section 4).
pub(super) fn stamp(via: &mut Via, flow: Flow) {
    let source = flow.remote;
    let wants_port = via.params.has("rport");
    let claimed = match via.host {
        Host::V4(ip) => Some(IpAddr::V4(ip)),
        Host::V6(ip) => Some(IpAddr::V6(ip)),
        Host::Name(_) => None,
    };
    if wants_port || claimed != Some(source.ip()) {
        via.set_received(source.ip());
    } else {
        via.params.remove("received");
    }
    if wants_port {
        via.set_rport(Some(source.port()));
    }
}

/// Gives the path of the responses to a request that came by `flow` (RFC 3261 section 18.2.2).
///
/// `maddr` is ignored: it would let any sender aim our responses at a third party. So is the host of `sent-by`,
/// whose port alone is used, and only by peers that do not ask for RFC 3581.
pub(super) fn way_back(via: &Via, flow: Flow) -> Flow {
    if flow.transport.reliable() || via.params.has("rport") {
        return flow;
    }
    Flow { remote: SocketAddr::new(flow.remote.ip(), sent_by_port(via, flow)), ..flow }
}

/// Gives the path to try when the connection a request came by is gone: a new one to the port the peer listens on.
pub(super) fn new_connection(via: &Via, flow: Flow) -> Option<Flow> {
    let remote = SocketAddr::new(flow.remote.ip(), sent_by_port(via, flow));
    let may_open = flow.transport.reliable() && !flow.transport.is_websocket();
    (may_open && remote != flow.remote).then_some(Flow { remote, ..flow })
}

fn sent_by_port(via: &Via, flow: Flow) -> u16 {
    match via.port {
        Some(0) => flow.remote.port(),
        Some(port) => port,
        None => flow.transport.default_port(),
    }
}
