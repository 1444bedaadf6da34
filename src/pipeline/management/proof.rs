//! Whether the caller owns the client, and in which words it is refused otherwise.

use std::sync::{Arc, LazyLock};

use super::super::decide::Decision;
use super::super::record::Told;
use super::super::routes::PolicyUse;
use super::Management;
use crate::bindings::{Claimant, NotOwner, Owned};
use crate::model::binding::Binding;
use crate::model::error_code::ErrorCode;
use crate::model::trace::{Mode, Outcome, Rule, Trace};

/// Told alike for a client that does not exist, of another certificate, or of another token: nobody learns which
/// clients there are.
static OWNED: LazyLock<Arc<Rule>> = LazyLock::new(|| {
    rule(
        "client.owned",
        "the registration access token is not valid for this client",
        "use the token of the last answer about this client, over the certificate that registered it",
    )
});

/// Told to whoever holds the client's own token.
static NOT_EXPIRED: LazyLock<Arc<Rule>> =
    LazyLock::new(|| rule("client.token-age", "the registration access token has expired", "register the client anew"));

fn rule(id: &str, message: &str, hint: &str) -> Arc<Rule> {
    Arc::new(Rule {
        id: id.into(),
        clause: "RFC 7592 2".into(),
        mode: Mode::Enforce,
        error: ErrorCode::InvalidToken,
        field: None,
        message: message.into(),
        hint: Some(hint.into()),
    })
}

/// Proves the owner, here and without anybody's help.
pub(super) fn prove(management: &Management, policy: &PolicyUse, binding: Arc<Binding>) -> Result<Owned, Trace> {
    let attempt = &management.attempt;
    let told = Told::new(attempt);
    let claimant = Claimant {
        authority: told.trusted(policy).map(|(authority, _)| authority),
        subject: attempt.connection.peer().map(|peer| peer.subject()),
        token: management.token.as_deref(),
        now: attempt.now,
    };
    Owned::prove(binding, &claimant, &attempt.recording.sealer).map_err(|why| match why {
        NotOwner::Expired => failed(&NOT_EXPIRED, &why.to_string()),
        NotOwner::Certificate | NotOwner::Token => refused(&why.to_string()),
    })
}

/// No client of that id is known.
pub(super) fn unknown() -> Trace {
    refused("no client of this id was registered here")
}

/// Refused for a reason that the audit alone is told.
pub(super) fn refused(why: &str) -> Trace {
    failed(&OWNED, why)
}

fn failed(rule: &Arc<Rule>, why: &str) -> Trace {
    let mut trace = Trace::new();
    trace.push(rule, Outcome::Fail, Some(why.into()));
    trace
}

/// Notes that the owner was proved, and who it is where the request says nothing of it.
pub(super) fn proved(decision: &mut Decision, binding: &Binding) {
    decision.trace.push(&OWNED, Outcome::Pass, None);
    let subject = &mut decision.subject;
    subject.organisation = subject.organisation.take().or_else(|| binding.organisation.clone());
    subject.software = subject.software.take().or_else(|| binding.software.clone());
}
