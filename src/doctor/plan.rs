//! Which capture mode fits the account, and what will be seen in it: a pure function of what the look saw.

use linecard_store::lines::LineMode;
use linecard_web::doctor::{Account, Field, Plan, Sight, SightName, View};

use super::bindings::Phones;
use super::session::DialogsTold;
use super::watched::Watched;

/// What a look saw, as far as the choice needs it.
#[derive(Debug, Clone)]
pub(super) struct Sightings {
    pub(super) phones: Phones,
    pub(super) dialogs: DialogsTold,
    /// What was told of calls meanwhile.
    pub(super) watched: Watched,
    pub(super) call: CallSeen,
}

/// What the test call showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallSeen {
    /// None was made, or nothing came of it.
    Nothing,
    /// It came to our contact.
    Here {
        /// The INVITE.
        message: u32,
        /// Whether it rang elsewhere, too.
        rang: Option<u32>,
    },
    /// It rang elsewhere alone.
    Elsewhere,
}

/// What else is known that has to be entered somewhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The transport that worked, as the API writes it.
    pub(super) transport: &'static str,
    /// The address that the PBX sees instead of ours.
    pub(super) external_address: Option<String>,
    pub(super) offers_srtp: bool,
    /// A number of the account as the PBX writes it.
    pub(super) own_number: Option<String>,
}

impl Sightings {
    /// Whether another phone has to give the account up, before Linecard can take it.
    fn has_to_move(&self) -> bool {
        self.call == CallSeen::Elsewhere || self.phones == Phones::PushedOut
    }

    fn are_dialogs_told(&self) -> bool {
        matches!(self.dialogs, DialogsTold::Calls(_) | DialogsTold::Silent)
    }
}

/// The mode that fits, and why.
fn choose(seen: &Sightings) -> (LineMode, &'static str, &'static str) {
    let told = seen.are_dialogs_told();
    match (seen.phones, seen.call) {
        (_, CallSeen::Elsewhere) if told => (
            LineMode::DialogInfo,
            "plan_watch_unforked",
            "a call rings the other phone and not this contact, but the PBX tells of the extension's calls",
        ),
        (_, CallSeen::Elsewhere) => (
            LineMode::Anchor,
            "plan_anchor_unforked",
            "a call rings the other phone and not this contact, and the PBX tells nothing of the extension's calls: let \
             the phone register at Linecard, which takes the account alone",
        ),
        (Phones::PushedOut, _) if told => (
            LineMode::DialogInfo,
            "plan_watch_one",
            "the account keeps one phone, which stays; the PBX tells of its calls",
        ),
        (Phones::PushedOut, _) => (
            LineMode::Anchor,
            "plan_anchor_one",
            "the account keeps one phone, and the PBX tells nothing of its calls: let the phone register at Linecard, \
             which takes the account alone",
        ),
        (Phones::Beside { .. }, _) | (_, CallSeen::Here { rang: Some(_), .. }) => (
            LineMode::Shadow,
            "plan_shadow",
            "another phone uses the account: it goes on as before, beside Linecard",
        ),
        (Phones::Alone, _) => {
            (LineMode::Anchor, "plan_anchor", "no other phone uses the account: Linecard takes it")
        }
        (Phones::Untold, _) => (
            LineMode::Anchor,
            "plan_anchor_untold",
            "the PBX does not tell its contacts: with another phone at this account mode shadow fits better",
        ),
    }
}

/// Chooses the mode, says what is seen in it and what to enter.
pub(super) fn plan(account: &Account, seen: &Sightings, known: &Known) -> Plan {
    let (mode, key, text) = choose(seen);
    let sights = vec![
        Sight { name: SightName::Ringing, ..ringing(mode, seen) },
        Sight { name: SightName::Caller, ..caller(mode, seen) },
        Sight { name: SightName::AnsweredWhere, ..answered_where(mode, seen) },
        Sight { name: SightName::End, ..end(mode, seen) },
        Sight { name: SightName::DialledOnPhone, ..dialled(mode, seen) },
        Sight { name: SightName::Recording, ..recording(mode) },
    ];
    let fields = fields(account, mode, known);
    Plan { mode, key, params: std::collections::BTreeMap::new(), text: text.to_owned(), sights, fields }
}

