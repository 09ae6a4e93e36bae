//! The REGISTER requests (RFC 3261 section 10.2) and the address that their responses show (RFC 3581).

use crate::message::{HeaderName, Method, NameAddr, Params, Request, Via};
use crate::transport::Transport;
use crate::uri::{Host, SipUri, Uri};

use super::RegistrationConfig;

/// How long a phone that is put back may take to register by itself, in seconds.
const PUT_BACK_S: u32 = 600;

/// What a request is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Ask for the bindings before the first registration.
    Query,
    /// Bind our contact, which is not bound as far as known.
    Register,
    /// Bind our contact again while it is bound.
    Refresh,
    /// Ask whether our contact is still bound.
    Probe,
    /// Remove our contact.
    Unregister,
    /// Ask who else is bound, before a refresh.
    Lookout,
    /// Ask who else is bound, for somebody seems to be gone.
    Recheck,
    /// Bind the contacts of others again that were pushed out.
    PutBack,
}

/// What changes from one REGISTER of a line to the next.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) purpose: Purpose,
    pub(super) target: &'a SipUri,
    pub(super) contact: &'a SipUri,
    /// Our earlier contacts, which are removed along with the request.
    pub(super) superseded: &'a [SipUri],
    /// Contacts of others that are to be bound again.
    pub(super) pushed_out: &'a [Uri],
    pub(super) expires_s: u32,
    pub(super) from_tag: &'a str,
    pub(super) cseq: u32,
}

/// Builds one REGISTER without Via and credentials.
pub(super) fn build(config: &RegistrationConfig, fields: &Fields<'_>) -> Request {
    let mut request = Request::new(Method::Register, Uri::Sip(fields.target.clone()));
    let headers = &mut request.headers;
    if let Some(proxy) = &config.outbound_proxy {
        let mut route = proxy.clone();
        // A strict-routing proxy would replace the Request-URI (RFC 3261 section 16.12.1.2).
        route.params.set("lr", None);
        headers.push(HeaderName::Route, name_addr(&route, None));
    }
    headers.push(HeaderName::MaxForwards, "70");
    headers.push(HeaderName::From, name_addr(&config.address_of_record, Some(("tag", fields.from_tag))));
    headers.push(HeaderName::To, name_addr(&config.address_of_record, None));
    headers.push(HeaderName::CallId, config.call_id.as_str());
    headers.push(HeaderName::CSeq, format!("{} REGISTER", fields.cseq));
    let expires_s = match fields.purpose {
        Purpose::Query | Purpose::Probe | Purpose::Lookout | Purpose::Recheck => return request,
        Purpose::PutBack => {
            for contact in fields.pushed_out {
                let mut params = Params::default();
                params.set("expires", Some(&PUT_BACK_S.to_string()));
                let contact = NameAddr { display: None, uri: contact.clone(), params };
                headers.push(HeaderName::Contact, contact.to_bytes());
            }
            return request;
        }
        Purpose::Register | Purpose::Refresh => fields.expires_s,
        Purpose::Unregister => 0,
    };
    let expires = expires_s.to_string();
    headers.push(HeaderName::Contact, name_addr(fields.contact, Some(("expires", &expires))));
    for old in fields.superseded {
        headers.push(HeaderName::Contact, name_addr(old, Some(("expires", "0"))));
    }
    headers.push(HeaderName::Expires, expires);
    request
}

/// Returns the contact at the public address of a response's top Via, when it differs from the contact's.
///
/// A contact at a host name stays: somebody configured it. Over TCP and TLS the port belongs to one
/// connection, so the contact moves only when the address itself is another, unless it is `with_port`.
pub(super) fn public_contact(contact: &SipUri, via: &Via, with_port: bool) -> Option<SipUri> {
    let current = contact.host.ip()?;
    let seen = via.received().unwrap_or(current);
    let secure = via.transport.eq_ignore_ascii_case("TLS");
    let default_port = if secure { Transport::Tls } else { Transport::Udp }.default_port();
    let current_port = contact.port.unwrap_or(default_port);
    let seen_port = via.rport().flatten().unwrap_or(current_port);
    let port_counts = with_port || via.transport.eq_ignore_ascii_case("UDP");
    if seen == current && (!port_counts || seen_port == current_port) {
        return None;
    }
    if seen.is_unspecified() || seen_port == 0 {
        return None;
    }
    let mut moved = contact.clone();
    moved.host = match seen {
        std::net::IpAddr::V4(address) => Host::V4(address),
        std::net::IpAddr::V6(address) => Host::V6(address),
    };
    moved.port = Some(seen_port);
    Some(moved)
}

fn name_addr(uri: &SipUri, param: Option<(&str, &str)>) -> Vec<u8> {
    let mut params = Params::default();
    if let Some((name, value)) = param {
        params.set(name, Some(value));
    }
    NameAddr { display: None, uri: Uri::Sip(uri.clone()), params }.to_bytes()
}
