//! What the account's call to itself shows, read out of the messages alone.

use linecard_sip::message::{HeaderName, Method, NameAddr, Request};
use linecard_sip::sdp::{Audio, Codec, SessionDescription, audio_of};
use linecard_web::doctor::{Check, CheckName, Evidence, Outcome, Step, StepName};

use super::calling::CALL_INFO_PURPOSE;
use super::plan::CallSeen;
use super::said::{Said, codec_names};
use super::transcript::Entry;

/// How the called end knows that an INVITE is of the test call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) call_id: String,
    pub(crate) display: String,
    pub(crate) username: String,
}

/// Tells whether an INVITE is of the test call: a PBX may write Call-ID, name or number anew, but hardly all of them.
pub(crate) fn is_test_call(request: &Request, mark: &Mark) -> bool {
    let headers = &request.headers;
    let from = headers.from_().ok();
    let display = from.as_ref().and_then(NameAddr::display_text);
    headers.call_id().is_ok_and(|call_id| call_id == mark.call_id)
        || display.is_some_and(|display| display.contains(&mark.display))
        || from.is_some_and(|from| user_of(&from).as_deref() == Some(&mark.username))
}

fn user_of(address: &NameAddr) -> Option<String> {
    let user = address.uri.as_sip()?.user_decoded()?;
    Some(String::from_utf8_lossy(&user).into_owned())
}

/// The messages of one call to itself.
pub(super) struct Called<'a> {
    mark: &'a Mark,
    invite: &'a Entry,
    /// The INVITE as it came to our contact.
    pub(super) fork: Option<&'a Entry>,
    /// The first 180 or 183 that came while our contact kept silent.
    pub(super) rang: Option<&'a Entry>,
    /// One that came only after our own 180.
    rang_with_us: Option<&'a Entry>,
    refused: Option<&'a Entry>,
    answered: Option<&'a Entry>,
    /// The CANCEL as it came to our contact.
    cancel: Option<&'a Entry>,
}

impl<'a> Called<'a> {
    /// Finds the call's messages; none when its INVITE was not sent.
    pub(super) fn read(entries: &'a [Entry], mark: &'a Mark) -> Option<Self> {
        let of_call = || entries.iter().filter(|entry| entry.is_of_call(&mark.call_id));
        let invite = of_call().find(|entry| entry.asks(&Method::Invite).is_some())?;
        let received = |entry: &Entry, method: Method| {
            !entry.sent && entry.request().is_some_and(|request| request.method == method)
        };
        let fork = entries.iter().find(|entry| {
            received(entry, Method::Invite)
                && entry.request().is_some_and(|request| is_test_call(request, mark))
        });
        let of_fork = |entry: &&Entry| {
            fork.is_some_and(|fork| fork.headers().call_id().is_ok_and(|call_id| entry.is_of_call(call_id)))
        };
        let is_ours = |entry: &&Entry| {
            entry.sent && entry.response().is_some_and(|response| response.status.get() == 180)
        };
        let we_rang = entries.iter().filter(of_fork).find(is_ours).map_or(u32::MAX, |entry| entry.number);
        let status = |entry: &Entry| entry.answers(&Method::Invite).map(|response| response.status.get());
        let rings = |entry: &&Entry| matches!(status(entry), Some(180 | 183));
        let is_refusal =
            |status: u16| (300..700).contains(&status) && !matches!(status, 401 | 407 | 422 | 487);
        Some(Self {
            mark,
            invite,
            fork,
            rang: of_call().filter(rings).find(|entry| entry.number < we_rang),
            rang_with_us: of_call().filter(rings).find(|entry| entry.number > we_rang),
            refused: of_call().find(|entry| status(entry).is_some_and(is_refusal)),
            answered: of_call().find(|entry| matches!(status(entry), Some(200..=299))),
            cancel: entries.iter().filter(of_fork).find(|entry| received(entry, Method::Cancel)),
        })
    }

