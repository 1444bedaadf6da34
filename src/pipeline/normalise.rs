//! Answers of identity servers that know RFC 7591 by hearsay, as its clients expect them.
//!
//! Only what has one meaning is changed, and only where `normalise` says so.
//! What the identity server said itself stays in the record: its status as
//! `upstream_status`.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::upstream::profile::{Profile, SECRET_EXPIRY};

/// The status of a successful registration: 201 (RFC 7591 §3.2.1).
pub(super) const REGISTERED: StatusCode = StatusCode::CREATED;

/// The members of a client information response.
pub(super) fn client(members: &mut Map<String, Value>, profile: &Profile) {
    // RFC 7591 §2: a member that is not known is left out.
    members.retain(|_, value| !value.is_null());
    if profile.secret_expiry != SECRET_EXPIRY
        && let Some(expiry) = members.remove(profile.secret_expiry)
    {
        members.entry(SECRET_EXPIRY).or_insert(expiry);
    }
    for name in ["client_id_issued_at", SECRET_EXPIRY] {
        let seconds = members.get(name).and_then(Value::as_str).map(str::parse::<i64>);
        if let Some(Ok(seconds)) = seconds {
            members.insert(name.to_owned(), seconds.into());
        }
    }
    if members.contains_key("client_secret") {
        // §3.2.1: REQUIRED where a secret came; 0 is "never".
        members.entry(SECRET_EXPIRY).or_insert(0.into());
    }
    if let Some(Value::Array(methods)) = members.get_mut("token_endpoint_auth_method")
        && methods.len() == 1
        && let Some(method @ Value::String(_)) = methods.pop()
    {
        members.insert("token_endpoint_auth_method".to_owned(), method);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::upstream::profile::{GENERIC, PROFILES};

    fn normal(profile: &str, answer: Value) -> Value {
        let profile = PROFILES.iter().find(|known| known.name == profile).unwrap();
        let Value::Object(mut members) = answer else { panic!() };
        client(&mut members, profile);
        Value::Object(members)
    }

    #[test]
    fn a_secret_has_an_expiry_under_its_own_name() {
        let answer = json!({ "client_id": "c", "client_secret": "s", "client_id_issued_at": "1795443993",
                             "client_id_expires_at": 7 });
        let expected = json!({ "client_id": "c", "client_secret": "s", "client_id_issued_at": 1_795_443_993,
                               "client_secret_expires_at": 7 });
        assert_eq!(normal("lemonldap-ng", answer.clone()), expected);
        let other = normal("glewlwyd", answer);
        assert_eq!((&other["client_id_expires_at"], &other["client_secret_expires_at"]), (&json!(7), &json!(0)));
        let both = json!({ "client_secret": "s", "client_secret_expires_at": 5, "client_id_expires_at": 7 });
        assert_eq!(normal("lemonldap-ng", both)["client_secret_expires_at"], 5);
    }

    #[test]
    fn what_means_nothing_is_left_out() {
        let answer = json!({ "client_id": "c", "logo_uri": null,
                             "client_id_issued_at": "yesterday", "token_endpoint_auth_method": ["private_key_jwt"] });
        let expected = json!({ "client_id": "c", "client_id_issued_at": "yesterday",
                               "token_endpoint_auth_method": "private_key_jwt" });
        assert_eq!(normal("canaille", answer), expected);
        let several = json!({ "token_endpoint_auth_method": ["a", "b"] });
        assert_eq!(normal(GENERIC.name, several.clone()), several);
    }
}
