//! What a PBX says of itself in the messages that any look has: announced is not proven, and silence is neither.

use std::net::IpAddr;

use linecard_sip::message::{HeaderName, Method};
use linecard_sip::sdp::{Codec, SessionDescription, audio_of};
use linecard_sip::transport::TransportFault;
use linecard_web::doctor::{Check, CheckName, Evidence, Outcome};

use super::called::{Called, not_asked};
use super::said::{Said, codec_names};
use super::transcript::Entry;

/// The messages that the checks read.
pub(super) struct Announced<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) called: Option<&'a Called<'a>>,
}

impl<'a> Announced<'a> {
    /// All that is known without a call; of codecs only when no call was made.
    pub(super) fn checks(&self) -> Vec<Check> {
        let supported = HeaderName::Supported;
        let mut checks = vec![
            self.named(CheckName::Refer, &HeaderName::Allow, &["REFER"]),
            self.named(CheckName::Replaces, &supported, &["replaces"]),
            self.timers(),
            self.named(CheckName::Reliable, &supported, &["100rel"]),
            self.paths(),
            self.events(),
            self.expiry(),
            self.nat(),
            self.own_numbers(),
        ];
        checks.extend(self.called.is_none().then(|| self.codecs()));
        checks
    }

    /// The messages that the PBX wrote of itself. What it passes on from one of its phones to another is not its own.
    fn own_words(&self) -> Vec<&'a Entry> {
        let methods = [Method::Options, Method::Register, Method::Subscribe];
        let own = |entry: &&Entry| methods.iter().any(|method| entry.answers(method).is_some());
        let mut own: Vec<&Entry> = self.entries.iter().filter(own).collect();
        own.extend(self.called.and_then(Called::written_by_pbx));
        own
    }

    /// Whether one of these words stands in a list header, or in `Require`.
    fn named(&self, name: CheckName, header: &HeaderName, words: &[&str]) -> Check {
        let own = self.own_words();
        let has = |entry: &Entry, header: &HeaderName| {
            let told = entry.headers().options_of(header);
            told.iter().any(|told| words.iter().any(|word| told.eq_ignore_ascii_case(word)))
        };
        let headers = [header.clone(), HeaderName::Require];
        let shown = |entry: &&Entry| headers.iter().find(|header| has(entry, header)).cloned();
        if let Some((entry, header)) = own.iter().find_map(|entry| Some((entry, shown(entry)?))) {
            let evidence = entry.evidence(&header).into_iter().collect();
            let text = "announced, which is no proof that it works";
            return Said::new("announced", text).check(name, Outcome::Seen { evidence });
        }
        let listing: Vec<u32> =
            own.iter().filter(|entry| entry.headers().contains(header)).map(|entry| entry.number).collect();
        if !listing.is_empty() {
            let text = format!("its {header} does not name it");
            let said = Said::new("not_announced", text).with("header", header);
            return said.check(name, Outcome::NotSeen { messages: listing });
        }
        self.untold(name, header)
    }

    /// No message has the header that would tell.
    fn untold(&self, name: CheckName, header: &HeaderName) -> Check {
        let asked = |entry: &&Entry| entry.asks(&Method::Options).is_some();
        if self.entries.iter().any(|entry| entry.answers(&Method::Options).is_some()) {
            let messages = self.own_words().iter().map(|entry| entry.number).collect();
            let text = format!("not told: no message has {header}");
            return Said::new("untold", text)
                .with("header", header)
                .check(name, Outcome::NotSeen { messages });
        }
        let messages = self.entries.iter().filter(asked).map(|entry| entry.number).collect();
        let text = format!("not told: OPTIONS is not answered, and no other message has {header}");
        Said::new("untold_silent", text).with("header", header).check(name, Outcome::Silent { messages })
    }

    /// Session timers are more than announced where the PBX asks us for one.
    fn timers(&self) -> Check {
        let name = CheckName::SessionTimers;
        let wanted = self.called.and_then(Called::written_by_pbx);
        match wanted.and_then(|fork| fork.evidence(&HeaderName::SessionExpires)) {
            Some(evidence) => {
                let said = Said::new("timers_wanted", "a call asks for a session timer");
                said.check(name, Outcome::Seen { evidence: vec![evidence] })
            }
            None => self.named(name, &HeaderName::Supported, &["timer"]),
        }
    }

    fn paths(&self) -> Check {
        let name = CheckName::Paths;
        let headers = [HeaderName::from("Path"), HeaderName::from("Service-Route")];
        let told = self.entries.iter().filter(|entry| entry.answers(&Method::Register).is_some());
        let evidence: Vec<Evidence> = told
            .flat_map(|entry| headers.iter().filter_map(|header| entry.evidence(header)))
            .take(headers.len())
            .collect();
        if evidence.is_empty() {
            return self.named(name, &HeaderName::Supported, &["path", "outbound", "gruu"]);
        }
        let text = "the registrar names the way that requests take";
        Said::new("paths_told", text).check(name, Outcome::Seen { evidence })
    }

    fn events(&self) -> Check {
        let name = CheckName::Events;
        let header = HeaderName::AllowEvents;
        match self.own_words().iter().find_map(|entry| entry.evidence(&header)) {
            Some(evidence) => {
                let (text, events) = (evidence.value.clone(), evidence.value.clone());
                let said = Said::new("events", text).with("events", events);
                said.check(name, Outcome::Seen { evidence: vec![evidence] })
            }
            None => self.untold(name, &header),
        }
    }

    fn codecs(&self) -> Check {
        let stream = |entry: &Entry| {
            let body = &entry.answers(&Method::Options)?.body;
            SessionDescription::parse(body).ok().as_ref().and_then(audio_of)
        };
        let Some((entry, audio)) = self.entries.iter().find_map(|entry| Some((entry, stream(entry)?))) else {
            return not_asked(CheckName::Codecs);
        };
        let codecs = codec_names(&audio);
        let (key, text) = match audio.codecs.iter().any(Codec::is_spoken) {
            true => ("codecs_named", format!("outside a call it names {codecs}")),
            false => ("codecs_not_spoken", format!("a call offers only {codecs}: none that Linecard speaks")),
        };
        let evidence = vec![entry.shows("m=audio", &codecs)];
        Said::new(key, text).with("codecs", codecs).check(CheckName::Codecs, Outcome::Seen { evidence })
    }

    /// What the registrar grants, as long as we asked for less than it could.
    fn expiry(&self) -> Check {
        let name = CheckName::Expiry;
        let asks = |entry: &Entry| {
            let request = entry.asks(&Method::Register)?;
            let contact = request.headers.contacts().ok()?.into_iter().next()?;
            let asked = contact.params.get("expires").and_then(|asked| asked.parse().ok());
            asked.or_else(|| request.headers.expires()).filter(|asked_s| *asked_s > 0)
        };
        let Some((asked, asked_s)) = self.entries.iter().find_map(|entry| Some((entry, asks(entry)?))) else {
            let text = "not asked for: nothing was registered";
            return Said::new("expiry_not_asked", text).check(name, Outcome::NotAsked);
        };
        let own = asked.headers().contacts().unwrap_or_default().into_iter().next();
        let own_user = own.and_then(|own| own.uri.as_sip().and_then(|uri| uri.user.clone()));
        let least = self.entries.iter().find_map(|entry| entry.evidence(&HeaderName::from("Min-Expires")));
        let granted = |entry: &Entry| {
            let response = entry.answers(&Method::Register).filter(|it| it.status.is_success())?;
            let contacts = response.headers.contacts().ok()?;
            let ours = contacts.into_iter().find(|contact| {
                contact.uri.as_sip().is_some_and(|uri| uri.user.is_some() && uri.user == own_user)
            })?;
            let granted = ours.params.get("expires").and_then(|granted| granted.parse().ok());
            granted.or_else(|| response.headers.expires())
        };
        let answer = self.entries.iter().filter(|entry| entry.number > asked.number);
        let Some((entry, granted_s)) = answer.into_iter().find_map(|entry| Some((entry, granted(entry)?)))
        else {
            let text = "the registrar does not say how long it keeps a contact";
            return Said::new("expiry_untold", text)
                .check(name, Outcome::Silent { messages: vec![asked.number] });
        };
        let mut evidence = vec![entry.shows("Contact", &format!("expires={granted_s}"))];
        evidence.extend(least);
        let text = format!("{granted_s} s are granted, {asked_s} s were asked for");
        let said = Said::new("expiry", text).with("granted_s", granted_s).with("asked_s", asked_s);
        said.check(name, Outcome::Seen { evidence })
    }

    /// As whom the PBX sees us (RFC 3581), against what we wrote into the Via.
    fn nat(&self) -> Check {
        let name = CheckName::Nat;
        match self.seen_address() {
            Some((entry, own, seen, port)) => {
                let evidence = vec![entry.shows("Via", &format!("received={seen}{port}"))];
                let said = if own == seen {
                    Said::new(
                        "nat_none",
                        format!("the PBX sees us as {seen}, as we do: no address is translated"),
                    )
                } else {
                    let text = format!(
                        "the PBX sees us as {seen}, we are {own}: addresses are translated on the way. Sound that the PBX \
                         sends to {own} does not arrive, unless it answers to where ours comes from; else set \
                         sip.external_address to {seen}"
                    );
                    Said::new("nat", text)
                };
                said.with("own", own).with("seen", seen).check(name, Outcome::Seen { evidence })
            }
            None => {
                let messages = self.own_words().iter().map(|entry| entry.number).collect();
                let text = "the PBX does not say as whom it sees us (no received in Via)";
                Said::new("nat_untold", text).check(name, Outcome::NotSeen { messages })
            }
        }
    }

    /// The message that says as whom the PBX sees us, our own address in it, and the one that it sees. Without
    /// `received` the two are the same, where it fills in `rport` (RFC 3581 section 4).
    pub(super) fn seen_address(&self) -> Option<(&'a Entry, IpAddr, IpAddr, String)> {
        self.entries.iter().filter(|entry| !entry.sent).find_map(|entry| {
            let via = entry.response()?.headers.top_via().ok()?;
            let own = via.host.ip()?;
            let port = via.rport().flatten();
            let seen = via.received().or_else(|| port.map(|_| own))?;
            Some((entry, own, seen, port.map_or_else(String::new, |port| format!(";rport={port}"))))
        })
    }

    /// The first number that the registrar says is the account's, as it writes it.
    pub(super) fn own_number(&self) -> Option<String> {
        let told = self.entries.iter().filter(|entry| entry.answers(&Method::Register).is_some());
        let mut addresses =
            told.flat_map(|entry| entry.headers().name_addrs(&associated()).unwrap_or_default());
        addresses.find_map(|address| {
            let user = address.uri.as_sip()?.user_decoded()?;
            Some(String::from_utf8_lossy(&user).into_owned())
        })
    }

    fn own_numbers(&self) -> Check {
        let name = CheckName::OwnNumbers;
        let header = associated();
        match self.entries.iter().find_map(|entry| entry.evidence(&header)) {
            Some(evidence) => {
                let text = format!("the account's own: {}", evidence.value);
                let said = Said::new("numbers", text).with("numbers", &evidence.value);
                said.check(name, Outcome::Seen { evidence: vec![evidence] })
            }
            None => {
                let told = |entry: &&Entry| entry.answers(&Method::Register).is_some();
                let messages = self.entries.iter().filter(told).map(|entry| entry.number).collect();
                let text = "not told when registering; the first call to the account shows how its number is written";
                Said::new("numbers_untold", text).check(name, Outcome::NotSeen { messages })
            }
        }
    }
}

