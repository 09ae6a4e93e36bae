//! Recording sessions (RFC 7866): a recording client sends a call's media and tells who takes part; here it is received,
//! recorded and seen like any call that goes on elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use linecard_calls::{
    DirectionEvidence, EndCause, Input, LegId, LineId, RecordingId, SessionTold, Side, Sighting, SightingEnd,
    SightingId, SightingOver, SightingStage, Source, UtcMillis,
};
use linecard_sip::invite::{self, DialogHandle};
use linecard_sip::message::Request;
use linecard_sip::sdp::{
    Audio, Awareness, Direction, LocalAudio, LocalSession, RecordedStream, SessionDescription, audios_of,
    label_of, receivable,
};
use linecard_sip::siprec::{self, Metadata, MetadataError, RecordedSession};
use linecard_sip::transport::Flow;
use linecard_sip::ua::ReinviteAnswer;
use linecard_store::lines::Line;

use super::effects::file_id;
use super::legs::{Sound, passing_on, remote_of};
use super::{ASK_SILENT_EVERY, Reactor};
use crate::clock::wall_clock;
use crate::media::{Feed, OpenLeg, Place, Srtp};
use crate::siprec::{Reading, Surroundings};
use crate::translate;

/// The most streams that are received of one session.
const STREAMS_MAX: usize = 8;

/// The recording sessions that are up, found by their leg.
#[derive(Debug, Default)]
pub(super) struct RecordingSessions(HashMap<LegId, RecordingSession>);

/// One session.
#[derive(Debug)]
struct RecordingSession {
    handle: DialogHandle,
    line: LineId,
    sip_call_id: String,
    told: RecordedSession,
    offer: SessionDescription,
    local: LocalSession,
    streams: Vec<Stream>,
    /// What is seen of the call by it, by the participants' names.
    seen: HashMap<String, Sighting>,
    /// Who called, once that was asked.
    direction: Option<(Side, DirectionEvidence)>,
    recording: Option<RecordingId>,
    peer: IpAddr,
    sound: Sound,
}

/// One stream that is received.
#[derive(Debug, Clone)]
struct Stream {
    audio: Audio,
    media: OpenLeg,
}

/// Why a session is refused: the status, and what to change.
#[derive(Debug)]
struct Refused {
    status: u16,
    warning: String,
}

impl Refused {
    fn new(status: u16, warning: impl Into<String>) -> Self {
        Self { status, warning: warning.into() }
    }
}

impl RecordingSessions {
    fn of_handle(&self, handle: DialogHandle) -> Option<LegId> {
        self.0.iter().find(|(_, session)| session.handle == handle).map(|(leg, _)| *leg)
    }

    fn of_media(&mut self, media: crate::media::LegId) -> Option<&mut RecordingSession> {
        self.0.values_mut().find(|session| session.streams.iter().any(|stream| stream.media.id == media))
    }

