//! Story: a working day in two minutes. Three agents and a supervisor, two languages, 60 calls in and out beside each
//! other, desks that are loaded anew and cut off meanwhile: nothing jumps, nobody's typing is disturbed, nothing leaks,
//! and the same counts stand on every screen, in the report and in a recount of the ledger.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use linecard_calls::{CallId, Direction, Interaction, Outcome, Signal, fold};
use serde_json::{Value, json};

use super::Office;
use super::server::{CUSTOMERS, Linecard, NUMBER, OTHER_NUMBER, PASSWORD, SOON, THIRD_NUMBER};
use crate::peers::http::request;
use crate::peers::{Answer, Browser, Cable, Customer, Scenario, Sipp, Tab, eventually};

/// What each agent does: so many callers are answered or missed, so many customers are called.
const ANSWERED: usize = 12;
const MISSED: usize = 20;
const CALLED: usize = 8;
const CALLS: usize = 2 * (ANSWERED + CALLED) + MISSED;

/// Callers who get no answer come back: so many different ones there are.
const IMPATIENT: usize = 5;

const TYPED: &str = "Волга";
const SEARCH: &str = "[data-testid=history-search]";

/// An agent's day: callers come one after the other, then customers are called.
struct Day<'a> {
    server: &'a Linecard,
    pbx: SocketAddr,
    done: &'a AtomicUsize,
}

impl Day<'_> {
    fn one_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn answers(&self, number: &str, first: usize) {
        for n in 0..ANSWERED {
            let call = Customer::new(self.pbx, format!("+7921555{:04}", first + n)).call(number);
            call.wait_talking(SOON);
            sleep(Duration::from_millis(700));
            call.hang_up();
            self.one_done();
        }
    }

    fn misses(&self, number: &str) {
        for n in 0..MISSED {
            let call = Customer::new(self.pbx, format!("+7921666{:04}", n % IMPATIENT)).call(number);
            call.wait_ringing(SOON);
            sleep(Duration::from_millis(300));
            call.give_up();
            self.one_done();
        }
    }

    /// Calls a customer over and over, who talks or does not.
    fn calls(&self, login: &str, customer: &str, talks: bool) {
        let token = self.server.log_in(login);
        for _ in 0..CALLED {
            let dial = json!({"to": customer}).to_string();
            let asked = eventually("the agent is free", SOON, || {
                let reply = request(self.server.http, "POST", "/api/v1/calls", &dial, Some(&token)).ok()?;
                (reply.status == 202).then(|| reply.json())
            });
            let id = asked["interaction_id"].as_str().expect("an id").to_owned();
            let mine = |path: &str| {
                request(self.server.http, "GET", path, "", Some(&token)).expect("an answer").json()
            };
            if talks {
                eventually("they talk", SOON, || {
                    let it = mine(&format!("/api/v1/interactions/{id}"));
                    (it["answered_at"] != Value::Null).then_some(())
                });
                sleep(Duration::from_millis(700));
                let call = asked["call_id"].as_str().expect("an id");
                let path = format!("/api/v1/calls/{call}/hangup");
                let hung_up = request(self.server.http, "POST", &path, "", Some(&token)).expect("an answer");
                assert_eq!(hung_up.status, 202);
            }
            eventually("it is over", SOON, || {
                (mine(&format!("/api/v1/interactions/{id}"))["state"] == "ended").then_some(())
            });
            self.one_done();
        }
    }
}

/// What can be counted of a day.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    offered: usize,
    answered: usize,
    missed: usize,
    dialled: usize,
    reached: usize,
    declined: usize,
}

const TRUTH: Counts = Counts {
    offered: 2 * ANSWERED + MISSED,
    answered: 2 * ANSWERED,
    missed: MISSED,
    dialled: 2 * CALLED,
    reached: CALLED,
    declined: CALLED,
};

/// Counts by hand what was folded or listed.
fn count(calls: &[Interaction]) -> Counts {
    let of = |direction, holds: &dyn Fn(&Interaction) -> bool| {
        calls.iter().filter(|call| call.direction == direction && holds(call)).count()
    };
    let answered = |call: &Interaction| call.answered_at.is_some();
    Counts {
        offered: of(Direction::Inbound, &|_| true),
        answered: of(Direction::Inbound, &answered),
        missed: of(Direction::Inbound, &|call| !answered(call)),
        dialled: of(Direction::Outbound, &|_| true),
        reached: of(Direction::Outbound, &answered),
        declined: of(Direction::Outbound, &|call| call.outcome == Some(Outcome::Rejected)),
    }
}

