//! Gates 3 and 4: a key of the software signed the request (RFC 7515, RFC 8725).
//!
//! The key is one of the set that a claim of the *verified* statement names, never
//! one that the request brings or points to. Pure, as all of `decide`.

use crate::jose::{Algorithm, Compact, Header, choose};
use crate::model::evidence::{Evidence, Known};
use crate::model::statement::Signed;
use crate::model::trace::Outcome;
use crate::pipeline::decode::Sent;
use crate::policy::{Gate, Policy, RequestPolicy};

/// The request stops at this gate.
pub(super) struct Refused {
    pub(super) gate: Gate,
    pub(super) outcome: Outcome,
    /// For the audit alone.
    pub(super) detail: Box<str>,
}

impl Refused {
    fn because(detail: impl Into<Box<str>>) -> Self {
        Self { gate: Gate::RequestSignature, outcome: Outcome::Fail, detail: detail.into() }
    }
}

/// The verified request; `None` where the policy asks for no signature.
pub(super) fn verified(policy: &Policy, request: &Sent, evidence: &Evidence) -> Result<Option<Signed>, Refused> {
    let Some(wanted) = policy.request() else { return Ok(None) };
    let told = |fault| Refused::because(format!("the request {fault}"));
    let Some(token) = &request.jws else { return Err(Refused::because("the request is JSON and not signed")) };
    let compact = Compact::parse_request(token).map_err(told)?;
    let allowed = allowed(wanted);
    if !allowed.contains(&compact.header().algorithm) {
        return Err(Refused::because("the policy does not allow this algorithm"));
    }
    let keys = match &evidence.software_keys {
        Known::Value(keys) => keys,
        Known::Absent => return Err(Refused::because("the software statement names no key set that can be used")),
        Known::Unavailable(why) => {
            let detail = why.to_string().into();
            return Err(Refused { gate: Gate::RequestKeys, outcome: Outcome::Error, detail });
        }
    };
    let Some(key) = choose(keys, compact.header()) else {
        return Err(Refused::because("the key set of the software has no key that fits the header"));
    };
    compact.verify(&key, &allowed).map(Some).map_err(told)
}

/// The header of a signed request, for fetching its key; `None` where the request is refused without one.
pub fn request_header(wanted: &RequestPolicy, request: &Sent) -> Option<Header> {
    let compact = Compact::parse_request(request.jws.as_deref()?).ok()?;
    let header = compact.header();
    allowed(wanted).contains(&header.algorithm).then(|| header.clone())
}

fn allowed(wanted: &RequestPolicy) -> Vec<Algorithm> {
    wanted.algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect()
}

#[cfg(test)]
mod tests {
    use crate::jose::Algorithm;
    use crate::policy::ALGORITHMS;

    #[test]
    fn what_policies_may_name_is_what_can_be_verified() {
        assert_eq!(Algorithm::ALL.map(Algorithm::name).as_slice(), ALGORITHMS);
    }
}
