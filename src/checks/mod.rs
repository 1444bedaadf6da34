//! Built-in checks: what several regimes ask for, in Rust.
//!
//! One check is one file, with the clause it comes from. [`ALL`] is the
//! registry: its order is the order in which failures are reported, and help and
//! reference pages are made from it. A check is pure: it looks at [`Facts`] and
//! writes a [`Report`]; it never fetches, waits, or reads a clock. What one
//! regime says alone is a rule of its policy file, not a check.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};

pub mod active;
mod certificate_software;
mod client_algorithms;
mod client_authentication;
mod client_grants;
mod client_limits;
pub mod fetch_hosts;
mod keys_encryption;
mod keys_set;
mod keys_source;
mod keys_unshared;
mod metadata_addresses;
mod metadata_members;
mod metadata_sector;
mod metadata_types;
mod redirects_form;
mod redirects_statement;
mod registration_duplicates;
mod registration_owner;
mod registration_quota;
pub mod report;
mod request_claims;
mod scope_form;
pub mod settings;
mod statement_age;
mod statement_issuer;
mod statement_single_use;
mod statement_validity;
mod statementless;
pub mod subject;
mod token_present;
mod token_single_use;

pub use active::Active;
pub use client_limits::ClientLimits;
pub use keys_encryption::SoftwareKeysPolicy;
pub(crate) use metadata_sector::MEMBER as SECTOR;
pub use metadata_sector::SectorPolicy;
pub(crate) use registration_quota::full as full_quota;
pub use report::{Asker, Report};
pub use settings::Settings;

/// What a check is, apart from any policy.
#[derive(Debug)]
pub struct About {
    /// Stable id: `group.name`, in policies `[checks.group.name]`.
    pub id: &'static str,
    /// What it holds, in one sentence.
    pub summary: &'static str,
    /// The standard's clause; a policy may name its regime's instead.
    pub clause: &'static str,
    /// The code of a failure; a policy may name another.
    pub error: ErrorCode,
    /// The member that it is about, where it is one.
    pub field: Option<&'static str>,
    /// Which operations it judges unless the policy says otherwise.
    pub operations: &'static [Operation],
    /// Every way to fail; the first is told where the check's rule stands for itself.
    pub faults: &'static [Fault],
    /// Its settings besides `clause`, `error`, `mode`, `on`, `message` and `hint`: name and meaning.
    pub settings: &'static [(&'static str, &'static str)],
}

/// One way to fail: fixed texts for the caller, ASCII without `"` and `\` (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub message: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// A built-in check.
pub trait Check: Sync {
    /// What it is.
    fn about(&self) -> &'static About;

    /// Whether it compares with a software statement under these settings, so that the policy has to verify one.
    fn reads_statement(&self, _settings: &Settings<'_>) -> bool {
        false
    }

    /// Reads its settings. `None` when they have a fault, which is recorded.
    fn configure(&self, settings: &Settings<'_>, all: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>>;
}

/// A check with its settings.
pub trait Judge: fmt::Debug + Send + Sync {
    /// Looks at the facts and reports every failure; none means that it holds.
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>);

    /// Under which code and words it refuses once what it asks for is taken, where its settings decide that;
    /// `None`: those of its description.
    fn taken(&self) -> Option<(ErrorCode, Fault)> {
        None
    }

    /// Tells which methods and algorithms it admits, where it limits them.
    fn limit(&self, _limits: &mut ClientLimits) {}
}

/// Every check, in the order in which failures are reported.
pub const ALL: &[&dyn Check] = &[
    &token_present::TokenPresent,
    &token_single_use::TokenSingleUse,
    &statement_issuer::StatementIssuer,
    &statement_age::StatementAge,
    &statement_validity::StatementValidity,
    &statement_single_use::StatementSingleUse,
    &certificate_software::CertificateSoftware,
    &request_claims::RequestClaims,
    &metadata_members::MetadataMembers,
    &metadata_types::MetadataTypes,
    &metadata_addresses::MetadataAddresses,
    &metadata_sector::MetadataSector,
    &keys_source::KeysSource,
    &keys_encryption::KeysEncryption,
    &keys_set::KeysSet,
    &keys_unshared::KeysUnshared,
    &redirects_form::RedirectsForm,
    &redirects_statement::RedirectsStatement,
    &client_authentication::ClientAuthentication,
    &client_grants::ClientGrants,
    &client_algorithms::ClientAlgorithms,
    &scope_form::ScopeForm,
    &registration_owner::RegistrationOwner,
    &registration_duplicates::RegistrationDuplicates,
    &registration_quota::RegistrationQuota,
];

/// The first check that looks at the request.
const FIRST_OF_REQUEST: &str = "request.claims";

/// Whether a check looks at certificate, token and statement alone, and so can run for a signed request whose
/// signature was refused: those that stand above the first of the request.
pub(crate) fn is_before_request(id: &str) -> bool {
    let ids = ALL.iter().map(|check| check.about().id);
    ids.take_while(|known| *known != FIRST_OF_REQUEST).any(|known| known == id)
}

/// POST and PUT: the operations whose body holds metadata.
pub(crate) const WRITES: &[Operation] = &[Operation::Register, Operation::Update];

/// Bytes of a `jti` that can be remembered; a longer one is refused, as one that is no text is. Bytes, since what is
/// bounded is what a stranger makes the store keep.
const MAX_JTI: usize = 256;

/// A member that is there. `null` means absent, as RFC 7592 §2.2 has it for updates.
pub(crate) fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).filter(|value| !value.is_null())
}

/// A member that is a string.
pub(crate) fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

/// The strings of a member that is an array; other items are left to `metadata.types`.
pub(crate) fn texts<'a>(map: &'a Map<String, Value>, name: &str) -> Option<impl Iterator<Item = &'a str>> {
    map.get(name).and_then(Value::as_array).map(|items| items.iter().filter_map(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`.
    fn is_public(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\')
    }

    #[test]
    fn every_check_is_described_once_in_texts_that_may_be_told() {
        let mut ids: Vec<&str> = ALL.iter().map(|check| check.about().id).collect();
        for about in ALL.iter().map(|check| check.about()) {
            assert_eq!(about.id.split('.').count(), 2, "{}", about.id);
            assert!(!about.faults.is_empty() && !about.operations.is_empty(), "{}", about.id);
            for fault in about.faults {
                assert!(is_public(fault.message) && is_public(fault.hint), "{}: {}", about.id, fault.message);
                assert!(!fault.message.ends_with('.'), "{}", fault.message);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
    }
}
