//! `[tokens.NAME]`: who issues initial access tokens (RFC 7591 §3), as JWTs of RFC 9068.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::Reading;
use super::values::{self, MINUTE};
use crate::jose::Algorithm;
use crate::model::document::{Located, Section};
use crate::pipeline::token::Issuer;

/// Reads every `[tokens.NAME]`.
pub(super) fn tokens(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
) -> BTreeMap<String, Arc<Issuer>> {
    sections.into_iter().filter_map(|(name, section)| Some((name.value, Arc::new(issuer(section, from)?)))).collect()
}

fn issuer(section: Section<'_>, from: &Reading<'_>) -> Option<Issuer> {
    let faults = section.faults();
    let key_set = section.required_text("key_set").and_then(|name| from.key_sets.refer(name, faults));
    let issuer = section.required_text("issuer").and_then(|text| {
        let url = Url::parse(&text.value).is_ok_and(|url| url.has_host() && url.query().is_none());
        if !url || text.value.contains(char::is_whitespace) {
            let help = "write it exactly as tokens have it in `iss`, such as \"https://idp.example\"";
            faults.error(Some(&text.place), "`issuer` is not the URL of an issuer", Some(help.to_owned()));
            return None;
        }
        Some(text.value)
    });
    section.require("audience");
    let audience = section.texts("audience").map(|names| {
        if names.is_empty() || names.iter().any(|name| name.value.is_empty()) {
            let help = "name the registration endpoint as the issuer knows it: a token for others is refused";
            let place = section.place_of_key("audience");
            faults.error(Some(&place), "an empty `audience` would mean nobody", Some(help.to_owned()));
        }
        names.into_iter().map(|name| name.value).collect()
    });
    let algorithms = algorithms(&section);
    let scope = section.text("scope");
    if let Some(scope) = &scope
        && !is_scope_word(&scope.value)
    {
        faults.error(Some(&scope.place), "`scope` is one word of a scope", None);
    }
    let mut skew = MINUTE;
    values::duration(&section, "skew", Duration::ZERO..=5 * MINUTE, &mut skew);
    section.finish();
    Some(Issuer {
        key_set: key_set?,
        issuer: issuer?,
        audience: audience?,
        algorithms,
        scope: scope.map_or_else(|| "dcr".to_owned(), |scope| scope.value),
        skew,
    })
}

fn algorithms(section: &Section<'_>) -> Vec<Algorithm> {
    let Some(names) = section.texts("algorithms") else { return vec![Algorithm::PS256, Algorithm::ES256] };
    if names.is_empty() {
        let place = section.place_of_key("algorithms");
        section.faults().error(Some(&place), "without an algorithm no token could be valid", None);
    }
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    let read = |name: Located<String>| {
        let algorithm = Algorithm::parse(&name.value);
        if algorithm.is_none() {
            let weak = name.value.eq_ignore_ascii_case("none") || name.value.starts_with("HS");
            let message = if weak {
                format!("`{}` proves nothing: whoever verifies such a token could have made it", name.value)
            } else {
                format!("`algorithms` does not know `{}`", name.value)
            };
            section.faults().error(Some(&name.place), message, Some(format!("known algorithms: {}", known())));
        }
        algorithm
    };
    names.into_iter().filter_map(read).collect()
}

