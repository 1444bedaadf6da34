//! Steps that are taken before a policy is evaluated, because their product is needed for it.
//!
//! The pipeline takes them; the policy says under which clause, code and words
//! they fail: `[checks.certificate.trusted]`, `[checks.statement.present]`,
//! `[checks.statement.signature]`, `[checks.statement.keys]`, `[checks.request.keys]`,
//! `[checks.request.signature]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::texts_of;
use crate::checks::{About, Fault, Settings, SoftwareKeysPolicy};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Operation;
use crate::model::trace::{Mode, Rule};

/// A step that is taken before a policy is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// An authority of the policy trusts the client certificate.
    CertificateTrusted,
    /// There is a software statement.
    StatementPresent,
    /// A key of the directory signed it.
    StatementSignature,
    /// The keys of the directory are known; where they are not, it is nobody's fault who asks.
    StatementKeys,
    /// The keys of the software are known; where they are not, it is nobody's fault who asks.
    RequestKeys,
    /// A key of the software signed the request.
    RequestSignature,
}

/// How a software statement is to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementPolicy {
    /// Whether there has to be one.
    pub required: bool,
    /// Accepted JWS algorithms.
    pub algorithms: Vec<String>,
    /// The role of the key set, which the deployment fills.
    pub key_set: String,
}

/// How a signed registration request is to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPolicy {
    /// Accepted JWS algorithms.
    pub algorithms: Vec<String>,
    /// The software's key set, which holds the key.
    pub keys: SoftwareKeysPolicy,
}

/// The gates of one policy.
#[derive(Debug)]
pub(super) struct Gates {
    certificate_trusted: Arc<Rule>,
    statement_present: Arc<Rule>,
    statement_signature: Arc<Rule>,
    statement_keys: Arc<Rule>,
    request_keys: Arc<Rule>,
    request_signature: Arc<Rule>,
    statement: Option<StatementPolicy>,
    request: Option<RequestPolicy>,
}

impl Gates {
    /// From their settings, by id.
    pub(super) fn read(all: &BTreeMap<&'static str, Settings<'_>>) -> Self {
        let rule = |about: &About| {
            let texts = all.get(about.id).map(texts_of).unwrap_or_default();
            // What comes after a gate needs its product: it cannot be a shadow.
            Arc::new(texts.rule(about, Mode::Enforce))
        };
        let statement = statement(all);
        let request = request(all, statement.as_ref());
        Self {
            certificate_trusted: rule(&CERTIFICATE_TRUSTED),
            statement_present: rule(&STATEMENT_PRESENT),
            statement_signature: rule(&STATEMENT_SIGNATURE),
            statement_keys: rule(&STATEMENT_KEYS),
            request_keys: rule(&REQUEST_KEYS),
            request_signature: rule(&REQUEST_SIGNATURE),
            statement,
            request,
        }
    }

    pub(super) const fn statement(&self) -> Option<&StatementPolicy> {
        self.statement.as_ref()
    }

    pub(super) const fn request(&self) -> Option<&RequestPolicy> {
        self.request.as_ref()
    }

    pub(super) const fn rule(&self, gate: Gate) -> &Arc<Rule> {
        match gate {
            Gate::CertificateTrusted => &self.certificate_trusted,
            Gate::StatementPresent => &self.statement_present,
            Gate::StatementSignature => &self.statement_signature,
            Gate::StatementKeys => &self.statement_keys,
            Gate::RequestKeys => &self.request_keys,
            Gate::RequestSignature => &self.request_signature,
        }
    }
}

fn statement(all: &BTreeMap<&'static str, Settings<'_>>) -> Option<StatementPolicy> {
    let required = all.get(STATEMENT_PRESENT.id).and_then(|settings| settings.boolean("required"));
    let signature = all.get(STATEMENT_SIGNATURE.id).filter(|settings| settings.is_there());
    let Some(signature) = signature else {
        // Any other word on statements means that one is expected, and none would ever be verified.
        let orphan = all.iter().find(|(id, settings)| id.starts_with("statement.") && settings.is_there());
        if let Some((id, settings)) = orphan {
            let message = format!("`{id}` needs `[checks.{}]`", STATEMENT_SIGNATURE.id);
            settings.faults().error(settings.place().as_ref(), message, None);
        }
        return None;
    };
    let algorithms = algorithms(signature);
    let key_set = signature.text("key_set").map_or_else(|| "statement".to_owned(), |text| text.value);
    Some(StatementPolicy { required: required.unwrap_or(true), algorithms: algorithms?, key_set })
}