/// The interactions as a supervisor's list has them.
fn listed(server: &Linecard) -> Vec<Interaction> {
    eventually("all calls are over", SOON, || {
        let list = server.get("/interactions?limit=500");
        let items: Vec<Interaction> = serde_json::from_value(list["items"].clone()).expect("interactions");
        (items.len() >= CALLS && items.iter().all(|it| it.ended_at.is_some())).then_some(items)
    })
}

/// The ledger, read beside the server and folded here.
fn recounted(server: &Linecard) -> Vec<Interaction> {
    let mut calls: BTreeMap<CallId, Vec<Signal>> = BTreeMap::new();
    for text in server.rows("SELECT signal FROM signals ORDER BY seq") {
        let signal: Signal = serde_json::from_str(&text).expect("a signal");
        calls.entry(signal.call_id).or_default().push(signal);
    }
    calls.values().filter_map(|signals| fold(signals)).collect()
}

fn reported(server: &Linecard, by: &str) -> Counts {
    let report = server.get(&format!("/reports/load?by={by}"));
    let figure =
        |name: &str| usize::try_from(report["total"][name].as_i64().expect("a figure")).expect("a count");
    let declined = server.get("/interactions?outcome=rejected&direction=outbound&limit=1");
    Counts {
        offered: figure("offered"),
        answered: figure("answered"),
        missed: figure("missed"),
        dialled: figure("dialled"),
        reached: figure("reached"),
        declined: usize::try_from(declined["total"].as_i64().expect("a total")).expect("a count"),
    }
}

/// Watches what moves without anybody having touched the page.
const WATCH: &str = "(() => { window.moved = 0; window.movers = {}; new PerformanceObserver((list) => { \
                     for (const one of list.getEntries()) if (!one.hadRecentInput) { window.moved += one.value; \
                     for (const { node } of one.sources) { const name = (node?.parentElement?.className ?? '') + ' > ' + (node?.className ?? node?.nodeName); \
                     window.movers[name] = (window.movers[name] ?? 0) + one.value; } } }).observe({ type: 'layout-shift' }); })()";

/// A mouse moves over the list all the time: whoever reads there loses no row from under it.
const POINT: &str = "window.pointing = setInterval(() => document.querySelector('[data-testid=history-row]')?.dispatchEvent( \
                     new PointerEvent('pointermove', { bubbles: true, pointerType: 'mouse' })), 300)";

/// The numbers of the day on an agent's desk: answered and missed.
fn today(desk: &Tab<'_>) -> Vec<i64> {
    let script = "[...document.querySelectorAll('section[aria-labelledby=today] dd')].slice(0, 2).map((dd) => Number(dd.textContent.replace(/[^0-9]/g, '')))";
    serde_json::from_value(desk.evaluate(script)).expect("numbers")
}

fn shows(desk: &Tab<'_>, whose: &str, expected: [usize; 2]) {
    let expected = expected.map(|number| i64::try_from(number).expect("small"));
    let mut seen = Vec::new();
    eventually(&format!("{whose} sees {expected:?}"), SOON, || {
        seen = today(desk);
        (seen == expected).then_some(())
    });
}

fn memory(desk: &Tab<'_>) -> (i64, i64) {
    let script = "[performance.memory.usedJSHeapSize, document.getElementsByTagName('*').length]";
    serde_json::from_value(desk.evaluate(script)).expect("two numbers")
}

/// One person's desk keeps its words and its focus while all this goes on.
fn goes_on_typing(desk: &Tab<'_>) {
    let script =
        format!("[document.activeElement?.matches('{SEARCH}'), document.querySelector('{SEARCH}')?.value]");
    assert_eq!(desk.evaluate(&script), json!([true, TYPED]), "somebody types here");
}

