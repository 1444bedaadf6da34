//! The software's published key set has a key to encrypt to (RFC 7517 §4.2: `use` of `enc`).

use std::collections::BTreeMap;

use url::Url;

use super::fetch_hosts;
use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES};
use crate::model::error_code::ErrorCode;
use crate::model::evidence::Known;
use crate::model::facts::Facts;
use crate::model::key::{PublicKey, Size};

#[derive(Debug)]
pub(super) struct KeysEncryption;

/// Which key set of the software is fetched before the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftwareKeysPolicy {
    /// Claim of the statement that holds the address.
    pub claim: String,
    /// Hosts from which it may be fetched; any other is not asked.
    pub fetch_hosts: Vec<String>,
}

impl SoftwareKeysPolicy {
    /// Whether the key set at this address may be fetched.
    pub fn allows(&self, address: &str) -> bool {
        Url::parse(address).is_ok_and(|url| self.fetch_hosts.iter().any(|entry| fetch_hosts::allows(entry, &url)))
    }

    /// From the settings of `keys.encryption` or `request.signature`.
    pub(crate) fn read(settings: &Settings<'_>) -> Option<Self> {
        let (claim, fetch_hosts) = (settings.text("claim"), settings.texts("fetch_hosts"));
        Some(Self { claim: claim?.value, fetch_hosts: fetch_hosts? })
    }
}

const NONE: Fault = Fault {
    message: "the key set of the software has no key for encryption",
    hint: "publish a key with use enc in the directory",
};
const ABSENT: Fault = Fault {
    message: "the software statement names no key set that can be used",
    hint: "publish the keys of the software in the directory and fetch a new software statement",
};
const UNAVAILABLE: Fault = Fault {
    message: "the key set of the software cannot be fetched at the moment",
    hint: "send the same request again later",
};

static ABOUT: About = About {
    id: "keys.encryption",
    summary: "the key set that the statement names is fetched and has a key with use enc",
    clause: "RFC 7517 4.2",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("jwks_uri"),
    operations: WRITES,
    faults: &[NONE, ABSENT, UNAVAILABLE],
    settings: &[
        ("claim", "claim of the statement that holds the key set's address"),
        ("fetch_hosts", "hosts from which a key set may be fetched"),
    ],
};

impl Check for KeysEncryption {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("claim");
        settings.require("fetch_hosts");
        SoftwareKeysPolicy::read(settings).map(|_| Box::new(Encryption) as Box<dyn Judge>)
    }
}

#[derive(Debug)]
struct Encryption;

impl Judge for Encryption {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        report.fail(match facts.software_keys {
            Known::Value(set) if set.public_keys().any(encrypts) => return,
            Known::Value(set) => {
                let usable = set.keys.len();
                Failure::of(NONE).detail(format!("{usable} keys, {} passed over", set.passed_over()))
            }
            Known::Absent => Failure::of(ABSENT),
            Known::Unavailable(why) => Failure::unavailable(UNAVAILABLE).detail(&**why),
        });
    }
}

/// Whether others can encrypt to this key. dcrgate never does, so curves that it has no signatures for count.
fn encrypts(key: &PublicKey) -> bool {
    let strong = match key.size {
        Size::Bits(bits) => bits >= MIN_RSA_BITS,
        Size::Curve => true,
        Size::OtherCurve => false,
    };
    strong && key.usage.as_deref() == Some("enc")
}

/// RFC 7518 §4.3.
const MIN_RSA_BITS: usize = 2048;
