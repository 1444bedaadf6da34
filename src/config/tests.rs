//! Configurations in a folder of their own: the deployed sample, every refusal, every agreement.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use super::*;
use crate::config::selection::PolicyChoice;
use crate::model::document::Severity;

/// A folder with everything that [`GOOD`] names.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// With `dcrgate.toml` holding this text.
    pub(crate) fn with(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in FILES {
            folder.write(name, name);
        }
        folder.write("store.key", &"5e".repeat(32));
        folder.write("dcrgate.toml", text);
        folder
    }

    /// Writes another file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        if name.ends_with(".key") {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// The configuration file.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("dcrgate.toml")
    }

    pub(crate) fn load(&self) -> Result<Loaded, LoadError> {
        Settings::load_with(&self.path(), &|name| (name == "TEST_KEY").then(|| OsString::from("from the environment")))
    }

    /// The settings, which have no fault.
    pub(crate) fn settings(&self) -> Settings {
        self.load().unwrap().settings
    }

    /// Line, severity and text of every problem.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = match self.load() {
            Ok(loaded) => loaded.warnings,
            Err(LoadError::Invalid(problems)) => problems,
            Err(error) => panic!("{error}"),
        };
        problems.iter().map(told).collect()
    }
}

fn told(problem: &Problem) -> String {
    let line = problem.place.as_ref().map_or_else(|| "-".to_owned(), |place| place.line().to_string());
    let severity = if problem.severity == Severity::Warning { "warning: " } else { "" };
    let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    format!("{line}: {severity}{}{help}", problem.message)
}

const FILES: &[&str] = &["chain.pem", "server.key", "anchors.pem", "policy.toml", "keys.jwks"];

/// A small configuration without a fault.
pub(crate) const GOOD: &str = r#"[listeners.public]
address = "127.0.0.1:0"
certificates = [{ chain = "chain.pem", key = { file = "server.key" } }]
[hosts."gate.example"]
public_base = "https://gate.example"
[authorities.scheme]
anchors = "anchors.pem"
[key_sets.directory]
file = "keys.jwks"
[upstreams.idp]
url = "http://127.0.0.1:3000"
[policies.scheme]
file = "policy.toml"
authorities = ["scheme"]
key_sets = { statement = "directory" }
params = { level = { depth = 2 } }
[store]
sqlite = "dcrgate.db"
sealing_key = { file = "store.key" }
[[routes]]
path = "/register"
kind = "registration"
upstream = "idp"
to = "/reg"
policy = "scheme"
"#;

/// The problems of [`GOOD`] with one piece replaced.
pub(crate) fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    Folder::with(&GOOD.replacen(from, to, 1)).problems()
}

/// The problems of [`GOOD`] with more text; lines count from its end.
pub(crate) fn extended(more: &str) -> Vec<String> {
    Folder::with(&format!("{GOOD}{more}")).problems()
}

#[test]
fn a_small_configuration_is_read_whole() {
    let folder = Folder::with(GOOD);
    let Loaded { settings, warnings } = folder.load().unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let listener = &settings.listeners["public"];
    assert_eq!(listener.certificates[0].key.expose(), b"server.key");
    let route = &settings.routes[0];
    assert_eq!(
        (route.listeners.as_slice(), route.hosts.as_slice()),
        (&["public".to_owned()][..], &["gate.example".to_owned()][..])
    );
    let registration = route.registration().unwrap();
    assert_eq!(registration.policy, PolicyChoice::One("scheme".to_owned()));
    assert_eq!(registration.body_bytes, 64 * 1024);
    let policy = &settings.policies["scheme"];
    assert_eq!(policy.text, "policy.toml");
    assert_eq!(policy.params["level"]["depth"], 2);
    assert_eq!(policy.key_sets["statement"], "directory");
    assert_eq!(settings.store.as_ref().unwrap().sealing_key.as_ref().unwrap().expose(), [0x5e; 32]);
    assert_eq!(settings.limits, Limits::default());
    assert_eq!(settings.watched_files().count(), FILES.len() + 2);
}

