//! Looks at calls that go on elsewhere.

use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Desk, line, user};

/// One extension's part as a source sees it; extension 200 + n is user n's.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) of: u16,
    pub(crate) side: Side,
    pub(crate) number: Option<&'static str>,
    pub(crate) reach: Reach,
    pub(crate) did: Option<&'static str>,
    pub(crate) sip_call_id: Option<&'static str>,
    pub(crate) stage: SightingStage,
    pub(crate) source: Source,
}

pub(crate) fn by_dialogs() -> Source {
    Source::DialogInfo
}

pub(crate) fn by_invite() -> Source {
    Source::Shadow
}

impl Look {
    pub(crate) fn called(of: u16, number: Option<&'static str>) -> Self {
        Self {
            of,
            side: Side::Called,
            number,
            reach: Reach::Outside,
            did: None,
            sip_call_id: None,
            stage: SightingStage::Ringing,
            source: Source::DialogInfo,
        }
    }

    pub(crate) fn calling(of: u16, number: Option<&'static str>) -> Self {
        Self { side: Side::Calling, ..Self::called(of, number) }
    }
}

/// A sighting that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Eye {
    sighting: Sighting,
    source: Source,
}

impl Eye {
    pub(crate) fn id(&self) -> SightingId {
        self.sighting.id
    }
}

impl Desk {
    pub(crate) fn sight(&mut self, look: &Look) -> Eye {
        self.sight_by(look, look.source)
    }

    pub(crate) fn sight_by(&mut self, look: &Look, source: Source) -> Eye {
        let at = self.at();
        let sighting = Sighting {
            id: self.engine.make_sighting(at),
            leg: self.engine.make_leg(at),
            line: line(10 + look.of),
            user: Some(user(look.of)),
            extension: (200 + look.of).to_string(),
            server: "pbx.example".to_owned(),
            side: look.side,
            party: Caller {
                number: look.number.map(str::to_owned),
                dialled: look.number.map(str::to_owned),
                ..Caller::default()
            },
            reach: look.reach,
            did: look.did.map(str::to_owned),
            sip_call_id: look.sip_call_id.map(str::to_owned),
            stage: look.stage,
        };
        self.give(Input::Sighted { sighting: sighting.clone(), source });
        Eye { sighting, source }
    }

    pub(crate) fn talks(&mut self, eye: &Eye) {
        let sighting = Sighting { stage: SightingStage::Talking, ..eye.sighting.clone() };
        self.give(Input::Sighted { sighting, source: eye.source });
    }

    pub(crate) fn holds(&mut self, eye: &Eye) {
        let sighting = Sighting { stage: SightingStage::Holding, ..eye.sighting.clone() };
        self.give(Input::Sighted { sighting, source: eye.source });
    }

    /// The extension talks with somebody else now.
    pub(crate) fn connected(&mut self, eye: &Eye, number: &str) {
        let party = Caller { number: Some(number.to_owned()), ..Caller::default() };
        let stage = SightingStage::Talking;
        let sighting = Sighting { stage, party, reach: Reach::Outside, ..eye.sighting.clone() };
        self.give(Input::Sighted { sighting, source: eye.source });
    }

    pub(crate) fn lost(&mut self, eye: &Eye, end: SightingEnd) {
        self.lost_with(eye, end, None, &[]);
    }

    pub(crate) fn lost_with(&mut self, eye: &Eye, end: SightingEnd, status: Option<u16>, reasons: &[u16]) {
        let reason = |cause: &u16| Reason { protocol: "SIP".to_owned(), cause: Some(*cause), text: None };
        let reasons = reasons.iter().map(reason).collect();
        let over = SightingOver { id: eye.sighting.id, end, status, reasons };
        self.give(Input::SightingOver { over, source: eye.source });
    }

    /// The server dies and is back after a while, with all that is in the ledger.
    pub(crate) fn restarted(&self, after_ms: u64, alive_until: UtcMillis) -> Desk {
        let mut desk = Desk::with(RecordingPolicy::Nothing, 2);
        let gap = i64::try_from(after_ms).unwrap();
        desk.wall_jump_ms = alive_until.0 + gap - desk.at().0;
        desk.signals.clone_from(&self.signals);
        let at = desk.at();
        let ids = IdSource::new(ChaCha12Rng::seed_from_u64(3));
        desk.engine = Engine::new(EngineConfig { recording: RecordingPolicy::Nothing }, ids, desk.now, at);
        let open = OpenCall { signals: self.signals.clone(), recordings: Vec::new() };
        desk.engine.recover(vec![open], Some(alive_until), at);
        desk.drain();
        desk
    }
}
