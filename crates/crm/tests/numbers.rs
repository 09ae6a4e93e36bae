//! Numbers as people type them and as calls bring them, against what they mean.

use linecard_crm::{CallerNumber, DialPlan, Number, Withheld};
use proptest::prelude::*;

/// Typed text, E.164, extension, in the default (Russian) plan. `-` is none.
const TYPED: &str = include_str!("numbers.table");

fn plan() -> DialPlan {
    DialPlan::default()
}

fn meaning(number: &Number) -> (Option<&str>, Option<&str>) {
    (number.e164.as_deref(), number.extension.as_deref())
}

fn fields(line: &str) -> (String, Option<&str>, Option<&str>) {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [typed, e164, extension] = cells[..] else { panic!("three cells wanted: {line}") };
    let none = |cell: &'static str| move |text: &&str| *text != cell;
    (
        serde_json::from_str(typed).unwrap_or_else(|error| panic!("{line}: {error}")),
        Some(e164).filter(none("-")),
        Some(extension).filter(none("-")),
    )
}

#[test]
fn a_typed_number_means_what_the_table_says() {
    let lines: Vec<&str> =
        TYPED.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).collect();
    assert!(lines.len() >= 80, "only {} lines", lines.len());
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let (typed, e164, extension) = fields(line);
            let number = plan().number(&typed);
            let seen = meaning(&number);
            (seen != (e164, extension)).then(|| format!("{line} -> {seen:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

enum Want {
    Withheld(Withheld),
    Extension(&'static str),
    E164(&'static str, Option<&'static str>),
    Other(&'static str),
}

impl Want {
    fn caller(&self) -> CallerNumber {
        match *self {
            Self::Withheld(why) => CallerNumber::Withheld { why },
            Self::Extension(digits) => CallerNumber::Extension { digits: digits.to_owned() },
            Self::E164(number, extension) => {
                CallerNumber::E164 { number: number.to_owned(), extension: extension.map(str::to_owned) }
            }
            Self::Other(text) => CallerNumber::Other { text: text.to_owned() },
        }
    }
}

const HOSTILE: [(&str, Want); 28] = [
    ("+7 (495) 123-45-67", Want::E164("+74951234567", None)),
    ("84951234567", Want::E164("+74951234567", None)),
    ("8-800-555-35-35", Want::E164("+78005553535", None)),
    ("0074951234567", Want::E164("+74951234567", None)),
    ("+1-202-555-0100", Want::E164("+12025550100", None)),
    ("tel:+1-202-555-0100;ext=12", Want::E164("+12025550100", Some("12"))),
    ("sip:+12025550100@pbx;user=phone", Want::E164("+12025550100", None)),
    ("anonymous", Want::Withheld(Withheld::Anonymous)),
    ("Anonymous", Want::Withheld(Withheld::Anonymous)),
    ("unavailable", Want::Withheld(Withheld::Unavailable)),
    ("restricted", Want::Withheld(Withheld::Restricted)),
    ("", Want::Withheld(Withheld::Empty)),
    ("100", Want::Extension("100")),
    ("*97", Want::Other("*97")),
    ("**5e9e", Want::Other("**5e9e")),
    ("#31#12025550100", Want::Other("#31#12025550100")),
    ("1234&SIP/x", Want::Other("1234&SIP/x")),
    ("300&Zap/g1/4165551212", Want::Other("300&Zap/g1/4165551212")),
    ("+1900555010", Want::Other("+1900555010")),
    ("+88213", Want::Other("+88213")),
    ("009999999999999999999999999999999999999999", Want::Other("009999999999999999999999999999999999999999")),
    (
        "+\u{667}\u{664}\u{669}\u{665}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}",
        Want::E164("+74951234567", None),
    ),
    ("\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}", Want::Extension("12345")),
    ("+1202555O100", Want::Other("+1202555O100")),
    ("12025550100,,1#", Want::E164("+12025550100", Some("1"))),
    ("12025550100;phone-context=+1", Want::E164("+12025550100", None)),
    ("%2B12025550100", Want::E164("+12025550100", None)),
    ("\t+12025550100 ", Want::E164("+12025550100", None)),
];

#[test]
fn each_hostile_number_of_the_corpus_has_its_meaning() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/hostile/numbers.jsonl");
    let corpus = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("corpus {path}: {error}"));
    let raws: Vec<String> = corpus
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["raw"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(raws, HOSTILE.map(|(raw, _)| raw.to_owned()), "the corpus and the expectations differ");
    for (raw, want) in &HOSTILE {
        assert_eq!(plan().caller(raw), want.caller(), "{raw:?}");
        let in_uri = format!("sip:{}@pbx.example;transport=udp", raw.trim());
        if !raw.contains([':', '@', ';']) {
            assert_eq!(plan().caller(&in_uri), want.caller(), "{in_uri:?}");
        }
    }
}

#[test]
fn callers_come_as_uris_of_every_kind() {
    let cases = [
        ("sip:88312123456@10.0.0.1:5070", Want::E164("+78312123456", None)),
        ("sips:+78312123456@pbx.example;transport=tls", Want::E164("+78312123456", None)),
        ("<sip:+78312123456:secret@pbx.example>", Want::E164("+78312123456", None)),
        ("sip:%2B78312123456@pbx", Want::E164("+78312123456", None)),
        ("sip:+78312123456;ext=105@pbx;user=phone", Want::E164("+78312123456", Some("105"))),
        ("SIP:105@pbx", Want::Extension("105")),
        ("sip:105;phone-context=pbx.example@pbx;user=phone", Want::Extension("105")),
        ("tel:105;phone-context=pbx.example", Want::Extension("105")),
        ("tel:7042;phone-context=+1-202-555", Want::E164("+12025557042", None)),
        ("tel:+7-831-212-34-56", Want::E164("+78312123456", None)),
        ("TEL:+78312123456;isub=7", Want::E164("+78312123456", None)),
        ("sip:anonymous@anonymous.invalid", Want::Withheld(Withheld::Anonymous)),
        ("sip:thisisanonymous@anonymous.invalid", Want::Withheld(Withheld::Anonymous)),
        ("sip:Restricted@192.0.2.1", Want::Withheld(Withheld::Restricted)),
        ("sip:unknown@192.0.2.1", Want::Withheld(Withheld::Unavailable)),
        ("sip:pbx.example", Want::Withheld(Withheld::Empty)),
        ("sip:@pbx.example", Want::Withheld(Withheld::Empty)),
        ("sip:[2001:db8::1]:5060", Want::Withheld(Withheld::Empty)),
        ("sip:alice@pbx.example", Want::Other("alice")),
        ("sip:agent-105@pbx.example", Want::Other("agent-105")),
        ("sip:x105@pbx.example", Want::Other("x105")),
        ("sip:2123456@pbx.example", Want::Other("2123456")),
        ("sip:112@pbx.example", Want::Other("112")),
        ("sip:%0d%0aX-Injected:1@pbx", Want::Other("X-Injected")),
        ("sip:831%00212@pbx", Want::Other("831212")),
    ];
    for (uri, want) in &cases {
        assert_eq!(plan().caller(uri), want.caller(), "{uri}");
    }
}

#[test]
fn a_caller_that_is_no_number_has_none() {
    let too_long = format!("+{}", "9".repeat(16));
    for text in [
        "1234&SIP/x",
        "300&Zap/g1/4165551212",
        "+1202555O100",
        "*97",
        "#31#12025550100",
        "alice",
        "+",
        &too_long,
    ] {
        let caller = plan().caller(text);
        assert!(matches!(caller, CallerNumber::Other { .. }), "{text:?}: {caller:?}");
        assert_eq!(caller.call_number(), None, "{text:?}");
    }
}

#[test]
fn a_caller_of_digits_that_no_plan_knows_keeps_its_bare_digits() {
    let caller = plan().caller("sip:212-34-56@pbx");
    assert_eq!(caller.call_number(), Some("2123456"));
    assert_eq!(plan().caller("+1900555010").call_number(), Some("+1900555010"));
    assert_eq!(plan().caller("112").call_number(), Some("112"));
    assert_eq!(plan().caller("sip:anonymous@pbx").call_number(), None);
    assert_eq!(plan().caller("sip:anonymous@pbx").to_number(), None);
}

/// Number as typed, E.164, extension, label.
type Row = (String, Option<String>, Option<String>, Option<String>);

fn field(text: &str) -> Vec<Row> {
    let numbers = plan().numbers(text).into_iter();
    numbers.map(|Number { number, e164, extension, label }| (number, e164, extension, label)).collect()
}

fn row(number: &str, e164: Option<&str>, extension: Option<&str>, label: Option<&str>) -> Row {
    let own = |text: Option<&str>| text.map(str::to_owned);
    (number.to_owned(), own(e164), own(extension), own(label))
}

#[test]
fn several_numbers_in_one_field_come_apart() {
    let first = row("8 (831) 212-34-56", Some("+78312123456"), None, None);
    let second = row("+7 910 123-45-67", Some("+79101234567"), None, None);
    for separator in [" / ", "/", ", ", ";", "; ", "\n", "\r\n", " | ", " "] {
        let text = format!("8 (831) 212-34-56{separator}+7 910 123-45-67");
        assert_eq!(field(&text), [first.clone(), second.clone()], "{text:?}");
    }
    assert_eq!(field(""), []);
    assert_eq!(field(" \u{200e}\t"), []);
    assert_eq!(field(" ;, "), []);
    assert_eq!(field("101, 102/103").len(), 3);
}

#[test]
fn an_extension_after_a_comma_stays_with_its_number() {
    let text = "+7 831 212-34-56,105";
    assert_eq!(field(text), [row(text, Some("+78312123456"), Some("105"), None)]);
    let marked = "8 (831) 212-34-56, доб. 105";
    assert_eq!(field(marked), [row(marked, Some("+78312123456"), Some("105"), None)]);
    let two = "+7 831 212-34-56, доб. 105; 8 910 123-45-67 моб.";
    let mobile = row("8 910 123-45-67 моб.", Some("+79101234567"), None, Some("mobile"));
    let found = field(two);
    assert_eq!(found.last(), Some(&mobile));
    let extensions: Vec<_> =
        found.iter().filter_map(|(_, e164, extension, _)| e164.as_ref().and(extension.as_deref())).collect();
    assert_eq!(extensions, ["105"], "{found:?}");
}

#[test]
fn a_shorthand_tail_is_kept_and_not_expanded() {
    let text = "+7 831 212-34-56/57";
    assert_eq!(field(text), [row(text, Some("+78312123456"), None, None)]);
    let longer = "8 (831) 212-34-56/57/58";
    assert_eq!(field(longer), [row(longer, Some("+78312123456"), None, None)]);
}

#[test]
fn a_field_of_dialling_tricks_stays_one_text_without_a_number() {
    for text in ["300&Zap/g1/4165551212", "1234&SIP/x", "#31#12025550100", "<b>+78312123456</b>"] {
        assert_eq!(field(text), [row(text, None, None, None)]);
    }
}

#[test]
fn a_field_is_bounded() {
    let many = "88312123456/".repeat(80);
    assert_eq!(plan().numbers(&many).len(), 32);
    let long = "8".repeat(1_000_000);
    let number = plan().number(&long);
    assert_eq!((number.number.chars().count(), meaning(&number)), (128, (None, None)));
}

#[test]
fn numbers_are_shown_the_way_people_here_write_them() {
    let plan = plan();
    assert_eq!(plan.display("+78312123456"), "8 (831) 212-34-56");
    assert_eq!(plan.display("+78005553535"), "8 (800) 555-35-35");
    assert_eq!(plan.display("+12025550100"), "+1 202-555-0100");
    assert_eq!(plan.display("+77011234567"), "+7 701 123 4567", "Kazakhstan shares +7 and is abroad");
    for other in ["105", "*97", "", "+", "+1", "anonymous", "+999999999999999", "+7 831 2123456"] {
        assert_eq!(plan.display(other), other);
    }
    let american = DialPlan::new("us", "011", "1", 4, &["911".to_owned()]).unwrap();
    assert_eq!(american.display("+12025550100"), "(202) 555-0100");
    assert_eq!(american.display("+78312123456"), "+7 831 212-34-56");
}

#[test]
fn another_region_dials_by_its_own_plan() {
    let american = DialPlan::new("US", "011", "1", 4, &["911".to_owned()]).unwrap();
    for (typed, e164, extension) in [
        ("(202) 555-0100", Some("+12025550100"), None),
        ("1 202 555 0100 x12", Some("+12025550100"), Some("12")),
        ("011 7 831 212 34 56", Some("+78312123456"), None),
        ("911", None, None),
        ("1050", None, Some("1050")),
        ("10500", None, None),
    ] {
        assert_eq!(meaning(&american.number(typed)), (e164, extension), "{typed}");
    }
    let inner = DialPlan::new("RU", "810", "8", 7, &[]).unwrap();
    assert_eq!(meaning(&inner.number("2123456")), (None, Some("2123456")));
    let none = DialPlan::new("RU", "", "", 0, &[]).unwrap();
    assert_eq!(meaning(&none.number("105")), (None, None), "no internal numbers at all");
}

#[test]
fn a_wrong_plan_is_refused_by_the_key_that_is_wrong() {
    let refused = |region, international, trunk, digits, emergency: &[String]| {
        DialPlan::new(region, international, trunk, digits, emergency).unwrap_err().to_string()
    };
    assert!(refused("XX", "810", "8", 5, &[]).contains("dialplan.region"));
    assert!(refused("001", "810", "8", 5, &[]).contains("dialplan.region"));
    assert!(refused("RU", "+", "8", 5, &[]).contains("dialplan.international_prefix"));
    assert!(refused("RU", "810", "eight", 5, &[]).contains("dialplan.trunk_prefix"));
    assert!(refused("RU", "810", "8", 8, &[]).contains("dialplan.internal_digits_max"));
    assert!(refused("RU", "810", "8", 5, &["1-1-2".to_owned()]).contains("dialplan.emergency"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_or_leaves_its_bounds(text in "\\PC{0,200}|[0-9+/,;:()#*x.%@\u{0}-\u{20}-]{0,200}") {
        let plan = plan();
        let _ = (plan.caller(&text), plan.display(&text));
        for number in plan.numbers(&text).into_iter().chain([plan.number(&text)]) {
            prop_assert!(number.number.chars().count() <= 128);
            prop_assert!(!number.number.chars().any(char::is_control));
            if let Some(e164) = &number.e164 {
                prop_assert!(e164.starts_with('+') && (2..=16).contains(&e164.len()));
            }
            if let Some(extension) = &number.extension {
                prop_assert!(extension.len() <= 10 && extension.bytes().all(|byte| byte.is_ascii_digit()));
            }
        }
    }

    #[test]
    fn no_bytes_of_a_uri_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = (plan().caller(&format!("sip:{text}@x")), plan().caller(&format!("tel:{text}")), plan().numbers(&text));
    }

    #[test]
    fn an_e164_number_is_its_own_meaning(typed in "\\+?[0-9]{6,18}") {
        if let Some(e164) = plan().number(&typed).e164 {
            let again = plan().number(&e164);
            prop_assert_eq!(again.e164.as_deref(), Some(e164.as_str()));
            prop_assert_eq!(again.extension, None);
            let caller = CallerNumber::E164 { number: e164.clone(), extension: None };
            prop_assert_eq!(plan().caller(&format!("sip:{}@pbx", e164)), caller);
        }
    }

    #[test]
    fn a_number_shown_and_typed_again_is_the_same(national in "[3489][0-9]{9}") {
        let plan = plan();
        let Some(e164) = plan.number(&format!("8{national}")).e164 else { return Ok(()) };
        let typed_again = plan.number(&plan.display(&e164));
        prop_assert_eq!(typed_again.e164, Some(e164));
    }

    #[test]
    fn an_internal_number_never_becomes_a_public_one(digits in "[0-9]{1,5}", mark in "|доб\\. |вн\\. |ext\\. ") {
        let number = plan().number(&format!("{mark}{digits}"));
        prop_assert_eq!(&number.e164, &None);
        let emergency = plan().is_emergency(&digits);
        prop_assert_eq!(number.extension, (!emergency).then_some(digits));
    }
}

#[test]
fn a_number_that_would_change_with_each_reading_is_none() {
    let number = plan().number("+600000000000");
    assert_eq!((number.e164, number.extension), (None, None));
    assert_eq!(
        plan().number("+60 3-2345 6789").e164.as_deref(),
        Some("+60323456789"),
        "as others of that country"
    );
}
