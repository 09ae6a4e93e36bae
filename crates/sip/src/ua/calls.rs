//! The application's commands on calls.

use std::net::IpAddr;
use std::time::Instant;

use super::config::{OutgoingInvite, ReinviteAnswer, Route};
use super::lines::Shutdown;
use super::outgoing::Waiting;
use super::resolver::Resolver;
use super::{CommandRefused, DialogHandle, Key, UserAgent, token};
use crate::dialog::{DialogPhase, DialogRecord, RecordRefused};
use crate::invite::{
    Agreement, Path, Service, Session, SessionId, SessionOrigin, header_is_printable, put_sdp, reason_value,
    with_allow,
};
use crate::message::{CSeq, Header, HeaderName, Method, NameAddr, ReasonValue, Request};
use crate::transport::{Flow, Transport};
use crate::uri::{SipUri, Uri};

/// Added to the CSeq of a restored dialog, whose record may be older than its last request. Gaps are allowed.
const CSEQ_LEAP: u32 = 10_000;

/// Headers that only the user agent writes.
const RESERVED: [HeaderName; 13] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::Contact,
    HeaderName::MaxForwards,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::Route,
    HeaderName::RecordRoute,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
];

/// Where an INVITE goes first.
struct Way {
    line: Option<super::LineId>,
    hop: SipUri,
    /// The transport for a URI that names none.
    preferred: Transport,
    /// The one path that there is.
    flow: Option<Flow>,
}

impl UserAgent {
    /// Places a call. `Progress`, `Answered`, `Rejected` or, after [`cancel`](Self::cancel), `Ended` follow.
    ///
    /// # Errors
    /// `UnknownLine`, `Unreachable` (the target is no SIP URI, or a `sips:` one through a line without TLS), `Unprintable`, `ReservedHeader`, `ShuttingDown`.
    pub fn invite(&mut self, invite: OutgoingInvite, now: Instant) -> Result<DialogHandle, CommandRefused> {
        if self.shutdown != Shutdown::No {
            return Err(CommandRefused::ShuttingDown);
        }
        check(&invite)?;
        let Uri::Sip(target) = &invite.target else {
            return Err(CommandRefused::Unreachable);
        };
        let Way { line, hop, preferred, flow } = self.way_of(&invite.route, target)?;
        let transport = Resolver::<Waiting>::transport(&hop, preferred);
        let remote = hop.host.ip().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
        let place = std::net::SocketAddr::new(remote, 0);
        let towards = flow.unwrap_or_else(|| Flow::new(transport, place, place));
        let contact = self.contact_for(line.as_ref(), towards, target.secure);
        let request = self.compose_invite(&invite, target, &contact);
        let handle = self.fresh_handle();
        let beside = invite.beside.and_then(|beside| Some(self.session_id(beside)?.for_other_leg()));
        let local = beside.unwrap_or_else(|| token(&mut self.rng));
        let path = if flow.is_some() { Path::Back } else { Path::Contact };
        let origin = SessionOrigin {
            handle,
            line: line.clone(),
            contact,
            flow,
            path,
            service: Service::Calls,
            session_id: Some(SessionId::new(local)),
        };
        let mut actions = Vec::new();
        let session = self
            .in_context(line.as_ref(), &mut actions, |ctx| Session::calling(origin, request, Some(hop), ctx));
        self.keep(session, actions, now);
        self.settle(now);
        Ok(handle)
    }

    /// Gives the address that a call's INVITE would go to first, as far as it is known without asking anybody.
    pub fn address_towards(&self, route: &Route, target: &Uri) -> Option<IpAddr> {
        let Way { line, hop, flow, .. } = self.way_of(route, target.as_sip()?).ok()?;
        let of_line = || self.lines.get(line.as_ref()?)?.flow;
        flow.or_else(of_line).map(|flow| flow.remote.ip()).or_else(|| hop.host.ip())
    }

