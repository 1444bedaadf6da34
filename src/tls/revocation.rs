//! Revocation by lists (RFC 5280 §6.3): which lists count, and what they say of
//! one path.
//!
//! A list that has run out proves nothing for a certificate that is not on it,
//! but whoever is on it stays revoked. A list that its issuer did not sign, or
//! may not sign, says nothing at all.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::path::Purpose;
use crate::model::certificate::Certificate;
use crate::model::peer::Revocation;
use crate::model::revocation_list::RevocationListHead;
use crate::model::time::Timestamp;

/// How an authority's revocation is looked at.
#[derive(Clone, Debug)]
pub struct RevocationRule {
    /// What an unknown state means.
    pub mode: RevocationMode,
    /// The lists, in DER. Of several in one series the newest counts.
    pub crls: Vec<Vec<u8>>,
    /// How long after its nextUpdate a list still counts.
    pub grace: Duration,
}

/// What an unknown revocation state means. A revoked certificate is refused in `Prefer` as in `Require`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationMode {
    /// Revocation is not looked at.
    Off,
    /// Unknown is trusted, and told as unknown.
    Prefer,
    /// Unknown is refused.
    Require,
}

/// What is wrong with a configured revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// Not a list that webpki can use.
    #[error("is not a complete, direct version 2 list with nextUpdate")]
    Unsupported,
    /// The anchor that issued it may not (RFC 5280 §4.2.1.3). webpki looks at intermediates only.
    #[error("is issued by an anchor whose keyUsage lacks cRLSign")]
    Issuer,
}

/// The lists of one authority.
#[derive(Debug)]
pub(super) struct Revocations {
    mode: RevocationMode,
    lists: Vec<List>,
}

#[derive(Debug)]
struct List {
    head: RevocationListHead,
    /// nextUpdate plus grace.
    until: Timestamp,
    entries: CertRevocationList<'static>,
}

impl Revocations {
    /// Keeps the newest list of each series. A fault comes with the place of its list.
    pub(super) fn new(rule: &RevocationRule, anchors: &[Certificate]) -> Result<Self, (usize, ListFault)> {
        let mut lists: Vec<List> = Vec::new();
        for (place, der) in rule.crls.iter().enumerate() {
            let list = List::read(der, rule.grace, anchors).map_err(|fault| (place, fault))?;
            match lists.iter_mut().find(|kept| kept.head.series == list.head.series) {
                Some(kept) if kept.head.age_order(&list.head).is_lt() => *kept = list,
                Some(_) => {}
                None => lists.push(list),
            }
        }
        Ok(Self { mode: rule.mode, lists })
    }

    /// When lists begin and end to count.
    pub(super) fn edges(&self) -> impl Iterator<Item = Timestamp> {
        self.lists.iter().flat_map(|list| [list.head.this_update, list.until])
    }

    /// What the lists say of a path that is otherwise good.
    ///
    /// Each list is asked by itself first, so that one that has run out or was signed with another key does not
    /// hide what the others say; then those that count are asked whether they cover the whole path.
    pub(super) fn assess(
        &self,
        leaf: &EndEntityCert<'_>,
        path: &VerifiedPath<'_>,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Revocation, webpki::Error> {
        if self.mode == RevocationMode::Off {
            return Ok(Revocation::NotChecked);
        }
        let mut covering = Vec::new();
        let mut why = "no revocation list covers the whole path";
        for list in self.lists.iter().filter(|list| list.concerns(path)) {
            match ask(&[&list.entries], UnknownStatusPolicy::Allow, leaf, path, purpose, now) {
                Err(webpki::Error::CertRevoked) => return Err(webpki::Error::CertRevoked),
                Err(_) => why = "a revocation list is not signed by the certificate's issuer",
                Ok(()) if now < list.head.this_update => why = "a revocation list is not valid yet",
                Ok(()) if now >= list.until => why = "a revocation list has run out",
                Ok(()) => covering.push(&list.entries),
            }
        }
        let covered =
            !covering.is_empty() && ask(&covering, UnknownStatusPolicy::Deny, leaf, path, purpose, now).is_ok();
        match (covered, self.mode) {
            (true, _) => Ok(Revocation::Good),
            (false, RevocationMode::Require) => Err(webpki::Error::UnknownRevocationStatus),
            (false, _) => Ok(Revocation::Unknown(why.into())),
        }
    }
}

impl List {
    fn read(der: &[u8], grace: Duration, anchors: &[Certificate]) -> Result<Self, ListFault> {
        let entries = OwnedCertRevocationList::from_der(der).map_err(|_| ListFault::Unsupported)?;
        let head = RevocationListHead::from_der(der).map_err(|_| ListFault::Unsupported)?;
        let mut issuers = anchors.iter().filter(|anchor| head.is_issued_by(&anchor.subject)).peekable();
        let may_sign = |issuer: &Certificate| issuer.key_usage.is_none_or(|usage| usage.crl_sign);
        if issuers.peek().is_some() && !issuers.any(may_sign) {
            return Err(ListFault::Issuer);
        }
        Ok(Self { until: head.next_update.plus(grace), head, entries: entries.into() })
    }

    /// Whether its issuer issued a certificate of the path.
    fn concerns(&self, path: &VerifiedPath<'_>) -> bool {
        path.end_entity().issuer() == self.entries.issuer()
            || path.intermediate_certificates().any(|certificate| certificate.issuer() == self.entries.issuer())
    }
}

/// Verifies this path and no other against these lists.
fn ask(
    lists: &[&CertRevocationList<'_>],
    unknown: UnknownStatusPolicy,
    leaf: &EndEntityCert<'_>,
    path: &VerifiedPath<'_>,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(), webpki::Error> {
    let options = RevocationOptionsBuilder::new(lists)
        .map_err(|_| webpki::Error::UnknownRevocationStatus)?
        .with_depth(RevocationCheckDepth::Chain)
        .with_status_policy(unknown)
        // nextUpdate is compared by the caller, who knows of the grace.
        .with_expiration_policy(ExpirationPolicy::Ignore)
        .build();
    let anchor = [path.anchor().clone()];
    let intermediates: Vec<CertificateDer<'_>> = path.intermediate_certificates().map(webpki::Cert::der).collect();
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchor,
        &intermediates,
        unix_time(now),
        purpose,
        Some(options),
        None,
    )
    .map(drop)
}

/// For webpki, which counts whole seconds since 1970.
pub(super) fn unix_time(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.unix_seconds()).unwrap_or(0)))
}
