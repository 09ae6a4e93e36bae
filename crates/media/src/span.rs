//! Marked stretches of a recording: what an ear cannot know about a silence.
//!
//! Spans also have a text form, one `kind from_ms until_ms` per line, kept beside a recording that is being
//! written so that a crash does not forget them.

use std::fmt::{self, Write as _};

use crate::{MediaError, SampleRate, TICKS_PER_MS};

/// Beyond this many spans of one recording, nearby losses are joined.
const MAX_SPANS: usize = 4_096;

/// Distance at which losses are joined when there are too many, in milliseconds.
const JOIN_MS: u64 = 1_000;

/// Why a stretch is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanKind {
    /// A party was on hold.
    Hold,
    /// Packets or their storage were lost: what is heard of that side is silence, or was concealed.
    Loss,
    /// Recording was paused: both sides are silent.
    Masked,
    /// The call was being transferred.
    Transfer,
}

impl SpanKind {
    /// Returns the word used in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Loss => "loss",
            Self::Masked => "masked",
            Self::Transfer => "transfer",
        }
    }

    /// Returns the kind of an API word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Hold, Self::Loss, Self::Masked, Self::Transfer].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for SpanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One marked stretch, in milliseconds from the recording's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Why it is marked.
    pub kind: SpanKind,
    /// First millisecond.
    pub from_ms: u64,
    /// First millisecond after it.
    pub until_ms: u64,
}

impl Span {
    /// Makes a span of the ticks `from..until`, rounded outwards to whole milliseconds.
    #[must_use]
    pub fn of_ticks(kind: SpanKind, from: i64, until: i64) -> Self {
        let from_ms = u64::try_from(from / TICKS_PER_MS).unwrap_or_default();
        let until_ms = u64::try_from((until + TICKS_PER_MS - 1) / TICKS_PER_MS).unwrap_or_default();
        Self { kind, from_ms, until_ms }
    }

    /// Makes a span of the frames `from..until` of a file, rounded outwards to whole milliseconds.
    #[must_use]
    pub fn of_frames(kind: SpanKind, from: u64, until: u64, rate: SampleRate) -> Self {
        Self { kind, from_ms: from / rate.per_ms(), until_ms: until.div_ceil(rate.per_ms()) }
    }
}

/// Sorts spans by time, joins those of one kind that touch, and cuts them to the recording's length.
#[must_use]
pub fn settle(mut spans: Vec<Span>, duration_ms: u64) -> Vec<Span> {
    spans.retain_mut(|span| {
        span.until_ms = span.until_ms.min(duration_ms);
        span.from_ms < span.until_ms
    });
    spans.sort_unstable_by_key(|span| (span.kind, span.from_ms, span.until_ms));
    let reach_ms = if spans.len() > MAX_SPANS { JOIN_MS } else { 0 };
    let mut settled: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        let reach_ms = if span.kind == SpanKind::Loss { reach_ms } else { 0 };
        match settled.last_mut() {
            Some(last) if last.kind == span.kind && span.from_ms <= last.until_ms + reach_ms => {
                last.until_ms = last.until_ms.max(span.until_ms);
            }
            _ => settled.push(span),
        }
    }
    settled.sort_unstable_by_key(|span| (span.from_ms, span.until_ms, span.kind));
    settled
}

/// Writes spans as text.
#[must_use]
pub fn print(spans: &[Span]) -> String {
    let mut text = String::new();
    for span in spans {
        let _ = writeln!(text, "{} {} {}", span.kind, span.from_ms, span.until_ms);
    }
    text
}

/// Reads spans from text. A last line without its line feed is what a crash left: it is ignored.
///
/// # Errors
/// [`MediaError::SpanLine`] with the number of the line that is not understood.
pub fn parse(text: &str) -> Result<Vec<Span>, MediaError> {
    let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(at, line)| parse_line(line).ok_or(MediaError::SpanLine { line: at + 1 })).collect()
}

fn parse_line(line: &str) -> Option<Span> {
    let mut words = line.split(' ');
    let span = Span {
        kind: SpanKind::from_word(words.next()?)?,
        from_ms: words.next()?.parse().ok()?,
        until_ms: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(kind: SpanKind, from_ms: u64, until_ms: u64) -> Span {
        Span { kind, from_ms, until_ms }
    }

    #[test]
    fn spans_that_touch_become_one_and_end_with_the_recording() {
        let spans = vec![
            span(SpanKind::Loss, 40, 60),
            span(SpanKind::Loss, 20, 40),
            span(SpanKind::Hold, 30, 50),
            span(SpanKind::Loss, 90, 200),
            span(SpanKind::Loss, 300, 400),
        ];
        assert_eq!(
            settle(spans, 100),
            [span(SpanKind::Loss, 20, 60), span(SpanKind::Hold, 30, 50), span(SpanKind::Loss, 90, 100)]
        );
    }

    #[test]
    fn spans_read_back_as_printed_and_a_torn_last_line_is_ignored() {
        let spans = [span(SpanKind::Masked, 1, 2), span(SpanKind::Transfer, 3, 4)];
        let text = print(&spans);
        assert_eq!(parse(&text).unwrap(), spans);
        assert_eq!(parse(&text[..text.len() - 2]).unwrap(), spans[..1]);
        assert!(parse("loss 1\n").is_err());
        assert!(parse("noise 1 2\n").is_err());
    }

    #[test]
    fn too_many_losses_are_joined() {
        let spans: Vec<Span> = (0..10_000).map(|n| span(SpanKind::Loss, n * 100, n * 100 + 20)).collect();
        assert_eq!(settle(spans, 10_000_000), [span(SpanKind::Loss, 0, 999_920)]);
    }
}
