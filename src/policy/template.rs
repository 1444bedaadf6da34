//! Templates: what many clients share, and what each of them may say for itself.
//!
//! A request names its template by `software_id` and brings nothing but the
//! members that the template leaves to its instances, so that a client cannot be
//! made from a template and be something else. Laid over the template it is a
//! registration request like any other, for the policy to judge.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::digest::Digest;
use crate::model::document::{Document, Faults, Located, Section};
use crate::model::error_code::ErrorCode;
use crate::model::metadata::{self, Kind};
use crate::model::trace::{Mode, Outcome, Rule, Trace};

/// A template, as its file has it.
#[derive(Debug)]
pub struct Template {
    /// As records name it.
    pub id: String,
    /// As records tell it.
    pub version: String,
    /// For people.
    pub title: String,
    /// What a request says to mean it.
    pub software_id: String,
    /// What becomes of a request.
    pub mode: Passage,
    /// The word that the scope of the initial access token has to hold.
    pub token_scope: Option<String>,
    /// Authorities, one of which has to vouch for the client certificate; empty where none is asked for. With a scope
    /// besides, both are asked for.
    pub authorities: Vec<Located<String>>,
    /// What every client made from it has.
    pub metadata: Map<String, Value>,
    /// What an instance may say for itself, by the names of client metadata.
    pub instance: Vec<String>,
    /// SHA-256 of the text.
    pub digest: Digest,
}

/// What becomes of a request that names a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// All members travel: any identity server will do.
    Expand,
    /// The request travels as it came: the identity server has the template too.
    Pass,
}

impl Passage {
    /// As the file has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Pass => "pass",
        }
    }
}

impl Template {
    /// Reads a file, with every fault of it. `None` when one is an error.
    pub fn read(file: &str, text: &str, faults: &Faults) -> Option<Self> {
        let found = Faults::new();
        let document = Document::parse(file.to_owned(), text.to_owned(), &found);
        let root = document.root(&found);
        let template = template(&root, text);
        root.finish();
        let failed = found.any_error();
        found.into_problems().into_iter().for_each(|problem| faults.push(problem));
        template.filter(|_| !failed)
    }

    /// The request laid over the template, and which members are the instance's own. What the template does not leave
    /// to its instances is written down, each by its name.
    ///
    /// # Errors
    /// When anything was written down.
    pub fn lay(
        &self,
        request: &Map<String, Value>,
        trace: &mut Trace,
    ) -> Result<(Map<String, Value>, Vec<String>), Misplaced> {
        let mut fixed = self.metadata.clone();
        fixed.insert("software_id".to_owned(), Value::String(self.software_id.clone()));
        lay(request, fixed, |name| self.leaves(name), trace)
    }

    /// Whether this member is left to instances.
    pub fn leaves(&self, name: &str) -> bool {
        self.instance.iter().any(|left| left == metadata::base_name(name))
    }

    /// What a client made from it has now: the template's members, and those that were its own.
    pub fn renew(&self, metadata: &Map<String, Value>, own: &[String]) -> Map<String, Value> {
        let mut renewed = self.metadata.clone();
        renewed.insert("software_id".to_owned(), Value::String(self.software_id.clone()));
        for (name, value) in own.iter().filter(|name| self.leaves(name)).filter_map(|name| metadata.get_key_value(name))
        {
            renewed.insert(name.clone(), value.clone());
        }
        renewed
    }
}

/// The request has members that its template does not leave to instances; the trace says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced;

/// The members of a request that are left to it, laid over those that are fixed, and which those are. A member that
/// says again what is fixed changes nothing; whatever else it has is written down, each by its name.
///
/// # Errors
/// When anything was written down.
pub fn lay(
    request: &Map<String, Value>,
    fixed: Map<String, Value>,
    leaves: impl Fn(&str) -> bool,
    trace: &mut Trace,
) -> Result<(Map<String, Value>, Vec<String>), Misplaced> {
    let (mut laid, mut own, mut fits) = (fixed, Vec::new(), true);
    for (name, value) in request.iter().filter(|(_, value)| !value.is_null()) {
        let known = metadata::member(name);
        match known.filter(|_| leaves(name)) {
            Some(member) if member.kind.admits(value) => {
                laid.insert(name.clone(), value.clone());
                own.push(name.clone());
                continue;
            }
            None if laid.get(name) == Some(value) => continue,
            Some(member) => refuse(trace, Some(member.name), member.kind.demand(), FORM, value.to_string()),
            // A name that nobody knows is the caller's own word: the record tells it.
            None => refuse(trace, known.map(|member| member.name), NOT_LEFT, LEAVE_OUT, name.clone()),
        }
        fits = false;
    }
    if fits { Ok((laid, own)) } else { Err(Misplaced) }
}

