//! `[tokens.NAME]`: who issues initial access tokens (RFC 7591 §3): as JWTs of RFC 9068, or as anything that it tells
//! of by introspection (RFC 7662).

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::Reading;
use super::clients::{ServerClient, server_client};
use super::trust::Fetch;
use super::values::{self, MINUTE};
use crate::jose::Algorithm;
use crate::model::document::{Located, Section};
use crate::pipeline::token::Terms;

/// An issuer of initial access tokens.
#[derive(Debug)]
pub struct Token {
    /// How it vouches for them.
    pub verification: Verification,
    /// What each of them says.
    pub terms: Terms,
}

/// How an issuer vouches for its tokens.
#[derive(Debug)]
pub enum Verification {
    /// It signs them.
    KeySet {
        /// Name of the key set that holds its keys.
        key_set: String,
        /// Accepted signature algorithms. Default PS256 and ES256; `none` and HMAC cannot be named.
        algorithms: Vec<Algorithm>,
    },
    /// It is asked about each.
    Introspection(Box<ServerClient>),
}

/// Reads every `[tokens.NAME]`.
pub(super) fn tokens(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
    fetch: &Fetch,
) -> BTreeMap<String, Token> {
    sections.into_iter().filter_map(|(name, section)| Some((name.value, token(section, from, fetch)?))).collect()
}

fn token(section: Section<'_>, from: &Reading<'_>, fetch: &Fetch) -> Option<Token> {
    let faults = section.faults();
    let verification = verification(&section, from, fetch);
    let issuer = section.required_text("issuer").and_then(|text| {
        let url = Url::parse(&text.value).is_ok_and(|url| url.has_host() && url.query().is_none());
        if !url || text.value.contains(char::is_whitespace) {
            let help = "write it exactly as tokens have it in `iss`, such as \"https://idp.example\"";
            faults.error(Some(&text.place), "`issuer` is not the URL of an issuer", Some(help.to_owned()));
            return None;
        }
        Some(text.value)
    });
    if !section.has("introspection") {
        section.require("audience");
    }
    let audience = section.texts("audience").map(|names| {
        if names.is_empty() || names.iter().any(|name| name.value.is_empty()) {
            let help = "name the registration endpoint as the issuer knows it: a token for others is refused";
            let place = section.place_of_key("audience");
            faults.error(Some(&place), "an empty `audience` would mean nobody", Some(help.to_owned()));
        }
        names.into_iter().map(|name| name.value).collect()
    });
    let scope = section.text("scope");
    if let Some(scope) = &scope
        && !is_scope_word(&scope.value)
    {
        faults.error(Some(&scope.place), "`scope` is one word of a scope", None);
    }
    let mut skew = MINUTE;
    values::duration(&section, "skew", Duration::ZERO..=5 * MINUTE, &mut skew);
    section.finish();
    let audience = audience.unwrap_or_default();
    let scope = scope.map_or_else(|| "dcr".to_owned(), |scope| scope.value);
    Some(Token { verification: verification?, terms: Terms { issuer: issuer?, audience, scope, skew } })
}

