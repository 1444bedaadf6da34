//! T1, T2, T3, T16: what stands in a body, how large it is, what it says it is.

use bytes::Bytes;
use dcrgate::sandbox::third_party::registration;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Request};
use serde_json::json;

use crate::target::{Target, refused};

/// CVE-2017-12635: two parsers, two readings of a duplicate member.
#[tokio::test(flavor = "multi_thread")]
async fn t1_parser_differentials_are_refused() {
    let target = Target::new().await;
    let good = serde_json::to_string(&target.request()).expect("JSON");
    let inner = good.strip_prefix('{').expect("an object");
    let evil = "\"redirect_uris\":[\"https://evil.example/cb\"]";
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("a duplicate member", format!("{{{evil},{inner}").into_bytes()),
        (
            "a duplicate behind an escape",
            format!("{{{},{inner}", evil.replacen("redirect", "redir\\u0065ct", 1)).into_bytes(),
        ),
        ("a duplicate below", format!("{{\"x\":{{\"a\":1,\"a\":2}},{inner}").into_bytes()),
        ("U+0000 in a name", format!("{{\"redirect_uris\\u0000\":[],{inner}").into_bytes()),
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), good.as_bytes()].concat()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("an overlong slash", [b"{\"x\":\"\xc0\xaf\",".as_slice(), inner.as_bytes()].concat()),
        ("a lone surrogate", format!("{{\"x\":\"\\ud800\",{inner}").into_bytes()),
        ("a second document", format!("{good}{good}").into_bytes()),
        ("a comment", format!("/**/{good}").into_bytes()),
        ("NaN", format!("{{\"x\":NaN,{inner}").into_bytes()),
        ("a comma at the end", good.replacen('}', ",}", 1).into_bytes()),
        ("1e400", format!("{{\"x\":1e400,{inner}").into_bytes()),
        ("U+0000 in a value", format!("{{\"client_name\":\"a\\u0000b\",{inner}").into_bytes()),
        ("a control character as it is", format!("{{\"client_name\":\"a\u{1}b\",{inner}").into_bytes()),
        ("a duplicate in an array", format!("{{\"x\":[{{\"a\":1,\"\\u0061\":2}}],{inner}").into_bytes()),
        ("a duplicate of what does not travel", format!("{{\"x\":1,\"x\":1,{inner}").into_bytes()),
        (
            "UTF-16 with a mark",
            good.encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
                bytes.extend(unit.to_le_bytes());
                bytes
            }),
        ),
        ("UTF-32", good.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect()),
        ("an overlong NUL", [b"{\"x\":\"\xc0\x80\",".as_slice(), inner.as_bytes()].concat()),
        ("a surrogate in UTF-8", [b"{\"x\":\"\xed\xa0\x80\",".as_slice(), inner.as_bytes()].concat()),
        ("a letter cut short", [b"{\"x\":\"\xc3\",".as_slice(), inner.as_bytes()].concat()),
        ("surrogates in the wrong order", format!("{{\"x\":\"\\udc00\\ud800\",{inner}").into_bytes()),
        ("a second document after a line feed", format!("{good}\n{{}}").into_bytes()),
        ("a NUL after the document", format!("{good}\0").into_bytes()),
        ("a comment at the end", format!("{good}//").into_bytes()),
        ("a comment within", format!("{{/*,*/{inner}").into_bytes()),
        ("Infinity", format!("{{\"x\":-Infinity,{inner}").into_bytes()),
        ("a hexadecimal number", format!("{{\"x\":0x10,{inner}").into_bytes()),
        ("a leading zero", format!("{{\"x\":010,{inner}").into_bytes()),
        ("single quotes", format!("{{'x':1,{inner}").into_bytes()),
        ("a name without quotes", format!("{{x:1,{inner}").into_bytes()),
        ("an unknown escape", format!("{{\"x\":\"\\x41\",{inner}").into_bytes()),
        ("a guard", format!(")]}}'\n{good}").into_bytes()),
        ("an array around it", format!("[{good}]").into_bytes()),
        ("a string around it", serde_json::to_vec(&good).expect("JSON")),
    ];
    for (name, body) in bodies {
        let answer = target.post(body).await;
        refused(name, &answer, 400, "invalid_request");
        target.recorded(name, &answer);
    }
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_look_alikes_do_not_travel_and_members_are_unique() {
    let target = Target::new().await;
    let mut request = target.request();
    for name in [
        "Redirect_Uris",
        "REDIRECT_URIS",
        "redirectUris",
        "redirect-uris",
        "redirect_uris ",
        " redirect_uris",
        "\u{feff}redirect_uris",
        "redirect\u{200b}_uris",
        "redir\u{435}ct_uris",
        "redirect_ur\u{131}s",
        "redirect_uri\u{17f}",
        "redirect_uris#en",
        "redirect_uris[]",
        "_redirect_uris",
        "__proto__",
        "constructor",
    ] {
        request.insert(name.to_owned(), json!(["https://evil.example/cb"]));
    }
    assert_eq!(target.submit(&request).await.status(), 201);
    let forwarded = target.forwarded();
    assert_eq!(forwarded["redirect_uris"], request["redirect_uris"]);
    let text = serde_json::to_string(&forwarded).expect("JSON");
    assert!(!text.contains("evil.example"), "{text}");
    let requests = target.gate.world.identity_server.requests();
    let sent = requests.last().expect("a request");
    assert_eq!(sent.body().as_ref(), text.as_bytes(), "our own serialisation, member by member");
}

