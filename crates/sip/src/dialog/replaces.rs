//! The Replaces header (RFC 3891): an INVITE that takes the place of a dialog.

use super::{Dialog, DialogId};
use crate::uri::{SipUri, Uri, escape_header};

/// Which dialog an INVITE takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// The dialog, as the end that receives the INVITE sees it (section 3).
    pub dialog: DialogId,
    /// Whether it is to take its place only while it is not answered.
    pub phase: ReplacesPhase,
}

/// In which phase a dialog may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplacesPhase {
    /// Answered or not.
    Any,
    /// Only before it is answered (`early-only`).
    EarlyOnly,
}

impl Dialog {
    /// Names this end's place: whoever calls there talks with the peer instead of this end (RFC 5589 section 7.3). It is the
    /// peer's Contact with a Replaces whose tags stand as the peer sees them; `None` for a peer that has no SIP URI.
    #[must_use]
    pub fn own_place(&self) -> Option<Uri> {
        let Uri::Sip(contact) = &self.remote_target else { return None };
        let DialogId { call_id, local_tag, remote_tag } = &self.id;
        let replaces = escape_header(&format!("{call_id};to-tag={remote_tag};from-tag={local_tag}"));
        let place = SipUri { headers: Some(format!("Replaces={replaces}")), ..contact.clone() };
        Some(Uri::from(place))
    }
}

impl Replaces {
    /// Reads a header's value; `None` when a tag is missing or named twice (section 6.1).
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        let (mut to_tag, mut from_tag, mut phase) = (None, None, ReplacesPhase::Any);
        for part in parts {
            match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some((name, tag)) if name.eq_ignore_ascii_case("to-tag") => {
                    if to_tag.replace(tag.to_owned()).is_some() {
                        return None;
                    }
                }
                Some((name, tag)) if name.eq_ignore_ascii_case("from-tag") => {
                    if from_tag.replace(tag.to_owned()).is_some() {
                        return None;
                    }
                }
                None if part.eq_ignore_ascii_case("early-only") => phase = ReplacesPhase::EarlyOnly,
                Some(_) | None => {}
            }
        }
        let dialog = DialogId { call_id, local_tag: to_tag?, remote_tag: from_tag? };
        Some(Self { dialog, phase })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_stand_as_the_receiver_sees_them() {
        let value = "98732@sip.example.com ;from-tag=r33th4x0r; to-tag=ff87ff;early-only;x=y";
        let replaces = Replaces::parse(value).expect("a Replaces");
        let dialog = DialogId {
            call_id: "98732@sip.example.com".to_owned(),
            local_tag: "ff87ff".to_owned(),
            remote_tag: "r33th4x0r".to_owned(),
        };
        assert_eq!(replaces, Replaces { dialog, phase: ReplacesPhase::EarlyOnly });
    }

    #[test]
    fn one_without_both_tags_or_with_one_twice_names_nothing() {
        for value in
            ["", ";to-tag=1;from-tag=2", "a;to-tag=1", "a;from-tag=1", "a;to-tag=1;to-tag=2;from-tag=3"]
        {
            assert_eq!(Replaces::parse(value), None, "{value}");
        }
    }
}
