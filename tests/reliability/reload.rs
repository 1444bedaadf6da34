//! R6: a reload is felt by the next request, also on a connection that is open; a bad file changes nothing.

use bytes::Bytes;
use dcrgate::sandbox::third_party::{Connection, Protocol, registration};
use dcrgate::sandbox::{KeyKind, World};
use http::Request;

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::{self, Program};
use crate::records::Records;

/// A world and the real program over it.
struct Running {
    _home: tempfile::TempDir,
    world: World,
    program: Program,
}

impl Running {
    async fn start() -> Self {
        let (_home, world) = gate::world(|text| text).await;
        let program = Program::run(&world.configuration());
        Self { _home, world, program }
    }

    fn rewrite(&self, path: &str, change: impl FnOnce(String) -> String) {
        let path = self.world.path(path);
        let text = change(std::fs::read_to_string(&path).expect("a file"));
        // As a deployment does it: nobody reads half a file.
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text).expect("a file");
        std::fs::rename(fresh, path).expect("a file");
    }

    fn reload(&self) {
        self.program.signal("HUP");
        self.program.until("configuration reloaded");
    }

    async fn connect(&self, applicant: &Applicant, protocol: Protocol) -> Connection {
        applicant.client.connect(self.program.address, protocol).await.expect("a connection")
    }

    fn records(&self) -> Records {
        Records::of(&self.world.path("data/dcrgate.db"))
    }

    fn configuration_of(&self, answer: &Answer) -> serde_json::Value {
        self.records().record(answer.id())["configuration"].clone()
    }
}

