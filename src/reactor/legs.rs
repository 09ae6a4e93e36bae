//! The legs of live calls: which SIP dialog, which RTP ports and which session description belong together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use linecard_calls::{CallId, LegId, Party};
use linecard_media::{AudioCodec, ClockRate, MasterKey, PayloadKind, PayloadMap, SrtpKeys, SrtpSuite};
use linecard_sip::invite::DialogHandle;
use linecard_sip::sdp::{
    Audio, Codec, Crypto, CryptoSuite, Direction, Encryption, LocalAudio, LocalSession, NotAcceptable,
    SessionDescription, audio_of, audios_of,
};
use linecard_sip::transport::Flow;

use super::redirecting::Placed;
use crate::media::{Mapped, OpenLeg, Remote, RtcpPath, Srtp};

/// One leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) handle: DialogHandle,
    /// Known once the engine has taken the leg in.
    pub(super) call: Option<CallId>,
    pub(super) party: Party,
    pub(super) media: Option<OpenLeg>,
    /// What this end has said of its media.
    pub(super) session: LocalSession,
    /// What the party's last description says.
    pub(super) description: Option<SessionDescription>,
    /// Where its SIP messages come from, when that is known.
    pub(super) contact: Option<IpAddr>,
    pub(super) sound: Sound,
    /// What the party is told of hold.
    pub(super) said: Said,
    /// The leg that it is connected with, or was last.
    pub(super) beside: Option<LegId>,
    /// What the party's side handed over with the call (RFC 7433), for whoever is called for it.
    pub(super) handed_over: Vec<Vec<u8>>,
    /// Our INVITE, of a leg that this end has begun.
    pub(super) placed: Option<Placed>,
}

/// What a leg's party has been told of hold, and is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It knows.
    Told(Direction),
    /// It has been asked and has not answered.
    Asked { asked: Direction, next: Direction },
    /// It cannot be asked yet: another change is under way.
    Waiting { next: Direction },
}

impl Said {
    /// What holds from our side, be it told already or not.
    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Told(direction) => direction,
            Self::Asked { next, .. } | Self::Waiting { next } => next,
        }
    }
}

/// Whether anything is heard of a leg's party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sound {
    /// RTP comes in.
    Flowing,
    /// None does; the dialog is asked whether it lives, every half minute.
    Silent { asked_at: Instant },
}

impl Leg {
    /// Begins with a party of which nothing is known yet.
    pub(super) fn new(
        handle: DialogHandle,
        party: Party,
        session: LocalSession,
        media: Option<OpenLeg>,
        now: Instant,
    ) -> Self {
        Self {
            handle,
            call: None,
            party,
            media,
            session,
            description: None,
            contact: None,
            sound: Sound::Silent { asked_at: now },
            said: Said::Told(Direction::SendReceive),
            beside: None,
            handed_over: Vec::new(),
            placed: None,
        }
    }

    /// Begins with a customer's INVITE that came by `flow`.
    pub(super) fn offered(
        handle: DialogHandle,
        session: LocalSession,
        media: Option<OpenLeg>,
        flow: Flow,
        now: Instant,
    ) -> Self {
        Self { contact: Some(flow.remote.ip()), ..Self::new(handle, Party::Customer, session, media, now) }
    }

    /// Returns the audio stream that the party described: the one in use, once one is.
    pub(super) fn audio(&self) -> Option<Audio> {
        let description = self.description.as_ref()?;
        let in_use = self.session.index();
        let used = audios_of(description).into_iter().find(|audio| Some(audio.index) == in_use);
        used.filter(|audio| audio.port != 0).or_else(|| audio_of(description))
    }

    /// Reads a description of the party; one that cannot be read leaves the old one in force.
    pub(super) fn hear(&mut self, description: &[u8]) -> Option<Audio> {
        let read = SessionDescription::parse(description).ok()?;
        let audio = audio_of(&read)?;
        self.description = Some(read);
        Some(audio)
    }

    /// Returns what both ends of the leg have said that they speak.
    pub(super) fn agreed(&self) -> Option<Audio> {
        Some(agreed(self.audio()?, self.ours().as_ref()))
    }

    /// Returns the same for the relay, in the party's order and numbers.
    pub(super) fn formats(&self) -> PayloadMap {
        self.agreed().as_ref().map(formats_of).unwrap_or_default()
    }

    /// Returns what this end has said.
    fn ours(&self) -> Option<Audio> {
        self.session.current().and_then(audio_of)
    }

