//! How the client will authenticate at the token endpoint (RFC 7591 §2, RFC 8705 §2.1.2).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member, text};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct ClientAuthentication;

const METHOD: Fault =
    Fault { message: "token_endpoint_auth_method is not accepted", hint: "use a method that this regime allows" };
const IMPLICIT: Fault = Fault {
    message: "token_endpoint_auth_method is missing",
    hint: "name the method: the default client_secret_basic is not accepted",
};
const KEYLESS: Fault = Fault {
    message: "token_endpoint_auth_method needs keys, and there is neither jwks_uri nor jwks",
    hint: "send jwks_uri",
};
const SUBJECT: Fault = Fault {
    message: "tls_client_auth needs exactly one of the tls_client_auth_* members",
    hint: "send one of tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip and _san_email",
};

static ABOUT: About = About {
    id: "client.authentication",
    summary: "token_endpoint_auth_method is accepted, and what it needs is there",
    clause: "RFC 7591 2, RFC 8705 2.1.2",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("token_endpoint_auth_method"),
    operations: WRITES,
    faults: &[METHOD, IMPLICIT, KEYLESS, SUBJECT],
    settings: &[
        ("methods", "accepted methods (any)"),
        ("explicit", "whether the request has to name its method (false)"),
    ],
};

/// The members of which `tls_client_auth` needs exactly one.
const SUBJECTS: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

impl Check for ClientAuthentication {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let explicit = settings.boolean("explicit").unwrap_or(false);
        Some(Box::new(Authentication { methods: settings.texts("methods"), explicit }))
    }
}

#[derive(Debug)]
struct Authentication {
    methods: Option<Vec<String>>,
    explicit: bool,
}

impl Judge for Authentication {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if self.explicit && text(facts.request, "token_endpoint_auth_method").is_none() {
            return report.fail(Failure::of(IMPLICIT));
        }
        let method = text(facts.metadata, "token_endpoint_auth_method").unwrap_or("client_secret_basic");
        if self.methods.as_ref().is_some_and(|allowed| !allowed.iter().any(|allowed| allowed == method)) {
            return report.fail(Failure::of(METHOD).detail(method));
        }
        let has = |name: &&str| member(facts.metadata, name).is_some();
        if matches!(method, "private_key_jwt" | "self_signed_tls_client_auth") && !has(&"jwks_uri") && !has(&"jwks") {
            report.fail(Failure::of(KEYLESS));
        }
        let subjects = SUBJECTS.iter().filter(|name| has(name)).count();
        if method == "tls_client_auth" && subjects != 1 {
            report.fail(Failure::of(SUBJECT).detail(format!("{subjects} members")));
        }
    }
}
