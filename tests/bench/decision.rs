//! What a decision costs, part by part: `cargo bench --bench decision`.
//!
//! `bare` is the least that any proxy must do with a statement: one PS256
//! verification and one JSON parse. `whole_decide` is everything dcrgate does
//! between evidence and verdict: gates, signature, every check and every rule of
//! Open Finance Brasil, merging, claims and trace.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot be set up ends")]

use std::sync::Arc;

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcrgate::jose::{Algorithm, Compact, choose};
use dcrgate::model::document::Faults;
use dcrgate::model::evidence::{Evidence, Known};
use dcrgate::model::facts::{Facts, Operation};
use dcrgate::model::id::AuthorityName;
use dcrgate::model::json;
use dcrgate::model::key::{Jwk, KeyMaterial, KeySet};
use dcrgate::model::peer::{Judgement, Peer, Revocation, Trusted};
use dcrgate::model::time::{Clock as _, SystemClock, Timestamp};
use dcrgate::model::trace::Trace;
use dcrgate::pipeline::decide::{Question, Verdict, decide};
use dcrgate::pipeline::decode::Sent;
use dcrgate::policy::cases::Suite;
use dcrgate::policy::{self, Policy, packs};
use dcrgate::sandbox::{KeyKind, World};
use divan::{Bencher, black_box};
use serde_json::{Map, Value};

fn main() {
    divan::main();
}

/// A good request with everything that is known of it.
struct Case {
    policy: Policy,
    authorities: Vec<AuthorityName>,
    request: Sent,
    body: Vec<u8>,
    token: String,
    key: Arc<Jwk>,
    evidence: Evidence,
    now: Timestamp,
}

impl Case {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let home = tempfile::tempdir().expect("a directory");
        let world = runtime.block_on(World::create(home.path(), 0, Arc::new(SystemClock))).expect("a world");
        let software = world.enrol("bench");
        let identity = world.transport(&software, KeyKind::Rsa).expect("a certificate");
        let members = world.request(&software).expect("a request");
        let token = members["software_statement"].as_str().expect("a statement").to_owned();
        let compact = Compact::parse(&token).expect("a token");
        let keys = KeySet::from_json(jwks(&world).as_bytes()).expect("keys");
        let key = choose(&keys, compact.header()).expect("the key");
        let authority = AuthorityName::new("sandbox");
        let peer = Peer::present(identity.chain().to_vec()).expect("a certificate");
        let now = SystemClock.now();
        let trusted = Trusted { path: vec![], anchor: None, intermediates: vec![], revocation: Revocation::NotChecked };
        let judgement =
            Judgement { verdicts: vec![(authority.clone(), Ok(trusted))], not_before: now, valid_until: now };
        let software_keys = r#"{"keys":[{"kty":"RSA","use":"enc","kid":"e","e":"AQAB","n":"N"}]}"#
            .replace("\"N\"", &format!("\"{}\"", modulus(&key)));
        let evidence = Evidence {
            peer: Known::Value((Arc::new(peer), Arc::new(judgement))),
            token: Known::Absent,
            statement_key: Known::Value(Arc::clone(&key)),
            signer: Known::Absent,
            software_keys: Known::Value(Arc::new(KeySet::from_json(software_keys.as_bytes()).expect("keys"))),
            sector: Known::Absent,
            binding: Known::Absent,
        };
        let body = serde_json::to_vec(&members).expect("JSON");
        let request = Sent { members, jws: None };
        Self { policy: pack(&world), authorities: vec![authority], request, body, token, key, evidence, now }
    }

    fn question(&self) -> Question<'_> {
        Question {
            policy: &self.policy,
            authorities: &self.authorities,
            operation: Operation::Register,
            remote: None,
            token: None,
            request: &self.request,
            now: self.now,
        }
    }
}

fn jwks(world: &World) -> String {
    let key = world.directory.signer().public_jwk(dcrgate::sandbox::statement::KeyUse::Signature);
    serde_json::json!({ "keys": [key] }).to_string()
}

fn modulus(key: &Jwk) -> &str {
    let KeyMaterial::Rsa { n, .. } = &key.material else { panic!("an RSA key") };
    n
}