    /// Finds where a call's INVITE goes first.
    fn way_of(&self, route: &Route, target: &SipUri) -> Result<Way, CommandRefused> {
        match route {
            Route::Phone(binding) => {
                let (hop, flow) = self.binding_way(*binding).ok_or(CommandRefused::Unreachable)?;
                Ok(Way { line: None, hop, preferred: flow.transport, flow: Some(flow) })
            }
            Route::Direct => {
                Ok(Way { line: None, hop: target.clone(), preferred: Transport::Udp, flow: None })
            }
            Route::Line(id) => {
                let state = self.lines.get(id).ok_or(CommandRefused::UnknownLine)?;
                if target.secure && !state.transport.is_secure() {
                    return Err(CommandRefused::Unreachable);
                }
                let (line, hop) = (Some(id.clone()), state.hop.clone());
                Ok(Way { line, hop, preferred: state.transport, flow: None })
            }
        }
    }

    fn compose_invite(&mut self, invite: &OutgoingInvite, target: &SipUri, contact: &str) -> Request {
        let mut uri = target.clone();
        uri.headers = None;
        let mut request = Request::new(Method::Invite, Uri::Sip(uri.clone()));
        let headers = &mut request.headers;
        if let Route::Line(line) = &invite.route
            && let Some(state) = self.lines.get(line)
            && state.line.outbound_proxy.is_some()
        {
            let mut proxy = state.hop.clone();
            proxy.params.set("lr", None);
            headers.push(HeaderName::Route, NameAddr::new(Uri::Sip(proxy)).to_string());
        }
        headers.push(HeaderName::MaxForwards, "70");
        let mut from = NameAddr::new(Uri::Sip(self.identity(invite, target)));
        from.display = invite.caller.display.as_ref().map(|display| display.clone().into_bytes());
        from.set_tag(&token(&mut self.rng));
        headers.push(HeaderName::From, from.to_bytes());
        headers.push(HeaderName::To, NameAddr::new(Uri::Sip(uri)).to_bytes());
        headers.push(HeaderName::CallId, token(&mut self.rng));
        headers.push(HeaderName::CSeq, CSeq { number: 1, method: Method::Invite }.to_string());
        headers.push(HeaderName::Contact, contact);
        with_allow(headers, Service::Calls);
        headers.push(HeaderName::UserAgent, self.config.user_agent_name.as_str());
        if let Some(interval_s) = self.config.session_expires_s {
            Agreement::ask(headers, interval_s, crate::invite::SHORTEST_S, None);
        }
        for header in &invite.headers {
            headers.push(header.name.clone(), header.value.clone());
        }
        put_sdp(headers, &mut request.body, invite.offer.as_deref());
        request
    }

    /// Gives the URI that From carries.
    fn identity(&self, invite: &OutgoingInvite, target: &SipUri) -> SipUri {
        let mut from = match &invite.route {
            Route::Line(line) => match self.lines.get(line) {
                Some(state) => state.registration.address_of_record().clone(),
                None => SipUri::new(target.host.clone()),
            },
            Route::Direct | Route::Phone(_) => {
                let mut uri = self.own_uri(Transport::Udp, target.host.ip());
                uri.port = None;
                uri
            }
        };
        if let Some(user) = &invite.caller.user {
            from.user = Some(user.clone());
        }
        from
    }

