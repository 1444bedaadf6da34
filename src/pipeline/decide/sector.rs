//! Which sector document a decision will look at (OpenID Connect Core §8.1): asked before it is fetched.

use serde_json::Map;

use super::{Question, client, signed, valid_token, verified_statement};
use crate::model::evidence::{Evidence, Known};
use crate::model::facts::Facts;
use crate::model::trace::Trace;

/// The address of the document, where the policy wants it, allows its host, and the request passes every gate: the
/// address is one that it, or its verified statement, really has. `None`: there is nothing to fetch.
pub fn sector_address(question: &Question<'_>, evidence: &Evidence) -> Option<String> {
    let policy = question.policy;
    let wanted = policy.sector()?;
    // What it says is said again by the decision, whose trace is kept.
    let mut trace = Trace::new();
    let peer = client(question, evidence, &mut trace).ok()?;
    let token = valid_token(question, evidence, &mut trace).ok()?;
    let verified = verified_statement(question, evidence, &mut trace).ok()?;
    let signed = signed::verified(policy, question.request, evidence).ok()?;
    let facts = Facts {
        operation: question.operation,
        request: signed.as_ref().map_or(&question.request.members, |signed| &signed.claims),
        metadata: &Map::new(),
        statement: verified.statement.as_ref(),
        peer,
        signer: verified.signer,
        token: token.map(|token| (&**token).into()),
        remote: question.remote,
        client: evidence.binding.value().map(|binding| &**binding),
        software_keys: &evidence.software_keys,
        sector: &Known::Absent,
        now: question.now,
    };
    policy.sector_address(&facts).filter(|address| wanted.fetches(address, &facts))
}