fn sight(view: View, key: &'static str, text: &'static str) -> Sight {
    Sight { name: SightName::Ringing, view, key, text }
}

/// What a PBX that tells of calls lets see: what this message showed, if one did.
fn told(seen: &Sightings, shown: Option<u32>) -> Sight {
    match shown {
        Some(message) => sight(View::Proven { message }, "sight_told", "the PBX told of it just now"),
        None if seen.watched.live.is_some() => sight(
            View::Expected,
            "sight_told_part",
            "the PBX tells of calls; this look had none that shows it",
        ),
        None if seen.are_dialogs_told() => {
            sight(View::Expected, "sight_may_ask", "the PBX may be asked and told of no call yet")
        }
        None => sight(View::Hidden, "sight_untold", "the PBX tells nothing of the extension's calls"),
    }
}

/// Of what is planned for an account that another phone still has, this look could see nothing.
fn once_alone() -> Sight {
    let text = "once the other phone has moved to Linecard; another test call shows it";
    sight(View::Unknown, "sight_once_alone", text)
}

fn ringing(mode: LineMode, seen: &Sightings) -> Sight {
    match (mode, seen.call) {
        (LineMode::DialogInfo, _) => told(seen, seen.watched.live),
        (_, CallSeen::Here { message, .. }) => {
            sight(View::Proven { message }, "sight_came", "a call came to this contact")
        }
        (LineMode::Anchor, _) if seen.has_to_move() => once_alone(),
        (LineMode::Anchor, _) if seen.phones == Phones::Alone => sight(
            View::Expected,
            "sight_only_contact",
            "Linecard's is the only contact; a test call shows it",
        ),
        _ => sight(View::Unknown, "sight_ask_call", "a test call shows whether calls come to this contact"),
    }
}

fn caller(mode: LineMode, seen: &Sightings) -> Sight {
    match (mode, seen.call) {
        (LineMode::DialogInfo, _) if seen.are_dialogs_told() && seen.watched.named.is_none() => sight(
            View::Unknown,
            "sight_remote_party",
            "many PBXes leave the caller out; the first call shows it",
        ),
        (LineMode::DialogInfo, _) => told(seen, seen.watched.named),
        (_, CallSeen::Here { message, .. }) => {
            sight(View::Proven { message }, "sight_caller_came", "the INVITE names the caller")
        }
        (LineMode::Anchor, _) if seen.has_to_move() => once_alone(),
        _ => sight(View::Unknown, "sight_ask_call", "a test call shows whether calls come to this contact"),
    }
}

fn answered_where(mode: LineMode, seen: &Sightings) -> Sight {
    match mode {
        LineMode::Anchor => {
            sight(View::Expected, "sight_own_answer", "Linecard answers for the agent itself")
        }
        _ if seen.are_dialogs_told() => told(seen, None),
        _ => sight(
            View::Unknown,
            "sight_reason",
            "only the Reason of a CANCEL would tell; the first call that the phone answers shows it",
        ),
    }
}

fn end(mode: LineMode, seen: &Sightings) -> Sight {
    match mode {
        LineMode::Anchor => {
            sight(View::Expected, "sight_own_end", "the call goes through Linecard to its end")
        }
        _ => told(seen, seen.watched.ended),
    }
}

fn dialled(mode: LineMode, seen: &Sightings) -> Sight {
    match mode {
        LineMode::Anchor => sight(
            View::Expected,
            "sight_own_phone",
            "what is dialled on phones that register at Linecard; what is dialled at the PBX is not",
        ),
        _ => told(seen, None),
    }
}

