//! `[aliases]` of a policy and the policies that it extends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::forward::chosen_member;
use crate::checks::Settings;
use crate::model::document::{Located, Section, nearest};
use crate::model::error_code::ErrorCode;
use crate::model::metadata::{Kind, member};
use crate::model::trace::{Mode, Rule};
use crate::policy::aliases::{Alias, Aliases};

/// Read before there are any facts, so it has one name.
const STATEMENT: &str = "software_statement";

pub(super) fn read_aliases(section: Settings<'_>, claims: Option<&[String]>) -> Aliases {
    let faults = section.faults();
    let mut aliases = Aliases::default();
    for (name, meant) in pairs(&section.section("request")) {
        let Some(known) = chosen_member(&meant, faults) else { continue };
        let issued = member(&name.value).is_some_and(|member| member.kind == Kind::Issued);
        if issued || [name.value.as_str(), known.name].contains(&STATEMENT) {
            faults.error(Some(&name.place), format!("`{}` has no other spelling", name.value), None);
            continue;
        }
        let rule =
            rule("request", ErrorCode::InvalidClientMetadata, known.name, "send this member under one name only");
        aliases.request.push(Alias { name: name.value, meant: known.name.to_owned(), rule });
    }
    for (name, meant) in pairs(&section.section("statement")) {
        if let Some(claims) = claims {
            if claims.contains(&name.value) {
                let message = format!("`{}` is listed in `claims`, and read as `{}`", name.value, meant.value);
                faults.error(Some(&name.place), message, Some("list one of the two".to_owned()));
            }
            if !claims.contains(&meant.value) {
                let help = nearest(&meant.value, claims.iter().map(String::as_str))
                    .map_or_else(|| "list it in `claims`".to_owned(), |word| format!("did you mean `{word}`?"));
                faults.error(Some(&meant.place), format!("`claims` does not list `{}`", meant.value), Some(help));
            }
        }
        let hint = "correct the software in the directory and fetch a new software statement";
        let rule = rule("statement", ErrorCode::InvalidSoftwareStatement, STATEMENT, hint);
        aliases.statement.push(Alias { name: name.value, meant: meant.value, rule });
    }
    section.finish();
    aliases
}

/// Spelling and what is meant, the nearest word on each, in the order of the alphabet.
fn pairs(settings: &Settings<'_>) -> Vec<(Located<String>, Located<String>)> {
    let mut pairs: BTreeMap<String, (Located<String>, Located<String>)> = BTreeMap::new();
    // Farthest first: what is nearer takes its place.
    for (name, meant) in settings.layers().iter().rev().flat_map(Section::text_entries) {
        pairs.insert(name.value.clone(), (name, meant));
    }
    for (name, meant) in pairs.values() {
        if pairs.contains_key(&meant.value) {
            let message = format!("`{}` is itself read under another name", meant.value);
            settings.faults().error(Some(&meant.place), message, None);
        } else if name.value.is_empty() || meant.value.is_empty() {
            settings.faults().error(Some(&name.place), "a name is empty", None);
        }
    }
    pairs.into_values().collect()
}

fn rule(of: &str, error: ErrorCode, field: &str, hint: &str) -> Arc<Rule> {
    Arc::new(Rule {
        id: format!("aliases.{of}").into(),
        clause: "".into(),
        mode: Mode::Enforce,
        error,
        field: Some(field.into()),
        message: "one and the same thing is there under two names".into(),
        hint: Some(hint.into()),
    })
}
