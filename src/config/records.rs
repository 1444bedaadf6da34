//! `[store]`, `[audit]` and `[log]`: what is kept and what is told.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;

use super::Reading;
use super::files::Secret;
use super::names::check_plain;
use super::upstreams::{self, UpstreamTls};
use super::values::{self, DAY, MINUTE, SECOND};
use crate::model::document::{Place, Section};
use crate::store::{DatabaseUrl, UrlFault};

/// The database of ledger, claims, bindings and stored answers.
#[derive(Debug)]
pub struct Store {
    /// Where it is.
    pub database: Database,
    /// The folder for copies of fetched key sets. Default `keys` beside an SQLite file; with PostgreSQL none.
    pub key_copies: Option<PathBuf>,
    /// Seals stored answers; at least 32 bytes once decoded. There whenever a gated route is.
    pub sealing_key: Option<Secret>,
    /// How long the same request gets the same answer. Default 10 minutes, 1 minute to 1 day: answers hold
    /// secrets, and a client that repeats does it soon.
    pub answer_window: Duration,
    /// Whether registration access tokens are kept, sealed, beside their fingerprints
    /// (`registration_access_tokens = "sealed"`). Default not: then nobody but the client has one.
    pub seals_tokens: bool,
    /// Where the section stands.
    pub place: Place,
}

/// The database that a store is in.
#[derive(Debug)]
pub enum Database {
    /// A file; made when it is missing.
    Sqlite(PathBuf),
    /// A server that several proxies share.
    Postgres(Box<Postgres>),
}

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    /// Where it is; the URL is a secret.
    pub url: DatabaseUrl,
    /// Under which roots, and as whom, where the URL wants TLS.
    pub tls: UpstreamTls,
    /// How long a proxy may show no life before others end what it left open. Default 30 s, 2 s to 10 minutes:
    /// longer than a pause of a process, shorter than a person waits for an answer.
    pub lease: Duration,
    /// Where it is written.
    pub place: Place,
}

/// The ledger's writer and what strangers may cost it.
#[derive(Debug)]
pub struct Audit {
    /// Names this process in the ledger, one name for each. Default `gate-1`.
    pub writer: String,
    /// Bytes of disk kept for admitted decisions. Default 64 MB, up to 1 TB: some 30000 entries.
    pub reserve: usize,
    /// Full records a minute of refusals before a trusted peer or token. Default 600, 1 to 1000000.
    pub strangers_per_minute: usize,
    /// The same for one address. Default 60, 1 to 1000000: beyond it they are counted in a summary.
    pub strangers_per_address_per_minute: usize,
}

/// The operational log; the ledger is another thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Default text.
    pub format: LogFormat,
    /// Default info.
    pub level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least severe level that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something will be.
    Warn,
    /// Decisions and changes of state.
    Info,
    /// Steps, for a search of faults.
    Debug,
    /// Everything.
    Trace,
}

/// Reads `[store]`.
pub(super) fn store(section: Option<Section<'_>>, from: &Reading<'_>) -> Option<Store> {
    let section = section?;
    let database = database(&section, from);
    let written = section.text("key_copies").map(|path| from.files.resolve(&path.value));
    let beside = match &database {
        Some(Database::Sqlite(file)) => file.parent().map(|folder| folder.join("keys")),
        _ => None,
    };
    let key_copies = written.or(beside);
    let sealing_key = from.files.secret(&section, "sealing_key").and_then(|secret| {
        let bytes = key_bytes(secret.expose());
        if bytes.len() < SEALING_KEY_BYTES {
            let help = "openssl rand -hex 32 > store.key";
            let message = format!("the sealing key has less than {SEALING_KEY_BYTES} bytes");
            section.faults().error(Some(&secret.place), message, Some(help.to_owned()));
            return None;
        }
        Some(secret.decoded(bytes))
    });
    let mut answer_window = 10 * MINUTE;
    values::duration(&section, "answer_window", MINUTE..=DAY, &mut answer_window);
    let mut seals_tokens = false;
    let kept = &[("fingerprint", Some(false)), ("sealed", Some(true))];
    values::word(&section, "registration_access_tokens", kept, &mut seals_tokens);
    let place = section.place();
    section.finish();
    Some(Store { database: database?, key_copies, sealing_key, answer_window, seals_tokens, place })
}

