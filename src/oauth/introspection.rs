//! Token introspection (RFC 7662): what the issuer says of a token when it is asked.
//!
//! Every token is asked for anew: an answer that was kept would let a revoked
//! token in. What bounds the cost is how many questions are under way at one time.

use serde_json::{Map, Value};

use crate::model::json::{self, JsonFault, Limits};
use crate::net::{Endpoint, FetchError};

/// An issuer's introspection endpoint.
#[derive(Debug)]
pub struct Introspection {
    endpoint: Endpoint,
}

/// The issuer did not say whose the token is: an outage, or a fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// No answer that could be read.
    #[error("the introspection endpoint cannot be asked: {0}")]
    Fetch(#[from] FetchError),
    /// The answer is no strict JSON object.
    #[error("the introspection endpoint's answer: {0}")]
    Json(#[from] JsonFault),
    /// RFC 7662 §2.2: `active` is required, and a boolean.
    #[error("the introspection endpoint's answer does not say whether the token is active")]
    NotSaid,
}

impl Introspection {
    /// At this endpoint.
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// The claims of an active token; `None` for one that is not active, or that the issuer does not know.
    ///
    /// # Errors
    /// [`NotTold`]: nothing is known of the token.
    pub async fn claims(&self, token: &str) -> Result<Option<Map<String, Value>>, NotTold> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        let answer = self.endpoint.post(&form, ANSWER.bytes).await?;
        told(&answer)
    }
}

fn told(answer: &[u8]) -> Result<Option<Map<String, Value>>, NotTold> {
    let mut members = json::object(answer, &ANSWER)?;
    match members.remove("active") {
        Some(Value::Bool(true)) => Ok(Some(members)),
        Some(Value::Bool(false)) => Ok(None),
        _ => Err(NotTold::NotSaid),
    }
}

/// A JWT's claims fit into 16 KB; some servers add a whole user.
const ANSWER: Limits = Limits { bytes: 64 * 1024, depth: 16, items: 1_000, nodes: 10_000, string: 32 * 1024 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        let claims = told(br#"{"active":true,"scope":"dcr","exp":1}"#).unwrap().unwrap();
        assert_eq!(Value::Object(claims), serde_json::json!({ "scope": "dcr", "exp": 1 }));
        assert_eq!(told(br#"{"active":false,"scope":"dcr"}"#), Ok(None));
        for unsaid in [&br#"{}"#[..], br#"{"active":"true"}"#, br#"{"active":1}"#, br#"{"active":null}"#] {
            assert_eq!(told(unsaid), Err(NotTold::NotSaid));
        }
        assert_eq!(told(br#"{"active":false,"active":true}"#), Err(NotTold::Json(JsonFault::DuplicateMember)));
        assert_eq!(told(b"[true]"), Err(NotTold::Json(JsonFault::NotAnObject)));
        assert_eq!(told(b"<html>"), Err(NotTold::Json(JsonFault::Syntax)));
    }
}
