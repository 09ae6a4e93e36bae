//! Any stream, cut into pieces whose size is the first byte: the laws of `tests/laws`.
#![no_main]

#[path = "../../tests/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((piece, stream)) = bytes.split_first() {
        laws::stream(stream, usize::from(*piece));
    }
});
