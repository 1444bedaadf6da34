//! A policy file and the files that it extends, nearest first.

use std::path::Path;

use serde_json::{Map, Value};

use crate::model::digest::Digest;
use crate::model::document::{Document, Faults, Place, Section, nearest};

/// Files in one chain of `extends`: a deployment, a regime, a base, and one to spare.
const MAX_FILES: usize = 4;

/// The file that `extends` means in a policy file: a path relative to the folder of that file, with or
/// without `.toml`.
fn base(file: &str, extends: &str) -> String {
    let mut path = Path::new(file).parent().unwrap_or(Path::new("")).join(extends);
    if path.extension().is_none_or(|extension| extension != "toml") {
        path.as_mut_os_string().push(".toml");
    }
    path.display().to_string()
}

/// Reads every file of the chain, each by its path from where `name` starts.
pub(super) fn load(
    name: &str,
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
    faults: &Faults,
) -> Vec<Document> {
    let mut documents = vec![Document::parse(name, text, faults)];
    while let Some(nearest) = documents.last() {
        let Some(extends) = nearest.root(faults).text("extends") else { break };
        if documents.len() == MAX_FILES {
            let message = format!("more than {MAX_FILES} policies extend each other");
            faults.error(Some(&extends.place), message, None);
            break;
        }
        let path = base(&nearest.source().name, &extends.value);
        if documents.iter().any(|document| document.source().name == path) {
            faults.error(Some(&extends.place), "this policy extends itself", None);
            break;
        }
        match read(&path) {
            Ok(text) => documents.push(Document::parse(path, text, faults)),
            Err(why) => {
                faults.error(Some(&extends.place), format!("`{path}` cannot be read: {why}"), None);
                break;
            }
        }
    }
    documents
}

/// SHA-256 over the files and the parameters, each with its length before it.
pub(super) fn digest(documents: &[Document], params: &Map<String, Value>) -> Digest {
    let params = Value::Object(params.clone()).to_string();
    let texts = documents.iter().map(|document| document.source().text.as_str()).chain([params.as_str()]);
    let parts: Vec<Vec<u8>> = texts.map(|text| [&text.len().to_be_bytes(), text.as_bytes()].concat()).collect();
    Digest::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// `[params]` of the chain, the nearest value of each, under the deployment's own.
pub(super) fn parameters(roots: &[Section<'_>], overrides: &Map<String, Value>, faults: &Faults) -> Map<String, Value> {
    let mut params = Map::new();
    for root in roots.iter().rev() {
        let Some(section) = root.section("params") else { continue };
        for (name, value) in section.all_json() {
            let place = section.place_of_key(&name);
            replace(&mut params, &name, value, Some(&place), faults);
        }
    }
    for (name, value) in overrides {
        if params.contains_key(name) {
            replace(&mut params, name, value.clone(), None, faults);
        } else {
            let help = nearest(name, params.keys().map(String::as_str)).map_or_else(
                || format!("known parameters: {}", params.keys().cloned().collect::<Vec<_>>().join(", ")),
                |word| format!("did you mean `{word}`?"),
            );
            faults.error(None, format!("the policy has no parameter `{name}`"), Some(help));
        }
    }
    params
}

/// A value may take the place of one of its own type only.
fn replace(params: &mut Map<String, Value>, name: &str, value: Value, place: Option<&Place>, faults: &Faults) {
    if let Some(wanted) = params.get(name).map(kind)
        && wanted != kind(&value)
    {
        faults.error(place, format!("parameter `{name}` has to be {wanted}, not {}", kind(&value)), None);
        return;
    }
    params.insert(name.to_owned(), value);
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
