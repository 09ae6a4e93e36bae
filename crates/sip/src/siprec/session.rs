//! What the documents of a recording session come to (RFC 7866 section 10).

use super::document::{DataMode, Metadata, Participant, Session};

/// The most participants that a session can have had.
const PARTIES_MAX: usize = 64;

/// What is known of a recording session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedSession {
    /// The group of sessions that are one to people.
    pub group: Option<String>,
    /// The communication sessions.
    pub sessions: Vec<Session>,
    /// Everybody who takes or took part, in the order in which they were told.
    pub parties: Vec<Party>,
    /// The label of each stream, by the stream's name.
    labels: Vec<(String, String)>,
}

/// Somebody who takes or took part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// Who.
    pub who: Participant,
    /// Since when, as written.
    pub associated: Option<String>,
    /// Until when, as written.
    pub disassociated: Option<String>,
    /// Whether it takes part now.
    pub presence: Presence,
    /// The names of the streams that carry its voice.
    sends: Vec<String>,
}

/// Whether a party takes part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    #[default]
    Here,
    /// It did.
    Gone,
}

impl RecordedSession {
    /// Takes a document in: a complete one replaces what was told, and whoever is left out of it is gone.
    pub fn take(&mut self, document: Metadata) {
        let Metadata { mode, group, sessions, participants, streams, in_sessions, sending } = document;
        if mode == DataMode::Complete {
            self.labels.clear();
            for party in &mut self.parties {
                party.presence = Presence::Gone;
                party.sends.clear();
            }
        }
        self.group = group.or(self.group.take());
        for session in sessions {
            let room = self.sessions.len() < PARTIES_MAX;
            match self.sessions.iter_mut().find(|known| known.id == session.id) {
                Some(known) => learn(known, session),
                None if room => self.sessions.push(session),
                None => {}
            }
        }
        for participant in participants {
            self.meet(participant);
        }
        for (id, label) in streams.into_iter().filter_map(|stream| Some((stream.id, stream.label?))) {
            self.labels.retain(|(known, _)| *known != id);
            if self.labels.len() < PARTIES_MAX {
                self.labels.push((id, label));
            }
        }
        for told in in_sessions {
            let Some(party) = self.party_mut(&told.participant) else { continue };
            let gone = told.disassociated.is_some();
            party.presence = if gone { Presence::Gone } else { Presence::Here };
            party.associated = told.associated.or(party.associated.take());
            party.disassociated = told.disassociated;
        }
        for told in sending {
            if let Some(party) = self.party_mut(&told.participant) {
                party.sends = if told.disassociated.is_some() { Vec::new() } else { told.sends };
            }
        }
    }

    /// Yields those who take part now.
    pub fn present(&self) -> impl Iterator<Item = &Party> {
        self.parties.iter().filter(|party| party.presence == Presence::Here)
    }

    /// Yields the labels of the streams that carry a party's voice.
    pub fn labels_of<'a>(&'a self, party: &'a Party) -> impl Iterator<Item = &'a str> {
        party.sends.iter().filter_map(|id| {
            let found = self.labels.iter().find(|(known, _)| known == id);
            found.map(|(_, label)| label.as_str())
        })
    }

    fn party_mut(&mut self, id: &str) -> Option<&mut Party> {
        self.parties.iter_mut().find(|party| party.who.id == id)
    }

    fn meet(&mut self, who: Participant) {
        let room = self.parties.len() < PARTIES_MAX;
        match self.party_mut(&who.id) {
            Some(party) => {
                party.presence = Presence::Here;
                party.disassociated = None;
                if !who.aors.is_empty() {
                    party.who.aors = who.aors;
                }
                party.who.name = who.name.or(party.who.name.take());
                party.who.called = who.called.or(party.who.called);
            }
            None if room => {
                self.parties.push(Party { who, ..Party::default() });
            }
            None => {}
        }
    }
}

fn learn(known: &mut Session, told: Session) {
    known.start = told.start.or(known.start.take());
    known.end = told.end.or(known.end.take());
    known.recorded_end_called = told.recorded_end_called.or(known.recorded_end_called);
    if !told.sip_session_ids.is_empty() {
        known.sip_session_ids = told.sip_session_ids;
    }
}
