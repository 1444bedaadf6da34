//! Clients made from templates, over the wire: what an instance may say, who may ask, and what the identity server gets.

#![cfg(test)]

#[path = "support/gate.rs"]
mod gate;

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::model::id::DecisionId;
use dcrgate::sandbox::third_party::{Protocol, management, registration};
use dcrgate::sandbox::token_issuer::{TokenIssuer, with_tokens};
use dcrgate::sandbox::{KeyKind, ThirdParty, World};
use dcrgate::store::Reader;
use gate::{Gate, world};
use http::{Method, Response};
use serde_json::{Map, Value, json};

const POLICY: &str = "extends = \"rfc7591.toml\"\nid = \"instances\"\nversion = \"1\"\ntitle = \"t\"\nspec = \"s\"\n\
    [checks.certificate.trusted]\nrequired = false\n\
    [[rule]]\nid = \"instances.scope\"\nerror = \"invalid_client_metadata\"\nmessage = \"the scope is too wide\"\n\
    require = \"!('admin' in words(metadata.scope))\"\n";

fn template(version: &str, mode: &str, who: &str, scope: &str) -> String {
    format!(
        "id = \"branch\"\nversion = \"{version}\"\ntitle = \"The app of a branch\"\nsoftware_id = \"branch-app\"\nmode = \"{mode}\"\n{who}\n\
         instance = [\"client_name\", \"redirect_uris\"]\n[metadata]\nclient_name = \"Branch\"\nscope = \"{scope}\"\n\
         redirect_uris = [\"https://branch.example/cb\"]\ngrant_types = [\"authorization_code\"]\n\
         response_types = [\"code\"]\ntoken_endpoint_auth_method = \"client_secret_basic\"\n"
    )
}

/// A proxy with one template, and an issuer of tokens.
struct Branch {
    gate: Gate,
    issuer: TokenIssuer,
    client: ThirdParty,
}

impl Branch {
    async fn open(template: &str) -> Self {
        let (home, world) = world(|text| configuration(&text)).await;
        let issuer = TokenIssuer::publish(&world.directory).expect("an issuer");
        std::fs::write(world.path("policies/instances.toml"), POLICY).expect("a policy");
        std::fs::create_dir_all(world.path("policies/templates")).expect("a folder");
        write(&world, template);
        let client = world.third_party(None).expect("a client");
        Self { gate: Gate::over(home, world).await, issuer, client }
    }

    fn token(&self, scope: &str) -> String {
        let draft = self.issuer.token(self.gate.world.now()).expect("a token").claim("scope", scope);
        self.issuer.sign(draft).expect("a token")
    }

    /// Registers with a token of this scope; without one where it is empty.
    async fn register(&self, scope: &str, metadata: &Value) -> Response<Bytes> {
        self.register_as(&self.client, scope, metadata).await
    }

    async fn register_as(&self, client: &ThirdParty, scope: &str, metadata: &Value) -> Response<Bytes> {
        let mut request = registration(metadata.to_string());
        if !scope.is_empty() {
            let value = format!("Bearer {}", self.token(scope));
            request.headers_mut().insert("authorization", value.parse().expect("a header"));
        }
        client.send(self.gate.address, Protocol::Http1, request).await.expect("an answer")
    }

    fn record(&self, answer: &Response<Bytes>) -> Map<String, Value> {
        let id = answer.headers()["dcr-decision-id"].to_str().expect("text");
        let ledger = Reader::open(&self.gate.database()).expect("a ledger");
        let decision = ledger.decision(DecisionId::parse(id).expect("an id")).expect("a ledger");
        view::join(&decision.expect("a decision"))
    }

    /// The body of the last request that reached the identity server.
    fn received(&self) -> Value {
        let requests = self.gate.world.identity_server.requests();
        serde_json::from_slice(requests.last().expect("a request").body()).expect("JSON")
    }
}

fn write(world: &World, template: &str) {
    std::fs::write(world.path("policies/templates/branch.toml"), template).expect("a template");
}

