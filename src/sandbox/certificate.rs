//! A client certificate as a policy's case describes it: subject, names, validity.

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};
use serde_json::{Map, Value};

use super::resign::with_subject;
use super::{Authority, Identity, KeyKind, SandboxError, Validity, qualified};
use crate::model::name::DistinguishedName;

impl Authority {
    /// A certificate as a case describes it: `subject` (RFC 4514), `san_dns`, `san_uri`, `san_email`,
    /// `extended_key_usage` (clientAuth where it is not said) and statements of qualification; `change` has the last
    /// word on what is not of the subject.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`] for what ASN.1 or `rcgen` cannot express; [`SandboxError::Subject`].
    pub fn described(
        &self,
        described: &Map<String, Value>,
        key: KeyKind,
        validity: &Validity,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Identity, SandboxError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let texts =
            |key: &str| described.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for (key, kind) in [
            ("san_dns", SanType::DnsName as fn(Ia5String) -> SanType),
            ("san_uri", SanType::URI),
            ("san_email", SanType::Rfc822Name),
        ] {
            for text in texts(key) {
                params.subject_alt_names.push(kind(text.try_into()?));
            }
        }
        params.custom_extensions.extend(qualified::statements(described));
        params.extended_key_usages = match described.get("extended_key_usage") {
            Some(_) => texts("extended_key_usage").map(purpose).collect(),
            None => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        change(&mut params);
        let identity = self.issue(params, key, validity)?;
        match described.get("subject").and_then(Value::as_str) {
            None => Ok(identity),
            Some(subject) => {
                let subject = DistinguishedName::parse(subject).map_err(SandboxError::Subject)?.to_der();
                identity.resigned(|leaf| with_subject(leaf, &subject, self))
            }
        }
    }
}

/// A purpose by its dotted object identifier.
fn purpose(oid: &str) -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(oid.split('.').filter_map(|arc| arc.parse().ok()).collect())
}
