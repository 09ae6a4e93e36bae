//! Why a line is not registered, in words, with what to change: one text for the log, `/lines`, events and the doctor.

use std::collections::BTreeMap;

use linecard_sip::digest::Refused;
use linecard_sip::registration::{FailureReason, WaitReason};

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

    /// Why a line waits; none when nothing is wrong.
    pub(crate) fn of_wait(reason: &WaitReason) -> Option<Self> {
        let text = reason.to_string();
        let trouble = match reason {
            WaitReason::Spread => return None,
            WaitReason::Unreachable { attempts } => Self::new(
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
            FailureReason::Rejected { status } => {
                Self::new("rejected", text, "look into the PBX's log for this account").with("status", status)
            }
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