    /// Answers the party's offer with what the other party speaks; one that shares nothing with it gets what is spoken
    /// here: between the two it is transcoded.
    pub(super) fn answer_to(
        &mut self,
        offer: &SessionDescription,
        local: &LocalAudio,
    ) -> Result<SessionDescription, NotAcceptable> {
        let answer = self.session.answer_to(offer, local);
        answer.or_else(|_| self.session.answer_to(offer, &local.clone().with_others()))
    }

    /// Returns what the relay has to know of the party; nothing while encryption that has to be is not agreed on.
    pub(super) fn remote(&self) -> Option<Remote> {
        let required = self.media.is_some_and(|media| media.srtp == Srtp::Required);
        remote_of(&self.audio()?, self.ours().as_ref(), required, self.contact)
    }
}

/// Returns what the relay has to know of a party that said `theirs` to our `ours`; nothing while encryption that has to
/// be is not agreed on.
pub(super) fn remote_of(
    theirs: &Audio,
    ours: Option<&Audio>,
    required: bool,
    contact: Option<IpAddr>,
) -> Option<Remote> {
    let srtp = ours.and_then(|ours| keys_of(&theirs.cryptos, &ours.cryptos));
    if srtp.is_none() && (required || theirs.protocol.is_secure()) {
        return None;
    }
    Some(Remote {
        rtp: theirs.remote()?,
        rtcp: rtcp_of(theirs, ours),
        contact,
        formats: formats_of(&agreed(theirs.clone(), ours)),
        srtp,
        receives: theirs.direction.receives(),
        sends: theirs.direction.sends(),
    })
}

fn rtcp_of(theirs: &Audio, ours: Option<&Audio>) -> RtcpPath {
    match (ours.is_some_and(|ours| ours.rtcp_mux), theirs.rtcp_mux, theirs.remote_rtcp()) {
        (true, true, _) => RtcpPath::Muxed,
        (.., Some(address)) => RtcpPath::At(address),
        (.., None) => RtcpPath::NextPort,
    }
}

fn agreed(mut theirs: Audio, ours: Option<&Audio>) -> Audio {
    if let Some(ours) = ours {
        let both = |theirs: &mut Vec<Codec>, ours: &[Codec]| {
            theirs.retain(|format| ours.iter().any(|own| own.encodes_like(format)));
        };
        both(&mut theirs.codecs, &ours.codecs);
        both(&mut theirs.telephone_events, &ours.telephone_events);
    }
    theirs
}

/// Returns the formats for the relay, in the party's order and numbers.
fn formats_of(agreed: &Audio) -> PayloadMap {
    let formats = agreed.codecs.iter().filter_map(|codec| Some((codec.payload_type, kind_of(codec)?)));
    let events = agreed.telephone_events.iter().filter_map(|event| {
        let clock = ClockRate::of_hz(event.clock_rate)?;
        Some((event.payload_type, PayloadKind::TelephoneEvent(clock)))
    });
    PayloadMap::new(formats.chain(events))
}

/// Returns the keys that both ends have told each other: those under one number.
fn keys_of(theirs: &[Crypto], ours: &[Crypto]) -> Option<SrtpKeys> {
    let pair = |own: &Crypto| {
        let same = |it: &&Crypto| (it.tag, it.suite) == (own.tag, own.suite);
        theirs.iter().find(same).map(|it| (*own, *it))
    };
    let (own, party) = ours.iter().find_map(pair)?;
    let suite = match own.suite {
        CryptoSuite::Aes128Sha1Tag80 => SrtpSuite::Aes128Sha1Tag80,
        CryptoSuite::Aes128Sha1Tag32 => SrtpSuite::Aes128Sha1Tag32,
    };
    Some(SrtpKeys { suite, local: MasterKey::new(own.key), remote: MasterKey::new(party.key) })
}

fn kind_of(codec: &Codec) -> Option<PayloadKind> {
    let named = |known: &AudioCodec| known.name().eq_ignore_ascii_case(&codec.name);
    match AudioCodec::ALL.into_iter().find(named) {
        Some(known) if codec.is_spoken() => Some(PayloadKind::Audio(known)),
        _ => codec.is_comfort_noise().then_some(PayloadKind::ComfortNoise),
    }
}

