//! What an expression may name, by where it stands.

use serde_json::{Map, Value};

/// The facts.
pub const ROOTS: &[&str] =
    &["request", "metadata", "ssa", "cert", "signer", "token", "client", "operation", "params", "now"];

/// Where an expression stands, and so what it may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a rule: everything.
    Decision,
    /// In a rule's `when`: everything; its parts are decided one by one.
    Condition,
    /// In `[forward]`: what is known before there is metadata.
    Forward,
    /// In a setting: parameters.
    Parameters,
}

impl Scope {
    pub(super) const fn roots(self) -> &'static [&'static str] {
        match self {
            Self::Decision | Self::Condition => ROOTS,
            Self::Forward => &["request", "ssa", "cert", "signer", "token", "params"],
            Self::Parameters => &["params"],
        }
    }
}

/// What a policy's expressions may name besides the facts that are always the same.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    /// The policy's parameters.
    pub params: &'a Map<String, Value>,
    /// Claims of the statement, where the policy lists them.
    pub claims: Option<&'a [String]>,
    /// Whether requests are signed, and so hold the claims of a JWT.
    pub signed: bool,
    /// Spellings under which nothing is ever found: `[aliases]` of members and of claims.
    pub aliases: (&'a [String], &'a [String]),
}

impl<'a> Schema<'a> {
    /// These parameters, and nothing else that is particular.
    pub const fn of(params: &'a Map<String, Value>) -> Self {
        Self { params, claims: None, signed: false, aliases: (&[], &[]) }
    }
}
