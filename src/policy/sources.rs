//! The files of a policy, parsed once, to be compiled with several sets of parameters.

use serde_json::{Map, Value};

use super::read::compile_documents;
use super::{Policy, layers};
use crate::model::document::{Document, Faults, Place};

/// A policy file and the files that it extends, parsed.
#[derive(Debug)]
pub struct Sources {
    /// Nearest first.
    pub(super) documents: Vec<Document>,
}

impl Sources {
    /// Reads a policy and what it extends. The arguments are those of [`super::compile`].
    pub fn load(name: &str, text: &str, read: &dyn Fn(&str) -> Result<String, String>, faults: &Faults) -> Self {
        Self { documents: layers::load(name, text, read, faults) }
    }

    /// Makes the policy with these parameters of the deployment. Every fault is recorded; the policy is there when
    /// none is an error.
    pub fn compile(&self, params: &Map<String, Value>, faults: &Faults) -> Option<Policy> {
        compile_documents(&self.documents, params, faults)
    }

    /// Where a check, gate or rule stands, in the nearest file that has it.
    pub fn place_of(&self, id: &str) -> Option<Place> {
        let faults = Faults::new();
        self.documents.iter().find_map(|document| {
            let root = document.root(&faults);
            let rules = root.list("rule").into_iter();
            let rule = rules.filter_map(|rule| rule.text("id")).find(|known| known.value == id).map(|id| id.place);
            rule.or_else(|| {
                let (group, name) = id.split_once('.')?;
                Some(root.section("checks")?.section(group)?.section(name)?.place())
            })
        })
    }
}