    /// The INVITE that came, when the PBX wrote it itself: what it passed on as we had written it shows nothing of it.
    pub(super) fn written_by_pbx(&self) -> Option<&'a Entry> {
        self.fork.filter(|fork| !fork.is_of_call(&self.mark.call_id))
    }

    /// What the choice of a mode needs to know of it.
    pub(super) fn seen(&self) -> CallSeen {
        match (self.fork, self.rang) {
            (Some(fork), rang) => CallSeen::Here { message: fork.number, rang: rang.map(|rang| rang.number) },
            (None, Some(_)) => CallSeen::Elsewhere,
            (None, None) => CallSeen::Nothing,
        }
    }

    fn took_ms(&self, entry: &Entry) -> u64 {
        entry.at_ms.saturating_sub(self.invite.at_ms)
    }

    /// How the call went, in a sentence.
    pub(super) fn step(&self) -> Step {
        let name = StepName::Call;
        if let Some(answered) = self.answered {
            let text = format!(
                "something answered after {} ms, before the call could be cancelled; it was hung up at once",
                self.took_ms(answered)
            );
            return Said::new("call_answered", text).with("took_ms", self.took_ms(answered)).noted(name);
        }
        match (self.rang, self.fork, self.refused) {
            (Some(rang), Some(fork), _) => {
                let (rang_ms, fork_ms) = (self.took_ms(rang), self.took_ms(fork));
                let text = format!(
                    "the call came here after {fork_ms} ms and rang elsewhere after {rang_ms} ms; it was cancelled"
                );
                Said::new("call_both", text).with("fork_ms", fork_ms).with("rang_ms", rang_ms).good(name)
            }
            (Some(rang), None, _) => {
                let rang_ms = self.took_ms(rang);
                let text = format!(
                    "it rang elsewhere after {rang_ms} ms and did not come here, although this contact is registered; \
                     it was cancelled"
                );
                Said::new("call_elsewhere", text).with("rang_ms", rang_ms).noted(name)
            }
            (None, Some(fork), _) => {
                let fork_ms = self.took_ms(fork);
                let text = format!("the call came here after {fork_ms} ms, and no other phone rang");
                Said::new("call_here", text).with("fork_ms", fork_ms).good(name)
            }
            (None, None, Some(refused)) => {
                let (status, phrase) = status_of(refused);
                let text = format!("the PBX refuses the account's call to itself: {status} {phrase}");
                Said::new("call_refused", text).with("status", status).with("phrase", phrase).noted(name)
            }
            (None, None, None) => {
                let text = "nothing rang, and the call did not come here; it was given up";
                Said::new("call_nowhere", text).noted(name)
            }
        }
    }

    /// What the call shows, one thing after the other.
    pub(super) fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.ringing(), self.forked()];
        match self.fork {
            Some(fork) => {
                let shown = [caller(fork, self.mark), asserted(fork), diversion(fork), self.reason(fork)];
                checks.extend(shown);
                checks.extend([auto_answer(fork), self.codecs(fork), self.srtp(fork)]);
            }
            None => {
                let untold = |name| {
                    let text = "not known: the call did not come here";
                    Said::new("no_fork", text).check(name, Outcome::Silent { messages: self.asked() })
                };
                checks.extend(ONLY_BY_CALL.into_iter().skip(2).map(untold));
            }
        }
        checks
    }

    fn asked(&self) -> Vec<u32> {
        vec![self.invite.number]
    }

    fn ringing(&self) -> Check {
        let name = CheckName::Ringing;
        if let Some(rang) = self.rang {
            let took_ms = self.took_ms(rang);
            let text = format!(
                "{} came after {took_ms} ms while this contact kept silent: another phone of the account rings, or the \
                 PBX says so",
                status_of(rang).0
            );
            return Said::new("rang", text).with("took_ms", took_ms).check(name, seen(status(rang)));
        }
        if let Some(rang) = self.rang_with_us {
            let text = "only this contact rang; the PBX told the caller";
            return Said::new("rang_only_here", text)
                .check(name, Outcome::NotSeen { messages: vec![rang.number] });
        }
        let over = self.refused.or(self.answered);
        let said = match over {
            Some(over) => {
                let (status, phrase) = status_of(over);
                let text = format!("nothing rang before {status} {phrase}");
                Said::new("rang_not_before", text).with("status", status).with("phrase", phrase)
            }
            None => Said::new("rang_silent", "no 180 and no 183 came"),
        };
        match over {
            Some(over) => said.check(name, Outcome::NotSeen { messages: vec![over.number] }),
            None => said.check(name, Outcome::Silent { messages: self.asked() }),
        }
    }

    fn forked(&self) -> Check {
        let name = CheckName::Fork;
        match (self.fork, self.rang, self.refused) {
            (Some(fork), ..) => {
                let took_ms = self.took_ms(fork);
                let uri = fork.request().map(|request| request.uri.to_string()).unwrap_or_default();
                let text = format!("a call to the account comes to this contact, after {took_ms} ms");
                Said::new("forked", text)
                    .with("took_ms", took_ms)
                    .check(name, seen(fork.shows("INVITE", &uri)))
            }
            (None, Some(rang), _) => {
                let text = "registered but never forked: another phone was rung, this contact was not";
                Said::new("unforked", text).check(name, Outcome::NotSeen { messages: vec![rang.number] })
            }
            (None, None, Some(refused)) => {
                let (status, phrase) = status_of(refused);
                let text =
                    format!("not known: the PBX refuses a call to the own number with {status} {phrase}");
                Said::new("fork_refused", text)
                    .with("status", status)
                    .with("phrase", phrase)
                    .check(name, Outcome::Silent { messages: vec![self.invite.number, refused.number] })
            }
            (None, None, None) => {
                let text = "not known: nothing came of the call";
                Said::new("fork_silent", text).check(name, Outcome::Silent { messages: self.asked() })
            }
        }
    }

    fn reason(&self, fork: &Entry) -> Check {
        let name = CheckName::Reason;
        let Some(cancel) = self.cancel else {
            let text = "not known: this contact was told of no end of the call";
            let messages = vec![fork.number];
            return Said::new("reason_no_cancel", text).check(name, Outcome::Silent { messages });
        };
        match cancel.evidence(&HeaderName::Reason) {
            Some(evidence) => {
                let text = "the reason that the caller gave comes here; whether one comes when another phone answers \
                            shows the first call that is answered there";
                Said::new("reason_told", text).check(name, seen(evidence))
            }
            None => {
                let text = "the CANCEL gives none, although the caller's had one (answered elsewhere)";
                Said::new("reason_not", text).check(name, Outcome::NotSeen { messages: vec![cancel.number] })
            }
        }
    }

    fn codecs(&self, fork: &Entry) -> Check {
        let name = CheckName::Codecs;
        let Some(audio) = self.written_by_pbx().and_then(|fork| self.own_offer(fork)) else {
            let text = "not shown by this call: the PBX passes on what we offer";
            return Said::new("offer_passed_on", text)
                .check(name, Outcome::NotSeen { messages: vec![fork.number] });
        };
        let codecs = codec_names(&audio);
        let ptime = audio.ptime_ms.map_or_else(String::new, |ptime_ms| format!("; {ptime_ms} ms a packet"));
        let mut shown = format!("{codecs}{ptime}");
        for codec in &audio.codecs {
            if let Some(fmtp) = &codec.fmtp {
                shown += &format!("; {}: {fmtp}", codec.name);
            }
        }
        let said = if audio.codecs.iter().any(Codec::is_spoken) {
            Said::new("codecs_offered", format!("a call offers {codecs}"))
        } else {
            Said::new("codecs_not_spoken", format!("a call offers only {codecs}: none that Linecard speaks"))
        };
        said.with("codecs", codecs).check(name, seen(fork.shows("m=audio", &shown)))
    }

    fn srtp(&self, fork: &Entry) -> Check {
        let name = CheckName::Srtp;
        let Some(audio) = self.written_by_pbx().and_then(|fork| self.own_offer(fork)) else {
            let text = "not shown by this call: the PBX passes on what we offer";
            return Said::new("offer_passed_on", text)
                .check(name, Outcome::NotSeen { messages: vec![fork.number] });
        };
        let suites: Vec<&str> = audio.cryptos.iter().map(|crypto| crypto.suite.as_str()).collect();
        if audio.protocol.is_secure() || !suites.is_empty() {
            let shown = if suites.is_empty() { "RTP/SAVP".to_owned() } else { suites.join(", ") };
            let text = "a call offers keys for SRTP";
            return Said::new("srtp_offered", text).check(name, seen(fork.shows("a=crypto", &shown)));
        }
        let text = "a call offers plain RTP alone";
        Said::new("srtp_not", text).check(name, Outcome::NotSeen { messages: vec![fork.number] })
    }

    /// The stream that the PBX offers; none when it is the very session that we offered.
    fn own_offer(&self, fork: &Entry) -> Option<Audio> {
        let offered = |entry: &Entry| SessionDescription::parse(&entry.request()?.body).ok();
        let theirs = offered(fork)?;
        let is_ours = offered(self.invite).is_some_and(|ours| ours.origin == theirs.origin);
        if is_ours { None } else { audio_of(&theirs) }
    }
}

