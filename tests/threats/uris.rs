//! T14 and T15: where a browser would be sent, and what somebody would be made to fetch.

use dcrgate::sandbox::directory::{Behaviour, ELSEWHERE};
use serde_json::json;

use crate::target::{Target, refused, rule};

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
    let pages = ["logo_uri", "policy_uri", "tos_uri", "client_uri"];
    for name in pages {
        for spelling in [name.to_owned(), format!("{name}#pt-BR")] {
            let mut request = target.request();
            request.insert(spelling, trap.clone().into());
            refused(name, &target.submit(&request).await, 400, "invalid_client_metadata");
        }
    }
    assert_eq!(target.reached(), 0);
    // What the statement vouches for takes the place of what the client wrote, in every language.
    let mut request = target.request();
    for name in pages {
        request.insert(name.to_owned(), "https://evil.example/x".into());
        request.insert(format!("{name}#pt-BR"), "https://evil.example/x".into());
    }
    assert_eq!(target.submit(&request).await.status(), 201);
    assert!(!serde_json::to_string(&target.forwarded()).expect("JSON").contains("evil.example"));
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
    directory.behave(Behaviour::Redirect);
    let answer = target.submit(&target.request()).await;
    refused("a redirect", &answer, 503, "temporarily_unavailable");
    let followed = directory.fetches(&format!("{ELSEWHERE}{path}"));
    assert_eq!((directory.fetches(&path), followed), (1, 0), "asked once, and not where it points to");
    assert_eq!(target.reached(), 0);
}

/// CVE-2026-9086, CVE-2026-18211, CVE-2026-7504 where the directory itself was careless: a statement that lists such
/// an address does not make it one that may be registered.
#[tokio::test(flavor = "multi_thread")]
async fn t14_a_statement_does_not_make_a_bad_redirect_uri_good() {
    let target = Target::new().await;
    for (kind, uris) in [
        (
            "web",
            [
                "javascript:alert(1)",
                "JaVaScRiPt:alert(1)",
                "javascript://tpp.example/%0aalert(1)",
                "data:text/html,<script>alert(1)</script>",
                "DATA:text/html;base64,eA==",
                "vbscript:x",
                "file:///etc/passwd",
                "blob:https://tpp.example/x",
                "view-source:https://tpp.example/",
                "http://tpp.example/cb",
                "http://localhost/cb",
                "http://localhost.evil.example/cb",
                "https://localhost/cb",
                "https://127.0.0.1/cb",
                "https://127.1/cb",
                "https://0x7f000001/cb",
                "https://2130706433/cb",
                "https://017700000001/cb",
                "https://[::1]/cb",
                "https://[::ffff:127.0.0.1]/cb",
                "https://[fe80::1]/cb",
                "https://10.0.0.1/cb",
                "https://169.254.169.254/cb",
                "https://0.0.0.0/cb",
                "https://idp.localhost/cb",
                "https://user@tpp.example/cb",
                "https://tpp.example@evil.example/cb",
                "https://a@b@tpp.example/cb",
                "https://@tpp.example/cb",
                "https://tpp.example:x@evil.example/cb",
                "https://tpp.example\\@evil.example/cb",
                "https://tpp.example/cb#fragment",
                "https://tpp.example/cb#",
                "https://*.tpp.example/cb",
                "https://tpp.example/*",
                "https://t\u{440}p.example/cb",
                "https://tpp.example/\u{202e}bc",
                "https://tpp.example/c b",
                "https:/tpp.example/cb",
                "https:tpp.example/cb",
                "https:///tpp.example/cb",
                "\\\\tpp.example\\cb",
                "//tpp.example/cb",
                "com.example.app:/cb",
                "intent://tpp.example/#Intent;end",
                "",
            ]
            .as_slice(),
        ),
        (
            "native",
            [
                "javascript:alert(1)",
                "JaVaScRiPt:alert(1)",
                "data:text/html,x",
                "file:///etc/passwd",
                "http://localhost.evil.example/cb",
                "http://localhost@evil.example/cb",
                "http://127.0.0.1.evil.example/cb",
                "http://127.0.0.2.nip.example/cb",
                "http://127.0.0.1@evil.example/cb",
                "http://a@b@localhost/cb",
                "http://localhost:80:80/cb",
                "http://localhost#@evil.example/cb",
                "http://evil.example/localhost",
                "http://10.0.0.1/cb",
                "app:/cb",
                "cb",
            ]
            .as_slice(),
        ),
    ] {
        for uri in uris {
            let mut request = target.stated(|draft| draft.claim("software_redirect_uris", json!([uri])));
            request.insert("redirect_uris".to_owned(), json!([uri]));
            request.insert("application_type".to_owned(), kind.into());
            let answer = target.submit(&request).await;
            refused(uri, &answer, 400, "invalid_redirect_uri");
            assert_eq!(rule(&answer), "redirects.form", "{kind} {uri}");
            assert_eq!(target.reached(), 0, "{kind} {uri}");
        }
    }
    let uri = "https://tpp.example:8443/cb?tenant=%2F";
    let mut request = target.stated(|draft| draft.claim("software_redirect_uris", json!([uri, "https://x.example/"])));
    request.insert("redirect_uris".to_owned(), json!([uri]));
    assert_eq!(target.submit(&request).await.status(), 201, "what is good in the statement is good");
}

