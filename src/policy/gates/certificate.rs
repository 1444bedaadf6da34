//! `[checks.certificate.trusted]`: what a policy asks of the client certificate.

use crate::checks::Settings;
use crate::model::certificate::Certificate;
use crate::model::digest::Digest;

/// What a policy asks of the client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePolicy {
    /// Whether there has to be one. One that is shown is judged all the same.
    pub required: bool,
    /// Where there are any: SHA-256 of the certificates, or of their public keys, that are accepted and no others.
    pub pinned: Option<Vec<Digest>>,
}

impl CertificatePolicy {
    /// Whether this certificate may be used here.
    pub fn accepts(&self, certificate: &Certificate) -> bool {
        let is_pinned = |pins: &Vec<Digest>| {
            pins.iter().any(|pin| *pin == certificate.thumbprint || *pin == certificate.key_thumbprint)
        };
        self.pinned.as_ref().is_none_or(is_pinned)
    }

    pub(super) fn read(settings: Option<&Settings<'_>>) -> Self {
        let required = settings.and_then(|settings| settings.boolean("required")).unwrap_or(true);
        Self { required, pinned: settings.and_then(|settings| pinned(settings, required)) }
    }
}

fn pinned(settings: &Settings<'_>, required: bool) -> Option<Vec<Digest>> {
    let place = settings.json("pinned")?.place;
    let pins = settings.texts("pinned")?;
    let fault = |message: &str, help: &str| settings.faults().error(Some(&place), message, Some(help.to_owned()));
    if pins.is_empty() {
        fault("`pinned` is empty and would refuse every certificate", "leave it out where any trusted one will do");
    }
    if !required {
        let message = "`pinned` needs `required = true`: whoever shows no certificate would pass";
        fault(message, "leave out one of the two");
    }
    if pins.iter().any(|pin| Digest::parse(pin).is_none()) {
        fault(
            "an entry of `pinned` is not a SHA-256 digest",
            "64 hexadecimal digits or 43 characters of base64url, of a certificate or of its public key",
        );
    }
    Some(pins.iter().filter_map(|pin| Digest::parse(pin)).collect())
}
