//! Steps that are taken before a policy is evaluated, because their product is needed for it.
//!
//! The pipeline takes them; the policy says under which clause, code and words
//! they fail: `[checks.certificate.trusted]`, `[checks.token.valid]`, `[checks.statement.present]`,
//! `[checks.statement.signature]`, `[checks.statement.keys]`, `[checks.statement.certificate]`,
//! `[checks.request.keys]`, `[checks.request.signature]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::texts_of;
use crate::checks::{self, About, Settings, SoftwareKeysPolicy};
use crate::model::facts::Operation;
use crate::model::trace::{Mode, Rule};

mod abouts;
mod certificate;
mod token;

use abouts::{
    CERTIFICATE_TRUSTED, REQUEST_KEYS, REQUEST_SIGNATURE, STATEMENT_CERTIFICATE, STATEMENT_KEYS, STATEMENT_PRESENT,
    STATEMENT_SIGNATURE,
};
pub use certificate::CertificatePolicy;
use token::{TOKEN_VALID, TokenRules};

/// A step that is taken before a policy is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// An authority of the policy trusts the client certificate.
    CertificateTrusted,
    /// There is an initial access token of the route's issuer, and it is valid here.
    TokenValid,
    /// There is an initial access token at all.
    TokenPresent,
    /// Its scope reaches.
    TokenScope,
    /// Whoever shows it proves that its key is theirs.
    TokenProof,
    /// The keys of its issuer are known; where they are not, it is nobody's fault who asks.
    TokenKeys,
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
    /// An authority of the policy trusts the certificate that signed the statement.
    StatementCertificate,
}

/// Whose key signs statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The directory: a key of its key set.
    Directory,
    /// The client itself: the leaf of the header's `x5c` (RFC 7515 §4.1.6), whose chain an authority trusts.
    Certificate,
}

impl Gate {
    /// Every one with an id of its own, in the order in which they are passed: descriptions, steps and cases follow
    /// it. The others of tokens are ways in which [`Gate::TokenValid`] refuses.
    pub const ALL: [Self; 8] = [
        Self::CertificateTrusted,
        Self::TokenValid,
        Self::StatementPresent,
        Self::StatementKeys,
        Self::StatementSignature,
        Self::StatementCertificate,
        Self::RequestKeys,
        Self::RequestSignature,
    ];

    /// What it is.
    pub fn about(self) -> &'static About {
        match self {
            Self::CertificateTrusted => &CERTIFICATE_TRUSTED,
            Self::TokenValid | Self::TokenPresent | Self::TokenScope | Self::TokenProof | Self::TokenKeys => {
                &TOKEN_VALID
            }
            Self::StatementPresent => &STATEMENT_PRESENT,
            Self::StatementSignature => &STATEMENT_SIGNATURE,
            Self::StatementKeys => &STATEMENT_KEYS,
            Self::RequestKeys => &REQUEST_KEYS,
            Self::RequestSignature => &REQUEST_SIGNATURE,
            Self::StatementCertificate => &STATEMENT_CERTIFICATE,
        }
    }
}

/// Every gate and check, in the order in which they are taken.
pub(super) fn all_checks() -> impl Iterator<Item = &'static About> {
    Gate::ALL.into_iter().map(Gate::about).chain(checks::ALL.iter().map(|check| check.about()))
}

/// Whether a gate has this id.
pub(super) fn is_gate(id: &str) -> bool {
    Gate::ALL.into_iter().any(|gate| gate.about().id == id)
}

