//! Client metadata (RFC 7591 §2): every member that dcrgate knows, with its type.
//!
//! The table is the IANA registry "OAuth Dynamic Client Registration Metadata"
//! and what the field uses besides. It says what a member *is*; what a regime
//! allows in it is a check's or a rule's business.

use serde_json::Value;

use super::address::is_inner;

mod form;

pub use form::is_script_scheme;

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
    /// An array of strings without control characters, none of them empty.
    Texts,
    /// An array of these strings.
    Words(&'static [&'static str]),
    /// true or false.
    Boolean,
    /// An integer that is not negative.
    Integer,
    /// An absolute http or https address.
    Address,
    /// An https address that the identity server itself will call: none inside the house (CVE-2026-4366,
    /// CVE-2026-1518, CVE-2020-10770).
    Endpoint,
    /// An array of them, where a fragment is the base64url of the SHA-256 of what is found there.
    RequestObjects,
    /// An address for people, not inside the house, which may also come as `name#language-tag`.
    Page,
    /// An array of absolute addresses.
    Addresses,
    /// An array of absolute addresses without fragment, to which something is appended.
    ReturnAddresses,
    /// Redirect addresses; their form is a check of its own.
    Redirects,
    /// A JWS `alg` (RFC 7518 §3.1).
    Signature,
    /// A JWE `alg` (RFC 7518 §4.1).
    KeyManagement,
    /// A JWE `enc` (RFC 7518 §5.1).
    ContentEncryption,
    /// An array of them, not empty.
    ContentEncryptions,
    /// A host name, without wildcard.
    HostName,
    /// An address in numbers: four decimal numbers, or RFC 5952.
    IpAddress,
    /// A mail address, without display name.
    Mailbox,
    /// An absolute URI that is compared, never visited.
    Identifier,
    /// A compact JWS.
    CompactJws,
    /// A JWK set.
    KeySet,
    /// An object.
    Object,
    /// Given out by the identity server; a client does not choose it.
    Issued,
}

impl Kind {
    /// Whether the JSON type fits, whatever the form of the strings in it.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::Texts
            | Self::Words(_)
            | Self::Addresses
            | Self::ReturnAddresses
            | Self::RequestObjects
            | Self::ContentEncryptions
            | Self::Redirects => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.as_u64().is_some(),
            Self::Object | Self::KeySet => value.is_object(),
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
        let among = |words: &[&str]| match value {
            Value::Array(items) => items.iter().all(|item| item.as_str().is_some_and(|text| words.contains(&text))),
            value => value.as_str().is_some_and(|text| words.contains(&text)),
        };
        let plain = |text: &str| !text.contains(char::is_control);
        self.fits(value)
            && match self {
                Self::Word(words) | Self::Words(words) => among(words),
                Self::Texts => every(|text| !text.is_empty() && !text.contains(char::is_control)),
                Self::Address => every(|text| form::web_address(text).is_some()),
                Self::Page => every(|text| form::web_address(text).is_some_and(|url| !is_inner(&url))),
                Self::Endpoint => every(form::is_endpoint),
                Self::RequestObjects => every(form::is_request_object),
                Self::Addresses | Self::Identifier => every(form::is_address),
                Self::ReturnAddresses => every(form::is_return_address),
                Self::HostName => every(form::is_host_name),
                Self::IpAddress => every(form::is_ip_address),
                Self::Mailbox => every(form::is_mailbox),
                Self::CompactJws => every(form::is_compact_jws),
                Self::KeySet => form::is_key_set(value),
                Self::ContentEncryptions => among(CONTENT_ENCRYPTION) && *value != Value::Array(Vec::new()),
                Self::Redirects => true,
                _ => every(plain),
            }
    }

    /// What a value has to be, for the caller: fixed ASCII.
    pub const fn demand(self) -> &'static str {
        match self {
            Self::Word(_) => "this member does not know the word it was given",
            Self::Words(_) => "this member has to be an array of words that it knows",
            Self::Texts => "this member has to be an array of strings without control characters, none of them empty",
            Self::Boolean => "this member has to be true or false",
            Self::Integer => "this member has to be an integer that is not negative",
            Self::Page => "this member has to be an absolute http or https address of a public host",
            Self::Endpoint => "this member has to be an absolute https address of a public host",
            Self::RequestObjects => {
                "this member has to be an array of absolute https addresses of public hosts, each alone or with the base64url SHA-256 of its content as fragment"
            }
            Self::Address => "this member has to be an absolute http or https address",
            Self::Addresses => "this member has to be an array of absolute addresses",
            Self::ReturnAddresses => "this member has to be an array of absolute addresses without fragment",
            Self::Redirects => "this member has to be an array of strings",
            Self::ContentEncryptions => "this member has to be an array of JWE enc values that is not empty",
            Self::HostName => "this member has to be a host name without wildcard",
            Self::IpAddress => {
                "this member has to be an IPv4 address in four decimal numbers or an IPv6 address as in RFC 5952"
            }
            Self::Mailbox => "this member has to be a mail address",
            Self::Identifier => "this member has to be an absolute URI",
            Self::CompactJws => "this member has to be a JWS in compact serialization",
            Self::KeySet => "this member has to be a JWK set: an object with an array of keys, each with its kty",
            Self::Object => "this member has to be an object",
            _ => "this member has to be a string without control characters",
        }
    }

    /// Whether it holds addresses of hosts.
    pub const fn holds_addresses(self) -> bool {
        matches!(
            self,
            Self::Address
                | Self::Addresses
                | Self::Endpoint
                | Self::Page
                | Self::Redirects
                | Self::RequestObjects
                | Self::ReturnAddresses
        )
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
    find(base).filter(|member| member.kind.is_localised() && form::is_language_tag(tag))
}

