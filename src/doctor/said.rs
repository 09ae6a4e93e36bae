//! The doctor's sentences: what each step says, in English and as a key with values for pages in another language.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use linecard_sip::message::{HeaderName, Method, Request, Response};
use linecard_sip::sdp::{Audio, Codec, SessionDescription, audio_of};
use linecard_sip::subscription::FailureReason;
use linecard_store::lines::LineMode;
use linecard_web::doctor::{Account, Check, CheckName, Outcome, Step, StepName, StepState};

use super::Registered;
use super::bindings::{self, Listing};
use super::plan::CallSeen;
use super::session::DialogsTold;
use super::transcript::Entry;
use super::watched::Watched;
use crate::trouble::Trouble;

/// A sentence on its way into a step.
pub(super) struct Said {
    key: &'static str,
    text: String,
    params: BTreeMap<&'static str, String>,
    advice: Option<&'static str>,
    field: Option<&'static str>,
}

impl Said {
    pub(super) fn new(key: &'static str, text: impl Into<String>) -> Self {
        Self { key, text: text.into(), params: BTreeMap::new(), advice: None, field: None }
    }

    /// Says what is wrong, and what to change.
    pub(super) fn fault(key: &'static str, text: impl Into<String>, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..Self::new(key, text) }
    }

    /// Names the field that is to blame.
    pub(super) fn blames(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.insert(name, value.to_string());
        self
    }

    pub(super) fn good(self, name: StepName) -> Step {
        self.step(name, StepState::Good)
    }

    pub(super) fn noted(self, name: StepName) -> Step {
        self.step(name, StepState::Noted)
    }

    pub(super) fn bad(self, name: StepName) -> Step {
        self.step(name, StepState::Bad)
    }

    /// Makes it what is known of one thing.
    pub(super) fn check(self, name: CheckName, outcome: Outcome) -> Check {
        let Self { key, text, params, .. } = self;
        Check { name, outcome, key, params, text }
    }

    fn step(self, name: StepName, state: StepState) -> Step {
        let Self { key, text, params, advice, field } = self;
        Step { name, state, key, params, text, advice, field }
    }
}

impl From<Trouble> for Said {
    fn from(trouble: Trouble) -> Self {
        let Trouble { key, params, text, advice, field } = trouble;
        Self { key, params, text, advice: Some(advice), field }
    }
}

pub(super) fn silent(address: SocketAddr, tried: &str) -> Step {
    let text = format!("{address} does not answer over {}", tried.replace(", ", " or "));
    let advice = "check address and port, that the PBX runs, and that a firewall lets SIP through both ways";
    let said = Said::fault("silent", text, advice).with("address", address).with("tried", tried);
    said.blames("server").bad(StepName::Register)
}

pub(super) fn registration(account: &Account, via: &str, registered: &Registered) -> Step {
    let (name, user) = (StepName::Register, &account.username);
    let said = |key, text: String| Said::new(key, text).with("transport", via).with("user", user);
    match registered {
        Registered::Yes { took } => {
            let took_ms = took.as_millis();
            let text = format!("registered as {user} over {via} in {took_ms} ms");
            said("registered", text).with("took_ms", took_ms).good(name)
        }
        Registered::Answered { took } => {
            let took_ms = took.as_millis();
            let text = format!("the PBX knows {user} and answers over {via} in {took_ms} ms");
            said("answered", text).with("took_ms", took_ms).good(name)
        }
        Registered::No(trouble) => {
            let step = Said::from(trouble.clone()).bad(name);
            Step { text: format!("refused over {via}: {}", step.text), ..step }
        }
        Registered::NotListed => {
            let advice = "check how many contacts the account may have: this one was accepted and not kept";
            let text = format!("accepted over {via}, but the contact is not listed");
            Said::fault("not_listed", text, advice).bad(name)
        }
        Registered::Silent => said("silent_over", format!("no answer over {via}")).noted(name),
    }
}

pub(super) fn server(server_name: Option<&str>) -> Step {
    match server_name {
        Some(text) => Said::new("server_named", text).with("name", text).good(StepName::Server),
        None => Said::new("server_unnamed", "it does not say what it is").noted(StepName::Server),
    }
}

