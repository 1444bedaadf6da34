//! How each lint is found. Only what is certain from the text of the policy.

use serde_json::Value;

use super::super::effective::{Effective, Entry, Table};
use super::{
    ALGORITHMS_WEAK, BINDING_NONE, CERTIFICATE_OPTIONAL, Finding, HOSTS_BROAD, KEYS_BY_VALUE, Lint,
    REDIRECTS_UNCHECKED, REGISTRATION_OPEN, SCOPES_ANY, SHADOW_ALL, STATEMENT_AGE, STATEMENT_OPTIONAL,
    STATEMENT_REPLAY, UNSIGNED,
};
use crate::checks::ALL;

/// Everything, in the order of the registry.
pub(super) fn of(policy: &Effective) -> Vec<Finding> {
    let look = Look { policy };
    let mut found = Vec::new();
    let has_statement = look.on("statement.signature").is_some();
    let is_signed = look.on("request.signature").is_some();
    let is_own_signature = look.says("statement.signature", "signer", &Value::from("certificate"));
    let has_token = look.enforced("token.present");
    found.extend((!has_statement && !is_signed).then(|| whole(&UNSIGNED)));
    found.extend((has_statement && !is_signed && !is_own_signature && !look.binds()).then(|| whole(&BINDING_NONE)));
    let optional = look.policy.setting("statement.present", "required").filter(|entry| entry.came_to == false);
    if let Some(entry) = look.policy.setting("certificate.trusted", "required")
        && entry.came_to == false
        && !(is_signed || is_own_signature || has_token)
    {
        found.push(at(&CERTIFICATE_OPTIONAL, String::new(), entry));
    }
    if has_statement {
        found.extend(optional.map(|entry| at(&STATEMENT_OPTIONAL, String::new(), entry)));
    }
    let expires =
        look.enforced("statement.validity") && look.says("statement.validity", "require_exp", &Value::Bool(true));
    found.extend((has_statement && !expires && !look.enforced("statement.age")).then(|| whole(&STATEMENT_AGE)));
    let request_once =
        look.enforced("request.claims") && !look.says("request.claims", "single_use", &Value::Bool(false));
    found.extend(
        (has_statement && !request_once && !look.enforced("statement.single-use")).then(|| whole(&STATEMENT_REPLAY)),
    );
    found.extend(look.weak_algorithms());
    if has_statement {
        found.extend(look.keys_by_value());
    }
    let redirects = look.enforced("redirects.form") || look.enforced("redirects.statement");
    found.extend((!redirects).then(|| whole(&REDIRECTS_UNCHECKED)));
    found.extend(look.lists("hosts", Look::is_check_on).into_iter().filter_map(|(entry, items)| {
        let broad = items.into_iter().find(|host| is_broad(host))?;
        Some(at(&HOSTS_BROAD, format!("`{broad}` in `{}`", entry.key), entry))
    }));
    found.extend(
        look.lists("scope", |_, table| table.name == "params" || table.name.starts_with("forward"))
            .into_iter()
            .filter_map(|(entry, items)| {
                let any = items.into_iter().find(|scope| scope.split(' ').any(|word| word == "*"))?;
                Some(at(&SCOPES_ANY, format!("`{any}` in `{}`", entry.key), entry))
            }),
    );
    let is_guarded = has_statement && optional.is_none() || has_token || look.enforced("registration.quota");
    found.extend((!is_guarded).then(|| whole(&REGISTRATION_OPEN)));
    found.extend((look.is_all_shadow()).then(|| whole(&SHADOW_ALL)));
    found
}

/// About what the policy does not say.
const fn whole(lint: &'static Lint) -> Finding {
    Finding { lint, what: String::new(), place: None, accepted: None }
}

fn at(lint: &'static Lint, what: String, entry: &Entry) -> Finding {
    Finding { lint, what, place: entry.place.clone(), accepted: None }
}

/// `*` anywhere, nothing at all, or one label, such as a top-level domain; this machine is one host.
fn is_broad(host: &str) -> bool {
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host });
    let is_one_host = name.starts_with('[') || name == "localhost";
    let labels = name.split('.').filter(|label| !label.is_empty()).count();
    host.contains('*') || (labels < 2 && !is_one_host)
}

/// Reads a policy as the compiler does, defaults included.
struct Look<'e> {
    policy: &'e Effective,
}

