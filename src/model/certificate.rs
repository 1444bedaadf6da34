//! The fields of a certificate that decisions look at (RFC 5280).
//!
//! Reading is not judging: a certificate with a critical extension that nobody
//! here knows is read all the same, so that its refusal can be recorded with its
//! subject. Names are read by [`DistinguishedName`] and not by `x509-cert`,
//! which knows no UniversalString and reorders multi-valued RDNs.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Encode as _, Reader as _, Sequence, SliceReader, Tag, Tagged as _};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use x509_cert::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage as KeyUsageBits};
use x509_cert::spki::{self, ObjectIdentifier};
use x509_cert::time::{Time, Validity};

use super::digest::Digest;
use super::key::Jwk;
use super::name::DistinguishedName;
use super::time::Timestamp;

mod organization;
mod public_key;
mod qualified;

pub use organization::Organization;
pub use qualified::{PaymentService, QualifiedStatements, QualifiedType, ROLES, StatementsFault};

/// One certificate, read.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Subject, as a sequence of RDNs.
    pub subject: DistinguishedName,
    /// Issuer, as a sequence of RDNs.
    pub issuer: DistinguishedName,
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the DER (`x5t#S256`, RFC 8705 §3.1).
    pub thumbprint: Digest,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity, a whole second that still belongs to it.
    pub not_after: Timestamp,
    /// dNSName entries of subjectAltName.
    pub dns_names: Vec<String>,
    /// uniformResourceIdentifier entries of subjectAltName.
    pub uris: Vec<String>,
    /// rfc822Name entries of subjectAltName.
    pub emails: Vec<String>,
    /// keyUsage; `None` where the extension is absent.
    pub key_usage: Option<KeyUsage>,
    /// extendedKeyUsage, dotted; `None` where the extension is absent.
    pub extended_key_usage: Option<Vec<String>>,
    /// Whether basicConstraints says that it is a CA.
    pub is_authority: bool,
    /// qcStatements; what it comes to where the extension is absent or cannot be read is [`Certificate::qualified`].
    pub statements: Result<QualifiedStatements, StatementsFault>,
    /// The public key.
    pub key: PublicKeyFacts,
    /// SHA-256 of the SubjectPublicKeyInfo, which a renewed certificate may keep (RFC 7469 §2.4).
    pub key_thumbprint: Digest,
}

/// The bits of keyUsage that matter here (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// May sign a handshake.
    pub digital_signature: bool,
    /// May sign certificates.
    pub key_cert_sign: bool,
    /// May sign revocation lists.
    pub crl_sign: bool,
}

/// Kind and size of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyFacts {
    /// RSA, with the size of its modulus.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An elliptic curve that dcrgate knows.
    Ec {
        /// Bits of the field: 256, 384 or 521.
        bits: usize,
    },
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Anything else.
    Other,
}

/// Why bytes are not a certificate, or certificates not a chain that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// Not the DER of a certificate.
    #[error("not the DER encoding of an X.509 certificate")]
    Encoding,
    /// X.509 version 1 or 2, which have no extensions and so cannot say what they are for.
    #[error("not an X.509 version 3 certificate")]
    Version,
    /// An extension of RFC 5280 is malformed or occurs twice.
    #[error("a certificate extension is malformed or occurs twice")]
    Extension,
    /// A chain without a certificate.
    #[error("no certificate was presented")]
    Empty,
    /// More certificates than a chain may have.
    #[error("more certificates than a chain may have")]
    TooMany,
    /// More bytes than a chain may have.
    #[error("the certificate chain is too large")]
    TooLarge,
}

impl Certificate {
    /// Reads one certificate.
    ///
    /// # Errors
    /// [`InvalidCertificate`] where it is not DER, not version 3, or an extension that is read here is malformed.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        let tbs = Signed::from_der(der).map_err(|_| InvalidCertificate::Encoding)?.tbs;
        if tbs.version != Version::V3 {
            return Err(InvalidCertificate::Version);
        }
        let name = |name: AnyRef<'_>| {
            let der = name.to_der().map_err(|_| InvalidCertificate::Encoding)?;
            DistinguishedName::from_der(&der).map_err(|_| InvalidCertificate::Encoding)
        };
        let names = AlternativeNames::read(&tbs)?;
        let key_usage = tbs.extension::<KeyUsageBits>(KEY_USAGE)?.map(|bits| KeyUsage {
            digital_signature: bits.digital_signature(),
            key_cert_sign: bits.key_cert_sign(),
            crl_sign: bits.crl_sign(),
        });
        let purposes = tbs.extension::<ExtendedKeyUsage>(EXTENDED_KEY_USAGE)?;
        Ok(Self {
            subject: name(tbs.subject)?,
            issuer: name(tbs.issuer)?,
            serial: serial(tbs.serial)?,
            thumbprint: Digest::of(der),
            not_before: timestamp(tbs.validity.not_before),
            not_after: timestamp(tbs.validity.not_after),
            dns_names: names.dns,
            uris: names.uris,
            emails: names.emails,
            key_usage,
            extended_key_usage: purposes.map(|list| list.0.iter().map(ToString::to_string).collect()),
            is_authority: tbs.extension::<BasicConstraints>(BASIC_CONSTRAINTS)?.is_some_and(|basic| basic.ca),
            statements: tbs
                .content(QUALIFIED_STATEMENTS)?
                .map_or_else(|| Ok(QualifiedStatements::default()), QualifiedStatements::from_der),
            key: PublicKeyFacts::of(&tbs.key),
            key_thumbprint: Digest::of(&tbs.key.to_der().map_err(|_| InvalidCertificate::Encoding)?),
        })
    }

    /// What it says of its qualification. Statements that cannot be read are none: nothing is granted for them.
    pub fn qualified(&self) -> &QualifiedStatements {
        const NONE: &QualifiedStatements =
            &QualifiedStatements { compliance: false, legislation: Vec::new(), kind: None, psd2: None };
        self.statements.as_ref().unwrap_or(NONE)
    }

    /// The public key of a certificate that signs tokens, with the thumbprint as its id; `None` for one that
    /// dcrgate does not verify signatures with.
    pub fn verifying_key(der: &[u8]) -> Option<Jwk> {
        let material = public_key::material(&Signed::from_der(der).ok()?.tbs.key)?;
        let key_id = Digest::of(der).base64url().into();
        Some(Jwk { key_id, algorithm: None, usage: None, operations: None, material })
    }

    /// The SubjectPublicKeyInfo, which is all that proving possession looks at.
    ///
    /// # Errors
    /// [`InvalidCertificate::Encoding`] where the bytes are not a certificate.
    pub fn public_key_of(der: &[u8]) -> Result<SubjectPublicKeyInfoDer<'static>, InvalidCertificate> {
        Signed::from_der(der)
            .and_then(|signed| signed.tbs.key.to_der())
            .map(SubjectPublicKeyInfoDer::from)
            .map_err(|_| InvalidCertificate::Encoding)
    }
}

