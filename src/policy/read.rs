//! From files to a [`Policy`], with every fault that they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::cel::{self, Builder, Schema, Uses};
use super::forward::Forward;
use super::gates::{Gates, all_checks};
use super::{Description, Limits, Policy, layers};
use crate::checks::active::Texts;
use crate::checks::{ALL, About, Active, SectorPolicy, Settings, SoftwareKeysPolicy};
use crate::model::document::{Document, Faults, Located, Section, nearest};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Operation;
use crate::model::metadata::{MEMBERS, Member, member};
use crate::model::trace::{Mode, Rule};

mod aliases;
mod forward;
mod rules;
mod subject;

use aliases::read_aliases;
use forward::{finish_forward, read_forward};
use rules::{Names, finish_rules, read_rules};
use subject::{finish_subject, read_subject};

/// Characters of a message or hint: one or two sentences.
const MAX_TEXT: usize = 300;

/// Settings that every check has.
pub(super) const COMMON: &[&str] = &["clause", "error", "mode", "on", "message", "hint"];

/// What stands at `mode`: `off` takes away what an extended policy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    On(Mode),
    Off,
}

const SWITCHES: &[(&str, Switch)] =
    &[("enforce", Switch::On(Mode::Enforce)), ("shadow", Switch::On(Mode::Shadow)), ("off", Switch::Off)];

/// Reads a policy.
///
/// `read` gives the text of a file that the policy builds on, or why it cannot: what `extends` says is
/// resolved to a path that starts where `name` starts. `params` are the deployment's parameters. Every fault is recorded; the policy is
/// there when none is an error.
pub fn compile(
    name: &str,
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
    params: &Map<String, Value>,
    faults: &Faults,
) -> Option<Policy> {
    compile_documents(&layers::load(name, text, read, faults), params, faults)
}

