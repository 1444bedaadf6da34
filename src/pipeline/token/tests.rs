//! The header, and what is said of claims, one fault at a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::model::time::Timestamp;
use crate::model::token::Proof;

const NOW: i64 = 1_795_435_200;

fn rule(required: bool) -> TokenRule {
    for_audience(&["https://gate.example/register", "dcr"], required)
}

fn for_audience(audience: &[&str], required: bool) -> TokenRule {
    let terms = Terms {
        issuer: "https://issuer.example".to_owned(),
        audience: audience.iter().map(|name| (*name).to_owned()).collect(),
        scope: "dcr".to_owned(),
        skew: Duration::from_secs(60),
    };
    let verification = Verification::KeySet { key_set: "issuer".to_owned(), algorithms: vec![Algorithm::PS256] };
    TokenRule { issuer: Arc::new(Issuer { verification, terms }), required }
}

fn certificate() -> Digest {
    Digest::of(b"certificate")
}

/// Judges good claims with these laid over them; `null` takes one away.
fn judged(changes: &Value, certificate: Option<&Digest>) -> Result<(), (Gate, String)> {
    vouched(Vouched::Signed, Shown::Bearer, &rule(true), changes, certificate)
}

fn vouched(
    vouched: Vouched,
    shown: Shown,
    rule: &TokenRule,
    changes: &Value,
    certificate: Option<&Digest>,
) -> Result<(), (Gate, String)> {
    let mut claims = json!({
        "iss": "https://issuer.example", "aud": "https://gate.example/register", "scope": "openid dcr",
        "iat": NOW, "exp": NOW + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    let Value::Object(claims) = claims else { unreachable!() };
    let token = AccessToken { claims, vouched, digest: Digest::of(b"token"), shown };
    let token = Known::Value(Token::Vouched(Arc::new(token)));
    judge(Some(rule), &token, certificate, Timestamp::from_unix_seconds(NOW))
        .map(|found| assert!(found.is_some()))
        .map_err(|unfit| (unfit.gate, unfit.why.to_string()))
}

#[test]
fn one_header_of_exactly_one_form() {
    let read = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        presented(&headers).map(|token| token.map(|(scheme, token)| (scheme, token.to_owned())))
    };
    assert_eq!(read(&[]), Ok(None));
    for good in ["Bearer a-b._~+/9==", "bearer a-b._~+/9==", "BEARER a-b._~+/9=="] {
        assert_eq!(read(&[good]), Ok(Some((Scheme::Bearer, "a-b._~+/9==".to_owned()))), "{good}");
    }
    for good in ["DPoP a", "dpop a", "DPOP a"] {
        assert_eq!(read(&[good]), Ok(Some((Scheme::Dpop, "a".to_owned()))), "{good}");
    }
    assert_eq!(read(&["Bearer a", "Bearer a"]), Err("more than one Authorization header"));
    for other in ["Basic a", "", "Bearera", "Bearer\ta"] {
        assert_eq!(read(&[other]), Err("another authentication scheme than Bearer and DPoP"), "{other}");
    }
    for bad in
        ["Bearer", "Bearer ", "Bearer  a", "Bearer a b", "Bearer a, Bearer b", "Bearer a=b", "Bearer =", "Bearer \"a\""]
    {
        assert_eq!(read(&[bad]), Err("not a b64token after the scheme"), "{bad}");
    }
    assert_eq!(read(&["Bearer \u{e9}"]), Err("the Authorization header is not ASCII"));
}

#[test]
fn a_token_is_for_us_and_from_its_issuer() {
    let invalid = |changes: Value| judged(&changes, None).unwrap_err();
    assert_eq!(judged(&json!({}), None), Ok(()));
    assert_eq!(judged(&json!({ "aud": ["elsewhere", "dcr"] }), None), Ok(()));
    for iss in [json!(null), json!("https://issuer.example/"), json!(["https://issuer.example"])] {
        assert_eq!(invalid(json!({ "iss": iss })), (Gate::TokenValid, "iss is another issuer".to_owned()));
    }
    for aud in [json!(null), json!("https://gate.example/registe"), json!([]), json!({ "dcr": true })] {
        assert_eq!(invalid(json!({ "aud": aud })), (Gate::TokenValid, "aud is another audience".to_owned()));
    }
}

#[test]
fn times_hold_to_the_second_with_the_skew() {
    let why = |changes: Value| judged(&changes, None).map_err(|(_, why)| why);
    let refused = |why: &str| Err(why.to_owned());
    assert_eq!(why(json!({ "exp": NOW - 59 })), Ok(()));
    assert_eq!(why(json!({ "exp": NOW - 60 })), refused("expired"));
    assert_eq!(why(json!({ "exp": null })), refused("exp is missing"));
    assert_eq!(why(json!({ "nbf": NOW + 60 })), Ok(()));
    assert_eq!(why(json!({ "nbf": NOW + 61 })), refused("nbf is in the future"));
    assert_eq!(why(json!({ "iat": NOW + 60 })), Ok(()));
    assert_eq!(why(json!({ "iat": NOW + 61 })), refused("iat is in the future"));
    assert_eq!(why(json!({ "iat": null })), Ok(()));
    assert_eq!(why(json!({ "exp": 1_795_435_210.5 })), Ok(()));
    assert_eq!(why(json!({ "exp": i64::MAX })), Ok(()));
    for no_time in [json!("1795435500"), json!(true), json!(1e300), json!(-0.5)] {
        assert_eq!(why(json!({ "exp": no_time })), refused("a time is not a number"), "{no_time}");
    }
}

#[test]
fn what_the_issuer_told_may_say_less() {
    let told = |rule: &TokenRule, changes: Value| {
        let fingerprint = Digest::of(b"keyed");
        vouched(Vouched::Told { fingerprint }, Shown::Bearer, rule, &changes, None).map_err(|(_, why)| why)
    };
    let refused = |why: &str| Err(why.to_owned());
    let named = rule(true);
    assert_eq!(told(&named, json!({ "exp": null })), Ok(()), "it was asked just now");
    assert_eq!(told(&named, json!({ "exp": NOW - 60 })), refused("expired"));
    assert_eq!(told(&named, json!({ "aud": null })), refused("aud is another audience"));
    for (token_type, expected) in [
        (json!("Bearer"), Ok(())),
        (json!("bearer"), Ok(())),
        (json!("refresh_token"), refused("token_type is not Bearer")),
        (json!(["Bearer"]), refused("token_type is not Bearer")),
    ] {
        assert_eq!(told(&named, json!({ "token_type": token_type })), expected, "{token_type}");
    }
    let nameless = for_audience(&[], true);
    assert_eq!(told(&nameless, json!({ "aud": null })), Ok(()));
    for aud in [json!("https://gate.example/register"), json!([]), json!("")] {
        assert_eq!(told(&nameless, json!({ "aud": aud })), refused("aud is another audience"), "{aud}");
    }
}

#[test]
fn a_bound_token_is_its_holders() {
    let why =
        |cnf: Value, certificate: Option<&Digest>| judged(&json!({ "cnf": cnf }), certificate).map_err(|(_, why)| why);
    let refused = |why: &str| Err(why.to_owned());
    let own = json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(certificate().as_bytes()) });
    assert_eq!(why(own.clone(), Some(&certificate())), Ok(()));
    assert_eq!(why(own.clone(), None), refused("bound to a certificate, and the connection has none"));
    assert_eq!(why(own, Some(&Digest::of(b"other"))), refused("bound to another certificate"));
    assert_eq!(why(json!({ "x5t#S256": "" }), Some(&certificate())), refused("bound to another certificate"));
    assert_eq!(why(json!({ "jkt": "x" }), None), refused("bound by DPoP, and shown without a proof"));
    for other in [json!({}), json!({ "kid": "x" }), json!({ "x5t#S256": 1 })] {
        assert_eq!(
            why(other.clone(), Some(&certificate())),
            refused("bound in a way that is not supported"),
            "{other}"
        );
    }
    assert_eq!(why(json!("x"), None), refused("cnf is not an object"));
}

