//! `cert` and `signer`: what rules may look at in a certificate.

use std::collections::HashMap;

use ::cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString};
use ::cel::common::value::Val;

use super::{MAX_LIST, Members};
use crate::checks::subject::ATTRIBUTES;
use crate::model::certificate::{Certificate, Organization, PaymentService, QualifiedType};
use crate::model::id::AuthorityName;
use crate::model::peer::Peer;
use crate::model::time::Timestamp;

/// Which members of a certificate expressions look at.
#[derive(Clone, Debug, Default)]
pub(super) struct CertificateUses {
    members: Members,
    subject: Members,
}

impl CertificateUses {
    /// Notes a path below the certificate.
    pub(super) fn note<'n>(&mut self, mut path: impl Iterator<Item = &'n str>) {
        let (first, second) = (path.next(), path.next());
        match first {
            Some(name) => self.members.insert(name),
            None => self.members = Members::All,
        }
        if first.is_none_or(|first| first == "subject") {
            match second {
                Some(attribute) => self.subject.insert(attribute),
                None => self.subject = Members::All,
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.members.add(&other.members);
        self.subject.add(&other.subject);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// Fields of `cert` and `signer`.
pub(super) const FIELDS: &[&str] = &[
    "subject",
    "subject_dn",
    "issuer_dn",
    "serial",
    "thumbprint",
    "not_before",
    "not_after",
    "san_dns",
    "san_uri",
    "san_email",
    "extended_key_usage",
    "qc",
    "psd2",
    "organization",
    "authority",
];

/// Fields of the fields that have some, besides `subject`.
pub(super) const NESTED: &[(&str, &[&str])] = &[
    ("qc", &["compliance", "legislation", "type"]),
    ("psd2", &["roles", "authority_name", "authority_id"]),
    ("organization", &["scheme", "country", "authority", "id"]),
];

/// A value of a fact; `None` when a list is too long.
type Made<'f> = Option<Box<dyn Val + 'f>>;

/// What decisions look at in a certificate. A subject attribute is the empty string unless it is
/// there exactly once; `subject.all` has every value. `None` when a list is longer than [`MAX_LIST`].
pub(super) fn facts<'f>(
    (peer, authority): (&'f Peer, &'f AuthorityName),
    uses: &CertificateUses,
) -> Option<CelMap<'f>> {
    let certificate = &peer.certificate;
    let mut entries: HashMap<CelMapKey<'f>, Box<dyn Val + 'f>> = HashMap::new();
    let mut add = |name: &'static str, value: &dyn Fn() -> Made<'f>| {
        if uses.members.has(name) {
            entries.insert(name.into(), value()?);
        }
        Some(())
    };
    add("subject", &|| subject(certificate, &uses.subject))?;
    add("subject_dn", &|| owned(certificate.subject.to_string()))?;
    add("issuer_dn", &|| owned(certificate.issuer.to_string()))?;
    add("serial", &|| text(&certificate.serial))?;
    add("thumbprint", &|| owned(certificate.thumbprint.base64url()))?;
    add("not_before", &|| seconds(certificate.not_before))?;
    add("not_after", &|| seconds(certificate.not_after))?;
    add("san_dns", &|| texts(&certificate.dns_names))?;
    add("san_uri", &|| texts(&certificate.uris))?;
    add("san_email", &|| texts(&certificate.emails))?;
    add("extended_key_usage", &|| list(certificate.extended_key_usage.iter().flatten().map(|oid| purpose(oid))))?;
    add("qc", &|| qualified(certificate))?;
    add("psd2", &|| payment_service(certificate.qualified().psd2.as_ref()))?;
    add("organization", &|| organization(Organization::of(&certificate.subject)))?;
    add("authority", &|| text(authority.as_str()))?;
    Some(entries.into())
}

fn subject<'f>(certificate: &'f Certificate, uses: &Members) -> Made<'f> {
    let name = &certificate.subject;
    let mut subject: HashMap<CelMapKey<'f>, Box<dyn Val + 'f>> = HashMap::new();
    for (attribute, oid) in ATTRIBUTES.iter().filter(|(attribute, _)| uses.has(attribute)) {
        let value = match *attribute {
            "ou" => list(name.values(oid)),
            _ => text(name.only(oid).unwrap_or_default()),
        };
        subject.insert((*attribute).into(), value?);
    }
    if uses.has("all") {
        let all = ATTRIBUTES.iter().map(|(attribute, oid)| Some(((*attribute).into(), list(name.values(oid))?)));
        let all = all.collect::<Option<HashMap<CelMapKey<'f>, Box<dyn Val + 'f>>>>()?;
        subject.insert("all".into(), Box::new(CelMap::from(all)));
    }
    Some(Box::new(CelMap::from(subject)))
}

fn qualified(certificate: &Certificate) -> Made<'_> {
    let found = certificate.qualified();
    map([
        ("compliance", boolean(found.compliance)),
        ("legislation", texts(&found.legislation)),
        ("type", text(found.kind.map_or("", QualifiedType::as_str))),
    ])
}

fn payment_service(found: Option<&PaymentService>) -> Made<'_> {
    map([
        ("roles", texts(found.map_or(&[], |found| &found.roles))),
        ("authority_name", text(found.map_or("", |found| &found.authority_name))),
        ("authority_id", text(found.map_or("", |found| &found.authority_id))),
    ])
}

fn organization<'f>(found: Organization<'f>) -> Made<'f> {
    map([
        ("scheme", text(found.scheme)),
        ("country", text(found.country)),
        ("authority", text(found.authority)),
        ("id", text(found.id)),
    ])
}

/// The name of an extended key usage (RFC 5280 §4.2.1.12), or its OID where it has none here.
fn purpose(oid: &str) -> &str {
    PURPOSES.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, name)| name)
}

const PURPOSES: [(&str, &str); 7] = [
    ("1.3.6.1.5.5.7.3.1", "serverAuth"),
    ("1.3.6.1.5.5.7.3.2", "clientAuth"),
    ("1.3.6.1.5.5.7.3.3", "codeSigning"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning"),
    ("2.5.29.37.0", "anyExtendedKeyUsage"),
];

fn map<'f>(members: impl IntoIterator<Item = (&'static str, Made<'f>)>) -> Made<'f> {
    let entries = members.into_iter().map(|(name, value)| Some((name.into(), value?)));
    Some(Box::new(CelMap::from(entries.collect::<Option<HashMap<CelMapKey<'f>, Box<dyn Val + 'f>>>>()?)))
}

fn text(text: &str) -> Made<'_> {
    Some(Box::new(CelString::from(text)))
}

fn owned<'f>(text: String) -> Made<'f> {
    Some(Box::new(CelString::from(text)))
}

fn boolean<'f>(word: bool) -> Made<'f> {
    Some(Box::new(CelBool::from(word)))
}

fn seconds<'f>(time: Timestamp) -> Made<'f> {
    Some(Box::new(CelInt::from(time.unix_seconds())))
}

fn texts(items: &[String]) -> Made<'_> {
    list(items.iter().map(String::as_str))
}

fn list<'f>(items: impl Iterator<Item = &'f str>) -> Made<'f> {
    let items: Vec<Box<dyn Val + 'f>> =
        items.take(MAX_LIST + 1).map(|item| Box::new(CelString::from(item)) as Box<dyn Val + 'f>).collect();
    if items.len() > MAX_LIST { None } else { Some(Box::new(CelList::from(items))) }
}

#[cfg(test)]
mod tests;
