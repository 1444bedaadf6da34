//! What the rules of a decision looked at, for `explain` alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use super::{Decision, Question, Signer};
use crate::model::evidence::{Evidence, Known};
use crate::model::facts::Facts;
use crate::model::id::AuthorityName;
use crate::model::peer::Peer;
use crate::policy::LookedAt;

/// What the rules of this decision looked at, by id: the same question and evidence, read again.
pub fn looked_at(question: &Question<'_>, evidence: &Evidence, decision: &Decision) -> BTreeMap<Arc<str>, LookedAt> {
    let none = Map::new();
    let facts = Facts {
        operation: question.operation,
        request: decision.signed.as_ref().map_or(&question.request.members, |signed| &signed.claims),
        metadata: &none,
        statement: decision.statement.as_ref(),
        peer: vouched(question, &evidence.peer),
        signer: vouched(question, &evidence.signer),
        token: decision.token.as_ref().map(|token| (&**token).into()),
        remote: question.remote,
        client: evidence.binding.value().map(|binding| &**binding),
        software_keys: &evidence.software_keys,
        sector: &evidence.sector,
        now: question.now,
    };
    question.policy.looked_at(&facts, &decision.trace)
}

fn vouched<'e>(question: &Question<'_>, shown: &'e Known<Signer>) -> Option<(&'e Peer, &'e AuthorityName)> {
    let (peer, judgement) = shown.value()?;
    judgement.trusted_by(question.authorities).map(|(authority, _)| (&**peer, authority))
}
