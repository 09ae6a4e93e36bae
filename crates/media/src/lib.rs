//! Media without sockets: RTP and RTCP views, the relay's source guard, timelines and stereo WAV files.
//!
//! Everything here is driven from outside: bytes and instants come in, verdicts, samples and spans go out.
//! It deliberately opens no socket, reads no clock and names no file. It transcodes nothing: payloads that
//! are relayed stay untouched, G.711 is decoded for recordings only.
//!
//! RFC 3550 (RTP, RTCP), RFC 3551 (static payload types), RFC 3389 (comfort noise), RFC 4733 (telephone
//! events), ITU-T G.711.

pub mod error;
pub mod g711;
pub mod leg;
pub mod outline;
pub mod rtcp;
pub mod rtp;
pub mod sequence;
pub mod source;
pub mod span;
pub mod stereo;
pub mod telephone_event;
pub mod timeline;
pub mod tone;
pub mod wav;

pub use error::MediaError;
pub use leg::{DropReason, LegInput, LegOutput, LegStatistics, LegTimer, RelayLeg, Remote, Verdict};
pub use outline::{Outline, outline};
pub use rtp::{PayloadKind, PayloadMap, RtpHeader, RtpPacket};
pub use source::{SourceGuard, SourceVerdict};
pub use span::{Span, SpanKind};
pub use stereo::{Mixed, Side, StereoMix};
pub use telephone_event::TelephoneEvent;
pub use timeline::{Placement, Timeline, TimelineStatistics};
pub use tone::{Law, ProgressTone, ToneStream, ToneTable};
pub use wav::{Expected, Inspection, Repair, VerifyFault, WavFile, WavTrack};

/// Samples per second of every stream and file: G.711 and telephone events run at 8 kHz.
pub const SAMPLE_RATE_HZ: u32 = 8_000;

/// Samples per millisecond at [`SAMPLE_RATE_HZ`].
pub const SAMPLES_PER_MS: i64 = 8;
