//! From a request and its decision to what the ledger records of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::decide::Decision;
use super::registration::Attempt;
use super::routes::PolicyUse;
use super::snapshot::Snapshot;
use crate::audit::{
    Client, Correlation, Ending, Event, Outcome, Policy, Record, Request, Response, Signed, Source, Statement, Subject,
    Template, Text, Tls, Token,
};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Operation;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::peer::{Judgement, Peer, Trusted};
use crate::model::time::Timestamp;
use crate::model::trace::{self, Mode, Rule, Trace};
use crate::tls::RefusedInHandshake;

/// Texts that a record borrows.
#[derive(Debug)]
pub(super) struct Told {
    interaction: String,
    judgement: Option<Arc<Judgement>>,
}

impl Told {
    pub(super) fn new(attempt: &Attempt) -> Self {
        let judged = attempt.connection.judgement(&attempt.snapshot, attempt.now);
        Self {
            interaction: attempt.correlation.interaction.to_string(),
            judgement: judged.map(|(_, judgement)| judgement),
        }
    }

    /// The authority that vouches for the certificate, one of the policy's.
    pub(super) fn trusted<'a>(&'a self, policy: &PolicyUse) -> Option<(&'a AuthorityName, &'a Trusted)> {
        self.judgement.as_ref()?.trusted_by(&policy.authorities)
    }
}

/// What is known when the decision is made.
pub(super) fn decided<'a>(
    attempt: &'a Attempt,
    told: &'a Told,
    policy: &'a PolicyUse,
    decision: &'a Decision,
) -> Record<'a> {
    let connection = &attempt.connection;
    Record {
        id: attempt.id,
        event: Event::Dcr(attempt.operation),
        time: attempt.now,
        correlation: Correlation { interaction_id: Some(Text::new(&told.interaction)) },
        source: source(connection.remote),
        tls: Some(Tls {
            version: connection.tls.version,
            cipher: connection.tls.cipher,
            sni: connection.tls.server_name.as_deref().map(Text::new),
            client: connection.peer().map(|peer| certificate(peer, told.trusted(policy))),
        }),
        request: Some(Request {
            method: Text::new(method(attempt.operation)),
            path: Text::path(&attempt.path),
            bytes: attempt.body.len(),
            sha256: (!attempt.body.is_empty()).then_some(attempt.body_digest),
            signed: decision.signed.as_ref().map(|signed| Signed {
                issuer: signed.text("iss").map(Text::new),
                kid: Text::new(&signed.key_id),
                alg: Text::new(signed.algorithm),
                jti: signed.text("jti").map(Text::new),
                iat: issued_at(&signed.claims),
            }),
        }),
        subject: Subject {
            organisation: decision.subject.organisation.as_deref().map(Text::new),
            organisation_name: decision.subject.organisation_name.as_deref().map(Text::new),
            software: decision.subject.software.as_deref().map(Text::new),
            roles: decision.subject.roles.iter().map(|role| Text::new(role)).collect(),
        },
        statement: decision.statement.as_ref().map(|statement| Statement {
            issuer: statement.text("iss").map(Text::new),
            kid: Some(Text::new(&statement.key_id)),
            alg: Text::new(statement.algorithm),
            jti: statement.text("jti").map(Text::new),
            iat: issued_at(&statement.claims),
            sha256: statement.digest,
            signer: decision
                .signer
                .as_ref()
                .map(|(signer, judgement)| certificate(signer, judgement.trusted_by(&policy.authorities))),
        }),
        token: decision.token.as_ref().map(|token| Token {
            issuer: token.text("iss").map(Text::new),
            subject: token.text("sub").map(Text::new),
            client_id: token.text("client_id").map(Text::new),
            scope: token.text("scope").map(Text::new),
            jti: token.text("jti").map(Text::new),
            sha256: token.fingerprint().is_none().then_some(token.digest),
            fingerprint: token.fingerprint().copied(),
        }),
        template: decision.template.as_ref().map(|made| Template {
            name: &made.used.name,
            id: &made.used.template.id,
            version: &made.used.template.version,
            sha256: made.used.template.digest,
        }),
        policy: Some(Policy {
            id: policy.policy.id(),
            version: policy.policy.version(),
            sha256: policy.policy.digest(),
        }),
        configuration: attempt.snapshot.configuration,
        checks: &decision.trace,
    }
}

const fn method(operation: Operation) -> &'static str {
    match operation {
        Operation::Register => "POST",
        Operation::Update => "PUT",
        Operation::Read => "GET",
        Operation::Delete => "DELETE",
    }
}

fn issued_at(claims: &Map<String, Value>) -> Option<Timestamp> {
    claims.get("iat").and_then(Value::as_i64).map(Timestamp::from_unix_seconds)
}

fn certificate<'a>(peer: &'a Peer, trusted: Option<(&'a AuthorityName, &'a Trusted)>) -> Client<'a> {
    Client {
        sha256: peer.certificate.thumbprint,
        serial: Text::new(&peer.certificate.serial),
        subject: Text::long(peer.subject()),
        issuer: Text::long(peer.issuer()),
        not_after: peer.certificate.not_after,
        authority: trusted.map(|(name, _)| name.as_str()),
        path: trusted.map_or(&[], |(_, trusted)| &trusted.path),
        revocation: trusted.map(|(_, trusted)| &trusted.revocation),
    }
}

/// What is known of a handshake that was cut.
pub(super) fn cut<'a>(
    snapshot: &Snapshot,
    id: DecisionId,
    now: Timestamp,
    remote: SocketAddr,
    trace: &'a Trace,
) -> Record<'a> {
    Record {
        id,
        event: Event::Handshake,
        time: now,
        correlation: Correlation::default(),
        source: source(remote),
        tls: None,
        request: None,
        subject: Subject::default(),
        statement: None,
        token: None,
        template: None,
        policy: None,
        configuration: snapshot.configuration,
        checks: trace,
    }
}

/// Why a handshake was cut, as the one step of its trace.
pub(super) fn cut_trace(refused: &RefusedInHandshake) -> Trace {
    let rule = Rule {
        id: "certificate.trusted".into(),
        clause: "RFC 5280 6".into(),
        mode: Mode::Enforce,
        error: ErrorCode::InvalidClient,
        field: None,
        message: "the client certificate is not trusted".into(),
        hint: None,
    };
    let mut trace = Trace::new();
    trace.push(&Arc::new(rule), trace::Outcome::Fail, Some(refused.to_string().into()));
    trace
}

/// The end of a refusal of ours.
pub(super) fn rejected(duration: Duration, answer: Option<(u16, &str)>) -> Ending<'_> {
    Ending {
        outcome: Outcome::Rejected,
        duration,
        client_id: None,
        response: Response {
            status: answer.map(|(status, _)| status),
            error: answer.map(|(_, error)| Text::new(error)),
            forwarded: false,
            upstream_status: None,
        },
    }
}

const fn source(remote: SocketAddr) -> Source {
    Source { ip: remote.ip().to_canonical(), port: remote.port() }
}
