//! The disk reserve: a file of ballast that is thrown overboard when the disk is full.
//!
//! A file that really occupies its blocks works on every file system and quota,
//! whoever fills the disk, at the moment a write fails; watching the free space
//! does not. While the ballast is gone, records of strangers are not taken, so
//! the freed room serves admitted decisions. It is put back when there is room.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// The ballast of one database.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kept,
    Spent,
}

impl Reserve {
    /// Puts the ballast in place; where there is no room for it, it counts as spent.
    pub(super) fn new(path: PathBuf, bytes: u64) -> Self {
        let mut reserve = Self { path, bytes, state: State::Spent };
        reserve.restore();
        reserve
    }

    /// Whether only the reserve is left.
    pub(super) fn is_spent(&self) -> bool {
        self.state == State::Spent
    }

    /// Frees the room; tells whether there was any to free.
    pub(super) fn spend(&mut self) -> bool {
        if self.is_spent() {
            return false;
        }
        self.state = State::Spent;
        let freed = self.bytes > 0 && fs::remove_file(&self.path).is_ok();
        tracing::error!(freed, "no space left for the store: only admitted decisions are recorded");
        freed
    }

    /// Puts the ballast back where there is room for it.
    pub(super) fn restore(&mut self) {
        if !self.is_spent() {
            return;
        }
        match self.fill() {
            Ok(()) => {
                self.state = State::Kept;
                tracing::debug!(bytes = self.bytes, "disk reserve in place");
            }
            Err(error) => {
                // A part of it would only take the room that admitted decisions need.
                drop(fs::remove_file(&self.path));
                tracing::warn!(%error, "no room for the disk reserve");
            }
        }
    }

    fn fill(&self) -> io::Result<()> {
        if self.bytes == 0 || fs::metadata(&self.path).is_ok_and(|found| found.len() == self.bytes) {
            return Ok(());
        }
        let mut file: File = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&self.path)?;
        // Random, because a file system may compress or leave out anything simpler.
        let mut block = vec![0; BLOCK];
        let mut left = self.bytes;
        while left > 0 {
            aws_lc_rs::rand::fill(&mut block).map_err(|_| io::ErrorKind::Other)?;
            let part = block.len().min(usize::try_from(left).unwrap_or(BLOCK));
            file.write_all(block.get(..part).unwrap_or_default())?;
            left -= part as u64;
        }
        file.sync_all()
    }
}

const BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_spent_once_and_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballast");
        let mut reserve = Reserve::new(path.clone(), 100_000);
        assert_eq!(fs::metadata(&path).unwrap().len(), 100_000);
        assert!(reserve.spend());
        assert!(!path.exists() && reserve.is_spent());
        assert!(!reserve.spend());
        reserve.restore();
        assert!(path.exists() && !reserve.is_spent());
    }

    #[test]
    fn without_room_it_counts_as_spent() {
        let reserve = Reserve::new(PathBuf::from("/nonexistent/ballast"), 1);
        assert!(reserve.is_spent());
    }
}