/// What only a call shows.
pub(super) const ONLY_BY_CALL: [CheckName; 9] = [
    CheckName::Ringing,
    CheckName::Fork,
    CheckName::Caller,
    CheckName::CallerAsserted,
    CheckName::Diversion,
    CheckName::Reason,
    CheckName::AutoAnswer,
    CheckName::Codecs,
    CheckName::Srtp,
];

/// What is not known as long as nobody was called.
pub(super) fn not_asked(name: CheckName) -> Check {
    Said::new("ask_by_call", "shown by a test call alone (--test-call)").check(name, Outcome::NotAsked)
}

fn seen(evidence: Evidence) -> Outcome {
    Outcome::Seen { evidence: vec![evidence] }
}

fn status_of(entry: &Entry) -> (u16, String) {
    let status = |response: &linecard_sip::message::Response| {
        let phrase = linecard_sip::message::readable(&response.reason).into_owned();
        (response.status.get(), phrase)
    };
    entry.response().map(status).unwrap_or_default()
}

fn status(entry: &Entry) -> Evidence {
    let (status, phrase) = status_of(entry);
    entry.shows("status", &format!("{status} {phrase}"))
}

fn caller(fork: &Entry, mark: &Mark) -> Check {
    let name = CheckName::Caller;
    let from = fork.headers().from_().ok();
    let number = from.as_ref().and_then(user_of).unwrap_or_default();
    let display = from.as_ref().and_then(NameAddr::display_text).unwrap_or_default();
    let shown = fork.evidence(&HeaderName::From).unwrap_or_else(|| fork.shows("From", ""));
    let kept = (number == mark.username, display == mark.display);
    let (key, text) = match kept {
        (true, true) => {
            ("caller_kept", format!("number and name of the caller come as they were sent: {number}"))
        }
        (true, false) => ("caller_renamed", format!("the number comes as {number}, the name as {display:?}")),
        (false, true) => {
            ("caller_renumbered", format!("the name comes as it was sent, the number as {number}"))
        }
        (false, false) => {
            ("caller_rewritten", format!("the number comes as {number}, the name as {display:?}"))
        }
    };
    Said::new(key, text).with("number", number).with("display", display).check(name, seen(shown))
}