fn configuration(text: &str) -> String {
    let (head, rest) = text.split_once("[policies.open-finance-brasil]").expect("a policy");
    let (_, store) = rest.split_once("\n[store]").expect("a store");
    let text = format!(
        r#"{head}[policies.instances]
file = "policies/instances.toml"
authorities = ["sandbox"]

[templates.branch]
file = "policies/templates/branch.toml"

[[routes]]
path = "/register"
kind = "registration"
upstream = "identity-server"
to = "/reg"
policy = "instances"

[[routes]]
path = "/register/{{client_id}}"
kind = "management"
upstream = "identity-server"
to = "/reg/{{client_id}}"

[store]
registration_access_tokens = "sealed"{store}"#
    );
    with_tokens(&text, "optional", "templates = [\"branch\"]\n")
}

fn told(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).expect("JSON")
}

/// Rule and field of each violation, in order.
fn violations(answer: &Response<Bytes>) -> Vec<(String, String)> {
    let told = told(answer);
    let text = |violation: &Value, name: &str| violation[name].as_str().unwrap_or_default().to_owned();
    let all = told["violations"].as_array().expect("violations");
    all.iter().map(|violation| (text(violation, "rule"), text(violation, "field"))).collect()
}

const WHO: &str = "token_scope = \"branch\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_a_template_is_expanded_and_judged() {
    let branch = Branch::open(&template("1", "expand", WHO, "openid")).await;
    let answer = branch.register("dcr branch", &json!({"software_id": "branch-app", "client_name": "Mine"})).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let expected = json!({
        "software_id": "branch-app", "client_name": "Mine", "scope": "openid",
        "redirect_uris": ["https://branch.example/cb"], "grant_types": ["authorization_code"],
        "response_types": ["code"], "token_endpoint_auth_method": "client_secret_basic",
    });
    assert_eq!(branch.received(), expected);
    let record = branch.record(&answer);
    assert_eq!((&record["template"]["name"], &record["template"]["version"]), (&"branch".into(), &"1".into()));
    assert_eq!(record["template"]["sha256"].as_str().map(str::len), Some(64));

    let ledger = Reader::open(&branch.gate.database()).expect("a ledger");
    let client_id = told(&answer)["client_id"].as_str().expect("a client").to_owned();
    let made = ledger.binding("identity-server", &client_id).expect("a ledger").expect("it").template.expect("it");
    assert_eq!((made.name.as_str(), made.own), ("branch", vec!["client_name".to_owned()]));
    assert_eq!(Value::from(made.digest.to_string()), record["template"]["sha256"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_template_does_not_leave_to_instances_is_refused_by_name() {
    let branch = Branch::open(&template("1", "expand", WHO, "openid")).await;
    let asked = json!({"software_id": "branch-app", "scope": "openid admin", "redirect_uris": "https://x.example",
        "grant_types": ["authorization_code"], "x-secret-word": 1});
    let answer = branch.register("dcr branch", &asked).await;
    assert_eq!((answer.status().as_u16(), &told(&answer)["error"]), (400, &"invalid_client_metadata".into()));
    let mut found = violations(&answer);
    found.sort();
    let named = |field: &str| ("template.members".to_owned(), field.to_owned());
    assert_eq!(found, [named(""), named("redirect_uris"), named("scope")]);
    assert!(!String::from_utf8_lossy(answer.body()).contains("x-secret-word"), "a caller's own word");
    let record = branch.record(&answer);
    assert_eq!((&record["outcome"], &record["template"]["name"]), (&"rejected".into(), &"branch".into()));
    assert!(branch.gate.world.identity_server.requests().is_empty());

    // The template's own metadata is judged too: nobody is let in by it.
    let wide = Branch::open(&template("1", "expand", WHO, "openid admin")).await;
    let answer = wide.register("dcr branch", &json!({"software_id": "branch-app"})).await;
    assert_eq!(violations(&answer), [("instances.scope".to_owned(), String::new())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_for_who_has_its_token_or_certificate() {
    let branch = Branch::open(&template("1", "expand", WHO, "openid")).await;
    let asked = json!({"software_id": "branch-app"});
    for (scope, status, error) in [("", 401, "invalid_token"), ("dcr", 403, "insufficient_scope")] {
        let answer = branch.register(scope, &asked).await;
        assert_eq!((answer.status().as_u16(), &told(&answer)["error"]), (status, &error.into()), "{scope}");
        assert!(answer.headers().contains_key("www-authenticate"));
    }
    assert!(branch.gate.world.identity_server.requests().is_empty());
    // Whatever names no template is judged as it came, here without a token.
    let plain = json!({"software_id": "other", "redirect_uris": ["https://a.example/cb"], "scope": "openid"});
    assert_eq!(branch.register("", &plain).await.status(), 201);

    let devices = Branch::open(&template("1", "expand", "authorities = [\"sandbox\"]", "openid")).await;
    let answer = devices.register("", &asked).await;
    assert_eq!((answer.status().as_u16(), &told(&answer)["error"]), (401, &"invalid_client".into()));
    let software = devices.gate.world.enrol("device");
    let identity = devices.gate.world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
    let device = devices.gate.world.third_party(Some(&identity)).expect("a client");
    assert_eq!(devices.register_as(&device, "", &asked).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_passed_on_to_a_server_with_templates_of_its_own() {
    let branch = Branch::open(&template("1", "pass", WHO, "openid")).await;
    let asked = json!({"software_id": "branch-app", "client_name": "Mine"});
    let answer = branch.register("dcr branch", &asked).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    assert_eq!(branch.received(), asked, "no more leaves than came");
    let answer = branch.register("dcr branch", &json!({"software_id": "branch-app", "scope": "admin"})).await;
    assert_eq!(violations(&answer), [("template.members".to_owned(), "scope".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_leaves_a_client_what_its_template_made_it() {
    let branch = Branch::open(&template("1", "expand", WHO, "openid")).await;
    let answer = told(&branch.register("dcr branch", &json!({"software_id": "branch-app"})).await);
    let text = |name: &str| answer[name].as_str().expect("text").to_owned();
    let (client_id, token) = (text("client_id"), text("registration_access_token"));
    let update = async |members: Value| {
        let request = management(Method::PUT, &format!("/register/{client_id}"), &token, members.to_string());
        branch.client.send(branch.gate.address, Protocol::Http1, request).await.expect("an answer")
    };
    let before = branch.gate.world.identity_server.requests().len();
    let answer = update(json!({"client_id": client_id, "scope": "openid payments"})).await;
    assert_eq!(violations(&answer), [("template.members".to_owned(), "scope".to_owned())]);
    assert_eq!(branch.gate.world.identity_server.requests().len(), before, "nothing was sent");

    let answer = update(json!({"client_id": client_id, "client_name": "Renamed", "scope": "openid"})).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    let received = branch.received();
    assert_eq!((&received["client_name"], &received["scope"]), (&"Renamed".into(), &"openid".into()));
    assert_eq!(received["redirect_uris"], json!(["https://branch.example/cb"]), "what is left out is not forgotten");
    let ledger = Reader::open(&branch.gate.database()).expect("a ledger");
    let made = ledger.binding("identity-server", &client_id).expect("a ledger").expect("it").template.expect("it");
    assert_eq!(made.own, ["client_name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_who_was_made_from_a_template_and_who_is_behind() {
    let branch = Branch::open(&template("1", "expand", WHO, "openid")).await;
    let asked = json!({"software_id": "branch-app", "client_name": "Mine"});
    let answer = told(&branch.register("dcr branch", &asked).await);
    let client_id = answer["client_id"].as_str().expect("a client");
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_dcrgate"))
            .args(arguments)
            .current_dir(branch.gate.world.path(""))
            .output()
            .expect("the program runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let json = |arguments: &[&str]| -> Value {
        let (status, out) = run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(status, Some(0), "{out}");
        serde_json::from_str(&out).expect("JSON")
    };
    let listed = json(&["template", "list"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["clients"], &listed[0]["behind"]),
        (&"branch".into(), &1.into(), &0.into())
    );
    let (_, out) = run(&["template", "show", "branch"]);
    for part in
        ["Named by      software_id branch-app", "  scope = \"openid\"", "1 client was made from it:", ": as it says"]
    {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert_eq!(json(&["clients", "list", "--template", "branch"])[0]["client_id"], client_id);
    assert_eq!(json(&["clients", "list", "--template", "other"]), json!([]));

    write(&branch.gate.world, &template("2", "expand", WHO, "openid payments"));
    let shown = json(&["template", "show", "branch"]);
    let client = &shown["clients"][0];
    assert_eq!((&client["client_id"], &client["behind"]), (&client_id.into(), &true.into()));
    assert_eq!(client["own"], json!(["client_name"]));
    assert_eq!(run(&["template", "show", "nothing"]).0, Some(1));
}
