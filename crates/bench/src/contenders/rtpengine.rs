//! rtpengine in user space with `recording-method=pcap`, led by its "ng" protocol: a cookie and a bencoded dictionary in
//! a datagram.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use linecard_sip::sdp::{SessionDescription, audio_of};

use crate::process::Pinned;

/// Bytes before the first packet of a pcap file, and before each packet (libpcap's file format).
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// A running rtpengine.
pub struct Rtpengine {
    /// Its process.
    pub process: Pinned,
    control: UdpSocket,
    at: SocketAddr,
    cookie: u32,
    recordings: PathBuf,
}

impl Rtpengine {
    /// Starts it with its recordings below `folder`.
    ///
    /// # Errors
    /// When it is not installed or does not answer.
    pub fn start(folder: &Path) -> Result<Self> {
        let at = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let recordings = folder.join("rtpengine");
        fs::create_dir_all(&recordings)?;
        let mut command = Command::new("rtpengine");
        command.args([
            "--foreground",
            "--table=-1",
            "--interface=127.0.0.1",
            "--log-level=3",
            "--log-stderr",
        ]);
        command.args([
            "--recording-method=pcap",
            "--recording-format=raw",
            "--port-min=4000",
            "--port-max=30000",
        ]);
        command.arg(format!("--listen-ng={at}")).arg(format!("--recording-dir={}", recordings.display()));
        command.arg(format!("--pidfile={}", folder.join("rtpengine.pid").display()));
        let process = Pinned::start(&command, &folder.join("rtpengine.log"))?;
        let control = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        control.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut engine = Self { process, control, at, cookie: 0, recordings };
        let until = Instant::now() + Duration::from_secs(10);
        while engine.ask(&[("command", "ping")]).is_err() {
            ensure!(
                Instant::now() < until,
                "rtpengine does not answer; see {}",
                folder.join("rtpengine.log").display()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(engine)
    }

    /// Which release it is.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn version() -> Result<String> {
        let said =
            Command::new("rtpengine").arg("--version").output().context("rtpengine is not installed")?;
        let text = [said.stdout, said.stderr].concat();
        Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Begins a recorded call between two listeners; returns where each of them is to send.
    ///
    /// # Errors
    /// When it refuses.
    pub fn call(&mut self, call: usize, customer: SocketAddr, agent: SocketAddr) -> Result<[SocketAddr; 2]> {
        let id = format!("call-{call}");
        let words = |command, sdp| {
            [("command", command), ("call-id", &*id), ("from-tag", "c"), ("record call", "on"), ("sdp", sdp)]
                .into_iter()
                .chain((command == "answer").then_some(("to-tag", "a")))
                .collect::<Vec<_>>()
        };
        let (offer, answer) = (described(customer), described(agent));
        let to_agent = self.ask(&words("offer", &offer))?;
        let to_customer = self.ask(&words("answer", &answer))?;
        Ok([remote(&to_customer)?, remote(&to_agent)?])
    }

    /// Ends a call.
    ///
    /// # Errors
    /// When it refuses.
    pub fn end(&mut self, call: usize) -> Result<()> {
        self.ask(&[("command", "delete"), ("call-id", &format!("call-{call}")), ("from-tag", "c")])
            .map(|_| ())
    }

    /// Ends it; returns the packets in all its files.
    ///
    /// # Errors
    /// When it does not end, or a file cannot be read.
    pub fn stop(self) -> Result<usize> {
        self.process.stop()?;
        let mut count = 0;
        for entry in fs::read_dir(self.recordings.join("pcaps"))? {
            let bytes = fs::read(entry?.path())?;
            let mut at = FILE_HEADER;
            while let Some(len) = bytes.get(at + 8..at + 12).and_then(|len| <[u8; 4]>::try_from(len).ok()) {
                at += RECORD_HEADER + usize::try_from(u32::from_le_bytes(len))?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn ask(&mut self, words: &[(&str, &str)]) -> Result<HashMap<String, String>> {
        self.cookie += 1;
        let cookie = format!("{}_1 ", self.cookie);
        let mut question = format!("{cookie}d");
        for (name, value) in words {
            write!(question, "{}:{name}{}:{value}", name.len(), value.len())?;
        }
        question.push('e');
        self.control.send_to(question.as_bytes(), self.at)?;
        let mut buffer = vec![0; 65_536];
        loop {
            let len = self.control.recv(&mut buffer).context("rtpengine is silent")?;
            let answer = String::from_utf8_lossy(buffer.get(..len).unwrap_or_default()).into_owned();
            // An answer to an earlier question that came too late.
            let Some(answer) = answer.strip_prefix(&cookie) else { continue };
            let answer = strings(answer);
            return match answer.get("result").map(String::as_str) {
                Some("ok" | "pong") => Ok(answer),
                _ => bail!("rtpengine says {answer:?}"),
            };
        }
    }
}

/// The strings of the outermost dictionary, by name; other values are passed over.
fn strings(answer: &str) -> HashMap<String, String> {
    let (mut found, mut rest) = (HashMap::new(), answer.strip_prefix('d').unwrap_or_default());
    while let Some((Bencoded::Text(name), after)) = Bencoded::read(rest) {
        let Some((value, next)) = Bencoded::read(after) else { break };
        if let Bencoded::Text(text) = value {
            found.insert(name.to_owned(), text.to_owned());
        }
        rest = next;
    }
    found
}

/// A bencoded value.
enum Bencoded<'a> {
    Text(&'a str),
    Other,
}

impl<'a> Bencoded<'a> {
    /// Reads a value; gives it with what follows.
    fn read(from: &'a str) -> Option<(Self, &'a str)> {
        match from.chars().next()? {
            'i' => from.split_once('e').map(|(_, after)| (Self::Other, after)),
            'l' | 'd' => {
                let mut rest = from.get(1..)?;
                while !rest.starts_with('e') {
                    rest = Self::read(rest)?.1;
                }
                Some((Self::Other, rest.get(1..)?))
            }
            _ => {
                let (len, after) = from.split_once(':')?;
                let len = len.parse().ok()?;
                Some((Self::Text(after.get(..len)?), after.get(len..)?))
            }
        }
    }
}

fn remote(answer: &HashMap<String, String>) -> Result<SocketAddr> {
    let sdp = answer.get("sdp").context("no description")?;
    let described = SessionDescription::parse(sdp.as_bytes()).ok();
    described.as_ref().and_then(audio_of).and_then(|audio| audio.remote()).context("no address for sound")
}

fn described(sound: SocketAddr) -> String {
    String::from_utf8_lossy(&crate::pbx::described(sound)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_lengths() {
        let answer = strings("d4:listl1:ai7ed1:xi1eee3:sdp9:v=0\r\na:b:6:result2:oke");
        assert_eq!(answer.get("sdp").map(String::as_str), Some("v=0\r\na:b:"));
        assert_eq!(answer.get("result").map(String::as_str), Some("ok"));
        assert!(strings("d3:sdp900:v").is_empty());
    }
}
