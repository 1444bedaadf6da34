//! What gates are told, and what they refuse to be told.

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::model::certificate::Certificate;
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::policy::tests::{policy, problems};

const SIGNED: &str = "[checks.statement.signature]\nalgorithms = ['RS256']\n";

#[test]
fn a_certificate_is_required_unless_the_policy_says_otherwise() {
    assert_eq!(*policy("").certificate(), CertificatePolicy { required: true, pinned: None });
    let optional = policy("[checks.certificate.trusted]\nrequired = false\n");
    assert_eq!(*optional.certificate(), CertificatePolicy { required: false, pinned: None });
}

#[test]
fn pins_are_of_the_certificate_or_of_its_key() {
    let der = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let certificate = Certificate::from_der(&der).unwrap();
    let public_key = Certificate::public_key_of(&der).unwrap();
    let accepts = |pins: String| {
        policy(&format!("[checks.certificate.trusted]\npinned = [{pins}]\n")).certificate().accepts(&certificate)
    };
    let other = Digest::of(b"another");
    assert!(accepts(format!("'{}', '{other}'", Digest::of(&der))));
    assert!(accepts(format!("'{}'", Digest::of(&public_key).base64url())));
    assert!(!accepts(format!("'{other}'")));
}

#[test]
fn pins_that_would_mean_nothing_are_faults() {
    let told = |rest: &str| problems(&format!("[checks.certificate.trusted]\n{rest}\n"));
    let digest = Digest::of(b"");
    assert_eq!(
        told("pinned = []"),
        ["p.toml:6: `pinned` is empty and would refuse every certificate (leave it out where any trusted one will do)"]
    );
    assert_eq!(
        told("pinned = ['AB:CD']"),
        [
            "p.toml:6: an entry of `pinned` is not a SHA-256 digest (64 hexadecimal digits or 43 characters of base64url, \
          of a certificate or of its public key)"
        ]
    );
    assert_eq!(
        told(&format!("pinned = ['{digest}']\nrequired = false")),
        [
            "p.toml:6: `pinned` needs `required = true`: whoever shows no certificate would pass (leave out one of the two)"
        ]
    );
    assert_eq!(told("mode = 'shadow'"), ["p.toml:6: unknown key `mode`"]);
}

#[test]
fn who_signs_statements() {
    let signer = |rest: &str| policy(&format!("{SIGNED}{rest}")).statement().unwrap().signer;
    assert_eq!(signer(""), Signer::Directory);
    assert_eq!(
        signer("signer = 'certificate'\n[checks.statement.certificate]\nclause = 'IG 7.1.3'\n"),
        Signer::Certificate
    );
    assert_eq!(
        problems(&format!("{SIGNED}[checks.statement.certificate]\n")),
        ["p.toml:7: `statement.certificate` needs `signer = \"certificate\"` (in [checks.statement.signature])"]
    );
    assert_eq!(
        problems(&format!("{SIGNED}signer = 'certificat'")),
        ["p.toml:7: `signer` does not know this word (did you mean `certificate`?)"]
    );
    let gate = policy(&format!("{SIGNED}signer = 'certificate'\n"));
    assert_eq!(gate.gate(Gate::StatementCertificate).error, ErrorCode::UnapprovedSoftwareStatement);
}
