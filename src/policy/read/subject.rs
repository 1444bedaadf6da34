//! `[subject]` of a policy and the policies that it extends.

use crate::checks::Settings;
use crate::policy::cel::{Builder, Compiled, Scope, Slot};
use crate::policy::subject::{Party, SubjectPolicy};

/// A subject that is read, and whose expressions are not compiled yet.
pub(super) struct Draft {
    organisation: (Option<String>, Option<Slot>),
    organisation_name: (Option<String>, Option<Slot>),
    software: (Option<String>, Option<Slot>),
    roles: Option<Slot>,
}

pub(super) fn read_subject(root: &Settings<'_>, builder: &mut Builder<'_>) -> Draft {
    let section = root.section("subject");
    let expressions = section.section("derived");
    let mut party = |key: &str| {
        let derived = expressions.text(key).map(|text| builder.expression(text, Scope::Decision));
        (section.text(key).map(|text| text.value), derived)
    };
    let (organisation, organisation_name) = (party("organisation"), party("organisation_name"));
    let software = party("software");
    let roles = section.text("roles").map(|text| builder.expression(text, Scope::Decision));
    expressions.finish();
    section.finish();
    let draft = Draft { organisation, organisation_name, software, roles };
    quota_has_a_party(root, &draft);
    draft
}

/// A quota of an organisation or software counts nothing where `[subject]` does not say what names it.
fn quota_has_a_party(root: &Settings<'_>, draft: &Draft) {
    let quota = root.section("checks").section("registration").section("quota");
    let (Some(per), mode) = (quota.json("per"), quota.json("mode")) else { return };
    let missing = match per.value.as_str() {
        Some(word @ "organisation") if draft.organisation == (None, None) => word,
        Some(word @ "software") if draft.software == (None, None) => word,
        _ => return,
    };
    if mode.is_none_or(|mode| mode.value != "off") {
        let help = format!("name the claim in `[subject]`, as `{missing} = \"...\"`");
        root.faults().error(Some(&per.place), format!("no claim of the statement names the {missing}"), Some(help));
    }
}

pub(super) fn finish_subject(draft: Draft, compiled: &mut Compiled) -> SubjectPolicy {
    let mut party = |(claim, derived): (Option<String>, Option<Slot>)| Party {
        claim,
        derived: derived.and_then(|slot| compiled.take(slot)),
    };
    let (organisation, organisation_name) = (party(draft.organisation), party(draft.organisation_name));
    let software = party(draft.software);
    let roles = draft.roles.and_then(|slot| compiled.take(slot));
    let mut subject = SubjectPolicy { organisation, organisation_name, software, roles, ..SubjectPolicy::default() };
    let library = &compiled.library;
    let derived = subject.parties().into_iter().filter_map(|party| party.derived.as_ref());
    let uses: Vec<_> = derived.map(|code| library.uses(code)).collect();
    uses.iter().for_each(|uses| subject.uses.add(uses));
    subject
}
