//! Story: a clumsy administrator: a wrong password, a name that does not resolve, a machine where nobody listens, one that
//! never answers, a PBX that answers 403. Each is explained on the page with what to change, at the field to blame; then
//! it goes well, and no password was shown or kept anywhere. A second server on the same port says which key to change.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::json;

use super::server::SOON;
use super::{Linecard, Office};
use crate::peers::{Account, Answer, Browser, Kamailio, SmallPbx, Tab, net};

/// A PBX that does not answer is asked for 12 seconds over each transport.
const PATIENCE: Duration = Duration::from_secs(40);

/// What is typed, and what the page then says.
struct Mistake<'a> {
    server: String,
    username: &'a str,
    password: &'a str,
    /// The step that fails, its sentence, and what to change.
    step: &'a str,
    says: &'a str,
    fix: &'a str,
    /// The field that is marked.
    field: &'a str,
}

fn types(page: &Tab<'_>, server: &str, username: &str, password: &str) {
    for (field, text) in [("server", server), ("username", username), ("password", password)] {
        page.fill(&format!("[data-testid=line-{field}]"), text);
    }
    page.click("[data-testid=line-connect]");
}

fn is_told(page: &Tab<'_>, mistake: &Mistake<'_>) {
    types(page, &mistake.server, mistake.username, mistake.password);
    if mistake.says.starts_with("молчит") {
        // What is found out is there while the rest is waited for.
        page.wait_for("[data-testid=check][data-state=running] [data-step=port][data-state=noted]", SOON);
        page.wait_for("[data-testid=check] [data-step=register][data-state=running]", SOON);
        page.wait_for("[data-testid=check] [data-step=outlook][data-state=waiting]", SOON);
    }
    page.wait_for("[data-testid=check][data-state=unhealthy]", PATIENCE);
    let step = format!("[data-testid=check-step][data-step={}][data-state=bad]", mistake.step);
    let said = page.text(&step);
    assert!(said.contains(mistake.says), "{:?} in {said:?}", mistake.says);
    assert!(said.contains(mistake.fix), "{:?} in {said:?}", mistake.fix);
    let marked = format!("[data-testid=line-{}][aria-invalid=true]", mistake.field);
    assert_eq!(page.count(&marked), 1, "{} is marked", mistake.field);
    assert_eq!(page.count("[aria-invalid=true]"), 1, "and nothing else");
    let value = page.evaluate("document.querySelector('[data-testid=line-server]').value");
    assert_eq!(value, mistake.server, "what was typed is kept");
}

/// What a healthy page never does; that nobody was logged in at first is said by the browser itself.
fn problems(page: &Tab<'_>) -> Vec<String> {
    page.problems().into_iter().filter(|problem| !problem.contains("401 (Unauthorized)")).collect()
}

fn goes_to_lines(page: &Tab<'_>) {
    page.click("[data-testid=nav-settings]");
    page.click("[data-testid=settings-lines]");
}

#[test]
fn each_mistake_is_explained_on_the_page_with_what_to_change() {
    let mut pbx = Kamailio::start(&[Account::new("100")]);
    let strict = SmallPbx::start();
    strict.refuses(403);
    let server = Linecard::start();
    let ip = net::own_address();
    let closed = SocketAddr::from((ip, net::free_port(ip))).to_string();
    let silent = UdpSocket::bind((ip, 0)).expect("a socket");
    let silent_at = silent.local_addr().expect("bound").to_string();
    let at_pbx = pbx.address().to_string();
    let browser = Browser::start();
    let page = Office::desk_of(&browser, "admin", "admin", server.http);
    goes_to_lines(&page);
    page.click("[data-testid=lines-empty] [data-testid=line-add]");

    let mistake = |server: &str, password, step, says, fix, field| Mistake {
        server: server.to_owned(),
        username: "100",
        password,
        step,
        says,
        fix,
        field,
    };
    let wrong_password = "Неверное имя пользователя или пароль";
    for mistake in [
        mistake(&at_pbx, "pw-7a31c", "register", wrong_password, "Проверьте имя и пароль", "password"),
        mistake(
            "pbx.invalid",
            "secret-100",
            "resolve",
            "У имени pbx.invalid нет адреса",
            "как написан",
            "server",
        ),
        mistake(&closed, "secret-100", "port", "порт закрыт", "Проверьте порт", "server"),
        mistake(&silent_at, "secret-100", "register", "молчит (UDP)", "межсетевой экран", "server"),
        mistake(
            &strict.address().to_string(),
            "secret-100",
            "register",
            "не разрешает этой учётной записи входить (403)",
            "Разрешите на АТС вход",
            "username",
        ),
    ] {
        is_told(&page, &mistake);
    }
    assert_eq!(server.get("/lines")["total"], 0, "nothing was added meanwhile");

    types(&page, &at_pbx, "100", "secret-100");
    page.wait_for("[data-testid=line-added] [data-testid=line-state][data-state=registered]", SOON);
    pbx.wait_registered("100", 1, SOON);
    page.click("[data-testid=check-exchange] summary");
    let exchange = page.text("[data-testid=check-exchange]");
    assert!(
        exchange.contains("REGISTER sip:") && exchange.contains("Authorization: (left out)"),
        "{exchange}"
    );
    let log = server.program.log();
    for (what, text) in [("the page", page.html()), ("the log", log)] {
        for secret in ["pw-7a31c", "secret-100", "response="] {
            assert!(!text.contains(secret), "{secret} in {what}");
        }
    }
    assert_eq!(page.evaluate("JSON.stringify({...localStorage}).includes('secret')"), false);
    let checks = server.get("/audit?action=line_checked");
    assert_eq!(checks["total"], 6, "each look is audited: {checks}");
    assert_eq!(problems(&page), Vec::<String>::new());
}

