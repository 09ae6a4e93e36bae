//! What the registrar's lists of contacts say, never more than they show.

use std::collections::BTreeSet;

use linecard_web::doctor::{Step, StepName};

use super::said::Said;

/// The contacts of others that are named; of more the number is told.
const CONTACTS_SHOWN: usize = 5;

/// A registrar's answer that lists the contacts of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    /// The number of the message.
    pub(super) message: u32,
    /// The place of our own contact among them, from 1.
    pub(super) own_place: Option<usize>,
    /// The contacts of others.
    pub(super) others: BTreeSet<String>,
}

/// What is known of other phones with the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phones {
    /// One lost its place when we registered.
    PushedOut,
    /// There is one beside us.
    Beside {
        /// The message that lists it.
        message: u32,
    },
    /// There is none now.
    Alone,
    /// The registrar does not say.
    Untold,
}

/// Tells whether another phone is listed beside ours.
pub(super) fn is_shared(listings: &[Listing]) -> bool {
    let with_own = listings.iter().rev().find(|listing| listing.is_own_there());
    with_own.is_some_and(|listing| !listing.others.is_empty())
}

/// Sums up what the lists show; `confirmed` says that the last one was made after we had left.
pub(super) fn phones(listings: &[Listing], confirmed: bool) -> Phones {
    if !pushed_out(listings, confirmed).is_empty() {
        return Phones::PushedOut;
    }
    match listings.iter().rev().find(|listing| !listing.others.is_empty()) {
        Some(listing) => Phones::Beside { message: listing.message },
        None if listings.iter().any(|listing| listing.count() > 0) => Phones::Alone,
        None => Phones::Untold,
    }
}

