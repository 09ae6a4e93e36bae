//! The environment refuses: exit code 1, and one line that names the key that leads elsewhere.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use xtask::postgres::{Database, PASSWORD};

use super::place::{BINARY, Place, refused};
use crate::peers::eventually;
use crate::peers::http::request;
use crate::peers::program::Program;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let place = Place::new();
    let other = TcpListener::bind(place.http).expect("the port is free");
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.starts_with(&format!("server.http: {} is in use", place.http)), "{line}");
    assert!(line.contains("write another port"), "{line}");
    drop(other);

    let udp = UdpSocket::bind(place.sip).expect("the port is free");
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.starts_with(&format!("sip.listen: {} is in use", place.sip)), "{line}");
    drop(udp);

    let tcp = TcpListener::bind(place.sip).expect("the port is free");
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.starts_with(&format!("sip.listen: {} is in use", place.sip)), "{line}");
    drop(tcp);
}

#[test]
fn an_address_of_another_machine_is_named_with_its_key() {
    let place = Place::new();
    // TEST-NET-1 (RFC 5737) is nobody's address.
    for (key, config) in [
        ("server.http", place.sound_config().replace(&place.http.to_string(), "192.0.2.1:8080")),
        ("sip.listen", place.sound_config().replace(&place.sip.to_string(), "192.0.2.1:5060")),
    ] {
        place.configure(&config);
        let line = refused(&place.run(&["serve"], ""), 1);
        assert!(line.starts_with(&format!("{key}: 192.0.2.1")), "{line}");
        assert!(line.contains("no address of this machine; write one that is"), "{line}");
    }
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let place = Place::new();
    let in_the_way = place.folder.path().join("file");
    std::fs::write(&in_the_way, "x").expect("a file");
    for folder in
        [in_the_way.clone(), in_the_way.join("below"), "/proc/linecard".into(), "/sys/linecard".into()]
    {
        let config = place.sound_config().replace(&format!("{:?}", place.data()), &format!("{folder:?}"));
        place.configure(&config);
        let line = refused(&place.run(&["serve"], ""), 1);
        assert!(line.starts_with(&format!("server.data_dir: {}", folder.display())), "{line}");
        assert!(line.contains("write"), "it says what to write: {line}");
    }
    let config = place.sound_config() + &format!("[recording]\ndir = {in_the_way:?}\n");
    place.configure(&config);
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.starts_with("recording.dir: "), "{line}");
    assert!(line.contains("write"), "{line}");
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    let place = Place::new();
    std::fs::create_dir_all(place.data()).expect("the data folder");
    std::fs::write(place.data().join("linecard.db"), "this is no database, only a text of some length")
        .expect("a file");
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.starts_with("database.url: ") && line.contains("linecard.db"), "it names the file: {line}");
    assert!(line.contains("write"), "{line}");
    let config = place.sound_config() + "[database]\nurl = \"sqlite:///nonexistent/linecard.db\"\n";
    place.configure(&config);
    let line = refused(&place.run(&["serve"], ""), 1);
    assert!(line.contains("/nonexistent/linecard.db"), "{line}");
}

#[test]
fn a_database_server_that_refuses_is_named() {
    let place = Place::new();
    let (sound, latin) = (Database::make(), Database::make_with(&["--encoding=LATIN1", "--locale=C"]));
    let (sound, latin) = (sound.expect("a database"), latin.expect("a database"));
    let nobody = format!("127.0.0.1:{}", crate::peers::net::free_port(std::net::Ipv4Addr::LOCALHOST));
    for (url, why, what_to_write) in [
        (sound.url().replace(&sound.address().to_string(), &nobody), "refused", "write the address"),
        (sound.url().replace(PASSWORD[1], "guessed"), "password authentication failed", "write the user"),
        (sound.url().replace(sound.name(), "elsewhere"), "does not exist", "or write the name of another"),
        (
            latin.url(),
            "where UTF8 and \"C\" are needed",
            "createdb --template=template0 --encoding=UTF8 --locale=C",
        ),
    ] {
        place.configure(&format!("{}[database]\nurl = {url:?}\n", place.sound_config()));
        for command in ["serve", "replay"] {
            let line = refused(&place.run(&[command], ""), 1);
            assert!(line.starts_with("database.url: postgres://linecard@127.0.0.1:"), "{line}");
            assert!(line.contains(why) && line.contains(what_to_write), "{line}");
            assert!(
                PASSWORD.iter().all(|password| !line.contains(password)),
                "no password in a message: {line}"
            );
        }
    }
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let mut first = Program::new(BINARY, "linecard");
    let config = place.folder.path().join("linecard.toml").display().to_string();
    first.start(&["--config".to_owned(), config, "serve".to_owned()]);
    eventually("the server answers", SOON, || {
        let reply = request(place.http, "GET", "/healthz", "", None).ok()?;
        (reply.status == 200).then_some(())
    });
    let second = Place::new();
    let config =
        second.sound_config().replace(&format!("{:?}", second.data()), &format!("{:?}", place.data()));
    second.configure(&config);
    let line = refused(&second.run(&["serve"], ""), 1);
    assert!(line.starts_with(&format!("server.data_dir: {}", place.data().display())), "{line}");
    assert!(line.contains("is used by another running server; stop it, or write another folder"), "{line}");
    first.must_run();
    let reply = request(place.http, "GET", "/healthz", "", None).expect("the first goes on");
    assert_eq!(reply.status, 200);
    first.signal(rustix::process::Signal::TERM);
    assert_eq!(first.wait(SOON).code(), Some(0), "SIGTERM is a clean end");
}
