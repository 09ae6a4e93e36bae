//! The doctor's sentences: what each step says, in English and as a key with values for pages in another language.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use linecard_sip::message::{HeaderName, Response};
use linecard_sip::sdp::{SessionDescription, audio_of};
use linecard_sip::subscription::FailureReason;
use linecard_store::lines::LineMode;
use linecard_web::doctor::{Account, Step, StepName, StepState};

use super::Registered;
use super::session::{DialogsTold, Listing};
use crate::trouble::Trouble;

/// The contacts of others that are named; of more the number is told.
const CONTACTS_SHOWN: usize = 5;

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

/// What the registrar's lists say about other phones of the account, never more than they show.
pub(super) fn bindings(listings: &[Listing], confirmed: bool) -> Step {
    let name = StepName::Bindings;
    let before = listings.first().filter(|first| !first.is_own_there());
    let during = listings.iter().rev().find(|listing| listing.is_own_there());
    let after = listings.last().filter(|last| confirmed && !last.is_own_there());
    let (Some(before), Some(during)) = (before, during) else {
        let count = listings.iter().map(Listing::count).max().unwrap_or(0).max(1);
        let text = format!("the account has at least {count} contact(s), this one among them");
        return Said::new("contacts_some", text).with("count", count).noted(name);
    };
    let kept = after.unwrap_or(during);
    let gone: Vec<&str> = before.others.difference(&kept.others).map(String::as_str).collect();
    if !gone.is_empty() {
        let advice = "the PBX keeps fewer contacts than there are phones: give Linecard an account of its own, \
                      or raise the number of contacts, and restart the phone";
        let gone = gone.join(", ");
        let text = format!("registering has pushed out {gone}");
        return Said::fault("contacts_pushed_out", text, advice).with("gone", gone).bad(name);
    }
    let (count, place) = (during.count(), during.own_place.unwrap_or(0));
    if during.others.is_empty() {
        let text = "at least 1 contact is possible; no other phone uses this account";
        return Said::new("contacts_alone", text).good(name);
    }
    let others = during.listed();
    let possible = format!("at least {count} contacts are possible, this one is number {place}");
    let said =
        |key, text| Said::new(key, text).with("count", count).with("place", place).with("others", &others);
    let phones = during.others.len();
    let whose = if phones == 1 { "the other phone".to_owned() } else { format!("the {phones} other phones") };
    match after {
        Some(_) => said("contacts_stayed", format!("{possible}; {whose} stayed: {others}")).good(name),
        None => said("contacts_seen", format!("{possible}; {whose}: {others}")).noted(name),
    }
}

/// Which contact of the account is the line's.
pub(super) fn own_place(listing: Option<&Listing>) -> Step {
    let name = StepName::Bindings;
    let Some(listing) = listing else {
        let text = "the PBX does not tell its contacts; the line's own state says whether it is registered";
        return Said::new("contacts_untold", text).noted(name);
    };
    let count = listing.count();
    match listing.own_place {
        Some(1) if count == 1 => {
            Said::new("contacts_only_ours", "the account has 1 contact: Linecard's").good(name)
        }
        Some(place) => {
            let others = listing.listed();
            let text =
                format!("the account has {count} contacts, Linecard's is number {place}; others: {others}");
            Said::new("contacts_ours", text)
                .with("count", count)
                .with("place", place)
                .with("others", others)
                .good(name)
        }
        None => {
            let text = format!("Linecard's contact is not among the {count} contacts of the account");
            let advice =
                "the line registers again by itself; if this stays, raise the number of contacts on the PBX";
            Said::fault("contacts_without_us", text, advice).with("count", count).bad(name)
        }
    }
}

pub(super) fn server(server_name: Option<&str>) -> Step {
    match server_name {
        Some(text) => Said::new("server_named", text).with("name", text).good(StepName::Server),
        None => Said::new("server_unnamed", "it does not say what it is").noted(StepName::Server),
    }
}

/// What the answer to OPTIONS says: codecs, events, and the rest.
pub(super) fn abilities(options: Option<&Response>) -> Vec<Step> {
    let Some(response) = options else {
        let codecs =
            Said::new("codecs_unanswered", "not told: OPTIONS is not answered; the first call will show");
        let events = Said::new("events_unanswered", "not told: OPTIONS is not answered");
        return vec![codecs.noted(StepName::Codecs), events.noted(StepName::Events)];
    };
    let told = |name: HeaderName| {
        let values = response.headers.options_of(&name);
        (!values.is_empty()).then(|| values.join(" "))
    };
    let events = match told(HeaderName::AllowEvents) {
        Some(events) => Said::new("events", events.clone()).with("events", events).good(StepName::Events),
        None => Said::new("events_none", "it names none; the mode anchor needs none").noted(StepName::Events),
    };
    let mut steps = vec![codecs(response), events];
    let methods = told(HeaderName::Allow).unwrap_or_default();
    let extensions = told(HeaderName::Supported).unwrap_or_default();
    if !methods.is_empty() || !extensions.is_empty() {
        let text = format!("methods {methods}; extensions {extensions}");
        let said = Said::new("abilities", text).with("methods", methods).with("extensions", extensions);
        steps.push(said.noted(StepName::Abilities));
    }
    steps
}

fn codecs(response: &Response) -> Step {
    let name = StepName::Codecs;
    let audio = SessionDescription::parse(&response.body).ok().as_ref().and_then(audio_of);
    let Some(audio) = audio else {
        let status = response.status.get();
        let text = format!("not told outside a call (OPTIONS: {status}); the first call will show");
        return Said::new("codecs_untold", text).with("status", status).noted(name);
    };
    let names: Vec<String> =
        audio.codecs.iter().map(|codec| format!("{}/{}", codec.name, codec.clock_rate)).collect();
    let names = names.join(", ");
    if audio.codecs.iter().any(|codec| codec.is_spoken()) {
        return Said::new("codecs", names.clone()).with("codecs", names).good(name);
    }
    let advice = "allow G.711 (PCMA or PCMU) or G.722 for this account";
    let text = format!("neither G.711 nor G.722 among {names}");
    Said::fault("codecs_without_g711", text, advice).with("codecs", names).bad(name)
}

