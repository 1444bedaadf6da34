//! The picture: which module stands on which floor, and where each outside crate lives.

/// Floors from below. A module names modules of lower floors, and those of [`ARROWS`].
pub(crate) const FLOORS: &[&[&str]] = &[
    &["model"],
    &["checks", "policy", "headers"],
    &["net", "store"],
    &["tls", "jose", "oauth", "upstream", "audit", "bindings"],
    &["pipeline"],
    &["config", "server", "sandbox", "cli"],
    &["main"],
];

/// Who may name whom within a floor.
pub(crate) const ARROWS: &[(&str, &str)] = &[
    ("policy", "checks"),
    ("headers", "policy"),
    ("headers", "checks"),
    ("upstream", "bindings"),
    ("cli", "sandbox"),
    ("cli", "server"),
    ("cli", "config"),
    ("sandbox", "server"),
    ("sandbox", "config"),
    ("server", "config"),
];

/// Modules of the picture that are not written yet. This list only shrinks.
pub(crate) const NOT_YET: &[&str] = &[];

/// The floors that are pure, by their number in [`FLOORS`]: no async, no I/O, no clock.
pub(crate) const PURE: std::ops::RangeInclusive<usize> = 0..=1;

/// The one reader of the wall clock.
pub(crate) const CLOCK: &str = "src/model/time.rs";

/// Paths that pure floors do not name, and why.
pub(crate) const IMPURE_PATHS: &[(&str, &str)] = &[
    ("tokio", "async belongs to the floors above"),
    ("std::fs", "files are read by the floors above"),
    ("std::net::TcpStream", "sockets belong to the floors above"),
    ("std::net::TcpListener", "sockets belong to the floors above"),
    ("std::net::UdpSocket", "sockets belong to the floors above"),
    ("std::net::ToSocketAddrs", "names are resolved by net"),
    ("std::env", "the environment is read once, by the configuration"),
    ("std::process", "a decision starts and ends no process"),
    ("std::thread", "a decision runs where it is asked for"),
];

/// Where a pure floor names one all the same, and why.
pub(crate) const EXEMPT: &[(&str, &str, &str)] =
    &[("src/policy/cel/compile.rs", "std::thread", "rules are compiled on a thread with a large stack, at load only")];

/// Words that pure floors do not use, and why.
pub(crate) const IMPURE_WORDS: &[(&str, &str)] = &[
    ("async", "a decision waits for nothing: gather first"),
    ("SystemTime", "the time is a value: take a Timestamp"),
    ("Instant", "the time is a value: take a Timestamp"),
];

/// Where a crate may be named: a place begins with one of the homes.
pub(crate) struct Home {
    pub(crate) name: &'static str,
    pub(crate) homes: &'static [&'static str],
    pub(crate) reason: &'static str,
}

const fn home(name: &'static str, homes: &'static [&'static str], reason: &'static str) -> Home {
    Home { name, homes, reason }
}

/// Crates that are replaced by changing one place.
pub(crate) const HOMES: &[Home] = &[
    home("annotate_snippets", &["src/cli/"], "only the command line draws faults under their source"),
    home("cel", &["src/policy/cel"], "its panics, depth and integer types are contained there"),
    home("clap", &["src/cli/"], "arguments are parsed once"),
    home("der", &["src/model/", "src/tls/"], "DER is read into words of the model, and OCSP in tls"),
    home(
        "hyper",
        &["src/upstream/", "src/server/", "src/sandbox/", "src/pipeline/"],
        "HTTP connections end at the surfaces; the pipeline reads a request's body",
    ),
    home("hyper_rustls", &["src/upstream/"], "TLS towards the identity server"),
    home("hyper_util", &["src/upstream/", "src/server/", "src/sandbox/"], "as hyper"),
    home("tower_service", &["src/upstream/"], "the trait of connectors towards the identity server"),
    home("jiff", &["src/model/"], "times are printed and parsed by the model"),
    home("jsonwebtoken", &["src/jose/"], "it ignores crit and typ: the strict reader stands before it"),
    home("mimalloc", &["src/main.rs"], "the program chooses its allocator, the library does not"),
    home("moka", &["src/tls/", "src/jose/", "src/audit/"], "caches that a stranger can fill are bounded, and few"),
    home("rcgen", &["src/sandbox/"], "certificates are made for the demo only"),
    home("regex", &["src/policy/", "src/checks/settings.rs"], "patterns are literals of policies, compiled at load"),
    home("reqwest", &["src/net/"], "outbound fetches are bounded and filtered in one place"),
    home("rusqlite", &["src/store/"], "SQL stays behind whole operations"),
    home(
        "rustls",
        &["src/tls/", "src/net/", "src/upstream/", "src/server/", "src/sandbox/", "src/config/", "src/store/postgres"],
        "TLS is set up by tls and net; plans of listeners and the way to a database hold what they made",
    ),
    home("rustls_native_certs", &["src/net/"], "the system's roots are for outbound fetches, never for clients"),
    home("socket2", &["src/server/"], "listeners are opened by the server"),
    home("strsim", &["src/model/document"], "the nearest known word is found where documents are read"),
    home("tokio_postgres", &["src/store/postgres"], "SQL stays behind whole operations"),
    home(
        "tokio_rustls",
        &["src/tls/", "src/net/", "src/upstream/", "src/server/", "src/sandbox/", "src/store/postgres"],
        "as rustls",
    ),
    home(
        "tokio_util",
        &["src/pipeline/", "src/server/", "src/audit/", "src/config/"],
        "tasks are counted for the drain, and results that are still to come to disk",
    ),
    home("toml", &["src/model/document"], "documents are read with their places by one reader"),
    home("tracing_subscriber", &["src/cli/"], "the program chooses its log, the library does not"),
    home("ulid", &["src/model/id.rs"], "ids of decisions"),
    home(
        "uuid",
        &["src/pipeline/", "src/server/", "src/sandbox/"],
        "x-fapi-interaction-id, and ids of the demo's participants",
    ),
    home("webpki", &["src/tls/"], "paths are judged by tls alone"),
    home("x509_cert", &["src/model/", "src/tls/"], "certificates are read into words of the model, and CRLs in tls"),
];

/// Crates that any module may name: they are vocabulary, not machinery. (Pure floors still
/// keep to [`IMPURE_PATHS`].)
pub(crate) const EVERYWHERE: &[&str] = &[
    "arc_swap",
    "aws_lc_rs",
    "base64",
    "bytes",
    "http",
    "http_body",
    "http_body_util",
    "rustls_pki_types",
    "secrecy",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "tracing",
    "url",
];

/// No file is longer: it would hold two thoughts.
pub(crate) const LONGEST: usize = 400;

/// Names that say nothing of what is inside.
pub(crate) const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];
