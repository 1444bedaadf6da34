//! SHA-256, the one digest of records, bodies and certificates.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;

/// 32 bytes of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    /// Of these parts one after the other; the caller sees to it that the parts cannot be confused.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut running = digest::Context::new(&digest::SHA256);
        for part in parts {
            running.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(running.finish().as_ref());
        Self(bytes)
    }

    /// From 32 stored bytes; `None` for another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From 64 hexadecimal digits, with or without colons, or 43 characters of base64url; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let base64url = || base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok();
        Self::from_hex(text).or_else(|| Self::from_bytes(&base64url()?))
    }

    fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
        let value = |digit: &char| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[char]| match pair {
            [high, low] => Some(value(high)? << 4 | value(low)?),
            _ => None,
        };
        Self::from_bytes(&digits.chunks(2).map(pair).collect::<Option<Vec<u8>>>()?)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// base64url without padding, as `x5t#S256` (RFC 8705 §3.1) and thumbprints (RFC 7638) print it.
    pub fn base64url(&self) -> String {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            if let ([high, low], Some(h), Some(l)) =
                (pair, HEX.get(usize::from(byte >> 4)), HEX.get(usize::from(byte & 15)))
            {
                (*high, *low) = (*h, *l);
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_empty_string() {
        assert_eq!(Digest::of(b"").to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Digest::of_parts(&[b"a", b"b"]), Digest::of(b"ab"));
    }

    #[test]
    fn read_in_every_form_that_tools_print() {
        let digest = Digest::of(b"");
        let colons = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        for text in [colons, &colons.replace(':', ""), &digest.to_string(), &digest.base64url()] {
            assert_eq!(Digest::parse(text), Some(digest), "{text}");
        }
        for text in [
            "",
            "e3b0",
            &format!("{digest}00"),
            digest.base64url().trim_start_matches('4'),
            &format!("{}=", digest.base64url()),
        ] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }
}
