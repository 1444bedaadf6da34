//! Tokens that are bound to a key (RFC 9449): whoever copied one, its proof, or both, has nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dcrgate::model::digest::Digest;
use dcrgate::sandbox::statement::{Draft, KeyUse, Signature, SigningKey};
use dcrgate::sandbox::third_party::registration;
use dcrgate::sandbox::token_issuer::{TokenIssuer, with_tokens};
use http::Response;
use serde_json::{Value, json};

use crate::gate::{Gate, world};
use crate::target::{Target, refused, rule};

/// No two proofs have one `jti`.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The proxy, the issuer of tokens, and a software whose tokens are bound to its key.
struct Desk {
    target: Target,
    issuer: TokenIssuer,
    key: SigningKey,
}

impl Desk {
    async fn open(more: &str) -> Self {
        let (home, world) = world(|text| {
            with_tokens(&text, "required", more).replace("policies/open-finance-brasil.toml", "policies/many.toml")
        })
        .await;
        let issuer = TokenIssuer::publish(&world.directory).expect("an issuer");
        let many =
            "extends = \"open-finance-brasil.toml\"\nid = \"many\"\n[checks.registration.duplicates]\nmode = \"off\"\n";
        std::fs::write(world.path("policies/many.toml"), many).expect("a policy");
        let key = SigningKey::generate_ec("own").expect("a key");
        Self { target: Target::of(Gate::over(home, world).await), issuer, key }
    }

    fn now(&self) -> i64 {
        self.target.gate.world.now().unix_seconds()
    }

    /// A token that is bound to the software's key.
    fn token(&self) -> String {
        let draft = self.issuer.token(self.target.gate.world.now()).expect("a token");
        self.issuer.sign(draft.claim("cnf", json!({ "jkt": thumbprint(&self.key) }))).expect("signed")
    }

    /// A good proof, to be changed and signed.
    fn draft(&self, token: &str) -> Draft {
        let one = NEXT.fetch_add(1, Ordering::Relaxed);
        Draft::empty()
            .header("typ", "dpop+jwt")
            .header("jwk", public(&self.key))
            .claim("jti", format!("proof-{one}"))
            .claim("htm", "POST")
            .claim("htu", "https://localhost/register")
            .claim("iat", self.now())
            .claim("ath", Digest::of(token.as_bytes()).base64url())
    }

    fn proof(&self, token: &str, change: impl FnOnce(Draft) -> Draft) -> String {
        change(self.draft(token)).sign(&self.key, Signature::Es256).expect("a proof")
    }

    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.target.request()).expect("JSON")
    }

    async fn send(&self, body: Vec<u8>, authorization: &str, proofs: &[&str]) -> Response<Bytes> {
        let mut request = registration(body);
        request.headers_mut().insert("authorization", authorization.parse().expect("a header"));
        for proof in proofs {
            request.headers_mut().append("dpop", proof.parse().expect("a header"));
        }
        self.target.send(request).await
    }

    async fn show(&self, token: &str, proof: &str) -> Response<Bytes> {
        self.send(self.body(), &format!("DPoP {token}"), &[proof]).await
    }
}

/// As proofs carry it: without what only sets of keys say.
fn public(key: &SigningKey) -> Value {
    let jwk = key.public_jwk(KeyUse::Signature);
    json!({ "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"] })
}

fn thumbprint(key: &SigningKey) -> String {
    let jwk = public(key);
    // RFC 7638 §3.2: these members in this order.
    let text = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}", jwk["x"], jwk["y"]);
    Digest::of(text.as_bytes()).base64url()
}

