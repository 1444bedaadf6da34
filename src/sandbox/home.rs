//! The directory that a world lives in: thrown away with it, or kept.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::SandboxError;

/// A directory for a world, readable by its owner only.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    ending: Ending,
}

/// What happens to the directory when its [`Home`] is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It stays.
    Keep,
    /// It is removed with everything in it.
    Remove,
}

impl Home {
    /// This directory, which is made if need be; it stays.
    ///
    /// # Errors
    /// [`SandboxError::NotEmpty`], since a world would write over what is there; [`SandboxError::File`].
    pub fn keep(path: &Path) -> Result<Self, SandboxError> {
        let is_empty = || {
            make_private_folder(path)?;
            Ok(fs::read_dir(path)?.next().is_none())
        };
        let kept = is_empty().and_then(|is_empty| Ok((is_empty, fs::canonicalize(path)?)));
        match kept.map_err(|source| SandboxError::File { path: path.to_path_buf(), source })? {
            (true, path) => Ok(Self { path, ending: Ending::Keep }),
            (false, path) => Err(SandboxError::NotEmpty(path)),
        }
    }

    /// A new directory below the system's for temporary files; removed when dropped.
    ///
    /// # Errors
    /// [`SandboxError::File`], also when the name is taken: what is there is never used.
    pub fn throwaway() -> Result<Self, SandboxError> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random)?;
        let path = std::env::temp_dir().join(format!("dcrgate-sandbox-{:016x}", u64::from_be_bytes(random)));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self { path, ending: Ending::Remove }),
            Err(source) => Err(SandboxError::File { path, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What will happen to it.
    pub const fn ending(&self) -> Ending {
        self.ending
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.ending == Ending::Remove {
            // What cannot be removed is left to the system's own cleaning.
            let _left = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes a directory and those above it, each readable by its owner only.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throwaway_is_private_and_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = Home::throwaway().unwrap();
        let path = home.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
        fs::write(path.join("file"), "").unwrap();
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn kept_is_made_stays_and_is_not_taken_when_in_use() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        drop(Home::keep(&path).unwrap());
        fs::write(path.join("file"), "").unwrap();
        assert!(matches!(Home::keep(&path), Err(SandboxError::NotEmpty(_))));
    }
}