fn asserted(fork: &Entry) -> Check {
    let name = CheckName::CallerAsserted;
    let headers = [HeaderName::PAssertedIdentity, HeaderName::RemotePartyId];
    let evidence: Vec<Evidence> = headers.iter().filter_map(|header| fork.evidence(header)).collect();
    if evidence.is_empty() {
        let text = "no P-Asserted-Identity and no Remote-Party-ID: the caller is taken from From";
        return Said::new("asserted_not", text).check(name, Outcome::NotSeen { messages: vec![fork.number] });
    }
    Said::new("asserted", "the PBX says itself who calls").check(name, Outcome::Seen { evidence })
}

fn diversion(fork: &Entry) -> Check {
    let name = CheckName::Diversion;
    let headers = [HeaderName::Diversion, HeaderName::from("History-Info")];
    let evidence: Vec<Evidence> = headers.iter().filter_map(|header| fork.evidence(header)).collect();
    if evidence.is_empty() {
        let text = "none; nobody diverted this call, so the first diverted one will show whether it is told";
        return Said::new("diversion_not", text)
            .check(name, Outcome::NotSeen { messages: vec![fork.number] });
    }
    Said::new("diversion", "the way of a call is told").check(name, Outcome::Seen { evidence })
}

fn auto_answer(fork: &Entry) -> Check {
    let name = CheckName::AutoAnswer;
    let call_info = HeaderName::from("Call-Info");
    let evidence = fork.evidence(&call_info).filter(|evidence| evidence.value.contains(CALL_INFO_PURPOSE));
    match evidence {
        Some(evidence) => {
            let text = "Call-Info is handed on, so a wish to pick up reaches a phone; whether the phone obeys shows the \
                        first call from the interface";
            Said::new("wish_passed", text).check(name, seen(evidence))
        }
        None => {
            let text = "Call-Info is not handed on, so a wish to pick up may not reach a phone";
            Said::new("wish_not_passed", text).check(name, Outcome::NotSeen { messages: vec![fork.number] })
        }
    }
}
