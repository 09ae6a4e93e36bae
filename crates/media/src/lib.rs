//! Media without sockets: RTP, the RTCP session of each leg and its quality, timelines and stereo WAV files.
//!
//! Everything here is driven from outside: bytes and instants come in, verdicts, samples and spans go out.
//! It deliberately opens no socket, reads no clock and names no file. Payloads that are relayed stay untouched
//! while both parties speak one codec; else they are transcoded.
//!
//! RFC 3550 (RTP, RTCP), RFC 3551 (static payload types), RFC 3611 (bursts), RFC 3389 (comfort noise), RFC 4733 (telephone
//! events), RFC 3711 (SRTP), RFC 6716 and 7587 (Opus), RFC 8489 (STUN), ITU-T G.711, G.722 and G.107.

pub mod clock;
pub mod codec;
pub(crate) mod conceal;
pub mod crossing;
pub mod emodel;
pub mod error;
pub mod g711;
pub mod g722;
pub mod halfband;
pub mod leg;
pub mod opus;
pub mod outgoing;
pub mod outline;
pub mod pattern;
pub mod quality;
pub mod reception;
pub mod reporting;
pub mod rtcp;
pub mod rtp;
pub mod sent;
pub mod sequence;
pub mod source;
pub mod span;
pub mod srtp;
pub mod stereo;
pub mod stun;
pub mod telephone_event;
pub mod timeline;
pub mod tone;
pub mod transcode;
pub(crate) mod voice;
pub mod wav;

pub use clock::ClockRate;
pub use codec::{AudioCodec, SampleRate};
pub use conceal::Losses;
pub use crossing::Crossing;
pub use error::MediaError;
pub use leg::{
    DropReason, LegInput, LegOutput, LegStatistics, LegTimer, Passage, RelayLeg, Remote, RtcpPath, Verdict,
};
pub use outgoing::{Digit, EventFormat, Outgoing};
pub use outline::{Outline, outline};
pub use pattern::LossPattern;
pub use quality::{HeardFigures, LegQuality, PathQuality, Standing, WindowQuality};
pub use reporting::{RoundTrip, SessionOrigin};
pub use rtp::{PayloadKind, PayloadMap, RtpHeader, RtpPacket};
pub use source::{SourceGuard, SourceVerdict};
pub use span::{Span, SpanKind};
pub use srtp::{MasterKey, SrtpKeys, SrtpSuite};
pub use stereo::{Mixed, Side, StereoMix};
pub use telephone_event::TelephoneEvent;
pub use timeline::{Placement, Timeline, TimelineStatistics};
pub use tone::{ProgressTone, ToneStream, ToneTable};
pub use transcode::Transcoder;
pub use wav::{Expected, Inspection, Repair, VerifyFault, WavFile, WavTrack};

/// Ticks per second of a recording's line, whatever the clocks of what is played on it.
pub const CLOCK_HZ: u32 = 8_000;

/// Ticks of a recording's line per millisecond.
pub const TICKS_PER_MS: i64 = 8;
