//! T15 for the document at a `sector_identifier_uri`: where a client can make the proxy look, and what comes of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dcrgate::sandbox::directory::{Behaviour, ELSEWHERE};
use dcrgate::sandbox::statement::Signature;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{KeyKind, Validity, World};
use http::Response;
use rustls::ServerConfig;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::gate::{self, Gate};
use crate::signed::{description, record};
use crate::target::{Target, refused, rule};

const DOCUMENT: &str = "/sector.json";

/// Sectors from these hosts. The directory of the sandbox is on this machine, where `metadata.types` lets no address lead.
fn policy(hosts: &[String]) -> String {
    format!(
        "extends = \"open-finance-brasil.toml\"\nid = \"sector\"\n[checks.registration.duplicates]\nmode = \"off\"\n\
         [checks.metadata.types]\nmode = \"off\"\n[checks.metadata.sector]\nfetch_hosts = {hosts:?}\n"
    )
}

/// A proxy that fetches sectors from these hosts, and from the directory where nothing else is said.
async fn target(hosts: impl FnOnce(&World) -> Vec<String>) -> Target {
    let change = |text: String| text.replace("policies/open-finance-brasil.toml", "policies/sector.toml");
    let (home, world) = gate::world(change).await;
    let policy = policy(&hosts(&world));
    std::fs::write(world.path("policies/sector.toml"), policy).expect("a policy");
    Target::of(Gate::over(home, world).await)
}

async fn of_the_directory() -> Target {
    target(|world| vec![world.directory.authority()]).await
}

/// A good request of a sector.
fn request(target: &Target, address: &str) -> Map<String, Value> {
    let mut request = target.request();
    request.insert("sector_identifier_uri".to_owned(), address.into());
    request
}

async fn asked(target: &Target) -> Response<bytes::Bytes> {
    target.submit(&request(target, &target.gate.world.directory.url(DOCUMENT))).await
}

fn publish(target: &Target, document: &Value) {
    target.gate.world.directory.publish(DOCUMENT, "application/json", document.to_string());
}