async fn register(connection: &mut Connection, body: &Bytes) -> Answer {
    soon(connection.send(registration(body.clone()))).await.expect("an answer").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_removed_authority_is_felt_by_the_next_request_on_an_open_connection() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let running = Running::start().await;
        let mut applicant = Applicant::new(&running.world, "removed authority");
        let mut connection = running.connect(&applicant, protocol).await;
        let before = register(&mut connection, &applicant.body).await;
        assert_eq!(before.status, 201);
        running.rewrite("certs/authorities/clients-root.pem", |_| running.world.strangers.pem());
        running.rewrite("dcrgate.toml", |text| {
            let lists = "crl = [\"certs/authorities/clients-root.crl\", \"certs/authorities/clients-issuing.crl\"]";
            assert!(text.contains(lists));
            text.replace("intermediates = \"certs/authorities/clients-issuing.pem\"\n", "").replace(lists, "crl = []")
        });
        running.reload();
        applicant.state(&running.world, |draft| draft.claim("jti", "another"));
        let after = register(&mut connection, &applicant.body).await;
        assert_eq!(after.outcome(), (401, "invalid_client"), "{protocol:?}");
        let again = soon(applicant.apply(running.program.address)).await;
        assert_eq!(again.outcome(), (401, "invalid_client"), "{protocol:?}: a new connection");
        let digests = [&before, &after, &again].map(|answer| running.configuration_of(answer));
        assert_eq!(digests[1], digests[2]);
        assert_ne!(digests[0], digests[1], "each record names the configuration that it was made under");
        assert_eq!(running.world.identity_server.requests().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_certificate_revoked_by_a_changed_list_is_refused_on_an_open_connection() {
    let running = Running::start().await;
    let mut applicant = Applicant::new(&running.world, "revoked meanwhile");
    let mut connection = running.connect(&applicant, Protocol::Http1).await;
    assert_eq!(register(&mut connection, &applicant.body).await.status, 201);
    let list = running.world.clients.revocation_list(&[&applicant.identity], running.world.now()).expect("a list");
    running.rewrite("certs/authorities/clients-issuing.crl", |_| list);
    running.reload();
    applicant.state(&running.world, |draft| draft.claim("jti", "another"));
    let after = register(&mut connection, &applicant.body).await;
    assert_eq!(after.outcome(), (401, "invalid_client"));
    let checks = running.records().record(after.id())["checks"].to_string();
    assert!(checks.contains("revoked"), "{checks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_changed_content_is_noticed_without_a_signal() {
    let running = Running::start().await;
    running.rewrite("policies/open-finance-brasil.toml", |text| {
        text.replace("version = \"2.1.0\"\n", "version = \"2.1.0-next\"\n")
    });
    running.program.until("configuration reloaded");
    let answer = soon(Applicant::new(&running.world, "next").apply(running.program.address)).await;
    assert_eq!(running.records().record(answer.id())["policy"]["version"], "2.1.0-next");
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_counts_go_on_over_a_reload_and_are_told_at_the_end() {
    let mut running = Running::start().await;
    for (name, version) in [("before", "2.1.0-next"), ("after", "2.1.0-last")] {
        assert_eq!(soon(Applicant::new(&running.world, name).apply(running.program.address)).await.status, 201);
        running.rewrite("policies/open-finance-brasil.toml", |text| {
            let renamed = |line: &str| match line.starts_with("version = ") {
                true => format!("version = \"{version}\"\n"),
                false => line.to_owned() + "\n",
            };
            text.lines().map(renamed).collect()
        });
        running.reload();
    }
    let stranger = running.world.third_party(None).expect("a client");
    assert_eq!(stranger.register(running.program.address, "{}").await.expect("an answer").status(), 401);
    running.program.signal("TERM");
    let line = running.program.until("judged since the start");
    for told in ["policy=\"open-finance-brasil\"", "judged=3", "refused=1", "certificate.trusted fail 1"] {
        assert!(line.contains(told), "{told}: {line}");
    }
    assert_eq!(running.program.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_bad_reload_keeps_the_old_state_and_is_logged() {
    let running = Running::start().await;
    let first = soon(Applicant::new(&running.world, "before").apply(running.program.address)).await;
    let configuration = running.configuration_of(&first);
    let cases: [(&str, &str, Option<&str>, &str); 9] = [
        ("anchors emptied", "certs/authorities/clients-root.pem", Some(""), "clients-root.pem"),
        ("anchors removed", "certs/authorities/clients-root.pem", None, "clients-root.pem"),
        ("anchors that are none", "certs/authorities/clients-root.pem", Some("-----BEGIN CERT"), "clients-root.pem"),
        ("revocation list removed", "certs/authorities/clients-issuing.crl", None, "clients-issuing.crl"),
        ("revocation list that is none", "certs/authorities/clients-issuing.crl", Some("no list"), "revocation list"),
        ("policy broken", "policies/open-finance-brasil.toml", Some("id = "), "open-finance-brasil.toml"),
        ("base of the policy removed", "policies/rfc7591.toml", None, "rfc7591.toml"),
        ("server key removed", "certs/server/ecdsa.key", None, "ecdsa.key"),
        ("sealing key too short", "certs/store.key", Some("short"), "sealing key"),
    ];
    for (name, path, content, named) in cases {
        let path = running.world.path(path);
        let good = std::fs::read(&path).expect("a good file");
        match content {
            Some(content) => std::fs::write(&path, content).expect("a bad file"),
            None => std::fs::remove_file(&path).expect("no file"),
        }
        running.program.signal("HUP");
        while !running.program.until("reload refused").contains(named) {}
        // A stranger is still one, and an honest client is served as before.
        let stranger = running.world.third_party(None).expect("a client");
        let refused = stranger.register(running.program.address, "{}").await.expect("an answer");
        assert_eq!(refused.status(), 401, "{name}");
        let answer = soon(Applicant::new(&running.world, name).apply(running.program.address)).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.json);
        assert_eq!(running.configuration_of(&answer), configuration, "{name}");
        std::fs::write(&path, good).expect("the good file");
    }
    running.reload();
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_reloads_under_load_fail_no_request_and_mix_no_policies() {
    let running = Running::start().await;
    let (address, world) = (running.program.address, &running.world);
    let applicants: Vec<_> = (0..60).map(|n| Applicant::new(world, &format!("under load {n}"))).collect();
    let visitor = world.third_party(None).expect("a client");
    let identity = world.transport(&world.enrol("visitor"), KeyKind::Ecdsa).expect("a certificate");
    let known = world.third_party(Some(&identity)).expect("a client");
    let registering = tokio::spawn(async move {
        let mut answers = Vec::new();
        for applicant in applicants {
            answers.push(applicant.apply(address).await);
        }
        answers
    });
    let mut proxying = tokio::task::JoinSet::new();
    for client in [visitor, known] {
        proxying.spawn(async move {
            let mut connection = client.connect(address, Protocol::Http2).await.expect("a connection");
            for _ in 0..300 {
                let echo = Request::get("/echo").body(Bytes::new()).expect("a request");
                assert_eq!(connection.send(echo).await.expect("an answer").status(), 200);
            }
        });
    }
    let mut version = 0;
    while !registering.is_finished() {
        version += 1;
        running.rewrite("policies/open-finance-brasil.toml", |text| {
            let renamed = |line: &str| match line.starts_with("version = ") {
                true => format!("version = \"2.1.0-{version}\"\n"),
                false => line.to_owned() + "\n",
            };
            text.lines().map(renamed).collect()
        });
        running.reload();
    }
    soon(proxying.join_all()).await;
    let mut versions = std::collections::BTreeMap::new();
    for answer in registering.await.expect("no panic") {
        assert_eq!(answer.status, 201);
        let record = running.records().record(answer.id());
        let told = (record["policy"]["version"].to_string(), record["policy"]["sha256"].to_string());
        let before = versions.insert(record["configuration"].to_string(), told.clone());
        assert!(before.is_none_or(|before| before == told), "one configuration, one policy");
    }
    assert!(versions.len() > 1, "reloaded {version} times");
}