/// The numbers of an account (RFC 7315 section 4.1).
fn associated() -> HeaderName {
    HeaderName::from("P-Associated-URI")
}

/// What came of looking for TLS at the address where it is usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsSeen {
    /// The account is reached under TLS already.
    InUse { address: String },
    /// Somebody speaks it, whoever vouches for him.
    Offered { address: String, fault: Option<TransportFault> },
    /// Somebody, or nobody, refuses.
    Refused { address: String },
    /// Nothing came back.
    Silent { address: String },
}

/// Whether signalling can be encrypted.
pub(super) fn tls(seen: TlsSeen) -> Check {
    let name = CheckName::Tls;
    let evidence = |address: &str, value: &str| {
        let (place, value) = (address.to_owned(), value.to_owned());
        Outcome::Seen { evidence: vec![Evidence { message: None, place, value }] }
    };
    match seen {
        TlsSeen::InUse { address } => Said::new("tls_in_use", "this account is reached under TLS")
            .check(name, evidence(&address, "TLS")),
        TlsSeen::Offered { address, fault: None } => {
            let text = format!("{address} speaks TLS and proves to be the server");
            Said::new("tls_offered", text).with("address", &address).check(name, evidence(&address, "TLS"))
        }
        TlsSeen::Offered { address, fault: Some(fault) } => {
            let text = format!("{address} speaks TLS, but {fault}");
            let why = fault.to_string();
            let said = Said::new("tls_unproven", text).with("address", &address).with("why", &why);
            said.check(name, evidence(&address, &why))
        }
        TlsSeen::Refused { address } => {
            let text = format!("{address} speaks no TLS");
            let said = Said::new("tls_refused", text).with("address", address);
            said.check(name, Outcome::NotSeen { messages: Vec::new() })
        }
        TlsSeen::Silent { address } => {
            let text = format!("{address} does not answer");
            let said = Said::new("tls_silent", text).with("address", address);
            said.check(name, Outcome::Silent { messages: Vec::new() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::called::Mark;
    use crate::doctor::transcript::entries_of;

    const OPTIONS: &str = "OPTIONS sip:pbx SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bKo\nFrom: <sip:101@pbx>;tag=a\n\
                           To: <sip:pbx>\nCall-ID: o\nCSeq: 1 OPTIONS\nMax-Forwards: 70";
    const REGISTER: &str = "REGISTER sip:pbx SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bKr\nFrom: <sip:101@pbx>;tag=a\n\
                            To: <sip:101@pbx>\nCall-ID: r\nCSeq: 2 REGISTER\nMax-Forwards: 70\nContact: <sip:doctor@10.0.0.5>;expires=60";

    fn answer(status: &str, method: &str, via: &str, more: &str) -> String {
        format!(
            "SIP/2.0 {status} Told\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKx{via}\nFrom: <sip:101@pbx>;tag=a\n\
             To: <sip:101@pbx>;tag=b\nCall-ID: x\nCSeq: 2 {method}\n{more}"
        )
    }

    fn checks(texts: &[(bool, &str)]) -> Vec<Check> {
        Announced { entries: &entries_of(texts), called: None }.checks()
    }

    fn of(checks: &[Check], name: CheckName) -> (&'static str, &Outcome) {
        let check = checks.iter().find(|check| check.name == name).unwrap();
        (check.key, &check.outcome)
    }

    fn numbers(outcome: &Outcome) -> Vec<u32> {
        match outcome {
            Outcome::Seen { evidence } => evidence.iter().filter_map(|it| it.message).collect(),
            Outcome::NotSeen { messages } | Outcome::Silent { messages } => messages.clone(),
            Outcome::NotAsked => Vec::new(),
        }
    }

    #[test]
    fn what_is_announced_is_seen_and_what_a_list_leaves_out_is_not() {
        let told = answer(
            "200",
            "OPTIONS",
            "",
            "Supported: timer, Replaces\nAllow: INVITE, ACK, BYE\nAllow-Events: dialog",
        );
        let checks = checks(&[(true, OPTIONS), (false, &told)]);
        for name in [CheckName::Replaces, CheckName::SessionTimers] {
            assert!(matches!(of(&checks, name), ("announced", Outcome::Seen { .. })), "{name:?}");
            assert_eq!(numbers(of(&checks, name).1), [2]);
        }
        for name in [CheckName::Refer, CheckName::Reliable] {
            assert!(matches!(of(&checks, name), ("not_announced", Outcome::NotSeen { .. })), "{name:?}");
            assert_eq!(numbers(of(&checks, name).1), [2]);
        }
        assert!(matches!(of(&checks, CheckName::Events), ("events", Outcome::Seen { .. })));
        assert_eq!(of(&checks, CheckName::Codecs), ("ask_by_call", &Outcome::NotAsked));
    }

    #[test]
    fn silence_is_told_from_an_answer_that_says_nothing() {
        let bare = answer("200", "OPTIONS", "", "Server: x");
        let answered = checks(&[(true, OPTIONS), (false, &bare)]);
        let silent = checks(&[(true, OPTIONS), (true, OPTIONS)]);
        for name in [CheckName::Refer, CheckName::Replaces, CheckName::Reliable, CheckName::Events] {
            assert!(matches!(of(&answered, name), ("untold", Outcome::NotSeen { .. })), "{name:?}");
            assert!(matches!(of(&silent, name), ("untold_silent", Outcome::Silent { .. })), "{name:?}");
            assert_eq!(numbers(of(&silent, name).1), [1, 2], "the requests that asked");
        }
    }

    #[test]
    fn what_one_phone_tells_another_is_no_word_of_the_pbx() {
        let invite = "INVITE sip:101@pbx SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKi\nFrom: \"Linecard test\" <sip:101@pbx>;tag=a\n\
                      To: <sip:101@pbx>\nCall-ID: c\nCSeq: 1 INVITE\nMax-Forwards: 70\nSupported: replaces";
        let mark = Mark { call_id: "c".into(), display: "Linecard test".into(), username: "101".into() };
        let bare = answer("200", "OPTIONS", "", "Server: x");
        let passed_on = [(true, OPTIONS), (false, bare.as_str()), (true, invite), (false, invite)];
        let written = invite.replace("Call-ID: c", "Call-ID: pbx");
        let anew = [(true, OPTIONS), (false, bare.as_str()), (true, invite), (false, written.as_str())];
        for (texts, key) in [(&passed_on, "untold"), (&anew, "announced")] {
            let entries = entries_of(texts);
            let called = Called::read(&entries, &mark);
            assert!(called.as_ref().is_some_and(|called| called.fork.is_some()));
            let checks = Announced { entries: &entries, called: called.as_ref() }.checks();
            assert_eq!(of(&checks, CheckName::Replaces).0, key);
        }
    }

    #[test]
    fn a_translated_address_is_told_from_our_own_and_from_one_that_nobody_told() {
        let cases = [
            (";received=203.0.113.7;rport=40000", "nat"),
            (";received=10.0.0.5;rport=5060", "nat_none"),
            (";rport=5060", "nat_none"),
            ("", "nat_untold"),
            (";rport", "nat_untold"),
        ];
        for (via, key) in cases {
            let told = answer("200", "REGISTER", via, "Server: x");
            let checks = checks(&[(true, REGISTER), (false, &told)]);
            assert_eq!(of(&checks, CheckName::Nat).0, key, "{via}");
            assert_eq!(numbers(of(&checks, CheckName::Nat).1), [2], "{via}");
        }
    }

    #[test]
    fn the_expiry_is_that_of_our_own_contact() {
        let granted = answer(
            "200",
            "REGISTER",
            "",
            "Contact: <sip:desk@10.0.0.9>;expires=900, <sip:doctor@10.0.0.5>;expires=45",
        );
        let brief = answer("423", "REGISTER", "", "Min-Expires: 300");
        let with = checks(&[(true, REGISTER), (false, &brief), (true, REGISTER), (false, &granted)]);
        let (key, outcome) = of(&with, CheckName::Expiry);
        assert_eq!((key, numbers(outcome)), ("expiry", vec![4, 2]));
        let check = with.iter().find(|check| check.name == CheckName::Expiry).unwrap();
        assert_eq!((&*check.params["granted_s"], &*check.params["asked_s"]), ("45", "60"));
        let bare = answer("200", "REGISTER", "", "Server: x");
        let without = checks(&[(true, REGISTER), (false, &bare)]);
        assert!(matches!(of(&without, CheckName::Expiry), ("expiry_untold", Outcome::Silent { .. })));
        assert_eq!(
            of(&checks(&[(true, OPTIONS)]), CheckName::Expiry),
            ("expiry_not_asked", &Outcome::NotAsked)
        );
    }

    #[test]
    fn tls_is_offered_refused_or_silent() {
        let address = || "192.0.2.1:5061".to_owned();
        let untrusted = TransportFault::Untrusted { fingerprint: "AA".into() };
        let cases = [
            (TlsSeen::InUse { address: address() }, "tls_in_use"),
            (TlsSeen::Offered { address: address(), fault: None }, "tls_offered"),
            (TlsSeen::Offered { address: address(), fault: Some(untrusted) }, "tls_unproven"),
            (TlsSeen::Refused { address: address() }, "tls_refused"),
            (TlsSeen::Silent { address: address() }, "tls_silent"),
        ];
        for (seen, key) in cases {
            let check = tls(seen.clone());
            let is_seen = matches!(check.outcome, Outcome::Seen { .. });
            let expected = matches!(seen, TlsSeen::InUse { .. } | TlsSeen::Offered { .. });
            assert_eq!((check.key, is_seen), (key, expected));
        }
        assert!(matches!(tls(TlsSeen::Silent { address: address() }).outcome, Outcome::Silent { .. }));
    }
}
