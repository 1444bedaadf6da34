//! `explain`: the decision, what it rested on, and what it was not given.

use serde_json::json;

use super::*;

const PARAMS: &str = r#"{"environment":"sandbox","issuers":["Open Banking Brasil sandbox SSA issuer"]}"#;

/// Whose certificate, by which rules, with which trust.
const TRUSTED: &[&str] = &[
    "--cert",
    "tpp.pem",
    "--policy",
    "open-finance-brasil",
    "--params",
    PARAMS,
    "--anchors",
    "certs/authorities/clients-root.pem",
];
const WITH_KEYS: &[&str] = &["--keys", "directory.json", "--software-keys", "own.json"];

#[tokio::test(flavor = "multi_thread")]
async fn explain_judges_files_as_the_server_would() {
    let (home, world) = world(|text| text).await;
    write_request(&world);
    let at = world.now().to_string();
    let explain =
        |more: &[&str]| told(&dcrgate(home.path(), &[&["explain", "request.json"], TRUSTED, WITH_KEYS, more].concat()));
    let (status, out, err) = explain(&["--at", &at]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("ADMITTED  by open-finance-brasil 2.1.0"), "{out}");
    assert!(out.contains("  pass    ofb.scopes") && out.contains("Body that would be forwarded"), "{out}");

    let (status, out, _) = explain(&["--at", "2020-01-01T00:00:00Z"]);
    assert_eq!(status, 1);
    assert!(out.contains("FAIL    certificate.trusted") && out.contains("not valid yet"), "{out}");

    let later = world.now().plus(std::time::Duration::from_secs(600)).to_string();
    let (status, out, _) = explain(&["--at", &later, "--output", "json"]);
    assert_eq!(status, 1);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&told["outcome"], &told["answer"]["status"]), (&"rejected".into(), &400.into()));
    let failed: Vec<&Value> =
        told["checks"].as_array().expect("steps").iter().filter(|step| step["outcome"] == "fail").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["id"], "statement.age");
}

