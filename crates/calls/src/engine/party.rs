//! Another party at the customer's end: the PBX connects the call with somebody else, and says so.

use super::call::{Call, Stage};
use super::finish::Face;
use super::outbox::Outbox;
use crate::effect::Effect;
use crate::event::Event;
use crate::signal::{Caller, SignalBody, Source};

impl Call {
    /// The customer's side says who is at its end. The first caller stays who called; a public number takes the place
    /// of one that is none when the contacts are asked.
    pub(super) fn party_named(&mut self, party: Caller, out: &mut Outbox) {
        if !party.number.as_deref().is_some_and(|number| self.is_news(number)) {
            return;
        }
        let before = self.known_number().map(str::to_owned);
        let leg = self.customer();
        self.record(Source::Anchor, SignalBody::PartyNamed { leg, party: party.clone() }, out);
        self.connected.push(party);
        if self.known_number() != before.as_deref() {
            self.candidates.clear();
        }
        self.show_connected(before.as_deref(), out);
        self.number_learned(before.as_deref(), out);
        out.publish(Event::CallUpdated(self.view()));
    }

    /// Whether a number at the customer's end is another than was known, and not this server's own. Who answers an
    /// emergency call is nobody's customer.
    fn is_news(&self, number: &str) -> bool {
        let own = [self.opening.did(), self.opening.shown_to_callee()];
        let known = self.connected.last().map_or(self.opening.number(), |party| party.number.as_deref());
        let carried = self.is_live() && !self.is_watched() && !self.opening.is_special();
        carried && self.has_room() && known != Some(number) && !own.contains(&Some(number))
    }

    /// The number by which the customer is known.
    pub(super) fn known_number(&self) -> Option<&str> {
        self.opening.known_number(&self.connected)
    }

    /// The number at the customer's end, where it is another than the one by which the customer is known.
    pub(super) fn connected_number(&self) -> Option<&str> {
        self.opening.connected_number(&self.connected)
    }

    /// Whom a device of the user shows.
    pub(super) fn shown_on_device(&self) -> Caller {
        self.connected.last().cloned().unwrap_or_else(|| self.opening.shown_on_device())
    }

    /// What the call's user sees of it.
    pub(super) fn face(&self) -> Face {
        let first = Face::of_opening(&self.opening);
        let known = match self.opening.put_through(&self.connected) {
            Some(customer) => first.put_through(customer),
            None => first,
        };
        known.connected_with(self.connected_number())
    }

    /// Screens and the phone that talks show who is there now.
    fn show_connected(&mut self, before: Option<&str>, out: &mut Outbox) {
        let face = self.face();
        for pop in self.pops.iter_mut().filter(|pop| !pop.state.is_over() && pop.number.as_deref() == before)
        {
            face.show_party(pop);
            pop.version += 1;
            out.publish(Event::PopUpdated(pop.clone()));
        }
        if let Stage::Talking(talking) = &self.stage {
            let (leg, line) = (talking.agent, self.opening.line());
            out.effect(Effect::NameParty { leg, line, party: self.shown_on_device() });
        }
    }
}
