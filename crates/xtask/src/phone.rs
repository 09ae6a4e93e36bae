//! A baresip phone: its settings written from the templates in `sip-config/baresip`, its control port spoken.
//!
//! It starts no process; who owns the process decides how it ends.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// How many ports from [`PhoneSettings::rtp_min`] on the phone may use for sound.
pub const RTP_PORTS: u16 = 40;

/// A phone's codecs unless it has others.
pub const G711: &str = "PCMA/8000/1,PCMU/8000/1";

/// What the templates ask for.
#[derive(Clone, Debug)]
pub struct PhoneSettings {
    /// Where it listens for calls and commands.
    pub ip: IpAddr,
    /// The address that its SDP names.
    pub sound_ip: IpAddr,
    /// Its SIP port; baresip takes the next one too, for TLS.
    pub sip_port: u16,
    /// Its control port.
    pub control_port: u16,
    /// The first of its [`RTP_PORTS`] ports for sound.
    pub rtp_min: u16,
    /// Its directory.
    pub home: PathBuf,
    /// The WAV that it speaks: 8000 Hz, mono, 16 bit.
    pub says: PathBuf,
    /// The codecs it speaks, best first, as baresip names them: [`G711`].
    pub codecs: String,
    /// Its display name.
    pub name: String,
    /// Its extension, or a customer's number.
    pub user: String,
    /// The extension's password.
    pub password: String,
    /// The PBX, or the server that it registers at.
    pub pbx: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Whether it answers by itself.
    pub answers_itself: bool,
    /// Seconds that a registration lasts; 0 never registers.
    pub expires_s: u32,
}

impl PhoneSettings {
    /// Writes `config` and `accounts` into the phone's directory, from the templates under `root`.
    ///
    /// # Errors
    /// When a template cannot be read or a file cannot be written.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        let words = self.words();
        for file in ["config", "accounts"] {
            let mut text = fs::read_to_string(root.join("sip-config/baresip").join(file))?;
            for (word, value) in &words {
                text = text.replace(&format!("@{word}@"), value);
            }
            fs::write(self.home.join(file), text)?;
        }
        Ok(())
    }

    fn words(&self) -> [(&'static str, String); 15] {
        let answer = if self.answers_itself { "auto" } else { "manual" };
        [
            ("LISTEN", SocketAddr::new(self.ip, self.sip_port).to_string()),
            ("SOUND_IP", self.sound_ip.to_string()),
            ("CONTROL", SocketAddr::new(self.ip, self.control_port).to_string()),
            ("RTP_MIN", self.rtp_min.to_string()),
            ("RTP_MAX", (self.rtp_min + RTP_PORTS - 1).to_string()),
            ("HOME", self.home.display().to_string()),
            ("SAYS", self.says.display().to_string()),
            ("CODECS", self.codecs.clone()),
            ("NAME", self.name.clone()),
            ("USER", self.user.clone()),
            ("PASSWORD", self.password.clone()),
            ("PBX", self.pbx.to_string()),
            ("TRANSPORT", self.transport.clone()),
            ("ANSWER", answer.into()),
            ("EXPIRES", self.expires_s.to_string()),
        ]
    }
}

/// Something that the phone reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// baresip's word: `CALL_INCOMING`, `CALL_ESTABLISHED`, `CALL_CLOSED` and others.
    pub kind: String,
    /// The other party's URI.
    pub peer: String,
    /// The other party's display name.
    pub peer_name: String,
}

/// Tells the phone to do something: `accept`, `hangup`, `dial` with a URI.
///
/// # Errors
/// When the phone is gone.
pub fn command(mut control: &TcpStream, command: &str, params: &str) -> io::Result<()> {
    let message = json!({"command": command, "params": params}).to_string();
    control.write_all(format!("{}:{message},", message.len()).as_bytes())
}

/// Gives each report of the phone to `take` until the connection ends.
pub fn listen(mut control: &TcpStream, mut take: impl FnMut(Report)) {
    let mut pending = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = control.read(&mut buffer) {
        pending.extend_from_slice(buffer.get(..length).unwrap_or_default());
        while let Some(message) = take_netstring(&mut pending) {
            if let Some(report) = parse_report(&message) {
                take(report);
            }
        }
    }
}

/// Takes one whole netstring (`length:bytes,`) off the front.
fn take_netstring(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let colon = pending.iter().position(|&byte| byte == b':')?;
    let length: usize = std::str::from_utf8(pending.get(..colon)?).ok()?.parse().ok()?;
    let end = colon.checked_add(1)?.checked_add(length)?;
    let message = pending.get(colon + 1..end).filter(|_| pending.len() > end)?.to_vec();
    pending.drain(..=end);
    Some(message)
}

fn parse_report(message: &[u8]) -> Option<Report> {
    let value: Value = serde_json::from_slice(message).ok()?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    value.get("event").and_then(Value::as_bool).filter(|&is_event| is_event)?;
    Some(Report { kind: text("type"), peer: text("peeruri"), peer_name: text("peerdisplayname") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let event = r#"{"event":true,"type":"CALL_CLOSED","peeruri":"sip:a@b"}"#;
        let mut pending = format!("{}:{event},{}:{{", event.len(), 9).into_bytes();
        let report = parse_report(&take_netstring(&mut pending).expect("whole")).expect("an event");
        assert_eq!((report.kind.as_str(), report.peer.as_str()), ("CALL_CLOSED", "sip:a@b"));
        assert_eq!(take_netstring(&mut pending), None);
        assert_eq!(parse_report(br#"{"response":true,"ok":true}"#), None);
    }
}
