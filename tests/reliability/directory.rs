//! R4: the directory whose keys sign software statements is down, slow, rotates its keys, or serves garbage.
//!
//! Signing keys and the keys of software come from two directories here, so that one can fail alone.

use dcrgate::sandbox::directory::{Behaviour, ELSEWHERE, KEYS_PATH};
use dcrgate::sandbox::statement::{KeyUse, Signature, SigningKey};
use dcrgate::sandbox::{Directory, KeyKind, Validity, World};

use crate::applicant::{Answer, Applicant, body, soon};
use crate::gate::{self, Gate, Program};

/// A proxy whose signing keys come from a directory of their own.
struct Keyed {
    gate: Gate,
    keys: Directory,
}

/// A directory with the keys of this world's statements.
async fn keys_of(world: &World) -> Directory {
    let certificate = world.servers.loopback_server(KeyKind::Ecdsa, &Validity::current(world.now()));
    let keys = Directory::start(&certificate.expect("a certificate")).await.expect("a directory");
    keys.publish_keys(KEYS_PATH, &[world.directory.signer().public_jwk(KeyUse::Signature)]);
    keys
}

/// A world that is configured for this directory of keys, which behaves like this from the start.
async fn world(behaviour: Behaviour) -> (tempfile::TempDir, World, Directory) {
    let (home, world) = gate::world(|text| text).await;
    let keys = keys_of(&world).await;
    keys.behave(behaviour);
    let path = world.configuration();
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let text = text.replace(&world.directory.url(KEYS_PATH), &keys.url(KEYS_PATH));
    std::fs::write(&path, text).expect("a configuration");
    (home, world, keys)
}

impl Keyed {
    async fn start(behaviour: Behaviour) -> Self {
        let (home, world, keys) = world(behaviour).await;
        Self { gate: Gate::over(home, world).await, keys }
    }

    /// A new software registers with a statement of this key.
    async fn register(&self, name: &str, key: &SigningKey) -> Answer {
        let mut applicant = Applicant::new(&self.gate.world, name);
        let statement = self.gate.world.statement(&applicant.software).sign(key, Signature::Ps256);
        applicant.body = body(&self.gate.world, &applicant.software, &statement.expect("a statement"));
        soon(applicant.apply(self.gate.address)).await
    }

    /// A new software registers with a good statement.
    async fn good(&self, name: &str) -> Answer {
        self.register(name, self.gate.world.directory.signer()).await
    }

    fn forwarded(&self) -> usize {
        self.gate.world.identity_server.requests().len()
    }
}

const OUTAGES: [(Behaviour, &str); 5] = [
    (Behaviour::Fail, "answers 503"),
    (Behaviour::ServeGarbage, "cuts its JSON"),
    (Behaviour::ServeHtml, "serves a maintenance page"),
    (Behaviour::Redirect, "redirects elsewhere"),
    (Behaviour::Hold, "hangs"),
];

#[tokio::test(flavor = "multi_thread")]
async fn r4_cached_keys_serve_while_the_directory_is_down_slow_or_serves_garbage() {
    let cases: tokio::task::JoinSet<()> =
        OUTAGES.into_iter().map(|(behaviour, name)| outage(behaviour, name)).collect();
    cases.join_all().await;
}

