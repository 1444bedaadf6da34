//! Steps that are taken before a policy is evaluated, because their product is needed for it.
//!
//! The pipeline takes them; the policy says under which clause, code and words
//! they fail: `[checks.certificate.trusted]`, `[checks.statement.present]`,
//! `[checks.statement.signature]`, `[checks.statement.keys]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::texts_of;
use crate::checks::{About, Fault, Settings};
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

/// The gates of one policy.
#[derive(Debug)]
pub(super) struct Gates {
    certificate_trusted: Arc<Rule>,
    statement_present: Arc<Rule>,
    statement_signature: Arc<Rule>,
    statement_keys: Arc<Rule>,
    statement: Option<StatementPolicy>,
}

impl Gates {
    /// From their settings, by id.
    pub(super) fn read(all: &BTreeMap<&'static str, Settings<'_>>) -> Self {
        let rule = |about: &About| {
            let texts = all.get(about.id).map(texts_of).unwrap_or_default();
            // What comes after a gate needs its product: it cannot be a shadow.
            Arc::new(texts.rule(about, Mode::Enforce))
        };
        Self {
            certificate_trusted: rule(&CERTIFICATE_TRUSTED),
            statement_present: rule(&STATEMENT_PRESENT),
            statement_signature: rule(&STATEMENT_SIGNATURE),
            statement_keys: rule(&STATEMENT_KEYS),
            statement: statement(all),
        }
    }

    pub(super) const fn statement(&self) -> Option<&StatementPolicy> {
        self.statement.as_ref()
    }

    pub(super) const fn rule(&self, gate: Gate) -> &Arc<Rule> {
        match gate {
            Gate::CertificateTrusted => &self.certificate_trusted,
            Gate::StatementPresent => &self.statement_present,
            Gate::StatementSignature => &self.statement_signature,
            Gate::StatementKeys => &self.statement_keys,
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
    signature.require("algorithms");
    let key_set = signature.text("key_set").map_or_else(|| "statement".to_owned(), |text| text.value);
    Some(StatementPolicy { required: required.unwrap_or(true), algorithms: signature.texts("algorithms")?, key_set })
}

/// Every gate, in the order in which they are passed.
pub static GATES: &[&About] = &[&CERTIFICATE_TRUSTED, &STATEMENT_PRESENT, &STATEMENT_KEYS, &STATEMENT_SIGNATURE];

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