/// One of `sqlite` and `postgres`, with what belongs to the latter.
fn database(section: &Section<'_>, from: &Reading<'_>) -> Option<Database> {
    let file = section.text("sqlite").map(|path| from.files.resolve(&path.value));
    let mut lease = 30 * SECOND;
    values::duration(section, "lease", 2 * SECOND..=10 * MINUTE, &mut lease);
    let tls = section.section("tls").map(|tls| upstreams::tls(tls, from)).unwrap_or_default();
    if !section.has("postgres") {
        section.require("sqlite");
        for key in ["lease", "tls"].into_iter().filter(|key| section.has(key)) {
            let message = format!("`{key}` is for PostgreSQL; an SQLite file has none");
            section.faults().error(Some(&section.place_of_key(key)), message, None);
        }
        return file.map(Database::Sqlite);
    }
    let place = section.place_of_key("postgres");
    if section.has("sqlite") {
        let help = "keep one: `sqlite` serves one proxy, `postgres` several";
        section.faults().error(Some(&place), "`sqlite` and `postgres` are both given", Some(help.to_owned()));
        return None;
    }
    let secret = from.files.secret(section, "postgres")?;
    let url = DatabaseUrl::parse(&String::from_utf8_lossy(secret.expose()));
    let fault = match url {
        Ok(url) => return Some(Database::Postgres(Box::new(Postgres { url, tls, lease, place }))),
        Err(fault) => fault,
    };
    let help = match fault {
        UrlFault::Files => "write `tls = { roots = \"…\", certificate = \"…\", key = { file = \"…\" } }` in `[store]`",
        UrlFault::WeakTls | UrlFault::Mode => {
            "write `sslmode=require`, which verifies the server, or `sslmode=disable`"
        }
        UrlFault::Form | UrlFault::NoHost => "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require",
    };
    section.faults().error(Some(&secret.place), fault.to_string(), Some(help.to_owned()));
    None
}

/// The key that the text means: hexadecimal or base64 if it reads as at least 32 bytes, else the bytes themselves.
fn key_bytes(given: &[u8]) -> Vec<u8> {
    let long_enough = |bytes: &Vec<u8>| bytes.len() >= SEALING_KEY_BYTES;
    let Ok(text) = std::str::from_utf8(given).map(str::trim) else { return given.to_vec() };
    let hex = || {
        let digits: Vec<u8> =
            text.chars().map(|digit| Some(u8::try_from(digit.to_digit(16)?).unwrap_or(0))).collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
    };
    let base64 = || base64::engine::general_purpose::STANDARD.decode(text).ok();
    hex().filter(long_enough).or_else(|| base64().filter(long_enough)).unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Reads `[audit]`.
pub(super) fn audit(section: Option<Section<'_>>) -> Audit {
    let mut audit = Audit {
        writer: "gate-1".to_owned(),
        reserve: 64 << 20,
        strangers_per_minute: 600,
        strangers_per_address_per_minute: 60,
    };
    let Some(section) = section else { return audit };
    if let Some(writer) = section.text("writer") {
        check_plain(&writer, "writer", section.faults());
        audit.writer = writer.value;
    }
    values::count(&section, "reserve", 0..=1 << 40, &mut audit.reserve);
    values::count(&section, "strangers_per_minute", 1..=1_000_000, &mut audit.strangers_per_minute);
    let per_address = &mut audit.strangers_per_address_per_minute;
    values::count(&section, "strangers_per_address_per_minute", 1..=1_000_000, per_address);
    section.finish();
    audit
}

/// Reads `[log]`.
pub(super) fn log(section: Option<Section<'_>>) -> Log {
    let mut log = Log { format: LogFormat::Text, level: LogLevel::Info };
    let Some(section) = section else { return log };
    let formats = [("text", Some(LogFormat::Text)), ("json", Some(LogFormat::Json))];
    values::word(&section, "format", &formats, &mut log.format);
    let levels = [
        ("error", Some(LogLevel::Error)),
        ("warn", Some(LogLevel::Warn)),
        ("info", Some(LogLevel::Info)),
        ("debug", Some(LogLevel::Debug)),
        ("trace", Some(LogLevel::Trace)),
    ];
    values::word(&section, "level", &levels, &mut log.level);
    section.finish();
    log
}

/// The key length of the AEAD that seals answers.
const SEALING_KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::key_bytes;

    #[test]
    fn keys_read_as_hexadecimal_base64_or_raw() {
        assert_eq!(key_bytes("0f".repeat(32).as_bytes()), [15; 32]);
        assert_eq!(key_bytes(b"Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8=\n"), [15; 32]);
        assert_eq!(key_bytes(b"thirty-two-bytes-as-they-stand!!\n"), b"thirty-two-bytes-as-they-stand!!");
        assert_eq!(key_bytes(&[0xff; 32]), [0xff; 32]);
        assert_eq!(key_bytes("0f".repeat(16).as_bytes()).len(), 32, "too short for hexadecimal: raw");
    }
}