/// Words in place of what is another with every run.
fn without_chance(text: &str) -> String {
    [
        ("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        ("#[0-9a-f]{12,}", "#HEX"),
        ("[0-9a-f]{64}", "DIGEST"),
        ("x5t#S256 [A-Za-z0-9_-]{43}", "x5t#S256 THUMBPRINT"),
        ("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "TIME"),
        ("= [0-9]{10}\n", "= SECONDS\n"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (pattern, word)| {
        regex::Regex::new(pattern).expect("a pattern").replace_all(&text, *word).into_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_what_it_rested_on() {
    let (home, world) = world(|text| text).await;
    write_request(&world);
    let token = json!({ "sub": "tpp", "scope": "a\u{9b}b", "aud": "x".repeat(200) });
    std::fs::write(world.path("token.json"), token.to_string()).expect("written");
    let explain = |more: &[&[&str]]| {
        let (_, out, err) = told(&dcrgate(home.path(), &[&["explain", "request.json"], &*more.concat()].concat()));
        assert_eq!(err, "");
        out
    };
    let out = explain(&[TRUSTED, WITH_KEYS, &["--token", "token.json", "--output", "json"]]);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let (certificate, statement) = (&told["basis"]["certificate"], &told["basis"]["statement"]);
    let places: Vec<&Value> =
        certificate["certificates"].as_array().expect("a path").iter().map(|link| &link["place"]).collect();
    assert_eq!(places, ["leaf", "sent", "anchor"]);
    let links = &certificate["certificates"];
    assert_eq!((&links[0]["issuer"], &links[1]["issuer"]), (&links[1]["subject"], &links[2]["subject"]));
    assert_eq!((&certificate["trusted"], &certificate["revocation"]), (&true.into(), &"not checked".into()));
    assert_eq!((&statement["algorithm"], &statement["kid"]), (&"PS256".into(), &"signer".into()));
    assert_eq!(statement["verdict"], "verified by key signer of the key set of the directory");
    let request: Value =
        serde_json::from_slice(&std::fs::read(world.path("request.json")).expect("read")).expect("JSON");
    let digest = dcrgate::model::digest::Digest::of(request["software_statement"].as_str().expect("text").as_bytes());
    assert_eq!(statement["sha256"], digest.to_string());
    assert_eq!((&told["basis"]["token"]["verified"], &told["basis"]["request"]), (&false.into(), &Value::Null));
    let steps = told["checks"].as_array().expect("steps");
    let of = |id: &str| steps.iter().find(|step| step["id"] == id).map(|step| &step["looked_at"]).expect("a step");
    assert_eq!(of("ofb.organisation-active"), &json!([{ "path": "ssa.org_status", "value": "\"Active\"" }]));
    assert_eq!(of("statement.present"), &Value::Null);

    let out = explain(&[TRUSTED, WITH_KEYS, &["--token", "token.json"]]);
    let (_, told) = out.split_once("\ntoken        claims as given, not verified\n").expect("the token");
    let mut lines = told.lines().map(str::trim);
    assert_eq!(lines.next(), Some(format!("aud = \"{}\u{2026}", "x".repeat(119)).as_str()));
    assert_eq!(lines.next(), Some("scope = \"a\\u{9b}b\""), "nothing acts on a terminal");

    let out = explain(&[TRUSTED, &["--at", "2020-01-01T00:00:00Z"]]);
    assert!(out.contains("Z: NOT VALID YET\n") && out.contains("\n  path       not trusted: "), "{out}");
    assert!(out.contains("\n             not verified: the decision ended before, at certificate.trusted\n"), "{out}");
    let out = explain(&[TRUSTED]);
    assert!(out.contains("\n             not verified: not given: use --keys\n"), "{out}");
    assert!(!out.contains(" | "), "no rule ran: {out}");
    let bare = &["--policy", "open-finance-brasil", "--params", PARAMS, "--assume-trusted"];
    let out = explain(&[bare, &["--cert", "tpp.pem"], WITH_KEYS]);
    assert!(out.contains("\n  path       assumed to be trusted: no path was looked for\n"), "{out}");
    assert!(explain(&[bare]).contains("\ncertificate  none was shown\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_every_failure_and_the_answer() {
    let (home, world) = world(|text| text).await;
    write_request(&world);
    let text = std::fs::read_to_string(world.path("request.json")).expect("a request");
    let mut request: Value = serde_json::from_str(&text).expect("JSON");
    request["scope"] = "openid nonsense".into();
    request["subject_type"] = "pairwise".into();
    std::fs::write(world.path("request.json"), request.to_string()).expect("written");
    let (status, out, err) = told(&dcrgate(home.path(), &[&["explain", "request.json"], TRUSTED, WITH_KEYS].concat()));
    assert_eq!((status, err.as_str()), (1, ""));
    let (head, _) = out.split_once("\n\n  pass").expect("steps");
    assert!(head.starts_with("REFUSED   by open-finance-brasil 2.1.0: invalid_client_metadata (2 checks failed)\n"));
    assert!(head.contains("\ncertificate  CN=explained") && head.contains("PS256 by key signer"), "{head}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explain-refused.txt");
    let out = without_chance(&out);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &out).expect("written");
    }
    let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(wanted, out, "BLESS=1 cargo test --test cli");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_takes_the_document_of_a_sector() {
    let (home, world) = world(|text| text).await;
    let policy = "id = 'sector'\nversion = '1'\ntitle = 't'\nspec = 's'\n\
        [checks.metadata.sector]\nfetch_hosts = ['client.example']\n";
    let request =
        r#"{"sector_identifier_uri":"https://client.example/s","redirect_uris":["https://client.example/cb"]}"#;
    let files = [
        ("sector.toml", policy),
        ("sector-request.json", request),
        ("good.json", r#"["https://other.example/cb", "https://client.example/cb"]"#),
        ("others.json", r#"["https://other.example/cb"]"#),
        ("object.json", "{}"),
    ];
    for (name, text) in files {
        std::fs::write(world.path(name), text).expect("written");
    }
    write_request(&world);
    let asked = ["explain", "sector-request.json", "--policy", "sector.toml", "--cert", "tpp.pem", "--assume-trusted"];
    let explain = |more: &[&str]| told(&dcrgate(home.path(), &[&asked[..], more].concat()));
    let (status, out, err) = explain(&["--sector", "good.json"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    for (more, found) in [
        (&["--sector", "others.json"][..], "FAIL    metadata.sector"),
        (&["--sector", "object.json"], "the JSON text is not an array"),
        (&[], "not fetched: use --sector"),
    ] {
        let (status, out, _) = explain(more);
        assert_eq!(status, 1, "{out}");
        assert!(out.contains(found), "{found}: {out}");
    }
    assert!(explain(&[]).1.contains("HTTP 503 "), "what is not given is no fault of the client");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_reads_signed_requests() {
    let (home, world) = world(|text| text).await;
    write_request(&world);
    let policy = "id = 'signed'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.statement.signature]\nalgorithms = ['PS256']\n\
        [checks.request.signature]\nalgorithms = ['PS256']\nclaim = 'software_jwks_uri'\nfetch_hosts = []\n";
    std::fs::write(world.path("signed.toml"), policy).expect("written");
    let text = std::fs::read_to_string(world.path("request.json")).expect("a request");
    let claims: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("JSON");
    let token = world.signed_request(claims, dcrgate::sandbox::statement::Signature::Ps256).expect("a token");
    std::fs::write(world.path("request.jws"), format!("{token}\n")).expect("written");
    let signed = &["--cert", "tpp.pem", "--policy", "signed.toml", "--assume-trusted", "--keys", "directory.json"];
    let explain =
        |file: &str, more: &[&str]| told(&dcrgate(home.path(), &[&["explain", file], &signed[..], more].concat()));

    let (status, out, err) = explain("request.jws", &["--software-keys", "own.json"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("\nrequest      PS256 by key software-sig, issuer (none)\n"), "{out}");
    assert!(out.contains("\n             verified by key software-sig of the key set of the software\n"), "{out}");
    assert!(out.contains("  pass    request.signature") && out.contains("\"redirect_uris\""), "{out}");
    let (status, out, _) = explain("request.jws", &["--software-keys", "directory.json"]);
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("FAIL    request.signature") && out.contains("no key that fits the header"), "{out}");
    let (status, out, _) = explain("request.jws", &[]);
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("ERROR   request.keys") && out.contains("HTTP 503 "), "{out}");
    let (status, out, _) = explain("request.json", &["--software-keys", "own.json"]);
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("HTTP 415 ") && out.contains("application/jose or application/jwt"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_it_was_not_given() {
    let (home, world) = world(|text| text).await;
    write_request(&world);
    let explain =
        |arguments: &[&[&str]]| told(&dcrgate(home.path(), &[&["explain"], arguments.concat().as_slice()].concat()));
    let (status, out, _) = explain(&[&["request.json"], TRUSTED]);
    assert_eq!(status, 1);
    assert!(out.contains("ERROR   statement.keys") && out.contains("found: not given: use --keys"), "{out}");
    assert!(out.contains("HTTP 503 "), "an outage of ours is not the caller's fault: {out}");

    let untrusted = &["--cert", "tpp.pem", "--policy", "open-finance-brasil", "--params", PARAMS];
    let (status, _, err) = explain(&[&["request.json"], untrusted]);
    assert_eq!(status, 2);
    assert!(err.contains("--anchors"), "{err}");
    let (status, out, err) = explain(&[&["request.json", "--assume-trusted"], untrusted, WITH_KEYS]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");

    std::fs::write(world.path("twice.json"), r#"{"scope": "a", "scope": "b"}"#).expect("written");
    let (status, out, _) = explain(&[&["twice.json", "--output", "json"], TRUSTED]);
    let told: Value = serde_json::from_str(&out).expect("JSON, whatever is wrong");
    assert_eq!((status, &told["outcome"], &told["answer"]["status"]), (1, &"rejected".into(), &400.into()));
    assert_eq!(told["answer"]["body"]["error"], "invalid_request");

    for (wrong, text, status) in [
        (
            &["--policy", "open-finance-brazil"],
            ", mobile, open-finance-brasil, open-insurance-brasil, portal, psd2-eidas, rfc7591",
            3,
        ),
        (&["--policy", "certs/store.key"], "the policy cannot be used", 2),
        (&["--at", "yesterday"], "--at: not an RFC 3339 time", 2),
        (&["--params", "{"], "--params: ", 2),
        (&["--params", r#"{"enviroment":"x"}"#], "did you mean `environment`?", 2),
        (&["--cert", "certs/store.key"], "certs/store.key: ", 3),
        (&["--keys", "own.pem"], "cannot read own.pem: ", 3),
    ] {
        let kept = TRUSTED.chunks(2).filter(|pair| pair[0] != wrong[0]).flatten().copied().collect::<Vec<_>>();
        let (got, out, err) = explain(&[&["request.json"], &kept, wrong]);
        assert_eq!((got, out.as_str()), (status, ""), "{wrong:?} {err}");
        assert!(err.starts_with("dcrgate: ") && err.contains(text), "{wrong:?} {err}");
    }
}