/// CVE-2026-4366 (`sector_identifier_uri`), CVE-2026-1518 (CIBA notification), CVE-2020-10770 (`request_uris`): what an
/// identity server would fetch is a public https address, or the registration is refused.
#[tokio::test(flavor = "multi_thread")]
async fn t15_no_address_of_an_inner_network_reaches_the_identity_server() {
    let target = Target::new().await;
    let members = [
        "sector_identifier_uri",
        "backchannel_client_notification_endpoint",
        "backchannel_logout_uri",
        "signed_jwks_uri",
        "initiate_login_uri",
        "recipient_base_uri",
        "revocation_uri",
        "request_uris",
    ];
    let value = |member: &str, uri: &str| if member == "request_uris" { json!([uri]) } else { json!(uri) };
    for member in members {
        for uri in [
            "http://169.254.169.254/latest/meta-data",
            "https://169.254.169.254/latest/meta-data",
            "https://127.0.0.1:8444/admin",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://x.localhost/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://10.1.2.3/",
            "https://192.168.0.1/",
            "https://100.64.0.1/",
            "https://user@tpp.example/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "ftp://tpp.example/",
            "javascript:alert(1)",
            "//tpp.example/",
        ] {
            let mut request = target.request();
            request.insert(member.to_owned(), value(member, uri));
            let answer = target.submit(&request).await;
            refused(&format!("{member} {uri}"), &answer, 400, "invalid_client_metadata");
            assert_eq!(rule(&answer), "metadata.types", "{member} {uri}");
            assert_eq!(target.reached(), 0, "{member} {uri}");
        }
    }
    let mut request = target.request();
    // A second place for keys beside the statement's is refused wherever it lies.
    for member in members.into_iter().filter(|member| *member != "signed_jwks_uri") {
        request.insert(member.to_owned(), value(member, "https://tpp.example:8443/x?y=@"));
    }
    assert_eq!(target.submit(&request).await.status(), 201, "a public address is nothing to refuse");
}

/// CVE-2026-1180: without a statement nobody vouches for `jwks_uri`, which the identity server is going to fetch.
#[tokio::test(flavor = "multi_thread")]
async fn t15_an_unvouched_jwks_uri_is_of_a_public_host() {
    let target = Target::with(|text| {
        let (before, rest) = text.split_once("[policies.open-finance-brasil]").expect("a policy");
        let (_, after) = rest.split_once("[[routes]]").expect("routes");
        let policy = "file = \"policies/rfc7591.toml\"\nauthorities = [\"sandbox\"]\n";
        format!("{before}[policies.open-finance-brasil]\n{policy}\n[[routes]]{after}")
    })
    .await;
    let request = |uri: &str| {
        let mut request = target.request();
        request.remove("software_statement");
        request.insert("jwks_uri".to_owned(), uri.into());
        request
    };
    for uri in [
        "http://tpp.example/keys",
        "https://127.0.0.1:8444/keys",
        "https://2130706433/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/keys",
        "https://metadata.google.internal/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "file:///etc/passwd",
        "https:\\\\127.0.0.1\\keys",
    ] {
        refused(uri, &target.submit(&request(uri)).await, 400, "invalid_client_metadata");
    }
    assert_eq!(target.reached(), 0);
    assert_eq!(target.submit(&request("https://tpp.example/keys")).await.status(), 201);
}
