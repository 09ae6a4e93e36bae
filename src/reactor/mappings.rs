//! What waits until it is known how a leg's ports are seen from outside: half a second at most, and never a lost call.

use linecard_calls::{AlarmKind, CallId, Effect, Input, LegId};
use linecard_sip::ua;

use super::Reactor;
use super::effects::Placing;
use crate::media::{Between, Mapped, OpenLeg, Place, Telling};

/// What waits for the ports of a leg.
pub(super) enum Held {
    /// An INVITE to be sent from there.
    Invite {
        /// The leg.
        leg: LegId,
        /// Its call.
        call: CallId,
        /// The INVITE.
        placing: Box<Placing>,
        /// The ports.
        media: OpenLeg,
    },
    /// An answer with a description of them.
    Answer {
        /// The ports.
        media: crate::media::LegId,
        /// The answer.
        effect: Effect,
    },
}

impl Held {
    fn media(&self) -> crate::media::LegId {
        match self {
            Self::Invite { media, .. } => media.id,
            Self::Answer { media, .. } => *media,
        }
    }
}

impl Reactor {
    /// Has the ports of a leg along a line asked for at the STUN server, where the PBX sees this server elsewhere than it is.
    pub(super) fn behind_nat(&self, place: Place, line: &ua::LineId) -> Place {
        let learned = self.parts.agent.learned_address(line);
        match learned.filter(|learned| learned.is_ipv4() == place.local.is_ipv4()) {
            Some(told) if self.parts.media.can_map(place.local) => {
                Place { told, between: Between::Nat, ..place }
            }
            _ => place,
        }
    }

    /// Keeps an answer until the ports of its leg are known; gives back what need not wait.
    pub(super) fn hold_answer(&mut self, leg: LegId, effect: Effect) -> Option<Effect> {
        let media = self.legs.get(leg).and_then(|leg| leg.media);
        match media.filter(|media| media.telling == Telling::Asked) {
            Some(media) => {
                self.held.push(Held::Answer { media: media.id, effect });
                None
            }
            None => Some(effect),
        }
    }

    /// It is known how ports are seen, or nobody answered.
    pub(super) fn mapped(&mut self, media: crate::media::LegId, mapped: Option<Mapped>) {
        let silent = "the STUN server does not answer, so calls name this server's own port at the address that the PBX sees; check media.stun";
        match (mapped, self.stun_silent_since) {
            (Some(_), Some(_)) => self.clear_alarm(AlarmKind::StunSilent, None, "the STUN server answers"),
            (None, None) => self.alarm(AlarmKind::StunSilent, None, silent),
            (Some(_), None) | (None, Some(_)) => {}
        }
        self.stun_silent_since = mapped.is_none().then(|| self.stun_silent_since.unwrap_or(self.told_at));
        self.legs.mapped(media, mapped);
        let (ready, waiting) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.media() == media);
        self.held = waiting;
        let ready: Vec<Held> = ready;
        for held in ready {
            match held {
                Held::Answer { effect, .. } => self.perform(effect),
                Held::Invite { leg, call, placing, mut media } => {
                    media.seen(mapped);
                    if let Err(status) = self.place_over(media, leg, call, *placing) {
                        self.engine(Input::LegRejected { leg, status, reasons: Vec::new() });
                    }
                }
            }
        }
    }

    /// Takes an INVITE back that waits to be sent; tells whether there was one.
    pub(super) fn take_back(&mut self, id: LegId) -> bool {
        let place = self.held.iter().position(|held| matches!(held, Held::Invite { leg, .. } if *leg == id));
        let Some(Held::Invite { media, .. }) = place.map(|place| self.held.remove(place)) else {
            return false;
        };
        self.parts.media.close_leg(media.id, self.told_at);
        self.engine(Input::LegRejected { leg: id, status: 487, reasons: Vec::new() });
        true
    }

    /// The ports of INVITEs that a call will not send any more.
    pub(super) fn held_ports(&mut self, of: CallId) -> Vec<OpenLeg> {
        let mut ports = Vec::new();
        self.held.retain(|held| match held {
            Held::Invite { call, media, .. } if *call == of => {
                ports.push(*media);
                false
            }
            _ => true,
        });
        ports
    }
}
