//! How the client will authenticate at the token endpoint (RFC 7591 §2, RFC 8705 §2.1.2).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, ClientLimits, Fault, Judge, Report, Settings, WRITES, member, text};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::name::DistinguishedName;

#[derive(Debug)]
pub(super) struct ClientAuthentication;

const METHOD: Fault =
    Fault { message: "token_endpoint_auth_method is not accepted", hint: "use a method that this regime allows" };
const IMPLICIT: Fault = Fault {
    message: "token_endpoint_auth_method is missing",
    hint: "name the method: the default client_secret_basic is not accepted",
};
const KEYLESS: Fault = Fault {
    message: "token_endpoint_auth_method needs keys, and there are none: neither jwks_uri nor jwks with keys",
    hint: "send jwks_uri",
};
const SUBJECT: Fault = Fault {
    message: "tls_client_auth needs exactly one of the tls_client_auth_* members",
    hint: "send one of tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip and _san_email",
};
const SUBJECT_FORM: Fault = Fault {
    message: "tls_client_auth_subject_dn is not a distinguished name in the string form of RFC 4514",
    hint: "send the subject of the client certificate, such as CN=client.example,O=Example,C=PT",
};
const CERTIFICATES: Fault = Fault {
    message: "self_signed_tls_client_auth needs keys with their certificates, and jwks has no x5c",
    hint: "put the certificate of the client into x5c of its key, or send jwks_uri",
};
const UNUSED: Fault = Fault {
    message: "this member means nothing for this token_endpoint_auth_method",
    hint: "leave it out, or choose the method that it belongs to",
};

static ABOUT: About = About {
    id: "client.authentication",
    summary: "token_endpoint_auth_method is accepted, what it needs is there, and nothing of another method",
    clause: "RFC 7591 2, RFC 8705 2.1.2",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("token_endpoint_auth_method"),
    operations: WRITES,
    faults: &[METHOD, IMPLICIT, KEYLESS, SUBJECT, SUBJECT_FORM, CERTIFICATES, UNUSED],
    settings: &[
        ("methods", "accepted methods (those that are registered)"),
        ("explicit", "whether the request has to name its method (false)"),
        ("unused", "members of another method, such as tls_client_auth_subject_dn: refuse | accept (refuse)"),
    ],
};

/// The methods that are registered (IANA "OAuth Token Endpoint Authentication Methods").
const REGISTERED: [&str; 7] = [
    "none",
    "client_secret_post",
    "client_secret_basic",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
];

/// The member that says how assertions are signed.
const SIGNING: &str = "token_endpoint_auth_signing_alg";

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
        let registered = || REGISTERED.iter().map(|method| (*method).to_owned()).collect();
        let methods = settings.texts("methods").unwrap_or_else(registered);
        let refuse_unused = settings.word("unused", &[("refuse", true), ("accept", false)]).unwrap_or(true);
        Some(Box::new(Authentication { methods, explicit, refuse_unused }))
    }
}

#[derive(Debug)]
struct Authentication {
    methods: Vec<String>,
    explicit: bool,
    refuse_unused: bool,
}

impl Judge for Authentication {
    fn limit(&self, limits: &mut ClientLimits) {
        limits.methods = Some(self.methods.clone());
    }

    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if self.explicit && text(facts.request, "token_endpoint_auth_method").is_none() {
            return report.fail(Failure::of(IMPLICIT));
        }
        let method = text(facts.metadata, "token_endpoint_auth_method").unwrap_or("client_secret_basic");
        if !self.methods.iter().any(|accepted| accepted == method) {
            return report.fail(Failure::of(METHOD).detail(method));
        }
        let has = |name: &str| member(facts.metadata, name).is_some();
        let keys = || facts.metadata.get("jwks")?.get("keys")?.as_array().filter(|keys| !keys.is_empty());
        let published = has("jwks_uri") || has("signed_jwks_uri");
        if matches!(method, "private_key_jwt" | "self_signed_tls_client_auth") && !published {
            match keys() {
                None => report.fail(Failure::of(KEYLESS)),
                // RFC 8705 §2.2.2: it is known by the certificates of its keys.
                Some(keys) if method != "private_key_jwt" && !keys.iter().any(|key| key.get("x5c").is_some()) => {
                    report.fail(Failure::of(CERTIFICATES).field("jwks"));
                }
                Some(_) => {}
            }
        }
        let subjects = || SUBJECTS.into_iter().filter(|name| has(name));
        if method == "tls_client_auth" {
            if subjects().count() != 1 {
                report.fail(Failure::of(SUBJECT).detail(format!("{} members", subjects().count())));
            }
            if let Some(name) = text(facts.metadata, "tls_client_auth_subject_dn")
                && DistinguishedName::parse(name).is_err()
            {
                report.fail(Failure::of(SUBJECT_FORM).field("tls_client_auth_subject_dn").detail(name));
            }
        } else if self.refuse_unused {
            subjects().for_each(|name| report.fail(Failure::of(UNUSED).field(name)));
        }
        if self.refuse_unused && has(SIGNING) && !method.ends_with("_jwt") {
            report.fail(Failure::of(UNUSED).field(SIGNING).detail(method));
        }
    }
}
