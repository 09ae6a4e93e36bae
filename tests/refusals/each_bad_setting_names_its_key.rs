//! Wrong configuration: exit code 2, and one line that names the key and says what to write.

use super::place::{Place, refused};

/// Refused with 2 by a line that begins with the key and goes on with advice; the line alone is on stderr.
fn refused_by_key(place: &Place, ended: &crate::peers::program::Ended, key: &str) -> String {
    let line = refused(ended, 2);
    assert_eq!(ended.stderr.lines().count(), 1, "nothing but the line: {ended:?}");
    assert!(line.starts_with(&format!("{key}: ")), "it names {key}: {line}");
    let advice = ["write", "remove", "give"].iter().any(|word| line.contains(word));
    assert!(advice, "it says what to do: {line}");
    assert!(!place.data().exists(), "nothing was made");
    line
}

#[test]
fn each_bad_value_of_the_file_names_its_key() {
    let place = Place::new();
    let cases = [
        ("[server]\nhtpp = \"127.0.0.1:1\"", "server.htpp"),
        ("[servr]\nhttp = \"127.0.0.1:1\"", "servr"),
        ("colour = \"red\"", "colour"),
        ("[server]\nhttp = 8080", "server.http"),
        ("[server]\nhttp = \"localhost\"", "server.http"),
        ("[server]\nhttp = \"127.0.0.1:99999\"", "server.http"),
        ("[server]\npublic_url = \"desk.example\"", "server.public_url"),
        ("[server]\ntls = \"files\"", "server.tls_cert"),
        ("[server]\ntls = \"files\"\ntls_cert = \"cert.pem\"", "server.tls_key"),
        ("[server]\ntls = \"self_signed\"\ntls_cert = \"cert.pem\"", "server.tls_cert"),
        ("[server]\ntls_key = \"key.pem\"", "server.tls_key"),
        ("[server]\ntls = \"on\"", "server.tls"),
        ("[server]\ntrusted_proxies = [\"proxy\"]", "server.trusted_proxies"),
        ("[server]\ntrusted_proxies = [\"10.0.0.0/33\"]", "server.trusted_proxies"),
        ("[server]\nallowed_origins = \"http://x\"", "server.allowed_origins"),
        ("[database]\nurl = \"postgres://user:secret@db:port/linecard\"", "database.url"),
        ("[database]\nurl = \"postgres://user:secret@db\"", "database.url"),
        ("[database]\nurl = \"postgresql://user:secret@/linecard?port=many\"", "database.url"),
        ("[database]\nurl = \"postgres://user:secret@db/linecard?sslmode=require\"", "database.url"),
        ("[database]\nurl = \"mysql://user:secret@db/linecard\"", "database.url"),
        ("[database]\nurl = \"linecard.db\"", "database.url"),
        ("[sip]\nlisten = [\"sctp://0.0.0.0:5060\"]", "sip.listen"),
        ("[sip]\nlisten = [\"tls://0.0.0.0:5061\"]", "sip.tls_cert"),
        ("[sip]\ntls_roots = \"nowhere.pem\"", "sip.tls_roots"),
        ("[sip]\ntls_client_cert = \"c.pem\"\ntls_client_key = \"nowhere.key\"", "sip.tls_client_cert"),
        ("[sip]\ntls_pins = [\"AA\"]", "sip.tls_pins"),
        ("[sip]\ndns = [\"ns.example\"]", "sip.dns"),
        ("[sip]\nlisten = [\"udp://0.0.0.0\"]", "sip.listen"),
        ("[sip]\nlisten = \"udp://0.0.0.0:5060\"", "sip.listen"),
        ("[sip]\nlisten = []", "sip.listen"),
        ("[sip]\nexternal_address = \"pbx.example\"", "sip.external_address"),
        ("[sip]\nunknown_sources = \"ignore\"", "sip.unknown_sources"),
        ("[media]\nport_min = 80", "media.port_min"),
        ("[media]\nport_min = 16385", "media.port_min"),
        ("[media]\nport_max = 40000", "media.port_max"),
        ("[media]\nport_min = 20000\nport_max = 19000", "media.port_max"),
        ("[media]\nport_min = -2", "media.port_min"),
        ("[media]\nport_max = 99999", "media.port_max"),
        ("[media]\nsrtp = \"perhaps\"", "media.srtp"),
        ("[media]\nrtp_timeout_s = 0", "media.rtp_timeout_s"),
        ("[media]\nload_max_percent = 0", "media.load_max_percent"),
        ("[recording]\ndefault = \"some\"", "recording.default"),
        ("[dialplan]\nregion = \"Mars\"", "dialplan.region"),
        ("[dialplan]\ntrunk_prefix = \"eight\"", "dialplan.trunk_prefix"),
        ("[dialplan]\ninternational_prefix = \"+\"", "dialplan.international_prefix"),
        ("[events]\nretention_days = \"week\"", "events.retention_days"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[log]\nformat = \"xml\"", "log.format"),
    ];
    for (text, key) in cases {
        place.configure(text);
        let ended = place.run(&["serve"], "");
        let line = refused_by_key(&place, &ended, key);
        assert!(!line.contains("secret"), "no password in a message: {line}");
    }
}

