//! The decision headers: what the identity server may know of a judged request.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::model::id::DecisionId;

/// Names the audit record; also in every answer to the caller.
pub const DECISION_ID: HeaderName = HeaderName::from_static("dcr-decision-id");
const POLICY: HeaderName = HeaderName::from_static("dcr-policy");
const ORGANISATION: HeaderName = HeaderName::from_static("dcr-organisation");
const SOFTWARE_ID: HeaderName = HeaderName::from_static("dcr-software-id");

/// What goes with an admitted request.
#[derive(Debug, Clone, Copy)]
pub struct DecisionHeaders<'a> {
    /// The decision.
    pub id: DecisionId,
    /// Id and version of the policy.
    pub policy: (&'a str, &'a str),
    /// The organisation of the verified statement.
    pub organisation: Option<&'a str>,
    /// The software of the verified statement.
    pub software: Option<&'a str>,
}

impl DecisionHeaders<'_> {
    /// Writes them. A value that cannot stand in a header is left out: it is in
    /// the body all the same, and these headers only repeat what was verified.
    pub fn write(&self, headers: &mut HeaderMap) {
        let (id, version) = self.policy;
        let lines = [
            (DECISION_ID, Some(self.id.to_string())),
            (POLICY, Some(format!("{id}/{version}"))),
            (ORGANISATION, self.organisation.map(str::to_owned)),
            (SOFTWARE_ID, self.software.map(str::to_owned)),
        ];
        for (name, value) in lines {
            let printable = |text: &String| text.len() <= 256 && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
            if let Some(value) = value.filter(printable).and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn a_value_that_cannot_stand_in_a_header_is_left_out() {
        let mut headers = HeaderMap::new();
        DecisionHeaders {
            id: DecisionId::new(Timestamp::from_unix_seconds(1), [0; 10]),
            policy: ("ofb", "1"),
            organisation: Some("a\r\nb"),
            software: Some("s-1"),
        }
        .write(&mut headers);
        assert_eq!(headers.get(&SOFTWARE_ID).unwrap(), "s-1");
        assert!(!headers.contains_key(&ORGANISATION));
        assert_eq!(headers.get(&POLICY).unwrap(), "ofb/1");
    }
}
