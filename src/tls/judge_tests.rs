//! Chains that must be trusted, and one test for each way in which a chain must not.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, PublicKeyData,
    SanType, SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::fixtures::*;
use super::*;
use crate::model::certificate::InvalidCertificate;
use crate::model::digest::Digest;
use crate::model::id::AuthorityName;
use crate::model::peer::{Distrust, Peer, Revocation};

/// A public key whose private half nobody has.
struct Rsa1024(Vec<u8>);

impl Rsa1024 {
    fn new() -> Self {
        let modulus = [&[0x02, 0x81, 0x81, 0x00, 0xc3][..], &[0x5b; 127]].concat();
        Self([&[0x30, 0x81, 0x89][..], &modulus, &[0x02, 0x03, 0x01, 0x00, 0x01]].concat())
    }
}

impl PublicKeyData for Rsa1024 {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

#[test]
fn a_chain_with_an_intermediate_is_trusted() {
    let root = Issuer::root("root");
    let sub = root.intermediate("sub");
    let client = sub.client();
    let trusted = verdict(source("a", &root), [&client.der, &sub.der()]).unwrap();
    assert_eq!(trusted.path, [Digest::of(&client.der), Digest::of(&sub.der())]);
    assert_eq!(trusted.intermediates, [sub.der()]);
    assert_eq!(trusted.revocation, Revocation::NotChecked);
    assert_eq!(verdict(source("a", &root), [&root.client().der]).unwrap().intermediates, []);
}

#[test]
fn two_authorities_of_the_same_name_are_told_apart_by_key() {
    let (one, two) = (Issuer::root("same"), Issuer::root("same"));
    let both = authorities(vec![source("one", &one), source("two", &two)]);
    let judgement = both.judge(&peer([&two.client().der]), at(NOW));
    let names = [AuthorityName::new("one"), AuthorityName::new("two")];
    assert_eq!(judgement.trusted_by(&names).map(|(name, _)| name.as_str()), Some("two"));
    assert_eq!(judgement.verdicts[0].1, Err(Distrust::Signature));
    assert_eq!(judgement.trusted_by(&names[..1]), None);
    assert_eq!(both.shared_anchors(), []);
}

#[test]
fn an_anchor_of_two_authorities_is_found() {
    let (root, other) = (Issuer::root("root"), Issuer::root("other"));
    let mut second = source("second", &other);
    second.anchors.push(root.der());
    let shared = authorities(vec![source("first", &root), second]).shared_anchors();
    let (first, second) = (AuthorityName::new("first"), AuthorityName::new("second"));
    assert_eq!(shared, [SharedAnchor { first, second, subject: "CN=root".to_owned() }]);
}

#[test]
fn unknown_issuers_and_forged_ones() {
    let root = Issuer::root("root");
    let stranger = Issuer::root("stranger");
    assert_eq!(verdict(source("a", &root), [&stranger.client().der]).unwrap_err(), Distrust::UnknownIssuer);
    let own = stranger.intermediate("root");
    let chain = [&own.client().der, &own.der(), &stranger.der()];
    assert_eq!(verdict(source("a", &root), chain).unwrap_err(), Distrust::Signature);
    let client = root.client();
    let by_client = Issuer::root("client").client();
    assert!(verdict(source("a", &root), [&by_client.der, &client.der]).is_err());
}

#[test]
fn validity_of_leaf_intermediate_and_anchor() {
    let root = Issuer::root("root");
    let past = root.client_with(|params| params.not_after = date_time_ymd(2026, 6, 1));
    let future = root.client_with(|params| params.not_before = date_time_ymd(2026, 7, 1));
    assert_eq!(verdict(source("a", &root), [&past.der]).unwrap_err(), Distrust::Expired);
    assert_eq!(verdict(source("a", &root), [&future.der]).unwrap_err(), Distrust::NotYetValid);
    let sub = root.intermediate_with("sub", |params| params.not_after = date_time_ymd(2026, 6, 1));
    assert_eq!(verdict(source("a", &root), [&sub.client().der, &sub.der()]).unwrap_err(), Distrust::Expired);
    let old = Issuer::root_with("old", |params| params.not_after = date_time_ymd(2026, 6, 1));
    assert_eq!(verdict(source("a", &old), [&old.client().der]).unwrap_err(), Distrust::Expired);
    let new = Issuer::root_with("new", |params| params.not_before = date_time_ymd(2026, 7, 1));
    assert_eq!(verdict(source("a", &new), [&new.client().der]).unwrap_err(), Distrust::NotYetValid);
}

#[test]
fn certificates_that_are_no_client_certificates() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let root = Issuer::root("root");
    let refused = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        verdict(source("a", &root), [&root.client_with(change).der]).unwrap_err()
    };
    assert_eq!(refused(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), Distrust::Authority);
    assert_eq!(refused(&|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign)), Distrust::Authority);
    assert_eq!(refused(&|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]), Distrust::Usage);
    assert_eq!(refused(&|params| params.extended_key_usages = vec![ServerAuth]), Distrust::Usage);
    assert_eq!(refused(&|params| params.extended_key_usages = vec![Any]), Distrust::Usage);
    assert_eq!(refused(&critical_policies), Distrust::Malformed);
    let small = root.certify(&Rsa1024::new(), |_| {});
    assert_eq!(verdict(source("a", &root), [&small]).unwrap_err(), Distrust::WeakKey);
    for purposes in [vec![], vec![ServerAuth, ClientAuth]] {
        let client = root.client_with(|params| params.extended_key_usages = purposes);
        assert!(verdict(source("a", &root), [&client.der]).is_ok());
    }
}

