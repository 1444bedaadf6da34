//! T11 and T12 with real signatures: each token below is signed by a key of the directory, and still not good enough.

use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use serde_json::{Map, Value, json};

use crate::signer::{Signer, claims, hmac};
use crate::target::{Target, refused, rule};

const PS256: &str = r#"{"alg":"PS256","kid":"own","typ":"JWT"}"#;

async fn is_refused(target: &Target, name: &str, token: &str) {
    let answer = target.submit(&target.around(token)).await;
    refused(name, &answer, 400, "invalid_software_statement");
    assert_eq!(rule(&answer), "statement.signature", "{name}");
    target.recorded(name, &answer);
    assert_eq!(target.reached(), 0, "{name}");
}

fn text(claims: &Map<String, Value>) -> String {
    serde_json::to_string(claims).expect("JSON")
}

/// CVE-2015-9235, CVE-2016-10555 (HS256 with the public key), CVE-2022-21449 (empty ECDSA values), RFC 8725 §3.1.
#[tokio::test(flavor = "multi_thread")]
async fn t11_the_algorithm_is_the_policys_and_the_keys() {
    let (signer, target) = Signer::enrolled().await;
    let payload = text(&claims(&target));
    let header = |alg: &str, kid: &str| format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#);
    let encodings: [(&str, &'static dyn RsaEncoding, &str); 11] = [
        ("PS384", &RSA_PSS_SHA384, "bare"),
        ("PS512", &RSA_PSS_SHA512, "bare"),
        ("RS256", &RSA_PKCS1_SHA256, "bare"),
        ("RS256", &RSA_PKCS1_SHA256, "rs256"),
        ("RS512", &RSA_PKCS1_SHA512, "bare"),
        ("PS256", &RSA_PKCS1_SHA256, "own"),
        ("PS256", &RSA_PSS_SHA384, "own"),
        ("PS256", &RSA_PSS_SHA256, "rs256"),
        ("PS256", &RSA_PSS_SHA256, "enc"),
        ("PS256", &RSA_PSS_SHA256, "ops"),
        ("PS256", &RSA_PSS_SHA256, "oaep"),
    ];
    for (alg, encoding, kid) in encodings {
        let token = signer.rsa(encoding, &header(alg, kid), payload.as_bytes());
        is_refused(&target, &format!("{alg} by {kid}"), &token).await;
    }
    is_refused(&target, "ES256", &signer.ec(&header("ES256", "ec"), payload.as_bytes())).await;
    is_refused(&target, "PS256 by a curve", &signer.ec(&header("PS256", "ec"), payload.as_bytes())).await;
    let unsigned = signer.ec(&header("ES256", "ec"), payload.as_bytes());
    let (input, _) = unsigned.rsplit_once('.').expect("a signature");
    is_refused(&target, "ES256 of zeros", &format!("{input}.{}", "A".repeat(86))).await;
    for (name, secret) in signer.as_secrets() {
        for alg in ["HS256", "PS256", "hs256"] {
            for kid in ["own", "secret"] {
                let token = hmac(&header(alg, kid), payload.as_bytes(), &secret);
                is_refused(&target, &format!("{alg} with {name} by {kid}"), &token).await;
            }
        }
    }
    let good = signer.rsa(&RSA_PSS_SHA256, &header("PS256", "own"), payload.as_bytes());
    assert_eq!(target.submit(&target.around(&good)).await.status(), 201, "the key itself is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_header_that_can_be_read_in_two_ways_is_refused() {
    let (signer, target) = Signer::enrolled().await;
    let payload = text(&claims(&target));
    let jwk = r#"{"kty":"RSA","n":"AQ","e":"AQAB"}"#;
    for (name, header) in [
        ("no algorithm", r#"{"kid":"own"}"#.to_owned()),
        ("a list of algorithms", r#"{"alg":["PS256"],"kid":"own"}"#.to_owned()),
        ("two algorithms", r#"{"alg":"none","alg":"PS256","kid":"own"}"#.to_owned()),
        ("two algorithms, one escaped", r#"{"alg":"PS256","\u0061lg":"none","kid":"own"}"#.to_owned()),
        ("lower case", r#"{"alg":"ps256","kid":"own"}"#.to_owned()),
        ("a space", r#"{"alg":"PS256 ","kid":"own"}"#.to_owned()),
        ("a NUL", r#"{"alg":"PS256\u0000","kid":"own"}"#.to_owned()),
        ("no key", r#"{"alg":"PS256"}"#.to_owned()),
        ("two keys", r#"{"alg":"PS256","kid":"signer","kid":"own"}"#.to_owned()),
        ("an empty key", r#"{"alg":"PS256","kid":""}"#.to_owned()),
        ("a key in upper case", r#"{"alg":"PS256","kid":"OWN"}"#.to_owned()),
        ("a key with a space", r#"{"alg":"PS256","kid":"own "}"#.to_owned()),
        ("a key with a NUL", r#"{"alg":"PS256","kid":"own\u0000"}"#.to_owned()),
        ("a key by path", r#"{"alg":"PS256","kid":"./own"}"#.to_owned()),
        ("a key by query", r#"{"alg":"PS256","kid":"own' OR '1'='1"}"#.to_owned()),
        ("a list of keys", r#"{"alg":"PS256","kid":["own"]}"#.to_owned()),
        ("a long key", format!(r#"{{"alg":"PS256","kid":"{}"}}"#, "k".repeat(1000))),
        ("no critical members", r#"{"alg":"PS256","kid":"own","crit":[]}"#.to_owned()),
        ("a critical member", r#"{"alg":"PS256","kid":"own","crit":["x"],"x":1}"#.to_owned()),
        ("b64", r#"{"alg":"PS256","kid":"own","b64":false,"crit":["b64"]}"#.to_owned()),
        ("b64 that is true", r#"{"alg":"PS256","kid":"own","b64":true}"#.to_owned()),
        ("jwk", format!(r#"{{"alg":"PS256","kid":"own","jwk":{jwk}}}"#)),
        ("x5c", r#"{"alg":"PS256","kid":"own","x5c":[]}"#.to_owned()),
        ("jku that is null", r#"{"alg":"PS256","kid":"own","jku":null}"#.to_owned()),
        ("a typ for access", r#"{"alg":"PS256","kid":"own","typ":"at+jwt"}"#.to_owned()),
        ("a typ that is a number", r#"{"alg":"PS256","kid":"own","typ":1}"#.to_owned()),
        ("a list", format!("[{PS256}]")),
        ("a second document", format!("{PS256}{{}}")),
        ("a byte order mark", format!("\u{feff}{PS256}")),
        ("a comment", format!("/**/{PS256}")),
        ("depth", format!(r#"{{"alg":"PS256","kid":"own","x":{}{}}}"#, "[".repeat(500), "]".repeat(500))),
        ("nothing", String::new()),
    ] {
        is_refused(&target, name, &signer.rsa(&RSA_PSS_SHA256, &header, payload.as_bytes())).await;
    }
    let good = signer.rsa(&RSA_PSS_SHA256, PS256, payload.as_bytes());
    let (input, signature) = good.rsplit_once('.').expect("a signature");
    for (name, token) in [
        ("no signature", format!("{input}.")),
        ("a signature cut short", good.get(..good.len() - 4).expect("shorter").to_owned()),
        ("a signature and more", format!("{good}AAAA")),
        ("a signature in standard base64", format!("{input}.{}", signature.replace('-', "+").replace('_', "/") + "+/")),
        ("the signature of another", format!("{input}.{}", "A".repeat(signature.len()))),
        ("two tokens", format!("{good},{good}")),
        ("a scheme", format!("Bearer {good}")),
        ("encoded", good.replace('.', "%2e")),
    ] {
        is_refused(&target, name, &token).await;
    }
    assert_eq!(target.submit(&target.around(&good)).await.status(), 201, "the token itself is good");
}

/// CVE-2017-12635 within the signature: the directory signed it, and two parsers would still read two things.
#[tokio::test(flavor = "multi_thread")]
async fn t11_a_payload_that_can_be_read_in_two_ways_is_refused() {
    let (signer, target) = Signer::enrolled().await;
    let good = text(&claims(&target));
    let inner = good.strip_prefix('{').expect("an object");
    for (name, payload) in [
        ("a software twice", format!(r#"{{"software_id":"other",{inner}"#).into_bytes()),
        ("a software twice, one escaped", format!(r#"{{"software\u005fid":"other",{inner}"#).into_bytes()),
        ("a role twice", good.replacen(r#""role":"#, r#""role":"CONTA","role":"#, 1).into_bytes()),
        ("a U+0000", format!(r#"{{"x":"a\u0000",{inner}"#).into_bytes()),
        ("a byte order mark", format!("\u{feff}{good}").into_bytes()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("a lone surrogate", format!(r#"{{"x":"\ud800",{inner}"#).into_bytes()),
        ("a second document", format!("{good}{{}}").into_bytes()),
        ("a list", format!("[{good}]").into_bytes()),
        ("NaN", format!(r#"{{"x":NaN,{inner}"#).into_bytes()),
        ("1e400", format!(r#"{{"x":1e400,{inner}"#).into_bytes()),
        ("depth", format!(r#"{{"x":{}{},{inner}"#, "[".repeat(500), "]".repeat(500)).into_bytes()),
        ("a token in the token", signer.rsa(&RSA_PSS_SHA256, PS256, good.as_bytes()).into_bytes()),
        ("nothing", Vec::new()),
    ] {
        is_refused(&target, name, &signer.rsa(&RSA_PSS_SHA256, PS256, &payload)).await;
    }
    let good = signer.rsa(&RSA_PSS_SHA256, PS256, good.as_bytes());
    assert_eq!(target.submit(&target.around(&good)).await.status(), 201, "the payload itself is good");
}

/// CVE-2026-25537: a time of the wrong type must not count as absent, and none may wrap around.
#[tokio::test(flavor = "multi_thread")]
async fn t12_times_that_no_json_library_agrees_on_are_refused() {
    let (signer, target) = Signer::enrolled().await;
    let now = target.gate.world.now().unix_seconds();
    let mut claims = claims(&target);
    claims.remove("iat");
    let inner = text(&claims);
    let inner = inner.strip_prefix('{').expect("an object");
    let wrapped = i128::from(now) + (1_i128 << 64);
    for (name, times) in [
        ("beyond every number", r#""iat":1e400"#.to_owned()),
        ("beyond every number, negative", r#""iat":-1e400"#.to_owned()),
        ("an exponent", format!(r#""iat":{now}e0"#)),
        ("a fraction of zero", format!(r#""iat":{now}.0"#)),
        ("one that wraps at 64 bits", format!(r#""iat":{wrapped}"#)),
        ("one that wraps at 32 bits", format!(r#""iat":{}"#, now + (1_i64 << 32))),
        ("milliseconds", format!(r#""iat":{now}000"#)),
        ("microseconds", format!(r#""iat":{now}000000"#)),
        ("the largest number", format!(r#""iat":{}"#, i64::MAX)),
        ("the smallest number", format!(r#""iat":{}"#, i64::MIN)),
        ("minus zero", r#""iat":-0"#.to_owned()),
        ("a string", format!(r#""iat":"{now}""#)),
        ("a date", r#""iat":"2026-01-01T00:00:00Z""#.to_owned()),
        ("true", r#""iat":true"#.to_owned()),
        ("an object", format!(r#""iat":{{"$numberLong":"{now}"}}"#)),
        ("two of them", format!(r#""iat":0,"iat":{now}"#)),
        ("expired", format!(r#""iat":{now},"exp":1"#)),
        ("an expiry in a string", format!(r#""iat":{now},"exp":"{}""#, now + 600)),
        ("an expiry that is null", format!(r#""iat":{now},"exp":null"#)),
        ("an expiry of a fraction", format!(r#""iat":{now},"exp":1e3"#)),
        ("not yet", format!(r#""iat":{now},"nbf":{}"#, now + 600)),
        ("not yet, in a string", format!(r#""iat":{now},"nbf":"0""#)),
    ] {
        let payload = format!("{{{times},{inner}");
        let token = signer.rsa(&RSA_PSS_SHA256, PS256, payload.as_bytes());
        let answer = target.submit(&target.around(&token)).await;
        refused(name, &answer, 400, "invalid_software_statement");
        target.recorded(name, &answer);
    }
    assert_eq!(target.reached(), 0);
    let payload = format!(r#"{{"iat":{now},"exp":{},"nbf":{now},{inner}"#, now + 600);
    let good = signer.rsa(&RSA_PSS_SHA256, PS256, payload.as_bytes());
    assert_eq!(target.submit(&target.around(&good)).await.status(), 201);
}

/// `jti` names a statement: what it cannot be remembered by is refused.
#[tokio::test(flavor = "multi_thread")]
async fn t12_identifiers_that_cannot_be_remembered_are_refused() {
    let target = Target::new().await;
    for jti in [json!(1), json!(null), json!(["a"]), json!({}), json!(""), json!("a\nb"), json!("j".repeat(257))] {
        let request = target.stated(|draft| draft.claim("jti", jti.clone()));
        let name = jti.to_string();
        refused(&name, &target.submit(&request).await, 400, "invalid_software_statement");
    }
    assert_eq!(target.reached(), 0);
}