    /// Counts the sessions of a line.
    pub(super) fn of_line(&self, line: LineId) -> u32 {
        let count = self.0.values().filter(|session| session.line == line).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl RecordingSession {
    fn stage(&self) -> SightingStage {
        let paused = |stream: &Stream| !stream.audio.direction.sends();
        if self.streams.iter().any(paused) { SightingStage::Holding } else { SightingStage::Talking }
    }

    fn labels(&self) -> Vec<Option<String>> {
        self.streams.iter().map(|stream| label_of(&self.offer, stream.audio.index)).collect()
    }
}

/// Sessions as they begin and change.
impl Reactor {
    /// An INVITE came to a line that records.
    pub(super) fn session_invited(
        &mut self,
        handle: DialogHandle,
        line: &Line,
        request: &Request,
        offer: Option<&[u8]>,
        flow: Flow,
    ) {
        let now = Instant::now();
        let begun = self.begin_session(handle, line, request, offer, flow);
        let (leg, document) = match begun {
            Ok(begun) => begun,
            Err(Refused { status, warning }) => {
                tracing::warn!(line = %line.id, status, %warning, "a recording session is refused");
                let _ = self.parts.agent.reject(handle, status, Some(&warning), now);
                return;
            }
        };
        self.last_sessions.insert(line.id, wall_clock());
        self.tell_session(leg, document);
        if self.parts.engine.call_of(leg).is_none() {
            self.forget_session(leg, now);
            let _ = self.parts.agent.reject(handle, 500, None, now);
        }
        self.recorder_stands(line.id);
    }

    fn begin_session(
        &mut self,
        handle: DialogHandle,
        line: &Line,
        request: &Request,
        offer: Option<&[u8]>,
        flow: Flow,
    ) -> Result<(LegId, Vec<u8>), Refused> {
        let document = siprec::metadata_of(&request.headers, &request.body);
        let document = document.map_err(|error| Refused::new(400, format!("the body: {error}")))?;
        let document = document.ok_or_else(|| {
            Refused::new(400, "no part of the body is application/rs-metadata+xml (RFC 7866 section 9)")
        })?;
        let metadata = Metadata::parse(&document).map_err(|error| match error {
            MetadataError::TooLarge(_) => Refused::new(413, error.to_string()),
            MetadataError::NotXml(_) | MetadataError::Foreign(_) => Refused::new(400, error.to_string()),
        })?;
        let offer = offer.ok_or_else(|| Refused::new(488, "no part of the body is application/sdp"))?;
        let offer = SessionDescription::parse(offer)
            .map_err(|error| Refused::new(488, format!("the session description: {error}")))?;
        let streams = self.open_streams(&offer, &[], flow.remote.ip())?;
        let mut told = RecordedSession::default();
        told.take(metadata);
        let leg = self.parts.engine.make_leg(wall_clock());
        let session = RecordingSession {
            handle,
            line: line.id,
            sip_call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            told,
            offer,
            local: LocalSession::new(wall_clock().0.unsigned_abs()),
            streams,
            seen: HashMap::new(),
            direction: None,
            recording: None,
            peer: flow.remote.ip(),
            sound: Sound::Silent { asked_at: Instant::now() },
        };
        self.sessions.0.insert(leg, session);
        Ok((leg, document))
    }

    /// Opens what an offer wants to be received, and keeps what is open; all of it or nothing.
    fn open_streams(
        &self,
        offer: &SessionDescription,
        open: &[Stream],
        peer: IpAddr,
    ) -> Result<Vec<Stream>, Refused> {
        let place = self.parts.settings.places.towards(Some(peer));
        let unbound = self.judging_audio(place);
        let audios = receivable(offer, &unbound).map_err(|why| Refused::new(488, why.to_string()))?;
        if open.is_empty() && !self.parts.media.has_room() {
            return Err(Refused::new(503, "as many talks are recorded as this machine can bear"));
        }
        let mut streams: Vec<Stream> = Vec::new();
        let mut fresh = Vec::new();
        for audio in audios.into_iter().take(STREAMS_MAX) {
            let known = open.iter().find(|stream| stream.audio.index == audio.index).map(|known| known.media);
            let media = match known {
                Some(media) => media,
                None => match self.parts.media.open_leg(place) {
                    Ok(media) => {
                        fresh.push(media);
                        media
                    }
                    Err(error) => {
                        tracing::error!(%error, "no RTP ports for a recording session");
                        let now = Instant::now();
                        fresh.iter().for_each(|media| self.parts.media.close_leg(media.id, now));
                        return Err(Refused::new(503, "no RTP port is free"));
                    }
                },
            };
            streams.push(Stream { audio, media });
        }
        Ok(streams)
    }

    /// What would be received, whichever ports it will have.
    fn judging_audio(&self, place: Place) -> LocalAudio {
        let unbound = self.parts.media.unbound(place);
        passing_on(&unbound, None).unwrap_or_else(|| LocalAudio::new(place.told, 0))
    }

    /// A recording client tells of the recorded call inside its session.
    pub(super) fn metadata_received(&mut self, handle: DialogHandle, document: Vec<u8>) {
        let Some(leg) = self.sessions.of_handle(handle) else { return };
        match Metadata::parse(&document) {
            Ok(metadata) => {
                if let Some(session) = self.sessions.0.get_mut(&leg) {
                    session.told.take(metadata);
                }
                self.tell_session(leg, document);
                self.feed_session(leg);
            }
            Err(error) => tracing::warn!(%leg, %error, "what a recording client tells cannot be read"),
        }
    }

    /// A recording client changes its streams; false when the dialog is none of a recording session.
    pub(super) fn session_reoffered(&mut self, handle: DialogHandle, offer: Option<&[u8]>) -> bool {
        let Some(leg) = self.sessions.of_handle(handle) else { return false };
        let now = Instant::now();
        let answer = match self.take_offer(leg, offer) {
            Ok(answer) => ReinviteAnswer::Accept(answer),
            Err(Refused { status, warning }) => {
                tracing::warn!(%leg, status, %warning, "a change of a recording session is refused");
                ReinviteAnswer::Refuse(status)
            }
        };
        let _ = self.parts.agent.answer_reinvite(handle, answer, now);
        self.stage_changed(leg);
        self.feed_session(leg);
        true
    }

    fn take_offer(&mut self, leg: LegId, offer: Option<&[u8]>) -> Result<Vec<u8>, Refused> {
        let gone = || Refused::new(481, "the session is over");
        let Some(offer) = offer else {
            let session = self.sessions.0.get(&leg).ok_or_else(gone)?;
            let current = session.local.current().ok_or_else(gone)?;
            return Ok(current.to_bytes());
        };
        let offer = SessionDescription::parse(offer)
            .map_err(|error| Refused::new(488, format!("the session description: {error}")))?;
        let session = self.sessions.0.get(&leg).ok_or_else(gone)?;
        let (open, peer) = (session.streams.clone(), session.peer);
        let streams = self.open_streams(&offer, &open, peer)?;
        let kept = |media: &OpenLeg| streams.iter().any(|stream| stream.media.id == media.id);
        let closed: Vec<OpenLeg> = open.iter().map(|stream| stream.media).filter(|it| !kept(it)).collect();
        let now = Instant::now();
        closed.iter().for_each(|media| self.parts.media.close_leg(media.id, now));
        let session = self.sessions.0.get_mut(&leg).ok_or_else(gone)?;
        (session.offer, session.streams) = (offer, streams);
        self.answer_session(leg).ok_or_else(|| Refused::new(488, "no stream can be received"))
    }

    /// Makes the answer to what a session offers, and tells the relay where its streams come from.
    fn answer_session(&mut self, leg: LegId) -> Option<Vec<u8>> {
        let records = self.parts.settings.records;
        let session = self.sessions.0.get_mut(&leg)?;
        let streams: Vec<RecordedStream> = session
            .streams
            .iter()
            .filter_map(|stream| {
                let mut local = passing_on(&stream.media, Some(&stream.audio))?.with_others();
                local.direction = Direction::ReceiveOnly;
                let awareness = match (records, stream.audio.direction.sends()) {
                    (false, _) => Awareness::Off,
                    (true, true) => Awareness::On,
                    (true, false) => Awareness::Paused,
                };
                Some(RecordedStream { index: stream.audio.index, local, awareness })
            })
            .collect();
        let answer = session.local.answer_recorded(&session.offer, &streams).ok()?;
        let ours = audios_of(&answer);
        for stream in &session.streams {
            let own = ours.iter().find(|audio| audio.index == stream.audio.index);
            let required = stream.media.srtp == Srtp::Required;
            if let Some(remote) = remote_of(&stream.audio, own, required, Some(session.peer)) {
                self.parts.media.set_remote(stream.media.id, remote);
            }
        }
        Some(answer.to_bytes())
    }
}

/// What the engine is told, and wants.
impl Reactor {
    /// Tells the engine what the documents of a session come to by now.
    fn tell_session(&mut self, leg: LegId, document: Vec<u8>) {
        let Some(reading) = self.read_session(leg) else { return };
        let Some(session) = self.sessions.0.get_mut(&leg) else { return };
        session.direction = Some((reading.side, reading.direction_by));
        let (line, handle_stage) = (session.line, session.stage());
        let sip_call_id = session.sip_call_id.clone();
        let before = session.seen.clone();
        let Some(known) = self.parts.directory.line(line).cloned() else { return };
        let mut seen: Option<SightingId> = None;
        for one in &reading.ours {
            let sighting = match before.get(&one.id) {
                Some(sighting) => sighting.clone(),
                None => {
                    let at = wall_clock();
                    let names = (self.parts.engine.make_sighting(at), self.parts.engine.make_leg(at));
                    Reading::sighting(one, names, &known, &sip_call_id, handle_stage)
                }
            };
            seen = Some(sighting.id);
            if let Some(session) = self.sessions.0.get_mut(&leg) {
                session.seen.insert(one.id.clone(), sighting.clone());
            }
            if !before.contains_key(&one.id) {
                self.engine(Input::Sighted { sighting, source: Source::Siprec });
            }
        }
        let gone = before.iter().filter(|(id, _)| !reading.ours.iter().any(|one| one.id == **id));
        for (id, sighting) in gone {
            if let Some(session) = self.sessions.0.get_mut(&leg) {
                session.seen.remove(id);
            }
            self.sighting_ended(sighting.id, SightingEnd::Replaced);
        }
        let (voices, _) = self
            .sessions
            .0
            .get(&leg)
            .map_or_else(Default::default, |session| reading.voices(&session.labels()));
        let session = self.sessions.0.get(&leg).and_then(|session| session.told.sessions.first());
        let told = SessionTold {
            leg,
            line,
            sip_call_id,
            session: session.map(|session| session.id.clone()),
            parties: reading.parties,
            direction_by: reading.direction_by,
            voices,
            document: String::from_utf8_lossy(&document).into_owned(),
        };
        self.engine(Input::SessionTold { told, seen });
    }

    fn read_session(&self, leg: LegId) -> Option<Reading> {
        let session = self.sessions.0.get(&leg)?;
        let line = self.parts.directory.line(session.line)?;
        let own: Vec<SightingId> = session.seen.values().map(|sighting| sighting.id).collect();
        let seen = |extension: &str, server: &str| self.parts.engine.side_seen(extension, server, &own);
        let (plan, directory) = (&self.parts.dial_plan, &self.parts.directory);
        let around = Surroundings { plan, directory, line, settled: session.direction, seen: &seen };
        Some(Reading::of(&session.told, &around, wall_clock()))
    }

    fn sighting_ended(&mut self, id: SightingId, end: SightingEnd) {
        let over = SightingOver { id, end, status: None, reasons: Vec::new() };
        self.engine(Input::SightingOver { over, source: Source::Siprec });
    }

    /// The client has paused its streams or goes on: the call is on hold, or is not.
    fn stage_changed(&mut self, leg: LegId) {
        let Some(session) = self.sessions.0.get_mut(&leg) else { return };
        let stage = session.stage();
        let mut changed = Vec::new();
        for sighting in session.seen.values_mut().filter(|sighting| sighting.stage != stage) {
            sighting.stage = stage;
            changed.push(sighting.clone());
        }
        for sighting in changed {
            self.engine(Input::Sighted { sighting, source: Source::Siprec });
        }
    }

    /// Sends 200 for a session: what it tells is written down.
    pub(super) fn accept_session(&mut self, leg: LegId) {
        let Some(handle) = self.sessions.0.get(&leg).map(|session| session.handle) else { return };
        let now = Instant::now();
        match self.answer_session(leg) {
            Some(answer) => {
                if let Err(error) = self.parts.agent.accept(handle, &answer, now) {
                    tracing::debug!(%error, "a recording client is gone at the moment of the answer");
                }
            }
            None => {
                let _ = self.parts.agent.reject(handle, 488, None, now);
                self.session_over(handle, EndCause::System, SightingEnd::Fault);
            }
        }
    }

    /// Begins the recording of what a session sends.
    pub(super) fn record_session(&mut self, recording: RecordingId, leg: LegId) {
        let Some(session) = self.sessions.0.get_mut(&leg) else {
            let why = "the recording session is gone".to_owned();
            return self.engine(Input::RecordingFailed { recording, why });
        };
        session.recording = Some(recording);
        self.feed_session(leg);
        self.engine(Input::RecordingOpened { recording, path: format!("{recording}.wav") });
    }

    /// Lets the recording of a session hear those who speak in it by now.
    fn feed_session(&mut self, leg: LegId) {
        let Some(reading) = self.read_session(leg) else { return };
        let Some(session) = self.sessions.0.get(&leg) else { return };
        let Some(file) = session.recording.and_then(file_id) else { return };
        let (_, voices) = reading.voices(&session.labels());
        let feed = |(index, voice)| {
            let stream: Option<&Stream> = session.streams.get(index);
            stream.map(|stream| Feed { leg: stream.media.id, voice })
        };
        let feeds: Vec<Feed> = voices.into_iter().filter_map(feed).collect();
        self.parts.media.feed(file, feeds, self.told_at);
    }
}

/// The end of sessions.
impl Reactor {
    /// A dialog has ended; false when it is none of a recording session.
    pub(super) fn session_ended(&mut self, handle: DialogHandle, cause: &invite::EndCause) -> bool {
        let (by, end) = match cause {
            invite::EndCause::RemoteBye { .. } => (EndCause::Remote, SightingEnd::Untold),
            invite::EndCause::LocalBye => (EndCause::Local, SightingEnd::Blind),
            invite::EndCause::Cancelled => (EndCause::Remote, SightingEnd::Cancelled),
            invite::EndCause::AckTimeout
            | invite::EndCause::SessionExpired
            | invite::EndCause::Lost { .. } => (EndCause::System, SightingEnd::Fault),
        };
        self.session_over(handle, by, end)
    }

    /// A session is over, and what it saw is not seen any more; false when there is none.
    pub(super) fn session_over(&mut self, handle: DialogHandle, by: EndCause, end: SightingEnd) -> bool {
        let Some(leg) = self.sessions.of_handle(handle) else { return false };
        self.engine(Input::SessionOver { leg, by });
        let seen: Vec<SightingId> = self
            .sessions
            .0
            .get(&leg)
            .map(|session| session.seen.values().map(|sighting| sighting.id).collect())
            .unwrap_or_default();
        seen.into_iter().for_each(|id| self.sighting_ended(id, end));
        let line = self.sessions.0.get(&leg).map(|session| session.line);
        self.forget_session(leg, self.told_at);
        if let Some(line) = line {
            self.recorder_stands(line);
        }
        true
    }

    fn forget_session(&mut self, leg: LegId, at: Instant) {
        let Some(session) = self.sessions.0.remove(&leg) else { return };
        session.streams.iter().for_each(|stream| self.parts.media.close_leg(stream.media.id, at));
    }

    /// The server stops: clients are told at once, so that they can send the rest to another one.
    pub(super) fn hang_up_sessions(&mut self, now: Instant) {
        let reason = translate::hang_up_reason(linecard_calls::HangUpReason::System);
        let handles: Vec<DialogHandle> = self.sessions.0.values().map(|session| session.handle).collect();
        for handle in handles {
            if self.parts.agent.bye(handle, Some(&reason), now).is_err() {
                let _ = self.parts.agent.reject(handle, 503, None, now);
            }
            self.session_over(handle, EndCause::Local, SightingEnd::Blind);
        }
    }

    /// Names the leg of a dialog that is a recording session's.
    pub(super) fn session_leg(&self, handle: DialogHandle) -> Option<LegId> {
        self.sessions.of_handle(handle)
    }

    /// Takes note whether media comes; false when the leg is none of a recording session.
    pub(super) fn session_sounds(&mut self, media: crate::media::LegId, sound: Sound) -> bool {
        let now = Instant::now();
        let Some(session) = self.sessions.of_media(media) else { return false };
        session.sound = sound;
        if let Sound::Silent { .. } = sound {
            let handle = session.handle;
            let _ = self.parts.agent.send_options(handle, now);
        }
        true
    }

    /// Asks clients of which nothing is heard whether they live.
    pub(super) fn ask_silent_sessions(&mut self, now: Instant) {
        for session in self.sessions.0.values_mut() {
            if let Sound::Silent { asked_at } = session.sound
                && now.duration_since(asked_at) >= ASK_SILENT_EVERY
            {
                session.sound = Sound::Silent { asked_at: now };
                let _ = self.parts.agent.send_options(session.handle, now);
            }
        }
    }

    /// When the last session came to a line.
    pub(super) fn last_session(&self, line: LineId) -> Option<UtcMillis> {
        self.last_sessions.get(&line).copied()
    }
}
