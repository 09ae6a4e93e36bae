//! Story 10: hostile display names and numbers arrive by SIP; they stay text, and nothing is injected anywhere.

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Customer, Scenario, Sipp, eventually, root};

/// What an INVITE to a phone may hold: what Linecard and the PBX write and nothing else.
const HEADERS: [&str; 21] = [
    "via",
    "max-forwards",
    "from",
    "to",
    "call-id",
    "cseq",
    "contact",
    "content-type",
    "content-length",
    "record-route",
    "allow",
    "supported",
    "session-expires",
    "session-id",
    "min-se",
    "p-asserted-identity",
    "user-agent",
    "route",
    "accept",
    "authorization",
    "proxy-authorization",
];

/// Entries of the corpus that are text and no telephone number; the rest are numbers, or withheld.
const NO_NUMBERS: [&str; 9] = [
    // As the user part of a SIP URI, a URI is a name.
    "tel:+1-202-555-0100;ext=12",
    "sip:+12025550100@pbx;user=phone",
    "*97",
    "**5e9e",
    "#31#12025550100",
    "1234&SIP/x",
    "300&Zap/g1/4165551212",
    "+1202555O100",
    "+78312%0D%0AX-Injected:1%0D%0A123456",
];

/// How much of a display name is kept.
const LONGEST: usize = 128;

/// The entries of a file of hostile texts.
pub(super) fn corpus(file: &str, key: &str) -> Vec<String> {
    let path = root().join("../shared/corpora/hostile").join(file);
    let path = if path.exists() { path } else { root().join("corpora/hostile").join(file) };
    let text = std::fs::read_to_string(path).expect("the hostile texts");
    let entry = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")[key].clone();
    text.lines().map(|line| entry(line).as_str().expect("text").to_owned()).collect()
}

/// An office whose agent has a phone that writes down every message.
fn with_writing_phone() -> (Office, Sipp) {
    let mut office = Office::open(Answer::Manual);
    let phone = Sipp::phone(Scenario::RingsForEver);
    office.pbx.bind("202", &phone.uri());
    office.adds_device("202");
    (office, phone)
}

/// The headers of each INVITE that the phone received, as lines.
fn invites(phone: &Sipp) -> Vec<Vec<String>> {
    let messages = phone.messages();
    let received = messages.split("message received [").skip(1);
    let starts = received.filter_map(|block| block.split_once("\n\n").map(|(_, message)| message));
    starts
        .filter(|message| message.starts_with("INVITE "))
        .map(|message| message.split("\r\n").take_while(|line| !line.is_empty()).map(str::to_owned).collect())
        .collect()
}

/// Calls once, gives up while it rings, and returns the phone's INVITE with the call as the interface showed it;
/// nothing when the PBX would not carry the INVITE.
fn calls(office: &Office, phone: &Sipp, customer: &Customer) -> Option<(Vec<String>, Value)> {
    let before = invites(phone).len();
    let call = customer.call(NUMBER);
    let rings = eventually("the call rings or the PBX refuses it", SOON, || {
        let statuses: Vec<u16> = call.answers().iter().filter_map(|(_, answer)| answer.status()).collect();
        if statuses.iter().any(|status| *status >= 300) {
            return Some(false);
        }
        (statuses.contains(&180) && invites(phone).len() > before).then_some(true)
    });
    if !rings {
        assert_eq!(call.wait_final(SOON) / 100, 4);
        return None;
    }
    let live = office.server.get("/calls");
    let shown = live["items"].as_array().expect("calls").first().expect("a call").clone();
    call.give_up();
    eventually("the call is over", SOON, || {
        (office.server.get("/calls")["items"] == json!([])).then_some(())
    });
    Some((invites(phone).pop().expect("an INVITE"), shown))
}

/// The interactions, once each call has left its own and none has left two.
fn one_each(office: &Office, calls: usize) -> Value {
    eventually("each call has left its interaction", SOON, || {
        let list = office.server.get("/interactions?limit=500");
        let count = list["items"].as_array()?.len();
        assert!(count <= calls, "{count} interactions of {calls} calls");
        (count == calls).then_some(list)
    })
}

