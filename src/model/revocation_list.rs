//! The head of a certificate revocation list (RFC 5280 §5): which list is the
//! newer one, and when it holds. Its signature and its entries are webpki's.

use std::cmp::Ordering;

use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode as _, Encode as _, Reader as _, Sequence, SliceReader, Tagged as _};
use x509_cert::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;
use x509_cert::spki::ObjectIdentifier;
use x509_cert::time::Time;

use super::certificate::{content, timestamp};
use super::name::DistinguishedName;
use super::time::Timestamp;

/// What identifies a list among others, and when it holds.
#[derive(Clone, Debug)]
pub struct RevocationListHead {
    /// Lists with equal series replace each other.
    pub series: Series,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate: a list without one is refused (RFC 5280 §5.1.2.5).
    pub next_update: Timestamp,
    /// cRLNumber, big-endian without leading zeros.
    number: Option<Vec<u8>>,
}

/// Issuer, issuer's key and scope: what one series of ever newer lists has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    issuer: Vec<u8>,
    authority_key: Option<Vec<u8>>,
    scope: Option<Vec<u8>>,
}

/// The bytes are not a revocation list that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version 2 certificate revocation list with nextUpdate")]
pub struct InvalidRevocationList;

impl RevocationListHead {
    /// Reads the head of a list.
    ///
    /// # Errors
    /// [`InvalidRevocationList`] where it is not DER, not version 2, without nextUpdate, or an extension that is
    /// read here is malformed or occurs twice.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidRevocationList> {
        let signed = Signed::from_der(der).map_err(|_| InvalidRevocationList)?;
        let list = List::read(signed.list.value()).map_err(|_| InvalidRevocationList)?;
        let authority_key = list.extension(AUTHORITY_KEY_IDENTIFIER)?.map(AuthorityKeyIdentifier::from_der).transpose();
        let number = list.extension(CRL_NUMBER)?.map(UintRef::from_der).transpose();
        Ok(Self {
            series: Series {
                issuer: list.issuer.to_der().map_err(|_| InvalidRevocationList)?,
                authority_key: authority_key
                    .map_err(|_| InvalidRevocationList)?
                    .and_then(|identifier| identifier.key_identifier)
                    .map(|key| key.as_bytes().to_vec()),
                scope: list.extension(ISSUING_DISTRIBUTION_POINT)?.map(<[u8]>::to_vec),
            },
            this_update: timestamp(list.this_update),
            next_update: timestamp(list.next_update),
            number: number.map_err(|_| InvalidRevocationList)?.map(|number| number.as_bytes().to_vec()),
        })
    }

    /// Whether the issuer has this name.
    pub fn is_issued_by(&self, name: &DistinguishedName) -> bool {
        DistinguishedName::from_der(&self.series.issuer).is_ok_and(|issuer| issuer.matches(name))
    }

    /// Orders two lists of one series by cRLNumber, and by thisUpdate where one of them has none or both are equal.
    pub fn age_order(&self, other: &Self) -> Ordering {
        let numbers = match (&self.number, &other.number) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => Ordering::Equal,
        };
        numbers.then(self.this_update.cmp(&other.this_update))
    }
}

/// `CertificateList` of RFC 5280 §5.1.
#[derive(Sequence)]
struct Signed<'a> {
    list: AnyRef<'a>,
    _algorithm: AnyRef<'a>,
    _signature: BitStringRef<'a>,
}

/// `TBSCertList` of RFC 5280 §5.1 without its entries, of which there can be a million.
struct List<'a> {
    issuer: AnyRef<'a>,
    this_update: Time,
    next_update: Time,
    extensions: Vec<Extension>,
}

impl<'a> List<'a> {
    fn read(fields: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(fields)?;
        Version::decode(&mut reader)?;
        AnyRef::decode(&mut reader)?;
        let issuer = AnyRef::decode(&mut reader)?;
        let (this_update, next_update) = (Time::decode(&mut reader)?, Time::decode(&mut reader)?);
        let mut extensions = Vec::new();
        while !reader.is_finished() {
            let field = AnyRef::decode(&mut reader)?;
            if field.tag().is_context_specific() {
                extensions = Vec::from_der(field.value())?;
            }
        }
        Ok(Self { issuer, this_update, next_update, extensions })
    }
}

impl List<'_> {
    fn extension(&self, id: ObjectIdentifier) -> Result<Option<&[u8]>, InvalidRevocationList> {
        content(&self.extensions, id).map_err(|_| InvalidRevocationList)
    }
}

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair, date_time_ymd,
    };

    use super::*;

    fn list(number: &[u8], day: u8) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 6, day),
            next_update: date_time_ymd(2026, 7, 1),
            crl_number: rcgen::SerialNumber::from_slice(number),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::PreSpecified(b"one key".to_vec()),
        };
        list.signed_by(&Issuer::new(params, KeyPair::generate().unwrap())).unwrap().der().to_vec()
    }

    fn head(number: &[u8], day: u8) -> RevocationListHead {
        RevocationListHead::from_der(&list(number, day)).unwrap()
    }

    #[test]
    fn the_higher_number_is_newer_and_then_the_later_date() {
        assert!(head(&[9], 2).age_order(&head(&[1, 0], 1)).is_lt());
        assert!(head(&[9], 1).age_order(&head(&[9], 2)).is_lt());
        let unnumbered = RevocationListHead { number: None, ..head(&[9], 1) };
        assert!(unnumbered.age_order(&head(&[1], 2)).is_lt());
        assert_eq!(head(&[1], 1).series, head(&[2], 2).series);
    }

    #[test]
    fn when_it_holds_and_who_issued_it() {
        let head = head(&[1], 3);
        assert_eq!(head.this_update, Timestamp::parse("2026-06-03T00:00:00Z").unwrap());
        assert_eq!(head.next_update, Timestamp::parse("2026-07-01T00:00:00Z").unwrap());
        assert!(head.is_issued_by(&DistinguishedName::parse("CN=rcgen self signed cert").unwrap()));
        assert!(!head.is_issued_by(&DistinguishedName::parse("CN=other").unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn changed_bytes_never_panic(at in 0..200_usize, byte: u8) {
            let mut der = list(&[1], 1);
            if let Some(place) = der.get_mut(at) { *place = byte; }
            let _ = RevocationListHead::from_der(&der);
        }
    }
}
