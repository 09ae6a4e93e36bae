//! `/reports/load`: every number is the length of the list that it opens, and what a recount of the ledger finds.

use linecard_calls::{Direction, Interaction, Outcome};
use serde_json::{Value, json};

use super::clients::Client;
use super::desk::Desk;
use super::evidence::LONG_AGO;
use super::server::Server;
use super::socket::SOON;
use crate::peers::eventually;

const FIGURES: [&str; 9] = [
    "offered",
    "answered",
    "missed",
    "not_called_back",
    "in_time",
    "abandoned_late",
    "handled",
    "dialled",
    "reached",
];
const BY: [&str; 4] = ["hour", "weekday", "line", "agent"];

fn listed(client: &Client, query: &str) -> i64 {
    client.show(&format!("/interactions?limit=1&{query}"))["total"].as_i64().expect("a total")
}

fn text<'a>(part: &'a Value, field: &str) -> &'a str {
    part[field].as_str().unwrap_or_else(|| panic!("{field} of {part}"))
}

/// Every number of a part is as long as its list.
fn opens_its_calls(client: &Client, part: &Value) {
    for figure in FIGURES {
        let query = format!("{}&figure={figure}", text(part, "query"));
        assert_eq!(json!(listed(client, &query)), part[figure], "{figure} of {part}");
    }
    if let Some(query) = part["peak_query"].as_str() {
        assert_eq!(json!(listed(client, query)), part["peak"], "the peak of {part}");
    }
}

fn parts(report: &Value) -> Vec<&Value> {
    report["rows"].as_array().expect("rows").iter().chain([&report["total"]]).collect()
}

#[test]
fn each_number_opens_exactly_its_calls_by_whatever_they_are_parted() {
    let server = Server::start();
    let admin = server.admin();
    let supervisor = server.supervisor(&admin, "anna");
    let (maria, olga) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let line = admin.add_line("127.0.0.1:9".parse().expect("an address"), "100", None);
    let mut evidence = server.evidence();
    // 2025-10-09T08:53:20Z is a Thursday, 11:53:20 in Moscow.
    for (after_s, user, rings_ms) in [(0, &maria.id, 3_000), (30, &olga.id, 25_000), (600, &maria.id, 20_000)]
    {
        let mut call = evidence.call(user, after_s);
        call.line_id = line["id"].as_str().expect("an id").parse().expect("an id");
        call.ringing_ms = Some(rings_ms);
        evidence.save(&call, Vec::new());
    }
    let mut dialled = evidence.call(&olga.id, 86_400);
    dialled.direction = Direction::Outbound;
    dialled.user_id = None;
    evidence.save(&dialled, Vec::new());

    let period =
        format!("from={}&until={}&tz=Europe/Moscow", LONG_AGO.plus_ms(-60_000), LONG_AGO.plus_ms(90_000_000));
    for by in BY {
        let report = supervisor.show(&format!("/reports/load?by={by}&{period}"));
        for part in parts(&report) {
            opens_its_calls(&supervisor, part);
        }
        let total = &report["total"];
        assert_eq!(
            (&total["offered"], &total["in_time"], &total["dialled"]),
            (&json!(3), &json!(2), &json!(1))
        );
        assert_eq!((&total["talk_ms"], &total["aht_ms"]), (&json!(180_000), &json!(60_000)), "{total}");
        assert_eq!((&total["peak"], &report["previous"]["offered"]), (&json!(2), &json!(0)), "{report}");
        let keys: Vec<&Value> =
            report["rows"].as_array().expect("rows").iter().map(|row| &row["key"]).collect();
        let names: Vec<&Value> =
            report["rows"].as_array().expect("rows").iter().map(|row| &row["name"]).collect();
        match by {
            "hour" => assert_eq!(keys, [&json!(11), &json!(12)]),
            "weekday" => assert_eq!(keys, [&json!(4), &json!(5)]),
            "line" => assert_eq!(names, [&line["name"], &Value::Null], "a line that is gone has no name"),
            _ => assert_eq!(names, [&json!("maria"), &json!("olga"), &Value::Null]),
        }
    }
    let strict = supervisor.show(&format!("/reports/load?by=agent&service_level_s=2&{period}"));
    assert_eq!((&strict["total"]["in_time"], &strict["total"]["service_level"]), (&json!(0), &json!(0.0)));
    let later =
        supervisor.show(&format!("/reports/load?{period}&compare_from={}", LONG_AGO.plus_ms(500_000)));
    assert_eq!(later["previous"]["offered"], 1, "{later}");

    let csv = supervisor.get(&format!("/reports/load?by=agent&format=csv&{period}")).text();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].ends_with(
            "key,name,offered,answered,missed,not_called_back,service_level,in_time,\
        abandoned_late,handled,talk_ms,hold_ms,aht_ms,dialled,reached,reached_talk_ms,peak,peak_at"
        ),
        "{csv}"
    );
    assert_eq!(lines.len(), 5, "a row a part, and the total: {csv}");
    assert!(lines[1].contains(",maria,2,2,0,0,1.0,2,0,2,120000,0,60000,0,0,0,1,"), "{csv}");

    assert_eq!(maria.get("/reports/load").status, 403, "agents see no report");
    assert_eq!(maria.get("/interactions?figure=answered").json()["total"], 2, "and their own calls alone");
}

