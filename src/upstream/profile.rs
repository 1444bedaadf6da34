//! What is known of identity servers: which paths register or manage clients,
//! and which members their registration endpoints refuse.

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
}

/// Nothing is known but the routes; the default.
pub const GENERIC: &Profile = &Profile { name: "generic", gated: &[], refused_members: &[] };

/// Every profile that is built.
pub const PROFILES: &[Profile] = &[
    *GENERIC,
    Profile { name: "oidc-provider", gated: &["/reg"], refused_members: &[] },
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
    },
];