/// The name without its language tag.
pub fn base_name(name: &str) -> &str {
    name.split_once('#').map_or(name, |(base, _)| base)
}

/// JWS algorithms that are registered for signatures and not prohibited (IANA JOSE; RFC 7518, 8037, 8812, 9864).
pub const SIGNATURE: &[&str] = &[
    "none",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "Ed448",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
];

/// JWE algorithms that are registered for the management of keys (IANA JOSE; RFC 7518 §4.1).
pub const KEY_MANAGEMENT: &[&str] = &[
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
    "A128KW",
    "A192KW",
    "A256KW",
    "dir",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "PBES2-HS256+A128KW",
    "PBES2-HS384+A192KW",
    "PBES2-HS512+A256KW",
];

/// JWE algorithms that are registered for the encryption of content (IANA JOSE; RFC 7518 §5.1).
pub const CONTENT_ENCRYPTION: &[&str] =
    &["A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"];

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
    of("claims_redirect_uris", Kind::ReturnAddresses),
    of("client_id", Kind::Issued),
    of("client_id_issued_at", Kind::Issued),
    of("client_name", Kind::Title),
    of("client_registration_types", Kind::Words(&["automatic", "explicit"])),
    of("client_secret", Kind::Issued),
    of("client_secret_expires_at", Kind::Issued),
    of("client_uri", Kind::Page),
    of("contacts", Kind::Texts),
    of("default_acr_values", Kind::Texts),
    of("default_max_age", Kind::Integer),
    of("description", Kind::Title),
    of("dpop_bound_access_tokens", Kind::Boolean),
    of("encrypted_response_enc_values_supported", Kind::ContentEncryptions),
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
    of("jwks", Kind::KeySet),
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
    of("request_uris", Kind::RequestObjects),
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
    of("software_statement", Kind::CompactJws),
    of("software_version", Kind::Text),
    of("subject_type", Kind::Word(&["public", "pairwise"])),
    of("tls_client_auth_dn", Kind::Text),
    of("tls_client_auth_san_dns", Kind::HostName),
    of("tls_client_auth_san_email", Kind::Mailbox),
    of("tls_client_auth_san_ip", Kind::IpAddress),
    of("tls_client_auth_san_uri", Kind::Identifier),
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
mod tests;
