//! Distinguished names: read from DER (RFC 5280 §4.1.2.4) or from text
//! (RFC 4514), compared attribute by attribute (RFC 4517 §4.2.15), printed in
//! one form.
//!
//! Printed names are never compared: the string type, the order within a
//! multi-valued RDN, case and spacing all print differently and mean the same,
//! and a comma inside a value prints like a separator that somebody forgot to
//! escape.

mod attribute;
mod text;

use std::fmt;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, Tagged as _};

use attribute::Attribute;

/// A distinguished name: a sequence of RDNs, each a set of attributes.
#[derive(Clone, Debug, Default)]
pub struct DistinguishedName {
    /// In the order of the certificate, which is the reverse of the order of the text.
    rdns: Vec<Vec<Attribute>>,
}

/// Why bytes or text are not a distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not the DER of a Name.
    #[error("not the DER encoding of a distinguished name")]
    Encoding,
    /// No attribute at all. As text this is refused: it would name every certificate without a subject.
    #[error("a distinguished name needs at least one attribute")]
    Empty,
    /// The text is longer than 8 KB.
    #[error("a distinguished name of more than {TEXT_LIMIT} bytes is refused")]
    TooLong,
    /// An attribute type is neither a dotted OID nor a known short name.
    #[error("an attribute type is neither a dotted OID nor a known short name")]
    Type,
    /// An attribute value breaks the escaping rules of RFC 4514 §3.
    #[error("an attribute value breaks the escaping rules of RFC 4514 section 3")]
    Value,
    /// `#` is not followed by the hexadecimal DER of one value.
    #[error("'#' must be followed by the hexadecimal DER encoding of one value")]
    Hex,
}

impl DistinguishedName {
    /// Reads the DER of a Name.
    ///
    /// # Errors
    /// [`InvalidName::Encoding`] for anything else.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidName> {
        let name = AnyRef::from_der(der).map_err(|_| InvalidName::Encoding)?;
        if name.tag() != Tag::Sequence {
            return Err(InvalidName::Encoding);
        }
        let rdns = contents(name.value(), Tag::Set)?
            .into_iter()
            .map(|set| contents(set, Tag::Sequence)?.into_iter().map(read_attribute).collect())
            .collect::<Result<Vec<Vec<_>>, _>>()?;
        if rdns.iter().any(Vec::is_empty) {
            return Err(InvalidName::Encoding);
        }
        Ok(Self { rdns })
    }

    /// Reads RFC 4514 text, as in `tls_client_auth_subject_dn` (RFC 8705 §2.1.2).
    ///
    /// Beyond RFC 4514 §3 it takes the short names that certificate authorities
    /// print (`organizationIdentifier`, `serialNumber`, `jurisdictionC` …) and
    /// RFC 2253's spaces around separators. The quoted values, semicolons and
    /// `OID.` prefixes of older forms are refused.
    ///
    /// # Errors
    /// [`InvalidName`] with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        text::read(text).map(|(mut rdns, _)| {
            rdns.reverse();
            Self { rdns }
        })
    }

    /// Whether a text is a name in the form in which names are printed here: no spaces around separators, the
    /// short names of RFC 4514 §3 for the types that have one, `OID=#hex` for every other type.
    pub fn is_canonical_text(text: &str) -> bool {
        text::read(text).is_ok_and(|(_, form)| form == text::Form::Canonical)
    }

    /// The DER of a Name, each value under the string type that it came with.
    pub fn to_der(&self) -> Vec<u8> {
        let rdns = self.rdns.iter().map(|rdn| {
            let mut attributes: Vec<Vec<u8>> = rdn.iter().map(Attribute::to_der).collect();
            // A SET OF is sorted (X.690 §11.6).
            attributes.sort_unstable();
            element(Tag::Set, &attributes.concat())
        });
        element(Tag::Sequence, &rdns.collect::<Vec<_>>().concat())
    }

    /// RFC 4517 `distinguishedNameMatch`: as many RDNs in the same order, each RDN compared as a set, each value
    /// with `caseIgnoreMatch` on its decoded text, whatever string type encodes it.
    ///
    /// Stricter than RFC 4518: no character is dropped or replaced by a look-alike, so a NUL or an invisible
    /// character makes a difference. Values that are not strings are compared as DER.
    pub fn matches(&self, other: &Self) -> bool {
        self.rdns.len() == other.rdns.len() && self.rdns.iter().zip(&other.rdns).all(|(a, b)| same_set(a, b))
    }

    /// The decoded texts of every attribute of this type (dotted OID), in the order of the certificate.
    pub fn values(&self, oid: &str) -> impl Iterator<Item = &str> {
        self.attributes(oid).filter_map(Attribute::text)
    }

    /// The one value of this type; `None` where there is none, more than one, or one that is not text.
    pub fn only(&self, oid: &str) -> Option<&str> {
        let mut found = self.attributes(oid);
        match (found.next(), found.next()) {
            (Some(attribute), None) => attribute.text(),
            _ => None,
        }
    }

    fn attributes(&self, oid: &str) -> impl Iterator<Item = &Attribute> {
        self.rdns.iter().flatten().filter(move |attribute| attribute.oid() == oid)
    }
}

