//! Software statements, signed requests and other tokens before they are signed; the claims of Open Finance Brasil.
//!
//! DCR-BR 2.1.0 §8.1 (claims), RFC 7515 (compact form). A [`Draft`] is a good
//! token that a case changes before signing; it can be signed in all the ways
//! that a proxy must refuse.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::SandboxError;
use super::identity::{Identity, KeyKind};
use super::participant::Software;
pub use super::signing::{KeyUse, Signature, SigningKey};
use crate::model::time::Timestamp;

/// A token before it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Draft {
    /// Nothing said yet: for other tokens than statements.
    pub fn empty() -> Self {
        Self { header: Map::new(), claims: Map::new() }
    }

    /// A request with these claims: the client metadata, and what the request says of itself.
    pub fn request(claims: Map<String, Value>) -> Self {
        Self { header: Map::from_iter([("typ".to_owned(), "JWT".into())]), claims }
    }

    /// All claims of a software in good standing, issued at this time.
    pub(super) fn of(software: &Software, key_store: &str, issued_at: Timestamp) -> Self {
        let organisation = &software.organisation;
        let keys = |path: &str| format!("{key_store}/{}/{}/{path}", organisation.id, software.id);
        let page = |path: &str| format!("https://{}/{path}", software.host);
        let roles: Vec<Value> = software
            .roles
            .iter()
            .map(|role| json!({ "role": role, "authorisation_domain": "Open Banking", "status": "Active" }))
            .collect();
        let claims = json!({
            "iss": ISSUER,
            "iat": issued_at.unix_seconds(),
            "org_id": organisation.id,
            "org_name": organisation.name,
            "org_number": organisation.number,
            "org_status": "Active",
            "software_id": software.id,
            "software_client_id": software.id,
            "software_client_name": software.name,
            "software_client_description": "A software of the sandbox",
            "software_client_uri": page(""),
            "software_version": "1.10",
            "software_environment": "sandbox",
            "software_mode": "Live",
            "software_redirect_uris": software.redirect_uris(),
            "software_api_webhook_uris": [page("webhook")],
            "software_statement_roles": roles,
            "software_roles": software.roles,
            "software_jwks_uri": keys("application.jwks"),
            "software_jwks_inactive_uri": keys("inactive/application.jwks"),
            "software_jwks_transport_uri": keys("transport.jwks"),
            "software_jwks_transport_inactive_uri": keys("inactive/transport.jwks"),
            "software_logo_uri": page("logo.svg"),
            "software_policy_uri": page("policy"),
            "software_tos_uri": page("tos"),
            "origin": [page("")],
            "organisation_competent_authority_claims": [{
                "authority_id": "687a1c94-b360-4e04-9589-0fa5cb16451b",
                "authority_name": "Banco Central",
                "authority_code": "BCB",
                "authorisation_domain": "Open Banking",
                "authorisation_role": "DADOS",
                "authorisations": [],
                "registration_id": organisation.number,
                "status": "Active",
            }],
        });
        let Value::Object(claims) = claims else { return Self { header: Map::new(), claims: Map::new() } };
        let header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
        Self { header, claims }
    }

    /// With this claim, replacing one of the same name.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without this claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// With this `iat`.
    #[must_use]
    pub fn issued_at(self, at: Timestamp) -> Self {
        self.claim("iat", at.unix_seconds())
    }

    /// With this header parameter. `alg` and `kid` follow from signing unless they are set here.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// The claims as they are now.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The compact form (RFC 7515 §7.1).
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn sign(mut self, key: &SigningKey, signature: Signature) -> Result<String, SandboxError> {
        self.header.entry("alg").or_insert_with(|| signature.name().into());
        self.header.entry("kid").or_insert_with(|| key.key_id().into());
        let [header, claims] = [self.header, self.claims].map(|part| Value::Object(part).to_string());
        sign(&header, claims.as_bytes(), key, signature)
    }

    /// The compact form, signed by the holder of a certificate, whose chain it brings as `x5c` unless another was set.
    ///
    /// # Errors
    /// [`SandboxError::Key`].
    pub fn sign_as(mut self, holder: &Identity) -> Result<String, SandboxError> {
        self.header.entry("x5c").or_insert_with(|| holder.x5c().into());
        let signature = match holder.key_kind() {
            KeyKind::Ecdsa => Signature::Es256,
            KeyKind::Rsa => Signature::Rs256,
        };
        self.sign(&SigningKey::of(holder, "signer")?, signature)
    }
}

/// The compact form of texts that [`Draft`] cannot hold, such as JSON with duplicate members.
///
/// # Errors
/// [`SandboxError::Key`].
pub fn sign(header: &str, payload: &[u8], key: &SigningKey, signature: Signature) -> Result<String, SandboxError> {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(signature, message.as_bytes())?)))
}

/// `iss` of every statement.
pub const ISSUER: &str = "Open Banking Brasil sandbox SSA issuer";

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};

    use super::*;
    use crate::sandbox::Organisation;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    fn draft() -> Draft {
        let software = Software::named("budget", &Organisation::named("Exemplo Servicos Ltda."));
        Draft::of(&software, "https://localhost:1", NOW)
    }

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// With nothing but the published JWK.
    fn verifies(statement: &str, jwk: &Value) -> bool {
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let key = RsaPublicKeyComponents { n: number("n"), e: number("e") };
        let (message, signature) = statement.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        key.verify(&RSA_PSS_2048_8192_SHA256, message.as_bytes(), &signature).is_ok()
    }

    #[test]
    fn ps256_verifies_with_the_published_key_and_no_other() {
        let [key, other] = ["one", "two"].map(|key_id| SigningKey::generate(key_id).unwrap());
        let statement = draft().sign(&key, Signature::Ps256).unwrap();
        assert!(verifies(&statement, &key.public_jwk(KeyUse::Signature)));
        assert!(!verifies(&statement, &other.public_jwk(KeyUse::Signature)));
        let (header, _) = statement.split_once('.').unwrap();
        assert_eq!(decode(header), json!({ "alg": "PS256", "kid": "one", "typ": "JWT" }));
        let rs256 = draft().sign(&key, Signature::Rs256).unwrap();
        assert!(!verifies(&rs256, &key.public_jwk(KeyUse::Signature)));
    }

    #[test]
    fn unsigned_has_an_empty_third_part() {
        let key = SigningKey::generate("one").unwrap();
        let statement = draft().sign(&key, Signature::Unsigned).unwrap();
        assert!(statement.ends_with('.'));
        assert_eq!(decode(statement.split('.').next().unwrap())["alg"], "none");
    }

    #[test]
    fn changes_stand_in_the_claims() {
        let key = SigningKey::generate("one").unwrap();
        let changed = draft().issued_at(NOW.plus(std::time::Duration::from_secs(9))).claim("org_id", "x");
        let statement = changed.without("software_mode").header("kid", "k").sign(&key, Signature::Ps256).unwrap();
        let mut parts = statement.split('.');
        assert_eq!(decode(parts.next().unwrap())["kid"], "k");
        let claims = decode(parts.next().unwrap());
        assert_eq!((&claims["iat"], &claims["org_id"]), (&json!(1_795_435_209), &json!("x")));
        assert!(claims.get("software_mode").is_none());
        assert_eq!(claims["software_statement_roles"][1]["role"], "PAGTO");
    }
}