/// The contacts that were there before ours and are gone because of it.
fn pushed_out(listings: &[Listing], confirmed: bool) -> Vec<&str> {
    let before = listings.first().filter(|first| !first.is_own_there());
    let during = listings.iter().rev().find(|listing| listing.is_own_there());
    let after = listings.last().filter(|last| confirmed && !last.is_own_there());
    match (before, after.or(during), during) {
        (Some(before), Some(kept), Some(_)) => {
            before.others.difference(&kept.others).map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

/// What the registrar's lists say about other phones of the account, never more than they show.
pub(super) fn bindings(listings: &[Listing], confirmed: bool) -> Step {
    let name = StepName::Bindings;
    let before = listings.first().filter(|first| !first.is_own_there());
    let during = listings.iter().rev().find(|listing| listing.is_own_there());
    let after = listings.last().filter(|last| confirmed && !last.is_own_there());
    let (Some(_), Some(during)) = (before, during) else {
        let count = listings.iter().map(Listing::count).max().unwrap_or(0).max(1);
        let text = format!("the account has at least {count} contact(s), this one among them");
        return Said::new("contacts_some", text).with("count", count).noted(name);
    };
    let gone = pushed_out(listings, confirmed);
    if !gone.is_empty() {
        let advice = "the PBX keeps fewer contacts than there are phones: give Linecard an account of its own, \
                      or raise the number of contacts, and restart the phone";
        let gone = gone.join(", ");
        let text = format!("registering has pushed out {gone}");
        return Said::fault("contacts_pushed_out", text, advice).with("gone", gone).bad(name);
    }
    let (count, place) = (during.count(), during.own_place.unwrap_or(0));
    if during.others.is_empty() {
        let text = "at least 1 contact is possible; no other phone uses this account";
        return Said::new("contacts_alone", text).good(name);
    }
    let others = during.listed();
    let possible = format!("at least {count} contacts are possible, this one is number {place}");
    let said =
        |key, text| Said::new(key, text).with("count", count).with("place", place).with("others", &others);
    let phones = during.others.len();
    let whose = if phones == 1 { "the other phone".to_owned() } else { format!("the {phones} other phones") };
    match after {
        Some(_) => said("contacts_stayed", format!("{possible}; {whose} stayed: {others}")).good(name),
        None => said("contacts_seen", format!("{possible}; {whose}: {others}")).noted(name),
    }
}

/// Which contact of the account is the line's.
pub(super) fn own_place(listing: Option<&Listing>) -> Step {
    let name = StepName::Bindings;
    let Some(listing) = listing else {
        let text = "the PBX does not tell its contacts; the line's own state says whether it is registered";
        return Said::new("contacts_untold", text).noted(name);
    };
    let count = listing.count();
    match listing.own_place {
        Some(1) if count == 1 => {
            Said::new("contacts_only_ours", "the account has 1 contact: Linecard's").good(name)
        }
        Some(place) => {
            let others = listing.listed();
            let text =
                format!("the account has {count} contacts, Linecard's is number {place}; others: {others}");
            Said::new("contacts_ours", text)
                .with("count", count)
                .with("place", place)
                .with("others", others)
                .good(name)
        }
        None => {
            let text = format!("Linecard's contact is not among the {count} contacts of the account");
            let advice =
                "the line registers again by itself; if this stays, raise the number of contacts on the PBX";
            Said::fault("contacts_without_us", text, advice).with("count", count).bad(name)
        }
    }
}

/// Which phones have an account that only is to be watched.
pub(super) fn desk_phones(listing: Option<&Listing>) -> Step {
    let name = StepName::Bindings;
    match listing.filter(|listing| !listing.others.is_empty()) {
        Some(listing) => {
            let (count, others) = (listing.others.len(), listing.listed());
            let text = format!("phones with this account: {count}: {others}");
            Said::new("contacts_watched", text).with("count", count).with("others", others).good(name)
        }
        None => {
            Said::new("contacts_nobody", "no phone with this account is told; there is none to watch now")
                .noted(name)
        }
    }
}

impl Listing {
    fn is_own_there(&self) -> bool {
        self.own_place.is_some()
    }

    fn count(&self) -> usize {
        self.others.len() + usize::from(self.is_own_there())
    }

    /// The contacts of others as text.
    fn listed(&self) -> String {
        let shown: Vec<&str> = self.others.iter().take(CONTACTS_SHOWN).map(String::as_str).collect();
        match self.others.len().saturating_sub(shown.len()) {
            0 => shown.join(", "),
            more => format!("{} (+{more})", shown.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use linecard_web::doctor::StepState;

    use super::*;

    fn listing(own_place: Option<usize>, others: &[&str]) -> Listing {
        Listing { message: 7, own_place, others: others.iter().map(|other| (*other).to_owned()).collect() }
    }

    #[test]
    fn another_phone_that_stays_is_named_and_one_that_is_pushed_out_is_an_alarm() {
        let desk = "sip:201@192.0.2.9";
        let lists = [listing(None, &[desk]), listing(Some(2), &[desk]), listing(None, &[desk])];
        let step = bindings(&lists, true);
        assert_eq!((step.state, step.text.contains(desk)), (StepState::Good, true), "{step:?}");
        assert_eq!((&*step.params["count"], &*step.params["place"]), ("2", "2"));
        for pushed_out in [
            [listing(None, &[desk]), listing(Some(1), &[]), listing(None, &[])],
            [listing(None, &[desk]), listing(Some(1), &[desk]), listing(None, &[])],
        ] {
            let step = bindings(&pushed_out, true);
            assert_eq!((step.state, step.text.contains(desk)), (StepState::Bad, true), "{step:?}");
        }
    }

    #[test]
    fn nothing_is_claimed_that_the_registrar_did_not_show() {
        let step = bindings(&[listing(Some(1), &["sip:x@h"])], false);
        assert_eq!(step.state, StepState::Noted);
        assert!(step.text.contains("at least 2"), "{step:?}");
        let unconfirmed = bindings(&[listing(None, &["sip:x@h"]), listing(Some(1), &["sip:x@h"])], false);
        assert_eq!(unconfirmed.state, StepState::Noted);
        assert!(!unconfirmed.text.contains("stayed"), "{unconfirmed:?}");
    }

    #[test]
    fn a_line_finds_its_own_contact_among_the_others() {
        assert_eq!(own_place(None).state, StepState::Noted);
        assert_eq!(own_place(Some(&listing(Some(1), &[]))).key, "contacts_only_ours");
        let second = own_place(Some(&listing(Some(2), &["sip:x@h"])));
        assert_eq!((second.key, &*second.params["place"]), ("contacts_ours", "2"));
        assert_eq!(own_place(Some(&listing(None, &["sip:x@h"]))).state, StepState::Bad);
    }
}
