//! Who is at the peer's end: it may be told anew while the session runs, since a PBX connects a party with somebody else
//! without a new call (RFC 3325 section 9.1; RFC 5876 section 3.1 for UPDATE and re-INVITE).

use super::reinvite::Wanted;
use super::session::{Life, Session};
use super::{CommandRefused, Context};
use crate::message::{Header, HeaderName, Headers, NameAddr};
use crate::ua::Event;

/// What one message says of who sends it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerIdentity {
    /// P-Asserted-Identity.
    pub asserted: Vec<NameAddr>,
    /// Remote-Party-ID.
    pub remote_party: Vec<NameAddr>,
    /// The value of Privacy.
    pub privacy: Option<String>,
}

impl PeerIdentity {
    /// Reads it; `None` when the message says nothing.
    pub fn of(headers: &Headers) -> Option<Self> {
        let (asserted, remote_party) = (headers.asserted_identity(), headers.remote_party_id());
        if asserted.is_empty() && remote_party.is_empty() {
            return None;
        }
        let privacy = headers.text(&HeaderName::Privacy).map(|text| text.into_owned());
        Some(Self { asserted, remote_party, privacy })
    }
}

impl Session {
    /// Takes note of who the peer's end says that it is, and tells the application when that is another than before.
    pub(super) fn note_identity(&mut self, headers: &Headers, ctx: &mut Context<'_>) {
        let told = PeerIdentity::of(headers).filter(|told| self.peer.as_ref() != Some(told));
        if let (Some(identity), Life::Called(_) | Life::Up(_)) = (told, &self.life) {
            self.peer = Some(identity.clone());
            ctx.emit(Event::PeerNamed { handle: self.handle(), identity: Box::new(identity) });
        }
    }

    /// Tells the peer who is at this end now; tried again by itself while another change is under way.
    pub(crate) fn name_self(
        &mut self,
        headers: Vec<Header>,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        let Life::Up(up) = &self.life else { return Err(CommandRefused::WrongState) };
        if up.local_sdp.is_none() {
            return Err(CommandRefused::WrongState);
        }
        let method = up.updates.method();
        self.ask_or_wait(Wanted::naming(headers), method, ctx);
        Ok(())
    }
}
