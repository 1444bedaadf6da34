//! T14 and T15: where a browser would be sent, and what somebody would be made to fetch.

use dcrgate::sandbox::directory::Behaviour;
use serde_json::json;

use crate::target::{Target, refused};

/// CVE-2026-9086 (`JaVaScRiPt:`, `data:`), CVE-2026-18211 (`localhost.evil`), CVE-2026-7504 (several `@`).
#[tokio::test(flavor = "multi_thread")]
async fn t14_a_redirect_uri_is_octet_by_octet_one_of_the_statement() {
    let target = Target::new().await;
    let good = target.attacker.software.redirect_uris()[0].clone();
    let (scheme, rest) = good.split_once("://").expect("a URI");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut forms: Vec<String> = [
        "https://evil.example/cb",
        "http://localhost",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1/cb",
        "http://[::1]/cb",
        "http://2130706433/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://a%0aalert(1)",
        "data:text/html,x",
        "DATA:text/html;base64,eA==",
        "vbscript:x",
        "file:///etc/passwd",
        "about:blank",
        "blob:https://evil.example/x",
        "com.evil.app:/cb",
        "//evil.example/cb",
        "/cb",
        "cb",
        "",
        " ",
        "*",
        "https://*",
        "https://*.example/cb",
        "https:///cb",
        "https:evil.example",
        "https:/evil.example",
        "https://",
        "https://evil.example?x=https",
        "ftp://evil.example/cb",
        "https://evil.example\\@",
        "\u{0}",
        "https://\u{ff45}vil.example/cb",
        "urn:ietf:wg:oauth:2.0:oob",
    ]
    .map(str::to_owned)
    .to_vec();
    forms.extend([
        format!("{good}/"),
        format!("{good}?"),
        format!("{good}?x=1"),
        format!("{good}#"),
        format!("{good}#x"),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\t"),
        format!("{good}\r\n"),
        format!("{good}%20"),
        format!("{good}/.."),
        format!("{good}/."),
        format!("{good};x"),
        format!("{good}%00"),
        format!("{good}\u{0}"),
        format!("{good}."),
        good.to_uppercase(),
        good.replacen("https", "http", 1),
        good.replacen("https", "HTTPS", 1),
        format!("{scheme}://{host}:443/{path}"),
        format!("{scheme}://{host}:8443/{path}"),
        format!("{scheme}://{host}./{path}"),
        format!("{scheme}://{host}//{path}"),
        format!("{scheme}://{host}/x/../{path}"),
        format!("{scheme}://{host}/%2e/{path}"),
        format!("{scheme}://{host}.evil.example/{path}"),
        format!("{scheme}://evil.example/{host}/{path}"),
        format!("{scheme}://{host}@evil.example/{path}"),
        format!("{scheme}://{host}@@evil.example/{path}"),
        format!("{scheme}://a@b@{host}/{path}"),
        format!("{scheme}://user@{host}/{path}"),
        format!("{scheme}://user:pw@{host}/{path}"),
        format!("{scheme}://evil.example#@{host}/{path}"),
        format!("{scheme}://evil.example?@{host}/{path}"),
        format!("{scheme}://evil.example\\{host}/{path}"),
        format!("{scheme}://{host}%2eevil.example/{path}"),
        format!("{scheme}://{host}%00.evil.example/{path}"),
        format!("{scheme}://www.{host}/{path}"),
        format!("{scheme}://{}/{path}", host.replace('.', "\u{3002}")),
        format!("{scheme}://{}/{path}", host.to_uppercase()),
        format!("{scheme}://{host}/{}", path.to_uppercase()),
    ]);
    assert!(forms.len() >= 70, "{}", forms.len());
    for form in &forms {
        for list in [json!([form]), json!([good, form])] {
            let mut request = target.request();
            request.insert("redirect_uris".to_owned(), list);
            let answer = target.submit(&request).await;
            // A NUL is no registration request at all.
            let error = if form.contains('\u{0}') { "invalid_request" } else { "invalid_redirect_uri" };
            refused(form, &answer, 400, error);
        }
    }
    for value in [json!(good), json!([]), json!({ "0": good }), json!([[good]]), json!([good, 1]), json!(null)] {
        let mut request = target.request();
        request.insert("redirect_uris".to_owned(), value.clone());
        assert_eq!(target.submit(&request).await.status(), 400, "{value}");
    }
    let mut without = target.request();
    without.remove("redirect_uris");
    refused("missing", &target.submit(&without).await, 400, "invalid_redirect_uri");
    assert_eq!(target.reached(), 0);
}

/// CVE-2026-1180, CVE-2026-4366, CVE-2021-26715: URIs of a registration that a server fetches.
#[tokio::test(flavor = "multi_thread")]
async fn t15_nothing_that_a_client_names_is_fetched_or_forwarded() {
    let target = Target::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("nonblocking");
    let trap = format!("https://{}/x", listener.local_addr().expect("an address"));
    let mut request = target.request();
    request.insert("jwks_uri".to_owned(), trap.clone().into());
    refused("jwks_uri", &target.submit(&request).await, 400, "invalid_client_metadata");
    // What the statement vouches for takes the place of what the client wrote.
    let mut request = target.request();
    for name in ["logo_uri", "policy_uri", "tos_uri", "client_uri"] {
        request.insert(name.to_owned(), trap.clone().into());
    }
    assert_eq!(target.submit(&request).await.status(), 201);
    assert!(!serde_json::to_string(&target.forwarded()).expect("JSON").contains(&trap));
    assert!(listener.accept().is_err(), "nobody was made to fetch it");
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_a_verified_statement_leads_to_allowed_hosts_only_and_redirects_nowhere() {
    let target = Target::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("nonblocking");
    let port = listener.local_addr().expect("an address").port();
    for uri in [
        format!("https://127.0.0.1:{port}/x"),
        format!("https://localhost:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("https://[::ffff:127.0.0.1]:{port}/x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("https://{}@localhost:{port}/", target.gate.world.directory.authority()),
    ] {
        let mut request = target.stated(|draft| draft.claim("software_jwks_uri", uri.as_str()));
        request.remove("jwks_uri");
        let answer = target.submit(&request).await;
        refused(&uri, &answer, 400, "invalid_client_metadata");
    }
    assert!(listener.accept().is_err(), "a host that the policy does not allow is not asked");
    let directory = &target.gate.world.directory;
    let path = target.attacker.software.keys_path();
    let elsewhere = directory.fetches("/");
    directory.behave(Behaviour::Redirect);
    let answer = target.submit(&target.request()).await;
    assert!(answer.status() == 400 || answer.status() == 503, "{}", answer.status());
    assert!(directory.fetches(&path) <= 1 && directory.fetches("/") == elsewhere);
    assert_eq!(target.reached(), 0);
}
