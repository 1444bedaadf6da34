//! Client metadata (RFC 7591 §2): every member that dcrgate knows, with its type.
//!
//! The table is the IANA registry "OAuth Dynamic Client Registration Metadata"
//! and what the field uses besides. It says what a member *is*; what a regime
//! allows in it is a check's or a rule's business.

use serde_json::Value;
use url::Url;

use super::address::{as_written, is_inner};

/// A member of client metadata.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// As it stands in the JSON.
    pub name: &'static str,
    /// What its value has to be.
    pub kind: Kind,
}

/// What a member's value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string without control characters.
    Text,
    /// A string for people, which may also come as `name#language-tag` (RFC 7591 §2.2).
    Title,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// An array of strings without control characters.
    Texts,
    /// true or false.
    Boolean,
    /// An integer that is not negative.
    Integer,
    /// An absolute http or https address.
    Address,
    /// An https address that the identity server itself will call: none inside the house (CVE-2026-4366,
    /// CVE-2026-1518, CVE-2020-10770).
    Endpoint,
    /// An array of them.
    Endpoints,
    /// An address for people, not inside the house, which may also come as `name#language-tag`.
    Page,
    /// An array of absolute addresses.
    Addresses,
    /// Redirect addresses; their form is a check of its own.
    Redirects,
    /// A JWS `alg` (RFC 7518 §3.1).
    Signature,
    /// A JWE `alg` (RFC 7518 §4.1).
    KeyManagement,
    /// A JWE `enc` (RFC 7518 §5.1).
    ContentEncryption,
    /// An object.
    Object,
    /// Given out by the identity server; a client does not choose it.
    Issued,
}

impl Kind {
    /// Whether the JSON type fits, whatever the form of the strings in it.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::Texts | Self::Addresses | Self::Endpoints | Self::Redirects => {
                value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.as_u64().is_some(),
            Self::Object => value.is_object(),
            Self::Issued => true,
            _ => value.is_string(),
        }
    }

    /// Whether type and form fit.
    pub fn admits(self, value: &Value) -> bool {
        let every = |test: fn(&str) -> bool| match value {
            Value::String(text) => test(text),
            Value::Array(items) => items.iter().all(|item| item.as_str().is_some_and(test)),
            _ => true,
        };
        self.fits(value)
            && match self {
                Self::Word(words) => value.as_str().is_some_and(|text| words.contains(&text)),
                Self::Address => every(|text| web_address(text).is_some()),
                Self::Page => every(|text| web_address(text).is_some_and(|url| !is_inner(&url))),
                Self::Endpoint | Self::Endpoints => every(is_endpoint),
                Self::Addresses => every(is_address),
                Self::Redirects => true,
                _ => every(|text| !text.contains(char::is_control)),
            }
    }

    /// What a value has to be, for the caller: fixed ASCII.
    pub const fn demand(self) -> &'static str {
        match self {
            Self::Word(_) => "this member does not know the word it was given",
            Self::Texts => "this member has to be an array of strings without control characters",
            Self::Boolean => "this member has to be true or false",
            Self::Integer => "this member has to be an integer that is not negative",
            Self::Page => "this member has to be an absolute http or https address of a public host",
            Self::Endpoint => "this member has to be an absolute https address of a public host",
            Self::Endpoints => "this member has to be an array of absolute https addresses of public hosts",
            Self::Address => "this member has to be an absolute http or https address",
            Self::Addresses => "this member has to be an array of absolute addresses",
            Self::Redirects => "this member has to be an array of strings",
            Self::Object => "this member has to be an object",
            _ => "this member has to be a string without control characters",
        }
    }

    const fn is_localised(self) -> bool {
        matches!(self, Self::Title | Self::Page)
    }
}

/// The member of this name; `name#language-tag` finds the member `name` where it may be localised.
pub fn member(name: &str) -> Option<&'static Member> {
    let find =
        |name: &str| MEMBERS.binary_search_by(|member| member.name.cmp(name)).ok().and_then(|index| MEMBERS.get(index));
    let Some((base, tag)) = name.split_once('#') else { return find(name) };
    find(base).filter(|member| member.kind.is_localised() && is_language_tag(tag))
}