/// What the PBX tells of the account's calls when it is asked to.
pub(super) fn dialogs(told: &DialogsTold) -> Step {
    let name = StepName::Dialogs;
    match told {
        DialogsTold::Calls(count) => {
            let text = format!(
                "it tells of this account's calls, also of those that a desk phone dials; now {count}"
            );
            Said::new("dialogs", text).with("count", count).good(name)
        }
        DialogsTold::Silent => {
            Said::new("dialogs_silent", "it may be asked about this account's calls and says nothing now")
                .noted(name)
        }
        DialogsTold::Unreadable(why) => {
            let text = format!("what it tells of this account's calls is not understood: {why}");
            Said::new("dialogs_unreadable", text).with("why", why).noted(name)
        }
        DialogsTold::Unanswered => {
            let text = "whether it tells of this account's calls is not known: nothing came of asking";
            Said::new("dialogs_unanswered", text).noted(name)
        }
        DialogsTold::Refused(FailureReason::NoSuchPackage) => {
            Said::new("dialogs_none", "it tells nobody of its extensions' calls").noted(name)
        }
        DialogsTold::Refused(reason) => {
            let why = match reason {
                FailureReason::Credentials => "401".to_owned(),
                FailureReason::NoSuchResource => "404".to_owned(),
                FailureReason::Rejected { status } => status.to_string(),
                FailureReason::Forbidden | FailureReason::NoSuchPackage => "403".to_owned(),
            };
            let text = format!("this account may not be told of its calls ({why})");
            Said::new("dialogs_refused", text).with("status", why).noted(name)
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
pub(super) fn outlook(mode: LineMode, listings: &[Listing], dialogs: &DialogsTold) -> Step {
    let name = StepName::Outlook;
    let told = matches!(dialogs, DialogsTold::Calls(_) | DialogsTold::Silent);
    let with_own = listings.iter().rev().find(|listing| listing.is_own_there());
    let shared = with_own.is_some_and(|listing| !listing.others.is_empty());
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

/// Which phones have an account that only is to be watched.
pub(super) fn desk_phones(listing: Option<&Listing>) -> Step {
    let name = StepName::Bindings;
    match listing.filter(|listing| !listing.others.is_empty()) {
        Some(listing) => {
            let (count, others) = (listing.others.len(), listing.listed());
            let text = format!("phones with this account: {count}: {others}");
            Said::new("contacts_watched", text).with("count", count).with("others", others).good(name)
        }
        None => {
            Said::new("contacts_nobody", "no phone with this account is told; there is none to watch now")
                .noted(name)
        }
    }
}

impl Listing {
    fn is_own_there(&self) -> bool {
        self.own_place.is_some()
    }

    fn count(&self) -> usize {
        self.others.len() + usize::from(self.is_own_there())
    }

    /// The contacts of others as text.
    fn listed(&self) -> String {
        let shown: Vec<&str> = self.others.iter().take(CONTACTS_SHOWN).map(String::as_str).collect();
        match self.others.len().saturating_sub(shown.len()) {
            0 => shown.join(", "),
            more => format!("{} (+{more})", shown.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(own_place: Option<usize>, others: &[&str]) -> Listing {
        Listing { own_place, others: others.iter().map(|other| (*other).to_owned()).collect() }
    }

    #[test]
    fn another_phone_that_stays_is_named_and_one_that_is_pushed_out_is_an_alarm() {
        let desk = "sip:201@192.0.2.9";
        let lists = [listing(None, &[desk]), listing(Some(2), &[desk]), listing(None, &[desk])];
        let step = bindings(&lists, true);
        assert_eq!((step.state, step.text.contains(desk)), (StepState::Good, true), "{step:?}");
        assert_eq!((&*step.params["count"], &*step.params["place"]), ("2", "2"));
        for pushed_out in [
            [listing(None, &[desk]), listing(Some(1), &[]), listing(None, &[])],
            [listing(None, &[desk]), listing(Some(1), &[desk]), listing(None, &[])],
        ] {
            let step = bindings(&pushed_out, true);
            assert_eq!((step.state, step.text.contains(desk)), (StepState::Bad, true), "{step:?}");
        }
    }

    #[test]
    fn nothing_is_claimed_that_the_registrar_did_not_show() {
        let step = bindings(&[listing(Some(1), &["sip:x@h"])], false);
        assert_eq!(step.state, StepState::Noted);
        assert!(step.text.contains("at least 2"), "{step:?}");
        let unconfirmed = bindings(&[listing(None, &["sip:x@h"]), listing(Some(1), &["sip:x@h"])], false);
        assert_eq!(unconfirmed.state, StepState::Noted);
        assert!(!unconfirmed.text.contains("stayed"), "{unconfirmed:?}");
    }

    #[test]
    fn a_line_finds_its_own_contact_among_the_others() {
        assert_eq!(own_place(None).state, StepState::Noted);
        assert_eq!(own_place(Some(&listing(Some(1), &[]))).key, "contacts_only_ours");
        let second = own_place(Some(&listing(Some(2), &["sip:x@h"])));
        assert_eq!((second.key, &*second.params["place"]), ("contacts_ours", "2"));
        assert_eq!(own_place(Some(&listing(None, &["sip:x@h"]))).state, StepState::Bad);
    }
}
