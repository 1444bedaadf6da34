//! Revocation lists in every mode, of every age, and from everybody who might sign one.

use std::time::Duration;

use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose, date_time_ymd};

use super::RevocationMode::{Off, Prefer, Require};
use super::fixtures::*;
use super::*;
use crate::model::peer::{Distrust, Revocation};

const UNKNOWN: Result<Revocation, Distrust> = Err(Distrust::RevocationUnknown);

fn state(mode: RevocationMode, lists: Vec<Vec<u8>>, root: &Issuer, client: &Leaf) -> Result<Revocation, Distrust> {
    let source = AuthoritySource { revocation: rule(mode, lists), ..source("a", root) };
    verdict(source, [&client.der]).map(|trusted| trusted.revocation)
}

fn unknown(why: &str) -> Result<Revocation, Distrust> {
    Ok(Revocation::Unknown(why.into()))
}

#[test]
fn good_and_revoked_in_every_mode() {
    let root = Issuer::root("root");
    let client = root.client();
    for (mode, good, bad) in [
        (Off, Ok(Revocation::NotChecked), Ok(Revocation::NotChecked)),
        (Prefer, Ok(Revocation::Good), Err(Distrust::Revoked)),
        (Require, Ok(Revocation::Good), Err(Distrust::Revoked)),
    ] {
        assert_eq!(state(mode, vec![root.list()], &root, &client), good, "{mode:?}");
        assert_eq!(state(mode, vec![root.list_with_client()], &root, &client), bad, "{mode:?}");
    }
}

#[test]
fn a_list_that_has_run_out_or_not_begun_proves_nothing_but_revocation() {
    let root = Issuer::root("root");
    let client = root.client();
    let old = root.list_with(|list| list.next_update = date_time_ymd(2026, 6, 10));
    assert_eq!(state(Prefer, vec![old.clone()], &root, &client), unknown("a revocation list has run out"));
    assert_eq!(state(Require, vec![old], &root, &client), UNKNOWN);
    let early = root.list_with(|list| list.this_update = date_time_ymd(2026, 6, 20));
    assert_eq!(state(Prefer, vec![early], &root, &client), unknown("a revocation list is not valid yet"));
    let old_but_telling = root.list_with(|list| {
        list.next_update = date_time_ymd(2026, 6, 10);
        list.revoked_certs.push(revoked(CLIENT_SERIAL));
    });
    assert_eq!(state(Prefer, vec![old_but_telling], &root, &client), Err(Distrust::Revoked));
}

#[test]
fn grace_prolongs_a_list() {
    let root = Issuer::root("root");
    let old = root.list_with(|list| list.next_update = date_time_ymd(2026, 6, 15));
    let mut revocation = rule(Require, vec![old]);
    revocation.grace = Duration::from_secs(13 * 3600);
    let all = authorities(vec![AuthoritySource { revocation, ..source("a", &root) }]);
    let peer = peer([&root.client().der]);
    let judged = all.judge(&peer, at("2026-06-15T12:30:00Z"));
    assert_eq!(judged.verdicts[0].1.as_ref().unwrap().revocation, Revocation::Good);
    assert_eq!(judged.valid_until, at("2026-06-15T13:00:00Z"));
    let judged = all.judge(&peer, at("2026-06-15T13:00:00Z"));
    assert_eq!(judged.verdicts[0].1, Err(Distrust::RevocationUnknown));
}

#[test]
fn no_list_a_stranger_s_list_and_a_forged_list() {
    let root = Issuer::root("root");
    let client = root.client();
    let none = unknown("no revocation list covers the whole path");
    assert_eq!(state(Prefer, vec![], &root, &client), none);
    assert_eq!(state(Require, vec![], &root, &client), UNKNOWN);
    assert_eq!(state(Prefer, vec![Issuer::root("stranger").list_with_client()], &root, &client), none);
    let forged = Issuer::root("root").list_with_client();
    let not_signed = unknown("a revocation list is not signed by the certificate's issuer");
    assert_eq!(state(Prefer, vec![forged.clone()], &root, &client), not_signed);
    // The forged list is of another key, so that it neither replaces nor hides the real one.
    assert_eq!(state(Prefer, vec![root.list_with_client(), forged.clone()], &root, &client), Err(Distrust::Revoked));
    assert_eq!(state(Require, vec![forged, root.list()], &root, &client), Ok(Revocation::Good));
}

