//! Certificates made by rcgen, whole and broken.

use rcgen::{
    BasicConstraints as Basic, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};

use super::*;

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn custom(oid: &[u64], content: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(oid, content.to_vec())
}

#[test]
fn every_field_of_a_transport_certificate() {
    let mut params = params();
    params.serial_number = Some(SerialNumber::from_slice(&[0xab, 0x01]));
    params.subject_alt_names = vec![
        SanType::DnsName("*.bank.example".try_into().unwrap()),
        SanType::URI("https://tpp.example/client".try_into().unwrap()),
        SanType::Rfc822Name("a@tpp.example".try_into().unwrap()),
        SanType::IpAddress([127, 0, 0, 1].into()),
        SanType::OtherName((vec![2, 16, 76, 1, 3, 3], "43142666000197".into())),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let der = der(&params);
    let read = Certificate::from_der(&der).unwrap();
    assert_eq!(read.subject.to_string(), "CN=rcgen self signed cert");
    assert!(read.issuer.matches(&read.subject));
    assert_eq!(read.serial, "ab01");
    assert_eq!(read.thumbprint, Digest::of(&der));
    assert_eq!(read.not_before, Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
    assert_eq!(read.not_after, Timestamp::parse("2027-01-01T00:00:00Z").unwrap());
    assert_eq!(read.dns_names, ["*.bank.example"]);
    assert_eq!(read.uris, ["https://tpp.example/client"]);
    assert_eq!(read.emails, ["a@tpp.example"]);
    assert_eq!(read.key_usage, Some(KeyUsage { digital_signature: true, key_cert_sign: false, crl_sign: false }));
    assert_eq!(read.extended_key_usage, Some(vec!["1.3.6.1.5.5.7.3.2".to_owned()]));
    assert!(!read.is_authority);
    assert_eq!(read.key, PublicKeyFacts::Ec { bits: 256 });
}

#[test]
fn absent_extensions_and_an_authority() {
    let mut params = params();
    let plain = Certificate::from_der(&der(&params)).unwrap();
    assert_eq!((plain.key_usage, plain.extended_key_usage, plain.is_authority), (None, None, false));
    params.is_ca = IsCa::Ca(Basic::Unconstrained);
    assert!(Certificate::from_der(&der(&params)).unwrap().is_authority);
}

#[test]
fn keys_of_every_kind() {
    let facts = |key: &KeyPair| Certificate::from_der(params().self_signed(key).unwrap().der()).unwrap().key;
    let made = |algorithm| facts(&KeyPair::generate_for(algorithm).unwrap());
    assert_eq!(made(&rcgen::PKCS_ECDSA_P384_SHA384), PublicKeyFacts::Ec { bits: 384 });
    assert_eq!(made(&rcgen::PKCS_ECDSA_P521_SHA512), PublicKeyFacts::Ec { bits: 521 });
    assert_eq!(made(&rcgen::PKCS_ED25519), PublicKeyFacts::Ed25519);
    assert_eq!(made(&rcgen::PKCS_RSA_SHA256), PublicKeyFacts::Rsa { bits: 2048 });
}

#[test]
fn a_critical_extension_nobody_knows_is_read() {
    let mut params = params();
    let mut unknown = custom(&[1, 2, 3, 4], &[5, 0]);
    unknown.set_criticality(true);
    params.custom_extensions = vec![unknown];
    assert!(Certificate::from_der(&der(&params)).is_ok());
}

#[test]
fn malformed_and_repeated_extensions_are_refused() {
    let mut params = params();
    params.custom_extensions = vec![custom(&[2, 5, 29, 17], &[0x30, 3, 0x82, 1, 0xe7])];
    assert_eq!(Certificate::from_der(&der(&params)).unwrap_err(), InvalidCertificate::Extension);
    params.custom_extensions = vec![custom(&[2, 5, 29, 37], &[0x30, 0]), custom(&[2, 5, 29, 37], &[0x30, 0])];
    assert_eq!(Certificate::from_der(&der(&params)).unwrap_err(), InvalidCertificate::Extension);
}

#[test]
fn version_1_junk_and_trailing_bytes_are_refused() {
    let good = der(&params());
    let version = [0xa0, 3, 2, 1, 2];
    let at = good.windows(5).position(|window| window == version).unwrap();
    let mut version_2 = good.clone();
    version_2[at + 4] = 1;
    assert_eq!(Certificate::from_der(&version_2).unwrap_err(), InvalidCertificate::Version);
    assert_eq!(Certificate::from_der(&[good, vec![0]].concat()).unwrap_err(), InvalidCertificate::Encoding);
    assert_eq!(Certificate::from_der(b"\x30\x00").unwrap_err(), InvalidCertificate::Encoding);
}

proptest::proptest! {
    #[test]
    fn changed_bytes_never_panic(at in 0..300_usize, byte: u8) {
        let mut der = der(&params());
        if let Some(place) = der.get_mut(at) { *place = byte; }
        let _ = Certificate::from_der(&der);
    }
}
