//! R3: the identity server is down, hangs, breaks off, says nonsense, or refuses.

use std::net::Ipv4Addr;

use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::statement::Signature;
use tokio::net::TcpListener;

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::Gate;
use crate::outage::{Closed, Scripted};
use crate::records::Records;

/// The configuration with another address of the identity server.
fn at(text: &str, address: std::net::SocketAddr) -> String {
    let of_world = |line: &str| line.starts_with("url = \"http://");
    let lines = text
        .lines()
        .map(|line| if of_world(line) { format!("url = \"http://{address}\"\n") } else { line.to_owned() + "\n" });
    lines.collect()
}

/// The configuration with a limit of one second, the least, for an answer.
fn impatient(text: &str) -> String {
    text.replace(
        "[policies.open-finance-brasil]\n",
        "timeouts = { answer = \"1s\" }\n\n[policies.open-finance-brasil]\n",
    )
}

fn record(gate: &Gate, answer: &Answer) -> (String, bool) {
    let record = Records::of(&gate.database()).record(answer.id());
    let forwarded = record["response"]["forwarded"].as_bool().expect("a flag");
    (record["outcome"].as_str().expect("an outcome").to_owned(), forwarded)
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_down_is_502_with_nothing_sent_and_the_same_request_succeeds_when_it_is_back() {
    let closed = Closed::new();
    let gate = Gate::with(|text| at(&text, closed.address)).await;
    let applicant = Applicant::new(&gate.world, "identity server down");
    for _ in 0..2 {
        let answer = applicant.apply(gate.address).await;
        assert_eq!(answer.outcome(), (502, "temporarily_unavailable"));
        assert!(answer.description().contains("nothing was sent"), "{}", answer.description());
        assert!(answer.retry_after.is_some());
        assert_eq!(record(&gate, &answer), ("not_sent".to_owned(), false));
    }
    closed.open(gate.world.identity_server.address());
    assert_eq!(applicant.apply(gate.address).await.status, 201, "every claim was released");
    assert_eq!(gate.world.identity_server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_hanging_identity_server_is_504_and_nothing_is_sent_twice() {
    let gate = Gate::with(|text| impatient(&text)).await;
    let mut applicant = Applicant::new(&gate.world, "identity server hangs");
    gate.world.identity_server.behave(Behaviour::Hold);
    let answer = soon(applicant.apply(gate.address)).await;
    assert_eq!(answer.outcome(), (504, "temporarily_unavailable"));
    assert!(answer.description().contains("the result is unknown"), "{}", answer.description());
    assert_eq!(record(&gate, &answer), ("unknown".to_owned(), true));

    gate.world.identity_server.behave(Behaviour::Work);
    assert_eq!(applicant.apply(gate.address).await.status, 400, "the same request");
    applicant.state(&gate.world, |draft| draft.claim("jti", "another"));
    assert_eq!(applicant.apply(gate.address).await.status, 400, "another statement of the same software");
    assert_eq!(gate.world.identity_server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_an_identity_server_that_accepts_and_is_silent_in_tls_has_received_nothing() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let accepting = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            connections.push(connection);
        }
    });
    let gate = Gate::with(|text| {
        let patience = "timeouts = { connect = \"100ms\" }\n\n[policies.open-finance-brasil]\n";
        at(&text, address).replace("http://", "https://").replace("[policies.open-finance-brasil]\n", patience)
    })
    .await;
    let applicant = Applicant::new(&gate.world, "silent in TLS");
    for _ in 0..2 {
        let answer = soon(applicant.apply(gate.address)).await;
        assert_eq!(answer.outcome(), (502, "temporarily_unavailable"));
        assert!(answer.description().contains("nothing was sent"), "{}", answer.description());
        assert_eq!(record(&gate, &answer), ("not_sent".to_owned(), false));
    }
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_half_answers_and_nonsense_are_502_with_an_unknown_result_and_never_retried() {
    let server = Scripted::start().await;
    let gate = Gate::with(|text| at(&text, server.address)).await;
    let good = r#"{"client_id":"a","registration_access_token":"t"}"#;
    let head = |more: &str| format!("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n{more}\r\n\r\n");
    let cases: [(&str, Vec<u8>); 11] = [
        ("closes without a word", Vec::new()),
        ("half a status line", b"HTTP/1.1 20".to_vec()),
        ("half a head", b"HTTP/1.1 201 Created\r\nContent-Type: appl".to_vec()),
        ("half a body", (head("Content-Length: 4000") + good).into_bytes()),
        ("half a chunk", (head("Transfer-Encoding: chunked") + "fff\r\n" + good).into_bytes()),
        ("not HTTP", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("a header of 1 MiB", head(&format!("X: {}", "x".repeat(1 << 20))).into_bytes()),
        ("a body of 1 MiB", (head("Content-Length: 1048576") + &"x".repeat(1 << 20)).into_bytes()),
        ("not JSON", (head("Content-Length: 4") + "<h1>").into_bytes()),
        ("two client_ids", (head("Content-Length: 33") + r#"{"client_id":"a","client_id":"b"}"#).into_bytes()),
        ("a redirection", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n".to_vec()),
    ];
    for (sent, (name, bytes)) in cases.into_iter().enumerate() {
        let applicant = Applicant::new(&gate.world, name);
        server.say(bytes);
        let answer = soon(applicant.apply(gate.address)).await;
        assert_eq!(answer.status, 502, "{name}");
        assert!(answer.description().contains("the result is unknown"), "{name}: {}", answer.description());
        assert_eq!(record(&gate, &answer), ("unknown".to_owned(), true), "{name}");
        assert_eq!(server.requests(), sent + 1, "{name}: sent once");
        // Even when the server works again: it may have acted.
        server.say(head(&format!("Content-Length: {}", good.len())) + good);
        assert_eq!(applicant.apply(gate.address).await.status, 400, "{name}");
        assert_eq!(server.requests(), sent + 1, "{name}: not sent again");
    }
    let applicant = Applicant::new(&gate.world, "a good answer");
    assert_eq!(applicant.apply(gate.address).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_failing_identity_server_is_502_and_keeps_every_claim() {
    let gate = Gate::start().await;
    for (behaviour, name) in [(Behaviour::Fail, "fails"), (Behaviour::Cut, "cuts")] {
        let before = gate.world.identity_server.requests().len();
        let applicant = Applicant::new(&gate.world, name);
        gate.world.identity_server.behave(behaviour);
        let answer = applicant.apply(gate.address).await;
        assert_eq!(answer.status, 502);
        assert_eq!(record(&gate, &answer), ("unknown".to_owned(), true));
        gate.world.identity_server.behave(Behaviour::Work);
        assert_eq!(applicant.apply(gate.address).await.status, 400);
        assert_eq!(gate.world.identity_server.requests().len(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_refusal_frees_the_software_and_not_the_statement() {
    let gate = Gate::start().await;
    let mut applicant = Applicant::new(&gate.world, "refused by the identity server");
    gate.world.identity_server.behave(Behaviour::Refuse);
    let answer = applicant.apply(gate.address).await;
    assert_eq!(answer.outcome(), (400, "invalid_client_metadata"));
    assert_eq!(record(&gate, &answer), ("refused_upstream".to_owned(), true));
    gate.world.identity_server.behave(Behaviour::Work);
    assert_eq!(applicant.apply(gate.address).await.status, 400, "the statement is used");
    assert_eq!(gate.world.identity_server.requests().len(), 1);
    let later = gate.world.statement(&applicant.software).claim("jti", "another");
    let later = later.sign(gate.world.directory.signer(), Signature::Ps256).expect("a statement");
    applicant.body = crate::applicant::body(&gate.world, &applicant.software, &later);
    assert_eq!(applicant.apply(gate.address).await.status, 201, "the software is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_proxied_route_tells_an_outage_and_recovers() {
    let closed = Closed::new();
    let gate = Gate::with(|text| at(&text, closed.address)).await;
    let visitor = gate.world.third_party(None).expect("a client");
    let echo = || http::Request::get("/echo").body(bytes::Bytes::new()).expect("a request");
    let protocol = dcrgate::sandbox::third_party::Protocol::Http1;
    assert_eq!(visitor.send(gate.address, protocol, echo()).await.expect("an answer").status(), 502);
    closed.open(gate.world.identity_server.address());
    assert_eq!(visitor.send(gate.address, protocol, echo()).await.expect("an answer").status(), 200);
}

/// Answers with a cookie, a place to go, words of its own and where it really stands.
fn talkative(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\
         Set-Cookie: session=1\r\nSet-Cookie: other=2\r\nLocation: http://idp.internal:8444/reg/a\r\n\
         Server: idp/1.2\r\nX-Powered-By: idp\r\nX-Request-Id: 7\r\nWWW-Authenticate: Bearer realm=\"idp.internal\"\r\n\
         DCR-Decision-Id: 00000000000000000000000000\r\nCache-Control: public, max-age=3600\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_of_an_answer_the_judged_body_alone_travels() {
    let server = Scripted::start().await;
    let gate = Gate::with(|text| at(&text, server.address)).await;
    let registered = r#"{"client_id":"a/../b c","registration_access_token":"t",
        "registration_client_uri":"http://idp.internal:8444/reg/a"}"#;
    let refused = r#"{"error":"invalid_client_metadata","error_description":"idp.internal: no jwks"}"#;
    for (name, status, body) in [("talks on", "201 Created", registered), ("talks no", "400 Bad Request", refused)] {
        let applicant = Applicant::new(&gate.world, name);
        server.say(talkative(status, body));
        let first = applicant.client.register(gate.address, applicant.body.clone()).await.expect("an answer");
        assert!(status.starts_with(first.status().as_str()), "{name}: {}", first.status());
        let mut answers = vec![first];
        if status.starts_with("201") {
            // The kept answer.
            answers.push(applicant.client.register(gate.address, applicant.body.clone()).await.expect("an answer"));
            assert_eq!(answers[1].body(), answers[0].body(), "{name}: the same answer again");
        }
        for answer in answers {
            let mut names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
            names.sort_unstable();
            let ours =
                ["cache-control", "content-length", "content-type", "date", "dcr-decision-id", "x-fapi-interaction-id"];
            assert_eq!(names, ours, "{name}");
            assert_eq!(answer.headers()["cache-control"], "no-store", "{name}");
            assert_ne!(answer.headers()["dcr-decision-id"], "00000000000000000000000000", "{name}");
            let text = String::from_utf8_lossy(answer.body());
            assert!(!text.contains("idp.internal"), "{name}: {text}");
            if answer.status() == 201 {
                let members: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let uri = "https://localhost/register/a%2F..%2Fb%20c";
                assert_eq!(members["registration_client_uri"], uri, "the id is one segment below our door");
            }
        }
    }
    assert_eq!(server.requests(), 2, "each was sent once");
}