fn pack(world: &World) -> Policy {
    let folder = world.path("policies");
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
    let params = serde_json::json!({
        "environment": "sandbox",
        "issuers": [dcrgate::sandbox::statement::ISSUER],
        "fetch_hosts": [world.directory.authority()],
    });
    let faults = Faults::new();
    let text = read("open-finance-brasil.toml").expect("the pack");
    let params = params.as_object().expect("an object");
    policy::compile("open-finance-brasil.toml", &text, &read, params, &faults).expect("compiles")
}

/// One PS256 verification with a key in components, and one `serde_json` parse of the claims.
#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    let case = Case::new();
    let KeyMaterial::Rsa { n, e, .. } = &case.key.material else { panic!("an RSA key") };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let key = RsaPublicKeyComponents { n: decode(n), e: decode(e) };
    bencher.bench(|| {
        let (input, signature) = black_box(&case.token).rsplit_once('.').expect("three parts");
        key.verify(&RSA_PSS_2048_8192_SHA256, input.as_bytes(), &decode(signature)).expect("good");
        let payload = decode(input.split_once('.').expect("two parts").1);
        serde_json::from_slice::<Value>(&payload).expect("JSON")
    });
}

/// The strict reader over a whole request body.
#[divan::bench]
fn read_request(bencher: Bencher<'_, '_>) {
    let case = Case::new();
    bencher.bench(|| json::object(black_box(&case.body), &json::REQUEST).expect("good"));
}

/// Header, key fit, signature and claims through the strict reader.
#[divan::bench]
fn verify_statement(bencher: Bencher<'_, '_>) {
    let case = Case::new();
    bencher.bench(|| {
        let compact = Compact::parse(black_box(&case.token)).expect("good");
        compact.verify(&case.key, &[Algorithm::PS256]).expect("good")
    });
}

/// Merging, every check and every rule.
#[divan::bench]
fn evaluate_policy(bencher: Bencher<'_, '_>) {
    let case = Case::new();
    let compact = Compact::parse(&case.token).expect("good");
    let statement = compact.verify(&case.key, &[Algorithm::PS256]).expect("good");
    let (peer, _) = case.evidence.peer.value().expect("a certificate");
    bencher.bench(|| {
        let none = Map::new();
        let facts = Facts {
            operation: Operation::Register,
            request: black_box(&case.request.members),
            metadata: &none,
            statement: Some(&statement),
            peer: Some((peer, &case.authorities[0])),
            signer: None,
            token: None,
            remote: None,
            client: None,
            software_keys: &case.evidence.software_keys,
            sector: &case.evidence.sector,
            now: case.now,
        };
        let mut trace = Trace::new();
        let (metadata, judged) = case.policy.judge(&facts, &mut trace);
        (metadata, judged, trace)
    });
}

/// From evidence to verdict.
#[divan::bench]
fn whole_decide(bencher: Bencher<'_, '_>) {
    let case = Case::new();
    let first = decide(&case.question(), &case.evidence);
    assert!(matches!(first.verdict, Verdict::Admitted(_)), "{:?}", first.trace);
    bencher.bench(|| decide(black_box(&case.question()), &case.evidence));
}

/// A pack and the first case of its that is admitted, both made outside of what is measured.
struct Pack {
    policy: Policy,
    cases: Suite,
}

impl Pack {
    fn new(name: &str) -> Self {
        let faults = Faults::new();
        let cases = Suite::read(name, packs::cases(name).expect("cases"), &faults).expect("cases");
        let base = |file: &str| packs::pack(file).map(str::to_owned).ok_or_else(|| "no pack".to_owned());
        let params = cases.accepted().expect("a case").params().clone();
        let policy =
            policy::compile(name, packs::pack(name).expect("a pack"), &base, &params, &faults).expect("compiles");
        Self { policy, cases }
    }
}

/// Gates as their case says, merging, every check and every rule, recorded: for each pack.
/// At most 50 µs is wanted for Open Finance Brasil.
#[divan::bench(args = packs::PACKS.iter().map(|(file, _)| *file))]
fn each_pack(bencher: Bencher<'_, '_>, name: &str) {
    let pack = Pack::new(name);
    let case = pack.cases.accepted().expect("a case");
    let trace = case.judge(&pack.policy);
    assert!(trace.failures().next().is_none(), "{trace:?}");
    bencher.bench(|| case.judge(black_box(&pack.policy)));
}
