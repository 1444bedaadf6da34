//! The rule language: CEL, contained. The home of the `cel` crate.
//!
//! `cel` has no limits of its own: a long chain of operators overflows the stack,
//! which is an abort, and a regular expression is compiled at every use. So an
//! expression is parsed at load, in a thread with a stack that its greatest size
//! cannot fill; its depth, nesting, cost, names, fields, functions and arity are
//! checked there and then; patterns are literal and compiled once; and what an
//! expression sees is bounded. What still fails while it is evaluated, a panic
//! included, is an error, and an error refuses.
//!
//! Submodules: `compile` parses, `names` checks, `functions` are the words that
//! rules have, `values` are the facts that they see, `certificate` those of certificates,
//! `mentions` tells a person what a rule looked at.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::cel::common::types::{CelBool, CelList};
use ::cel::common::value::{CowVal, Val};
use ::cel::parser::Expression;
use ::cel::{Context, Value as CelValue};
use serde_json::{Map, Value};

use crate::checks::report::shortened;
use certificate::CertificateUses;

mod certificate;
mod compile;
mod cost;
mod functions;
mod mentions;
mod names;
mod scope;
mod values;
mod vocabulary;

pub use compile::{Builder, Compiled, Slot, constant};
pub use functions::{FUNCTIONS, Signature};
pub use scope::{ROOTS, Schema, Scope};
pub use values::{TooLong, Values};
pub use vocabulary::{FACTS, LIMITS, Limit, MACROS, OPERATORS, Word, type_of};

/// Bytes of one expression: `cel` recurses once per operator of a chain, and a
/// 64 MiB stack was found to hold ten times as many as fit in here.
const MAX_SOURCE: usize = 4096;

/// Levels of an expression's tree; what evaluates it on a 2 MiB stack was found to hold a thousand.
const MAX_DEPTH: usize = 64;

/// Comprehensions within comprehensions: each level multiplies the cost by [`MAX_LIST`].
const MAX_NESTING: usize = 2;

/// Entries of a list among the facts; longer ones refuse before anything is evaluated.
pub const MAX_LIST: usize = 100;

/// What a named expression may come to ([`values::weight`]): more than the largest request holds. Names build on names,
/// and without a bound each could double the one before it.
const MAX_WEIGHT: usize = 65_536;

/// Steps that one expression may take where every list has [`MAX_LIST`] entries: a tenth of a second.
const MAX_COST: u64 = 500_000;

/// Steps that all expressions of one policy may take together, with every list full: a fifth of a second.
const MAX_POLICY_COST: u64 = 1_000_000;

/// The stack that parses expressions.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// A checked expression.
#[derive(Debug)]
pub struct Code {
    tree: Expression,
    /// Named expressions that it needs, in order of evaluation.
    lets: Vec<usize>,
    uses: Uses,
}

/// What a rule's `when` came to at load.
#[derive(Debug)]
pub enum Condition {
    /// It holds, or fails, whatever the request: it looked at parameters alone.
    Always(bool),
    /// Every one of these has to hold, in order.
    When(Vec<Code>),
}

/// Which members of the facts expressions look at; nothing else is converted for them.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    request: Members,
    statement: Members,
    metadata: Members,
    token: Members,
    certificate: CertificateUses,
    signer: CertificateUses,
    client: bool,
}

impl Uses {
    /// Adds what another expression looks at.
    pub fn add(&mut self, other: &Self) {
        self.request.add(&other.request);
        self.statement.add(&other.statement);
        self.metadata.add(&other.metadata);
        self.token.add(&other.token);
        self.certificate.add(&other.certificate);
        self.signer.add(&other.signer);
        self.client |= other.client;
    }

    /// Whether it looks at the request.
    pub fn looks_at_the_request(&self) -> bool {
        !self.request.is_empty()
    }
}

/// Members of one object.
#[derive(Clone, Debug)]
enum Members {
    These(BTreeSet<String>),
    All,
}

impl Default for Members {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Members {
    fn insert(&mut self, name: &str) {
        if let Self::These(names) = self {
            names.insert(name.to_owned());
        }
    }

    fn add(&mut self, other: &Self) {
        match other {
            Self::All => *self = Self::All,
            Self::These(names) => names.iter().for_each(|name| self.insert(name)),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::These(names) if names.is_empty())
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::These(names) => names.contains(name),
            Self::All => true,
        }
    }
}

/// What the expressions of one policy share: parameters, patterns, named expressions.
pub struct Library {
    params: Box<dyn Val>,
    patterns: Vec<functions::Pattern>,
    lets: Vec<(String, Code)>,
}

/// By hand: the engine's tables are in no order, and two policies are compared by how they are printed.
impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = values::to_json(&*self.params);
        f.debug_struct("Library")
            .field("params", &params)
            .field("patterns", &self.patterns)
            .field("lets", &self.lets)
            .finish()
    }
}

