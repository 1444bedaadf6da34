//! The hash chain: what makes a change of the ledger show.
//!
//! Each writer has its own chain, so several need no common lock. An entry's
//! hash covers the hash before it and every stored column, framed by lengths, as
//! the bytes are stored: no canonical form is needed to check it.

use crate::model::digest::Digest;

/// The columns of an entry that its hash covers.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Whose chain.
    pub writer: &'a str,
    /// Position in it, from 1.
    pub seq: i64,
    /// The decision's 26 letters; empty for a summary or note.
    pub decision: &'a str,
    /// `opened`, `closed`, `interrupted`, `summary` or `note`.
    pub kind: &'a str,
    /// The outcome; empty unless the entry ends a decision.
    pub outcome: &'a str,
    /// Microseconds since the epoch.
    pub time: i64,
    /// The record.
    pub body: &'a [u8],
}

impl Link<'_> {
    /// SHA-256 over the previous hash and the columns, each text and the body behind its length.
    pub fn hash(&self, previous: &Digest) -> Digest {
        let length = |bytes: &[u8]| (bytes.len() as u64).to_be_bytes();
        Digest::of_parts(&[
            TAG,
            previous.as_bytes(),
            &self.seq.to_be_bytes(),
            &self.time.to_be_bytes(),
            &length(self.writer.as_bytes()),
            self.writer.as_bytes(),
            &length(self.decision.as_bytes()),
            self.decision.as_bytes(),
            &length(self.kind.as_bytes()),
            self.kind.as_bytes(),
            &length(self.outcome.as_bytes()),
            self.outcome.as_bytes(),
            &length(self.body),
            self.body,
        ])
    }
}

/// Where a chain stands: what the next entry continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry; 0 before the first.
    pub seq: i64,
    /// Its hash; zeros before the first.
    pub hash: Digest,
}

impl Head {
    /// Before the first entry.
    pub fn start() -> Self {
        Self { seq: 0, hash: Digest::from_bytes(&[0; 32]).unwrap_or_else(|| Digest::of(b"")) }
    }

    /// Goes one entry further, when the entry continues this head and its stored hashes are right.
    ///
    /// # Errors
    /// [`Broken`], which names the entry.
    pub fn verify(&mut self, link: &Link<'_>, previous: &Digest, hash: &Digest) -> Result<(), Broken> {
        let broken = |fault| Err(Broken { seq: link.seq, fault });
        if link.seq != self.seq + 1 {
            return broken(Fault::Sequence);
        }
        if *previous != self.hash {
            return broken(Fault::Previous);
        }
        if link.hash(previous) != *hash {
            return broken(Fault::Hash);
        }
        *self = Self { seq: link.seq, hash: *hash };
        Ok(())
    }
}

/// The first entry at which a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broken at seq {seq}: {fault}")]
pub struct Broken {
    /// Its number.
    pub seq: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The number does not follow: entries are missing, doubled or swapped.
    #[error("the number does not follow the entry before")]
    Sequence,
    /// The entry continues another one.
    #[error("the entry does not continue the one before")]
    Previous,
    /// The columns are not those that were hashed.
    #[error("the hash does not match the entry")]
    Hash,
}

const TAG: &[u8] = b"dcrgate.entry/1\n";