/// `Certificate` of RFC 5280 §4.1.
#[derive(Sequence)]
struct Signed<'a> {
    tbs: ToBeSigned<'a>,
    _algorithm: AnyRef<'a>,
    _signature: BitStringRef<'a>,
}

/// `TBSCertificate` of RFC 5280 §4.1, with names left as they are.
#[derive(Sequence)]
struct ToBeSigned<'a> {
    #[asn1(context_specific = "0", default = "Default::default")]
    version: Version,
    serial: AnyRef<'a>,
    _signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    key: PublicKey<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    _issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    _subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `SubjectPublicKeyInfo`.
#[derive(Sequence)]
struct PublicKey<'a> {
    algorithm: spki::AlgorithmIdentifierRef<'a>,
    bits: BitStringRef<'a>,
}

impl ToBeSigned<'_> {
    fn content(&self, id: ObjectIdentifier) -> Result<Option<&[u8]>, InvalidCertificate> {
        content(self.extensions.as_deref().unwrap_or_default(), id)
    }

    fn extension<'a, T: Decode<'a>>(&'a self, id: ObjectIdentifier) -> Result<Option<T>, InvalidCertificate> {
        self.content(id)?.map(T::from_der).transpose().map_err(|_| InvalidCertificate::Extension)
    }
}

/// The content of one extension, which occurs at most once (RFC 5280 §4.2).
pub(super) fn content(extensions: &[Extension], id: ObjectIdentifier) -> Result<Option<&[u8]>, InvalidCertificate> {
    let mut found = extensions.iter().filter(|extension| extension.extn_id == id);
    match (found.next(), found.next()) {
        (first, None) => Ok(first.map(|extension| extension.extn_value.as_bytes())),
        _ => Err(InvalidCertificate::Extension),
    }
}

/// The entries of subjectAltName that are text (RFC 5280 §4.2.1.6).
#[derive(Default)]
struct AlternativeNames {
    dns: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
}

impl AlternativeNames {
    /// Other entries, such as the otherName of ICP-Brasil, are passed over whatever they hold.
    fn read(tbs: &ToBeSigned<'_>) -> Result<Self, InvalidCertificate> {
        let mut names = Self::default();
        let Some(content) = tbs.content(SUBJECT_ALTERNATIVE_NAME)? else { return Ok(names) };
        let sequence = AnyRef::from_der(content).ok().filter(|any| any.tag() == Tag::Sequence);
        let sequence = sequence.ok_or(InvalidCertificate::Extension)?;
        let mut reader = SliceReader::new(sequence.value()).map_err(|_| InvalidCertificate::Extension)?;
        while !reader.is_finished() {
            let entry = AnyRef::decode(&mut reader).map_err(|_| InvalidCertificate::Extension)?;
            let Tag::ContextSpecific { constructed: false, number } = entry.tag() else { continue };
            let list = match number.value() {
                1 => &mut names.emails,
                2 => &mut names.dns,
                6 => &mut names.uris,
                _ => continue,
            };
            let text = std::str::from_utf8(entry.value()).ok().filter(|text| text.is_ascii());
            list.push(text.ok_or(InvalidCertificate::Extension)?.to_owned());
        }
        Ok(names)
    }
}

/// Lower-case hexadecimal without the sign byte of DER.
fn serial(number: AnyRef<'_>) -> Result<String, InvalidCertificate> {
    if number.tag() != Tag::Integer || number.value().is_empty() {
        return Err(InvalidCertificate::Encoding);
    }
    let digits: String = number.value().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(match digits.strip_prefix("00") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => digits,
    })
}

pub(super) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_unix_seconds(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const QUALIFIED_STATEMENTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.3");

#[cfg(test)]
mod tests;
