//! `[credentials.NAME]`: what dcrgate itself shows to an identity server in place of a caller's token; and
//! `token_to_upstream` of the routes, which names one.

use std::collections::BTreeMap;

use super::Reading;
use super::clients::{ServerClient, server_client, text_of};
use super::files::Secret;
use super::tokens::is_scope_word;
use super::trust::Fetch;
use crate::model::document::{Located, Section};

/// A credential of ours.
#[derive(Debug)]
pub enum Credential {
    /// `secret`: a token that the identity server's operator gave us.
    Secret(Secret),
    /// `client_credentials`: a client of ours, and the scope that its tokens have (RFC 6749 §4.4).
    Client(Box<ServerClient>, Option<String>),
}

/// What of tokens reaches the identity server with a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenToUpstream {
    /// None: the caller's is for us.
    Drop,
    /// The caller's, with its proof of possession.
    Forward,
    /// Ours of this name.
    Replace(String),
}

/// Reads every `[credentials.NAME]`.
pub(super) fn credentials(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
    fetch: &Fetch,
) -> BTreeMap<String, Credential> {
    sections
        .into_iter()
        .filter_map(|(name, section)| Some((name.value.clone(), credential(&name, section, from, fetch)?)))
        .collect()
}

fn credential(name: &Located<String>, section: Section<'_>, from: &Reading<'_>, fetch: &Fetch) -> Option<Credential> {
    let faults = section.faults();
    if WORDS.iter().any(|(word, _)| *word == name.value) {
        let message = format!("`{}` means something else in `token_to_upstream`", name.value);
        faults.error(Some(&name.place), message, Some("give the credential another name".to_owned()));
    }
    if section.has("secret") == section.has("client_credentials") {
        let help = "secret = { file = \"…\" }, or client_credentials = { url = \"…\", client_id = \"…\", client_secret = { … } }";
        let message = "a credential has either `secret` or `client_credentials`";
        faults.error(Some(&section.place()), message, Some(help.to_owned()));
    }
    let secret = from.files.secret(&section, "secret").and_then(|secret| {
        let text = text_of(&secret, &section)?;
        if text.expose().contains(&b' ') {
            faults.error(Some(&text.place), "a token has no space", None);
            return None;
        }
        Some(Credential::Secret(text))
    });
    let client = section.section("client_credentials").and_then(|section| {
        let scope = section.text("scope");
        if let Some(scope) = scope.as_ref().filter(|scope| !scope.value.split(' ').all(is_scope_word)) {
            faults.error(Some(&scope.place), "`scope` is words with one space between them", None);
        }
        let client = server_client(section, from, fetch)?;
        Some(Credential::Client(Box::new(client), scope.map(|scope| scope.value)))
    });
    section.finish();
    secret.or(client)
}

/// Reads `token_to_upstream`. `asked`: whether the route looks at tokens at all.
pub(super) fn token_to_upstream(section: &Section<'_>, from: &Reading<'_>, asked: bool) -> Option<TokenToUpstream> {
    let Some(text) = section.text("token_to_upstream") else {
        return (!section.has("token_to_upstream")).then_some(TokenToUpstream::Drop);
    };
    match WORDS.iter().find(|(word, _)| *word == text.value) {
        Some((_, TokenToUpstream::Forward)) if !asked => {
            let help = "say `initial_access_token = \"required\"` or `\"optional\"`";
            let message = "there is nothing to forward where no initial access token is asked for";
            section.faults().error(Some(&text.place), message, Some(help.to_owned()));
            None
        }
        Some((_, meaning)) => Some(meaning.clone()),
        None => from.credentials.refer(text, section.faults()).map(TokenToUpstream::Replace),
    }
}