/// The form of Open Finance Brasil (DCR profile ID3 §7.1.2): the reverse of the
/// certificate's order, short names for the types of RFC 4514 §3, and for every
/// other type the dotted OID and the DER of the value in lower-case hexadecimal.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rdn) in self.rdns.iter().rev().enumerate() {
            for (j, attribute) in rdn.iter().enumerate() {
                match (i, j) {
                    (0, 0) => {}
                    (_, 0) => f.write_str(",")?,
                    _ => f.write_str("+")?,
                }
                attribute.fmt(f)?;
            }
        }
        Ok(())
    }
}

fn same_set(a: &[Attribute], b: &[Attribute]) -> bool {
    a.len() == b.len() && sorted_keys(a) == sorted_keys(b)
}

fn sorted_keys(rdn: &[Attribute]) -> Vec<(&str, attribute::Comparable<'_>)> {
    let mut keys: Vec<_> = rdn.iter().map(Attribute::key).collect();
    keys.sort_unstable();
    keys
}

/// The contents of the elements that follow each other in `bytes`, all of which have this tag.
fn contents(bytes: &[u8], tag: Tag) -> Result<Vec<&[u8]>, InvalidName> {
    let mut reader = SliceReader::new(bytes).map_err(|_| InvalidName::Encoding)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        match AnyRef::decode(&mut reader) {
            Ok(element) if element.tag() == tag => elements.push(element.value()),
            _ => return Err(InvalidName::Encoding),
        }
    }
    Ok(elements)
}

/// Tag, length and these contents.
fn element(tag: Tag, contents: &[u8]) -> Vec<u8> {
    // Fails beyond 256 MB, and what is printed here was read within kilobytes.
    AnyRef::new(tag, contents).and_then(|element| element.to_der()).unwrap_or_default()
}

/// `AttributeTypeAndValue ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY }`, without its header.
fn read_attribute(bytes: &[u8]) -> Result<Attribute, InvalidName> {
    let mut reader = SliceReader::new(bytes).map_err(|_| InvalidName::Encoding)?;
    let oid: ObjectIdentifier = ObjectIdentifier::decode(&mut reader).map_err(|_| InvalidName::Encoding)?;
    let value = reader.read_slice(reader.remaining_len()).map_err(|_| InvalidName::Encoding)?;
    Attribute::from_der(oid.to_string(), value).ok_or(InvalidName::Encoding)
}

/// A stranger chooses the text, and no certificate authority issues names that come near this.
const TEXT_LIMIT: usize = 8 * 1024;

#[cfg(test)]
mod tests;
