//! A proof of possession is used once (RFC 9449 §11.1), over restarts and over several proxies.
//!
//! It is used up by its first request whatever comes of that, before anything is answered: also an answer that was
//! given before holds secrets, and whoever copied a whole request is not to get them.

use std::sync::Arc;
use std::time::Duration;

use http::Response;

use super::answer::Refusal;
use super::decide::{self, Decision};
use super::registration::Attempt;
use super::routes::{PolicyUse, RegistrationRoute};
use super::token::Unfit;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::token::{PROOF_AGE, Proof, Shown};
use crate::model::trace::Trace;
use crate::policy::Gate;
use crate::upstream::Body;

impl Attempt {
    /// Uses up the proof of the caller's token, where there is one. The answer, if that was done before or cannot be.
    pub(super) async fn spend_proof(&self, settings: &RegistrationRoute, policy: &PolicyUse) -> Option<Response<Body>> {
        let token = self.caller.token()?;
        let Shown::Dpop(Ok(Proof { key, id, issued })) = &token.shown else { return None };
        let claim = Claim {
            kind: ClaimKind::Jti,
            // No policy has a name with a space.
            key: format!("DPoP proof\n{key}\n{id}").into(),
            expires: Some(issued.plus(PROOF_AGE).plus(LINGER)),
            units: 1,
            owner: None,
            refusal: Arc::clone(policy.policy.gate(Gate::TokenProof)),
        };
        match self.recording.ledger.take(claim, self.id, self.now).await {
            Ok(true) => None,
            Ok(false) => {
                let mut trace = Trace::new();
                let unfit = Unfit { gate: Gate::TokenProof, why: "the proof was used before".into() };
                decide::refuse_token(&policy.policy, &unfit, &mut trace);
                policy.tally.count(&trace, None);
                let decision = Decision { token: Some(Arc::clone(token)), ..Decision::refused(trace) };
                let standing = self.caller.standing_by_certificate(settings);
                Some(self.refuse(policy, standing, &decision, &Refusal::Decided(&decision.trace)).await)
            }
            Err(error) => Some(self.store_failed(&error)),
        }
    }
}

/// How long after its age a proof is still remembered: longer than any deviation of clocks that is tolerated where
/// tokens are verified (at most 5 minutes).
const LINGER: Duration = Duration::from_secs(301);