/// What is no name of a credential.
const WORDS: &[(&str, TokenToUpstream)] = &[("drop", TokenToUpstream::Drop), ("forward", TokenToUpstream::Forward)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{Folder, GOOD};

    /// With this behind the keys of the route, which end in line 25, and these sections after it.
    fn problems(route: &str, sections: &str) -> Vec<String> {
        let folder = Folder::with(&format!("{GOOD}{route}{sections}"));
        folder.write("iat.key", "hunter2\n");
        folder.write("words.key", "two words");
        folder.problems()
    }

    #[test]
    fn a_route_names_what_it_shows() {
        let named = "token_to_upstream = \"idp\"\n";
        let secret = "[credentials.idp]\nsecret = { file = \"iat.key\" }\n";
        let folder = Folder::with(&format!("{GOOD}{named}{secret}"));
        folder.write("iat.key", "hunter2\n");
        assert_eq!(folder.problems(), [""; 0]);
        let settings = folder.settings();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let Credential::Secret(secret) = &settings.credentials["idp"] else { panic!() };
        assert_eq!(secret.expose(), b"hunter2");
        let shown = &settings.routes[0].registration().unwrap().token_to_upstream;
        assert_eq!(*shown, TokenToUpstream::Replace("idp".to_owned()));
        let client = "[credentials.idp]\nclient_credentials = { url = \"https://idp.example/token\", client_id = \"gate\", \
                      client_secret = { env = \"TEST_KEY\" }, scope = \"dcr dcr:all\" }\n";
        let folder = Folder::with(&format!("{GOOD}{named}{client}"));
        assert_eq!(folder.problems(), [""; 0]);
        let settings = folder.settings();
        let Credential::Client(client, scope) = &settings.credentials["idp"] else { panic!() };
        assert_eq!((client.url.as_str(), scope.as_deref()), ("https://idp.example/token", Some("dcr dcr:all")));
        let settings = Folder::with(GOOD).settings();
        assert_eq!(settings.routes[0].registration().unwrap().token_to_upstream, TokenToUpstream::Drop);
    }

    #[test]
    fn what_could_not_be_shown_is_a_fault() {
        let named = "token_to_upstream = \"idp\"\n";
        let section = |text: &str| problems(named, &format!("[credentials.idp]\n{text}\n"));
        assert_eq!(
            section(""),
            ["27: a credential has either `secret` or `client_credentials` (secret = { file = \"…\" }, or \
              client_credentials = { url = \"…\", client_id = \"…\", client_secret = { … } })"]
        );
        assert_eq!(
            section("secret = \"hunter2\""),
            [
                "-: line 28: `credentials.idp.secret` holds a secret in the file itself (write `{ file = \"…\" }` or `{ env = \"…\" }`)"
            ]
        );
        assert_eq!(section("secret = { file = \"words.key\" }"), ["28: a token has no space"]);
        let client = |more: &str| {
            section(&format!(
                "client_credentials = {{ url = \"https://idp.example/\", client_id = \"gate\", client_secret = {{ env = \"TEST_KEY\" }}{more} }}"
            ))
        };
        assert_eq!(client(", scope = \"dcr  all\""), ["28: `scope` is words with one space between them"]);
        assert_eq!(client(", audience = \"x\""), ["28: unknown key `audience`"]);
        let reserved = "[credentials.forward]\nsecret = { file = \"iat.key\" }\n";
        assert_eq!(
            problems("", reserved),
            ["26: `forward` means something else in `token_to_upstream` (give the credential another name)"]
        );
        let unused = "[credentials.idp]\nsecret = { file = \"iat.key\" }\n";
        assert_eq!(problems("", unused), ["26: warning: no route uses this credential"]);
        assert_eq!(
            problems("token_to_upstream = \"ipd\"\n", unused),
            ["26: unknown credential `ipd` (did you mean `idp`?)"]
        );
        assert_eq!(
            problems("token_to_upstream = \"forward\"\n", ""),
            ["26: there is nothing to forward where no initial access token is asked for \
              (say `initial_access_token = \"required\"` or `\"optional\"`)"]
        );
        let proxy = "[[routes]]\npath = \"/x\"\nkind = \"proxy\"\nupstream = \"idp\"\ntoken_to_upstream = \"drop\"\n";
        assert_eq!(problems("", proxy), ["30: `token_to_upstream` has no meaning on a proxy route"]);
    }
}