async fn outage(behaviour: Behaviour, name: &str) {
    let keyed = Keyed::start(Behaviour::Serve).await;
    assert_eq!(keyed.good("before").await.status, 201);
    let before = keyed.keys.fetches(KEYS_PATH);
    keyed.keys.behave(behaviour);
    let unknown = SigningKey::generate("unknown").expect("a key");
    let asked = tokio::spawn(ask(&keyed, "unknown key", &unknown));
    soon(async {
        while keyed.keys.fetches(KEYS_PATH) == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(keyed.good("within the outage").await.status, 201, "{name}: a cached key");
    let answer = soon(asked).await.expect("no panic");
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable"), "{name}: an outage is not the client's fault");
    assert!(answer.retry_after.is_some(), "{name}");
    assert_eq!((keyed.keys.fetches(KEYS_PATH), keyed.forwarded()), (before + 1, 2), "{name}");
    assert_eq!(keyed.keys.fetches(&format!("{ELSEWHERE}{KEYS_PATH}")), 0, "{name}: no redirection is followed");
    assert_eq!(keyed.good("after it").await.status, 201, "{name}: the old set stays");
}

/// Registers with an unknown key, apart from the test.
fn ask(keyed: &Keyed, name: &str, key: &SigningKey) -> impl Future<Output = Answer> + use<> {
    let world = &keyed.gate.world;
    let mut applicant = Applicant::new(world, &format!("{name}, unknown key"));
    let statement = world.statement(&applicant.software).sign(key, Signature::Ps256).expect("a statement");
    applicant.body = body(world, &applicant.software, &statement);
    let address = keyed.gate.address;
    async move { applicant.apply(address).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_an_empty_key_set_keeps_the_old_one() {
    let keyed = Keyed::start(Behaviour::Serve).await;
    assert_eq!(keyed.good("before").await.status, 201);
    keyed.keys.publish_keys(KEYS_PATH, &[]);
    let unknown = SigningKey::generate("unknown").expect("a key");
    assert_eq!(keyed.register("unknown key", &unknown).await.outcome(), (503, "temporarily_unavailable"));
    assert_eq!(keyed.good("after").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_directory_that_is_down_at_the_start_is_503_and_never_the_clients_fault() {
    let keyed = Keyed::start(Behaviour::Fail).await;
    let mut applicant = Applicant::new(&keyed.gate.world, "down at the start");
    for _ in 0..3 {
        let answer = soon(applicant.apply(keyed.gate.address)).await;
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable"));
        assert!(answer.retry_after.is_some());
        applicant.state(&keyed.gate.world, |draft| draft.claim("jti", "another"));
    }
    assert_eq!(keyed.forwarded(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_restart_during_an_outage_works_from_the_disk_copy() {
    let mut keyed = Keyed::start(Behaviour::Serve).await;
    // Whoever asks for an unknown key is answered after what was fetched is on disk.
    let unknown = SigningKey::generate("unknown").expect("a key");
    assert_eq!(keyed.register("unknown key", &unknown).await.status, 400);
    keyed.keys.behave(Behaviour::Fail);
    keyed.gate.restart().await;
    assert_eq!(keyed.good("after the restart").await.status, 201);
    keyed.gate.stop().await;
    std::fs::remove_dir_all(keyed.gate.world.path("data/keys")).expect("the disk copy");
    keyed.gate.restart().await;
    assert_eq!(keyed.good("without a copy").await.outcome(), (503, "temporarily_unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_crash_during_an_outage_works_from_the_disk_copy() {
    let (_home, world, keys) = world(Behaviour::Serve).await;
    let mut program = Program::run(&world.configuration());
    let mut applicant = Applicant::new(&world, "unknown key");
    applicant.state(&world, |draft| draft.header("kid", "unknown"));
    assert_eq!(applicant.apply(program.address).await.status, 400, "and the keys are on disk");
    keys.behave(Behaviour::Hold);
    program.kill();
    let program = Program::run(&world.configuration());
    assert_eq!(soon(Applicant::new(&world, "after").apply(program.address)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_rotation_is_picked_up_within_one_request() {
    let keyed = Keyed::start(Behaviour::Serve).await;
    assert_eq!(keyed.good("before").await.status, 201);
    let next = SigningKey::generate("next").expect("a key");
    keyed.keys.publish_keys(KEYS_PATH, &[next.public_jwk(KeyUse::Signature)]);
    let before = keyed.keys.fetches(KEYS_PATH);
    assert_eq!(keyed.register("after the rotation", &next).await.status, 201);
    assert_eq!(keyed.keys.fetches(KEYS_PATH), before + 1);
    let withdrawn = keyed.good("the withdrawn key").await;
    assert_eq!(withdrawn.outcome(), (400, "invalid_software_statement"), "the directory answered, and has no such key");
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_many_unknown_key_ids_cause_at_most_one_fetch() {
    let keyed = Keyed::start(Behaviour::Serve).await;
    assert_eq!(keyed.good("before").await.status, 201);
    let before = keyed.keys.fetches(KEYS_PATH);
    let (world, address) = (&keyed.gate.world, keyed.gate.address);
    let mut running = tokio::task::JoinSet::new();
    let mut applicant = Applicant::new(world, "unknown key ids");
    for n in 0..40 {
        applicant.state(world, |draft| draft.header("kid", format!("unknown {n}")));
        let applicant = applicant.clone();
        running.spawn(async move { applicant.apply(address).await });
    }
    for answer in soon(running.join_all()).await {
        assert_eq!(answer.outcome(), (400, "invalid_software_statement"));
    }
    assert_eq!(keyed.keys.fetches(KEYS_PATH), before + 1);
    assert_eq!(keyed.good("after").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_the_keys_of_a_software_that_cannot_be_fetched_are_503_and_nothing_is_used_up() {
    let keyed = Keyed::start(Behaviour::Serve).await;
    let applicant = Applicant::new(&keyed.gate.world, "its own keys are away");
    keyed.gate.world.directory.behave(Behaviour::Fail);
    let answer = soon(applicant.apply(keyed.gate.address)).await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable"));
    assert!(answer.retry_after.is_some());
    assert_eq!(keyed.forwarded(), 0);
}