/// Returns what this end would say over `media` when `other` is to be passed on untouched.
pub(super) fn passing_on(media: &OpenLeg, other: Option<&Audio>) -> Option<LocalAudio> {
    let (address, port) = (media.told.ip(), media.told.port());
    let local = match other {
        Some(audio) => LocalAudio::passing_on(audio, address, port)?,
        None => LocalAudio::new(address, port),
    };
    let encryption = match media.srtp {
        Srtp::Off => Encryption::Off,
        Srtp::Optional => Encryption::Optional,
        Srtp::Required => Encryption::Required,
    };
    let keys = [
        (1, CryptoSuite::Aes128Sha1Tag80, media.keys.tag80),
        (2, CryptoSuite::Aes128Sha1Tag32, media.keys.tag32),
    ];
    let cryptos = keys.map(|(tag, suite, key)| Crypto { tag, suite, key });
    let local = LocalAudio { rtcp: media.told_rtcp, ..local };
    Some(local.encrypted(encryption, cryptos.to_vec()))
}

/// All legs, found by their own name, by dialog and by RTP ports.
#[derive(Debug, Default)]
pub(super) struct Legs {
    by_id: HashMap<LegId, Leg>,
    by_handle: HashMap<DialogHandle, LegId>,
    by_media: HashMap<crate::media::LegId, LegId>,
    /// Legs with ports that calls have from their beginning, for whom they will dial.
    reserved: HashMap<CallId, Vec<OpenLeg>>,
}

impl Legs {
    pub(super) fn add(&mut self, id: LegId, leg: Leg) {
        self.by_handle.insert(leg.handle, id);
        if let Some(media) = &leg.media {
            self.by_media.insert(media.id, id);
        }
        self.by_id.insert(id, leg);
    }

    pub(super) fn get(&self, id: LegId) -> Option<&Leg> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn of_handle(&self, handle: DialogHandle) -> Option<LegId> {
        self.by_handle.get(&handle).copied()
    }

    pub(super) fn of_media(&self, media: crate::media::LegId) -> Option<LegId> {
        self.by_media.get(&media).copied()
    }

    pub(super) fn of_call(&self, call: CallId) -> impl Iterator<Item = (LegId, &Leg)> {
        self.by_id.iter().filter(move |(_, leg)| leg.call == Some(call)).map(|(id, leg)| (*id, leg))
    }

    pub(super) fn customer_of(&self, call: CallId) -> Option<(LegId, &Leg)> {
        self.of_call(call).find(|(_, leg)| leg.party == Party::Customer)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        self.by_id.values_mut()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (LegId, &Leg)> {
        self.by_id.iter().map(|(id, leg)| (*id, leg))
    }

    /// Lets a leg go on in another dialog.
    pub(super) fn rename(&mut self, id: LegId, handle: DialogHandle) {
        let Some(leg) = self.by_id.get_mut(&id) else { return };
        self.by_handle.remove(&leg.handle);
        leg.handle = handle;
        self.by_handle.insert(handle, id);
    }

    /// Forgets a leg whose call goes on without it.
    pub(super) fn remove(&mut self, id: LegId) -> Option<Leg> {
        let leg = self.by_id.remove(&id)?;
        self.by_handle.remove(&leg.handle);
        if let Some(media) = &leg.media {
            self.by_media.remove(&media.id);
        }
        Some(leg)
    }

    pub(super) fn reserve(&mut self, call: CallId, legs: impl IntoIterator<Item = OpenLeg>) {
        self.reserved.entry(call).or_default().extend(legs);
    }

    /// Takes ports of a call, those at this address first.
    pub(super) fn take_reserved(&mut self, call: CallId, local: IpAddr) -> Option<OpenLeg> {
        let reserved = self.reserved.get_mut(&call)?;
        let place = reserved.iter().rposition(|leg| leg.rtp.ip() == local);
        let last = reserved.len().checked_sub(1)?;
        Some(reserved.remove(place.unwrap_or(last)))
    }

    /// Takes note of how ports are seen from outside.
    pub(super) fn mapped(&mut self, media: crate::media::LegId, mapped: Option<Mapped>) {
        let of_leg = self.by_media.get(&media).and_then(|leg| self.by_id.get_mut(leg));
        let ports = match of_leg {
            Some(leg) => leg.media.as_mut(),
            None => self.reserved.values_mut().flatten().find(|leg| leg.id == media),
        };
        if let Some(ports) = ports {
            ports.seen(mapped);
        }
    }

    /// Takes what a call that is over has not needed.
    pub(super) fn release_reserved(&mut self, call: CallId) -> Vec<OpenLeg> {
        self.reserved.remove(&call).unwrap_or_default()
    }

    /// Forgets the legs of a call and returns them.
    pub(super) fn remove_call(&mut self, call: CallId) -> Vec<Leg> {
        let ids: Vec<LegId> = self.of_call(call).map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}
