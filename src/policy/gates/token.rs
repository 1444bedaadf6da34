//! The gate of initial access tokens: under which words it refuses. What a token has to be, the route says.

use std::sync::Arc;

use crate::checks::{About, Fault};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Operation;
use crate::model::trace::Rule;

/// One gate that fails in five ways. The code of three of them is for the protocol to say, whatever a policy says.
#[derive(Debug)]
pub(super) struct TokenRules {
    pub(super) valid: Arc<Rule>,
    pub(super) present: Arc<Rule>,
    pub(super) scope: Arc<Rule>,
    pub(super) proof: Arc<Rule>,
    pub(super) keys: Arc<Rule>,
}

impl TokenRules {
    /// From the rule under the policy's words.
    pub(super) fn new(valid: Arc<Rule>) -> Self {
        let other = |fault: Fault, error: Option<ErrorCode>| {
            let (message, hint) = (fault.message.into(), Some(fault.hint.into()));
            Arc::new(Rule { error: error.unwrap_or_else(|| valid.error.clone()), message, hint, ..Rule::clone(&valid) })
        };
        Self {
            present: other(MISSING, None),
            scope: other(NARROW, Some(ErrorCode::InsufficientScope)),
            proof: other(UNPROVED, Some(ErrorCode::InvalidDpopProof)),
            keys: other(KEYS, Some(ErrorCode::TemporarilyUnavailable)),
            valid,
        }
    }
}

pub(super) static TOKEN_VALID: About = About {
    id: "token.valid",
    summary: "the initial access token that the route asks for is the issuer's and valid here",
    clause: "RFC 6750 3.1, RFC 9068 4",
    error: ErrorCode::InvalidToken,
    field: None,
    operations: &[Operation::Register],
    faults: &[INVALID, MISSING, NARROW, UNPROVED, KEYS],
    settings: &[],
};

const INVALID: Fault = Fault {
    message: "the initial access token is not valid here",
    hint: "ask its issuer for a new one for this registration endpoint, and use it with the certificate it is bound to",
};
const MISSING: Fault = Fault {
    message: "an initial access token is needed here",
    hint: "send it in the Authorization header, as RFC 6750 2.1 has it",
};
const NARROW: Fault = Fault {
    message: "the scope of the initial access token does not allow this registration",
    hint: "ask its issuer for one with the scope of client registration",
};
const UNPROVED: Fault = Fault {
    message: "the DPoP proof is not valid for this request, or was used before",
    hint: "sign a new proof for each request with the token's key, as RFC 9449 4.2 has it",
};
const KEYS: Fault = Fault {
    message: "initial access tokens cannot be verified at the moment: their issuer cannot be asked",
    hint: "send the same request again later",
};