/// How a software statement is to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementPolicy {
    /// Whether there has to be one.
    pub required: bool,
    /// Accepted JWS algorithms.
    pub algorithms: Vec<String>,
    /// Whose key signs.
    pub signer: Signer,
    /// The role of the key set, which the deployment fills; of no meaning where certificates sign.
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
    token: TokenRules,
    statement_present: Arc<Rule>,
    statement_signature: Arc<Rule>,
    statement_keys: Arc<Rule>,
    request_keys: Arc<Rule>,
    request_signature: Arc<Rule>,
    statement_certificate: Arc<Rule>,
    certificate: CertificatePolicy,
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
            token: TokenRules::new(rule(&TOKEN_VALID)),
            statement_present: rule(&STATEMENT_PRESENT),
            statement_signature: rule(&STATEMENT_SIGNATURE),
            statement_keys: rule(&STATEMENT_KEYS),
            request_keys: rule(&REQUEST_KEYS),
            request_signature: rule(&REQUEST_SIGNATURE),
            statement_certificate: rule(&STATEMENT_CERTIFICATE),
            certificate: CertificatePolicy::read(all.get(CERTIFICATE_TRUSTED.id)),
            statement,
            request,
        }
    }

    pub(super) const fn certificate(&self) -> &CertificatePolicy {
        &self.certificate
    }

    pub(super) const fn statement(&self) -> Option<&StatementPolicy> {
        self.statement.as_ref()
    }

    pub(super) const fn request(&self) -> Option<&RequestPolicy> {
        self.request.as_ref()
    }

    /// Those that the policy has an operation pass, in order; tokens are the route's matter.
    pub(super) fn on(&self, operation: Operation) -> impl Iterator<Item = Gate> {
        self.possible(operation).filter(|gate| *gate != Gate::TokenValid)
    }

    /// Those that an operation passes, in order, where its route asks for a token.
    pub(super) fn possible(&self, operation: Operation) -> impl Iterator<Item = Gate> {
        let known = Gate::ALL.into_iter().filter(move |gate| gate.about().operations.contains(&operation));
        let signer = self.statement.as_ref().map(|statement| statement.signer);
        known.filter(move |gate| match gate {
            Gate::CertificateTrusted
            | Gate::TokenValid
            | Gate::TokenPresent
            | Gate::TokenScope
            | Gate::TokenProof
            | Gate::TokenKeys => true,
            Gate::StatementPresent | Gate::StatementSignature => signer.is_some(),
            Gate::StatementKeys => signer == Some(Signer::Directory),
            Gate::StatementCertificate => signer == Some(Signer::Certificate),
            Gate::RequestKeys | Gate::RequestSignature => self.request.is_some(),
        })
    }

    pub(super) const fn rule(&self, gate: Gate) -> &Arc<Rule> {
        match gate {
            Gate::CertificateTrusted => &self.certificate_trusted,
            Gate::TokenValid => &self.token.valid,
            Gate::TokenPresent => &self.token.present,
            Gate::TokenScope => &self.token.scope,
            Gate::TokenProof => &self.token.proof,
            Gate::TokenKeys => &self.token.keys,
            Gate::StatementPresent => &self.statement_present,
            Gate::StatementSignature => &self.statement_signature,
            Gate::StatementKeys => &self.statement_keys,
            Gate::RequestKeys => &self.request_keys,
            Gate::RequestSignature => &self.request_signature,
            Gate::StatementCertificate => &self.statement_certificate,
        }
    }
}

fn statement(all: &BTreeMap<&'static str, Settings<'_>>) -> Option<StatementPolicy> {
    let required = all.get(STATEMENT_PRESENT.id).and_then(|settings| settings.boolean("required"));
    let signature = all.get(STATEMENT_SIGNATURE.id).filter(|settings| settings.is_there());
    let Some(signature) = signature else {
        // Any other word on statements means that one is expected, and none would ever be verified; checks say so
        // themselves.
        let gates = Gate::ALL.iter().map(|gate| gate.about().id).filter(|id| id.starts_with("statement."));
        for (id, settings) in gates.filter_map(|id| all.get_key_value(id)).filter(|(_, settings)| settings.is_there()) {
            let message = format!("`{id}` needs `[checks.{}]`", STATEMENT_SIGNATURE.id);
            settings.faults().error(settings.place().as_ref(), message, None);
        }
        return None;
    };
    let algorithms = algorithms(signature);
    let signer = signature.word("signer", SIGNERS).unwrap_or(Signer::Directory);
    let key_set = signature.text("key_set").map_or_else(|| "statement".to_owned(), |text| text.value);
    let chain = all.get(STATEMENT_CERTIFICATE.id).filter(|settings| settings.is_there());
    if let Some(chain) = chain.filter(|_| signer == Signer::Directory) {
        let message = format!("`{}` needs `signer = \"certificate\"`", STATEMENT_CERTIFICATE.id);
        let help = format!("in [checks.{}]", STATEMENT_SIGNATURE.id);
        chain.faults().error(chain.place().as_ref(), message, Some(help));
    }
    let required = required.unwrap_or(true);
    Some(StatementPolicy { required, algorithms: algorithms?, signer, key_set })
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
    if statement.is_some_and(|statement| statement.signer == Signer::Certificate) {
        let message = "the key of a signed request is found by a statement that a directory signs";
        let help = "whose certificate signs a statement can sign it with all of the request in it";
        signature.faults().error(signature.place().as_ref(), message, Some(help.to_owned()));
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

const SIGNERS: &[(&str, Signer)] = &[("directory", Signer::Directory), ("certificate", Signer::Certificate)];

#[cfg(test)]
mod tests;
