//! Names that claim an identity, in every dialect of the field.
//!
//! The identity server believes what the proxy writes, so nothing that looks
//! like it may come from outside: whatever the spelling, because servers behind
//! us fold `_`, `.` and case into `-` (CVE-2025-64484, GHSA-5m6w-wvh7-57vm). The
//! list is the union of all dialects, whichever one is in use, on every
//! listener; a header of ours is therefore protected from its first day.

/// A name is removed when, folded, it begins with one of these.
const PREFIXES: &[&str] = &[
    "client-cert",                 // RFC 9440, Authlete set 2
    "client-to-edge",              // Akamai
    "dcr-",                        // dcrgate's decision headers
    "certificate-",                // WSO2 samples
    "cert-",                       // Cloudflare transforms
    "cf-client-cert",              // Cloudflare
    "cf-cert",                     // Cloudflare
    "ssl-",                        // nginx, ingress-nginx, HAProxy, Apache, Keycloak lookups
    "tls-client",                  // Apigee
    "mtls-",                       // assorted gateways
    "verified-client",             // assorted gateways
    "x-ssl",                       // OpenShift router, HAProxy, Authlete set 1
    "x-tls",                       // assorted gateways
    "x-mtls",                      // assorted gateways
    "x-amzn-mtls-",                // AWS ALB
    "x-apigw-",                    // API gateways
    "x-arr-clientcert",            // Azure
    "x-cert",                      // assorted gateways
    "x-client-cert",               // Kong, ASP.NET, dcrgate's own
    "x-client-dn",                 // HAProxy recipes
    "x-client-ssl",                // Curity
    "x-client-subject",            // assorted gateways
    "x-client-verif",              // assorted gateways
    "x-clientcert",                // Janssen, Gluu
    "x-forwarded-client-cert",     // Envoy, Istio, Cloud Foundry
    "x-forwarded-mtls",            // Airlock
    "x-forwarded-ssl",             // Apache recipes
    "x-forwarded-tls-client-cert", // Traefik
    "x-gravitee-client-cert",      // Gravitee
    "x-organi",                    // organisation claims of gateways
    "x-peer-cert",                 // assorted gateways
    "x-subject",                   // assorted gateways
    "x-wso2-mutual-auth-cert",     // WSO2
    // Not identities, but ways around the route and method that were judged.
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-ur",
    "x-rewrite-url",
];

/// Whether a header of this name must not come from outside.
pub fn is_identity(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| folded_starts_with(name, prefix))
}

/// Whether the name, `_` and `.` read as `-` and letters without case, begins with this.
pub(super) fn folded_starts_with(name: &str, prefix: &str) -> bool {
    let name = name.as_bytes();
    name.len() >= prefix.len() && name.iter().zip(prefix.as_bytes()).all(|(byte, wanted)| fold(*byte) == *wanted)
}

const fn fold(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_in_every_spelling() {
        for name in [
            "Client-Cert",
            "client_cert",
            "CLIENT.CERT",
            "Client-Cert-Chain",
            "X-Forwarded-Client-Cert",
            "x_forwarded_client_cert",
            "SSL_CLIENT_CERT",
            "ssl-client-verify",
            "X-SSL-Client-DN",
            "X-Ssl-Cert-Chain-0",
            "X-Amzn-Mtls-Clientcert-Leaf",
            "X-ARR-ClientCert",
            "X-ClientCert",
            "X-Client-SSL-Cert",
            "X-Client-Cert-Verified",
            "X-Forwarded-Tls-Client-Cert-Info",
            "x-wso2-mutual-auth-cert",
            "X-Gravitee-Client-Cert",
            "DCR-Organisation",
            "dcr_decision_id",
            "X-HTTP-Method-Override",
            "X-Original-URL",
        ] {
            assert!(is_identity(name), "{name}");
        }
    }

    #[test]
    fn ordinary_headers_pass() {
        for name in [
            "accept",
            "authorization",
            "content-type",
            "cookie",
            "dpop",
            "host",
            "traceparent",
            "user-agent",
            "x-fapi-interaction-id",
            "x-requested-with",
            "client-hint",
            "x-customer",
        ] {
            assert!(!is_identity(name), "{name}");
        }
    }
}
