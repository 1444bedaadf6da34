//! No two clients have one key (FAPI 1.0 Advanced §8.10): whoever has it could be either.
//!
//! Keys are known by their thumbprints (RFC 7638). Each is taken when the decision is opened, under a unique key of
//! the store, as the slot of a software is, and is free again when the client is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member};
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::key::Entry;

#[derive(Debug)]
pub(super) struct KeysUnshared;

const SHARED: Fault = Fault {
    message: "a key of this client is registered for another client",
    hint: "generate a key pair for each client; of a client that is not needed any more the keys are free once it is deleted",
};
const MANY: Fault = Fault {
    message: "there are more keys than can be held against those of other clients",
    hint: "publish the keys that are in use, and the next ones",
};
const UNREADABLE: Fault = Fault {
    message: "jwks holds a key that cannot be told from those of other clients",
    hint: "send keys of the types and curves of RFC 7518 and RFC 8037, with all their public numbers in base64url and of full length",
};
const FETCHED_UNREADABLE: Fault = Fault {
    message: "the key set at jwks_uri holds a key that cannot be told from those of other clients",
    hint: "publish keys of the types and curves of RFC 7518 and RFC 8037, with all their public numbers in base64url and of full length",
};

static ABOUT: About = About {
    id: "keys.unshared",
    summary: "no key in jwks, or in the fetched key set, is registered for another live client",
    clause: "FAPI 1.0 Advanced 8.10, RFC 7638",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("jwks"),
    operations: WRITES,
    faults: &[SHARED, MANY, UNREADABLE, FETCHED_UNREADABLE],
    settings: &[("max_keys", "different keys of one client, 1 to 100 (20)")],
};

/// Each key is a row that is written while everybody else waits: a hundred are a matter of a millisecond.
const KEYS: std::ops::RangeInclusive<i64> = 1..=100;

/// Room for signatures and encryption, for RSA and EC, and for the next of each.
const USUAL: usize = 20;

impl Check for KeysUnshared {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let max_keys = settings.integer("max_keys", KEYS).and_then(|number| usize::try_from(number).ok());
        Some(Box::new(Unshared { max_keys: max_keys.unwrap_or(USUAL) }))
    }
}

#[derive(Debug)]
struct Unshared {
    max_keys: usize,
}

impl Judge for Unshared {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        // One key for two uses is one key.
        let mut keys: BTreeSet<Digest> = BTreeSet::new();
        if let Some(jwks) = member(facts.metadata, "jwks") {
            let entries = jwks.get("keys").and_then(Value::as_array);
            let found = entries.and_then(|entries| entries.iter().map(|key| Entry::of(key).thumbprint).collect());
            let Some(found) = found else { return report.fail(Failure::of(UNREADABLE)) };
            keys = found;
        }
        if let Some(set) = facts.software_keys.value() {
            // Those that dcrgate itself cannot use as well: whoever has one can be the client where others take it.
            let found = set.entries.iter().map(|entry| entry.thumbprint).collect::<Option<Vec<_>>>();
            let Some(found) = found else { return report.fail(Failure::of(FETCHED_UNREADABLE).field("jwks_uri")) };
            keys.extend(found);
        }
        if keys.len() > self.max_keys {
            return report.fail(Failure::of(MANY).detail(format!("{} keys", keys.len())));
        }
        let owner = facts.client.map(|client| client.decision);
        if !keys.iter().all(|key| report.claim_of_client(&["key", &key.base64url()], owner)) {
            report.fail(Failure::of(UNREADABLE));
        }
    }
}
