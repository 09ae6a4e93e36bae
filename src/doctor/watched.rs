//! What the PBX told of the account's calls while it was asked to (RFC 4235), read out of its notifications.

use linecard_sip::dialog_info::{DialogInfo, ReportedDialog};
use linecard_sip::message::Method;

use super::transcript::Entry;

/// The notifications that show something, by their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Watched {
    /// One that told anything at all.
    pub(super) told: Option<u32>,
    /// One that told of a call that was not over.
    pub(super) live: Option<u32>,
    /// One that named the other party of such a call.
    pub(super) named: Option<u32>,
    /// One that came after that and told of none any more.
    pub(super) ended: Option<u32>,
}

impl Watched {
    /// Reads all of them, in order.
    pub(super) fn read(entries: &[Entry]) -> Self {
        let mut watched = Self::default();
        for (number, told) in entries.iter().filter_map(notification) {
            let mut live = told.dialogs.iter().filter(|dialog| !dialog.is_over()).peekable();
            watched.told = watched.told.or(Some(number));
            if live.peek().is_some() {
                watched.live = watched.live.or(Some(number));
                watched.named = watched.named.or(live.any(names_other_party).then_some(number));
            } else if watched.live.is_some() {
                watched.ended = watched.ended.or(Some(number));
            }
        }
        watched
    }
}

fn notification(entry: &Entry) -> Option<(u32, DialogInfo)> {
    let request = entry.request().filter(|request| !entry.sent && request.method == Method::Notify)?;
    Some((entry.number, DialogInfo::parse(&request.body).ok()?))
}

fn names_other_party(dialog: &ReportedDialog) -> bool {
    let remote = dialog.remote.as_ref();
    remote.is_some_and(|remote| remote.identity.is_some() || remote.display.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::transcript::entries_of;

    fn notify(dialogs: &str) -> String {
        format!(
            "NOTIFY sip:doctor@10.0.0.5 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKn\nFrom: <sip:101@pbx>;tag=p\n\
             To: <sip:101@pbx>;tag=d\nCall-ID: s\nCSeq: 1 NOTIFY\nMax-Forwards: 70\nEvent: dialog\n\
             Content-Type: application/dialog-info+xml\n\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"1\" \
             state=\"full\" entity=\"sip:101@pbx\">{dialogs}</dialog-info>"
        )
    }

    #[test]
    fn a_call_is_told_named_and_ended_only_where_notifications_say_so() {
        let idle = notify("");
        let ringing = notify("<dialog id=\"1\" direction=\"recipient\"><state>early</state></dialog>");
        let named = notify(
            "<dialog id=\"1\" direction=\"recipient\"><state>early</state><remote><identity>sip:102@pbx</identity></remote></dialog>",
        );
        let over = notify("<dialog id=\"1\"><state>terminated</state></dialog>");
        let read = |texts: &[&str]| {
            let texts: Vec<(bool, &str)> = texts.iter().map(|text| (false, *text)).collect();
            let Watched { told, live, named, ended } = Watched::read(&entries_of(&texts));
            [told, live, named, ended]
        };
        assert_eq!(read(&[]), [None; 4]);
        assert_eq!(read(&[&idle, &over]), [Some(1), None, None, None], "an end without a call is none");
        assert_eq!(read(&[&idle, &ringing]), [Some(1), Some(2), None, None]);
        assert_eq!(read(&[&named, &over]), [Some(1), Some(1), Some(1), Some(2)]);
        assert_eq!(read(&[&ringing, &idle]), [Some(1), Some(1), None, Some(2)]);
    }
}