/// What the record says of why it was refused.
fn detail(target: &Target, answer: &Response<bytes::Bytes>) -> String {
    let record = record(target, answer);
    let checks = dcrgate::audit::view::checks(&record);
    let step = checks.iter().find(|step| step["id"] == "metadata.sector").expect("a step");
    step["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sector_that_lists_the_client_is_fetched_once_and_forwarded() {
    let target = of_the_directory().await;
    publish(&target, &target.request()["redirect_uris"]);
    let answer = asked(&target).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    assert_eq!(target.gate.world.directory.fetches(DOCUMENT), 1);
    assert_eq!(target.forwarded()["sector_identifier_uri"], json!(target.gate.world.directory.url(DOCUMENT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sector_that_does_not_know_the_client_is_the_clients_fault() {
    let target = of_the_directory().await;
    for (name, document, told) in [
        ("others alone", json!(["https://other.example/cb"]), "does not list every redirect address"),
        ("an object", json!({ "redirect_uris": [] }), "is not a JSON array"),
        ("numbers", json!([7]), "is not a JSON array"),
        ("too many", json!(vec!["https://other.example/cb"; 1_001]), "is not a JSON array"),
    ] {
        publish(&target, &document);
        let answer = asked(&target).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        assert_eq!(rule(&answer), "metadata.sector", "{name}");
        assert!(description(&answer).contains(told), "{name}: {}", description(&answer));
        target.recorded(name, &answer);
    }
    let missing = target.submit(&request(&target, &target.gate.world.directory.url("/none.json"))).await;
    refused("not there", &missing, 400, "invalid_client_metadata");
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_503_and_no_redirection_is_followed() {
    let target = of_the_directory().await;
    publish(&target, &json!(["https://other.example/cb"]));
    // The software's own keys are fetched from the same directory: before it fails.
    assert_eq!(rule(&asked(&target).await), "metadata.sector");
    for (name, behaviour, why) in [
        ("down", Behaviour::Fail, "answered with status 503"),
        ("moved", Behaviour::Redirect, "answered with status 302"),
        ("maintained", Behaviour::ServeHtml, "answered with another content type than JSON"),
    ] {
        target.gate.world.directory.behave(behaviour);
        let answer = asked(&target).await;
        refused(name, &answer, 503, "temporarily_unavailable");
        assert!(answer.headers().contains_key("retry-after"), "{name}");
        assert_eq!((rule(&answer), detail(&target, &answer)), ("metadata.sector".to_owned(), why.to_owned()));
    }
    assert_eq!(target.gate.world.directory.fetches(&format!("{ELSEWHERE}{DOCUMENT}")), 0);
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_an_address_inside_the_house_is_not_fetched() {
    let inside = |world: &World| world.directory.authority().replace("localhost", "127.0.0.1");
    let target = target(|world| vec![world.directory.authority(), inside(world), "10.0.0.1".to_owned()]).await;
    publish(&target, &json!(["https://other.example/cb"]));
    let directory = target.gate.world.directory.authority();
    for (name, address, told) in [
        ("loopback", format!("https://{}{DOCUMENT}", inside(&target.gate.world)), "no document"),
        ("private", format!("https://10.0.0.1{DOCUMENT}"), "no document"),
        ("not listed", format!("https://directory.example{DOCUMENT}"), "on a host that is not asked"),
        ("another port", "https://localhost/sector.json".to_owned(), "on a host that is not asked"),
        ("a user", format!("https://{directory}@elsewhere.example{DOCUMENT}"), "on a host that is not asked"),
    ] {
        let answer = target.submit(&request(&target, &address)).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        let violations: Value = serde_json::from_slice(answer.body()).expect("JSON");
        let said = violations["violations"].to_string();
        assert!(said.contains("\"metadata.sector\"") && said.contains(told), "{name}: {said}");
    }
    assert_eq!(target.gate.world.directory.fetches(DOCUMENT), 0);
    assert_eq!(target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_nothing_is_fetched_for_whoever_does_not_pass_the_gates() {
    let target = of_the_directory().await;
    let world = &target.gate.world;
    publish(&target, &json!([]));
    let address = world.directory.url(DOCUMENT);

    let forged = world.statement(&target.attacker.software).sign(world.directory.software_key(), Signature::Ps256);
    let mut unsigned = target.around(&forged.expect("a statement"));
    unsigned.insert("sector_identifier_uri".to_owned(), address.as_str().into());
    refused("a forged statement", &target.submit(&unsigned).await, 400, "invalid_software_statement");

    let body = serde_json::to_vec(&request(&target, &address)).expect("JSON");
    let nobody = world.third_party(None).expect("a client");
    let answer = nobody.send(target.gate.address, Protocol::Http1, registration(body)).await.expect("an answer");
    refused("no certificate", &answer, 401, "invalid_client");
    assert_eq!(world.directory.fetches(DOCUMENT), 0);
}

/// A server whose one answer never ends. Tells how much of it was taken.
async fn endless(world: &World) -> (SocketAddr, oneshot::Receiver<usize>) {
    let identity =
        world.servers.loopback_server(KeyKind::Ecdsa, &Validity::current(world.now())).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain(), identity.key())
        .expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, taken) = oneshot::channel();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a connection");
        let mut stream = acceptor.accept(socket).await.expect("a handshake");
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let mut count = 0;
        let mut next = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[".to_vec();
        while stream.write_all(&next).await.is_ok() {
            count += next.len();
            next = br#""https://other.example/cb","#.repeat(100);
        }
        let _ = told.send(count);
    });
    (address, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_a_document_without_end_is_cut() {
    let (home, world) =
        gate::world(|text| text.replace("policies/open-finance-brasil.toml", "policies/sector.toml")).await;
    let (server, taken) = endless(&world).await;
    let policy = policy(&[format!("localhost:{}", server.port())]);
    std::fs::write(world.path("policies/sector.toml"), policy).expect("a policy");
    let target = Target::of(Gate::over(home, world).await);
    let address = format!("https://localhost:{}{DOCUMENT}", server.port());
    let answer = target.submit(&request(&target, &address)).await;
    refused("without end", &answer, 400, "invalid_client_metadata");
    assert_eq!(detail(&target, &answer), "the JSON text is too large");
    // Beyond the limit there is what both sides had in their buffers.
    let taken = taken.await.expect("the connection was cut");
    assert!((256 * 1024..16 * 1024 * 1024).contains(&taken), "{taken}");
    assert_eq!(target.reached(), 0);
}
