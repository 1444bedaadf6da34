//! Statements of a qualified certificate (RFC 3739 §3.2.6, ETSI EN 319 412-5, ETSI TS 119 495).
//!
//! They say for what a certificate is qualified under eIDAS, and which roles a
//! competent authority granted to a payment service provider. Rules admit by
//! them, so they are read strictly and as a whole: one statement that is read
//! here and is malformed, repeated or contradicts itself leaves the certificate
//! with none. Statements of other types are passed over, whatever they hold.

use der::asn1::{AnyRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use der::{Decode, Reader as _, SliceReader, Tag, Tagged as _};

/// What a certificate says of its qualification; nothing at all where it has no qcStatements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QualifiedStatements {
    /// QcCompliance (EN 319 412-5 §4.2.1): issued as a qualified certificate.
    pub compliance: bool,
    /// QcCClegislation (EN 319 412-5 §4.2.4): ISO 3166 codes of the countries under whose law it is
    /// qualified; empty for the law of the European Union.
    pub legislation: Vec<String>,
    /// QcType (EN 319 412-5 §4.2.3); `None` where it is absent, unknown, or names several.
    pub kind: Option<QualifiedType>,
    /// The PSD2 statement (TS 119 495 §5.1).
    pub psd2: Option<PaymentService>,
}

/// What the key of a qualified certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualifiedType {
    /// Electronic signatures of natural persons.
    Signature,
    /// Electronic seals of legal persons (QSealC).
    Seal,
    /// Authentication of web sites (QWAC).
    Web,
}

impl QualifiedType {
    /// Every one, in the order of their object identifiers.
    pub const ALL: [Self; 3] = [Self::Signature, Self::Seal, Self::Web];

    /// The word of rules and case files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "sign",
            Self::Seal => "seal",
            Self::Web => "web",
        }
    }
}

/// Roles of a payment service provider, and the competent authority that granted them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentService {
    /// `PSP_AS`, `PSP_PI`, `PSP_AI`, `PSP_IC`, or the dotted OID of a role that later editions added; at least one.
    pub roles: Vec<String>,
    /// Name of the competent authority.
    pub authority_name: String,
    /// Its id, such as `GB-FCA`.
    pub authority_id: String,
}

/// Why the statements of a certificate are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementsFault {
    /// Not the DER of the ASN.1 module.
    #[error("the qualified certificate statements are not the DER encoding of EN 319 412-5 and TS 119 495")]
    Encoding,
    /// Two statements of one type: readers pick different ones.
    #[error("a qualified certificate statement occurs twice")]
    Twice,
    /// More statements, roles or countries than any certificate has.
    #[error("the qualified certificate statements have too many entries")]
    TooMany,
    /// A role's name is another role's (TS 119 495 REG-5.2.2-5).
    #[error("the name of a PSD2 role is not that of its object identifier")]
    RoleName,
    /// The statement grants nothing (TS 119 495 GEN-5.2.2-1).
    #[error("the PSD2 statement has no role")]
    NoRole,
    /// A name is empty or longer than 256 characters.
    #[error("a name in the PSD2 statement is empty or too long")]
    Text,
}

impl QualifiedStatements {
    /// Reads the content of the extension qcStatements.
    ///
    /// # Errors
    /// The first [`StatementsFault`] met. The certificate then counts as one without statements.
    pub fn from_der(content: &[u8]) -> Result<Self, StatementsFault> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        for statement in elements(content)? {
            let [id, info @ ..] = &parts(statement)?[..] else { return Err(StatementsFault::Encoding) };
            let id: ObjectIdentifier = decode(*id)?;
            if !KNOWN.contains(&id) {
                continue;
            }
            if seen.contains(&id) {
                return Err(StatementsFault::Twice);
            }
            seen.push(id);
            match info {
                [] if id == COMPLIANCE => found.compliance = true,
                [info] if id == LEGISLATION => found.legislation = countries(*info)?,
                [info] if id == TYPE => found.kind = kind(*info)?,
                [info] if id == PSD2 => found.psd2 = Some(PaymentService::read(*info)?),
                _ => return Err(StatementsFault::Encoding),
            }
        }
        Ok(found)
    }
}

impl PaymentService {
    /// `PSD2QcType ::= SEQUENCE { rolesOfPSP, nCAName, nCAId }`.
    fn read(info: AnyRef<'_>) -> Result<Self, StatementsFault> {
        let [roles, name, id] = parts(info)?[..] else { return Err(StatementsFault::Encoding) };
        let roles: Vec<String> = parts(roles)?.into_iter().map(role).collect::<Result<_, _>>()?;
        if roles.is_empty() {
            return Err(StatementsFault::NoRole);
        }
        Ok(Self { roles, authority_name: text(name)?, authority_id: text(id)? })
    }
}

