//! Session timers: both ends agree on an interval, one refreshes, both hang up when nobody does (RFC 4028).
//!
//! Negotiation only; the clocks run in the session.

use std::time::Duration;

use crate::message::{HeaderName, Headers, Refresher as Role};

/// The shortest interval that either end may ask for, in seconds (RFC 4028 section 5).
pub(crate) const SHORTEST_S: u32 = 90;

/// Which end refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresher {
    Us,
    Peer,
}

/// What was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) interval_s: u32,
    pub(crate) refresher: Refresher,
}

/// The interval asked for is shorter than 90 s: 422 (RFC 4028 section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooBrief;

impl Agreement {
    /// Gives the wait before a refresh: half the interval (section 7.2).
    pub(crate) fn refresh_after(self) -> Duration {
        Duration::from_secs(u64::from(self.interval_s / 2))
    }

    /// Gives the wait before the BYE: a third of the interval, at most 32 s, before its end (section 10).
    pub(crate) fn expires_after(self) -> Duration {
        Duration::from_secs(u64::from(self.interval_s - (self.interval_s / 3).min(32)))
    }

    /// Writes the request's headers that keep or begin an agreement (section 7.1); `ours` names the refresher when
    /// the roles are already given, seen from the sender of this request.
    pub(crate) fn ask(headers: &mut Headers, interval_s: u32, min_s: u32, current: Option<Agreement>) {
        let refresher = match current.map(|agreement| agreement.refresher) {
            Some(Refresher::Us) => ";refresher=uac",
            Some(Refresher::Peer) => ";refresher=uas",
            None => "",
        };
        let interval_s = interval_s.max(min_s).max(SHORTEST_S);
        headers.set(HeaderName::SessionExpires, format!("{interval_s}{refresher}"));
        if min_s > SHORTEST_S {
            headers.set(HeaderName::MinSe, min_s.to_string());
        }
    }

    /// Reads what the peer's 2xx to our request settled; `None` when no session timer runs (section 7.2).
    pub(crate) fn settled(response: &Headers) -> Option<Agreement> {
        let (interval_s, role) = response.session_expires()?;
        // Without the parameter the 2xx is malformed; refreshing ourselves is safe.
        let refresher = if role == Some(Role::Uas) { Refresher::Peer } else { Refresher::Us };
        Some(Agreement { interval_s: interval_s.max(SHORTEST_S), refresher })
    }

    /// Decides as the server of `request` (section 9). Without a wish of the peer, `wanted_s` is ours.
    pub(crate) fn serve(request: &Headers, wanted_s: Option<u32>) -> Result<Option<Agreement>, TooBrief> {
        let supported = supports_timer(request);
        let Some((asked_s, role)) = request.session_expires() else {
            let interval_s = wanted_s.map(|wanted| wanted.max(request.min_se().unwrap_or(0)).max(SHORTEST_S));
            return Ok(interval_s.map(|interval_s| Agreement { interval_s, refresher: Refresher::Us }));
        };
        if asked_s < SHORTEST_S && supported {
            return Err(TooBrief);
        }
        let refresher = match role {
            Some(Role::Uac) => Refresher::Peer,
            Some(Role::Uas) => Refresher::Us,
            None if supported => Refresher::Peer,
            None => Refresher::Us,
        };
        Ok(Some(Agreement { interval_s: asked_s.max(SHORTEST_S), refresher }))
    }

    /// Writes the 2xx's headers (section 9, table 2).
    pub(crate) fn grant(self, response: &mut Headers) {
        let (refresher, required) = match self.refresher {
            Refresher::Us => ("uas", false),
            Refresher::Peer => ("uac", true),
        };
        response.set(HeaderName::SessionExpires, format!("{};refresher={refresher}", self.interval_s));
        if required {
            response.set(HeaderName::Require, "timer");
        }
    }
}

fn supports_timer(headers: &Headers) -> bool {
    headers.options_of(&HeaderName::Supported).iter().any(|option| option.eq_ignore_ascii_case("timer"))
}