#[test]
fn the_newest_list_counts_by_number() {
    let root = Issuer::root("root");
    let client = root.client();
    let first = root.list_with_client();
    let second = root.list_with(|list| list.crl_number = 256_u64.into());
    for lists in [vec![first.clone(), second.clone()], vec![second, first]] {
        assert_eq!(state(Require, lists, &root, &client), Ok(Revocation::Good));
    }
}

#[test]
fn every_certificate_of_the_path_counts() {
    let root = Issuer::root("root");
    let sub = root.intermediate("sub");
    let client = sub.client();
    let state = |mode, lists| {
        let source = AuthoritySource { revocation: rule(mode, lists), ..source("a", &root) };
        verdict(source, [&client.der, &sub.der()]).map(|trusted| trusted.revocation)
    };
    assert_eq!(state(Require, vec![root.list(), sub.list()]), Ok(Revocation::Good));
    assert_eq!(state(Require, vec![sub.list()]), UNKNOWN);
    assert_eq!(state(Prefer, vec![sub.list()]), unknown("no revocation list covers the whole path"));
    let sub_revoked = root.list_with(|list| list.revoked_certs.push(revoked(ISSUER_SERIAL)));
    assert_eq!(state(Prefer, vec![sub_revoked, sub.list()]), Err(Distrust::Revoked));
    // The state of the intermediate is unknown, that of the leaf is not.
    let old = root.list_with(|list| list.next_update = date_time_ymd(2026, 6, 10));
    assert_eq!(state(Prefer, vec![old, sub.list_with_client()]), Err(Distrust::Revoked));
}

#[test]
fn another_path_is_found_around_a_revoked_intermediate() {
    let root = Issuer::root("root");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = |serial: u64| {
        root.certify(&key, |params| {
            params.serial_number = Some(serial.into());
            params.distinguished_name.push(rcgen::DnType::CommonName, "sub");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        })
    };
    let (withdrawn, renewed) = (certificate(1), certificate(2));
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "sub");
    let issuer = rcgen::Issuer::new(params, key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let client = rcgen::CertificateParams::default().signed_by(&leaf_key, &issuer).unwrap().der().clone();
    let lists = vec![root.list_with(|list| list.revoked_certs.push(revoked(1)))];
    let source = AuthoritySource { revocation: rule(Prefer, lists), ..source("a", &root) };
    assert_eq!(verdict(source, [&client, &withdrawn, &renewed]).unwrap().intermediates, std::slice::from_ref(&renewed));
}

#[test]
fn a_list_whose_issuer_may_not_sign_lists() {
    let no_sign = |params: &mut rcgen::CertificateParams| params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // rcgen does not sign a list for an issuer without cRLSign, so another certificate for the same name stands in.
    let lists = vec![Issuer::root("no sign").list()];
    let anchor = Issuer::root_with("no sign", no_sign);
    let fault = Authority::new(AuthoritySource { revocation: rule(Prefer, lists), ..source("a", &anchor) });
    assert_eq!(
        fault.unwrap_err().to_string(),
        "authority a: revocation list 1 is issued by an anchor whose keyUsage lacks cRLSign"
    );
}

#[test]
fn what_is_not_a_list() {
    let root = Issuer::root("root");
    let source =
        AuthoritySource { revocation: rule(Prefer, vec![root.list(), root.der().to_vec()]), ..source("a", &root) };
    assert!(matches!(
        Authority::new(source).unwrap_err(),
        AuthorityError::RevocationList { place: 2, fault: ListFault::Unsupported, .. }
    ));
}