#[test]
fn a_missing_intermediate_is_completed_only_where_the_authority_allows() {
    let root = Issuer::root("root");
    let sub = root.intermediate("sub");
    let client = sub.client();
    let mut source = AuthoritySource { intermediates: vec![sub.der()], ..source("a", &root) };
    assert_eq!(verdict(source.clone(), [&client.der]).unwrap_err(), Distrust::UnknownIssuer);
    source.complete_chain = CompleteChain::FromConfiguration;
    assert_eq!(verdict(source, [&client.der]).unwrap().intermediates, [sub.der()]);
}

#[test]
fn constraints_on_the_path() {
    let root = Issuer::root("root");
    let no_deeper = root.intermediate_with("0", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let deeper = no_deeper.intermediate("deeper");
    let chain = [&deeper.client().der, &deeper.der(), &no_deeper.der()];
    assert_eq!(verdict(source("a", &root), chain).unwrap_err(), Distrust::Constraint);
    assert!(verdict(source("a", &root), [&no_deeper.client().der, &no_deeper.der()]).is_ok());

    let no_sign = root.intermediate_with("no sign", |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(verdict(source("a", &root), [&no_sign.client().der, &no_sign.der()]).unwrap_err(), Distrust::Constraint);
    let no_ca = root.intermediate_with("no CA", |params| params.is_ca = IsCa::NoCa);
    assert_eq!(verdict(source("a", &root), [&no_ca.client().der, &no_ca.der()]).unwrap_err(), Distrust::Constraint);

    let one_domain = root.intermediate_with("one domain", |params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("bank.example".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
    });
    let named = |name: &str| {
        let san = SanType::DnsName(name.try_into().unwrap());
        let client = one_domain.client_with(|params| params.subject_alt_names = vec![san]);
        verdict(source("a", &root), [&client.der, &one_domain.der()]).map(drop)
    };
    assert_eq!(named("tpp.bank.example"), Ok(()));
    assert_eq!(named("tpp.other.example"), Err(Distrust::Constraint));
}

#[test]
fn what_may_not_be_an_anchor() {
    let root = Issuer::root("root");
    let fault = |der: CertificateDer<'static>| match Authority::new(AuthoritySource {
        anchors: vec![root.der(), der],
        ..source("a", &root)
    })
    .unwrap_err()
    {
        AuthorityError::Anchor { place: 2, fault, .. } => fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(root.client().der), CertificateFault::NotAuthority);
    let no_sign = Issuer::root_with("no sign", |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(fault(no_sign.der()), CertificateFault::NotAuthority);
    let critical = Issuer::root_with("critical", critical_policies);
    assert_eq!(fault(critical.der()), CertificateFault::Unsupported);
    assert_eq!(fault(vec![0x30, 0].into()), CertificateFault::Unreadable(InvalidCertificate::Encoding));
    let none = Authority::new(AuthoritySource { anchors: vec![], ..source("a", &root) }).unwrap_err();
    assert_eq!(none.to_string(), "authority a has no anchors");
}

#[test]
fn certificates_that_lead_nowhere_are_passed_over() {
    let root = Issuer::root("root");
    let (sub, other) = (root.intermediate("sub"), Issuer::root("other"));
    let junk = [other.der(), other.client().der, vec![0x30, 0].into(), Issuer::root("sub").der()];
    let chain = [&[sub.client().der], &junk[..], &[sub.der()]].concat();
    let judged = authorities(vec![source("a", &root)]).judge(&Peer::present(chain).unwrap(), at(NOW));
    assert_eq!(judged.verdicts[0].1.as_ref().unwrap().intermediates, [sub.der()]);
}

#[test]
fn a_maze_of_certificates_is_left_after_a_hundred_signatures() {
    let root = Issuer::root("root");
    let sub = root.intermediate("sub");
    // Every one could have issued every other one, and the last could have been issued by the root.
    let maze: Vec<_> = (0..8).map(|_| Issuer::root("sub").intermediate("sub").der()).collect();
    let chain = [&[sub.client().der], &maze[..], &[sub.der()]].concat();
    let judged = authorities(vec![source("a", &root)]).judge(&Peer::present(chain.clone()).unwrap(), at(NOW));
    assert_eq!(judged.verdicts[0].1, Err(Distrust::Constraint));
    let longer = [&chain[..], &maze[..1]].concat();
    assert_eq!(Peer::present(longer).unwrap_err(), InvalidCertificate::TooMany);
}

mod memory {
    use super::*;

    #[test]
    fn a_judgement_is_shared_while_it_holds() {
        let root = Issuer::root("root");
        let all = authorities(vec![source("a", &root)]);
        let peer = peer([&root.client().der]);
        let first = all.judge(&peer, at(NOW));
        assert_eq!(first.valid_until, at("2026-06-15T13:00:00Z"));
        assert!(Arc::ptr_eq(&first, &all.judge(&peer, at("2026-06-15T12:59:59.999999Z"))));
        assert!(!Arc::ptr_eq(&first, &all.judge(&peer, at("2026-06-15T13:00:00Z"))));
        let stranger = super::peer([&Issuer::root("stranger").client().der]);
        assert!(Arc::ptr_eq(&all.judge(&stranger, at(NOW)), &all.judge(&stranger, at(NOW))));
    }

    #[test]
    fn it_ends_with_the_certificate_and_begins_with_it() {
        let root = Issuer::root("root");
        let all = authorities(vec![source("a", &root)]);
        let client = root.client_with(|params| {
            params.not_before = date_time_ymd(2026, 6, 15);
            params.not_after = date_time_ymd(2026, 6, 16);
        });
        let peer = peer([&client.der]);
        let last = all.judge(&peer, at("2026-06-16T00:00:00.5Z"));
        assert!(last.verdicts[0].1.is_ok());
        assert_eq!(last.not_before, at("2026-06-15T00:00:00Z"));
        assert_eq!(last.valid_until, at("2026-06-16T00:00:01Z"));
        assert_eq!(all.judge(&peer, last.valid_until).verdicts[0].1, Err(Distrust::Expired));
        // The clock is set back: what was remembered of later does not count.
        assert!(all.judge(&peer, at("2026-06-15T23:00:00Z")).verdicts[0].1.is_ok());
        assert_eq!(all.judge(&peer, at("2026-06-14T23:59:59Z")).verdicts[0].1, Err(Distrust::NotYetValid));
    }
}

#[test]
fn a_signers_certificate_signs_and_need_not_authenticate() {
    let root = Issuer::root("root");
    let made = authorities(vec![source("a", &root)]);
    let signer = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let leaf = root.client_with(|params| change(params)).der;
        made.judge_signer(&peer([&leaf]), at(NOW)).verdicts[0].1.clone().map(|trusted| trusted.revocation)
    };
    assert_eq!(signer(&|_| {}), Ok(Revocation::NotChecked));
    assert_eq!(signer(&|params| params.extended_key_usages = Vec::new()), Ok(Revocation::NotChecked));
    assert_eq!(
        signer(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection]),
        Ok(Revocation::NotChecked)
    );
    let refused = |usages: Vec<KeyUsagePurpose>| signer(&move |params| params.key_usages = usages.clone());
    assert_eq!(refused(Vec::new()), Err(Distrust::NotForSignatures));
    assert_eq!(refused(vec![KeyUsagePurpose::KeyEncipherment]), Err(Distrust::NotForSignatures));
    assert_eq!(refused(vec![KeyUsagePurpose::ContentCommitment]), Err(Distrust::NotForSignatures));
    assert_eq!(made.judge_signer(&peer([&root.der()]), at(NOW)).distrust_of_all(), Some(Distrust::Authority));
}

#[test]
fn one_chain_has_one_judgement_for_each_purpose() {
    let root = Issuer::root("root");
    let seal = root.client_with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection]);
    let (made, chain) = (authorities(vec![source("a", &root)]), peer([&seal.der]));
    for _ in 0..2 {
        assert!(made.judge_signer(&chain, at(NOW)).trusted().is_some());
        assert_eq!(made.judge(&chain, at(NOW)).distrust_of_all(), Some(Distrust::Usage), "it is no client certificate");
    }
}

#[test]
fn a_revoked_or_expired_signer_is_not_trusted() {
    let root = Issuer::root("root");
    let (good, old) = (root.client(), root.client_with(|params| params.not_after = date_time_ymd(2026, 2, 1)));
    let mut revoking = source("a", &root);
    revoking.revocation = rule(RevocationMode::Require, vec![root.list_with_client()]);
    let judged = |source, leaf: &Leaf| authorities(vec![source]).judge_signer(&peer([&leaf.der]), at(NOW));
    assert_eq!(judged(revoking, &good).distrust_of_all(), Some(Distrust::Revoked));
    assert_eq!(judged(source("a", &root), &old).distrust_of_all(), Some(Distrust::Expired));
}
