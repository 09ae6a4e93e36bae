//! Keys for SRTP in a description (RFC 4568): `a=crypto`, in the suites that are spoken here.
//!
//! It deliberately takes no attribute with more than one key, a key identifier, or a session parameter that would
//! change what is encrypted: such an offer is as none.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Reads with and without padding: some peers leave it out; 40 digits need none anyway.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A suite (RFC 4568 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CryptoSuite {
    /// `AES_CM_128_HMAC_SHA1_80`.
    Aes128Sha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`.
    Aes128Sha1Tag32,
}

impl CryptoSuite {
    /// Every suite, the better one first.
    pub const ALL: [Self; 2] = [Self::Aes128Sha1Tag80, Self::Aes128Sha1Tag32];

    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes128Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// One `a=crypto`: what its sender protects its packets with. It never shows its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Crypto {
    /// Its number, by which an answer names the one that it takes.
    pub tag: u32,
    /// The suite.
    pub suite: CryptoSuite,
    /// Master key and salt, joined.
    pub key: [u8; 30],
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypto").field("tag", &self.tag).field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Crypto {
    /// Reads the value of the attribute; `None` when it is malformed or asks for what is not spoken here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let suite = words.next()?;
        let suite = CryptoSuite::ALL.into_iter().find(|known| known.as_str() == suite)?;
        let inline = words.next()?.strip_prefix("inline:")?;
        let mut fields = inline.split('|');
        let key = BASE64.decode(fields.next()?).ok()?.try_into().ok()?;
        // A lifetime is a number or 2^n; a key identifier has a colon (section 6.1).
        let plain = !inline.contains(';') && fields.all(|field| !field.contains(':'));
        // WSH only advises a window (section 6.3.7).
        let harmless = words.all(|parameter| parameter.starts_with("WSH="));
        (plain && harmless).then_some(Self { tag, suite, key })
    }

    /// Writes the value of the attribute.
    #[must_use]
    pub fn print(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite.as_str(), BASE64.encode(self.key))
    }
}

/// Whether media is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    #[default]
    Off,
    /// Where the peer can do it: offered beside plain RTP (RFC 8643).
    Optional,
    /// Always: who cannot do it is refused.
    Required,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn the_attribute_of_the_rfc_reads_and_prints() {
        let text = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20");
        let crypto = Crypto::parse(&text).expect("RFC 4568 section 9.1 without its key identifier");
        assert_eq!((crypto.tag, crypto.suite), (1, CryptoSuite::Aes128Sha1Tag80));
        assert_eq!(crypto.key.first_chunk(), Some(b"wDfvg&T+)x"));
        assert_eq!(Crypto::parse(&crypto.print()), Some(crypto));
        assert!(!format!("{crypto:?}").contains("119"), "a key does not show itself");
    }

    #[test]
    fn what_is_not_spoken_here_is_no_offer() {
        for bad in [
            String::new(),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=".to_owned(),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
        ] {
            assert_eq!(Crypto::parse(&bad), None, "{bad}");
        }
        assert!(Crypto::parse(&format!("7 AES_CM_128_HMAC_SHA1_32 inline:{KEY} WSH=128")).is_some());
    }
}
