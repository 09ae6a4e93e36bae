//! `server.tls`: the interface under TLS, with a certificate of its own or from files that may be renewed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use linecard::config::Tls;
use serde_json::json;
use tempfile::TempDir;

use super::clients::PASSWORD;
use super::server::Server;
use super::socket::SOON;
use crate::peers::eventually;
use crate::peers::http::{Reply, exchange, send};
use crate::peers::tls::TlsClient;

fn log_in(client: &TlsClient, http: SocketAddr, headers: &str) -> Reply {
    let body = json!({"login": "admin", "password": PASSWORD}).to_string();
    client.send(http, "POST", "/api/v1/session", &body, headers).expect("an answer under TLS")
}

/// A certificate and its key in files, as an administrator keeps them.
struct Pair {
    folder: TempDir,
    pem: String,
    key: String,
}

impl Pair {
    fn new(http: SocketAddr) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![http.ip().to_string()]).expect("names");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let pair = Self { folder: tempfile::tempdir().expect("a folder"), pem, key: key.serialize_pem() };
        std::fs::write(pair.cert_path(), &pair.pem).expect("the certificate is written");
        std::fs::write(pair.key_path(), &pair.key).expect("the key is written");
        pair
    }

    fn cert_path(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key_path(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn server(http: impl FnOnce(SocketAddr) -> Self) -> (Self, Server) {
        let mut pair = None;
        let server = Server::start_with(|config| {
            let own = http(config.server.http);
            config.server.tls = Tls::Files;
            config.server.tls_cert = own.cert_path();
            config.server.tls_key = own.key_path();
            config.server.public_url = String::new();
            pair = Some(own);
        });
        (pair.expect("it was made"), server)
    }
}

#[test]
fn a_self_signed_certificate_is_made_once_and_kept() {
    // What is said of the address outside does not count: the connection is encrypted.
    let mut server = Server::start_with(|config| {
        config.server.tls = Tls::SelfSigned;
        config.server.public_url = format!("http://{}", config.server.http);
    });
    let pem = std::fs::read_to_string(server.data_dir().join("self-signed.pem")).expect("it was made");
    let client = TlsClient::trusting(&pem);
    let reply = log_in(&client, server.http, &format!("Origin: https://{}\r\n", server.http));
    assert_eq!(reply.status, 201, "{}", reply.text());
    let cookie = reply.header("Set-Cookie").expect("a cookie").to_ascii_lowercase();
    assert!(cookie.split(';').any(|part| part.trim() == "secure"), "{cookie}");
    let mode = std::fs::metadata(server.data_dir().join("self-signed.key")).expect("a key").permissions();
    assert_eq!(mode.mode() & 0o077, 0, "nobody else reads the key");

    server.stop();
    server.launch();
    assert_eq!(client.send(server.http, "GET", "/healthz", "", "").expect("the same one").status, 200);
    let plain = send(server.http, "GET", "/healthz", "", "");
    assert!(plain.is_err(), "plain HTTP is not answered: {plain:?}");
}

#[test]
fn the_events_socket_opens_under_tls() {
    let (pair, server) = Pair::server(Pair::new);
    let client = TlsClient::trusting(&pair.pem);
    let reply = log_in(&client, server.http, "");
    let cookie = reply.header("Set-Cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    let mut socket = client.connect(server.http).expect("a connection");
    write!(
        socket,
        "GET /api/v1/events HTTP/1.1\r\nHost: {0}\r\nOrigin: https://{0}\r\nCookie: {cookie}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.http
    )
    .expect("the request is sent");
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("\"type\":\"snapshot\"") {
        let mut bytes = [0; 4_096];
        let count = socket.read(&mut bytes).expect("it goes on");
        assert!(count > 0, "closed after {}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&bytes[..count]);
    }
    assert!(told.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart() {
    let (old, server) = Pair::server(Pair::new);
    let new = Pair::new(server.http);
    let (old_client, new_client) = (TlsClient::trusting(&old.pem), TlsClient::trusting(&new.pem));
    assert!(new_client.connect(server.http).is_err(), "the old one is served");
    let open = old_client.connect(server.http).expect("the old one is served");

    std::fs::write(old.cert_path(), &new.pem).expect("the certificate is written");
    let half_way = Instant::now();
    while half_way.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(log_in(&old_client, server.http, "").status, 201, "half a renewal changes nothing");
    }
    std::fs::write(old.key_path(), &new.key).expect("the key is written");
    eventually("the new one is served", SOON, || new_client.connect(server.http).ok());
    assert!(old_client.connect(server.http).is_err(), "and the old one no more");
    let reply = exchange(open, server.http, ("GET", "/healthz"), "", "").expect("an answer");
    assert_eq!(reply.status, 200, "a connection that was open goes on");
}

#[test]
fn handshakes_that_never_end_keep_nobody_out() {
    let (pair, server) = Pair::server(Pair::new);
    let client = TlsClient::trusting(&pair.pem);
    let mut silent: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(server.http).expect("a connection")).collect();
    let begun = Instant::now();
    assert_eq!(client.send(server.http, "GET", "/healthz", "", "").expect("an answer").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    silent[0].set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    assert!(matches!(silent[0].read(&mut [0; 1]), Ok(0) | Err(_)), "the first of them had to go");
}