#[test]
fn the_digest_follows_every_file() {
    let folder = Folder::with(GOOD);
    let digest = || folder.load().unwrap().settings.digest();
    let before = digest();
    assert_eq!(before, digest());
    for name in FILES.iter().chain(&["store.key"]) {
        let earlier = digest();
        folder.write(name, &"another content of at least 32 bytes: ".repeat(2));
        assert_ne!(digest(), earlier, "{name}");
    }
}

#[test]
fn policies_bring_their_bases() {
    let folder = Folder::with(GOOD);
    folder.write("policy.toml", "extends = \"packs/family\"\n");
    folder.write("packs/family.toml", "extends = \"standard.toml\"\n");
    folder.write("packs/standard.toml", "extends = \"missing\"\n");
    let settings = folder.load().unwrap().settings;
    let policy = &settings.policies["scheme"];
    assert_eq!(policy.base("packs/family.toml").unwrap(), "extends = \"standard.toml\"\n");
    assert_eq!(policy.base("packs/standard.toml").unwrap(), "extends = \"missing\"\n");
    assert_eq!(policy.base("packs/missing.toml").unwrap_err(), "no such file");
    assert!(settings.watched_files().any(|path| path.ends_with("packs/standard.toml")));
    folder.write("packs/standard.toml", "extends = \"standard.toml\"\n");
    assert!(folder.load().is_ok(), "a loop is for the compiler to refuse");
}

#[test]
fn what_is_not_built_is_refused() {
    let listener = "address = \"127.0.0.1:0\"";
    let upstream = "url = \"http://127.0.0.1:3000\"";
    let proxy = "[[routes]]\npath = \"/p\"\nkind = \"proxy\"\nupstream = \"idp\"\n";
    for (found, expected) in [
        (
            changed(listener, &format!("{listener}\ntrusted_proxies = [\"10.0.0.1\"]")),
            "3: `trusted_proxies` is not built yet",
        ),
        (
            changed("[key_sets", "revocation = { crl = \"http://x.example/a.crl\" }\n[key_sets"),
            "8: fetching a `crl` is not built yet (have a timer fetch the list into a file, and name the file)",
        ),
        (changed("[key_sets", "revocation = { ocsp = true }\n[key_sets"), "8: `ocsp` is not built yet"),
        (
            changed(upstream, &format!("{upstream}\nprofile = \"curity\"")),
            "12: this `profile` is not built yet (built: generic, oidc-provider, keycloak, glewlwyd, \
             django-oauth-toolkit, lemonldap-ng, canaille)",
        ),
        (changed(upstream, &format!("{upstream}\nhttp = \"2\"")), "12: this `http` is not built yet (built: 1.1)"),
        (
            changed(upstream, &format!("{upstream}\nheaders = {{ certificate = \"xfcc\" }}")),
            "12: this `certificate` is not built yet (built: rfc9440, none)",
        ),
        (
            changed("kind = \"registration\"", "kind = \"token\""),
            "22: this `kind` is not built yet (built: registration, management, proxy, deny, discovery)",
        ),
        (extended(&format!("{proxy}upgrade = \"websocket\"\n")), "30: `upgrade` is not built yet"),
        (extended("[admin]\naddress = \"127.0.0.1:9080\"\n"), "26: `admin` is not built yet"),
    ] {
        assert_eq!(found, [expected]);
    }
}

