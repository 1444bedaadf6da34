//! Who signed a statement, where the policy has certificates sign (RFC 7515 §4.1.6).
//!
//! The signature proves possession of the key, as a handshake does; whether the certificate is trusted is judged
//! apart from it, and only for one whose possession is proved.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::decide::Signer;
use super::decode::Sent;
use crate::jose::{Algorithm, Compact, JwsFault};
use crate::model::evidence::Known;
use crate::model::key::Jwk;
use crate::model::peer::{Judgement, Peer};
use crate::model::statement::Statement;
use crate::policy::{self, Policy};

/// The statement, and the certificate whose key signed it; who vouches for the certificate is another question.
pub(super) fn signed_by_certificate(
    compact: &Compact<'_>,
    allowed: &[Algorithm],
) -> Result<(Peer, Statement), JwsFault> {
    let (signer, key) = compact.signer()?;
    Ok((signer, compact.verify(&key, allowed)?))
}

/// The certificate that signed the statement, where the policy has certificates sign and the signature is its
/// key's: what `judge` says of a chain is asked for no other.
pub fn signer_of(
    policy: &Policy,
    request: &Map<String, Value>,
    judge: impl FnOnce(&Peer) -> Arc<Judgement>,
) -> Known<Signer> {
    let Some(wanted) = policy.statement().filter(|wanted| wanted.signer == policy::Signer::Certificate) else {
        return Known::Absent;
    };
    let token = request.get("software_statement").and_then(Value::as_str);
    let allowed: Vec<Algorithm> = wanted.algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect();
    let signed = token.map(|token| signed_by_certificate(&Compact::parse_certified(token)?, &allowed));
    match signed {
        Some(Ok((signer, _))) => {
            let judgement = judge(&signer);
            Known::Value((Arc::new(signer), judgement))
        }
        Some(Err(_)) | None => Known::Absent,
    }
}

/// A statement that its own certificate signed, with the key of that certificate.
pub fn certified_statement(request: &Sent) -> Option<(Compact<'_>, Jwk)> {
    let compact = Compact::parse_certified(request.members.get("software_statement")?.as_str()?).ok()?;
    let (_, key) = compact.signer().ok()?;
    Some((compact, key))
}
