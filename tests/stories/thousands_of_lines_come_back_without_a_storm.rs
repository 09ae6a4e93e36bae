//! Hundreds of lines at one PBX (thousands with `LINECARD_LINES`): all are registered in the time that their number allows, at
//! a rate that the PBX can bear; a PBX that was restarted has all of them back within 30 s, without a storm, and a call in the
//! midst of it is seen at once. What a line costs is printed.

use std::time::{Duration, Instant};

use linecard_calls::{IdSource, UtcMillis};
use linecard_store::Store;
use linecard_store::lines::{DialFormat, LineDraft, LineMode, LineTransport};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

use super::Office;
use super::server::{NUMBER, SOON, Storage, accounts};
use crate::peers::{Account, Answer, Customer, Kamailio, eventually};

/// How many lines there are, unless the run says otherwise.
const LINES: usize = 600;

/// What two lines are apart at the start, and how much more a busy machine may take for them all.
const SPACING: Duration = Duration::from_millis(2);
const LEEWAY: Duration = Duration::from_secs(12);

/// How long after its return a PBX has every line again.
const BACK_WITHIN: Duration = Duration::from_secs(30);

fn lines() -> usize {
    std::env::var("LINECARD_LINES").map_or(LINES, |count| count.parse().expect("LINECARD_LINES: a number"))
}

fn account(number: usize) -> Account {
    Account::new(&format!("line{number:05}"))
}

/// Enters the lines while the server is down.
fn enter(office: &Office, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let database = office.server.data().join("linecard.db");
        let store = Store::open(&format!("sqlite://{}", database.display())).await.expect("the database");
        let mut ids = IdSource::new(ChaCha12Rng::seed_from_u64(11));
        for number in 0..count {
            let Account { user, password, .. } = account(number);
            let at = UtcMillis(1_800_000_000_000 + i64::try_from(number).expect("few"));
            let draft = LineDraft {
                name: user.clone(),
                server: office.pbx.address().to_string(),
                username: user,
                password,
                auth_username: None,
                outbound_proxy: None,
                transport: Some(LineTransport::Udp),
                websocket_path: None,
                mode: LineMode::Anchor,
                user_id: None,
                dial_format: DialFormat::Plus,
                dial_prefix: None,
                caller_id: None,
                transfer: linecard_store::lines::LineTransfer::Here,
            };
            store.add_line(ids.make(at), &draft, at).await.expect("a line");
        }
        store.close().await;
    });
}

/// When contacts were counted, and how many there were.
type Counts = Vec<(Instant, usize)>;

/// Counts the PBX's contacts until there are so many.
fn counted(office: &mut Office, enough: usize, at_most: Duration) -> Counts {
    let begun = Instant::now();
    let mut counts = Counts::new();
    loop {
        let count = office.pbx.contact_count();
        counts.push((Instant::now(), count));
        if count >= enough {
            return counts;
        }
        assert!(begun.elapsed() < at_most, "{count} of {enough} contacts after {at_most:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The most contacts that came within a second.
fn busiest_second(counts: &Counts) -> usize {
    let within = |(from, first): &(Instant, usize)| {
        let second = counts.iter().filter(|(at, _)| *at >= *from && *at - *from <= Duration::from_secs(1));
        second.map(|(_, count)| count.saturating_sub(*first)).max().unwrap_or_default()
    };
    counts.iter().map(within).max().unwrap_or_default()
}

/// What the server has used so far: CPU time in ms, memory in kB.
fn used(pid: u32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let field =
        |place: usize| after_name.split_whitespace().nth(place).and_then(|text| text.parse::<u64>().ok());
    let ticks = field(11).expect("utime") + field(12).expect("stime");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
    (ticks * 10, memory.trim().trim_end_matches(" kB").parse().expect("kB"))
}

#[test]
fn all_are_registered_and_back_after_a_restart_without_a_storm() {
    let count = lines();
    let everybody: Vec<Account> = accounts().into_iter().chain((0..count).map(account)).collect();
    let pbx = Kamailio::start(&everybody);
    let line = json!({"server": pbx.address().to_string()});
    let mut office = Office::open_at(pbx, &line, Answer::Auto, Storage::Sqlite, "");
    let (_, with_one_kb) = used(office.server.pid());
    office.server.program.kill();
    enter(&office, count);

    let begun = Instant::now();
    office.server.launch();
    // The line that was there and the agent's phone are two more.
    let spread = SPACING * u32::try_from(count).expect("few");
    let counts = counted(&mut office, count + 2, spread + LEEWAY);
    let took = begun.elapsed();
    let (cpu_ms, memory_kb) = used(office.server.pid());
    let busiest = busiest_second(&counts);
    let each_kb = memory_kb.saturating_sub(with_one_kb) / count as u64;
    println!(
        "{count} lines registered in {took:?}, at most {busiest} a second; {:.2} ms of CPU and {each_kb} kB each",
        cpu_ms as f64 / count as f64
    );
    assert!(busiest <= 700, "{busiest} registrations within a second");
    assert!(each_kb <= 40, "{each_kb} kB a line");
    eventually("the server says that all are registered", SOON, || {
        let figures = office.server.get("/server")["figures"].clone();
        (figures["lines_registered"] == count + 1).then_some(())
    });
    let asked = Instant::now();
    let page = office.server.get("/lines?limit=500");
    assert_eq!(page["total"], count + 1);
    assert!(asked.elapsed() < Duration::from_secs(1), "a page of lines took {:?}", asked.elapsed());

    office.pbx.kill();
    office.pbx.restart_empty();
    let back_at = Instant::now();
    office.pbx.wait_registered("100", 1, BACK_WITHIN);
    let called_at = Instant::now();
    let _call = Customer::new(office.pbx.address(), b"+78312123456").call(NUMBER);
    eventually("the call is seen", Duration::from_secs(1), || {
        (office.server.get("/interactions")["items"].as_array()?.len() == 1).then_some(())
    });
    let seen_after = called_at.elapsed();
    let counts = counted(&mut office, count + 1, BACK_WITHIN);
    let (back_after, busiest) = (back_at.elapsed(), busiest_second(&counts));
    println!(
        "all back {back_after:?} after the restart, at most {busiest} a second; a call was seen after {seen_after:?}"
    );
    assert!(back_after < BACK_WITHIN, "back after {back_after:?}");
    // A busy machine counts unevenly; the rate itself is held by a test of the user agent on a clock of its own.
    assert!(busiest <= (count / 2).max(100), "{busiest} registrations within a second");
}
