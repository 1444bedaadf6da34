//! Which policy goes with which cases: NAME.toml with NAME.cases.toml.

use std::path::{Path, PathBuf};

use crate::cli::CliError;

/// A policy file and its file of cases; whether they are there is looked at when they are read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// NAME.toml.
    pub policy: PathBuf,
    /// NAME.cases.toml.
    pub cases: PathBuf,
}

impl Pair {
    /// Of either file.
    pub fn of(file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(".cases.toml").or_else(|| name.strip_suffix(".toml")).unwrap_or(&name);
        Self {
            policy: file.with_file_name(format!("{stem}.toml")),
            cases: file.with_file_name(format!("{stem}.cases.toml")),
        }
    }

    /// NAME.
    pub fn name(&self) -> String {
        self.policy.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Every pair that is named, or in a folder that is; each once, in order of their names.
    ///
    /// # Errors
    /// [`CliError::Unable`]: a path is not there, or a folder cannot be read or holds no policy.
    pub fn find(paths: &[PathBuf]) -> Result<Vec<Self>, CliError> {
        let mut found = Vec::new();
        for path in paths {
            if path.is_dir() {
                let before = found.len();
                found.extend(in_folder(path)?);
                if found.len() == before {
                    return Err(CliError::Unable(format!("no policy in {}: NAME.toml is one", path.display())));
                }
            } else if path.exists() {
                found.push(Self::of(path));
            } else {
                return Err(CliError::Unable(format!("no file or folder {}", path.display())));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

fn in_folder(folder: &Path) -> Result<Vec<Pair>, CliError> {
    let unreadable = |error: std::io::Error| CliError::Unable(format!("cannot read {}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            found.push(Pair::of(&path));
        }
    }
    Ok(found)
}