#[test]
fn unknown_names_find_the_nearest() {
    for (found, expected) in [
        (
            changed("authorities = [\"scheme\"]", "authorities = [\"sheme\"]"),
            "14: unknown authority `sheme` (did you mean `scheme`?)",
        ),
        (changed("\"directory\" }", "\"keys\" }"), "15: unknown key set `keys` (known: directory)"),
        (changed("upstream = \"idp\"", "upstream = \"ipd\""), "23: unknown upstream `ipd` (did you mean `idp`?)"),
        (
            changed("policy = \"scheme\"\n", "policy = \"schema\"\n"),
            "25: unknown policy `schema` (did you mean `scheme`?)",
        ),
        (extended("hosts = [\"gate.exmaple\"]\n"), "26: unknown host `gate.exmaple` (did you mean `gate.example`?)"),
        (extended("listeners = \"publik\"\n"), "26: unknown listener `publik` (did you mean `public`?)"),
        (extended("polcy = \"scheme\"\n"), "26: unknown key `polcy` (did you mean `policy`?)"),
        (
            changed("\"chain.pem\"", "\"chian.pem\""),
            "3: cannot read `chian.pem`: no such file (did you mean `chain.pem` in the same folder?)",
        ),
        (
            changed("kind = \"registration\"", "kind = \"registeration\""),
            "22: `kind` does not know this word (did you mean `registration`?)",
        ),
    ] {
        assert_eq!(found, [expected]);
    }
}

#[test]
fn the_deployed_sample_is_good() {
    let sample = include_str!("../../deploy/dcrgate.toml");
    let folder = Folder::with(&sample.replace("DCRGATE_EC_KEY", "TEST_KEY"));
    for name in sample.split('"').filter(|text| text.starts_with("certs/") || text.starts_with("policies/")) {
        folder.write(name, &"5e".repeat(32));
    }
    assert_eq!(folder.problems(), [""; 0]);
    let shown = |folder: &Folder| {
        let mut settings = folder.load().unwrap().settings;
        settings.read.clear();
        format!("{settings:#?}")
    };
    let as_written = shown(&folder);
    folder.write("dcrgate.toml", &with_defaults(sample).replace("DCRGATE_EC_KEY", "TEST_KEY"));
    assert_eq!(folder.problems(), [""; 0]);
    assert_eq!(shown(&folder), as_written, "what is behind `#` is the default");
}

/// The sample with every `# key = value` made active, but for the alternatives.
fn with_defaults(sample: &str) -> String {
    let alternatives = [
        "client_auth",
        "cors",
        "file",
        "max_concurrent",
        "proxy",
        "roots",
        "policies",
        "registration",
        "tokens",
        "connections_per_address",
        "workers",
        "postgres",
        "tls",
        "lease",
    ];
    let key = regex::Regex::new("(?m)^# ([a-z_]+)( = )").unwrap();
    let active = |found: &regex::Captures<'_>| match &found[1] {
        name if alternatives.contains(&name) => found[0].to_owned(),
        name => format!("{name}{}", &found[2]),
    };
    key.replace_all(sample, active).into_owned()
}

