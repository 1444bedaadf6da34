//! `[aliases]`: other spellings of members and claims, which the field uses for one and the same thing.
//!
//! What came under another spelling is read under the one of the table of client
//! metadata, or of the policy's claims; rules and checks know no other. Sent under
//! two spellings it is refused, because every reader would take another of the two.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::facts::Facts;
use crate::model::statement::Statement;
use crate::model::trace::{Outcome, Rule, Trace};

/// Another spelling.
#[derive(Debug)]
pub(super) struct Alias {
    /// As it may be sent.
    pub(super) name: String,
    /// As it is read.
    pub(super) meant: String,
    /// Under which it is refused beside the name that is meant.
    pub(super) rule: Arc<Rule>,
}

/// The other spellings that a policy knows.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    pub(super) request: Vec<Alias>,
    pub(super) statement: Vec<Alias>,
}

impl Aliases {
    /// The spellings of members and of claims under which nothing is left to be read.
    pub(super) fn names(&self) -> (Vec<String>, Vec<String>) {
        let names = |aliases: &[Alias]| aliases.iter().map(|alias| alias.name.clone()).collect();
        (names(&self.request), names(&self.statement))
    }

    /// The rules under which it may refuse.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.request.iter().chain(&self.statement).map(|alias| &alias.rule)
    }

    /// The request with every member under the name that is meant. What came under both stays as it is, and
    /// [`Aliases::judge`] refuses it.
    pub(super) fn request<'r>(&self, request: &'r Map<String, Value>) -> Cow<'r, Map<String, Value>> {
        match respelled(request, &self.request) {
            Some(respelled) => Cow::Owned(respelled),
            None => Cow::Borrowed(request),
        }
    }

    /// The same for the claims of a statement.
    pub(super) fn statement<'s>(&self, statement: &'s Statement) -> Cow<'s, Statement> {
        match respelled(&statement.claims, &self.statement) {
            Some(claims) => Cow::Owned(Statement {
                claims,
                algorithm: statement.algorithm,
                key_id: Arc::clone(&statement.key_id),
                digest: statement.digest,
            }),
            None => Cow::Borrowed(statement),
        }
    }

    /// A claim that is a text, under the name that is meant or one of its other spellings.
    pub(super) fn claim<'s>(&self, claims: &'s Map<String, Value>, meant: &str) -> Option<&'s str> {
        let others = self.statement.iter().filter(|alias| alias.meant == meant).map(|alias| alias.name.as_str());
        [meant].into_iter().chain(others).find_map(|name| claims.get(name)?.as_str())
    }

    /// Refuses what came under two names.
    pub(super) fn judge(&self, facts: &Facts<'_>, trace: &mut Trace) {
        let claims = facts.statement.map(|statement| &statement.claims);
        let both = |map: &Map<String, Value>, alias: &Alias| is_there(map, &alias.name) && is_there(map, &alias.meant);
        let request = self.request.iter().filter(|alias| both(facts.request, alias));
        let statement = self.statement.iter().filter(|alias| claims.is_some_and(|claims| both(claims, alias)));
        for alias in request.chain(statement) {
            trace.push(&alias.rule, Outcome::Fail, Some(format!("{} and {}", alias.name, alias.meant).into()));
        }
    }
}

fn is_there(map: &Map<String, Value>, name: &str) -> bool {
    map.get(name).is_some_and(|value| !value.is_null())
}

/// `None` where nothing came under another spelling alone.
fn respelled(map: &Map<String, Value>, aliases: &[Alias]) -> Option<Map<String, Value>> {
    let mut changed: Option<Map<String, Value>> = None;
    for alias in aliases {
        let now = changed.as_ref().unwrap_or(map);
        if is_there(now, &alias.name) && !is_there(now, &alias.meant) {
            let now = changed.get_or_insert_with(|| map.clone());
            if let Some(value) = now.remove(&alias.name) {
                now.insert(alias.meant.clone(), value);
            }
        }
    }
    changed
}