#[test]
fn the_environment_is_held_to_the_same() {
    let place = Place::new();
    let cases = [
        ("LINECARD__SERVER__HTTP", "nowhere", "server.http"),
        ("LINECARD__MEDIA__PORT_MIN", "many", "media.port_min"),
        ("LINECARD__SERVER__TLS", "files", "server.tls_cert"),
        ("LINECARD__SERVER__PORT", "8080", "server.port"),
        ("LINECARD__DATABASE__URL", "postgres://user:secret@db", "database.url"),
        ("LINECARD__SIP__LISTEN", "[\"sctp://0.0.0.0:5060\"]", "sip.listen"),
    ];
    for (name, value, key) in cases {
        let ended = place.run_with(&["serve"], &[(name, value)]);
        refused_by_key(&place, &ended, key);
    }
    // It overrides the file: a sound file does not save it, and it saves an unsound one.
    place.configure(&format!("{}[recording]\ndefault = \"some\"\n", place.sound_config()));
    let ended = place.run_with(&["replay"], &[("LINECARD__RECORDING__DEFAULT", "none")]);
    assert!(refused(&ended, 1).contains("there is no database"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let place = Place::new();
    let missing = place.run(&["--config", "elsewhere.toml", "serve"], "");
    let line = refused_by_key(&place, &missing, "elsewhere.toml");
    assert!(line.contains("no such file"), "{line}");

    for broken in ["[server\nhttp = 1", "http = ", "[server]\nhttp = \"x\"\nhttp = \"y\"", "\u{0}\u{1}"] {
        place.configure(broken);
        let ended = place.run(&["serve"], "");
        let line = refused(&ended, 2);
        assert_eq!(ended.stderr.lines().count(), 1, "{broken:?}: {ended:?}");
        assert!(line.contains("linecard.toml"), "{broken:?} is in the file: {line}");
    }
    std::fs::remove_file(place.folder.path().join("linecard.toml")).expect("it was there");
    let without = place.run(&["replay"], "");
    assert!(refused(&without, 1).contains("linecard-data"), "the defaults hold without a file: {without:?}");
}

#[test]
fn a_certificate_that_cannot_be_served_names_the_key_that_leads_to_it() {
    let place = Place::new();
    let pair = || {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    };
    let ((pem, key), (_, other_key)) = (pair(), pair());
    let write = |name: &str, text: &str| {
        std::fs::write(place.folder.path().join(name), text).expect("the file is written");
    };
    write("cert.pem", &pem);
    write("key.pem", &key);
    write("other.pem", &other_key);
    write("nonsense.pem", "no certificate");
    write("torn.pem", &pem[..pem.len() / 2]);
    let cases = [
        ("missing.pem", "key.pem", "server.tls_cert", "missing.pem"),
        ("nonsense.pem", "key.pem", "server.tls_cert", "nonsense.pem"),
        ("torn.pem", "key.pem", "server.tls_cert", "torn.pem"),
        (".", "key.pem", "server.tls_cert", "."),
        ("cert.pem", "missing.pem", "server.tls_key", "missing.pem"),
        ("cert.pem", "cert.pem", "server.tls_key", "cert.pem"),
        ("cert.pem", "other.pem", "server.tls_key", "other.pem"),
    ];
    for (cert, key, blamed, file) in cases {
        let files = format!("[server]\ntls = \"files\"\ntls_cert = \"{cert}\"\ntls_key = \"{key}\"\n");
        place.configure(&place.sound_config().replace("[server]\n", &files));
        let ended = place.run(&["serve"], "");
        let line = refused_by_key(&place, &ended, blamed);
        assert!(line.contains(file), "it names the file: {line}");
        assert!(!line.contains("PRIVATE KEY"), "and shows nothing of it: {line}");
    }
}

#[test]
fn wrong_usage_is_2() {
    let place = Place::new();
    for arguments in [
        &["dance"][..],
        &[],
        &["serve", "--port", "1"],
        &["explain"],
        &["recording", "verify"],
        &["recording", "verify", "x", "--all"],
        &["user", "add", "--login", "x", "--role", "agent"],
        &["user", "add", "--login", "x", "--role", "boss", "--password-stdin"],
        &["user", "add", "--role", "agent", "--password-stdin"],
    ] {
        let ended = place.run(arguments, "a long password\n");
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert_eq!(place.run(&["--version"], "").code, 0);
    assert_eq!(place.run(&["--help"], "").code, 0);
    assert!(!place.data().exists());
}