/// Makes a policy of the files of a chain, nearest first.
pub(super) fn compile_documents(
    documents: &[Document],
    params: &Map<String, Value>,
    faults: &Faults,
) -> Option<Policy> {
    let roots: Vec<Section<'_>> = documents.iter().map(|document| document.root(faults)).collect();
    let params = layers::parameters(&roots, params, faults);
    let compute = |text: &Located<String>| cel::constant(text, &params, faults);
    let root = Settings::new(roots, &compute, faults);
    root.json("extends");

    let about = Description {
        id: required(&root, "id"),
        version: required(&root, "version"),
        title: required(&root, "title"),
        spec: required(&root, "spec"),
        digest: layers::digest(documents, &params),
    };
    let default = Defaults {
        mode: root.word("mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)]).unwrap_or(Mode::Enforce),
        operations: operations(&root),
    };
    let claims = root.texts("claims");

    let Checks { gates, active: checks, software_keys, sector } = read_checks(root.section("checks"), &default);

    let signed = gates.request().is_some();
    let aliases = read_aliases(root.section("aliases"), claims.as_deref());
    let (members, spellings) = aliases.names();
    let schema = Schema { params: &params, claims: claims.as_deref(), signed, aliases: (&members, &spellings) };
    let mut builder = Builder::new(schema, faults);
    read_lets(&root, &mut builder);
    let drafts = read_rules(&root, &compute, &default, &mut builder);
    let forward = read_forward(&root, &mut builder);
    if !root.section("checks").section("statement").section("signature").is_there() {
        let (from_statement, subject) = (root.section("forward").section("from_statement"), root.section("subject"));
        if from_statement.is_there() {
            needs_statement("`[forward.from_statement]`", &from_statement);
        }
        for claim in ["organisation", "organisation_name", "software"] {
            if subject.json(claim).is_some() {
                needs_statement(&format!("`{claim}` of `[subject]`"), &subject);
            }
        }
    }
    let subject = read_subject(&root, &mut builder);
    super::lint::read(root.section("lint"));
    root.finish();
    let mut compiled = builder.finish();

    let names = Names::of(&checks);
    let rulings = finish_rules(drafts, &mut compiled, &names, faults);
    let forward = finish_forward(forward, &mut compiled);
    let subject = finish_subject(subject, &mut compiled);
    let library = compiled.library;
    if faults.any_error() {
        return None;
    }

    let mut uses = Uses::default();
    for ruling in &rulings {
        ruling.codes().for_each(|code| uses.add(&library.uses(code)));
    }
    subject.roles.iter().for_each(|code| uses.add(&library.uses(code)));
    let mut forward = Forward { signed, ..forward };
    let mut early = Uses::default();
    forward.codes().for_each(|code| early.add(&library.uses(code)));
    forward.uses = early;
    Some(Policy {
        about,
        gates,
        software_keys,
        sector,
        checks,
        rulings,
        aliases,
        forward,
        subject,
        library,
        uses,
        limits: limits(),
    })
}

/// Reads what a policy builds on and lets it go, so that a caller can keep the texts for [`compile`], which
/// tells every fault.
pub fn follow(name: &str, text: &str, read: &dyn Fn(&str) -> Result<String, String>) {
    layers::load(name, text, read, &Faults::new());
}

/// What holds for every check and rule that does not say otherwise.
struct Defaults {
    mode: Mode,
    operations: Option<Vec<Operation>>,
}

fn required(root: &Settings<'_>, key: &str) -> Arc<str> {
    root.require(key);
    let text = root.text(key);
    if let Some(text) = &text
        && (text.value.is_empty() || text.value.contains(char::is_control))
    {
        root.faults().error(Some(&text.place), format!("`{key}` has to be a line of text"), None);
    }
    text.map_or_else(|| "".into(), |text| text.value.into())
}

fn operations(settings: &Settings<'_>) -> Option<Vec<Operation>> {
    let place = settings.json("on")?.place;
    let words = settings.texts("on")?;
    let known = || Operation::ALL.into_iter().map(Operation::as_str);
    let find = |word: &String| Operation::ALL.into_iter().find(|known| known.as_str() == word);
    if let Some(unknown) = words.iter().find(|word| find(word).is_none()) {
        let help = format!("known operations: {}", known().collect::<Vec<_>>().join(", "));
        settings.faults().error(Some(&place), format!("unknown operation `{unknown}`"), Some(help));
    }
    Some(words.iter().filter_map(find).collect())
}

/// Where statements are not verified, whatever looks at one would look at nothing, and let everything pass.
fn needs_statement(what: &str, settings: &Settings<'_>) {
    let message = format!("{what} needs `[checks.statement.signature]`");
    settings.faults().error(settings.place().as_ref(), message, None);
}

/// The policy's own words for a check, a gate or a rule.
pub(super) fn texts_of(settings: &Settings<'_>) -> Texts {
    let public = |key: &str| settings.text(key).and_then(|text| told(settings.faults(), key, text));
    let error = settings.text("error").and_then(|text| match ErrorCode::parse(&text.value) {
        Ok(code) => Some(code),
        Err(why) => {
            settings.faults().error(Some(&text.place), why.to_string(), None);
            None
        }
    });
    Texts { clause: public("clause"), error, message: public("message"), hint: public("hint") }
}

/// A text that callers may be told (RFC 6749 §5.2).
fn told(faults: &Faults, key: &str, text: Located<String>) -> Option<Arc<str>> {
    let fits = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if text.value.bytes().all(fits) && text.value.len() <= MAX_TEXT {
        return Some(text.value.into());
    }
    let help =
        format!("callers are told this: at most {MAX_TEXT} ASCII characters without quotes (\") and backslashes");
    faults.error(Some(&text.place), format!("`{key}` has characters that an answer cannot carry"), Some(help));
    None
}

/// `[checks]`.
struct Checks {
    gates: Gates,
    active: Vec<Active>,
    software_keys: Option<SoftwareKeysPolicy>,
    sector: Option<SectorPolicy>,
}

fn read_checks(checks: Settings<'_>, default: &Defaults) -> Checks {
    let mut groups: BTreeMap<&str, Settings<'_>> = BTreeMap::new();
    let mut all: BTreeMap<&'static str, Settings<'_>> = BTreeMap::new();
    for about in all_checks() {
        let (group, name) = about.id.split_once('.').unwrap_or((about.id, ""));
        let group = groups.entry(group).or_insert_with(|| checks.section(group));
        all.insert(about.id, group.section(name));
    }
    let faults = checks.faults();
    let gates = Gates::read(&all);
    let verifies = all.get("statement.signature").is_some_and(Settings::is_there);
    let mut on = Vec::new();
    let mut off = Vec::new();
    for check in ALL {
        let about = check.about();
        let Some(settings) = all.get_mut(about.id).filter(|settings| settings.is_there()) else { continue };
        let Switch::On(mode) = settings.word("mode", SWITCHES).unwrap_or(Switch::On(default.mode)) else {
            off.push(about);
            continue;
        };
        let operations = operations(settings).or_else(|| default.operations.clone());
        if mode == Mode::Enforce {
            settings.set_enforced(operations.clone().unwrap_or_else(|| about.operations.to_vec()));
        }
        on.push((check, mode, operations));
    }
    let mut active = Vec::new();
    for (check, mode, operations) in on {
        let about = check.about();
        let Some(settings) = all.get(about.id) else { continue };
        let texts = texts_of(settings);
        if !verifies && check.reads_statement(settings) {
            needs_statement(&format!("`{}`", about.id), settings);
        }
        if let Some(judge) = check.configure(settings, &all) {
            active.push(Active::new(about, mode, texts, operations, judge));
        }
    }
    let is_on = |id: &str| {
        all.get(id).filter(|settings| settings.is_there() && !off.iter().any(|about: &&About| about.id == id))
    };
    let sector = is_on("metadata.sector").and_then(SectorPolicy::read);
    let encryption =
        is_on("keys.encryption").and_then(|settings| Some((settings, SoftwareKeysPolicy::read(settings)?)));
    let request = gates.request().map(|request| &request.keys);
    if let (Some((settings, own)), Some(other)) = (&encryption, request)
        && own != other
    {
        let message = "`keys.encryption` and `request.signature` name different key sets";
        let help = "one key set of the software is fetched: give both the same `claim` and `fetch_hosts`";
        faults.error(settings.place().as_ref(), message, Some(help.to_owned()));
    }
    let software_keys = encryption.map(|(_, own)| own).or_else(|| request.cloned());
    for about in off {
        // A check that is off may be left with its settings, which nobody reads; a word that it never had is a slip.
        let known = COMMON.iter().copied().chain(about.settings.iter().map(|(name, _)| *name));
        let layers = all.get(about.id).map_or(&[][..], Settings::layers);
        known.for_each(|name| layers.iter().for_each(|layer| _ = layer.has(name)));
    }
    all.into_values().for_each(Settings::finish);
    groups.into_values().for_each(Settings::finish);
    checks.finish();
    Checks { gates, active, software_keys, sector }
}

/// `[let]` of the chain: the farthest file first, a name that comes again in its first place.
fn read_lets(root: &Settings<'_>, builder: &mut Builder<'_>) {
    let mut lets: Vec<(Located<String>, Located<String>)> = Vec::new();
    for layer in root.layers().iter().rev() {
        for (name, text) in layer.section("let").iter().flat_map(Section::text_entries) {
            match lets.iter_mut().find(|(known, _)| known.value == name.value) {
                Some(known) => *known = (name, text),
                None => lets.push((name, text)),
            }
        }
    }
    lets.into_iter().for_each(|(name, text)| builder.named(name, text));
}

fn limits() -> Limits {
    let rule = |id: &str, error, message: &str| {
        let hint = Some(format!("lists may have {} entries", cel::MAX_LIST).into());
        let (id, message) = (id.into(), message.into());
        Arc::new(Rule { id, clause: "".into(), mode: Mode::Enforce, error, field: None, message, hint })
    };
    Limits {
        request: rule("limits.request", ErrorCode::InvalidClientMetadata, "a list in the request is too long"),
        evidence: rule(
            "limits.evidence",
            ErrorCode::InvalidSoftwareStatement,
            "a list in the software statement or token is too long",
        ),
    }
}

fn known_member(name: &Located<String>, faults: &Faults) -> Option<&'static Member> {
    let found = member(&name.value);
    if found.is_none() {
        let help = nearest(&name.value, MEMBERS.iter().map(|member| member.name))
            .map(|word| format!("did you mean `{word}`?"));
        faults.error(Some(&name.place), format!("`{}` is not client metadata", name.value), help);
    }
    found
}
