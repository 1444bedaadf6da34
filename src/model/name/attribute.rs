//! One attribute of a distinguished name: its type, its value as DER and, where
//! the value is a string, as text (RFC 5280 §4.1.2.4, RFC 4514 §2.3 and §2.4).
//!
//! A value is decoded as a whole or not at all: no byte is dropped, replaced or
//! taken for an end.

use std::fmt;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Length, Reader as _, SliceReader, Tag};

/// Type and value.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    oid: String,
    /// Tag, length and content.
    der: Vec<u8>,
    text: Option<String>,
}

/// What `caseIgnoreMatch` (RFC 4517 §4.2.11) compares.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Comparable<'a> {
    /// Case folded, insignificant spaces removed.
    Text(String),
    /// Not a string.
    Der(&'a [u8]),
}

impl Attribute {
    /// From the DER of one value, tag and length included.
    pub(super) fn from_der(oid: String, der: &[u8]) -> Option<Self> {
        let (tag, content) = split(der)?;
        Some(Self { oid, der: der.to_vec(), text: decode(tag, content) })
    }

    /// From text, encoded with the string type that RFC 5280 appendix A.1 gives the attribute type.
    pub(super) fn from_text(oid: String, text: String) -> Option<Self> {
        let tag = match oid.as_str() {
            "2.5.4.6" | "2.5.4.5" | "2.5.4.46" | "1.3.6.1.4.1.311.60.2.1.3" if text.is_ascii() => Tag::PrintableString,
            "0.9.2342.19200300.100.1.25" | "1.2.840.113549.1.9.1" if text.is_ascii() => Tag::Ia5String,
            _ => Tag::Utf8String,
        };
        let der = AnyRef::new(tag, text.as_bytes()).and_then(|value| value.to_der()).ok()?;
        Some(Self { oid, der, text: Some(text) })
    }

    /// The DER of an AttributeTypeAndValue.
    pub(super) fn to_der(&self) -> Vec<u8> {
        let oid = ObjectIdentifier::new(&self.oid).ok().and_then(|oid| oid.to_der().ok()).unwrap_or_default();
        super::element(Tag::Sequence, &[oid, self.der.clone()].concat())
    }

    pub(super) fn oid(&self) -> &str {
        &self.oid
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Equal for attributes that match.
    pub(super) fn key(&self) -> (&str, Comparable<'_>) {
        let value = self.text.as_deref().map_or(Comparable::Der(&self.der), |text| Comparable::Text(fold(text)));
        (&self.oid, value)
    }
}

/// `CN=text` for the types of RFC 4514 §3, `2.5.4.97=#hex` for the others.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (printed_name(&self.oid), &self.text) {
            (Some(name), Some(text)) => {
                write!(f, "{name}=")?;
                write_escaped(f, text)
            }
            (name, _) => {
                write!(f, "{}=#", name.unwrap_or(&self.oid))?;
                self.der.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// The short name under which a type is printed: RFC 4514 §3 has nine, and all implementations know them.
pub(super) fn printed_name(oid: &str) -> Option<&'static str> {
    SHORT_NAMES.iter().take(PRINTED).find(|(_, known)| *known == oid).map(|(name, _)| *name)
}

/// The type of a short name, in any case.
pub(super) fn oid_of(name: &str) -> Option<&'static str> {
    SHORT_NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, oid)| *oid)
}

/// Tag and content of a value that fills `der` exactly. The tag is read as a byte: `der` does not know UniversalString.
fn split(der: &[u8]) -> Option<(u8, &[u8])> {
    let mut reader = SliceReader::new(der).ok()?;
    let tag = reader.read_byte().ok()?;
    let length = Length::decode(&mut reader).ok()?;
    let content = reader.read_slice(length).ok()?;
    let multi_byte_tag = tag & 0x1f == 0x1f;
    (reader.is_finished() && !multi_byte_tag).then_some((tag, content))
}

/// The text of a string value; `None` for other types and for bytes that the string type does not allow.
fn decode(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING => std::str::from_utf8(content).ok().map(str::to_owned),
        PRINTABLE_STRING | IA5_STRING | NUMERIC_STRING | VISIBLE_STRING => {
            content.is_ascii().then(|| content.iter().copied().map(char::from).collect())
        }
        // T.61 in name only: what certificate authorities wrote under this tag is Latin-1.
        TELETEX_STRING => Some(content.iter().copied().map(char::from).collect()),
        BMP_STRING => {
            let (units, rest) = content.as_chunks::<2>();
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).collect::<Result<_, _>>().ok().filter(|_| rest.is_empty())
        }
        UNIVERSAL_STRING => {
            let (units, rest) = content.as_chunks::<4>();
            let units = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
            units.collect::<Option<_>>().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// `caseIgnoreMatch`: case folded, leading and trailing spaces dropped, inner ones collapsed (RFC 4518 §2.6.1).
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

/// RFC 4514 §2.4; characters that steer a terminal or hide text are escaped too.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (i, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
            '#' if i == 0 => f.write_str("\\#")?,
            ' ' if i == 0 || i == last => f.write_str("\\ ")?,
            _ if c.is_control() || is_invisible(c) => {
                c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
            }
            _ => write!(f, "{c}")?,
        }
    }
    Ok(())
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// How many of [`SHORT_NAMES`] are printed.
const PRINTED: usize = 9;

/// First the table of RFC 4514 §3, then names that OpenSSL, RFC 4519 and certificate authorities write.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("commonName", "2.5.4.3"),
    ("localityName", "2.5.4.7"),
    ("stateOrProvinceName", "2.5.4.8"),
    ("organizationName", "2.5.4.10"),
    ("organizationalUnitName", "2.5.4.11"),
    ("countryName", "2.5.4.6"),
    ("streetAddress", "2.5.4.9"),
    ("domainComponent", "0.9.2342.19200300.100.1.25"),
    ("userId", "0.9.2342.19200300.100.1.1"),
    ("organizationIdentifier", "2.5.4.97"),
    ("serialNumber", "2.5.4.5"),
    ("businessCategory", "2.5.4.15"),
    ("jurisdictionC", "1.3.6.1.4.1.311.60.2.1.3"),
    ("jurisdictionCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
    ("jurisdictionOfIncorporationCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
    ("jurisdictionST", "1.3.6.1.4.1.311.60.2.1.2"),
    ("jurisdictionStateOrProvinceName", "1.3.6.1.4.1.311.60.2.1.2"),
    ("jurisdictionL", "1.3.6.1.4.1.311.60.2.1.1"),
    ("jurisdictionLocalityName", "1.3.6.1.4.1.311.60.2.1.1"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("E", "1.2.840.113549.1.9.1"),
    ("surname", "2.5.4.4"),
    ("givenName", "2.5.4.42"),
    ("title", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("postalCode", "2.5.4.17"),
    ("pseudonym", "2.5.4.65"),
    ("dnQualifier", "2.5.4.46"),
];