fn refuse(trace: &mut Trace, field: Option<&str>, message: &str, hint: &str, detail: String) {
    let rule = Rule {
        id: "template.members".into(),
        clause: "RFC 7591 2".into(),
        mode: Mode::Enforce,
        error: ErrorCode::InvalidClientMetadata,
        field: field.map(Into::into),
        message: message.into(),
        hint: Some(hint.into()),
    };
    trace.push(&Arc::new(rule), Outcome::Fail, Some(detail.into()));
}

fn template(root: &Section<'_>, text: &str) -> Option<Template> {
    let faults = root.faults();
    let words = ["id", "version", "title", "software_id"].map(|key| word(root, key));
    let [id, version, title, software_id] = words;
    root.require("mode");
    let mode = root.word("mode", &[("expand", Passage::Expand), ("pass", Passage::Pass)]);
    let token_scope = root.text("token_scope");
    if let Some(scope) = token_scope.as_ref().filter(|scope| scope.value.is_empty() || scope.value.contains(' ')) {
        faults.error(Some(&scope.place), "`token_scope` is one word of a scope", None);
    }
    let authorities = root.texts("authorities").unwrap_or_default();
    if token_scope.is_none() && authorities.is_empty() {
        let help = "token_scope = \"dcr\", or authorities = [\"mdm\"]";
        let message = "a template says who may use it: a word of the initial access token's scope, or an authority";
        faults.error(Some(&root.place()), message, Some(help.to_owned()));
    }
    let instance = instance(root);
    let metadata = root.section("metadata").map(|section| members(&section, &instance)).unwrap_or_default();
    Some(Template {
        id: id?,
        version: version?,
        title: title?,
        software_id: software_id?,
        mode: mode?.value,
        token_scope: token_scope.map(|scope| scope.value),
        authorities,
        metadata,
        instance,
        digest: Digest::of(text.as_bytes()),
    })
}

/// A text of at least one character.
fn word(root: &Section<'_>, key: &str) -> Option<String> {
    let text = root.required_text(key)?;
    if text.value.is_empty() || text.value.contains(char::is_control) {
        root.faults().error(Some(&text.place), format!("`{key}` is a text without control characters"), None);
        return None;
    }
    Some(text.value)
}

/// What instances may say: members of the table that a client may choose.
fn instance(root: &Section<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for name in root.texts("instance").unwrap_or_default() {
        match metadata::member(&name.value) {
            Some(member) if may_be_chosen(member) => found.push(name.value),
            Some(_) => {
                let message = format!("`{}` cannot be left to an instance", name.value);
                root.faults().error(Some(&name.place), message, None);
            }
            None => {
                let names = metadata::MEMBERS.iter().map(|member| member.name);
                let help = crate::model::document::nearest(&name.value, names);
                let help = help.map(|word| format!("did you mean `{word}`?"));
                root.faults().error(Some(&name.place), format!("`{}` is not client metadata", name.value), help);
            }
        }
    }
    found
}

/// Whether a template has a say in it: not what the server gives out, what names the template, or a statement.
fn may_be_chosen(member: &metadata::Member) -> bool {
    member.kind != Kind::Issued && !matches!(member.name, "software_id" | "software_statement")
}

/// The members of every client, each in its form.
fn members(section: &Section<'_>, instance: &[String]) -> Map<String, Value> {
    let mut found = Map::new();
    for (name, Located { value, place }) in section.entries() {
        match metadata::member(&name) {
            Some(member) if !may_be_chosen(member) => {
                let message = format!("`{name}` is not the template's to say");
                section.faults().error(Some(&place), message, None);
            }
            Some(member) if !member.kind.admits(&value) => {
                section.faults().error(Some(&place), format!("`{name}`: {}", member.kind.demand()), None);
            }
            Some(_) => _ = found.insert(name, value),
            None if instance.contains(&name) => {}
            None => {
                let names = metadata::MEMBERS.iter().map(|member| member.name);
                let help = crate::model::document::nearest(&name, names);
                let help = help.map(|word| format!("did you mean `{word}`?"));
                section.faults().error(Some(&place), format!("`{name}` is not client metadata"), help);
            }
        }
    }
    found
}

const NOT_LEFT: &str = "the template does not leave this member to its instances";
const LEAVE_OUT: &str = "leave out what the template says, or ask the operator for another template";
const FORM: &str = "see the specification that defines the member; values are not converted";

#[cfg(test)]
mod tests;