#[tokio::test(flavor = "multi_thread")]
async fn t2_resource_attacks_are_cut_short() {
    let target = Target::new().await;
    let object = |inside: &str| format!("{{\"x\":{inside}}}").into_bytes();
    let nested = |depth: usize| object(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let members: Vec<String> = (0..300_000).map(|number| format!("\"m{number}\":1")).collect();
    for (name, body, status) in [
        ("depth 100", nested(100), 400),
        ("depth 10,000", nested(10_000), 400),
        ("depth 100,000", nested(100_000), 413),
        ("300,000 members", format!("{{{}}}", members.join(",")).into_bytes(), 413),
        ("3,000 members", format!("{{{}}}", members[..3000].join(",")).into_bytes(), 400),
        ("a string of 10 MB", object(&format!("\"{}\"", "a".repeat(10 << 20))), 413),
        ("a string of 50 KB", object(&format!("\"{}\"", "a".repeat(50_000))), 400),
        ("a number of 10,000 digits", object(&"9".repeat(10_000)), 400),
        ("a number of 10,000 digits behind a point", object(&format!("0.{}", "9".repeat(10_000))), 400),
        ("an exponent of 10,000 digits", object(&format!("1e{}", "9".repeat(10_000))), 400),
        ("objects to depth 5,000", object(&format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000))), 400),
        ("depth 30,000 that never closes", "[".repeat(30_000).into_bytes(), 400),
        ("20,000 empty objects", object(&format!("[{}]", vec!["{}"; 20_000].join(","))), 400),
        ("5,000 redirect URIs", object(&format!("[{}]", vec!["\"u\""; 5000].join(","))), 400),
    ] {
        refused(name, &target.post(body).await, status, "invalid_request");
    }
    assert_eq!(target.reached(), 0);
}

/// A client that has no length to announce, and one that is refused before its body is read: both can read why.
#[tokio::test(flavor = "multi_thread")]
async fn t2_ten_megabytes_in_chunks_get_an_answer() {
    let target = Target::new().await;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "a".repeat(1 << 20));
    let body = format!("{}0\r\n\r\n", chunk.repeat(10));
    for (name, media_type, status) in [("JSON", "application/json", 413), ("not JSON", "text/plain", 415)] {
        let head = format!(
            "POST /register HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        let answer = target.throw(head + &body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains(r#""error":"invalid_request""#), "{name}: {answer}");
    }
    let stranger = target.gate.world.third_party(None).expect("a client");
    let answer = stranger.register(target.gate.address, vec![b' '; 10 << 20]).await.expect("an answer");
    refused("a stranger", &answer, 401, "invalid_client");
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_content_confusion_is_refused() {
    let target = Target::new().await;
    let body = Bytes::from(serde_json::to_vec(&target.request()).expect("JSON"));
    for media_type in [
        "text/plain",
        "text/json",
        "application/json+x",
        "application/jsonp",
        "application/json charset=utf-8",
        "application/json; charset=utf-7",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "*/*",
        "application/x-www-form-urlencoded",
        "application/jose",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json, text/html",
        "application/problem+json",
        "",
    ] {
        let mut request = registration(body.clone());
        request.headers_mut().insert(CONTENT_TYPE, media_type.parse().expect("a value"));
        refused(media_type, &target.send(request).await, 415, "invalid_request");
    }
    let without = Request::post("/register").body(body.clone()).expect("a request");
    refused("no media type", &target.send(without).await, 415, "invalid_request");
    let mut twice = registration(body.clone());
    twice.headers_mut().append(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    refused("two media types", &target.send(twice).await, 415, "invalid_request");
    let mut same = registration(body.clone());
    same.headers_mut().append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    refused("the same media type twice", &target.send(same).await, 415, "invalid_request");
    for coding in ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "gzip, gzip", "rot13", ""] {
        let mut coded = registration(body.clone());
        coded.headers_mut().insert(CONTENT_ENCODING, coding.parse().expect("a value"));
        refused(coding, &target.send(coded).await, 415, "invalid_request");
    }
    let mut bomb = registration(GZIP_BOMB);
    bomb.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    refused("a bomb", &target.send(bomb).await, 415, "invalid_request");
    for (name, body) in [
        ("a form as JSON", "client_name=x&redirect_uris=https://evil.example"),
        ("a form with JSON in it", "{\"client_name\":\"x\"}=&a=b"),
        ("multipart as JSON", "--x\r\ncontent-disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"),
        ("XML as JSON", "<client_name>x</client_name>"),
        ("packed without saying so", GZIP_BOMB),
    ] {
        refused(name, &target.post(body).await, 400, "invalid_request");
    }
    assert_eq!(target.reached(), 0);
}

/// What a compressed body begins with; nothing here ever unpacks one.
const GZIP_BOMB: &str = "\u{1f}\u{8b}\u{8}\0\0\0\0\0";

/// CVE-2021-27582 and its kin: members that the client has no business to set.
#[tokio::test(flavor = "multi_thread")]
async fn t16_mass_assignment_does_not_travel() {
    let target = Target::new().await;
    let mut request = target.request();
    let vendor = [
        "client_id",
        "client_secret",
        "client_id_issued_at",
        "client_secret_expires_at",
        "registration_access_token",
        "registration_client_uri",
        "admin",
        "trusted",
        "skip_consent",
        "is_admin",
        "enabled",
        "owner",
        "realm",
        "secret",
    ];
    for name in vendor {
        let value = if name.ends_with("_at") { json!(1) } else { json!("https://evil.example") };
        request.insert(name.to_owned(), value);
    }
    assert_eq!(target.submit(&request).await.status(), 201);
    let forwarded = target.forwarded();
    for name in vendor {
        assert!(!forwarded.contains_key(name), "{name} travelled");
    }
}