fn challenge(answer: &Response<Bytes>) -> &str {
    answer.headers().get("www-authenticate").map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_token_with_its_proof_admits() {
    let desk = Desk::open("").await;
    let token = desk.token();
    let answer = desk.show(&token, &desk.proof(&token, |draft| draft)).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let forwarded = desk.target.gate.world.identity_server.requests();
    let headers = forwarded.last().expect("it").headers();
    assert!(!headers.contains_key("authorization") && !headers.contains_key("dpop"), "{headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_forwarded_token_takes_its_proof_along() {
    let desk = Desk::open("token_to_upstream = \"forward\"\n").await;
    let token = desk.token();
    let proof = desk.proof(&token, |draft| draft);
    assert_eq!(desk.show(&token, &proof).await.status(), 201);
    let forwarded = desk.target.gate.world.identity_server.requests();
    let headers = forwarded.last().expect("it").headers();
    assert_eq!(headers["authorization"], format!("DPoP {token}"));
    assert_eq!(headers["dpop"], proof);
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_a_replayed_proof_is_refused_over_restarts_and_gets_no_stored_answer() {
    let mut desk = Desk::open("").await;
    let token = desk.token();
    let (body, proof) = (desk.body(), desk.proof(&token, |draft| draft));
    let scheme = format!("DPoP {token}");
    let first = desk.send(body.clone(), &scheme, &[&proof]).await;
    assert_eq!(first.status(), 201, "{:?}", first.body());
    let replayed = async |desk: &Desk, name: &str, proof: &str| {
        let answer = desk.send(body.clone(), &scheme, &[proof]).await;
        refused(name, &answer, 401, "invalid_dpop_proof");
        assert_eq!(rule(&answer), "token.valid", "{name}");
        assert!(challenge(&answer).starts_with("DPoP error=\"invalid_dpop_proof\", "), "{}", challenge(&answer));
        desk.target.recorded(name, &answer);
    };
    replayed(&desk, "the whole request again", &proof).await;
    // Its holder repeats the request with a new proof and gets the answer that was lost.
    let second = desk.proof(&token, |draft| draft);
    let again = desk.send(body.clone(), &scheme, &[&second]).await;
    assert_eq!((again.status(), again.body()), (first.status(), first.body()));
    replayed(&desk, "the proof of a repetition", &second).await;
    desk.target.gate.restart().await;
    replayed(&desk, "after a restart", &proof).await;
    replayed(&desk, "the other one after a restart", &second).await;
    assert_eq!(desk.target.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_proofs_for_other_requests_of_other_keys_and_of_other_times_are_refused() {
    let desk = Desk::open("").await;
    let (token, now) = (desk.token(), desk.now());
    let other = SigningKey::generate_ec("own").expect("a key");
    let rsa = SigningKey::generate("own").expect("a key");
    let proof = |change: &dyn Fn(Draft) -> Draft| desk.proof(&token, change);
    let mut private = public(&desk.key);
    private["d"] = "AAAA".into();
    let good = proof(&|draft| draft);
    let table = [
        ("another method", proof(&|draft| draft.claim("htm", "GET"))),
        ("another path", proof(&|draft| draft.claim("htu", "https://localhost/token"))),
        ("another host", proof(&|draft| draft.claim("htu", "https://elsewhere.example/register"))),
        ("another token", proof(&|draft| draft.claim("ath", Digest::of(b"another").base64url()))),
        ("no token", proof(&|draft| draft.without("ath"))),
        ("too old", proof(&|draft| draft.claim("iat", now - 125))),
        ("of the future", proof(&|draft| draft.claim("iat", now + 65))),
        ("no jti", proof(&|draft| draft.without("jti"))),
        ("another type", proof(&|draft| draft.header("typ", "JWT"))),
        ("no key", proof(&|draft| draft.header("jwk", Value::Null))),
        ("a private key", proof(&|draft| draft.header("jwk", private.clone()))),
        ("a key from elsewhere", proof(&|draft| draft.header("jku", "https://elsewhere.example/"))),
        ("signed by another key", desk.draft(&token).sign(&other, Signature::Es256).expect("a proof")),
        ("alg none", desk.draft(&token).sign(&desk.key, Signature::Unsigned).expect("a proof")),
        (
            "RS256",
            desk.draft(&token)
                .header("jwk", rsa.public_jwk(KeyUse::Signature))
                .sign(&rsa, Signature::Rs256)
                .expect("a proof"),
        ),
        ("changed after signing", good.replacen('.', ".e", 1)),
        ("no proof", "x.y.z".to_owned()),
    ];
    for (name, proof) in &table {
        let answer = desk.show(&token, proof).await;
        refused(name, &answer, 401, "invalid_dpop_proof");
        let told = challenge(&answer);
        assert!(told.starts_with("DPoP error=\"invalid_dpop_proof\", "), "{name}: {told}");
        assert!(told.ends_with("algs=\"ES256 ES384 EdDSA PS256 PS384 PS512\""), "{name}: {told}");
        desk.target.recorded(name, &answer);
    }
    // A proof that holds, of somebody else.
    let theirs = desk.draft(&token).header("jwk", public(&other)).sign(&other, Signature::Es256).expect("a proof");
    let answer = desk.show(&token, &theirs).await;
    refused("another key", &answer, 401, "invalid_token");
    assert!(challenge(&answer).starts_with("DPoP error=\"invalid_token\", "), "{}", challenge(&answer));
    let scheme = format!("DPoP {token}");
    refused("no header", &desk.send(desk.body(), &scheme, &[]).await, 401, "invalid_dpop_proof");
    let two = desk.send(desk.body(), &scheme, &[&good, &proof(&|draft| draft)]).await;
    refused("two headers", &two, 401, "invalid_dpop_proof");
    assert_eq!(desk.target.reached(), 0);
    assert_eq!(desk.show(&token, &good).await.status(), 201, "what was refused was not used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_bound_token_is_not_shown_as_if_it_were_not() {
    let desk = Desk::open("").await;
    let token = desk.token();
    let proof = desk.proof(&token, |draft| draft);
    for (name, proofs) in [("without a proof", &[][..]), ("with its proof", &[&*proof][..])] {
        let answer = desk.send(desk.body(), &format!("Bearer {token}"), proofs).await;
        refused(name, &answer, 401, "invalid_token");
        assert!(challenge(&answer).starts_with("Bearer error=\"invalid_token\", "), "{name}");
    }
    let unbound = desk.issuer.token(desk.target.gate.world.now()).expect("a token");
    let unbound = desk.issuer.sign(unbound).expect("signed");
    let answer = desk.show(&unbound, &desk.proof(&unbound, |draft| draft)).await;
    refused("a token that is bound to nothing", &answer, 401, "invalid_token");
    assert_eq!(desk.target.reached(), 0);
}