/// Whether OPTIONS is answered, and whether a codec of ours is among those that it names.
pub(super) fn abilities(answer: Option<&Response>) -> Step {
    let name = StepName::Abilities;
    let Some(response) = answer else {
        let text = "OPTIONS is not answered; what it can do is told by its other messages";
        return Said::new("abilities_silent", text).noted(name);
    };
    let status = response.status.get();
    let audio = SessionDescription::parse(&response.body).ok().as_ref().and_then(audio_of);
    if let Some(audio) = audio.filter(|audio| !audio.codecs.iter().any(Codec::is_spoken)) {
        let codecs = codec_names(&audio);
        let advice = "allow G.711 (PCMA or PCMU) or G.722 for this account";
        let text = format!("neither G.711, G.722 nor Opus among {codecs}");
        return Said::fault("codecs_without_g711", text, advice).with("codecs", codecs).bad(name);
    }
    let text = format!("OPTIONS is answered with {status}");
    let said = Said::new("abilities_told", text).with("status", status);
    if response.status.is_success() { said.good(name) } else { said.noted(name) }
}

/// The codecs of a stream as people write them.
pub(super) fn codec_names(audio: &Audio) -> String {
    let names = audio.codecs.iter().map(|codec| format!("{}/{}", codec.name, codec.clock_rate));
    names.collect::<Vec<_>>().join(", ")
}

/// What the PBX tells of the account's calls when it is asked to.
pub(super) fn dialogs(told: &DialogsTold) -> Step {
    let said = dialogs_said(told);
    if matches!(told, DialogsTold::Calls(_)) {
        said.good(StepName::Dialogs)
    } else {
        said.noted(StepName::Dialogs)
    }
}

/// The same with the messages that show it.
pub(super) fn dialogs_check(told: &DialogsTold, entries: &[Entry]) -> Check {
    let name = CheckName::DialogEvents;
    let numbers = |tells: &dyn Fn(&Entry) -> bool| {
        entries.iter().filter(|entry| tells(entry)).map(|entry| entry.number).collect::<Vec<_>>()
    };
    let watched = Watched::read(entries);
    let shown = match told {
        DialogsTold::Unreadable(_) => unreadable_in(entries),
        _ => watched.named.or(watched.live).or(watched.told),
    };
    let shown = shown.and_then(|number| entries.iter().find(|entry| entry.number == number));
    let headers = [HeaderName::Event, HeaderName::ContentType];
    let evidence = shown.map(|entry| headers.iter().filter_map(|name| entry.evidence(name)).collect());
    let outcome = match (told, evidence) {
        (DialogsTold::Calls(_) | DialogsTold::Unreadable(_), Some(evidence)) => Outcome::Seen { evidence },
        (DialogsTold::Refused(_), _) => {
            let answers = |entry: &Entry| entry.answers(&Method::Subscribe).is_some();
            Outcome::NotSeen { messages: numbers(&answers) }
        }
        _ => Outcome::Silent { messages: numbers(&|entry| entry.asks(&Method::Subscribe).is_some()) },
    };
    let said = match (watched.live, watched.named) {
        (Some(_), Some(_)) => Said::new("dialogs_named", "it told of a call, and who the other party is"),
        (Some(_), None) => Said::new("dialogs_unnamed", "it told of a call, and not who the other party is"),
        (None, _) => dialogs_said(told),
    };
    said.check(name, outcome)
}

/// The notification that could not be read.
fn unreadable_in(entries: &[Entry]) -> Option<u32> {
    let tells = |request: &Request| request.method == Method::Notify && !request.body.is_empty();
    let found = entries.iter().find(|entry| !entry.sent && entry.request().is_some_and(tells));
    found.map(|entry| entry.number)
}

