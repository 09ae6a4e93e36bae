//! SRTP and SRTCP (RFC 3711): AES in counter mode with HMAC-SHA1, as SDES names the suites (RFC 4568 section 6.2).
//!
//! One context is one direction under one master key. It deliberately has no key derivation rate, no MKI and no other
//! cipher, and it knows no SDP: keys are given. The primitives are those of the `RustCrypto` project.

use std::collections::VecDeque;
use std::fmt;

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Bytes of the tag of an SRTCP packet in either suite (RFC 4568 section 6.2.2).
const RTCP_TAG_LEN: usize = 10;
/// Bytes of the word with the flag of encryption and the index of an SRTCP packet.
const RTCP_INDEX_LEN: usize = 4;
/// The fixed part of an RTCP header, which stays readable.
const RTCP_HEADER_LEN: usize = 8;
/// Numbers behind the newest in which a packet may come once (RFC 3711 section 3.3.2 asks for 64).
const WINDOW: u64 = 128;
/// Sources of one direction that are remembered.
const MAX_SOURCES: usize = 16;

/// A suite of SDES.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpSuite {
    /// `AES_CM_128_HMAC_SHA1_80`.
    Aes128Sha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`.
    Aes128Sha1Tag32,
}

impl SrtpSuite {
    fn tag_len(self) -> usize {
        match self {
            Self::Aes128Sha1Tag80 => 10,
            Self::Aes128Sha1Tag32 => 4,
        }
    }
}

/// A master key and its salt. It never shows itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    key: [u8; 16],
    salt: [u8; 14],
}

impl MasterKey {
    /// Takes a key and a salt as SDES joins them.
    #[must_use]
    pub fn new(joined: [u8; 30]) -> Self {
        let (mut key, mut salt) = ([0; 16], [0; 14]);
        key.iter_mut().chain(&mut salt).zip(joined).for_each(|(place, byte)| *place = byte);
        Self { key, salt }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// What both parties of a leg have told each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// The suite of both directions.
    pub suite: SrtpSuite,
    /// What is sent is protected with this.
    pub local: MasterKey,
    /// What is received is protected with this.
    pub remote: MasterKey,
}

/// Both directions of a leg.
#[derive(Debug)]
pub struct SrtpLeg {
    keys: SrtpKeys,
    outbound: Context,
    inbound: Context,
}

impl SrtpLeg {
    /// Begins both directions.
    #[must_use]
    pub fn new(keys: SrtpKeys) -> Self {
        let [outbound, inbound] = [keys.local, keys.remote].map(|key| Context::new(keys.suite, &key));
        Self { keys, outbound, inbound }
    }

    /// Takes the keys of a later exchange: a direction whose key stays goes on where it is.
    #[must_use]
    pub fn rekeyed(self, keys: SrtpKeys) -> Self {
        let Self { keys: old, outbound, inbound } = self;
        let keep = |old_key, key, context| {
            if (old.suite, old_key) == (keys.suite, key) { context } else { Context::new(keys.suite, &key) }
        };
        Self {
            outbound: keep(old.local, keys.local, outbound),
            inbound: keep(old.remote, keys.remote, inbound),
            keys,
        }
    }

    /// Protects an RTP packet; `None` when its number was used before, since a second use would give both away.
    pub fn protect(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.outbound.protect(packet)
    }

    /// Opens an RTP packet; `None` when it is not the peer's, or comes again.
    pub fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.inbound.open(packet)
    }

    /// Protects an RTCP compound.
    pub fn protect_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        self.outbound.protect_rtcp(compound)
    }

    /// Opens an RTCP compound.
    pub fn open_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        self.inbound.open_rtcp(compound)
    }
}

/// The keys of one protocol, derived from the master key (section 4.3.1).
#[derive(Clone)]
struct SessionKeys {
    cipher: [u8; 16],
    salt: [u8; 14],
    authentication: Hmac<Sha1>,
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

impl SessionKeys {
    /// Derives the keys with the labels `first`, `first + 1` and `first + 2`.
    fn derive(master: &MasterKey, first: u8) -> Self {
        let (mut cipher, mut authentication, mut salt) = ([0; 16], [0; 20], [0; 14]);
        let outputs: [&mut [u8]; 3] = [&mut cipher, &mut authentication, &mut salt];
        for (label, output) in (first..).zip(outputs) {
            let mut iv = [0; 16];
            iv.iter_mut().zip(master.salt).for_each(|(place, byte)| *place = byte);
            iv[7] ^= label;
            keystream(&master.key, &iv, output);
        }
        // HMAC fills a shorter key up with zeros itself (RFC 2104 section 2).
        let mut block = [0; 64];
        block.iter_mut().zip(authentication).for_each(|(place, byte)| *place = byte);
        let authentication = Hmac::new(&block.into());
        Self { cipher, salt, authentication }
    }

    /// Encrypts or decrypts (section 4.1.1).
    fn apply(&self, ssrc: u32, index: u64, content: &mut [u8]) {
        let mut iv = [0; 16];
        iv.iter_mut().zip(self.salt).for_each(|(place, byte)| *place = byte);
        let ssrc = iv.iter_mut().skip(4).zip(ssrc.to_be_bytes());
        ssrc.for_each(|(place, byte)| *place ^= byte);
        let index = iv.iter_mut().skip(8).zip(index.to_be_bytes().into_iter().skip(2));
        index.for_each(|(place, byte)| *place ^= byte);
        keystream(&self.cipher, &iv, content);
    }

    fn tag(&self, parts: [&[u8]; 2]) -> [u8; 20] {
        let mut mac = self.authentication.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Compares a tag in a time that tells nothing.
    fn is_tag(&self, parts: [&[u8]; 2], tag: &[u8]) -> bool {
        let mut mac = self.authentication.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_truncated_left(tag).is_ok()
    }
}

fn keystream(key: &[u8; 16], iv: &[u8; 16], content: &mut [u8]) {
    Ctr128BE::<Aes128>::new(key.into(), iv.into()).apply_keystream(content);
}

/// Which numbers of a source have passed.
#[derive(Clone, Copy, Debug)]
struct Passed {
    ssrc: u32,
    highest: u64,
    seen: u128,
}

impl Passed {
    /// Guesses the number without wrap of a sequence number (appendix A).
    fn index_of(&self, sequence: u16) -> u64 {
        let last = u16::try_from(self.highest & 0xffff).unwrap_or_default();
        let step = i64::from(sequence.wrapping_sub(last) as i16);
        self.highest.checked_add_signed(step).unwrap_or_else(|| u64::from(sequence))
    }

    fn is_fresh(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(back) => back < WINDOW && self.seen & (1 << back) == 0,
        }
    }

    fn note(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(step) if step > 0 => {
                self.seen = if step < WINDOW { self.seen << step } else { 0 } | 1;
                self.highest = index;
            }
            _ => {
                self.seen |=
                    1_u128.checked_shl(u32::try_from(self.highest - index).unwrap_or(128)).unwrap_or(0)
            }
        }
    }
}

/// One direction.
#[derive(Debug)]
struct Context {
    suite: SrtpSuite,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    passed: VecDeque<Passed>,
    passed_rtcp: VecDeque<Passed>,
    /// The number of the next compound sent.
    next_rtcp: u32,
}

impl Context {
    fn new(suite: SrtpSuite, master: &MasterKey) -> Self {
        Self {
            suite,
            rtp: SessionKeys::derive(master, 0),
            rtcp: SessionKeys::derive(master, 3),
            passed: VecDeque::new(),
            passed_rtcp: VecDeque::new(),
            next_rtcp: 0,
        }
    }

    fn protect(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (ssrc, index, header_len) = self.place_of(packet)?;
        note(&mut self.passed, ssrc, index);
        let mut protected = packet.to_vec();
        self.rtp.apply(ssrc, index, protected.get_mut(header_len..)?);
        let tag = self.rtp.tag([&protected, &rollover(index)]);
        protected.extend_from_slice(tag.get(..self.suite.tag_len())?);
        Some(protected)
    }

    fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (content, tag) = packet.split_at_checked(packet.len().checked_sub(self.suite.tag_len())?)?;
        let (ssrc, index, header_len) = self.place_of(content)?;
        if !self.rtp.is_tag([content, &rollover(index)], tag) {
            return None;
        }
        note(&mut self.passed, ssrc, index);
        let mut opened = content.to_vec();
        self.rtp.apply(ssrc, index, opened.get_mut(header_len..)?);
        Some(opened)
    }

    /// Returns source and number of an RTP packet and where its content begins; `None` when it is none or has passed.
    fn place_of(&self, packet: &[u8]) -> Option<(u32, u64, usize)> {
        let header_len = header_len(packet)?;
        let &[_, _, high, low, _, _, _, _, a, b, c, d, ..] = packet else { return None };
        let (sequence, ssrc) = (u16::from_be_bytes([high, low]), u32::from_be_bytes([a, b, c, d]));
        let known = self.passed.iter().find(|known| known.ssrc == ssrc);
        let index = known.map_or_else(|| u64::from(sequence), |known| known.index_of(sequence));
        known.is_none_or(|known| known.is_fresh(index)).then_some((ssrc, index, header_len))
    }

    fn protect_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let &[_, _, _, _, a, b, c, d, ..] = compound else { return None };
        let index = self.next_rtcp;
        // Section 3.2.1: the index has 31 bits; beyond, the key would have to be changed.
        self.next_rtcp = index.checked_add(1).filter(|next| *next < 1 << 31)?;
        let mut protected = compound.to_vec();
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        self.rtcp.apply(ssrc, index.into(), protected.get_mut(RTCP_HEADER_LEN..)?);
        protected.extend_from_slice(&(index | 1 << 31).to_be_bytes());
        let tag = self.rtcp.tag([&protected, &[]]);
        protected.extend_from_slice(tag.get(..RTCP_TAG_LEN)?);
        Some(protected)
    }

    fn open_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let (signed, tag) = compound.split_at_checked(compound.len().checked_sub(RTCP_TAG_LEN)?)?;
        if !self.rtcp.is_tag([signed, &[]], tag) {
            return None;
        }
        let (content, word) = signed.split_at_checked(signed.len().checked_sub(RTCP_INDEX_LEN)?)?;
        let word = u32::from_be_bytes(word.try_into().ok()?);
        let (encrypted, index) = (word >> 31 == 1, u64::from(word & 0x7fff_ffff));
        let &[_, _, _, _, a, b, c, d, ..] = content else { return None };
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        let known = self.passed_rtcp.iter().find(|known| known.ssrc == ssrc);
        if known.is_some_and(|known| !known.is_fresh(index)) {
            return None;
        }
        note(&mut self.passed_rtcp, ssrc, index);
        let mut opened = content.to_vec();
        if encrypted {
            self.rtcp.apply(ssrc, index, opened.get_mut(RTCP_HEADER_LEN..)?);
        }
        Some(opened)
    }
}

fn note(passed: &mut VecDeque<Passed>, ssrc: u32, index: u64) {
    if let Some(known) = passed.iter_mut().find(|known| known.ssrc == ssrc) {
        return known.note(index);
    }
    if passed.len() >= MAX_SOURCES {
        passed.pop_front();
    }
    passed.push_back(Passed { ssrc, highest: index, seen: 1 });
}

fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}

/// Returns the length of a packet's readable part: header, CSRC list and extension (section 3.1).
fn header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first().filter(|first| **first >> 6 == 2)?;
    let fixed = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 == 0 {
        return (fixed <= packet.len()).then_some(fixed);
    }
    let &[_, _, high, low] = packet.get(fixed..fixed + 4)? else { return None };
    let whole = fixed + 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    (whole <= packet.len()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::RtpHeader;

    fn bytes(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn master() -> MasterKey {
        let joined = bytes("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        MasterKey::new(joined.try_into().unwrap())
    }

    fn other() -> MasterKey {
        MasterKey::new([7; 30])
    }

    fn pair(suite: SrtpSuite) -> (SrtpLeg, SrtpLeg) {
        let ours = SrtpKeys { suite, local: master(), remote: other() };
        let theirs = SrtpKeys { suite, local: other(), remote: master() };
        (SrtpLeg::new(ours), SrtpLeg::new(theirs))
    }

    fn packet(sequence: u16, content: &[u8]) -> Vec<u8> {
        let header = RtpHeader { payload_type: 8, marker: false, sequence, timestamp: 1, ssrc: 9 };
        header.build(content).unwrap()
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let mut keys = SessionKeys::derive(&master(), 0);
        keys.cipher = bytes("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
        keys.salt = bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
        let mut stream = vec![0; 48];
        keys.apply(0, 0, &mut stream);
        let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        assert_eq!(stream, bytes(expected));
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_are_derived_as_in_the_rfc() {
        let keys = SessionKeys::derive(&master(), 0);
        assert_eq!(keys.cipher.to_vec(), bytes("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(keys.salt.to_vec(), bytes("30CBBC08863D8C85D49DB34A9AE1"));
        let authentication = bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        let expected: Hmac<Sha1> = Hmac::new_from_slice(&authentication).unwrap();
        assert_eq!(
            keys.tag([b"a", b"b"]).to_vec(),
            expected.chain_update(b"ab").finalize().into_bytes().to_vec()
        );
    }

    /// The reference packet of the library libsrtp.
    #[test]
    fn a_packet_is_protected_as_other_implementations_do() {
        let (mut ours, mut theirs) = pair(SrtpSuite::Aes128Sha1Tag80);
        let plain = bytes("800f1234decafbadcafebabe abababababababababababababababab");
        let expected =
            bytes("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
        assert_eq!(ours.protect(&plain).unwrap(), expected);
        assert_eq!(theirs.open(&expected).unwrap(), plain);
    }

    /// RFC 3711 section 4.2: the tag covers the count of wraps, which is not in the packet.
    #[test]
    fn the_tag_covers_the_count_of_wraps() {
        let (mut ours, mut fresh) = pair(SrtpSuite::Aes128Sha1Tag80);
        ours.protect(&packet(65_535, b"before")).unwrap();
        let wrapped = ours.protect(&packet(0, b"after")).unwrap();
        let (content, tag) = wrapped.split_at(wrapped.len() - 10);
        let keys = SessionKeys::derive(&master(), 0);
        assert_eq!(tag, keys.tag([content, &[0, 0, 0, 1]]).get(..10).unwrap());
        assert_eq!(fresh.open(&wrapped), None, "who has not seen the wrap does not believe it");
    }

    #[test]
    fn the_count_of_wraps_is_kept_through_loss_and_disorder() {
        for suite in [SrtpSuite::Aes128Sha1Tag80, SrtpSuite::Aes128Sha1Tag32] {
            let (mut ours, mut theirs) = pair(suite);
            let sent: Vec<Vec<u8>> = (0..200_000_u32)
                .step_by(7)
                .map(|n| packet(u16::try_from(n & 0xffff).unwrap(), &n.to_be_bytes()))
                .collect();
            let protected: Vec<Vec<u8>> = sent.iter().map(|it| ours.protect(it).unwrap()).collect();
            for (pair, plain) in protected.chunks(2).zip(sent.chunks(2)) {
                for (one, wanted) in pair.iter().zip(plain).rev() {
                    assert_eq!(theirs.open(one).as_ref(), Some(wanted), "reordered, some across the wrap");
                }
            }
        }
    }

    #[test]
    fn what_comes_again_or_was_changed_is_refused() {
        let (mut ours, mut theirs) = pair(SrtpSuite::Aes128Sha1Tag80);
        let first = ours.protect(&packet(5, b"hello")).unwrap();
        assert_eq!(ours.protect(&packet(5, b"other")), None, "no number is used twice");
        for at in 0..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 1;
            assert_eq!(theirs.open(&changed), None, "byte {at}");
        }
        assert!(theirs.open(&first).is_some());
        assert_eq!(theirs.open(&first), None, "replayed");
        for sequence in 6..200 {
            theirs.open(&ours.protect(&packet(sequence, b"x")).unwrap()).unwrap();
        }
        assert_eq!(theirs.open(&first), None, "replayed later");
        assert_eq!(theirs.open(&packet(300, b"plain")), None, "a plain packet is none of the peer's");
    }

    #[test]
    fn reports_are_protected_and_opened_once() {
        let (mut ours, mut theirs) = pair(SrtpSuite::Aes128Sha1Tag32);
        let report = bytes("80c90001 00000009");
        let one = ours.protect_rtcp(&report).unwrap();
        let two = ours.protect_rtcp(&report).unwrap();
        assert_ne!(one, two);
        assert_eq!(one.len(), report.len() + 14, "the tag has 80 bits in this suite too");
        assert_eq!(theirs.open_rtcp(&two), Some(report.clone()));
        assert_eq!(theirs.open_rtcp(&one), Some(report.clone()));
        assert_eq!(theirs.open_rtcp(&one), None);
        assert_eq!(theirs.open_rtcp(&report), None);
    }

    #[test]
    fn a_new_key_counts_from_its_exchange_on_and_an_old_one_goes_on() {
        let (mut ours, theirs) = pair(SrtpSuite::Aes128Sha1Tag80);
        let mut theirs = theirs;
        theirs.open(&ours.protect(&packet(65_535, b"before")).unwrap()).unwrap();
        let again = SrtpKeys { suite: SrtpSuite::Aes128Sha1Tag80, local: master(), remote: other() };
        let mut ours = ours.rekeyed(again);
        assert!(theirs.open(&ours.protect(&packet(0, b"wrapped")).unwrap()).is_some(), "one wrap is counted");
        let fresh = MasterKey::new([3; 30]);
        let mut ours = ours.rekeyed(SrtpKeys { local: fresh, ..again });
        let after = ours.protect(&packet(1, b"after")).unwrap();
        assert_eq!(theirs.open(&after), None);
        let told = SrtpKeys { suite: SrtpSuite::Aes128Sha1Tag80, local: other(), remote: fresh };
        let mut theirs = theirs.rekeyed(told);
        assert!(theirs.open(&after).is_some());
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert!(!format!("{:?} {:?}", master(), pair(SrtpSuite::Aes128Sha1Tag80).0).contains("225"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_open_nothing_and_never_panic(
            first in 0x80_u8..0xc0, mut packet in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            if let Some(byte) = packet.first_mut() { *byte = first; }
            let (mut ours, mut theirs) = pair(SrtpSuite::Aes128Sha1Tag80);
            prop_assert_eq!(theirs.open(&packet), None);
            prop_assert_eq!(theirs.open_rtcp(&packet), None);
            let _ = ours.protect_rtcp(&packet);
            if let Some(protected) = ours.protect(&packet) {
                prop_assert_eq!(theirs.open(&protected), Some(packet));
            }
        }
    }
}
