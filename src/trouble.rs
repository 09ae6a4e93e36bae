//! Why a line is not registered, in words, with what to change: one text for the log, `/lines`, events and the doctor.

use std::collections::BTreeMap;

use linecard_sip::digest::Refused;
use linecard_sip::registration::{FailureReason, WaitReason};
use linecard_sip::subscription;
use linecard_sip::transport::TransportFault;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Which sentence `text` is, for pages that have it in another language.
    pub(crate) key: &'static str,
    /// The values in the sentence.
    pub(crate) params: BTreeMap<&'static str, String>,
    /// What was seen.
    pub(crate) text: String,
    /// What to change.
    pub(crate) advice: &'static str,
    /// The field of the account that is most likely to blame.
    pub(crate) field: Option<&'static str>,
}

impl Trouble {
    fn new(key: &'static str, text: impl Into<String>, advice: &'static str) -> Self {
        Self { key, params: BTreeMap::new(), text: text.into(), advice, field: None }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.insert(name, value.to_string());
        self
    }

    fn blames(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// The server's name has no address.
    pub(crate) fn no_address(host: &str) -> Self {
        let advice =
            "check how the server is spelt and this machine's name service, or write the address itself";
        Self::new("no_address", format!("the name {host} has no address"), advice)
            .with("host", host)
            .blames("server")
    }

    /// The server of a line that records answers no OPTIONS.
    pub(crate) fn recorder_silent() -> Self {
        let advice = "check server, port and transport; a server that answers no OPTIONS may send sessions all the same";
        Self::new("recorder_silent", "its server does not answer OPTIONS", advice).blames("server")
    }

    /// Why a line waits; none when nothing is wrong.
    pub(crate) fn of_wait(reason: &WaitReason) -> Option<Self> {
        let text = reason.to_string();
        let trouble = match reason {
            WaitReason::Spread => return None,
            WaitReason::Unreachable { fault: Some(fault), .. } => Self::of_fault(fault),
            WaitReason::Unreachable { attempts, fault: None } => Self::new(
                "unreachable",
                text,
                "check the line's server, port and transport, that the PBX runs, and that a firewall lets SIP \
                 through both ways",
            )
            .with("attempts", attempts)
            .blames("server"),
            WaitReason::Unavailable { status, retry_after_s } => {
                let advice = "look into the PBX's log: it may be starting or overloaded";
                let trouble = match retry_after_s {
                    Some(wait_s) => Self::new("unavailable_wait", text, advice).with("wait_s", wait_s),
                    None => Self::new("unavailable", text, advice),
                };
                trouble.with("status", status)
            }
            WaitReason::ContactMissing { attempts } => Self::new(
                "contact_missing",
                text,
                "check how many contacts the account may have, sip.external_address, and how the PBX treats NAT",
            )
            .with("attempts", attempts),
        };
        Some(trouble)
    }

    /// Why nothing can be sent to a PBX.
    pub(crate) fn of_fault(fault: &TransportFault) -> Self {
        let text = fault.to_string();
        match fault {
            TransportFault::Unconnected { why } => Self::new(
                "unconnected",
                text,
                "check the line's server, port and transport, that the PBX runs, and that a firewall lets SIP through",
            )
            .with("why", why)
            .blames("server"),
            TransportFault::NoAddress { remote } => Self::new(
                "no_own_address",
                text,
                "write an address of its kind into sip.listen, such as \"udp://[::]:5060\" for IPv6",
            )
            .with("remote", remote)
            .blames("server"),
            TransportFault::Closed => Self::new(
                "closed",
                text,
                "the line registers again by itself; if this stays, look into the PBX's log for why it hangs up",
            ),
            TransportFault::NotWebSocket { status } => Self::new(
                "no_websocket",
                text,
                "check port and path of the WebSocket's address (Asterisk: /ws), and switch WebSocket on at the PBX",
            )
            .with("status", status)
            .blames("server"),
            TransportFault::NotSip => Self::new(
                "websocket_no_sip",
                text,
                "check port and path of the WebSocket's address: something else than the PBX's SIP is there",
            )
            .blames("server"),
            of_tls => Self::of_tls_fault(of_tls, text),
        }
    }

    fn of_tls_fault(fault: &TransportFault, text: String) -> Self {
        match fault {
            TransportFault::NotTls => {
                let advice = "check the port (5061 is usual for TLS), and switch TLS on at the PBX";
                Self::new("no_tls", text, advice).blames("transport")
            }
            TransportFault::WrongName { name, fingerprint } => Self::new(
                "tls_wrong_name",
                text,
                "write the server by the name that its certificate has; or compare the fingerprint with the PBX's \
                 certificate and write it into sip.tls_pins",
            )
            .with("name", name)
            .with("fingerprint", fingerprint)
            .blames("server"),
            TransportFault::Untrusted { fingerprint } => Self::new(
                "tls_untrusted",
                text,
                "compare the fingerprint with the PBX's certificate and write it into sip.tls_pins; or write the file \
                 of the authority that signed it into sip.tls_roots",
            )
            .with("fingerprint", fingerprint),
            TransportFault::NotValidNow { fingerprint } => {
                let advice = "renew the PBX's certificate, and check the clocks of both machines";
                Self::new("tls_not_valid", text, advice).with("fingerprint", fingerprint)
            }
            TransportFault::ClientCertificate { shown: false } => {
                let advice = "write the certificate that the PBX wants into sip.tls_client_cert and sip.tls_client_key";
                Self::new("tls_client_wanted", text, advice)
            }
            TransportFault::ClientCertificate { shown: true } => {
                let advice = "show a certificate (sip.tls_client_cert) whose authority the PBX trusts";
                Self::new("tls_client_refused", text, advice)
            }
            other => {
                let why = if let TransportFault::Handshake { why } = other { why } else { &text };
                let advice = "look into the PBX's log; Linecard speaks TLS 1.2 and 1.3";
                Self::new("tls_failed", text.clone(), advice).with("why", why)
            }
        }
    }

    /// Why a registrar refuses a line.
    pub(crate) fn of_failure(reason: &FailureReason) -> Self {
        let text = reason.to_string();
        match reason {
            FailureReason::Authentication(refused) => Self::of_refused(refused),
            FailureReason::Forbidden => Self::new(
                "forbidden",
                text,
                "allow this account on the PBX to register, from this machine's address too, and check the username",
            )
            .blames("username"),
            FailureReason::UnknownUser => {
                Self::new("unknown_user", text, "check the username: the PBX has no such account")
                    .blames("username")
            }
            FailureReason::Redirect => {
                let advice = "write the server that the PBX redirects to, and check outbound_proxy";
                Self::new("redirect", text, advice).blames("server")
            }
            FailureReason::IntervalRefused => {
                Self::new("interval_refused", text, "let the PBX accept an expiry of a day or less")
            }
            FailureReason::PushesOut { contacts, put_back } => {
                let advice = "let the account have one contact more on the PBX, then let it try again; or only watch it \
                              (mode dialog_info)";
                let key = if *put_back { "pushed_out_back" } else { "pushed_out" };
                Self::new(key, text, advice).with("contacts", contacts.join(", ")).blames("mode")
            }
            FailureReason::Rejected { status } => {
                Self::new("rejected", text, "look into the PBX's log for this account").with("status", status)
            }
        }
    }

    /// The PBX rings the desk phone and not the line that is registered beside it.
    pub(crate) fn never_forked() -> Self {
        let advice = "let the PBX ring all contacts of the account (Asterisk: Dial(${PJSIP_DIAL_CONTACTS(extension)}))";
        Self::new("never_forked", "calls ring the desk phone and not this line beside it", advice)
    }

    /// Somebody has to allow a watch first.
    pub(crate) fn watch_pending() -> Self {
        let advice = "allow this account on the PBX to watch its own extension";
        Self::new("watch_pending", "the PBX wants somebody to allow the watch first", advice)
    }

    /// Why a watch waits.
    pub(crate) fn of_watch_wait(reason: &subscription::WaitReason) -> Self {
        match reason {
            subscription::WaitReason::Unreachable { attempts } => {
                Self::of_wait(&WaitReason::Unreachable { attempts: *attempts, fault: None })
                    .unwrap_or_else(Self::watch_unavailable)
            }
            subscription::WaitReason::Refused(refused) => Self::of_watch_refused(*refused),
            subscription::WaitReason::Unavailable => Self::watch_unavailable(),
        }
    }

    fn watch_unavailable() -> Self {
        let advice = "look into the PBX's log: it may be starting or overloaded";
        Self::new("watch_unavailable", "the PBX cannot tell of calls now", advice)
    }

    /// Why a PBX refuses to tell of an extension's calls.
    pub(crate) fn of_watch_refused(refused: subscription::FailureReason) -> Self {
        use subscription::FailureReason as Why;
        match refused {
            Why::NoSuchPackage => Self::new(
                "watch_no_package",
                "the PBX tells nobody of its extensions' calls (event package dialog)",
                "switch the busy-lamp field, or presence, on at the PBX, or capture this account's calls as a line",
            )
            .blames("mode"),
            Why::Credentials => Self::new(
                "watch_credentials",
                "the PBX does not let this account watch: username or password are wrong",
                "check username and password; some PBXes want another name for authentication (auth_username)",
            )
            .blames("password"),
            Why::Forbidden => Self::new(
                "watch_forbidden",
                "the PBX does not let this account watch its extension",
                "allow the account on the PBX to subscribe (Asterisk: subscribe_context and allow_subscribe)",
            )
            .blames("username"),
            Why::NoSuchResource => Self::new(
                "watch_no_extension",
                "the PBX has no extension of this name that can be watched",
                "check the username; on Asterisk the extension needs a hint",
            )
            .blames("username"),
            Why::Rejected { status } => Self::new(
                "watch_rejected",
                format!("the PBX refuses to tell of this account's calls ({status})"),
                "look into the PBX's log for this account",
            )
            .with("status", status),
        }
    }

    fn of_refused(refused: &Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::WrongPassword { realm } => Self::new(
                "wrong_password",
                text,
                "check username and password; some PBXes want another name for authentication (auth_username)",
            )
            .with("realm", realm)
            .blames("password"),
            Refused::Unsupported { offered } => {
                let advice = "let the PBX offer MD5 or SHA-256 digests for this account";
                Self::new("unsupported_digest", text, advice).with("offered", offered.join(", "))
            }
            Refused::NoChallenge => {
                Self::new("no_challenge", text, "look into the PBX's authentication of this account")
            }
            Refused::TooMany => {
                let advice = "check username and password, and look into the PBX's log for this account";
                Self::new("too_many_challenges", text, advice).blames("password")
            }
            Refused::ForeignRealm { realm } => {
                Self::new("foreign_realm", text, "check the server and the outbound_proxy of the line")
                    .with("realm", realm)
                    .blames("server")
            }
        }
    }
}