/// Only known headers, each on its own line, and one From.
fn nothing_injected(invite: &[String]) {
    for line in &invite[1..] {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        assert!(HEADERS.contains(&name.as_str()), "{line:?} in {invite:#?}");
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
    let froms = invite.iter().filter(|line| line.to_ascii_lowercase().starts_with("from:")).count();
    assert_eq!(froms, 1, "{invite:#?}");
}

/// The display name in a From header.
fn display(invite: &[String]) -> String {
    let from = invite.iter().find_map(|line| line.strip_prefix("From: ")).expect("a From");
    let mut name = String::new();
    let mut letters = from.strip_prefix('"').unwrap_or_else(|| panic!("a quoted name: {from}")).chars();
    while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
        name.push(if letter == '\\' { letters.next().expect("an escaped letter") } else { letter });
    }
    let rest: String = letters.collect();
    assert!(rest.starts_with(" <sip:100@"), "the line's own address follows: {rest}");
    name
}

#[test]
fn hostile_names_reach_the_phone_as_names() {
    let (office, phone) = with_writing_phone();
    let mut carried = 0;
    let names = corpus("display-names.jsonl", "display_name");
    for name in &names {
        // What does not fit into a datagram is cut; a line break can only come as a folded one.
        let name: String = name.chars().take(1_500).collect();
        let wire = name.replace("\r\n", "\n").replace('\n', "\r\n ");
        let customer = Customer::new(office.pbx.address(), "+78312123456").named(&wire);
        let Some((invite, shown)) = calls(&office, &phone, &customer) else {
            assert!(name.contains(['\n', '\0']), "the PBX carries {name:?}");
            continue;
        };
        carried += 1;
        nothing_injected(&invite);
        let expected = readable(&name).unwrap_or("+78312123456".to_owned());
        let seen = display(&invite);
        let cut = expected.chars().count() > LONGEST && seen.chars().count() == LONGEST;
        assert!(seen == expected || cut && expected.starts_with(&seen), "{expected:?} became {seen:?}");
        assert_eq!(shown["number"], "+78312123456", "{shown}");
    }
    let interactions = one_each(&office, carried);
    assert!(carried + 4 > names.len(), "nearly all arrive: {carried} of {}", names.len());
    explained_as_text(&office, &interactions);
}

/// What a phone may show of a name: all its letters, but none that steers a terminal or turns the writing around.
fn readable(name: &str) -> Option<String> {
    let steers = |letter: char| {
        letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text: String = name.chars().filter(|letter| !steers(*letter)).collect();
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// `explain` prints no letter that a terminal obeys, and `replay` reports no difference.
fn explained_as_text(office: &Office, interactions: &Value) {
    for interaction in interactions["items"].as_array().expect("items").iter().take(10) {
        let text = office.server.explain(interaction["id"].as_str().expect("an id"));
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
    }
    office.server.command(&["replay"], "");
}

#[test]
fn hostile_numbers_stay_text() {
    let (office, phone) = with_writing_phone();
    let mut carried = 0;
    let mut numbers = corpus("numbers.jsonl", "raw");
    // A line break that is escaped until somebody decodes it.
    numbers.push("+78312%0D%0AX-Injected:1%0D%0A123456".to_owned());
    for raw in &numbers {
        let customer = Customer::new(office.pbx.address(), in_user_part(raw)).named("N");
        let Some((invite, shown)) = calls(&office, &phone, &customer) else {
            assert!(raw.is_empty(), "the PBX carries {raw:?}");
            continue;
        };
        carried += 1;
        nothing_injected(&invite);
        let number = shown["number"].as_str();
        let digits = number.map(|number| number.strip_prefix('+').unwrap_or(number));
        assert!(
            digits.is_none_or(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit())),
            "{shown}"
        );
        if let Some(plain) = raw.strip_prefix('+').filter(|rest| rest.bytes().all(|it| it.is_ascii_digit())) {
            assert_eq!(number, Some(&*format!("+{plain}")), "{shown}");
        }
        let withheld = ["anonymous", "unavailable", "restricted"].contains(&raw.to_lowercase().as_str());
        assert_eq!(number.is_none(), withheld || NO_NUMBERS.contains(&raw.as_str()), "{raw:?}: {shown}");
        assert!(["N", raw].contains(&display(&invite).as_str()), "{invite:?}");
        let asserted = invite.iter().any(|line| line.starts_with("P-Asserted-Identity:"));
        assert_eq!(asserted, number.is_some(), "only a number is asserted: {invite:#?}");
    }
    assert_eq!(carried + 1, numbers.len(), "all but the empty one arrive");
    let interactions = one_each(&office, carried);
    explained_as_text(&office, &interactions);
}

/// Escapes what may not stand in the user part of a URI (RFC 3261 section 25.1); escapes that are there stay.
fn in_user_part(raw: &str) -> Vec<u8> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&byte);
    raw.bytes()
        .flat_map(|byte| if plain(byte) { vec![byte] } else { format!("%{byte:02X}").into_bytes() })
        .collect()
}