/// A `scope-token` of RFC 6749 §3.3.
pub(super) fn is_scope_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::selection::{Entry, InitialToken, PolicyChoice};
    use crate::config::tests::{Folder, GOOD};
    use crate::jose::Algorithm;
    use crate::model::id::AuthorityName;

    const TOKENS: &str = "[tokens.idp]\nkey_set = \"directory\"\nissuer = \"https://idp.example\"\naudience = \"https://gate.example/register\"\n";

    /// With this behind the keys of the route, which end in line 25, and these sections after it.
    fn problems(route: &str, sections: &str) -> Vec<String> {
        Folder::with(&format!("{GOOD}{route}{sections}")).problems()
    }

    #[test]
    fn a_route_names_its_issuer() {
        let asked = "initial_access_token = \"required\"\ntokens = \"idp\"\nforward_token = true\n";
        let folder = Folder::with(&format!("{GOOD}{asked}{TOKENS}"));
        assert_eq!(folder.problems(), [""; 0]);
        let settings = folder.settings();
        let token = settings.routes[0].registration().unwrap().token.as_ref();
        assert_eq!(token, Some(&InitialToken { required: true, issuer: "idp".to_owned(), forward: true }));
        let idp = &settings.tokens["idp"];
        assert_eq!((&*idp.issuer, &*idp.scope, idp.skew), ("https://idp.example", "dcr", Duration::from_secs(60)));
        assert_eq!(idp.audience, ["https://gate.example/register"]);
        assert_eq!(idp.algorithms, [Algorithm::PS256, Algorithm::ES256]);

        let without = "initial_access_token = \"optional\"\n";
        assert_eq!(
            problems(without, ""),
            [
                "26: an initial access token needs an issuer (tokens = \"NAME\", where [tokens.NAME] says who issues them)"
            ]
        );
        let unknown = "initial_access_token = \"optional\"\ntokens = \"ipd\"\n";
        assert_eq!(problems(unknown, TOKENS), ["27: unknown token setting `ipd` (did you mean `idp`?)"]);
        assert_eq!(problems("", TOKENS), ["26: warning: no route uses this token setting"]);
    }

    #[test]
    fn what_has_no_meaning_without_a_token_is_told() {
        let help = "(say `initial_access_token = \"required\"` or `\"optional\"`)";
        for off in ["", "initial_access_token = \"off\"\n"] {
            let line = 26 + off.lines().count();
            assert_eq!(
                problems(&format!("{off}tokens = \"idp\"\n"), TOKENS),
                [format!("{line}: `tokens` has no meaning where no initial access token is asked for {help}")]
            );
            assert_eq!(
                problems(&format!("{off}forward_token = true\n"), ""),
                [format!("{line}: `forward_token` has no meaning where no initial access token is asked for {help}")]
            );
            assert_eq!(problems(&format!("{off}forward_token = false\n"), ""), [""; 0]);
        }
        let proxy = "[[routes]]\npath = \"/x\"\nkind = \"proxy\"\nupstream = \"idp\"\ntokens = \"idp\"\n";
        assert_eq!(problems("", proxy), ["30: `tokens` has no meaning on a proxy route"]);
    }

    #[test]
    fn a_setting_that_would_let_nobody_or_anybody_in_is_a_fault() {
        let asked = "initial_access_token = \"required\"\ntokens = \"idp\"\n";
        let changed = |from: &str, to: &str| {
            assert!(TOKENS.contains(from));
            problems(asked, &TOKENS.replace(from, to))
        };
        let audience = "audience = \"https://gate.example/register\"";
        let help = "(name the registration endpoint as the issuer knows it: a token for others is refused)";
        for empty in ["audience = []", "audience = \"\"", "audience = [\"a\", \"\"]"] {
            assert_eq!(changed(audience, empty), [format!("31: an empty `audience` would mean nobody {help}")]);
        }
        assert_eq!(changed(audience, ""), ["28: `audience` is missing in `tokens.idp`"]);
        let known = "(known algorithms: PS256, PS384, PS512, RS256, RS384, RS512, ES256, ES384, EdDSA)";
        for weak in ["none", "HS256"] {
            assert_eq!(
                changed(audience, &format!("{audience}\nalgorithms = [\"PS256\", \"{weak}\"]")),
                [format!("32: `{weak}` proves nothing: whoever verifies such a token could have made it {known}")]
            );
        }
        assert_eq!(
            changed(audience, &format!("{audience}\nalgorithms = \"ES512\"")),
            [format!("32: `algorithms` does not know `ES512` {known}")]
        );
        assert_eq!(
            changed(audience, &format!("{audience}\nalgorithms = []")),
            ["32: without an algorithm no token could be valid"]
        );
        assert_eq!(changed(audience, &format!("{audience}\nscope = \"a b\"")), ["32: `scope` is one word of a scope"]);
        assert_eq!(changed(audience, &format!("{audience}\nskew = \"6m\"")), ["32: `skew` must be from 0s to 5m"]);
        assert_eq!(changed("\"directory\"", "\"idp\""), ["29: unknown key set `idp` (known: directory)"]);
        assert_eq!(
            changed("https://idp.example", "idp"),
            [
                "30: `issuer` is not the URL of an issuer (write it exactly as tokens have it in `iss`, such as \"https://idp.example\")"
            ]
        );
    }

    #[test]
    fn a_policy_is_chosen_by_authority_and_scope() {
        let text = |route: &str, list: &str| {
            let route = format!("policies = [{list}]\n{route}");
            format!("{}{TOKENS}", GOOD.replace("policy = \"scheme\"\n", &route))
        };
        let asked = "initial_access_token = \"required\"\ntokens = \"idp\"\n";
        let by_authority = "{ authority = \"scheme\", policy = \"scheme\" }";
        let by_scope = "{ token_scope = \"dcr:mobile\", policy = \"scheme\" }";
        let by_both = "{ authority = \"scheme\", token_scope = \"dcr:mobile\", policy = \"scheme\" }";
        let found = |list: String| Folder::with(&text(asked, &list)).problems();
        let folder = Folder::with(&text(asked, &format!("{by_both}, {by_scope}, {by_authority}")));
        assert_eq!(folder.problems(), [""; 0]);
        let entry = |authority: bool, scope: bool| Entry {
            authority: authority.then(|| AuthorityName::new("scheme")),
            token_scope: scope.then(|| "dcr:mobile".to_owned()),
            policy: "scheme".to_owned(),
        };
        assert_eq!(
            folder.settings().routes[0].registration().unwrap().policy,
            PolicyChoice::Several(vec![entry(true, true), entry(false, true), entry(true, false)])
        );
        assert_eq!(
            found(format!("{by_authority}, {by_both}")),
            ["25: an earlier line decides for this authority already"]
        );
        assert_eq!(found(format!("{by_scope}, {by_both}")), ["25: an earlier line decides for this scope already"]);
        assert_eq!(found(format!("{by_scope}, {by_scope}")), ["25: an earlier line decides for this scope already"]);
        assert_eq!(
            found("{ token_scope = \"a b\", policy = \"scheme\" }".to_owned()),
            ["25: `token_scope` is one word of a scope"]
        );
        let off = Folder::with(&text("", by_scope).replace(TOKENS, "")).problems();
        assert_eq!(
            off,
            ["25: `token_scope` has no meaning where no initial access token is asked for \
              (say `initial_access_token = \"required\"` or `\"optional\"`, and `tokens`)"]
        );
    }
}