fn request(all: &BTreeMap<&'static str, Settings<'_>>, statement: Option<&StatementPolicy>) -> Option<RequestPolicy> {
    let Some(signature) = all.get(REQUEST_SIGNATURE.id).filter(|settings| settings.is_there()) else {
        let orphan = all.iter().find(|(id, settings)| id.starts_with("request.") && settings.is_there());
        if let Some((id, settings)) = orphan {
            let message = format!("`{id}` needs `[checks.{}]`", REQUEST_SIGNATURE.id);
            settings.faults().error(settings.place().as_ref(), message, None);
        }
        return None;
    };
    if !statement.is_some_and(|statement| statement.required) {
        let message = "the key of a signed request is found by the software statement, which has to be required";
        let help = format!("add `[checks.{}]`", STATEMENT_SIGNATURE.id);
        signature.faults().error(signature.place().as_ref(), message, Some(help));
    }
    let algorithms = algorithms(signature);
    signature.require("claim");
    signature.require("fetch_hosts");
    Some(RequestPolicy { algorithms: algorithms?, keys: SoftwareKeysPolicy::read(signature)? })
}

/// `algorithms`, each of them one that is verified.
fn algorithms(settings: &Settings<'_>) -> Option<Vec<String>> {
    settings.require("algorithms");
    let names = settings.texts("algorithms")?;
    if let Some(unknown) = names.iter().find(|name| !ALGORITHMS.contains(&name.as_str())) {
        let place = settings.json("algorithms").map(|found| found.place);
        let help = format!("known algorithms: {}", ALGORITHMS.join(", "));
        settings.faults().error(place.as_ref(), format!("`algorithms` does not know `{unknown}`"), Some(help));
    }
    Some(names)
}

/// JWS algorithms that can be verified (RFC 7518 §3.1, RFC 8037 §3.1); `none` and HMAC are none of them.
pub const ALGORITHMS: &[&str] = &["PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"];

/// Every gate, in the order in which they are passed.
pub static GATES: &[&About] = &[
    &CERTIFICATE_TRUSTED,
    &STATEMENT_PRESENT,
    &STATEMENT_KEYS,
    &STATEMENT_SIGNATURE,
    &REQUEST_KEYS,
    &REQUEST_SIGNATURE,
];

const EVERY: &[Operation] = &[Operation::Register, Operation::Update, Operation::Read, Operation::Delete];
const WRITES: &[Operation] = &[Operation::Register, Operation::Update];

static CERTIFICATE_TRUSTED: About = About {
    id: "certificate.trusted",
    summary: "an authority of the policy trusts the client certificate",
    clause: "RFC 8705 2.1",
    error: ErrorCode::InvalidClient,
    field: None,
    operations: EVERY,
    faults: &[Fault {
        message: "the client certificate is missing or not trusted here",
        hint: "connect with a valid transport certificate of this ecosystem, and send its intermediate certificates",
    }],
    settings: &[],
};

static STATEMENT_PRESENT: About = About {
    id: "statement.present",
    summary: "the request holds a software statement",
    clause: "RFC 7591 3.1.1",
    error: ErrorCode::InvalidSoftwareStatement,
    field: Some("software_statement"),
    operations: WRITES,
    faults: &[Fault {
        message: "software_statement is missing or is not a string",
        hint: "send the software statement that the directory issued for this software",
    }],
    settings: &[("required", "whether there has to be one (true)")],
};

static STATEMENT_KEYS: About = About {
    id: "statement.keys",
    summary: "the keys that sign software statements are known",
    clause: "",
    error: ErrorCode::TemporarilyUnavailable,
    field: None,
    operations: WRITES,
    faults: &[Fault {
        message: "the keys of the directory cannot be fetched at the moment",
        hint: "send the same request again later",
    }],
    settings: &[],
};

static STATEMENT_SIGNATURE: About = About {
    id: "statement.signature",
    summary: "a key of the directory signed the software statement with an accepted algorithm",
    clause: "RFC 7591 2.3, RFC 7515",
    error: ErrorCode::InvalidSoftwareStatement,
    field: Some("software_statement"),
    operations: WRITES,
    faults: &[Fault {
        message: "the software statement is not signed by the directory",
        hint: "send the software statement exactly as the directory issued it",
    }],
    settings: &[
        ("algorithms", "accepted JWS algorithms"),
        ("key_set", "role of the key set, which the deployment fills (statement)"),
    ],
};

static REQUEST_KEYS: About = About {
    id: "request.keys",
    summary: "the keys that sign the software's requests are known",
    clause: "",
    error: ErrorCode::TemporarilyUnavailable,
    field: None,
    operations: WRITES,
    faults: &[Fault {
        message: "the key set of the software cannot be fetched at the moment",
        hint: "send the same request again later",
    }],
    settings: &[],
};

static REQUEST_SIGNATURE: About = About {
    id: "request.signature",
    summary: "the body is a compact JWS, which a key of the software signed with an accepted algorithm",
    clause: "RFC 7515, RFC 8725 3.1",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[Fault {
        message: "the request is not signed by a key of the software",
        hint: "sign the request with a key of the key set that the software statement names, and send no key with it",
    }],
    settings: &[
        ("algorithms", "accepted JWS algorithms"),
        ("claim", "claim of the statement that holds the address of the software's key set"),
        ("fetch_hosts", "hosts from which a key set may be fetched"),
    ],
};
