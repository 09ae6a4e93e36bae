//! What the engine wants done: each becomes a SIP request, a query or an order to the media. Nothing is decided there.

use serde_json::Value;

use crate::id::{CallId, LegId, LineId, RecordingId, SightingId};
use crate::signal::{Caller, RoutedDevice, SpanKind};

/// What the runtime is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Find out whose line it is and which devices may ring; from memory, so that a slow database delays nothing.
    FindRoute {
        /// The call.
        call: CallId,
        /// The line.
        line: LineId,
    },
    /// Search the contacts for the caller.
    FindContact {
        /// The call.
        call: CallId,
        /// E.164 or digits.
        number: String,
    },
    /// Send 180 on the customer's leg, or on that of a device that dialled.
    RingBack {
        /// The leg.
        leg: LegId,
    },
    /// Send 180 to a fork that rings along, and never anything more.
    RingAlong {
        /// The call.
        call: CallId,
        /// The fork.
        sighting: SightingId,
    },
    /// Accept a recording session.
    AcceptSession {
        /// The call.
        call: CallId,
        /// The session's leg.
        leg: LegId,
    },
    /// Begin a recording of what a recording session sends.
    RecordSession {
        /// The new recording.
        recording: RecordingId,
        /// The call.
        call: CallId,
        /// The session's leg.
        leg: LegId,
    },
    /// Send an INVITE to a device.
    DialDevice {
        /// The new leg.
        leg: LegId,
        /// The call.
        call: CallId,
        /// The line through which an extension is reached.
        line: LineId,
        /// The device.
        device: RoutedDevice,
        /// Who calls or is to be called, to be shown on the device.
        caller: Caller,
        /// How the device is to be picked up.
        pickup: Pickup,
    },
    /// Send an INVITE to the one who is called.
    DialCallee {
        /// The called one's leg.
        leg: LegId,
        /// The call.
        call: CallId,
        /// The line it goes out by.
        line: LineId,
        /// What the PBX is told.
        dialled: String,
        /// The number to be shown, E.164 or digits.
        caller_id: Option<String>,
    },
    /// Send an INVITE to the number to which the customer is to be handed over.
    DialOther {
        /// The new leg.
        leg: LegId,
        /// The call.
        call: CallId,
        /// The line it goes out by.
        line: LineId,
        /// What the PBX is told.
        dialled: String,
        /// The dialog that it takes the place of (RFC 3891).
        replaces: Option<String>,
        /// Who is handed over, to be shown.
        caller: Caller,
    },
    /// Tell a leg's party by re-INVITE that it is held (RFC 3264 section 8.4).
    HoldLeg {
        /// The leg.
        leg: LegId,
    },
    /// Tell it that it is held no more.
    RetrieveLeg {
        /// The leg.
        leg: LegId,
    },
    /// Tell an agent's phone who is at the customer's end now.
    NameParty {
        /// The agent's leg.
        leg: LegId,
        /// The call's line.
        line: LineId,
        /// Who is there.
        party: Caller,
    },
    /// Tell the phone that asked for a transfer by REFER how it goes (RFC 3515 section 2.4.4).
    TellReferrer {
        /// The leg.
        leg: LegId,
        /// 180, 200 or why it failed.
        status: u16,
    },
    /// Free the RTP ports of a leg whose call goes on without it.
    ReleaseLeg {
        /// The leg.
        leg: LegId,
    },
    /// Forward nothing to or from a leg.
    UnbridgeMedia {
        /// The leg.
        leg: LegId,
    },
    /// End the tone that a leg's party hears.
    StopTone {
        /// The leg.
        leg: LegId,
    },
    /// Mark the beginning of a part of a recording.
    BeginSpan {
        /// The recording.
        recording: RecordingId,
        /// What the part is.
        kind: SpanKind,
    },
    /// Mark its end.
    EndSpan {
        /// The recording.
        recording: RecordingId,
        /// What the part is.
        kind: SpanKind,
    },
    /// Let a leg's party hear a tone until it hears something else.
    PlayTone {
        /// The leg.
        leg: LegId,
        /// The tone.
        tone: Tone,
    },
    /// Cancel a leg that was dialled; answer with [`Input::LegRejected`] or, when it was too late, [`Input::LegAnswered`].
    CancelLeg {
        /// The leg of a device, or of the one who is called.
        leg: LegId,
    },
    /// Send 183 with our SDP on the leg of a device that dialled.
    AnswerEarly {
        /// The device's leg.
        leg: LegId,
    },
    /// Send 200 with our SDP on the customer's leg, or on that of a device that dialled, and tell [`Input::LegAnswered`].
    AnswerLeg {
        /// The leg.
        leg: LegId,
    },
    /// Send a final response on the customer's leg.
    RejectLeg {
        /// The customer's leg.
        leg: LegId,
        /// 400 to 699.
        status: u16,
    },
    /// Send a BYE; the engine takes the leg as over at once.
    HangUpLeg {
        /// The leg.
        leg: LegId,
        /// For the Reason header (RFC 3326).
        reason: HangUpReason,
    },
    /// Send a BYE in a dialog of an earlier process.
    HangUpDialog {
        /// The leg of that dialog.
        leg: LegId,
        /// The record given with [`Input::DialogChanged`].
        dialog: Value,
    },
    /// Forward media between two legs from now on.
    BridgeMedia {
        /// The customer's leg.
        customer: LegId,
        /// The agent's leg.
        agent: LegId,
    },
    /// Begin a recording of a call.
    OpenRecording {
        /// The new recording.
        recording: RecordingId,
        /// The call.
        call: CallId,
    },
    /// Finish a recording.
    CloseRecording {
        /// The recording.
        recording: RecordingId,
    },
    /// Free the RTP ports of a call; `MediaReleased` answers.
    ReleaseMedia {
        /// The call.
        call: CallId,
    },
}

/// How a device is to be picked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pickup {
    /// The user decides: somebody calls.
    ByHand,
    /// The device may answer by itself: the user has asked for the call.
    ByItself,
}

/// What is heard instead of a party (ITU-T E.180; the frequencies are the region's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// The called one's phone rings.
    Ringback,
    /// The called one is in a call, or declined.
    Busy,
    /// The called one was not reached.
    Congestion,
    /// The party is on hold: a short sign now and then that it is not forgotten.
    Hold,
}

/// Why a BYE is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HangUpReason {
    /// The other party hung up.
    OtherPartyGone,
    /// Another device was answered first.
    AnsweredElsewhere,
    /// The customer was handed over.
    Transferred,
    /// A user hung up in the interface.
    Requested,
    /// No media.
    MediaLost,
    /// A fault or a restart.
    System,
}