#[test]
fn a_line_that_fails_later_says_so_on_the_page_while_it_is_open() {
    let mut pbx = Kamailio::start(&[Account::new("100")]);
    let server = Linecard::start();
    let line = server.create(
        "/lines",
        &json!({"server": pbx.address().to_string(), "username": "100", "password": "secret-100"}),
    );
    let id = line["id"].as_str().expect("an id");
    pbx.wait_registered("100", 1, SOON);
    let browser = Browser::start();
    let page = Office::desk_of(&browser, "admin", "admin", server.http);
    goes_to_lines(&page);
    let row = format!("[data-testid=line-row][data-line-id=\"{id}\"]");
    page.wait_for(&format!("{row} [data-state=registered]"), SOON);
    page.click(&format!("{row} a"));
    page.fill("[data-testid=line-password]", "pw-9e02f");
    page.click("[data-testid=line-save]");
    page.wait_for("[data-testid=line] [data-testid=line-trouble][data-reason=wrong_password]", SOON);
    let said = page.text("[data-testid=line]");
    assert!(said.contains("Не на связи") && said.contains("Проверьте имя и пароль"), "{said}");
    // The password that is there is used for the check: nobody types it again.
    page.click("[data-testid=line-check]");
    page.wait_for("[data-testid=check][data-state=unhealthy]", SOON);
    page.fill("[data-testid=line-password]", "secret-100");
    page.click("[data-testid=line-save]");
    page.wait_for("[data-testid=line] header [data-state=registered]", SOON);
    page.click("[data-testid=line-check]");
    page.wait_for("[data-testid=check][data-state=healthy]", SOON);
    page.wait_for("[data-step=bindings][data-key=contacts_only_ours]", SOON);
    assert_eq!(pbx.registered("100").len(), 1, "the check left nothing behind");

    page.click("[data-testid=line-remove]");
    page.click("[data-testid=confirm-yes]");
    page.wait_for("[data-testid=lines-empty]", SOON);
    pbx.wait_registered("100", 0, SOON);
    assert_eq!(problems(&page), Vec::<String>::new());
}

#[test]
fn a_second_server_on_the_same_port_names_the_key() {
    let server = Linecard::start();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").display().to_string();
    let ended = crate::peers::program::run_to_end(
        env!("CARGO_BIN_EXE_linecard"),
        folder.path(),
        &["serve"],
        &[("LINECARD__SERVER__DATA_DIR", &data), ("LINECARD__SERVER__HTTP", &server.http.to_string())],
        "",
    );
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let expected =
        format!("server.http: {} is in use; stop the other program or write another port", server.http);
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}

#[test]
fn a_line_that_is_removed_lets_its_call_go_on_to_its_end() {
    let office = Office::open(Answer::Manual);
    let browser = Browser::start();
    let (desk, call) = office.talks_to_maria(&browser);
    let page = Office::desk_of(&browser, "admin", "admin", office.server.http);
    goes_to_lines(&page);
    page.click("[data-testid=line-row] a");
    page.click("[data-testid=line-remove]");
    let asked = page.text("[data-testid=confirm]");
    assert!(asked.contains("спокойно закончится и сохранится"), "{asked}");
    page.click("[data-testid=confirm-yes]");
    page.wait_for("[data-testid=lines-empty]", SOON);

    let heard = call.rtp().received_count();
    call.rtp().wait_received(heard + 50, SOON);
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    call.hang_up();
    let interaction = office.server.ended_interaction();
    assert_eq!((&interaction["outcome"], &interaction["hangup_by"]), (&json!("answered"), &json!("caller")));
    office.server.closed_recording(&interaction);
    assert_eq!(problems(&page), Vec::<String>::new());
}