fn dialogs_said(told: &DialogsTold) -> Said {
    match told {
        DialogsTold::Calls(count) => {
            let text = format!(
                "it tells of this account's calls, also of those that a desk phone dials; now {count}"
            );
            Said::new("dialogs", text).with("count", count)
        }
        DialogsTold::Silent => {
            Said::new("dialogs_silent", "it may be asked about this account's calls and says nothing now")
        }
        DialogsTold::Unreadable(why) => {
            let text = format!("what it tells of this account's calls is not understood: {why}");
            Said::new("dialogs_unreadable", text).with("why", why)
        }
        DialogsTold::Unanswered => {
            let text = "whether it tells of this account's calls is not known: nothing came of asking";
            Said::new("dialogs_unanswered", text)
        }
        DialogsTold::Refused(FailureReason::NoSuchPackage) => {
            Said::new("dialogs_none", "it tells nobody of its extensions' calls")
        }
        DialogsTold::Refused(reason) => {
            let why = match reason {
                FailureReason::Credentials => "401".to_owned(),
                FailureReason::NoSuchResource => "404".to_owned(),
                FailureReason::Rejected { status } => status.to_string(),
                FailureReason::Forbidden | FailureReason::NoSuchPackage => "403".to_owned(),
            };
            let text = format!("this account may not be told of its calls ({why})");
            Said::new("dialogs_refused", text).with("status", why)
        }
    }
}

/// What to do for a server that sends its calls to be recorded: nothing can be tried from here.
pub(super) fn recorder() -> Step {
    let text = "mode siprec: nothing is registered; every call that this server sends is seen and recorded. Whether one \
                came is said on the line's page";
    Said::new("outlook_recorder", text).good(StepName::Outlook)
}

/// What will be seen of the account's calls, and of which mode that is the best.
pub(super) fn outlook(mode: LineMode, listings: &[Listing], dialogs: &DialogsTold, call: CallSeen) -> Step {
    let name = StepName::Outlook;
    if let (LineMode::Anchor | LineMode::Shadow, CallSeen::Elsewhere) = (mode, call) {
        let advice =
            "let the PBX ring all contacts of the account, or let the other phone register at Linecard alone";
        let text =
            "calls ring another phone of the account and do not come here: none would be seen in this mode";
        return Said::fault("outlook_unforked", text, advice).bad(name);
    }
    let told = matches!(dialogs, DialogsTold::Calls(_) | DialogsTold::Silent);
    let shared = bindings::is_shared(listings);
    match (mode, told) {
        (LineMode::DialogInfo, true) => {
            let text = "mode dialog_info: every call of the extension is seen, those too that its phone dials; none \
                        is recorded";
            Said::new("outlook_watch", text).good(name)
        }
        (LineMode::DialogInfo, false) => {
            let advice =
                "let the PBX tell of the extension's calls (BLF, presence), or choose mode shadow or anchor";
            Said::fault("outlook_blind", "mode dialog_info: nothing would be seen", advice).bad(name)
        }
        (LineMode::Shadow, true) => {
            let text = "mode shadow: who calls is shown at once, and what the desk phone talks and dials is seen; \
                        nothing is recorded";
            Said::new("outlook_shadow_told", text).good(name)
        }
        (LineMode::Shadow, false) => {
            let text = "mode shadow: who calls is shown at once; how long the desk phone talks and what it dials is \
                        not seen, and nothing is recorded";
            Said::new("outlook_shadow", text).good(name)
        }
        (LineMode::Siprec, _) => recorder(),
        (LineMode::Anchor, _) if !shared => {
            let text = "mode anchor: every call to this account is seen, shown and recorded; calls that its agent \
                        dials elsewhere are not";
            Said::new("outlook_alone", text).good(name)
        }
        (LineMode::Anchor, true) => {
            let text = "another phone has this account, so mode shadow fits better: it answers as before, and what it \
                        talks and dials is seen; in mode anchor what it answers is not recorded";
            Said::new("outlook_shared_told", text).good(name)
        }
        (LineMode::Anchor, false) => {
            let text = "mode anchor: every call to this account is seen; what another phone of the account answers is \
                        seen as answered elsewhere and not recorded, and what it dials is not seen";
            Said::new("outlook_shared", text).good(name)
        }
    }
}
