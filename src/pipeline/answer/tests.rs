//! What is told: all failures in one answer, and nothing that is not the caller's fault as such.

use std::sync::Arc;

use super::*;
use crate::model::trace::{Mode, Outcome};

fn rule(id: &str, error: ErrorCode, message: &str) -> Arc<Rule> {
    Arc::new(Rule {
        id: id.into(),
        clause: "C 1".into(),
        mode: Mode::Enforce,
        error,
        field: None,
        message: message.into(),
        hint: None,
    })
}

#[test]
fn all_failures_in_one_answer() {
    let mut trace = Trace::new();
    trace.push(&rule("a", ErrorCode::InvalidRedirectUri, "first"), Outcome::Fail, Some("secret".into()));
    trace.push(&rule("b", ErrorCode::InvalidClientMetadata, "second"), Outcome::Error, None);
    let told = Refusal::Decided(&trace).told();
    assert_eq!((told.status, told.error), (StatusCode::BAD_REQUEST, ErrorCode::InvalidRedirectUri));
    assert_eq!(told.description, "first (1 more problem)");
}

#[test]
fn an_outage_is_never_the_clients_fault() {
    let mut trace = Trace::new();
    trace.push(&rule("statement.keys", ErrorCode::TemporarilyUnavailable, "later"), Outcome::Error, None);
    let told = Refusal::Decided(&trace).told();
    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told.retry_after, Some(RETRY_SECONDS));
}

#[test]
fn unknown_results_are_told_as_unknown() {
    let broken = SendError::BrokenOff { sent: Sent::Perhaps };
    assert!(Refusal::Upstream(&broken).told().description.contains("the result is unknown"));
    assert!(Refusal::Upstream(&SendError::Unreachable).told().description.contains("nothing was sent"));
}
