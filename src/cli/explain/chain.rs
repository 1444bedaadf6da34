//! A certificate and its path, as a person reads them.

use std::io::{self, Write};

use rustls_pki_types::CertificateDer;
use serde::Serialize;

use crate::audit::Text;
use crate::model::certificate::Certificate;
use crate::model::peer::{Distrust, Judgement, Peer, Revocation, Trusted};
use crate::model::time::Timestamp;

/// A certificate, the path that was found for it, and what was made of that.
#[derive(Debug, Serialize)]
pub(super) struct Chain {
    /// Leaf first: the path and its anchor where it is trusted, what was sent where it is not.
    certificates: Vec<Link>,
    trusted: bool,
    /// By which authority, or why by none.
    verdict: String,
    revocation: String,
}

/// One certificate of a path.
#[derive(Debug, Serialize)]
struct Link {
    place: Place,
    subject: String,
    issuer: String,
    not_before: Timestamp,
    not_after: Timestamp,
    /// At the time of the decision.
    validity: Validity,
    /// SHA-256 of the DER (`x5t#S256`, RFC 8705 §3.1).
    thumbprint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Leaf,
    /// Sent with the leaf.
    Sent,
    /// From the configuration, which may complete a path.
    Configured,
    Anchor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Validity {
    Valid,
    Expired,
    NotYet,
}

impl Chain {
    /// Of a judged certificate; `anchors` are those in which a path may end, empty where trust was assumed.
    pub(super) fn of(peer: &Peer, judgement: &Judgement, anchors: &[CertificateDer<'_>], now: Timestamp) -> Self {
        let anchors: Vec<Certificate> = anchors.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        let sent = peer.chain.iter().skip(1);
        let link = |der: &CertificateDer<'_>| {
            let place = if peer.chain.contains(der) { Place::Sent } else { Place::Configured };
            Some(Link::of(place, &Certificate::from_der(der).ok()?, now))
        };
        let leaf = Link::of(Place::Leaf, &peer.certificate, now);
        let mut certificates = vec![leaf];
        let Some(trusted) = judgement.trusted() else {
            certificates.extend(sent.filter_map(link));
            let verdict = untrusted(judgement, &anchors);
            return Self { certificates, trusted: false, verdict, revocation: "not looked at".to_owned() };
        };
        certificates.extend(trusted.intermediates.iter().filter_map(link));
        let anchor = anchors.iter().find(|anchor| Some(anchor.thumbprint) == trusted.anchor);
        certificates.extend(anchor.map(|anchor| Link::of(Place::Anchor, anchor, now)));
        let verdict = match anchor {
            Some(_) => "trusted: the path ends in an anchor of the authority",
            None => "assumed to be trusted: no path was looked for",
        };
        let revocation = revocation(trusted);
        Self { certificates, trusted: true, verdict: verdict.to_owned(), revocation }
    }

    /// Prints it under a title of at most 12 characters.
    pub(super) fn print(&self, out: &mut dyn Write, title: &str) -> io::Result<()> {
        for Link { place, subject, issuer, not_before, not_after, validity, thumbprint } in &self.certificates {
            let (title, note) = match place {
                Place::Leaf => (title, ""),
                Place::Sent => ("  issuer", " (sent by the client)"),
                Place::Configured => ("  issuer", " (from the configuration)"),
                Place::Anchor => ("  anchor", ""),
            };
            let validity = match validity {
                Validity::Valid => "",
                Validity::Expired => ": EXPIRED",
                Validity::NotYet => ": NOT VALID YET",
            };
            writeln!(out, "{title:<12} {}{note}", Text::long(subject))?;
            if issuer == subject {
                writeln!(out, "{BELOW}issued by itself")?;
            } else {
                writeln!(out, "{BELOW}issued by {}", Text::long(issuer))?;
            }
            // RFC 5280 §4.1.2.5: certificates know no parts of a second.
            let [from, until] = [not_before, not_after].map(|time| time.to_string().replace(".000000Z", "Z"));
            writeln!(out, "{BELOW}valid from {from} until {until}{validity}")?;
            writeln!(out, "{BELOW}x5t#S256 {thumbprint}")?;
        }
        writeln!(out, "  path       {}", Text::long(&self.verdict))?;
        writeln!(out, "  revocation {}", Text::long(&self.revocation))
    }
}

/// What stands below a title.
pub(super) const BELOW: &str = "             ";

impl Link {
    fn of(place: Place, certificate: &Certificate, now: Timestamp) -> Self {
        let Certificate { subject, issuer, not_before, not_after, thumbprint, .. } = certificate;
        let validity = if now.unix_seconds() < not_before.unix_seconds() {
            Validity::NotYet
        } else if now.unix_seconds() > not_after.unix_seconds() {
            Validity::Expired
        } else {
            Validity::Valid
        };
        Self {
            place,
            subject: subject.to_string(),
            issuer: issuer.to_string(),
            not_before: *not_before,
            not_after: *not_after,
            validity,
            thumbprint: thumbprint.base64url(),
        }
    }
}

fn untrusted(judgement: &Judgement, anchors: &[Certificate]) -> String {
    let Some(why) = judgement.distrust_of_all() else { return "not trusted".to_owned() };
    if why != Distrust::UnknownIssuer {
        return format!("not trusted: {why}");
    }
    let names: Vec<String> = anchors.iter().take(NAMED).map(|anchor| anchor.subject.to_string()).collect();
    let more = if anchors.len() > NAMED { ", and more" } else { "" };
    format!("not trusted: {why}; its anchors are {}{more}", names.join("; "))
}

/// Anchors that are named where a path ends in none.
const NAMED: usize = 4;

fn revocation(trusted: &Trusted) -> String {
    match &trusted.revocation {
        Revocation::NotChecked => "not checked".to_owned(),
        Revocation::Good => "good".to_owned(),
        Revocation::Unknown(why) => format!("unknown: {why}"),
    }
}
