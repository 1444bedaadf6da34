//! A key set kept on disk, so that a restart during a directory's outage works.
//!
//! One JSON file, readable by the owner only and replaced atomically: where the set came from,
//! when it was fetched, and the set as the directory sent it. It is as old as its
//! fetch, however often it is read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use crate::model::key::KeySet;
use crate::model::time::Timestamp;

#[derive(Serialize, Deserialize)]
struct DiskCopy<'a> {
    url: &'a str,
    fetched: &'a str,
    #[serde(borrow)]
    set: &'a RawValue,
}

/// Replaces the copy; its folder is made where it is missing. A crash leaves the old one or the new one.
///
/// # Errors
/// Whatever the file system says; a set that is no JSON is [`io::ErrorKind::InvalidData`].
pub(super) fn save(path: &Path, url: &Url, fetched: Timestamp, set: &[u8]) -> io::Result<()> {
    let fetched = fetched.to_string();
    let copy = DiskCopy { url: url.as_str(), fetched: &fetched, set: serde_json::from_slice(set)? };
    let text = serde_json::to_vec(&copy)?;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// The copy of the set at this URL; one that claims to be from the future counts as fetched now.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] when there is none, [`io::ErrorKind::InvalidData`] when it
/// cannot be used, also because it is of another URL.
pub(super) fn load(path: &Path, url: &Url, now: Timestamp) -> io::Result<(KeySet, Timestamp)> {
    let text = fs::read(path)?;
    let copy: DiskCopy<'_> = serde_json::from_slice(&text)?;
    if copy.url != url.as_str() {
        return Err(invalid("the copy is of another URL"));
    }
    let fetched = Timestamp::parse(copy.fetched).map_err(invalid)?;
    let set = KeySet::from_json(copy.set.get().as_bytes()).map_err(invalid)?;
    Ok((set, fetched.min(now)))
}

fn invalid(fault: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::jose::Algorithm;
    use crate::jose::signer::Signer;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn url() -> Url {
        Url::parse("https://directory.example/keys.json").unwrap()
    }

    fn set() -> String {
        serde_json::json!({ "keys": [Signer::of(Algorithm::ES256).jwk()] }).to_string()
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys/ofb.json");
        for fetched in [NOW, NOW.minus(std::time::Duration::from_secs(60))] {
            save(&path, &url(), fetched, set().as_bytes()).unwrap();
            let (loaded, at) = load(&path, &url(), NOW).unwrap();
            assert_eq!((loaded, at), (Signer::of(Algorithm::ES256).key_set(), fetched));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn a_copy_from_the_future_is_of_now() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ofb.json");
        save(&path, &url(), NOW.plus(std::time::Duration::from_secs(3600)), set().as_bytes()).unwrap();
        assert_eq!(load(&path, &url(), NOW).unwrap().1, NOW);
    }

    #[test]
    fn copies_that_are_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ofb.json");
        let kind = |url: &Url| load(&path, url, NOW).unwrap_err().kind();
        assert_eq!(kind(&url()), io::ErrorKind::NotFound);
        save(&path, &url(), NOW, set().as_bytes()).unwrap();
        assert_eq!(kind(&Url::parse("https://other.example/").unwrap()), io::ErrorKind::InvalidData);
        let half = fs::read(&path).unwrap();
        fs::write(&path, half.get(..half.len() / 2).unwrap()).unwrap();
        assert!(load(&path, &url(), NOW).is_err());
    }

    #[test]
    fn a_crash_before_the_rename_does_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ofb.json");
        fs::write(directory.path().join("ofb.unfinished"), "{").unwrap();
        save(&path, &url(), NOW, set().as_bytes()).unwrap();
        assert!(load(&path, &url(), NOW).is_ok());
    }
}
