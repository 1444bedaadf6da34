//! `[subject]`: on whose behalf a request came.
//!
//! The claims of a verified statement say it. Where a policy has no statement, or
//! the statement does not say, expressions over the certificate, the token or the
//! request do. What they come to is recorded, owns the client, and is what quotas
//! count against; it admits nobody.

use serde_json::Value;

use super::cel::{Code, Library, Session, Uses, Values};
use crate::model::facts::Facts;

/// On whose behalf a request came, as the verified statement or the policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The organisation's id.
    pub organisation: Option<String>,
    /// The organisation's name.
    pub organisation_name: Option<String>,
    /// The software's id.
    pub software: Option<String>,
    /// Roles that it holds.
    pub roles: Vec<String>,
}

/// Where the name of one party is found.
#[derive(Debug, Default)]
pub(super) struct Party {
    /// The claim of the statement.
    pub(super) claim: Option<String>,
    /// The expression for where that says nothing.
    pub(super) derived: Option<Code>,
}

/// `[subject]` of a policy.
#[derive(Debug, Default)]
pub(super) struct SubjectPolicy {
    pub(super) organisation: Party,
    pub(super) organisation_name: Party,
    pub(super) software: Party,
    pub(super) roles: Option<Code>,
    /// What the expressions of the parties look at.
    pub(super) uses: Uses,
}

impl SubjectPolicy {
    pub(super) fn parties(&self) -> [&Party; 3] {
        [&self.organisation, &self.organisation_name, &self.software]
    }

    /// The parties; roles are read with the rules, which they may name expressions of.
    pub(super) fn of(&self, library: &Library, facts: &Facts<'_>) -> Subject {
        let [organisation, organisation_name, software] = self.parties().map(|party| claimed(party, facts));
        let mut subject = Subject { organisation, organisation_name, software, roles: Vec::new() };
        if self.parties().iter().all(|party| party.derived.is_none()) {
            return subject;
        }
        // Facts that are too large are refused where the rules are evaluated.
        let Ok(values) = Values::new(library, &self.uses, facts) else { return subject };
        let mut session = Session::new(library, &values);
        let found = [&mut subject.organisation, &mut subject.organisation_name, &mut subject.software];
        for (party, name) in self.parties().into_iter().zip(found) {
            if let (Some(code), None) = (&party.derived, &name) {
                *name = match session.json(code) {
                    Ok(Value::String(text)) if !text.is_empty() => Some(text),
                    _ => None,
                };
            }
        }
        subject
    }
}

/// A claim that is empty names nobody.
fn claimed(party: &Party, facts: &Facts<'_>) -> Option<String> {
    facts.statement?.text(party.claim.as_deref()?).filter(|name| !name.is_empty()).map(str::to_owned)
}