/// The words of the definitions over the folded ledger; the callers who wait are those of `/missed`.
fn recount(calls: &[Interaction], waiting: usize) -> Value {
    let count = |holds: &dyn Fn(&Interaction) -> bool| calls.iter().filter(|call| holds(call)).count();
    let inbound = |call: &Interaction| call.direction == Direction::Inbound;
    let answered = |call: &Interaction| inbound(call) && call.answered_at.is_some();
    let over = |call: &Interaction| call.ended_at.is_some();
    let missed = |call: &Interaction| inbound(call) && over(call) && !answered(call);
    let late = |call: &Interaction| call.ringing_ms.is_some_and(|ms| ms > 20_000);
    json!({
        "offered": count(&inbound), "answered": count(&answered), "missed": count(&missed), "not_called_back": waiting,
        "in_time": count(&|call| answered(call) && !late(call)),
        "abandoned_late": count(&|call| missed(call) && call.outcome == Some(Outcome::Abandoned) && late(call)),
        "handled": count(&|call| answered(call) && over(call)),
        "dialled": 0, "reached": 0,
        "talk_ms": calls.iter().filter(|call| over(call)).filter_map(|call| call.talk_ms).sum::<i64>(),
    })
}

#[test]
fn calls_that_ring_talk_and_are_missed_now_are_counted_at_once_and_as_the_ledger_folds() {
    let desk = Desk::open();
    let supervisor = desk.server.supervisor(&desk.admin, "anna");
    let evidence = desk.server.evidence();
    let agree = |waiting: usize, live: usize| {
        let folded = eventually("the ledger has it all", SOON, || {
            let folded = evidence.folded();
            (folded.iter().filter(|call| call.ended_at.is_none()).count() == live).then_some(folded)
        });
        let expected = recount(&folded, waiting);
        for by in BY {
            let report = supervisor.show(&format!("/reports/load?by={by}"));
            for (figure, value) in expected.as_object().expect("an object") {
                assert_eq!(&report["total"][figure], value, "{figure} by {by}: {report}");
            }
            for part in parts(&report) {
                opens_its_calls(&supervisor, part);
            }
        }
        supervisor.show("/reports/load")["total"].clone()
    };
    let left = desk.customer_calls("+79030000001");
    left.wait_ringing(SOON);
    let total = agree(0, 1);
    assert_eq!(
        (&total["offered"], &total["missed"], &total["peak"]),
        (&json!(1), &json!(0), &json!(1)),
        "it rings"
    );
    left.give_up();
    let item = eventually("the caller is missed", SOON, || desk.agent.items("/missed").into_iter().next());
    agree(1, 0);

    let lock = evidence.lock();
    desk.pbx.answers();
    let talk = desk.customer_calls("+79030000002");
    talk.wait_talking(SOON);
    let busy = desk.customer_calls("+79030000003");
    assert_eq!(busy.wait_final(SOON), 486);
    let report = supervisor.show("/reports/load?by=agent");
    let total = &report["total"];
    assert_eq!(
        [&total["offered"], &total["answered"], &total["missed"], &total["not_called_back"], &total["peak"]],
        [&json!(3), &json!(1), &json!(2), &json!(2), &json!(2)],
        "nothing waits for a locked database: {report}"
    );
    for part in parts(&report) {
        opens_its_calls(&supervisor, part);
    }
    drop(lock);
    agree(2, 1);
    talk.hang_up();
    agree(2, 0);

    let close = format!("/missed/{}/close", item["id"].as_str().expect("an id"));
    assert_eq!(desk.agent.post(&close, &json!({})).status, 200);
    agree(1, 0);
}

#[test]
fn what_cannot_be_asked_is_refused_by_its_field() {
    let server = Server::start();
    let admin = server.admin();
    let cases = [
        ("/reports/load?from=yesterday", "from"),
        ("/reports/load?from=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("/reports/load?from=2020-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "from"),
        ("/reports/load?tz=Mars", "tz"),
        ("/reports/load?service_level_s=0", "service_level_s"),
        ("/reports/load?service_level_s=3601", "service_level_s"),
        ("/reports/load?format=xml", "format"),
        ("/interactions?hour=24&from=2026-01-01T00:00:00Z", "hour"),
        ("/interactions?weekday=0&from=2026-01-01T00:00:00Z", "weekday"),
        ("/interactions?weekday=1", "from"),
        ("/interactions?hour=1&from=2020-01-01T00:00:00Z", "from"),
        ("/interactions?hour=1&from=2026-11-01T00:00:00Z&tz=Mars", "tz"),
        ("/interactions?under_way_at=noon", "under_way_at"),
        ("/interactions?user_id=maria", "user_id"),
        ("/interactions?service_level_s=-1&figure=in_time", "service_level_s"),
    ];
    for (path, field) in cases {
        let reply = admin.get(path);
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!(field)), "{path}: {}", reply.text());
    }
    for path in ["/reports/load?by=mood", "/interactions?figure=mood"] {
        assert_eq!(admin.get(path).status, 422, "{path}");
    }
}
