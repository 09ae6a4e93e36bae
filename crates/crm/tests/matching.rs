//! Who a caller may be: one story per rule of the ranking.

use linecard_crm::matching::{CANDIDATES_MAX, RECENT_TALK_MS};
use linecard_crm::{
    Candidate, ContactRef, DialPlan, Found, Level, Number, NumberOwner, Reason, Score, Signals, rank,
    suffix_key,
};
use proptest::prelude::*;

const SWITCHBOARD: &str = "+7 831 212-34-56";

fn number(text: &str) -> Number {
    DialPlan::default().number(text)
}

fn found(name: &str, company: Option<&str>, text: &str) -> Found {
    let contact = ContactRef {
        id: format!("id-{name}"),
        name: name.to_owned(),
        company_name: company.map(|company| format!("OOO {company}")),
        responsible_id: None,
    };
    let company_id = company.map(str::to_owned);
    Found { contact, company_id, number: number(text), owner: NumberOwner::Contact, last_talk_at: None }
}

fn plain(caller: &str, rows: &[Found]) -> Vec<Candidate> {
    rank(&number(caller), rows, &Signals::default())
}

fn names(candidates: &[Candidate]) -> Vec<(&str, Level)> {
    candidates.iter().map(|candidate| (candidate.contact.name.as_str(), candidate.level)).collect()
}

fn all_equal(candidates: &[Candidate]) -> bool {
    let standing = |candidate: &Candidate| (candidate.level, candidate.score);
    candidates.iter().map(standing).collect::<std::collections::BTreeSet<_>>().len() <= 1
}

