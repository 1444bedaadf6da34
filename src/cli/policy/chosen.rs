//! The policy that a command is about: a file, or one of those that come with dcrgate.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::{CliError, Output, problems, read_text};
use crate::model::document::{Document, Faults};
use crate::policy::effective::Effective;
use crate::policy::{Policy, Sources, packs};

/// A policy file with its text.
#[derive(Debug)]
pub struct Chosen {
    /// As faults and reports call it: the path, or the file name of a pack.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The file; `None` for one that comes with dcrgate.
    pub path: Option<PathBuf>,
}

impl Chosen {
    /// A file, or else a pack of this name.
    ///
    /// # Errors
    /// When there is neither, or the file cannot be read.
    pub fn find(path: &Path) -> Result<Self, CliError> {
        if path.exists() {
            let text = read_text(path)?;
            return Ok(Self { name: path.display().to_string(), text, path: Some(path.to_owned()) });
        }
        Self::pack(&path.display().to_string())
    }

    /// A pack, whatever files there are.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn pack(name: &str) -> Result<Self, CliError> {
        let name = name.trim_end_matches(".toml");
        let text = packs::pack(name).ok_or_else(|| {
            let packs: Vec<&str> = packs::PACKS.iter().map(|(file, _)| file.trim_end_matches(".toml")).collect();
            let packs = packs.join(", ");
            CliError::Unable(format!("no policy `{name}`: neither a file nor one of {packs}"))
        })?;
        Ok(Self { name: format!("{name}.toml"), text: text.to_owned(), path: None })
    }

    /// What it builds on: a file beside it as in the server, or else a pack; of a pack, packs alone.
    fn base(&self, path: &str) -> Result<String, String> {
        let path = Path::new(path);
        let name = path.file_name().and_then(OsStr::to_str).filter(|_| self.path.is_none() || !path.exists());
        match name.and_then(packs::pack) {
            Some(text) => Ok(text.to_owned()),
            None => std::fs::read_to_string(path).map_err(|error| error.to_string()),
        }
    }

    /// Compiles it.
    ///
    /// # Errors
    /// When it has faults: all of them, under their lines.
    pub fn compile(&self, params: &Map<String, Value>) -> Result<Policy, CliError> {
        let faults = Faults::new();
        let policy = self.compile_with(params, &faults);
        policy.ok_or_else(|| unusable(faults))
    }

    /// Compiles it; faults are recorded.
    pub fn compile_with(&self, params: &Map<String, Value>, faults: &Faults) -> Option<Policy> {
        crate::policy::compile(&self.name, &self.text, &|path| self.base(path), params, faults)
    }

    /// Parses it and what it builds on, to be compiled with several sets of parameters; faults are recorded.
    pub fn sources(&self, faults: &Faults) -> Sources {
        Sources::load(&self.name, &self.text, &|path| self.base(path), faults)
    }

    /// Compiles it, and tells what it says and where.
    ///
    /// # Errors
    /// As [`Chosen::compile`].
    pub fn effective(&self, params: &Map<String, Value>) -> Result<(Policy, Effective), CliError> {
        let policy = self.compile(params)?;
        let faults = Faults::new();
        let effective = Effective::read(&self.name, &self.text, &|path| self.base(path), params, &faults);
        Ok((policy, effective.ok_or_else(|| unusable(faults))?))
    }

    /// Its cases, with the name of their file: `NAME.cases.toml` beside it, or those of the pack. `None` where
    /// there are none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn cases(&self) -> Result<Option<(String, String)>, CliError> {
        let name = self.name.trim_end_matches(".toml");
        let file = PathBuf::from(format!("{name}.cases.toml"));
        match &self.path {
            None => Ok(packs::cases(name).map(|text| (file.display().to_string(), text.to_owned()))),
            Some(_) if !file.exists() => Ok(None),
            Some(_) => Ok(Some((file.display().to_string(), read_text(&file)?))),
        }
    }
}

fn unusable(faults: Faults) -> CliError {
    let shown = problems::text(&faults.into_problems(), problems::Style::Plain);
    CliError::Usage(format!("the policy cannot be used\n{}", shown.trim_end()))
}

/// What several commands may be told besides their policies.
#[derive(Debug, Default, Args)]
pub struct Options {
    /// Parameters of the deployment: name=value, a JSON object, or a file (TOML or JSON); may be repeated.
    #[arg(long, value_name = "PARAMS")]
    pub params: Vec<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

impl Options {
    /// All parameters; of those that are given twice the last.
    ///
    /// # Errors
    /// A file that cannot be read, or a text that is none of a file, an object and a pair.
    pub fn parameters(&self) -> Result<Map<String, Value>, CliError> {
        let mut params = Map::new();
        for text in &self.params {
            let is_name = |name: &str| {
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
            };
            if let Some((name, value)) = text.split_once('=').filter(|(name, _)| is_name(name.trim())) {
                // What is not JSON is a text: quotes are for the few texts that look like JSON.
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.trim()));
                params.insert(name.trim().to_owned(), value);
            } else {
                params.extend(object(text)?);
            }
        }
        Ok(params)
    }
}

fn object(text: &str) -> Result<Map<String, Value>, CliError> {
    let json =
        |json: &str| serde_json::from_str(json).map_err(|error| CliError::Usage(format!("--params: {text}: {error}")));
    if text.trim_start().starts_with('{') {
        return json(text);
    }
    let content = read_text(Path::new(text))?;
    if text.ends_with(".json") {
        return json(&content);
    }
    let faults = Faults::new();
    let document = Document::parse(text, content, &faults);
    let params = document.root(&faults).all_json();
    if faults.any_error() { Err(CliError::Usage(format!("--params: {text} is not TOML"))) } else { Ok(params) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_come_in_three_ways() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (toml, json) = (write("p.toml", "a = 1\nb = ['x']\n"), write("p.json", r#"{"b": ["y"]}"#));
        let given = [toml, json, r#"{"c": true}"#.to_owned(), "d=5m".to_owned(), "e=[1, 2]".to_owned()];
        let wanted = json!({ "a": 1, "b": ["y"], "c": true, "d": "5m", "e": [1, 2] });
        let parameters = |params: &[String]| Options { params: params.to_vec(), ..Options::default() }.parameters();
        assert_eq!(Value::Object(parameters(&given).unwrap()), wanted);
        for wrong in ["{", "nowhere.toml"] {
            assert!(parameters(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pack_has_its_cases_and_its_base() {
        let chosen = Chosen::find(Path::new("open-finance-brasil")).unwrap();
        assert_eq!((chosen.name.as_str(), chosen.path.is_none()), ("open-finance-brasil.toml", true));
        let (policy, effective) = chosen.effective(&Map::new()).unwrap();
        assert_eq!((&**policy.id(), effective.files.len()), ("open-finance-brasil", 2));
        assert!(chosen.cases().unwrap().is_some_and(|(name, _)| name == "open-finance-brasil.cases.toml"));
        let wrong = Chosen::find(Path::new("nowhere")).unwrap_err().to_string();
        assert!(wrong.contains("neither a file nor one of ") && wrong.contains(", open-finance-brasil, "), "{wrong}");
    }
}