fn recording(mode: LineMode) -> Sight {
    match mode {
        LineMode::Anchor => sight(View::Expected, "sight_own_sound", "the sound goes through Linecard"),
        _ => sight(View::Hidden, "sight_no_sound", "the sound goes past Linecard"),
    }
}

fn fields(account: &Account, mode: LineMode, known: &Known) -> Vec<Field> {
    let mut fields = vec![
        Field { name: "server", value: account.server.clone() },
        Field { name: "username", value: account.username.clone() },
    ];
    let mut put = |name, value: Option<String>| {
        fields.extend(value.map(|value| Field { name, value }));
    };
    put("auth_username", account.auth_username.clone());
    put("outbound_proxy", account.outbound_proxy.clone());
    put("transport", (known.transport != "udp").then(|| known.transport.to_owned()));
    put("mode", Some(word(mode).to_owned()));
    put("dial_format", known.own_number.as_deref().and_then(dial_format).map(str::to_owned));
    put("sip.external_address", known.external_address.clone());
    put("media.srtp", known.offers_srtp.then(|| "optional".to_owned()));
    fields
}

/// A mode as the API writes it.
pub(super) fn word(mode: LineMode) -> &'static str {
    match mode {
        LineMode::Anchor => "anchor",
        LineMode::Shadow => "shadow",
        LineMode::DialogInfo => "dialog_info",
        LineMode::Siprec => "siprec",
    }
}

/// How a PBX that writes its own numbers so wants others to be dialled; none where a number does not show it.
fn dial_format(number: &str) -> Option<&'static str> {
    let digits = number.trim_start_matches('+');
    let is_public = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    match (is_public, number.starts_with('+')) {
        (false, _) => None,
        (true, true) => Some("plus"),
        (true, false) if digits.len() == 11 && digits.starts_with('8') => Some("national"),
        (true, false) => Some("e164"),
    }
}

#[cfg(test)]
mod tests {
    use linecard_web::doctor::TestCall;

    use super::*;

    fn account() -> Account {
        Account {
            server: "pbx".into(),
            username: "101".into(),
            password: "secret".into(),
            auth_username: None,
            outbound_proxy: None,
            transport: None,
            websocket_path: None,
            mode: LineMode::Anchor,
            line: None,
            test_call: TestCall::No,
        }
    }

    fn planned(phones: Phones, dialogs: DialogsTold, call: CallSeen) -> Plan {
        let (told, live) = (Some(8), matches!(dialogs, DialogsTold::Calls(1)).then_some(9));
        let watched = Watched { told, live, named: live, ended: live.map(|_| 10) };
        let seen = Sightings { phones, dialogs, watched, call };
        plan(&account(), &seen, &Known { transport: "udp", ..Known::default() })
    }

    fn view(plan: &Plan, name: SightName) -> View {
        plan.sights.iter().find(|sight| sight.name == name).map(|sight| sight.view).unwrap()
    }

    #[test]
    fn the_mode_follows_from_phones_forks_and_what_is_told_of_calls() {
        use CallSeen::{Elsewhere, Nothing};
        use DialogsTold::{Calls, Silent, Unanswered};
        let beside = Phones::Beside { message: 3 };
        let here = CallSeen::Here { message: 5, rang: None };
        let both = CallSeen::Here { message: 5, rang: Some(6) };
        let cases = [
            (Phones::Alone, Unanswered, Nothing, LineMode::Anchor, "plan_anchor"),
            (Phones::Alone, Unanswered, here, LineMode::Anchor, "plan_anchor"),
            (Phones::Untold, Silent, Nothing, LineMode::Anchor, "plan_anchor_untold"),
            (Phones::Untold, Unanswered, both, LineMode::Shadow, "plan_shadow"),
            (beside, Unanswered, Nothing, LineMode::Shadow, "plan_shadow"),
            (beside, Calls(1), both, LineMode::Shadow, "plan_shadow"),
            (beside, Silent, Elsewhere, LineMode::DialogInfo, "plan_watch_unforked"),
            (beside, Unanswered, Elsewhere, LineMode::Anchor, "plan_anchor_unforked"),
            (Phones::PushedOut, Calls(0), Nothing, LineMode::DialogInfo, "plan_watch_one"),
            (Phones::PushedOut, Unanswered, Nothing, LineMode::Anchor, "plan_anchor_one"),
        ];
        for (phones, dialogs, call, mode, key) in cases {
            let plan = planned(phones, dialogs.clone(), call);
            assert_eq!((plan.mode, plan.key), (mode, key), "{phones:?} {dialogs:?} {call:?}");
        }
    }