/// The name without its language tag.
pub fn base_name(name: &str) -> &str {
    name.split_once('#').map_or(name, |(base, _)| base)
}

/// The shape of a language tag (BCP 47): subtags of one to eight letters and digits.
fn is_language_tag(tag: &str) -> bool {
    tag.split('-')
        .all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn web_address(text: &str) -> Option<Url> {
    as_written(text).filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

fn is_endpoint(text: &str) -> bool {
    // Two slashes and no user information: nothing that readers repair or understand in two ways.
    let authority = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
        && web_address(text).is_some_and(|url| !is_inner(&url))
}

fn is_address(text: &str) -> bool {
    as_written(text).is_some_and(|url| !is_script_scheme(url.scheme()))
}

/// Schemes that a browser runs or reads locally rather than visits (CVE-2026-9086).
pub fn is_script_scheme(scheme: &str) -> bool {
    matches!(scheme, "javascript" | "data" | "vbscript" | "file" | "blob" | "about" | "view-source" | "filesystem")
}

const fn of(name: &'static str, kind: Kind) -> Member {
    Member { name, kind }
}

/// Every known member, sorted by name.
pub const MEMBERS: &[Member] = &[
    of("application_type", Kind::Word(&["web", "native"])),
    of("authorization_details_types", Kind::Texts),
    of("authorization_encrypted_response_alg", Kind::KeyManagement),
    of("authorization_encrypted_response_enc", Kind::ContentEncryption),
    of("authorization_signed_response_alg", Kind::Signature),
    of("backchannel_authentication_request_signing_alg", Kind::Signature),
    of("backchannel_client_notification_endpoint", Kind::Endpoint),
    of("backchannel_logout_session_required", Kind::Boolean),
    of("backchannel_logout_uri", Kind::Endpoint),
    of("backchannel_token_delivery_mode", Kind::Word(&["poll", "ping", "push"])),
    of("backchannel_user_code_parameter", Kind::Boolean),
    of("backchannel_user_code_parameter_supported", Kind::Boolean),
    of("claims_redirect_uris", Kind::Addresses),
    of("client_id", Kind::Issued),
    of("client_id_issued_at", Kind::Issued),
    of("client_name", Kind::Title),
    of("client_registration_types", Kind::Texts),
    of("client_secret", Kind::Issued),
    of("client_secret_expires_at", Kind::Issued),
    of("client_uri", Kind::Page),
    of("contacts", Kind::Texts),
    of("default_acr_values", Kind::Texts),
    of("default_max_age", Kind::Integer),
    of("description", Kind::Title),
    of("dpop_bound_access_tokens", Kind::Boolean),
    of("encrypted_response_enc_values_supported", Kind::Texts),
    of("frontchannel_logout_session_required", Kind::Boolean),
    of("frontchannel_logout_uri", Kind::Address),
    of("grant_types", Kind::Texts),
    of("id_token_encrypted_response_alg", Kind::KeyManagement),
    of("id_token_encrypted_response_enc", Kind::ContentEncryption),
    of("id_token_signed_response_alg", Kind::Signature),
    of("information_uri", Kind::Page),
    of("initiate_login_uri", Kind::Endpoint),
    of("introspection_encrypted_response_alg", Kind::KeyManagement),
    of("introspection_encrypted_response_enc", Kind::ContentEncryption),
    of("introspection_signed_response_alg", Kind::Signature),
    of("jwks", Kind::Object),
    of("jwks_uri", Kind::Address),
    of("keywords", Kind::Texts),
    of("logo_uri", Kind::Page),
    of("nfv_token_encrypted_response_alg", Kind::KeyManagement),
    of("nfv_token_encrypted_response_enc", Kind::ContentEncryption),
    of("nfv_token_signed_response_alg", Kind::Signature),
    of("organization_name", Kind::Title),
    of("organization_uri", Kind::Page),
    of("policy_uri", Kind::Page),
    of("post_logout_redirect_uris", Kind::Addresses),
    of("recipient_base_uri", Kind::Endpoint),
    of("redirect_uris", Kind::Redirects),
    of("registration_access_token", Kind::Issued),
    of("registration_client_uri", Kind::Issued),
    of("request_object_encryption_alg", Kind::KeyManagement),
    of("request_object_encryption_enc", Kind::ContentEncryption),
    of("request_object_signing_alg", Kind::Signature),
    of("request_uris", Kind::Endpoints),
    of("require_auth_time", Kind::Boolean),
    of("require_pushed_authorization_request", Kind::Boolean),
    of("require_pushed_authorization_requests", Kind::Boolean),
    of("require_signed_request_object", Kind::Boolean),
    of("response_modes", Kind::Texts),
    of("response_types", Kind::Texts),
    of("revocation_uri", Kind::Endpoint),
    of("scope", Kind::Text),
    of("sector_identifier_uri", Kind::Endpoint),
    of("signed_jwks_uri", Kind::Endpoint),
    of("software_id", Kind::Text),
    of("software_statement", Kind::Text),
    of("software_version", Kind::Text),
    of("subject_type", Kind::Word(&["public", "pairwise"])),
    of("tls_client_auth_dn", Kind::Text),
    of("tls_client_auth_san_dns", Kind::Text),
    of("tls_client_auth_san_email", Kind::Text),
    of("tls_client_auth_san_ip", Kind::Text),
    of("tls_client_auth_san_uri", Kind::Text),
    of("tls_client_auth_subject_dn", Kind::Text),
    of("tls_client_certificate_bound_access_tokens", Kind::Boolean),
    of("token_endpoint_auth_method", Kind::Text),
    of("token_endpoint_auth_signing_alg", Kind::Signature),
    of("tos_uri", Kind::Page),
    of("use_mtls_endpoint_aliases", Kind::Boolean),
    of("userinfo_encrypted_response_alg", Kind::KeyManagement),
    of("userinfo_encrypted_response_enc", Kind::ContentEncryption),
    of("userinfo_signed_response_alg", Kind::Signature),
    of("vp_formats_supported", Kind::Object),
    of("webhook_uris", Kind::Texts),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(MEMBERS.is_sorted_by(|a, b| a.name < b.name));
        assert!(MEMBERS.iter().all(|entry| member(entry.name) == Some(entry)));
    }

    #[test]
    fn only_members_for_people_are_localised() {
        assert_eq!(member("client_name#pt-BR").map(|member| member.name), Some("client_name"));
        for name in ["redirect_uris#en", "client_name#", "client_name#a_b", "client_name#en#pt", "Client_Name", "jwks "]
        {
            assert_eq!(member(name), None, "{name}");
        }
    }

    #[test]
    fn addresses_are_absolute_and_of_the_web() {
        let admits = |text: &str| Kind::Page.admits(&json!(text));
        assert!(admits("https://tpp.example/logo.png"));
        for text in ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "/logo", "https:", "https://a b/", "https:\\\\a", ""]
        {
            assert!(!admits(text), "{text}");
        }
        assert!(!Kind::Addresses.admits(&json!(["https://a.example/", "data:text/html,x"])));
    }

    #[test]
    fn what_the_identity_server_calls_is_outside() {
        let admits = |text: &str| Kind::Endpoint.admits(&json!(text));
        assert!(admits("https://tpp.example/sector.json") && admits("https://tpp.example:8443?x=@"));
        for text in [
            "http://tpp.example/",
            "HTTPS://tpp.example/",
            "https://169.254.169.254/latest",
            "https://localhost/",
            "https://u@tpp.example/",
            "https:///tpp.example/",
            "https:tpp.example",
        ] {
            assert!(!admits(text), "{text}");
        }
        assert!(!Kind::Endpoints.admits(&json!(["https://tpp.example/", "https://10.0.0.1/"])));
        assert!(
            !Kind::Page.admits(&json!("http://127.0.0.1/logo")) && Kind::Page.admits(&json!("http://tpp.example/"))
        );
    }

    #[test]
    fn types_are_not_coerced() {
        assert!(!Kind::Boolean.admits(&json!("true")));
        assert!(!Kind::Texts.admits(&json!("code")));
        assert!(!Kind::Texts.admits(&json!(["code", 1])));
        assert!(!Kind::Text.admits(&json!("line\nfeed")));
        assert!(!Kind::Integer.admits(&json!(-1)));
        assert!(!Kind::Word(&["web"]).admits(&json!("WEB")));
    }
}
