//! A WebSocket's address as an administrator enters it in a line's server or proxy, `wss://pbx.example:8089/ws`, taken
//! apart into host, transport and path.

use linecard_store::lines::{LineDraft, LineMode, LineTransport};

use crate::ApiError;

/// The path where none is written: that of Asterisk, and one that most others take as well.
const USUAL_PATH: &str = "/ws";

/// The longest path.
const MAX_PATH: usize = 200;

/// Where a PBX is, as it is written, and after [`Written::take_apart`] as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// A host, with its port; or the address of a WebSocket.
    pub server: String,
    /// The same for the proxy.
    pub outbound_proxy: Option<String>,
    /// The transport.
    pub transport: Option<LineTransport>,
    /// What is asked for at a WebSocket's server.
    pub websocket_path: Option<String>,
}

/// Which field is wrong, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// `server`, `outbound_proxy` or `transport`.
    pub field: &'static str,
    /// What to write.
    pub advice: &'static str,
}

impl From<Wrong> for ApiError {
    fn from(Wrong { field, advice }: Wrong) -> Self {
        Self::field(field, advice)
    }
}

/// What an address says.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    transport: LineTransport,
    host: String,
    path: Option<String>,
}

impl Written {
    /// Takes an address apart; `asked` is the transport that was asked for beside it.
    ///
    /// # Errors
    /// Two addresses, one that contradicts the transport, one that cannot be read.
    pub fn take_apart(&mut self, asked: Option<LineTransport>) -> Result<(), Wrong> {
        let server = read("server", &self.server)?;
        let proxy =
            self.outbound_proxy.as_deref().map(|proxy| read("outbound_proxy", proxy)).transpose()?.flatten();
        if server.is_some() && proxy.is_some() {
            let advice =
                "the WebSocket's address stands in outbound_proxy already; write the account's domain";
            return Err(Wrong { field: "server", advice });
        }
        let in_server = server.is_some();
        if let Some(Address { transport, host, path }) = server.or(proxy) {
            if asked.is_some_and(|asked| asked != transport) {
                let advice =
                    "leave it out, or write ws for an address with ws:// and wss for one with wss://";
                return Err(Wrong { field: "transport", advice });
            }
            if in_server {
                self.server = host;
            } else {
                self.outbound_proxy = Some(host);
            }
            self.transport = Some(transport);
            self.websocket_path = path;
        }
        match self.transport {
            Some(LineTransport::Ws | LineTransport::Wss) => {
                self.websocket_path.get_or_insert_with(|| USUAL_PATH.to_owned());
            }
            _ => self.websocket_path = None,
        }
        Ok(())
    }
}

/// Takes the address of a draft apart.
///
/// # Errors
/// As [`Written::take_apart`]; and a mode that no WebSocket has.
pub(crate) fn take_apart(draft: &mut LineDraft, asked: Option<LineTransport>) -> Result<(), ApiError> {
    let mut written = Written {
        server: std::mem::take(&mut draft.server),
        outbound_proxy: draft.outbound_proxy.take(),
        transport: draft.transport,
        websocket_path: draft.websocket_path.take(),
    };
    written.take_apart(asked)?;
    draft.server = written.server;
    draft.outbound_proxy = written.outbound_proxy;
    draft.transport = written.transport;
    draft.websocket_path = written.websocket_path;
    if draft.mode == LineMode::Siprec && draft.websocket_path.is_some() {
        let advice =
            "an SBC calls to be recorded, and nobody opens a WebSocket to this server; choose tls or tcp";
        return Err(ApiError::field("transport", advice));
    }
    Ok(())
}

/// Reads an address; none where the text is a host.
fn read(field: &'static str, text: &str) -> Result<Option<Address>, Wrong> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
    let advice = "write a host, or the address of a WebSocket such as wss://pbx.example:8089/ws";
    let transport = match scheme.to_ascii_lowercase().as_str() {
        "ws" => LineTransport::Ws,
        "wss" => LineTransport::Wss,
        _ => return Err(Wrong { field, advice }),
    };
    let (host, path) = match rest.find(['/', '?', '#']) {
        Some(place) => rest.split_at(place),
        None => (rest, ""),
    };
    let sane = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    let is_path = path.starts_with('/') && path.len() <= MAX_PATH && path.bytes().all(sane);
    if host.is_empty() || !(path.is_empty() || is_path) {
        return Err(Wrong { field, advice });
    }
    let path = Some(path.to_owned()).filter(|path| !path.is_empty());
    Ok(Some(Address { transport, host: host.to_owned(), path }))
}

