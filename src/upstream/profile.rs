//! What is known of identity servers, as data: which paths register or manage clients, what they cannot read or
//! do at once, and how their answers depart from RFC 7591.

use std::time::Duration;

use crate::headers::verified::CertificateForm;

/// One kind of identity server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The word of the configuration.
    pub name: &'static str,
    /// Paths of registration, management and administration in this server's own default layout;
    /// they and everything below are denied on every proxy route.
    pub gated: &'static [&'static str],
    /// Members that its registration endpoint answers with an error; not forwarded, and still in the record.
    pub refused_members: &'static [&'static str],
    /// How it reads a forwarded client certificate, where the configuration does not say.
    pub certificate: CertificateForm,
    /// Whether its answers are made those of RFC 7591, where the configuration does not say.
    pub normalise: bool,
    /// The name under which it answers `client_secret_expires_at`, where that is another.
    pub secret_expiry: &'static str,
    /// How many registrations it takes at once, where the configuration does not say; `None`: as many as come.
    pub max_concurrent: Option<usize>,
    /// How long after one registration the next may begin; of meaning only with `max_concurrent`.
    pub pause: Duration,
}

/// Nothing is known but the routes; the default.
pub const GENERIC: &Profile = &Profile {
    name: "generic",
    gated: &[],
    refused_members: &[],
    certificate: CertificateForm::Rfc9440,
    normalise: false,
    secret_expiry: SECRET_EXPIRY,
    max_concurrent: None,
    pause: Duration::ZERO,
};

/// RFC 7591 §3.2.1.
pub const SECRET_EXPIRY: &str = "client_secret_expires_at";

/// Every profile that is built.
pub const PROFILES: &[Profile] = &[
    *GENERIC,
    Profile { name: "oidc-provider", gated: &["/reg"], ..*GENERIC },
    Profile {
        name: "keycloak",
        // The second of each: `http-relative-path=/auth`, the default up to version 16.
        gated: &[
            "/admin",
            "/auth/admin",
            "/realms/{realm}/clients-registrations",
            "/auth/realms/{realm}/clients-registrations",
            "/realms/{realm}/clients-managements",
            "/auth/realms/{realm}/clients-managements",
        ],
        // Its representation class has no such members and does not ignore unknown ones.
        refused_members: &[
            "software_statement",
            "webhook_uris",
            "require_signed_request_object",
            "org_id",
            "software_roles",
        ],
        ..*GENERIC
    },
    // Answers 200. It reads certificates as PEM on one line alone, and fails with 500 on every other form.
    Profile {
        name: "glewlwyd",
        // The plugin's name is the administrator's; the others are its interface of administration.
        gated: &["/api/{plugin}/register", "/api/mod", "/api/user", "/api/client", "/api/scope", "/api/delegate"],
        certificate: CertificateForm::None,
        normalise: true,
        ..*GENERIC
    },
    // Leaves out `client_secret_expires_at`; knows no certificates.
    Profile {
        name: "django-oauth-toolkit",
        gated: &["/o/register", "/o/applications", "/admin"],
        certificate: CertificateForm::None,
        normalise: true,
        ..*GENERIC
    },
    // Each registration rewrites its whole configuration, under the second in which it came: two in one second, and
    // the second of them takes the place of the first.
    Profile {
        name: "lemonldap-ng",
        gated: &["/oauth2/register"],
        certificate: CertificateForm::None,
        normalise: true,
        secret_expiry: "client_id_expires_at",
        max_concurrent: Some(1),
        pause: Duration::from_secs(1),
        ..*GENERIC
    },
    // Refuses every statement that it cannot verify itself; members that mean nothing are `null`.
    Profile {
        name: "canaille",
        gated: &["/oauth/register", "/admin"],
        refused_members: &["software_statement"],
        certificate: CertificateForm::None,
        normalise: true,
        ..*GENERIC
    },
];
