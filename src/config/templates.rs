//! `[templates.NAME]`: what many clients share, and the routes on which a request may name it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::routes::Registration;
use super::{Reading, Settings};
use crate::model::document::{Faults, Located, Place, Section};
use crate::model::id::AuthorityName;
use crate::policy::template;

/// A template as deployed.
#[derive(Debug)]
pub struct Template {
    /// The file's path, relative to the configuration file.
    pub file: String,
    /// What it says.
    pub template: Arc<template::Template>,
    /// The authorities that it names.
    pub authorities: Vec<AuthorityName>,
    /// Where the configuration names the file.
    pub place: Place,
}

/// Reads every `[templates.NAME]`.
pub(super) fn templates(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
) -> BTreeMap<String, Template> {
    sections.into_iter().filter_map(|(name, section)| Some((name.value, template(section, from)?))).collect()
}

fn template(section: Section<'_>, from: &Reading<'_>) -> Option<Template> {
    let faults = section.faults();
    let file = section.required_text("file");
    section.finish();
    let file = file?;
    let content = from.files.read(&file, faults)?;
    let Ok(text) = String::from_utf8(content.bytes) else {
        faults.error(Some(&file.place), format!("`{}` is not UTF-8 text", file.value), None);
        return None;
    };
    let template = template::Template::read(&file.value, &text, faults)?;
    let named = template.authorities.iter().cloned();
    let authorities = named.filter_map(|name| from.authorities.refer(name, faults).map(AuthorityName::new)).collect();
    Some(Template { file: file.value, template: Arc::new(template), authorities, place: file.place })
}

/// The templates of a route, as it names them.
pub(super) fn of_route(section: &Section<'_>, from: &Reading<'_>) -> Vec<Located<String>> {
    let named = section.texts("templates").unwrap_or_default();
    let refer = |name: Located<String>| {
        let place = name.place.clone();
        Some(Located { value: from.templates.refer(name, section.faults())?, place })
    };
    named.into_iter().filter_map(refer).collect()
}

/// Records what a route and its templates do not agree on.
pub(super) fn check(settings: &Settings, route: &Registration, faults: &Faults) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for name in &route.templates {
        let Some(Template { template, .. }) = settings.templates.get(&name.value) else { continue };
        if template.token_scope.is_some() && route.token.is_none() {
            let help = "say `initial_access_token = \"required\"` or `\"optional\"`";
            let message = format!("template `{}` takes a token, and this route looks at none", name.value);
            faults.error(Some(&name.place), message, Some(help.to_owned()));
        }
        if let Some(other) = seen.insert(&template.software_id, &name.value) {
            let message = format!("the templates `{other}` and `{}` have the same `software_id`", name.value);
            faults.error(Some(&name.place), message, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{Folder, GOOD};

    const TEMPLATE: &str = "id = \"app\"\nversion = \"1\"\ntitle = \"t\"\nsoftware_id = \"app\"\nmode = \"expand\"\n\
                            authorities = [\"scheme\"]\ninstance = [\"client_name\"]\n[metadata]\nscope = \"openid\"\n";

    /// The problems of a configuration whose route has this template, its lines from the second on in the file named first.
    fn problems(template: &str, route: &str, more: &str) -> Vec<String> {
        let folder = Folder::with(&format!("{GOOD}{route}[templates.app]\nfile = \"templates/app.toml\"\n{more}"));
        folder.write("templates/app.toml", template);
        folder.problems()
    }

    #[test]
    fn a_template_is_read_with_every_fault_of_its_file() {
        let used = "templates = [\"app\"]\n";
        assert_eq!(problems(TEMPLATE, used, ""), [""; 0]);
        assert_eq!(problems(TEMPLATE, "", ""), ["26: warning: no route uses this template"]);
        assert_eq!(
            problems(TEMPLATE, "templates = [\"ap\"]\n", ""),
            ["26: unknown template `ap` (did you mean `app`?)"]
        );
        let faulty = TEMPLATE
            .replace("\"expand\"", "\"expnd\"")
            .replace("[\"scheme\"]", "[\"schema\"]")
            .replace("client_name", "clientname")
            .replace("scope = \"openid\"", "scope = 7\nclient_id = \"x\"\nredirect_uri = \"x\"");
        assert_eq!(
            problems(&faulty, used, ""),
            [
                "5: `mode` does not know this word (did you mean `expand`?)",
                "7: `clientname` is not client metadata (did you mean `client_name`?)",
                "9: `scope`: this member has to be a string without control characters",
                "10: `client_id` is not the template's to say",
                "11: `redirect_uri` is not client metadata (did you mean `redirect_uris`?)",
            ]
        );
        assert_eq!(
            problems(&TEMPLATE.replace("[\"scheme\"]", "[\"schema\"]"), used, ""),
            ["6: unknown authority `schema` (did you mean `scheme`?)"]
        );
        let nobody = TEMPLATE.replace("authorities = [\"scheme\"]\n", "");
        assert!(problems(&nobody, used, "")[0].contains("a template says who may use it"));
    }

    #[test]
    fn a_route_and_its_templates_agree() {
        let token = TEMPLATE.replace("authorities = [\"scheme\"]", "token_scope = \"dcr\"");
        let found = problems(&token, "templates = [\"app\"]\n", "");
        assert_eq!(
            found,
            ["26: template `app` takes a token, and this route looks at none \
              (say `initial_access_token = \"required\"` or `\"optional\"`)"]
        );
        let twice = "[templates.other]\nfile = \"templates/app.toml\"\n";
        assert_eq!(
            problems(TEMPLATE, "templates = [\"app\", \"other\"]\n", twice),
            ["26: the templates `app` and `other` have the same `software_id`"]
        );
        assert_eq!(
            crate::config::tests::extended("[[routes]]\npath = \"/x\"\nkind = \"deny\"\ntemplates = [\"x\"]\n"),
            ["29: `templates` has no meaning on a deny route"]
        );
    }
}
