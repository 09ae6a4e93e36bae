//! Story 5: three tabs of one agent, a reload in mid-call, a network cut of 10 s in which calls end, are missed and
//! begin: the same state everywhere, no frame twice, none missed after the resume.

use std::time::{Duration, Instant};

use linecard_calls::{Frame, Role, Viewer};
use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Browser, Cable, Customer, Tab, eventually};

const CUT: Duration = Duration::from_secs(10);

const FIRST: (&str, &str) = ("Мария Иванова", "+78312123456");
const SECOND: (&str, &str) = ("Олег Носов", "+78312123457");
const THIRD: (&str, &str) = ("Вера Крылова", "+78312123458");

/// Waits until every tab's call panel is in this state and about this person, with one pop and no more.
fn all_show(tabs: &[Tab<'_>], state: &str, name: &str) {
    for tab in tabs {
        tab.wait_for(&format!("[data-testid=panel-state][data-state={state}]"), SOON);
        tab.wait_for(&format!("[data-testid=pop-name]:has-text(\"{name}\")"), SOON);
        assert_eq!(tab.count("[data-testid=pop]"), 1, "one pop in the panel");
    }
    let panels: Vec<Value> = tabs.iter().map(panel).collect();
    assert!(panels.windows(2).all(|two| two[0] == two[1]), "the tabs differ: {panels:#?}");
}

/// What the panel says, but for the clock that runs.
fn panel(tab: &Tab<'_>) -> Value {
    let script = "(() => { const pop = document.querySelector('[data-testid=pop]'); const copy = pop.cloneNode(true); \
                  copy.querySelectorAll('[data-testid=call-timer], .time').forEach((clock) => clock.remove()); \
                  return [pop.dataset.popId, pop.dataset.version, pop.dataset.popState, copy.textContent]; })()";
    tab.evaluate(script)
}

/// The rows of the history as they read, in order.
fn history(tab: &Tab<'_>, rows: u64) -> Value {
    tab.click("[data-testid=nav-history]");
    tab.wait_for("[data-testid=history-row]", SOON);
    eventually("the history has its rows", SOON, || {
        (tab.count("[data-testid=history-row]") == rows).then_some(())
    });
    tab.evaluate("[...document.querySelectorAll('[data-testid=history-row]')].map((row) => row.textContent)")
}

/// Seconds on the panel's clock.
fn clock(tab: &Tab<'_>) -> i64 {
    let text = tab.text("[data-testid=call-timer]");
    let parts = text.split(':').map(|part| part.trim().parse::<i64>().expect("digits"));
    parts.fold(0, |whole, part| whole * 60 + part)
}

/// The frames of one page load that carry a number, and how many snapshots were among them.
#[derive(Default)]
struct Stream {
    from: u64,
    seqs: Vec<u64>,
    snapshots: usize,
    sockets: u64,
}

/// What a tab received since its last reload.
fn received(tab: &Tab<'_>, since_socket: u64) -> Stream {
    let mut stream = Stream::default();
    for (socket, frame) in tab.frames().into_iter().filter(|(socket, _)| *socket > since_socket) {
        stream.sockets = socket;
        match (frame["type"].as_str(), frame["seq"].as_u64()) {
            (Some("snapshot"), Some(seq)) => {
                stream.snapshots += 1;
                stream.from = seq;
            }
            (_, Some(seq)) => stream.seqs.push(seq),
            _ => {}
        }
    }
    stream
}

/// The numbers of the frames that the server has published for the agent after `from`.
fn published(office: &Office, from: u64) -> Vec<u64> {
    let agent = Viewer { user_id: office.agent_id.parse().expect("an id"), role: Role::Agent };
    let frames = office.server.rows("SELECT frame FROM frames ORDER BY seq");
    let frames = frames.iter().map(|text| serde_json::from_str::<Frame>(text).expect("a frame"));
    frames.filter(|it| it.seq > from && it.event.visible_to(&agent)).map(|frame| frame.seq).collect()
}

/// Each tab has received exactly what was published since its snapshot.
fn nothing_twice_nothing_missed(office: &Office, tab: &Tab<'_>, since_socket: u64, resumed: bool) {
    let stream = eventually("the last frame has arrived", SOON, || {
        let stream = received(tab, since_socket);
        (stream.seqs.last() == published(office, stream.from).last()).then_some(stream)
    });
    assert_eq!(stream.snapshots, 1, "after the cut the stream went on where it was");
    assert!(!resumed || stream.sockets > since_socket + 1, "the tab had to connect again");
    assert!(stream.seqs.windows(2).all(|two| two[0] < two[1]), "in order, none twice: {:?}", stream.seqs);
    assert_eq!(stream.seqs, published(office, stream.from), "none missed");
}

/// Each call has left one interaction, newest first.
fn one_interaction_each(office: &Office) {
    let interactions = eventually("all calls have ended", SOON, || {
        let list = office.server.get("/interactions");
        let items = list["items"].as_array()?;
        items.iter().all(|it| it["state"] == "ended").then(|| items.clone())
    });
    let outcomes: Vec<&Value> = interactions.iter().map(|it| &it["outcome"]).collect();
    assert_eq!(json!(outcomes), json!(["answered", "abandoned", "answered"]), "one each, newest first");
}

#[test]
fn three_tabs_a_reload_and_a_cut_of_10_s_end_in_one_state() {
    let office = Office::open(Answer::Manual);
    for (name, number) in [FIRST, SECOND, THIRD] {
        office.knows(name, number);
    }
    let calls = |(_, number): (&str, &str)| Customer::new(office.pbx.address(), number).call(NUMBER);
    let (cut, silent) = (Cable::to(office.server.http), Cable::to(office.server.http));
    let browser = Browser::start();
    // Two tabs lose their connections in the cut, the third only hears nothing.
    let first = office.desk_at(&browser, "first", cut.address());
    let second = browser.open("second", "maria", "ru-RU", &format!("http://{}/", cut.address()));
    let third = office.desk_at(&browser, "third", silent.address());
    let tabs = [first, second, third];

    let call = calls(FIRST);
    all_show(&tabs, "ringing", FIRST.0);
    office.phone.wait_ringing(SOON);
    office.phone.answer();
    call.wait_talking(SOON);
    all_show(&tabs, "talking", FIRST.0);
    // Longer than the second by which the clock of a tab in the background may lag.
    std::thread::sleep(Duration::from_millis(3_500));
    let before_reload = received(&tabs[1], 0).sockets;
    tabs[1].reload();
    all_show(&tabs, "talking", FIRST.0);
    let clocks: Vec<i64> = tabs.iter().map(clock).collect();
    assert!(clocks.iter().all(|seconds| (clocks[0] - seconds).abs() <= 1), "one clock: {clocks:?}");
    assert!(clocks[1] >= 2, "the reload did not set the clock back: {clocks:?}");

    cut.cut();
    silent.silence();
    let cut_at = Instant::now();
    call.hang_up();
    let missed = calls(SECOND);
    missed.wait_ringing(SOON);
    missed.give_up();
    office.phone.wait_nth("CALL_CLOSED", 2, SOON);
    let waiting = calls(THIRD);
    waiting.wait_ringing(SOON);
    for tab in &tabs[..2] {
        tab.wait_for("[data-testid=connection][data-state=offline]", SOON);
    }
    all_show(&tabs, "talking", FIRST.0);
    std::thread::sleep(CUT.saturating_sub(cut_at.elapsed()));
    cut.mend();
    silent.mend();

    for tab in &tabs {
        tab.wait_for("[data-testid=connection][data-state=online]", SOON);
    }
    all_show(&tabs, "ringing", THIRD.0);
    office.phone.answer();
    waiting.wait_talking(SOON);
    all_show(&tabs, "talking", THIRD.0);
    waiting.hang_up();
    all_show(&tabs, "ended", THIRD.0);

    one_interaction_each(&office);
    let rows: Vec<Value> = tabs.iter().map(|tab| history(tab, 3)).collect();
    assert!(rows.windows(2).all(|two| two[0] == two[1]), "the histories differ: {rows:#?}");
    nothing_twice_nothing_missed(&office, &tabs[0], 0, true);
    nothing_twice_nothing_missed(&office, &tabs[1], before_reload, true);
    nothing_twice_nothing_missed(&office, &tabs[2], 0, false);
    office.server.command(&["replay"], "");
}