impl Library {
    fn new(params: &Map<String, Value>, patterns: Vec<functions::Pattern>, lets: Vec<(String, Code)>) -> Self {
        // A parameter is the deployment's own: its lists may be as long as it likes.
        let params = values::convert_owned(&Value::Object(params.clone()));
        Self { params, patterns, lets }
    }

    /// What this expression looks at, with the named expressions that it needs.
    pub fn uses(&self, code: &Code) -> Uses {
        let mut uses = code.uses.clone();
        for (_, named) in code.lets.iter().filter_map(|index| self.lets.get(*index)) {
            uses.add(&named.uses);
        }
        uses
    }
}

/// An expression could not be evaluated. The text is for the audit, never for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationFault(Box<str>);

impl EvaluationFault {
    fn new(text: impl AsRef<str>) -> Self {
        Self(shortened(text.as_ref()))
    }

    /// The text.
    pub fn into_text(self) -> Box<str> {
        self.0
    }
}

/// The evaluation of a policy's expressions over one set of facts.
pub struct Session<'v> {
    context: Context<'v, 'v>,
    library: &'v Library,
    lets: Vec<Named>,
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("lets", &self.lets).finish_non_exhaustive()
    }
}

/// How far a named expression is.
#[derive(Debug)]
enum Named {
    Pending,
    Done,
    Failed(EvaluationFault),
}

impl<'v> Session<'v> {
    /// Over these facts.
    pub fn new(library: &'v Library, values: &'v Values<'v>) -> Self {
        let mut context = Context::with_env(Arc::clone(functions::environment()));
        context.set_variable_resolver(values);
        Self { context, library, lets: library.lets.iter().map(|_| Named::Pending).collect() }
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`EvaluationFault`] when it cannot be evaluated or is not a boolean.
    pub fn holds(&mut self, code: &Code) -> Result<bool, EvaluationFault> {
        self.evaluate(code, |value| match value.downcast_ref::<CelBool>() {
            Some(word) => Ok(word.into_inner()),
            None => Err(EvaluationFault::new("the expression is not a boolean")),
        })
    }

    /// Its value as JSON.
    ///
    /// # Errors
    /// [`EvaluationFault`] when it cannot be evaluated or has no JSON form.
    pub fn json(&mut self, code: &Code) -> Result<Value, EvaluationFault> {
        self.evaluate(code, |value| {
            values::to_json(value).ok_or_else(|| EvaluationFault::new("the value has no JSON form"))
        })
    }

    fn evaluate<T>(
        &mut self,
        code: &Code,
        with: impl FnOnce(&(dyn Val + 'v)) -> Result<T, EvaluationFault>,
    ) -> Result<T, EvaluationFault> {
        for index in &code.lets {
            self.name(*index)?;
        }
        guarded(|| match CelValue::resolve_val(&code.tree, &self.context) {
            Ok(value) => with(&*value),
            Err(error) => Err(EvaluationFault::new(error.to_string())),
        })
    }

    /// Evaluates a named expression unless that was done. Those that it needs itself come before it in every list.
    fn name(&mut self, index: usize) -> Result<(), EvaluationFault> {
        let library = self.library;
        let Some((name, code)) = library.lets.get(index) else { return Ok(()) };
        match self.lets.get(index) {
            Some(Named::Pending) => {}
            Some(Named::Failed(fault)) => return Err(fault.clone()),
            Some(Named::Done) | None => return Ok(()),
        }
        let value = guarded(|| {
            let value: CowVal<'_, 'v> = CelValue::resolve_val(&code.tree, &self.context)
                .map_err(|error| EvaluationFault::new(format!("in `{name}`: {error}")))?;
            match value.downcast_ref::<CelList>() {
                Some(list) if list.inner().len() > MAX_LIST => {
                    Err(EvaluationFault::new(format!("`{name}` has more than {MAX_LIST} entries")))
                }
                _ if values::weight(&*value, MAX_WEIGHT) > MAX_WEIGHT => {
                    Err(EvaluationFault::new(format!("`{name}` is too large")))
                }
                _ => Ok(value.into_owned()),
            }
        });
        let state = match value {
            Ok(value) => {
                self.context.add_variable_as_val(name.as_str(), value);
                Named::Done
            }
            Err(fault) => Named::Failed(fault),
        };
        let result = match &state {
            Named::Failed(fault) => Err(fault.clone()),
            _ => Ok(()),
        };
        if let Some(slot) = self.lets.get_mut(index) {
            *slot = state;
        }
        result
    }
}

/// A panic of the engine is an error like any other.
fn guarded<T>(run: impl FnOnce() -> Result<T, EvaluationFault>) -> Result<T, EvaluationFault> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(EvaluationFault::new("the engine panicked")))
}

#[cfg(test)]
mod tests;
