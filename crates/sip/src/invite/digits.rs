//! Digits by INFO (`application/dtmf-relay`, `application/dtmf`), for peers that have no telephone events in their sound.
//!
//! The bodies are those that gateways and PBXes have written for decades; no RFC describes them. Digits are nobody's
//! business: they are in no `Debug` output and no log.

use super::compose::{header_is_printable, reply};
use super::session::{Life, Session};
use super::{CommandRefused, Context, Purpose};
use crate::digest::Attempt;
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::{Event, Key};

/// How a digit is told by INFO.
pub(crate) const RELAYED: &str = "application/dtmf-relay";
/// The older form: the digit alone.
const BARE: &str = "application/dtmf";
/// How long a digit is said to have sounded, in ms.
const DURATION_MS: u16 = 160;

impl Session {
    /// Sends digits one after the other, each when the one before is answered.
    pub(crate) fn press(&mut self, keys: &[Key], ctx: &mut Context<'_>) -> Result<(), CommandRefused> {
        if !matches!(self.life, Life::Up(_)) {
            return Err(CommandRefused::WrongState);
        }
        let idle = self.keys.is_empty();
        self.keys.extend(keys.iter().copied());
        if idle {
            self.press_next(ctx);
        }
        Ok(())
    }

    fn press_next(&mut self, ctx: &mut Context<'_>) {
        let Some(key) = self.keys.front() else { return };
        let body = format!("Signal={}\r\nDuration={DURATION_MS}\r\n", key.get());
        let Life::Up(up) = &mut self.life else { return };
        let mut info = up.dialog.request(Method::Info);
        info.headers.set(HeaderName::ContentType, RELAYED);
        info.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
        info.body = body.into_bytes();
        let hop = up.dialog.next_hop().cloned();
        self.send(Purpose::Info, info, hop, Attempt::default(), ctx);
    }

    /// The peer answered a digit; one that takes none gets no more.
    pub(super) fn press_answered(&mut self, response: &Response, ctx: &mut Context<'_>) {
        if response.status.is_provisional() {
            return;
        }
        let Some(sent) = self.take_sent(Purpose::Info) else { return };
        if matches!(response.status.get(), 401 | 407) && self.send_again(sent, response, ctx) {
            return;
        }
        self.keys.pop_front();
        if response.status.is_success() {
            self.press_next(ctx);
        } else {
            self.keys.clear();
        }
    }

    pub(super) fn press_unanswered(&mut self) {
        self.take_sent(Purpose::Info);
        self.keys.clear();
    }

    /// Takes an INFO inside the dialog: a digit, a question whether the dialog lives (RFC 6086 section 4.2.2), or
    /// something that is not read here.
    pub(super) fn informed(&mut self, to: ServerTransactionId, info: &Request, ctx: &mut Context<'_>) {
        let handle = self.handle();
        let key = key_of(info);
        let mut response = match (&key, info.body.is_empty()) {
            (Some(_), _) | (None, true) => reply(info, StatusCode::OK, ""),
            (None, false) => reply(info, StatusCode::UNSUPPORTED_MEDIA_TYPE, ""),
        };
        if response.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            response.headers.set(HeaderName::Accept, RELAYED);
        }
        ctx.respond(to, response);
        if let (Some(key), Life::Up(_)) = (key, &self.life) {
            ctx.emit(Event::KeyPressed { handle, key });
        }
    }
}

/// Reads the digit of an INFO.
fn key_of(info: &Request) -> Option<Key> {
    let kind = info.headers.text(&HeaderName::ContentType)?;
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = std::str::from_utf8(&info.body).ok().filter(|body| header_is_printable_lines(body))?;
    let signal = match kind.as_str() {
        RELAYED => body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("Signal").then(|| value.trim())
        })?,
        BARE => body.trim(),
        _ => return None,
    };
    Key::of_signal(signal)
}

fn header_is_printable_lines(body: &str) -> bool {
    body.len() <= 256 && body.lines().all(|line| header_is_printable(line.as_bytes()))
}
