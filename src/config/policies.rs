//! `[policies.NAME]`: a policy file, and what the deployment fills into its roles.
//!
//! The text is read here and compiled elsewhere. Files that it builds on with
//! `extends` are read here too, so that the digest of the configuration covers
//! them and compiling needs no file.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Reading;
use super::files::{Files, reason};
use super::names::Names;
use crate::model::document::{Located, Place, Section};
use crate::model::id::AuthorityName;

/// A policy as deployed.
#[derive(Debug)]
pub struct Policy {
    /// The file's path, relative to the configuration file.
    pub file: String,
    /// Its text.
    pub text: String,
    bases: Bases,
    /// Whose certificates it accepts; at least one.
    pub authorities: Vec<AuthorityName>,
    /// The policy's role for keys (such as `statement`) to the name of a key set.
    pub key_sets: BTreeMap<String, String>,
    /// Instead of the policy's own parameters; default none.
    pub params: Map<String, Value>,
    /// Where the configuration names the file.
    pub place: Place,
}

impl Policy {
    /// The text of a file that this policy builds on, by its path from the folder of the configuration file.
    ///
    /// # Errors
    /// Why it could not be read, in a few words.
    pub fn base(&self, path: &str) -> Result<String, String> {
        self.bases.get(path).cloned().unwrap_or_else(|| Err("not a file that this policy builds on".to_owned()))
    }
}

/// Texts by path, or why there is none.
type Bases = BTreeMap<String, Result<String, String>>;

/// Reads every `[policies.NAME]`.
pub(super) fn policies(sections: Vec<(Located<String>, Section<'_>)>, from: &Reading<'_>) -> BTreeMap<String, Policy> {
    sections.into_iter().filter_map(|(name, section)| Some((name.value, policy(section, from)?))).collect()
}

fn policy(section: Section<'_>, from: &Reading<'_>) -> Option<Policy> {
    let faults = section.faults();
    let file = section.required_text("file");
    let text = file.as_ref().and_then(|file| {
        let content = from.files.read(file, faults)?;
        let text = String::from_utf8(content.bytes).ok();
        if text.is_none() {
            faults.error(Some(&file.place), format!("`{}` is not UTF-8 text", file.value), None);
        }
        text
    });
    section.require("authorities");
    let named = section.texts("authorities");
    if named.as_ref().is_some_and(Vec::is_empty) {
        let place = section.place_of_key("authorities");
        faults.error(Some(&place), "a policy needs at least one authority", None);
    }
    let refer = |names: &Names, reference| names.refer(reference, faults);
    let authorities: Vec<_> = named
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| refer(&from.authorities, name).map(AuthorityName::new))
        .collect();
    let key_sets = section.section("key_sets").map_or_else(Vec::new, |roles| roles.text_entries());
    let key_sets =
        key_sets.into_iter().filter_map(|(role, name)| Some((role.value, refer(&from.key_sets, name)?))).collect();
    let params = section.section("params").map(|params| params.all_json()).unwrap_or_default();
    section.finish();
    let (file, text) = (file?, text?);
    let bases = bases(&from.files, &file.value, &text);
    Some(Policy { file: file.value, text, bases, authorities, key_sets, params, place: file.place })
}

/// What `extends` leads to. Whether the chain makes sense is for the compiler to say.
fn bases(files: &Files<'_>, file: &str, text: &str) -> Bases {
    let found = RefCell::new(Bases::new());
    let read = |path: &str| {
        let read = files.bytes(&files.resolve(path)).map_err(|error| reason(&error));
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
        found.borrow_mut().insert(path.to_owned(), text.clone());
        text
    };
    crate::policy::follow(file, text, &read);
    found.into_inner()
}
