//! How the lines stand: kept for `/lines`, told to browsers, and said in the log once for each change, with what to check.

use std::collections::BTreeMap;
use std::time::Instant;

use linecard_calls::{Event, LineId, LineState, RegistrationView};
use linecard_sip::registration::{FailureReason, RegistrationState};
use linecard_sip::ua::LineId as SipLineId;

use super::Reactor;
use crate::clock::wall_clock;
use crate::directory::server_host;
use crate::translate::{self, LineStanding};
use crate::trouble::Trouble;

impl Reactor {
    /// Takes in what became of a line's registration.
    pub(super) fn registration_changed(&mut self, line: &SipLineId, state: &RegistrationState) {
        let Ok(line_id) = line.as_str().parse() else { return };
        let before = self.standings.get(&line_id);
        let asks = matches!(state, RegistrationState::Querying | RegistrationState::Registering);
        // That it is tried again does not make the reason for the last failure less true.
        let tried_again = asks && before.is_some_and(|before| before.reason.is_some());
        // Without an address it cannot be reached either; the name is what somebody can mend.
        let nameless = !asks && translate::is_unreachable(state) && self.nameless.contains(&line_id);
        if asks {
            self.nameless.remove(&line_id);
        }
        if tried_again || nameless {
            tracing::debug!(line = %line_id, ?state, "registration");
            return;
        }
        let pushed_out = match state {
            RegistrationState::Failed { reason: FailureReason::PushesOut { contacts, put_back }, .. } => {
                Some(contacts.join(", ")).filter(|_| !put_back)
            }
            _ => None,
        };
        self.phone_pushed_out(line_id, pushed_out.as_deref());
        let mut standing = translate::standing(state, Instant::now(), wall_clock());
        if standing.state == LineState::Registered && self.is_never_forked(line_id) {
            standing.trouble = Some(Trouble::never_forked());
        }
        self.line_stands(line_id, standing);
    }

    /// Says anew how a registered line stands.
    pub(super) fn stands_as_registered(&mut self, line: LineId) {
        let name = SipLineId::new(&line.to_string());
        if let Some(state) = self.parts.agent.registration_state(&name).cloned() {
            self.registration_changed(&name, &state);
        }
    }

    /// Says how a line stands that is called to record: it waits, and for what.
    pub(super) fn recorder_stands(&mut self, line: LineId) {
        let trouble = self.silent_recorders.contains(&line).then(Trouble::recorder_silent);
        let contacts = self.sessions.of_line(line);
        let standing = LineStanding { state: LineState::Registered, trouble, expires_at: None, contacts };
        self.line_stands(line, standing);
    }

    /// The server of a line that records was asked whether it is there.
    pub(super) fn recorder_asked(&mut self, line: &SipLineId, status: Option<u16>) {
        let Ok(line_id) = line.as_str().parse() else { return };
        match status {
            Some(_) => self.silent_recorders.remove(&line_id),
            None => self.silent_recorders.insert(line_id),
        };
        if status.is_some() || !self.nameless.contains(&line_id) {
            self.nameless.remove(&line_id);
            self.recorder_stands(line_id);
        }
    }

    /// A server's name has no address: every line that names it says so.
    pub(super) fn unresolved(&mut self, host: &str) {
        let lines = self.parts.directory.lines();
        let named = lines.filter(|line| {
            let proxy = line.account.outbound_proxy.as_deref();
            server_host(proxy.unwrap_or(&line.account.server))
                .is_some_and(|server| server.to_string() == host)
        });
        let named: Vec<LineId> = named.map(|line| line.id).collect();
        for line in named {
            self.nameless.insert(line);
            let standing = LineStanding {
                state: LineState::Failed,
                trouble: Some(Trouble::no_address(host)),
                expires_at: None,
                contacts: 0,
            };
            self.line_stands(line, standing);
        }
    }

    /// Takes note of how a line stands, and tells who has to know.
    pub(super) fn line_stands(&mut self, line_id: LineId, standing: LineStanding) {
        let known = self.parts.directory.line(line_id);
        let name = known.map(|line| line.account.name.clone()).unwrap_or_default();
        let before = self.standings.get(&line_id);
        let unchanged = before.filter(|before| before.state == standing.state);
        let mut view = RegistrationView {
            line_id,
            user_id: known.and_then(|line| line.account.user_id),
            state: standing.state,
            since: unchanged.map_or_else(wall_clock, |before| before.since),
            reason: None,
            reason_key: None,
            reason_params: BTreeMap::new(),
            advice: None,
            expires_at: standing.expires_at,
            contacts: standing.contacts,
            last_session_at: self.last_session(line_id),
        };
        if let Some(trouble) = standing.trouble {
            let own = |(name, value): (&str, String)| (name.to_owned(), value);
            view.reason_key = Some(trouble.key.to_owned());
            view.reason_params = trouble.params.into_iter().map(own).collect();
            view.reason = Some(trouble.text);
            view.advice = Some(trouble.advice.to_owned());
        }
        let before = self.standings.insert(line_id, view.clone());
        let before = before.as_ref();
        match (&view.reason, &view.advice) {
            (Some(reason), Some(advice))
                if view.state == LineState::Registered
                    && before.is_none_or(|before| before.reason.is_none()) =>
            {
                tracing::warn!(line = %line_id, "line {name:?} is registered, but {reason}; {advice}");
            }
            (Some(reason), Some(advice)) if is_news(before, &view) && view.state != LineState::Registered => {
                tracing::warn!(line = %line_id, "line {name:?} is not registered: {reason}; {advice}");
            }
            (Some(reason), _) => {
                tracing::debug!(line = %line_id, "line {name:?} is not registered: {reason}");
            }
            (None, _) if view.state == LineState::Registered => {
                if before.is_none_or(|before| before.state != view.state || before.reason.is_some()) {
                    tracing::info!(line = %line_id, "line {name:?} is registered");
                }
            }
            (None, _) => tracing::debug!(line = %line_id, "line {name:?} is being registered"),
        }
        let same = |before: &RegistrationView| {
            (before.state, &before.reason, before.contacts) == (view.state, &view.reason, view.contacts)
                && before.last_session_at == view.last_session_at
        };
        if !before.is_some_and(same) {
            self.publish(Event::RegistrationChanged(view));
        }
    }
}

/// Tells whether somebody should hear of it: attempt after attempt for the same reason is no news.
fn is_news(before: Option<&RegistrationView>, now: &RegistrationView) -> bool {
    before.is_none_or(|before| {
        let another_reason = now.state == LineState::Failed && before.reason != now.reason;
        before.state != now.state || before.reason.is_none() || another_reason
    })
}