/// The day itself: the agents work, one desk is loaded anew now and then, another loses its network.
fn work(office: &Office, cable: &Cable, [maria, anna]: [&Tab<'_>; 2]) {
    let done = AtomicUsize::new(0);
    let day = Day { server: &office.server, pbx: office.pbx.address(), done: &done };
    scope(|threads| {
        threads.spawn(|| {
            day.answers(NUMBER, 0);
            day.calls("maria", CUSTOMERS[0], true);
        });
        threads.spawn(|| {
            day.answers(OTHER_NUMBER, 5_000);
            day.calls("oleg", CUSTOMERS[1], false);
        });
        threads.spawn(|| day.misses(THIRD_NUMBER));
        // A day that hangs ends with its agents' own words.
        for round in 0..150 {
            if done.load(Ordering::Relaxed) == CALLS {
                break;
            }
            goes_on_typing(anna);
            match round % 4 {
                1 => maria.reload(),
                3 => {
                    cable.cut();
                    sleep(Duration::from_millis(1_500));
                    cable.mend();
                }
                _ => {}
            }
            sleep(Duration::from_millis(1_000));
        }
    });
}

/// List, ledger and report say the same; returns how many callers were missed.
fn counts_agree(server: &Linecard) -> usize {
    let listed = listed(server);
    assert_eq!((listed.len(), count(&listed)), (CALLS, TRUTH));
    let folded = recounted(server);
    assert_eq!((folded.len(), count(&folded)), (CALLS, TRUTH));
    for by in ["hour", "weekday", "line", "agent"] {
        assert_eq!(reported(server, by), TRUTH, "by {by}");
    }
    let callers: HashSet<Option<String>> = listed
        .iter()
        .filter(|it| it.outcome == Some(Outcome::Abandoned))
        .map(|it| it.caller_number.clone())
        .collect();
    callers.len()
}

#[test]
fn sixty_calls_of_three_agents_are_the_same_on_every_screen() {
    let mut office = Office::open(Answer::Auto);
    let (_, _second) = office.hires("oleg", "202", "101", Answer::Auto);
    let (_, _third) = office.hires("anna", "203", "102", Answer::Manual);
    let (talks, declines) = (Sipp::phone(Scenario::Answers), Sipp::phone(Scenario::Declines));
    office.pbx.bind("110", &talks.uri());
    office.pbx.bind("111", &declines.uri());
    office.server.create("/users", &json!({"login": "vera", "role": "supervisor", "password": PASSWORD}));
    office.knows("Волга-Сервис, Мария", "+7 921 555-00-03");

    let browser = Browser::start();
    let cable = Cable::to(office.server.http);
    let maria = office.desk(&browser, "maria");
    let oleg = Office::desk_in(&browser, "oleg", "oleg", "en-GB", cable.address());
    let anna = Office::desk_of(&browser, "anna", "anna", office.server.http);
    let vera = Office::desk_in(&browser, "vera", "vera", "en-GB", office.server.http);
    anna.click("[data-testid=nav-history]");
    anna.fill(SEARCH, TYPED);
    vera.click("[data-testid=nav-history]");
    vera.evaluate(WATCH);
    vera.evaluate(POINT);
    anna.evaluate(WATCH);

    let before = memory(&oleg);
    work(&office, &cable, [&maria, &anna]);
    goes_on_typing(&anna);
    for (whose, desk) in [("anna", &anna), ("vera", &vera)] {
        let moved = desk.evaluate("window.moved").as_f64().expect("a number");
        assert!(
            moved < 0.1,
            "something jumped at {whose}'s desk: {moved} {}",
            desk.evaluate("window.movers")
        );
    }

    vera.evaluate("clearInterval(window.pointing)");
    eventually("every call is in the supervisor's list", SOON, || {
        (vera.count("[data-testid=history-row]") == CALLS as u64).then_some(())
    });
    let callers = counts_agree(&office.server);
    assert_eq!(callers, IMPATIENT);
    shows(&maria, "Мария", [ANSWERED + CALLED, 0]);
    shows(&oleg, "oleg", [ANSWERED, 0]);
    anna.evaluate("document.activeElement.blur()");
    anna.click("[data-testid=nav-desk]");
    shows(&anna, "anna", [0, MISSED]);
    anna.wait_for(&format!("[data-testid=missed][data-count=\"{IMPATIENT}\"]"), SOON);
    let after = memory(&oleg);
    assert!(after.0 - before.0 < 15_000_000, "the desk takes more and more memory: {before:?}, {after:?}");
    assert!(after.1 < before.1 + 600, "the desk grows and grows: {before:?}, {after:?}");
    for desk in [&maria, &oleg, &anna, &vera] {
        let problems = desk.problems();
        let ordered = |text: &String| {
            text.contains("401")
                || text.contains("WebSocket")
                || text.contains("ERR_")
                || text.contains("net::")
        };
        assert!(problems.iter().all(ordered), "{problems:?}");
    }
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}
