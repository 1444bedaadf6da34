//! An issuer of initial access tokens (RFC 7591 §3): JWTs of RFC 9068, with any claims that a case needs.

use serde_json::json;

use super::SandboxError;
use super::directory::Directory;
use super::signing::{KeyUse, Signature, SigningKey};
use super::statement::Draft;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;

/// An issuer whose keys the directory's web server serves under [`TOKEN_KEYS_PATH`].
#[derive(Debug)]
pub struct TokenIssuer {
    signer: SigningKey,
}

impl TokenIssuer {
    /// With a key of its own, which is published.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn publish(directory: &Directory) -> Result<Self, SandboxError> {
        let signer = SigningKey::generate("tokens")?;
        directory.publish_keys(TOKEN_KEYS_PATH, &[signer.public_jwk(KeyUse::Signature)]);
        Ok(Self { signer })
    }

    /// A good token, valid for five minutes, to be changed and signed.
    ///
    /// # Errors
    /// [`SandboxError::Key`] without random bytes for its `jti`.
    pub fn token(&self, now: Timestamp) -> Result<Draft, SandboxError> {
        let mut random = [0; 10];
        aws_lc_rs::rand::fill(&mut random)?;
        let seconds = now.unix_seconds();
        Ok(Draft::empty()
            .header("typ", "at+jwt")
            .claim("iss", TOKEN_ISSUER)
            .claim("aud", json!([TOKEN_AUDIENCE]))
            .claim("sub", "console")
            .claim("client_id", "console")
            .claim("scope", "dcr")
            .claim("jti", DecisionId::new(now, random).to_string())
            .claim("iat", seconds)
            .claim("exp", seconds + 300))
    }

    /// The compact form.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn sign(&self, draft: Draft) -> Result<String, SandboxError> {
        draft.sign(&self.signer, Signature::Ps256)
    }

    /// Its key, for tokens that are signed in other ways.
    pub const fn signer(&self) -> &SigningKey {
        &self.signer
    }
}

/// The proxy's configuration with this word at `initial_access_token` of its registration route, and the issuer's
/// section. `more` stands behind the other keys of the route.
pub fn with_tokens(configuration: &str, word: &str, more: &str) -> String {
    let keys = configuration
        .split_once("[key_sets.directory]\nurl = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(String::new, |(url, _)| url.replace(super::directory::KEYS_PATH, TOKEN_KEYS_PATH));
    let route = "kind = \"registration\"\n";
    let asked = format!("{route}initial_access_token = \"{word}\"\ntokens = \"sandbox\"\n{more}");
    let sections = format!(
        "\n[key_sets.tokens]\nurl = \"{keys}\"\n\n[tokens.sandbox]\nkey_set = \"tokens\"\nissuer = \"{TOKEN_ISSUER}\"\n\
         audience = [\"{TOKEN_AUDIENCE}\"]\n"
    );
    configuration.replacen(route, &asked, 1) + &sections
}

/// `iss` of every token.
pub const TOKEN_ISSUER: &str = "https://tokens.sandbox.example";
/// `aud` of every token: our registration endpoint as the issuer knows it.
pub const TOKEN_AUDIENCE: &str = "https://localhost/register";
/// Where the issuer's keys stand.
pub const TOKEN_KEYS_PATH: &str = "/token-issuer.jwks";