impl<'e> Look<'e> {
    /// The settings of a check or gate that is on.
    fn on(&self, check: &str) -> Option<&'e Table> {
        self.policy.table(&format!("checks.{check}")).filter(|table| self.policy.mode_of(table) != "off")
    }

    /// Whether a check is on and refuses.
    fn enforced(&self, check: &str) -> bool {
        self.on(check).is_some_and(|table| self.refuses(table))
    }

    fn refuses(&self, table: &Table) -> bool {
        self.policy.mode_of(table) == "enforce"
    }

    fn says(&self, check: &str, key: &str, value: &Value) -> bool {
        self.policy.setting(check, key).is_some_and(|entry| entry.came_to == *value)
    }

    fn rules(&self) -> impl Iterator<Item = &'e Table> {
        self.policy.rules.iter().filter(|rule| self.policy.mode_of(rule) != "off")
    }

    /// Whether a check or a rule compares the certificate with the statement.
    fn binds(&self) -> bool {
        self.enforced("certificate.software")
            || self.rules().filter(|rule| self.refuses(rule)).any(|rule| {
                let words = self.policy.words_of(rule.text("require").unwrap_or_default());
                ["cert", "ssa"].iter().all(|fact| words.contains(*fact))
            })
    }

    fn weak_algorithms(&self) -> Vec<Finding> {
        let root = self.policy.table("");
        let names_fapi = ["title", "spec"]
            .iter()
            .any(|key| root.and_then(|root| root.text(key)).is_some_and(|text| text.contains("FAPI")));
        let lists = [
            ("statement.signature", "algorithms"),
            ("request.signature", "algorithms"),
            ("client.algorithms", "signature"),
        ];
        let weak =
            lists.iter().filter(|(check, _)| names_fapi && self.on(check).is_some()).filter_map(|(check, key)| {
                let entry = self.policy.setting(check, key)?;
                let allowed = |name: &str| matches!(name, "PS256" | "ES256" | "EdDSA" | "Ed25519");
                let other = texts(&entry.came_to).into_iter().find(|name| !allowed(name))?;
                Some(at(&ALGORITHMS_WEAK, format!("`{other}` in [checks.{check}]"), entry))
            });
        weak.collect()
    }

    fn keys_by_value(&self) -> Option<Finding> {
        if !self.forwards_of_request("jwks")
            || self.enforced("keys.encryption")
            || self.on("request.signature").is_some()
        {
            return None;
        }
        let entry = self.policy.setting("keys.source", "by_value");
        if self.enforced("keys.source") && entry.is_some_and(|entry| entry.came_to == "refuse") {
            return None;
        }
        let place = entry.and_then(|entry| entry.place.clone());
        Some(Finding { lint: &KEYS_BY_VALUE, what: String::new(), place, accepted: None })
    }

    /// Whether the identity server may get this member as the client sent it.
    fn forwards_of_request(&self, member: &str) -> bool {
        let of = |table: &str, key: &str| self.policy.table(table).and_then(|table| table.entry(key));
        let is_dropped = of("forward", "drop").is_some_and(|entry| texts(&entry.came_to).contains(&member));
        let is_computed = || ["forward.derived", "forward.replaced"].iter().any(|table| of(table, member).is_some());
        let drops_all = of("forward", "request").is_some_and(|entry| entry.came_to == "drop");
        !is_dropped && (!drops_all || is_computed())
    }

    /// Lists of texts whose key has this word, in the tables of these; what is within a table counts to it.
    fn lists(&self, word: &str, tables: fn(&Self, &Table) -> bool) -> Vec<(&'e Entry, Vec<&'e str>)> {
        let tables = self.policy.tables.iter().filter(|table| tables(self, table));
        let entries = tables.flat_map(|table| &table.entries).filter(|entry| entry.key.contains(word));
        entries.map(|entry| (entry, texts(&entry.came_to))).collect()
    }

    fn is_check_on(&self, table: &Table) -> bool {
        table.name.strip_prefix("checks.").is_some_and(|check| self.on(check).is_some())
    }

    fn is_all_shadow(&self) -> bool {
        let checks = ALL.iter().filter_map(|check| self.on(check.about().id));
        let all: Vec<&Table> = checks.chain(self.rules()).collect();
        !all.is_empty() && !all.iter().any(|table| self.refuses(table))
    }
}

/// The texts in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
