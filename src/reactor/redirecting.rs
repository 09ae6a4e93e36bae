//! A side that sends a call on to somebody else: its 3xx is followed through the call's line, as far as numbers may be
//! dialled (RFC 3261 section 8.1.3.4).

use std::time::Instant;

use linecard_calls::{Input, LegId};
use linecard_crm::Destination;
use linecard_sip::invite::DialogHandle;
use linecard_sip::message::NameAddr;
use linecard_sip::ua::{self, OutgoingInvite};
use linecard_sip::uri::{SipUri, Uri, unescape};

use super::Reactor;

/// How often one leg is sent on before that is a circle.
const REDIRECTS_MAX: usize = 5;

/// The INVITE of a leg of ours that is not answered yet, and where it was sent before.
#[derive(Debug)]
pub(super) struct Placed {
    invite: OutgoingInvite,
    before: Vec<Uri>,
}

impl Placed {
    pub(super) fn new(invite: OutgoingInvite) -> Self {
        Self { invite, before: Vec::new() }
    }

    /// Tells whether an INVITE may go there: nowhere twice.
    fn is_new(&self, target: &Uri) -> bool {
        self.before.len() < REDIRECTS_MAX && *target != self.invite.target && !self.before.contains(target)
    }
}

impl Reactor {
    /// Sends the INVITE of a leg on to where its side says; false when that leads nowhere, and the leg is refused.
    pub(super) fn follow(&mut self, handle: DialogHandle, status: u16, redirects: Vec<NameAddr>) -> bool {
        let Some(leg) = self.legs.of_handle(handle) else { return false };
        let Some((number, target, route)) = self.next_target(leg, redirects) else { return false };
        let Some(placed) = self.legs.get(leg).and_then(|known| known.placed.as_ref()) else { return false };
        let invite = OutgoingInvite { target: target.clone(), route, ..placed.invite.clone() };
        match self.parts.agent.invite(invite, Instant::now()) {
            Ok(handle) => {
                self.legs.rename(leg, handle);
                if let Some(placed) = self.legs.get_mut(leg).and_then(|known| known.placed.as_mut()) {
                    placed.before.push(std::mem::replace(&mut placed.invite.target, target));
                }
                self.engine(Input::LegRedirected { leg, status, number });
                true
            }
            Err(error) => {
                tracing::warn!(%leg, %error, "a leg could not be sent on");
                false
            }
        }
    }

    /// Chooses where a leg goes on: the first that may be dialled, what is preferred (`q`) first.
    fn next_target(&self, leg: LegId, mut redirects: Vec<NameAddr>) -> Option<(String, Uri, ua::Route)> {
        let placed = self.legs.get(leg)?.placed.as_ref()?;
        let line = self.parts.engine.call(self.parts.engine.call_of(leg)?)?.line_id;
        let preference =
            |address: &NameAddr| address.params.get("q").and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
        redirects.sort_by(|one, other| preference(other).total_cmp(&preference(one)));
        redirects.into_iter().find_map(|address| {
            let number = number_of(&address.uri)?;
            let plan = &self.parts.dial_plan;
            let destination = Destination::read(plan, &number).ok()?;
            if let Err(barred) = self.parts.settings.barring.permit(plan, &destination) {
                tracing::warn!(%leg, ?barred, "a leg is not sent on to a number that may not be dialled");
                return None;
            }
            let (target, route) = match (address.uri.as_sip(), &placed.invite) {
                // Another place at the PBX. What a phone names at its own address is a number all the same.
                (
                    Some(to),
                    OutgoingInvite { target: Uri::Sip(from), route: route @ ua::Route::Line(_), .. },
                ) if to.host == from.host => {
                    (Uri::from(SipUri { headers: None, ..to.clone() }), route.clone())
                }
                _ => {
                    let account = &self.parts.directory.line(line)?.account;
                    let prefix = account.dial_prefix.as_deref();
                    let dialled = destination.dialled(plan, account.dial_format, prefix);
                    self.parts.directory.extension_at(line, &dialled)?
                }
            };
            placed.is_new(&target).then(|| (destination.number().to_owned(), target, route))
        })
    }
}

fn number_of(uri: &Uri) -> Option<String> {
    match uri {
        Uri::Sip(uri) => String::from_utf8(unescape(uri.user.as_deref()?)).ok(),
        Uri::Tel(uri) => Some(uri.number.clone()),
        Uri::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_goes_nowhere_twice_and_not_for_ever() {
        let uri = |user: usize| Uri::parse(format!("sip:{user}@pbx").as_bytes()).expect("a URI");
        let (caller, headers) = (ua::CallerId::default(), Vec::new());
        let invite = OutgoingInvite {
            target: uri(0),
            route: ua::Route::Direct,
            caller,
            headers,
            offer: None,
            beside: None,
        };
        let mut placed = Placed::new(invite);
        assert!(!placed.is_new(&uri(0)));
        for next in 1..=REDIRECTS_MAX {
            assert!(placed.is_new(&uri(next)), "{next}");
            placed.before.push(std::mem::replace(&mut placed.invite.target, uri(next)));
            assert!(!placed.is_new(&uri(next - 1)), "a circle");
        }
        assert!(!placed.is_new(&uri(REDIRECTS_MAX + 1)));
    }
}