#[cfg(test)]
mod tests {
    use linecard_store::lines::DialFormat;

    use super::*;

    fn draft(server: &str, proxy: Option<&str>, transport: Option<LineTransport>) -> LineDraft {
        LineDraft {
            name: String::new(),
            server: server.to_owned(),
            username: "100".to_owned(),
            password: String::new(),
            auth_username: None,
            outbound_proxy: proxy.map(str::to_owned),
            transport,
            websocket_path: None,
            mode: LineMode::Anchor,
            user_id: None,
            dial_format: DialFormat::Plus,
            dial_prefix: None,
            caller_id: None,
            transfer: linecard_store::lines::LineTransfer::Here,
        }
    }

    type Taken = (String, Option<String>, Option<LineTransport>, Option<String>);

    fn taken(server: &str, proxy: Option<&str>, transport: Option<LineTransport>) -> Result<Taken, String> {
        let mut draft = draft(server, proxy, transport);
        match take_apart(&mut draft, transport) {
            Ok(()) => Ok((draft.server, draft.outbound_proxy, draft.transport, draft.websocket_path)),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    fn is(server: &str, proxy: Option<&str>, transport: LineTransport, path: &str) -> Result<Taken, String> {
        Ok((server.to_owned(), proxy.map(str::to_owned), Some(transport), Some(path.to_owned())))
    }

    #[test]
    fn an_address_is_host_transport_and_path() {
        use LineTransport::{Tcp, Ws, Wss};
        assert_eq!(taken("wss://pbx.example:8089/ws", None, None), is("pbx.example:8089", None, Wss, "/ws"));
        assert_eq!(taken("WS://[::1]:8088/a/b?c=d", None, Some(Ws)), is("[::1]:8088", None, Ws, "/a/b?c=d"));
        assert_eq!(taken("ws://pbx.example", None, None), is("pbx.example", None, Ws, "/ws"));
        assert_eq!(
            taken("office.example", Some("wss://edge.example/"), None),
            is("office.example", Some("edge.example"), Wss, "/")
        );
        assert_eq!(taken("pbx.example:8089", None, Some(Wss)), is("pbx.example:8089", None, Wss, "/ws"));
        assert_eq!(
            taken("pbx.example", None, Some(Tcp)),
            Ok(("pbx.example".to_owned(), None, Some(Tcp), None))
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        use LineTransport::{Tls, Wss};
        let mut long = "ws://pbx/".to_owned();
        long.push_str(&"a".repeat(MAX_PATH));
        for (server, proxy, transport, field) in [
            ("https://pbx.example/ws", None, None, "server"),
            ("ws://pbx.example/a b", None, None, "server"),
            ("ws://pbx.example/#a", None, None, "server"),
            ("ws://pbx.example?a", None, None, "server"),
            ("ws://pbx.example/a\r\nHost: x", None, None, "server"),
            (long.as_str(), None, None, "server"),
            ("ws://pbx.example", Some("ws://edge.example"), None, "server"),
            ("pbx.example", Some("sip://edge.example"), None, "outbound_proxy"),
            ("ws://pbx.example", None, Some(Wss), "transport"),
            ("wss://pbx.example", None, Some(Tls), "transport"),
        ] {
            let refused = taken(server, proxy, transport).expect_err(server);
            assert!(refused.contains(&format!("{field:?}")), "{server}: {refused}");
        }
        let mut recorder = draft("wss://pbx.example", None, None);
        recorder.mode = LineMode::Siprec;
        assert!(take_apart(&mut recorder, None).is_err());
    }

    #[test]
    fn a_line_that_leaves_the_websocket_leaves_its_path() {
        let mut line = draft("pbx.example", None, Some(LineTransport::Udp));
        line.websocket_path = Some("/ws".to_owned());
        take_apart(&mut line, Some(LineTransport::Udp)).expect("taken");
        assert_eq!(line.websocket_path, None);
    }
}
