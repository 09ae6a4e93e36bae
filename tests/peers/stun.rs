//! A STUN server: coturn, which answers binding requests and relays nothing.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::net::{free_port, own_address};
use super::program::{Program, eventually};

/// A running server.
pub(crate) struct StunServer {
    _program: Program,
    address: SocketAddr,
}

impl StunServer {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let ip = own_address();
        let address = SocketAddr::from((ip, free_port(ip)));
        let mut program = Program::new("turnserver", "coturn");
        let home = program.directory().display().to_string();
        let fixed = [
            "-n",
            "--stun-only",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--log-file",
            "stdout",
            "--simple-log",
        ];
        let own = [
            ("--listening-ip", ip.to_string()),
            ("--listening-port", address.port().to_string()),
            ("--pidfile", format!("{home}/pid")),
            ("--db", format!("{home}/turn.db")),
        ];
        let own = own.into_iter().flat_map(|(key, value)| [key.to_owned(), value]);
        program.start(&fixed.map(String::from).into_iter().chain(own).collect::<Vec<_>>());
        eventually("coturn answers", Duration::from_secs(15), || {
            program.must_run();
            let socket = UdpSocket::bind((ip, 0)).ok()?;
            socket.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
            let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
            socket.send_to(&request, address).ok()?;
            socket.recv(&mut [0; 512]).ok().map(drop)
        });
        Self { _program: program, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
