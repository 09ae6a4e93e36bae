//! Lines, users and devices as the database has them, and the lines that the user agent serves.

use std::time::Instant;

use linecard_calls::LineId;
use linecard_store::lines::LineMode;
use tokio::sync::oneshot;

use super::{Answer, Reactor};
use crate::directory::{Directory, sip_line};

/// The expiry that lines ask for, in seconds.
const EXPIRES_S: u32 = 120;
/// That of a line beside a desk phone: should it cost the phone its place, the place is free again soon.
const EXPIRES_BESIDE_S: u32 = 60;

/// The readings of the database, one after the other: of two at once the older could come last and undo the newer.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// Who waits for the one that is under way.
    under_way: Option<Vec<oneshot::Sender<()>>>,
    /// Who asked since it began: it may lack what they changed.
    next: Vec<oneshot::Sender<()>>,
}

impl Readings {
    /// Takes a wish in; tells whether a reading has to begin.
    fn ask(&mut self, reply: oneshot::Sender<()>) -> bool {
        self.next.push(reply);
        self.begin()
    }

    fn begin(&mut self) -> bool {
        let begins = self.under_way.is_none() && !self.next.is_empty();
        if begins {
            self.under_way = Some(std::mem::take(&mut self.next));
        }
        begins
    }

    /// Tells all who waited for the reading that it is in force, and whether another one has to begin.
    fn done(&mut self) -> bool {
        for reply in self.under_way.take().into_iter().flatten() {
            // Who asked may be gone.
            let _ = reply.send(());
        }
        self.begin()
    }
}

impl Reactor {
    /// Reads lines, users and devices again.
    pub(super) fn reload(&mut self, reply: oneshot::Sender<()>) {
        if self.readings.ask(reply) {
            self.read();
        }
    }

    fn read(&self) {
        let (store, answers) = (self.parts.store.clone(), self.answers.clone());
        tokio::spawn(async move {
            let directory = Directory::load(&store).await.inspect_err(|error| {
                tracing::error!(%error, "lines, users and devices cannot be read again");
            });
            let _ = answers.send(Answer::Loaded { directory: directory.ok() });
        });
    }

    /// Puts in force what was read.
    pub(super) fn loaded(&mut self, directory: Option<Directory>) {
        if let Some(directory) = directory {
            self.serve_lines_of(directory);
        }
        if self.readings.done() {
            self.read();
        }
    }

    /// Registers every line.
    pub(super) fn add_lines(&mut self) {
        self.know_sources();
        let lines: Vec<LineId> = self.parts.directory.lines().map(|line| line.id).collect();
        lines.into_iter().for_each(|line| self.add_line(line));
    }

    fn add_line(&mut self, id: LineId) {
        let Some(line) = self.parts.directory.line(id) else { return };
        let beside = line.account.mode == LineMode::Shadow;
        let line = sip_line(line, if beside { EXPIRES_BESIDE_S } else { EXPIRES_S });
        match self.parts.agent.add_line(line, Instant::now()) {
            Ok(()) => {
                let records = self.parts.directory.line(id).map(|line| line.account.mode);
                if records == Some(LineMode::Siprec) && !self.nameless.contains(&id) {
                    self.recorder_stands(id);
                }
                self.watch(id);
            }
            Err(error) => tracing::error!(%error, "a line cannot be served"),
        }
    }

    fn know_sources(&mut self) {
        let mut known = self.parts.settings.trusted.clone();
        known.extend(self.parts.directory.device_addresses());
        self.parts.agent.set_known_sources(&known);
    }

    /// Takes new lines, users and devices over; lines that changed are registered anew, the others go on as they are.
    fn serve_lines_of(&mut self, directory: Directory) {
        let before = std::mem::replace(&mut self.parts.directory, directory);
        self.know_sources();
        let now = Instant::now();
        let name = |id: LineId| linecard_sip::ua::LineId::new(&id.to_string());
        for line in before.lines() {
            if self.parts.directory.line(line.id) != Some(line) {
                self.standings.remove(&line.id);
                self.unwatch(line.id);
                self.phone_pushed_out(line.id, None);
                if let Err(error) = self.parts.agent.remove_line(&name(line.id), now) {
                    tracing::warn!(line = %line.id, %error, "a line could not be taken out of service");
                }
            }
        }
        let new = self.parts.directory.lines();
        let new = new.filter(|line| before.line(line.id) != Some(line));
        let new: Vec<LineId> = new.map(|line| line.id).collect();
        new.into_iter().for_each(|line| self.add_line(line));
        self.set_phones();
        self.forget_phones(before.phones().map(|phone| phone.account.device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(waits: &mut oneshot::Receiver<()>) -> bool {
        waits.try_recv().is_ok()
    }

    #[test]
    fn who_asks_while_a_reading_is_under_way_waits_for_the_next_and_no_two_are_under_way() {
        let mut readings = Readings::default();
        let ([one, two, three], [mut first, mut second, mut third]) = {
            let [(a, b), (c, d), (e, f)] = [oneshot::channel(), oneshot::channel(), oneshot::channel()];
            ([a, c, e], [b, d, f])
        };
        assert!(readings.ask(one), "nothing is under way: a reading begins");
        assert!(!readings.ask(two) && !readings.ask(three), "the older one could come last");
        assert!(readings.done(), "another one begins for those who asked since");
        assert!(is_told(&mut first));
        assert!(!is_told(&mut second) && !is_told(&mut third), "what they changed may not be in it");
        assert!(!readings.done(), "nobody waits any more");
        assert!(is_told(&mut second) && is_told(&mut third));
        let (four, mut fourth) = oneshot::channel();
        assert!(readings.ask(four));
        assert!(!readings.done());
        assert!(is_told(&mut fourth));
    }
}