    /// Sends 180, 183 or another provisional response, with early media's description if there is one.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (answered or over), `WrongStatus`.
    pub fn ring(
        &mut self,
        handle: DialogHandle,
        status: u16,
        sdp: Option<&[u8]>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.ring(status, sdp, ctx))
    }

    /// Answers an incoming call: with our answer, or with our offer when the INVITE had none.
    /// `Confirmed` follows with the ACK, or `Ended { AckTimeout }`.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`.
    pub fn accept(&mut self, handle: DialogHandle, sdp: &[u8], now: Instant) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.accept(sdp, ctx))
    }

    /// Refuses an incoming call with a status of 300 to 699, and perhaps words that say why; the leg is over.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`, `WrongStatus`, `Unprintable`.
    pub fn reject(
        &mut self,
        handle: DialogHandle,
        status: u16,
        warning: Option<&str>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        if warning.is_some_and(|warning| !header_is_printable(warning.as_bytes())) {
            return Err(CommandRefused::Unprintable);
        }
        self.command(handle, now, |session, ctx| session.reject(status, warning, ctx))
    }

    /// Gives up a call that is not answered; exactly one `Ended { Cancelled }` follows, whatever crosses it.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (answered, or cancelled already).
    pub fn cancel(
        &mut self,
        handle: DialogHandle,
        reason: Option<&ReasonValue>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        let reasons = reason.map(reason_value).into_iter().collect();
        self.command(handle, now, |session, ctx| session.cancel(reasons, ctx))
    }

    /// Answers the offer of a 2xx to an INVITE that had none.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`.
    pub fn acknowledge(
        &mut self,
        handle: DialogHandle,
        sdp: &[u8],
        now: Instant,
    ) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.acknowledge(sdp, ctx))
    }

    /// Hangs up; `Ended { LocalBye }` comes at once, the BYE when RFC 3261 section 15 allows it.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (not answered: use `cancel` or `reject`).
    pub fn bye(
        &mut self,
        handle: DialogHandle,
        reason: Option<&ReasonValue>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        let reasons: Vec<ReasonValue> = reason.cloned().into_iter().collect();
        self.command(handle, now, |session, ctx| session.bye(&reasons, ctx))
    }

    /// Offers another session description; `ReinviteAnswered` or `ReinviteRejected` follows.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`, `Busy` (a change from either end is under way).
    pub fn reinvite(&mut self, handle: DialogHandle, sdp: &[u8], now: Instant) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.reinvite(sdp, ctx))
    }

    /// Gives what a leg is called in the logs of every server on its way (RFC 7989); `None` when it is over.
    pub fn session_id(&self, handle: DialogHandle) -> Option<&SessionId> {
        self.sessions.get(&handle)?.origin.session_id.as_ref()
    }

    /// Tells the peer who is at this end now: P-Asserted-Identity and the like in an UPDATE, or in a re-INVITE that
    /// changes nothing else (RFC 5876 section 3.1). Sent a little later while a change is under way; a refusal is not told.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (not answered yet), `ReservedHeader`, `Unprintable`.
    pub fn tell_identity(
        &mut self,
        handle: DialogHandle,
        identity: Vec<Header>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        check_headers(&identity)?;
        self.command(handle, now, |session, ctx| session.name_self(identity, ctx))
    }

    /// Answers `ReinviteReceived`.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (nothing to answer, or it was cancelled), `WrongStatus`.
    pub fn answer_reinvite(
        &mut self,
        handle: DialogHandle,
        answer: ReinviteAnswer,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.answer_reinvite(answer, ctx))
    }

    /// Accepts (202) or refuses with a status what `Referred` told.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (nothing to answer), `WrongStatus`.
    pub fn answer_referral(
        &mut self,
        handle: DialogHandle,
        answer: Result<(), u16>,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.answer_referral(answer, ctx))
    }

    /// Tells the peer how it goes with what it asked for by REFER (RFC 3515 section 2.4.4); a final status is the last.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (nothing is under way), `WrongStatus`.
    pub fn report_referral(
        &mut self,
        handle: DialogHandle,
        status: u16,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.report_referral(status, ctx))
    }

    /// Asks the peer by REFER to call `target` in place of this end (RFC 3515); `ReferralTold` says how it goes.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`, `Busy` (the last one is not over).
    pub fn refer(&mut self, handle: DialogHandle, target: &Uri, now: Instant) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.refer(target, ctx))
    }

    /// Asks the peer of one dialog to take this end's place in another: both peers talk without us then (RFC 5589 section 7.3).
    /// `ReferralTold` follows.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState` (either is not answered), `Busy` (the last one is not over).
    pub fn refer_to_peer_of(
        &mut self,
        handle: DialogHandle,
        other: DialogHandle,
        now: Instant,
    ) -> Result<(), CommandRefused> {
        let other = self.sessions.get(&other).ok_or(CommandRefused::UnknownHandle)?;
        let place = other.own_place().ok_or(CommandRefused::WrongState)?;
        self.refer(handle, &place, now)
    }

    /// Sends digits by INFO, one after the other; a peer that takes none gets no more than one.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`.
    pub fn press(&mut self, handle: DialogHandle, keys: &[Key], now: Instant) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.press(keys, ctx))
    }

    /// Asks inside the dialog whether the peer is alive; `OptionsAnswered` or `OptionsUnanswered` follows.
    ///
    /// # Errors
    /// `UnknownHandle`, `WrongState`, `Busy` (the last one is not answered yet).
    pub fn send_options(&mut self, handle: DialogHandle, now: Instant) -> Result<(), CommandRefused> {
        self.command(handle, now, |session, ctx| session.send_options(ctx))
    }

    /// Writes down a confirmed dialog, so that a later process can hang it up.
    pub fn dialog_record(&self, handle: DialogHandle) -> Option<DialogRecord> {
        let session = self.sessions.get(&handle)?;
        let dialog = session.dialog().filter(|dialog| dialog.phase == DialogPhase::Confirmed)?;
        let line = session.origin.line.as_ref().map(|line| line.as_str().to_owned());
        Some(DialogRecord::of(dialog, session.origin.flow?, line))
    }

    /// Hangs up a dialog of an earlier process; `Released` follows. Add its line first, for a challenge.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn restore_and_bye(
        &mut self,
        record: &DialogRecord,
        reason: &ReasonValue,
        now: Instant,
    ) -> Result<DialogHandle, RecordRefused> {
        let (mut dialog, flow) = record.restore()?;
        dialog.local_cseq = dialog.local_cseq.saturating_add(CSEQ_LEAP);
        let handle = self.fresh_handle();
        let line =
            record.line.as_deref().map(super::LineId::new).filter(|line| self.lines.contains_key(line));
        // Nobody is proved by an address: the line knows whom its connection has to lead to.
        let server = line.as_ref().and_then(|line| self.lines.get(line)?.flow?.server);
        let flow = if flow.transport.names_server() { Flow { server, ..flow } } else { flow };
        let contact = self.contact_for(line.as_ref(), flow, false);
        // A phone behind a NAT is reached where its messages came from.
        let target = dialog.remote_target.as_sip().and_then(|target| target.host.ip());
        let behind_nat = line.is_none() && target.is_some_and(|target| target != flow.remote.ip());
        let origin = SessionOrigin {
            handle,
            line: line.clone(),
            contact,
            flow: Some(flow),
            path: if behind_nat { Path::Back } else { Path::Contact },
            service: Service::Calls,
            session_id: None,
        };
        let mut actions = Vec::new();
        let reasons = vec![reason.clone()];
        let session = self
            .in_context(line.as_ref(), &mut actions, |ctx| Session::restored(origin, dialog, reasons, ctx));
        self.keep(session, actions, now);
        self.settle(now);
        Ok(handle)
    }

    fn command(
        &mut self,
        handle: DialogHandle,
        now: Instant,
        work: impl FnOnce(&mut Session, &mut crate::invite::Context<'_>) -> Result<(), CommandRefused>,
    ) -> Result<(), CommandRefused> {
        let result = self.with_session(handle, now, work).unwrap_or(Err(CommandRefused::UnknownHandle));
        self.settle(now);
        result
    }
}

/// Refuses what would break out of its header.
fn check(invite: &OutgoingInvite) -> Result<(), CommandRefused> {
    let texts = [invite.caller.display.as_deref(), invite.caller.user.as_deref()];
    if texts.into_iter().flatten().any(|text| !header_is_printable(text.as_bytes())) {
        return Err(CommandRefused::Unprintable);
    }
    check_headers(&invite.headers)
}

fn check_headers(headers: &[Header]) -> Result<(), CommandRefused> {
    for header in headers {
        if RESERVED.contains(&header.name) {
            return Err(CommandRefused::ReservedHeader);
        }
        if !header_is_printable(&header.value) || !header_is_printable(header.name.as_str().as_bytes()) {
            return Err(CommandRefused::Unprintable);
        }
    }
    Ok(())
}
