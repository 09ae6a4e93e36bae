//! How PBXes differ from what one would hope, each difference named after where it was reported.

use serde::Serialize;

/// A kind of PBX: a name for a set of [`Quirk`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// As Asterisk, and what is built on it.
    Asterisk,
    /// As FreeSWITCH.
    FreeSwitch,
    /// As a proxy: Kamailio, OpenSIPS.
    Kamailio,
    /// As 3CX.
    ThreeCx,
    /// As a provider's virtual PBX behind a session border controller.
    Cloud,
}

/// One way in which a PBX is not what a plain reading of the RFCs leads to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// Whoever may is told of an extension's calls (RFC 4235).
    TellsDialogs,
    /// The end of a dialog is told with its reason.
    TellsHowItEnded,
    /// Every dialog of an extension has the extension as its id.
    DialogIdIsExtension,
    /// An extension at rest is told as one terminated dialog.
    IdleIsTerminated,
    /// An extension at rest is told as no dialog at all.
    NothingWhenIdle,
    /// The other party's target is a code that picks the call up, not a number.
    PickupTarget,
    /// BYE carries X-Asterisk-HangupCause and its code, and no Reason.
    HangupCauseHeader,
    /// INVITEs are challenged, inside the line's own account too.
    ChallengesInvites,
    /// The phone's 180 is followed by 183 with sound.
    RingsThenEarlyMedia,
    /// Two forks answer: a second 200 with another tag comes after the first.
    SecondForkAnswers,
    /// CANCEL of a fork that lost carries `SIP;cause=200`.
    ElsewhereInCancel,
    /// The caller's number stands in Remote-Party-ID, From has the account.
    RemotePartyId,
    /// The caller's number stands in P-Asserted-Identity, From has the account.
    AssertedIdentity,
    /// The display name is made of the number and the queue.
    NumberInDisplay,
    /// The customer's side is offered anew as soon as the call is answered.
    ReinviteAfterAnswer,
    /// Via has no `rport`.
    NoRport,
    /// A registration shorter than an hour is refused with 423.
    IntervalTooBrief,
    /// Whatever is asked for, a registration is granted for a minute.
    GrantsAMinute,
    /// INVITEs ask for a session timer (RFC 4028).
    SessionTimer,
    /// Diversion names the number that was dialled (RFC 5806).
    Diversion,
    /// A caller who withholds the number is anonymous in From, with `Privacy: id`, and known to the provider alone.
    WithheldById,
    /// National numbers come as they are dialled in the country: 8 and ten digits.
    NationalNumbers,
}

impl Profile {
    /// Every profile, in the order in which a fleet takes them.
    pub const ALL: [Self; 5] = [Self::Asterisk, Self::FreeSwitch, Self::Kamailio, Self::ThreeCx, Self::Cloud];

    /// Gives the name that is written and read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asterisk => "asterisk",
            Self::FreeSwitch => "freeswitch",
            Self::Kamailio => "kamailio",
            Self::ThreeCx => "3cx",
            Self::Cloud => "cloud",
        }
    }

    /// Reads a name; `None` for one that is no profile.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Lists the quirks of a PBX of this kind.
    #[must_use]
    pub fn quirks(self) -> &'static [Quirk] {
        match self {
            Self::Asterisk => &[
                Quirk::TellsDialogs,
                Quirk::DialogIdIsExtension,
                Quirk::IdleIsTerminated,
                Quirk::HangupCauseHeader,
                Quirk::ChallengesInvites,
                Quirk::AssertedIdentity,
            ],
            Self::FreeSwitch => &[
                Quirk::TellsDialogs,
                Quirk::NothingWhenIdle,
                Quirk::PickupTarget,
                Quirk::RingsThenEarlyMedia,
                Quirk::RemotePartyId,
                Quirk::ElsewhereInCancel,
            ],
            Self::Kamailio => &[
                Quirk::TellsDialogs,
                Quirk::TellsHowItEnded,
                Quirk::NothingWhenIdle,
                Quirk::SecondForkAnswers,
                Quirk::ElsewhereInCancel,
                Quirk::ChallengesInvites,
            ],
            Self::ThreeCx => &[
                Quirk::NumberInDisplay,
                Quirk::ReinviteAfterAnswer,
                Quirk::NoRport,
                Quirk::NothingWhenIdle,
                Quirk::NationalNumbers,
            ],
            Self::Cloud => &[
                Quirk::IntervalTooBrief,
                Quirk::GrantsAMinute,
                Quirk::SessionTimer,
                Quirk::Diversion,
                Quirk::WithheldById,
                Quirk::NothingWhenIdle,
                Quirk::ElsewhereInCancel,
            ],
        }
    }

    /// Tells whether a PBX of this kind has a quirk.
    #[must_use]
    pub fn has(self, quirk: Quirk) -> bool {
        self.quirks().contains(&quirk)
    }
}

impl Quirk {
    /// Names where it was reported, or the document that allows it.
    #[must_use]
    pub fn reported(self) -> &'static str {
        match self {
            Self::TellsDialogs => "RFC 4235; sip-config/README.md says of which PBX it is known",
            Self::TellsHowItEnded => "RFC 4235 section 4.1.4",
            Self::DialogIdIsExtension | Self::IdleIsTerminated => "mikopbx/Core#1059",
            Self::NothingWhenIdle => "OpenSIPS/opensips#1193",
            Self::PickupTarget => "the corpus of dialog-info documents, freeswitch-partial-confirmed.xml",
            Self::HangupCauseHeader => "flutter-webrtc/dart-sip-ua#48",
            Self::ChallengesInvites => "RFC 3261 section 22; sip-config/kamailio/kamailio.cfg",
            Self::RingsThenEarlyMedia => "RFC 3960 section 3.1",
            Self::SecondForkAnswers => "kamailio/kamailio#570",
            Self::ElsewhereInCancel => "BelledonneCommunications/linphone-iphone#309",
            Self::RemotePartyId => "draft-ietf-sip-privacy-04; sip-config/freepbx/README.md",
            Self::AssertedIdentity => "RFC 3325; sip-config/asterisk/pjsip.conf",
            Self::NumberInDisplay => "no report: what rules that rewrite caller ids do, which 3CX offers",
            Self::ReinviteAfterAnswer => "baresip/baresip#2764",
            Self::NoRport => "RFC 3261 section 18.2.2, before RFC 3581",
            Self::IntervalTooBrief => "pjsip/pjproject#4038",
            Self::GrantsAMinute => "irontec/ivozprovider#290",
            Self::SessionTimer => "RFC 4028",
            Self::Diversion => "RFC 5806",
            Self::WithheldById => "RFC 3325 section 7",
            Self::NationalNumbers => "odoo/odoo#134447",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_by_the_name_it_has() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
            assert!(profile.quirks().iter().all(|quirk| profile.has(*quirk) && !quirk.reported().is_empty()));
        }
        assert_eq!(Profile::from_name("nortel"), None);
        assert!(!Profile::Kamailio.has(Quirk::NoRport));
    }
}