#[test]
fn the_deployed_sample_shows_every_key() {
    let sources = [
        include_str!("mod.rs"),
        include_str!("clients.rs"),
        include_str!("cors.rs"),
        include_str!("credentials.rs"),
        include_str!("discovery.rs"),
        include_str!("files.rs"),
        include_str!("limits.rs"),
        include_str!("management.rs"),
        include_str!("listeners.rs"),
        include_str!("policies.rs"),
        include_str!("records.rs"),
        include_str!("routes.rs"),
        include_str!("selection.rs"),
        include_str!("tokens.rs"),
        include_str!("trust.rs"),
        include_str!("upstreams.rs"),
    ];
    let readers = "(?:section|root|table|choice)\\.[a-z_]+\\(|texts\\(|[a-z]\\(\\s*&?(?:section|table|choice),\\s*";
    let read = regex::Regex::new(&format!("(not_built\\()?(?:{readers})\"([a-z0-9_]+)\"")).unwrap();
    let sample = include_str!("../../deploy/dcrgate.toml");
    let shown = |key: &str| regex::Regex::new(&format!("(?m)(^|[ {{.\\[]){key}( =|\\.|\\])")).unwrap().is_match(sample);
    let known: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| read.captures_iter(source))
        .filter_map(|found| Some(found.get(2)?.as_str()))
        .filter(|key| !NOT_BUILT.contains(key))
        .collect();
    assert!(known.len() > 60, "{known:?}");
    let hidden: Vec<&&str> = known.iter().filter(|key| !shown(key)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

const NOT_BUILT: &[&str] = &["admin", "postgres", "upgrade"];

#[test]
fn secrets_are_never_printed() {
    let key = "0123456789abcdef0123456789abcdef";
    let folder = Folder::with(&GOOD.replace("{ file = \"server.key\" }", "{ env = \"TEST_KEY\" }"));
    folder.write("store.key", key);
    let settings = folder.load().unwrap().settings;
    let printed = format!("{settings:?}{settings:#?}");
    assert!(!printed.contains(key) && !printed.contains("from the environment"));
    assert!(!printed.contains(&format!("{:?}", key.as_bytes())));
    assert_eq!(settings.listeners["public"].certificates[0].key.expose(), b"from the environment");
}

#[test]
fn secrets_in_the_file_are_refused_without_their_line() {
    for inline in ["\"hunter2\"", "{ value = \"hunter2\" }", "{ file = \"server.key\", value = \"hunter2\" }"] {
        let found = changed("{ file = \"server.key\" }", inline);
        assert_eq!(
            found,
            ["-: line 3: `listeners.public.certificates[0].key` holds a secret in the file itself \
              (write `{ file = \"…\" }` or `{ env = \"…\" }`)"]
        );
    }
    let found = changed("http://127", "http://admin:hunter2@127");
    assert_eq!(
        found,
        ["-: line 11: `upstreams.idp.url` holds a secret in the file itself (a URL has no place for credentials here)"]
    );
}

#[test]
fn a_store_is_one_database_and_a_url_is_not_told() {
    let url = |url: &str, more: &str| {
        let store = format!("postgres = {{ file = \"url.key\" }}{more}");
        let folder = Folder::with(&GOOD.replacen("sqlite = \"dcrgate.db\"", &store, 1));
        folder.write("url.key", url);
        folder.problems()
    };
    let server = "postgres://gate:secret@db.example/dcr";
    assert_eq!(
        url(server, "\nlease = \"1m\"\nkey_copies = \"keys\"\ntls = { roots = \"anchors.pem\" }"),
        Vec::<String>::new()
    );
    let wrong = "write `sslmode=require`, which verifies the server, or `sslmode=disable`";
    for (found, expected) in [
        (
            url(server, "\nsqlite = \"dcrgate.db\""),
            "18: `sqlite` and `postgres` are both given (keep one: `sqlite` serves one proxy, `postgres` several)"
                .to_owned(),
        ),
        (
            url("mysql://gate:secret@db.example/dcr", ""),
            "18: this is no PostgreSQL URL (postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require)".to_owned(),
        ),
        (
            url(&format!("{server}?sslmode=prefer"), ""),
            format!("18: `sslmode` is `prefer` or `allow`, which whoever stands between can switch off ({wrong})"),
        ),
        (
            changed("sqlite = \"dcrgate.db\"", "sqlite = \"dcrgate.db\"\nlease = \"1m\""),
            "19: `lease` is for PostgreSQL; an SQLite file has none".to_owned(),
        ),
    ] {
        assert_eq!(found, [expected]);
    }
    let short = url(server, "\nlease = \"1s\"");
    assert!(short.len() == 1 && short[0].starts_with("19: "), "{short:?}");
    let folder = Folder::with(&format!(
        "{}[audit]\nreserve = 1000\n",
        GOOD.replacen("sqlite = \"dcrgate.db\"", "postgres = { file = \"url.key\" }", 1)
    ));
    folder.write("url.key", server);
    assert_eq!(
        folder.problems(),
        ["27: `reserve` keeps room beside an SQLite file, and the store is PostgreSQL (leave it out: the disk of a \
          PostgreSQL server is watched where the server is)"]
    );
}