fn verification(section: &Section<'_>, from: &Reading<'_>, fetch: &Fetch) -> Option<Verification> {
    let faults = section.faults();
    if section.has("key_set") == section.has("introspection") {
        let help = "signed tokens have a `key_set`, others an `introspection` endpoint";
        let message = "an issuer of tokens has either `key_set` or `introspection`";
        faults.error(Some(&section.place()), message, Some(help.to_owned()));
    }
    let key_set = section.text("key_set").and_then(|name| from.key_sets.refer(name, faults));
    let introspection = section.section("introspection").and_then(|section| server_client(section, from, fetch));
    if section.has("introspection") && section.has("algorithms") {
        let place = section.place_of_key("algorithms");
        faults.error(Some(&place), "`algorithms` has no meaning where the issuer is asked", None);
    }
    let algorithms = algorithms(section);
    let signed = key_set.map(|key_set| Verification::KeySet { key_set, algorithms });
    signed.or(introspection.map(Box::new).map(Verification::Introspection))
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

    use crate::config::clients::Credential;
    use crate::config::selection::{Entry, InitialToken, PolicyChoice};
    use crate::config::tests::{Folder, GOOD};
    use crate::config::tokens::Verification;
    use crate::jose::Algorithm;
    use crate::model::id::AuthorityName;

    const TOKENS: &str = "[tokens.idp]\nkey_set = \"directory\"\nissuer = \"https://idp.example\"\naudience = \"https://gate.example/register\"\n";

    /// With this behind the keys of the route, which end in line 25, and these sections after it.
    fn problems(route: &str, sections: &str) -> Vec<String> {
        Folder::with(&format!("{GOOD}{route}{sections}")).problems()
    }

    #[test]
    fn a_route_names_its_issuer() {
        let asked = "initial_access_token = \"required\"\ntokens = \"idp\"\ntoken_to_upstream = \"forward\"\n";
        let folder = Folder::with(&format!("{GOOD}{asked}{TOKENS}"));
        assert_eq!(folder.problems(), [""; 0]);
        let settings = folder.settings();
        let token = settings.routes[0].registration().unwrap().token.as_ref();
        assert_eq!(token, Some(&InitialToken { required: true, issuer: "idp".to_owned() }));
        let idp = &settings.tokens["idp"];
        assert_eq!(
            (&*idp.terms.issuer, &*idp.terms.scope, idp.terms.skew),
            ("https://idp.example", "dcr", Duration::from_secs(60))
        );
        assert_eq!(idp.terms.audience, ["https://gate.example/register"]);
        let Verification::KeySet { key_set, algorithms } = &idp.verification else { panic!("{idp:?}") };
        assert_eq!((&**key_set, &**algorithms), ("directory", &[Algorithm::PS256, Algorithm::ES256][..]));

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
                problems(&format!("{off}token_to_upstream = \"forward\"\n"), ""),
                [format!("{line}: there is nothing to forward where no initial access token is asked for {help}")]
            );
            assert_eq!(problems(&format!("{off}token_to_upstream = \"drop\"\n"), ""), [""; 0]);
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
    fn an_issuer_is_asked_with_credentials_that_stay_secret() {
        let asked = "initial_access_token = \"required\"\ntokens = \"idp\"\n";
        let section = |client: &str| {
            let endpoint = format!("introspection = {{ {client} }}\n");
            TOKENS.replace("key_set = \"directory\"\n", &endpoint)
        };
        let found = |client: &str| problems(asked, &section(client));
        let secret =
            "url = \"https://idp.example/introspect\", client_id = \"gate\", client_secret = { file = \"idp.key\" }";
        let folder = Folder::with(&format!("{GOOD}{asked}{}", section(secret)));
        folder.write("idp.key", "hunter2\n");
        assert_eq!(folder.problems(), [""; 0]);
        let settings = folder.settings();
        let Verification::Introspection(client) = &settings.tokens["idp"].verification else { panic!() };
        let Credential::Secret(secret) = &client.credential else { panic!() };
        assert_eq!(
            (client.url.as_str(), &*client.client_id, secret.expose()),
            ("https://idp.example/introspect", "gate", &b"hunter2"[..])
        );
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(
            found(
                "url = \"https://idp.example/\", client_id = \"gate\", identity = { certificate = \"chain.pem\", key = { file = \"server.key\" } }"
            ),
            [""; 0]
        );
        let either = "29: a client has either `client_secret` or `identity` (client_secret = { file = \"…\" }, or \
                      identity = { certificate = \"…\", key = { file = \"…\" } })";
        let key = "client_secret = { env = \"TEST_KEY\" }";
        for (client, expected) in [
            ("url = \"https://idp.example/\", client_id = \"gate\"".to_owned(), either),
            (format!("url = \"https://idp.example/\", client_id = \"\", {key}"), "29: `client_id` is empty"),
            (format!("client_id = \"gate\", {key}"), "29: `url` is missing in `tokens.idp.introspection`"),
            (format!("url = \"https://idp.example/\", {key}"), "29: `client_id` is missing in `tokens.idp.introspection`"),
            (
                format!("url = \"http://idp.example/\", client_id = \"gate\", {key}"),
                "29: credentials travel to this `url`: it has to be https (http only to this machine, without a proxy)",
            ),
            (
                "url = \"http://127.0.0.1/\", client_id = \"gate\", identity = { certificate = \"chain.pem\", key = { file = \"server.key\" } }".to_owned(),
                "29: `identity` has no meaning for an http URL",
            ),
            (format!("url = \"https://idp.example/\", client_id = \"gate\", {key}, user = \"x\""), "29: unknown key `user`"),
            (
                "url = \"https://idp.example/\", client_id = \"gate\", client_secret = \"hunter2\"".to_owned(),
                "-: line 29: `tokens.idp.introspection.client_secret` holds a secret in the file itself (write `{ file = \"…\" }` or `{ env = \"…\" }`)",
            ),
        ] {
            assert_eq!(found(&client), [expected], "{client}");
        }
        let folder = Folder::with(&format!(
            "{GOOD}{asked}{}",
            section("url = \"https://idp.example/\", client_id = \"gate\", client_secret = { file = \"idp.key\" }")
        ));
        folder.write("idp.key", "two\nlines");
        assert_eq!(folder.problems(), ["29: this secret cannot be used (a secret is one line of ASCII)"]);
        let good = section(&format!("url = \"https://idp.example/\", client_id = \"gate\", {key}"));
        assert_eq!(problems(asked, &good.replace("audience = \"https://gate.example/register\"\n", "")), [""; 0]);
        assert_eq!(
            problems(asked, &format!("{good}algorithms = \"PS256\"\n")),
            ["32: `algorithms` has no meaning where the issuer is asked"]
        );
        assert_eq!(
            problems(asked, &format!("{good}key_set = \"directory\"\n")),
            ["28: an issuer of tokens has either `key_set` or `introspection` \
              (signed tokens have a `key_set`, others an `introspection` endpoint)"]
        );
        let listed = format!("{good}[fetch]\nhosts = [\"keys.example\"]\n");
        assert_eq!(
            problems(asked, &listed),
            ["29: this host is not on the list of `[fetch]` (add \"idp.example\" to `hosts` in `[fetch]`)"]
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