#[test]
fn a_token_of_a_key_comes_with_its_proof() {
    let key = Digest::of(b"key");
    let at = |issued: i64| Proof { key, id: Digest::of(b"one"), issued: Timestamp::from_unix_seconds(issued) };
    let bound = json!({ "cnf": { "jkt": key.base64url() } });
    let told = |shown: Shown, changes: &Value| vouched(Vouched::Signed, shown, &rule(true), changes, None);
    let shown = |proof: Proof| told(Shown::Dpop(Ok(proof)), &bound);
    assert_eq!(shown(at(NOW)), Ok(()));
    let refused = |gate, why: &str| Err((gate, why.to_owned()));
    // A minute of age and a minute of skew.
    assert_eq!((shown(at(NOW - 120)), shown(at(NOW + 60))), (Ok(()), Ok(())));
    assert_eq!(shown(at(NOW - 121)), refused(Gate::TokenProof, "the proof is too old"));
    assert_eq!(shown(at(NOW + 61)), refused(Gate::TokenProof, "the proof is of the future"));
    assert_eq!(
        shown(Proof { key: Digest::of(b"other"), ..at(NOW) }),
        refused(Gate::TokenValid, "bound to another key than that of the proof")
    );
    let broken = Shown::Dpop(Err("htm is another method".into()));
    assert_eq!(told(broken, &bound), refused(Gate::TokenProof, "htm is another method"));
    assert_eq!(
        told(Shown::Dpop(Ok(at(NOW))), &json!({})),
        refused(Gate::TokenValid, "shown by DPoP, and not bound to a key")
    );
    let both = json!({ "cnf": { "jkt": key.base64url(), "x5t#S256": certificate().base64url() } });
    let both = |certificate: Option<Digest>| {
        vouched(Vouched::Signed, Shown::Dpop(Ok(at(NOW))), &rule(true), &both, certificate.as_ref())
    };
    assert_eq!(both(Some(certificate())), Ok(()));
    assert_eq!(both(None), refused(Gate::TokenValid, "bound to a certificate, and the connection has none"));
}

#[test]
fn the_scope_holds_the_word_as_a_whole() {
    for scope in [json!(null), json!(""), json!("dcr:mobile"), json!("DCR"), json!(["dcr"])] {
        assert_eq!(judged(&json!({ "scope": scope }), None).unwrap_err().0, Gate::TokenScope);
    }
}

#[test]
fn no_token_a_bad_one_and_an_outage_are_told_apart() {
    let now = Timestamp::from_unix_seconds(NOW);
    let gate = |token: &Known<Token>, required| {
        judge(Some(&rule(required)), token, None, now).map(|found| found.is_some()).map_err(|unfit| unfit.gate)
    };
    assert_eq!(gate(&Known::Absent, true), Err(Gate::TokenPresent));
    assert_eq!(gate(&Known::Absent, false), Ok(false));
    for required in [true, false] {
        assert_eq!(gate(&Known::Unavailable("away".into()), required), Err(Gate::TokenKeys));
        assert_eq!(gate(&Known::Value(Token::Refused("forged".into())), required), Err(Gate::TokenValid));
    }
}
