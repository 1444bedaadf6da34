//! Files and secrets that the configuration names, read once at load.
//!
//! Relative paths start at the folder of the configuration file. What was read
//! is remembered with its digest, so that a reload can tell by content whether
//! anything changed. A secret is `{ file = "…" }` or `{ env = "…" }`; one that
//! stands in the file itself is refused without showing its line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::Value;

use crate::model::digest::Digest;
use crate::model::document::{Faults, Located, Place, Section, nearest};

/// A file named in the configuration and its bytes.
pub struct FileContent {
    /// Where it was read.
    pub path: PathBuf,
    /// What it held.
    pub bytes: Vec<u8>,
    /// Where the configuration names it: a fault of the content is reported here.
    pub place: Place,
}

/// The path and the length; never the content.
impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path.display(), self.bytes.len())
    }
}

/// A private key or a sealing key. Its `Debug` tells the origin only.
#[derive(Debug)]
pub struct Secret {
    value: SecretSlice<u8>,
    /// Where the configuration names it.
    pub place: Place,
}

impl Secret {
    /// The secret bytes, as the file or the environment held them.
    pub fn expose(&self) -> &[u8] {
        self.value.expose_secret()
    }

    /// The same place with the bytes in their decoded form.
    pub(super) fn decoded(&self, value: Vec<u8>) -> Self {
        Self { value: value.into(), place: self.place.clone() }
    }
}

/// Reads what the configuration names and remembers what it read.
pub(super) struct Files<'e> {
    folder: PathBuf,
    /// Looks up a variable; a value, so that tests choose it.
    environment: &'e dyn Fn(&str) -> Option<OsString>,
    seen: RefCell<BTreeMap<PathBuf, Digest>>,
}

impl<'e> Files<'e> {
    /// For a configuration file at `path` with this text.
    pub(super) fn beside(path: &Path, text: &str, environment: &'e dyn Fn(&str) -> Option<OsString>) -> Self {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let seen = RefCell::new(BTreeMap::from([(path.to_path_buf(), Digest::of(text.as_bytes()))]));
        Self { folder, environment, seen }
    }

    /// Every file read so far with its digest, in the order of their paths.
    pub(super) fn into_seen(self) -> BTreeMap<PathBuf, Digest> {
        self.seen.into_inner()
    }

    /// The path that a name in the configuration means.
    pub(super) fn resolve(&self, named: &str) -> PathBuf {
        self.folder.join(named)
    }

    /// The file that a key names, if the key is there.
    pub(super) fn file(&self, section: &Section<'_>, key: &str) -> Option<FileContent> {
        self.read(&section.text(key)?, section.faults())
    }

    /// The file that a key has to name.
    pub(super) fn required_file(&self, section: &Section<'_>, key: &str) -> Option<FileContent> {
        self.read(&section.required_text(key)?, section.faults())
    }

    /// A file named at a place; that it cannot be read is a fault of that place.
    pub(super) fn read(&self, named: &Located<String>, faults: &Faults) -> Option<FileContent> {
        let path = self.resolve(&named.value);
        match self.bytes(&path) {
            Ok(bytes) => Some(FileContent { path, bytes, place: named.place.clone() }),
            Err(error) => {
                let message = format!("cannot read `{}`: {}", named.value, reason(&error));
                faults.error(Some(&named.place), message, Some(missing_help(&path)));
                None
            }
        }
    }

    /// The bytes at a path.
    pub(super) fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = std::fs::read(path)?;
        self.seen.borrow_mut().insert(path.to_path_buf(), Digest::of(&bytes));
        Ok(bytes)
    }

    /// A secret, if the key is there.
    pub(super) fn secret(&self, section: &Section<'_>, key: &str) -> Option<Secret> {
        if !section.has(key) {
            return None;
        }
        let inline = match section.json(key)?.value {
            Value::Object(members) => members.keys().any(|member| member != "file" && member != "env"),
            _ => true,
        };
        if inline {
            refuse_inline(section, key, "write `{ file = \"…\" }` or `{ env = \"…\" }`");
            return None;
        }
        let table = section.section(key)?;
        let (file, env) = (table.text("file"), table.text("env"));
        match (file, env) {
            (Some(file), None) => self.secret_file(&file, table.faults()),
            (None, Some(variable)) => self.secret_variable(variable, table.faults()),
            (None, None) if table.has("file") || table.has("env") => None,
            _ => {
                let place = section.place_of_key(key);
                table.faults().error(Some(&place), format!("`{key}` needs either `file` or `env`"), None);
                None
            }
        }
    }

    fn secret_file(&self, named: &Located<String>, faults: &Faults) -> Option<Secret> {
        let file = self.read(named, faults)?;
        if readable_by_all(&file.path) {
            let help = format!("chmod o-rwx {}", named.value);
            faults.warning(Some(&named.place), "every user of this machine can read this key", Some(help));
        }
        Some(Secret { value: file.bytes.into(), place: file.place })
    }

    fn secret_variable(&self, variable: Located<String>, faults: &Faults) -> Option<Secret> {
        match (self.environment)(&variable.value) {
            Some(value) if !value.is_empty() => {
                Some(Secret { value: value.into_encoded_bytes().into(), place: variable.place })
            }
            _ => {
                let message = format!("the environment variable `{}` is not set", variable.value);
                faults.error(Some(&variable.place), message, None);
                None
            }
        }
    }
}

/// Refuses a secret written in the file. The fault has no place on purpose: a
/// place is shown with its source line, and that line holds the secret.
pub(super) fn refuse_inline(section: &Section<'_>, key: &str, help: &str) {
    let line = section.place_of_key(key).line();
    let message = format!("line {line}: `{}.{key}` holds a secret in the file itself", section.path());
    section.faults().error(None, message, Some(help.to_owned()));
}

/// Why a file could not be read, in few words.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        kind => kind.to_string(),
    }
}

fn missing_help(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let siblings: Vec<String> = path
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .map(|entries| {
            entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
        })
        .unwrap_or_default();
    nearest(&name, siblings.iter().map(String::as_str)).map_or_else(
        || "relative paths start at the folder of the configuration file".to_owned(),
        |sibling| format!("did you mean `{sibling}` in the same folder?"),
    )
}

#[cfg(unix)]
fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
const fn readable_by_all(_: &Path) -> bool {
    false
}
