//! A case as data, for whoever plays it with real certificates, keys and signatures.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::facts::Operation;
use crate::model::time::Timestamp;

/// What one case says, the defaults of its file included.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// What is asked for.
    pub operation: Operation,
    /// When.
    pub now: Timestamp,
    /// Parameters of the policy.
    pub params: Map<String, Value>,
    /// `request`, `statement`, `certificate` and the others, as the file has them.
    pub facts: Map<String, Value>,
    /// Whether it has to be admitted.
    pub accepted: bool,
    /// The code of the answer, where the case names one.
    pub error: Option<String>,
    /// Ids of everything that has to refuse.
    pub failed: BTreeSet<String>,
    /// Ids of checks whose single-use things somebody else has taken before.
    pub taken: BTreeSet<String>,
    /// Members that the identity server has to get.
    pub forwarded: Map<String, Value>,
    /// Members that it must not get.
    pub absent: BTreeSet<String>,
}
