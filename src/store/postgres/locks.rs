//! The order in which batches of several proxies meet.
//!
//! Two batches that take the same keys in different orders would wait for each other until the database cuts one of
//! them off. So a batch first locks all it will touch, in ascending order: the second one waits, sees what the first
//! one did, and goes on.

use super::bindings;
use super::claims::storable;
use super::schema::LOCK;
use crate::model::digest::Digest;
use crate::store::change::BindingChange;
use crate::store::operation::{EntryEvent, Operation};

/// Keys fall into so many stripes. A server with default settings holds 6400 locks: a batch of any size leaves room
/// for those of other proxies, and two small batches seldom meet.
const STRIPES: u32 = 1024;

/// The stripes of a batch, each once, in ascending order.
pub(super) fn stripes(batch: &[Operation]) -> Vec<i32> {
    let mut found = Vec::new();
    for operation in batch {
        match operation {
            Operation::Open(opening, ..) => {
                found.push(of_request(&opening.request));
                found.extend(opening.claims.iter().map(|claim| of_claim(claim.kind.as_str(), &claim.key)));
            }
            Operation::Take(claim, ..) => found.push(of_claim(claim.kind.as_str(), &claim.key)),
            Operation::Close(closing, _) => {
                found.push(of_request(&closing.opened.request));
                found.extend(closing.opened.claims.iter().map(|(kind, key)| of_claim(kind.as_str(), key)));
                found.extend(closing.binding.as_ref().map(of_change));
            }
            Operation::Abandon(abandoned) => {
                found.push(of_request(&abandoned.request));
                found.extend(abandoned.claims.iter().map(|(kind, key)| of_claim(kind.as_str(), key)));
            }
            Operation::Append(entry, _) => {
                if let EntryEvent::Read(_, _, Some(change)) = &entry.event {
                    found.push(of_change(change));
                }
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn of_request(request: &Digest) -> i32 {
    stripe(request)
}

fn of_claim(kind: &str, key: &str) -> i32 {
    stripe(&Digest::of_parts(&[kind.as_bytes(), b"\n", storable(key).as_bytes()]))
}

fn of_change(change: &BindingChange) -> i32 {
    let (upstream, client_id) = bindings::client(change);
    stripe(&Digest::of_parts(&[b"binding\n", upstream.as_bytes(), b"\n", client_id.as_bytes()]))
}

fn stripe(digest: &Digest) -> i32 {
    let number = digest.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    i32::try_from(number % STRIPES).unwrap_or_default()
}

/// Waits for the locks of `stripes` in their order; they are free again when the transaction ends.
pub(super) const TAKE: &str = "SELECT pg_advisory_xact_lock($1, stripe) FROM unnest($2::int4[]) AS stripe";

/// Another class than that of the writers' names and of the migrations.
pub(super) const CLASS: i32 = LOCK + 1;