#[test]
fn a_number_of_one_contact_is_exact_however_both_were_typed() {
    let rows = [found("Анна", None, "8 (831) 212-34-56")];
    let candidates = plain("+78312123456", &rows);
    assert_eq!(names(&candidates), [("Анна", Level::Exact)]);
    assert_eq!(candidates[0].reasons, [Reason::SameNumber]);
    assert!((candidates[0].score.as_f64() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn four_people_behind_a_switchboard_are_four_equal_candidates_of_company_level() {
    let plain_number: Vec<Found> =
        ["Галина", "Анна", "Вера", "Борис"].map(|name| found(name, Some("ромашка"), SWITCHBOARD)).to_vec();
    let behind: Vec<Found> = [("Галина", 104), ("Анна", 101), ("Вера", 103), ("Борис", 102)]
        .map(|(name, extension)| found(name, None, &format!("{SWITCHBOARD} доб. {extension}")))
        .to_vec();
    for rows in [plain_number, behind] {
        let candidates = plain("88312123456", &rows);
        let want = ["Анна", "Борис", "Вера", "Галина"].map(|name| (name, Level::Company));
        assert_eq!(names(&candidates), want);
        assert!(all_equal(&candidates), "{candidates:?}");
    }
}

#[test]
fn a_number_of_the_company_itself_is_company_level_even_for_a_contact_that_lists_it() {
    let company_row =
        |name| Found { owner: NumberOwner::Company, ..found(name, Some("ромашка"), SWITCHBOARD) };
    let rows = [found("Анна", Some("ромашка"), SWITCHBOARD), company_row("Анна"), company_row("Борис")];
    let candidates = plain("88312123456", &rows);
    assert_eq!(names(&candidates), [("Анна", Level::Company), ("Борис", Level::Company)]);
    assert!(all_equal(&candidates));
}

#[test]
fn people_of_different_companies_that_share_a_number_are_equal_and_told_so() {
    let rows = [found("Борис", Some("астра"), SWITCHBOARD), found("Анна", None, SWITCHBOARD)];
    let candidates = plain("88312123456", &rows);
    assert_eq!(names(&candidates), [("Анна", Level::Exact), ("Борис", Level::Exact)]);
    assert!(all_equal(&candidates));
    assert!(candidates.iter().all(|candidate| candidate.reasons.contains(&Reason::Shared { others: 1 })));
    assert!(candidates[0].score < plain("88312123456", &rows[..1])[0].score, "less sure than of one alone");
}

#[test]
fn the_extension_sent_along_picks_the_one_person_behind_it() {
    let rows = [("Анна", "101"), ("Борис", "102")]
        .map(|(name, extension)| found(name, Some("ромашка"), &format!("{SWITCHBOARD} доб. {extension}")));
    let candidates = plain("+78312123456;ext=102", &rows);
    assert_eq!(names(&candidates), [("Борис", Level::Exact), ("Анна", Level::Company)]);
    assert_eq!(candidates[1].reasons[0], Reason::OtherExtension);
}

#[test]
fn an_internal_extension_finds_the_colleague_and_no_customer_behind_a_switchboard() {
    let rows = [found("Коллега", None, "105"), found("Клиент", None, &format!("{SWITCHBOARD} доб. 105"))];
    let candidates = plain("105", &rows);
    assert_eq!(names(&candidates), [("Коллега", Level::Extension)]);
    assert_eq!(candidates[0].reasons, [Reason::SameExtension { extension: "105".to_owned() }]);
    assert_eq!(plain("5", &rows), []);
}

#[test]
fn a_number_without_its_area_code_fits_by_its_last_digits_only() {
    let rows = [found("Анна", None, "8 (831) 212-34-56"), found("Борис", None, "8 (495) 212-34-56")];
    let candidates = plain("212-34-56", &rows);
    assert_eq!(names(&candidates), [("Анна", Level::Suffix), ("Борис", Level::Suffix)]);
    assert!(all_equal(&candidates));
    assert_eq!(candidates[0].reasons, [Reason::SameLastDigits { digits: 7 }]);
    let stored_short = [found("Вера", None, "212-34-56")];
    assert_eq!(names(&plain("+78312123456", &stored_short)), [("Вера", Level::Suffix)]);
}

#[test]
fn two_whole_numbers_of_different_areas_are_not_the_same_caller() {
    assert_eq!(plain("+74952123456", &[found("Анна", None, SWITCHBOARD)]), []);
    assert_eq!(plain("*97", &[found("Анна", None, "*97")]), []);
    assert_eq!(plain("12-34", &[found("Анна", None, SWITCHBOARD)]), []);
}

#[test]
fn exact_stands_over_extension_over_company_over_suffix() {
    let now_ms = 1_800_000_000_000;
    let favoured = Signals { user_id: Some("me".to_owned()), now_ms: Some(now_ms) };
    let favour = |mut row: Found| {
        row.contact.responsible_id = Some("me".to_owned());
        row.last_talk_at = Some(now_ms);
        row.number.label = Some("mobile".to_owned());
        row
    };
    let best = |caller: &str, row: Found| rank(&number(caller), &[favour(row)], &favoured)[0].score;
    let worst = |caller: &str, row: Found| plain(caller, &[row])[0].score;
    let shared = [found("Анна", None, SWITCHBOARD), found("Борис", None, SWITCHBOARD)];
    let exact = plain("88312123456", &shared)[0].score;
    let behind = || found("Вера", Some("ромашка"), &format!("{SWITCHBOARD} доб. 105"));
    let internal = || found("Коллега", None, "105");
    // 00 and an unassigned country code: many digits that are no E.164 number, so only their tail can be compared.
    let long_tail = "009998312123456";
    assert!(exact > best("105", internal()));
    assert!(worst("105", internal()) > best("88312123456", behind()));
    assert!(worst("88312123456", behind()) > best(long_tail, found("Гоша", None, long_tail)));
    let mixed = [behind(), found("Гоша", None, "212-34-56"), found("Анна", None, SWITCHBOARD)];
    let levels: Vec<Level> = plain("88312123456", &mixed).iter().map(|candidate| candidate.level).collect();
    assert_eq!(levels, [Level::Exact, Level::Company, Level::Suffix]);
}

#[test]
fn ties_are_settled_by_stated_signals_and_each_says_so() {
    let now_ms = 1_800_000_000_000;
    let signals = Signals { user_id: Some("me".to_owned()), now_ms: Some(now_ms) };
    let mut rows = ["Анна", "Борис", "Вера", "Галина"].map(|name| found(name, None, SWITCHBOARD));
    rows[1].number.label = Some("Мобильный".to_owned());
    rows[2].last_talk_at = Some(now_ms - 3 * 24 * 3_600_000);
    rows[3].contact.responsible_id = Some("me".to_owned());
    let candidates = rank(&number(SWITCHBOARD), &rows, &signals);
    let want = ["Галина", "Вера", "Борис", "Анна"].map(|name| (name, Level::Exact));
    assert_eq!(names(&candidates), want);
    let reasons = [Reason::Responsible, Reason::RecentTalk { days: 3 }, Reason::PersonalNumber];
    for (candidate, reason) in candidates.iter().zip(&reasons) {
        assert_eq!(candidate.reasons.last(), Some(reason));
    }
    rows[2].last_talk_at = Some(now_ms - RECENT_TALK_MS - 1);
    rows[3].contact.responsible_id = Some("somebody".to_owned());
    let stale = rank(&number(SWITCHBOARD), &rows, &signals);
    assert_eq!(stale[0].contact.name, "Борис");
    assert!(all_equal(&stale[1..]), "an old talk and another's client settle nothing");
}

#[test]
fn a_contact_found_twice_appears_once_with_its_best_row() {
    let rows = [found("Анна", None, "212-34-56"), found("Анна", None, SWITCHBOARD)];
    assert_eq!(names(&plain(SWITCHBOARD, &rows)), [("Анна", Level::Exact)]);
}

#[test]
fn a_list_of_candidates_is_bounded() {
    let rows: Vec<Found> = (0..200).map(|index| found(&format!("{index}"), None, SWITCHBOARD)).collect();
    assert_eq!(plain(SWITCHBOARD, &rows).len(), CANDIDATES_MAX);
}

#[test]
fn json_is_as_the_contract_says_and_reads_back() {
    let candidates =
        plain(SWITCHBOARD, &[found("Анна", Some("ромашка"), &format!("{SWITCHBOARD} доб. 105"))]);
    let json = serde_json::to_value(&candidates[0]).unwrap();
    let want = serde_json::json!({
        "contact": {"id": "id-Анна", "name": "Анна", "company_name": "OOO ромашка", "responsible_id": null},
        "level": "company",
        "score": 0.5,
        "reasons": ["The contact is behind this number at extension 105."],
    });
    assert_eq!(json, want);
    assert_eq!(serde_json::from_value::<Candidate>(json).unwrap(), candidates[0]);
    let json = serde_json::to_value(number("8 (831) 212-34-56 доб. 105 раб.")).unwrap();
    let want = serde_json::json!({
        "number": "8 (831) 212-34-56 доб. 105 раб.", "e164": "+78312123456", "extension": "105", "label": "work",
    });
    assert_eq!(json, want);
}

#[test]
fn every_reason_reads_back_as_itself() {
    let extension = || "105".to_owned();
    let all = [
        Reason::SameNumber,
        Reason::SameNumberAndExtension { extension: extension() },
        Reason::SameExtension { extension: extension() },
        Reason::CompanyNumber,
        Reason::Switchboard,
        Reason::BehindExtension { extension: extension() },
        Reason::OtherExtension,
        Reason::SameLastDigits { digits: 7 },
        Reason::Shared { others: 3 },
        Reason::Responsible,
        Reason::RecentTalk { days: 2 },
        Reason::PersonalNumber,
        Reason::Recorded("A reason of a later version.".to_owned()),
        Reason::Recorded("Other contacts with this number: 007.".to_owned()),
    ];
    for reason in all {
        let sentence = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<Reason>(&sentence).unwrap(), reason, "{sentence}");
    }
}

#[test]
fn a_score_is_a_number_from_0_to_1() {
    for thousandths in 0..=1000u16 {
        let score = Score::try_from(f64::from(thousandths) / 1000.0).unwrap();
        let json = serde_json::to_string(&score).unwrap();
        assert_eq!(serde_json::from_str::<Score>(&json).unwrap().thousandths(), thousandths);
    }
    for wrong in ["1.01", "-0.1", "1e9"] {
        assert!(serde_json::from_str::<Score>(wrong).is_err(), "{wrong}");
    }
    assert!(Score::try_from(f64::NAN).is_err());
}

/// What a store does with the probes: half-open range by bytes, or equality.
fn probes_find(caller: &str, stored: &str) -> bool {
    let Some(probes) = number(caller).suffix_probes() else {
        return false;
    };
    let Some(key) = number(stored).suffix_key() else {
        return false;
    };
    (probes.from <= key && key < probes.below) || probes.equal.contains(&key)
}

#[test]
fn the_column_of_reversed_digits_finds_by_last_digits_in_both_directions() {
    assert_eq!(suffix_key("+78312123456"), "65432121387");
    assert!(probes_find("212-34-56", "+78312123456"));
    assert!(probes_find("+78312123456", "212-34-56"));
    assert!(probes_find("212-34-56", "212-34-56"));
    assert!(!probes_find("212-34-57", "+78312123456"));
    assert!(!probes_find("105", "+78312123105"));
    assert!(!probes_find("*97", "+78312123497"));
    assert_eq!(number("105").suffix_key(), None);
}

fn any_row() -> impl Strategy<Value = Found> {
    let texts = prop::sample::select(vec![
        SWITCHBOARD,
        "+7 831 212-34-56 доб. 105",
        "105",
        "212-34-56",
        "+79101234567",
    ]);
    let companies = prop::option::of(prop::sample::select(vec!["ромашка", "астра"]));
    let owners = prop::sample::select(vec![NumberOwner::Contact, NumberOwner::Company]);
    let talk = prop::option::of(prop::sample::select(vec![0i64, 1_000]));
    ("[а-д]{1,2}", companies, texts, owners, talk).prop_map(|(name, company, text, owner, last_talk_at)| {
        Found { owner, last_talk_at, ..found(&name, company, text) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_rows_decides_nothing(
        rows in prop::collection::vec(any_row(), 0..12),
        caller in prop::sample::select(vec![SWITCHBOARD, "105", "212-34-56", "+78312123456;ext=105"]),
    ) {
        let signals = Signals { user_id: None, now_ms: Some(2_000) };
        // One contact is the same contact in each of its rows.
        let mut rows = rows;
        for index in 0..rows.len() {
            let (id, contact) = (rows[index].contact.id.clone(), rows[index].contact.clone());
            rows.iter_mut().filter(|row| row.contact.id == id).for_each(|row| row.contact = contact.clone());
        }
        let forward = rank(&number(caller), &rows, &signals);
        rows.reverse();
        prop_assert_eq!(&forward, &rank(&number(caller), &rows, &signals));
        for pair in forward.windows(2) {
            prop_assert!(pair[0].level <= pair[1].level);
            prop_assert!(pair[0].score >= pair[1].score);
            prop_assert!(pair[0].level == pair[1].level || pair[0].score > pair[1].score);
        }
    }
}