    #[test]
    fn nothing_is_proven_that_no_message_showed() {
        let untested = planned(Phones::Beside { message: 3 }, DialogsTold::Unanswered, CallSeen::Nothing);
        assert_eq!(view(&untested, SightName::Ringing), View::Unknown);
        assert_eq!(view(&untested, SightName::Caller), View::Unknown);
        assert_eq!(view(&untested, SightName::AnsweredWhere), View::Unknown);
        assert_eq!(view(&untested, SightName::End), View::Hidden);
        assert_eq!(view(&untested, SightName::Recording), View::Hidden);
        let silent = planned(Phones::Beside { message: 3 }, DialogsTold::Silent, CallSeen::Nothing);
        assert_eq!(view(&silent, SightName::End), View::Expected, "it may be asked, and told of no call");
        let call = CallSeen::Here { message: 5, rang: Some(6) };
        let tested = planned(Phones::Beside { message: 3 }, DialogsTold::Calls(1), call);
        assert_eq!(view(&tested, SightName::Ringing), View::Proven { message: 5 });
        assert_eq!(view(&tested, SightName::End), View::Proven { message: 10 });
        assert_eq!(view(&tested, SightName::DialledOnPhone), View::Expected, "nothing was dialled there");
        let watched = planned(Phones::PushedOut, DialogsTold::Calls(1), CallSeen::Nothing);
        assert_eq!(view(&watched, SightName::Ringing), View::Proven { message: 9 });
        assert_eq!(
            view(&watched, SightName::Caller),
            View::Proven { message: 9 },
            "the other party was named"
        );
        let idle = planned(Phones::PushedOut, DialogsTold::Calls(0), CallSeen::Nothing);
        assert_eq!(view(&idle, SightName::Ringing), View::Expected, "an idle phone shows no call");
        assert_eq!(view(&idle, SightName::Caller), View::Unknown);
    }

    #[test]
    fn what_to_enter_is_what_was_found_and_no_more() {
        let known = Known {
            transport: "tcp",
            external_address: Some("203.0.113.7".into()),
            offers_srtp: true,
            own_number: Some("+78312000000".into()),
        };
        let seen = Sightings {
            phones: Phones::Alone,
            dialogs: DialogsTold::Unanswered,
            watched: Watched::default(),
            call: CallSeen::Nothing,
        };
        let entered = |known: &Known| {
            let fields = plan(&account(), &seen, known).fields;
            fields.into_iter().map(|field| format!("{}={}", field.name, field.value)).collect::<Vec<_>>()
        };
        assert_eq!(
            entered(&known),
            [
                "server=pbx",
                "username=101",
                "transport=tcp",
                "mode=anchor",
                "dial_format=plus",
                "sip.external_address=203.0.113.7",
                "media.srtp=optional"
            ]
        );
        let bare = Known { transport: "udp", ..Known::default() };
        assert_eq!(entered(&bare), ["server=pbx", "username=101", "mode=anchor"]);
        for (number, format) in
            [("88312000000", Some("national")), ("78312000000", Some("e164")), ("101", None), ("anna", None)]
        {
            assert_eq!(dial_format(number), format, "{number}");
        }
    }
}
