//! `[policies.NAME]`: a policy file, and what the deployment fills into its roles.
//!
//! The text is read here and compiled elsewhere. Files that it builds on with
//! `extends` are read here too, so that the digest of the configuration covers
//! them and compiling needs no file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Reading;
use super::files::{Files, reason};
use super::names::Names;
use crate::model::document::{Document, Faults, Located, Place, Section};
use crate::model::id::AuthorityName;

/// A policy as deployed.
#[derive(Debug)]
pub struct Policy {
    /// The file's path, relative to the configuration file.
    pub file: String,
    /// Its text.
    pub text: String,
    bases: BTreeMap<String, Result<(String, String), String>>,
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
    /// The name and text of the file that an `extends` in this policy, or in one of its bases, means:
    /// a path relative to the file that says so, with or without `.toml`.
    ///
    /// # Errors
    /// Why it could not be read, in a few words.
    pub fn base(&self, extends: &str) -> Result<(String, String), String> {
        self.bases.get(extends).cloned().unwrap_or_else(|| Err("not a file that this policy builds on".to_owned()))
    }
}

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

/// Follows `extends` from file to file. Whether the chain makes sense is for the compiler to say.
fn bases(files: &Files<'_>, file: &str, text: &str) -> BTreeMap<String, Result<(String, String), String>> {
    let mut found: BTreeMap<String, Result<(String, String), String>> = BTreeMap::new();
    let mut folder = Path::new(file).parent().map(Path::to_path_buf).unwrap_or_default();
    let mut next = extends(text);
    while let Some(base) = next.filter(|base| !found.contains_key(base) && found.len() < MAX_BASES) {
        let (path, read) = read_base(files, &folder, &base);
        next = read.as_ref().ok().and_then(|text| extends(text));
        folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        found.insert(base, read.map(|text| (path.display().to_string(), text)));
    }
    found
}

fn read_base(files: &Files<'_>, folder: &Path, base: &str) -> (PathBuf, Result<String, String>) {
    let mut path = folder.join(base);
    if path.extension().is_none_or(|extension| extension != "toml") {
        path.as_mut_os_string().push(".toml");
    }
    let read = files.bytes(&files.resolve(&path.to_string_lossy()));
    let text = read.map_err(|error| format!("cannot read `{}`: {}", path.display(), reason(&error)));
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
    (path, text)
}

/// The value of `extends`; faults of the policy file are told when it is compiled.
fn extends(text: &str) -> Option<String> {
    let unheard = Faults::new();
    let document = Document::parse("", text, &unheard);
    document.root(&unheard).text("extends").map(|base| base.value)
}

/// A regime builds on a family, a family on a standard: more is a loop or a puzzle.
const MAX_BASES: usize = 8;
