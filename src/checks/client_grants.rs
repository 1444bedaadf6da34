//! Grant types and response types are accepted and fit each other (RFC 7591 §2.1, OpenID Connect Registration §2).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member, text, texts};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct ClientGrants;

const GRANT: Fault = Fault {
    message: "grant_types has an entry that is not accepted",
    hint: "use the grant types that this regime allows",
};
const RESPONSE: Fault = Fault {
    message: "response_types has an entry that is not accepted",
    hint: "use the response types that this regime allows, words separated by one space",
};
const UNSERVED: Fault = Fault {
    message: "response_types and grant_types do not fit each other",
    hint: "code needs authorization_code; token and id_token need implicit",
};
const ALONE: Fault = Fault {
    message: "grant_types has no grant that a refresh token could come from",
    hint: "add the grant type by which the client gets its first token, such as authorization_code",
};
const UNDELIVERED: Fault = Fault {
    message: "the grant type of CIBA needs backchannel_token_delivery_mode",
    hint: "send poll, ping or push as backchannel_token_delivery_mode, or leave the grant type out",
};
const UNNOTIFIED: Fault = Fault {
    message: "backchannel_token_delivery_mode ping and push need backchannel_client_notification_endpoint",
    hint: "send the https address at which the client is notified, or use poll",
};

static ABOUT: About = About {
    id: "client.grants",
    summary: "grant_types and response_types are accepted and fit each other, and the client can be notified where it asks to be",
    clause: "RFC 7591 2.1",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("grant_types"),
    operations: WRITES,
    faults: &[GRANT, RESPONSE, UNSERVED, ALONE, UNDELIVERED, UNNOTIFIED],
    settings: &[
        ("grant_types", "accepted grant types (any)"),
        ("response_types", "accepted response types, words in any order (any)"),
        (
            "hybrid_implicit",
            "implicit beside code id_token: require | tolerate (require); [forward.replaced] can leave it out",
        ),
    ],
};

/// Asks a user on another device (CIBA §4).
const CIBA: &str = "urn:openid:params:grant-type:ciba";

/// How the client learns that a user has answered; required for the grant (CIBA §4).
const DELIVERY: &str = "backchannel_token_delivery_mode";

/// Where clients are told that a user has answered (CIBA §4).
const NOTIFICATION: &str = "backchannel_client_notification_endpoint";

/// Words of one response type: OpenID Connect knows three.
const MAX_WORDS: usize = 4;

impl Check for ClientGrants {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let tolerate = settings.word("hybrid_implicit", &[("require", false), ("tolerate", true)]).unwrap_or(false);
        let response_types = settings.texts("response_types");
        Some(Box::new(Grants { grant_types: settings.texts("grant_types"), response_types, tolerate }))
    }
}

#[derive(Debug)]
struct Grants {
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    tolerate: bool,
}

impl Judge for Grants {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        // RFC 7591 §2: authorization_code and code where the members are absent.
        let grants: Vec<&str> =
            texts(facts.metadata, "grant_types").map_or_else(|| vec!["authorization_code"], Iterator::collect);
        // Without a redirecting grant there is nothing to respond with.
        let redirects = grants.iter().any(|grant| matches!(*grant, "authorization_code" | "implicit"));
        let default = if redirects { vec!["code"] } else { vec![] };
        let responses: Vec<&str> = texts(facts.metadata, "response_types").map_or(default, Iterator::collect);

        for grant in &grants {
            if self.grant_types.as_ref().is_some_and(|allowed| !allowed.iter().any(|allowed| allowed == grant)) {
                report.fail(Failure::of(GRANT).detail(*grant));
            }
        }
        for response in &responses {
            let known = words(response).is_some_and(|_| match &self.response_types {
                Some(allowed) => allowed.iter().any(|allowed| words(allowed) == words(response)),
                None => true,
            });
            if !known {
                report.fail(Failure::of(RESPONSE).field("response_types").detail(*response));
            }
        }
        let code = responses.iter().any(|response| has_word(response, "code"));
        let front = responses.iter().any(|response| has_word(response, "id_token") || has_word(response, "token"));
        let pure_front = responses.iter().any(|response| !has_word(response, "code") && *response != "none");
        let granted = |grant: &str| grants.contains(&grant);
        let implicit_fits = match granted("implicit") {
            true => front,
            false => !front || (self.tolerate && !pure_front),
        };
        if code != granted("authorization_code") || !implicit_fits {
            report.fail(Failure::of(UNSERVED).detail(format!("{grants:?} {responses:?}")));
        }
        // RFC 6749 §1.5: a refresh token is issued together with what another grant gives.
        if granted("refresh_token") && grants.iter().all(|grant| *grant == "refresh_token") {
            report.fail(Failure::of(ALONE));
        }
        if granted(CIBA) && member(facts.metadata, DELIVERY).is_none() {
            report.fail(Failure::of(UNDELIVERED).field(DELIVERY));
        }
        if matches!(text(facts.metadata, DELIVERY), Some("ping" | "push"))
            && member(facts.metadata, NOTIFICATION).is_none()
        {
            report.fail(Failure::of(UNNOTIFIED).field(NOTIFICATION));
        }
    }
}

fn has_word(response: &str, word: &str) -> bool {
    response.split(' ').any(|found| found == word)
}

/// The words in order of the alphabet; `None` when they are malformed: empty, doubled or too many.
fn words(response: &str) -> Option<Vec<&str>> {
    let mut words: Vec<&str> = response.split(' ').take(MAX_WORDS).collect();
    words.sort_unstable();
    let distinct = words.windows(2).all(|pair| pair.first() != pair.last());
    let whole = response.split(' ').count() < MAX_WORDS;
    (whole && distinct && words.iter().all(|word| !word.is_empty())).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn response_types_are_sets_of_words() {
        assert_eq!(words("id_token code"), words("code id_token"));
        for malformed in ["", " code", "code  id_token", "code code", "a b c d"] {
            assert_eq!(words(malformed), None, "{malformed:?}");
        }
    }
}