/// `RoleOfPSP ::= SEQUENCE { roleOfPspOid, roleOfPspName }`.
fn role(role: AnyRef<'_>) -> Result<String, StatementsFault> {
    let [id, name] = parts(role)?[..] else { return Err(StatementsFault::Encoding) };
    let (id, name): (ObjectIdentifier, _) = (decode(id)?, text(name)?);
    match ROLES.iter().find(|(known, _)| *known == id) {
        Some((_, known)) if *known == name => Ok(name),
        Some(_) => Err(StatementsFault::RoleName),
        // Its name is not taken: a role that is not known must not pass for one that is.
        None => Ok(id.to_string()),
    }
}

/// `QcType ::= SEQUENCE OF OBJECT IDENTIFIER`; of several none is chosen.
fn kind(info: AnyRef<'_>) -> Result<Option<QualifiedType>, StatementsFault> {
    let ids = parts(info)?.into_iter().map(decode).collect::<Result<Vec<ObjectIdentifier>, _>>()?;
    let [id] = ids[..] else { return Ok(None) };
    Ok(TYPES.iter().find(|(known, _)| *known == id).map(|(_, kind)| *kind))
}

/// `QcCClegislation ::= SEQUENCE OF PrintableString (SIZE (2))`.
fn countries(info: AnyRef<'_>) -> Result<Vec<String>, StatementsFault> {
    let country = |part: AnyRef<'_>| {
        let text: PrintableStringRef<'_> = decode(part)?;
        let is_code = text.as_str().len() == 2 && text.as_str().bytes().all(|byte| byte.is_ascii_uppercase());
        if is_code { Ok(text.as_str().to_owned()) } else { Err(StatementsFault::Encoding) }
    };
    match parts(info)?.into_iter().map(country).collect::<Result<Vec<_>, _>>()? {
        // No country would read as the law of the Union, which is what an absent statement says.
        none if none.is_empty() => Err(StatementsFault::Encoding),
        countries => Ok(countries),
    }
}

/// `UTF8String (SIZE (1..256))`.
fn text(part: AnyRef<'_>) -> Result<String, StatementsFault> {
    let text: Utf8StringRef<'_> = decode(part)?;
    let text = text.as_str();
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        return Err(StatementsFault::Text);
    }
    Ok(text.to_owned())
}

fn decode<'a, T>(part: AnyRef<'a>) -> Result<T, StatementsFault>
where
    T: TryFrom<AnyRef<'a>>,
{
    T::try_from(part).map_err(|_| StatementsFault::Encoding)
}

/// The elements of the one SEQUENCE that these bytes are.
fn elements(der: &[u8]) -> Result<Vec<AnyRef<'_>>, StatementsFault> {
    parts(AnyRef::from_der(der).map_err(|_| StatementsFault::Encoding)?)
}

/// The elements of a SEQUENCE.
fn parts(sequence: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>, StatementsFault> {
    if sequence.tag() != Tag::Sequence {
        return Err(StatementsFault::Encoding);
    }
    let mut reader = SliceReader::new(sequence.value()).map_err(|_| StatementsFault::Encoding)?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        if parts.len() == MAX_ENTRIES {
            return Err(StatementsFault::TooMany);
        }
        parts.push(AnyRef::decode(&mut reader).map_err(|_| StatementsFault::Encoding)?);
    }
    Ok(parts)
}

/// Entries of one SEQUENCE: the two standards have ten statements and nine roles between them.
const MAX_ENTRIES: usize = 32;

/// TS 119 495 annex A.
const MAX_TEXT: usize = 256;

const COMPLIANCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.1");
const TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.6");
const LEGISLATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.7");
const PSD2: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.19495.2");

/// The statements that are read.
const KNOWN: [ObjectIdentifier; 4] = [COMPLIANCE, TYPE, LEGISLATION, PSD2];

const TYPES: [(ObjectIdentifier, QualifiedType); 3] = [
    (ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.1"), QualifiedType::Signature),
    (ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.2"), QualifiedType::Seal),
    (ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.3"), QualifiedType::Web),
];

/// Roles of a payment service provider (TS 119 495 §5.1), by object identifier.
pub const ROLES: [(ObjectIdentifier, &str); 4] = [
    (ObjectIdentifier::new_unwrap("0.4.0.19495.1.1"), "PSP_AS"),
    (ObjectIdentifier::new_unwrap("0.4.0.19495.1.2"), "PSP_PI"),
    (ObjectIdentifier::new_unwrap("0.4.0.19495.1.3"), "PSP_AI"),
    (ObjectIdentifier::new_unwrap("0.4.0.19495.1.4"), "PSP_IC"),
];

#[cfg(test)]
mod tests;
