//! The document as clients are to see it.
//!
//! `issuer` stays, and so does what nobody here knows. What leads inside is
//! rewritten or dropped, wherever it stands; `signed_metadata` (RFC 8414 §2.1)
//! is dropped, since its claims would take precedence over what is written here.

use serde_json::{Map, Value};
use url::Url;

use super::DiscoveryRoute;
use super::addresses::{Addresses, Leads, Outside, Registration};
use crate::checks::ClientLimits;

/// Rewrites a document for those who ask there.
pub(super) fn rewrite(
    mut members: Map<String, Value>,
    route: &DiscoveryRoute,
    outside: &Outside<'_>,
) -> Map<String, Value> {
    let addresses = Addresses { route, outside };
    let mut dropped = Vec::new();
    if members.remove("signed_metadata").is_some() {
        dropped.push("signed_metadata".to_owned());
    }
    let issuer = members.remove(ISSUER);
    let issuer_url = issuer.as_ref().and_then(Value::as_str).and_then(|issuer| Url::parse(issuer).ok());
    if let Some(Leads::Inside) = issuer.as_ref().and_then(Value::as_str).map(|issuer| addresses.of(issuer)) {
        tracing::warn!(
            upstream = &*route.upstream.name,
            "the identity server's issuer is an address inside: name it there"
        );
    }
    let named = members.remove(REGISTRATION);
    let registration = addresses.registration(named.as_ref().and_then(Value::as_str));
    if registration.is_none() && named.is_some() {
        dropped.push(REGISTRATION.to_owned());
    }
    let aliases = aliases(&members, &addresses, issuer_url.as_ref(), registration.as_ref());
    let kept = members.into_iter().filter_map(|(name, value)| match seen(&name, value, &addresses) {
        Some(value) => Some((name, value)),
        None => {
            dropped.push(name);
            None
        }
    });
    let mut members: Map<String, Value> = kept.collect();
    if !aliases.is_empty() {
        let all = members.entry(ALIASES).or_insert_with(|| Value::Object(Map::new()));
        match all {
            Value::Object(all) => all.extend(aliases),
            all => *all = Value::Object(aliases),
        }
    }
    if let Some(registration) = registration {
        let limits = addresses.registering_at(registration.settings).flat_map(|route| &route.policies);
        let limits = limits.map(|chosen| chosen.policy.client_limits()).reduce(ClientLimits::or).unwrap_or_default();
        limit(&mut members, &limits, &mut dropped);
        members.insert(REGISTRATION.to_owned(), registration.endpoint.into());
    }
    members.extend(issuer.map(|issuer| (ISSUER.to_owned(), issuer)));
    if !dropped.is_empty() {
        tracing::info!(upstream = &*route.upstream.name, host = &*outside.host.name, ?dropped, "metadata is not told");
    }
    members
}

/// A member as it is seen from outside; `None` when it leads nowhere.
fn seen(name: &str, value: Value, addresses: &Addresses<'_>) -> Option<Value> {
    match value {
        Value::String(text) => match addresses.of(&text) {
            Leads::Elsewhere => Some(Value::String(text)),
            Leads::Here(url) => Some(Value::String(url)),
            Leads::Nowhere if is_endpoint(name) => None,
            // An identifier under our name, or a page that somebody else serves there.
            Leads::Nowhere => Some(Value::String(text)),
            Leads::Inside => None,
        },
        Value::Array(items) => {
            let whole = items.is_empty();
            let items: Vec<Value> = items.into_iter().filter_map(|item| seen("", item, addresses)).collect();
            (whole || !items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let whole = members.is_empty();
            let members: Map<String, Value> = members
                .into_iter()
                .filter_map(|(name, value)| {
                    let value = seen(&name, value, addresses)?;
                    Some((name, value))
                })
                .collect();
            (whole || !members.is_empty()).then_some(Value::Object(members))
        }
        value => Some(value),
    }
}

/// RFC 8705 §5: the endpoints that a client asks directly and that the host for mutual TLS serves.
fn aliases(
    members: &Map<String, Value>,
    addresses: &Addresses<'_>,
    issuer: Option<&Url>,
    registration: Option<&Registration<'_>>,
) -> Map<String, Value> {
    let direct = members.iter().filter(|(name, _)| name.ends_with(ENDPOINT) && !BROWSERS.contains(&name.as_str()));
    let aliases = direct.filter_map(|(name, value)| {
        let url = addresses.alias(value.as_str()?, issuer)?;
        Some((name.clone(), Value::String(url)))
    });
    let registration = registration.and_then(|registration| registration.alias.clone());
    aliases.chain(registration.map(|url| (REGISTRATION.to_owned(), Value::String(url)))).collect()
}

/// Takes away the methods and algorithms that no new client may have. What has none left is left out, as both
/// specifications want it (RFC 8414 §3.2).
fn limit(members: &mut Map<String, Value>, limits: &ClientLimits, dropped: &mut Vec<String>) {
    members.retain(|name, value| {
        let accepted = match name.as_str() {
            "token_endpoint_auth_methods_supported" | "revocation_endpoint_auth_methods_supported" => &limits.methods,
            // Who introspects is no client of these policies, and proofs of possession are not registered.
            name if name.starts_with("introspection_endpoint_") || name.starts_with("dpop_") => return true,
            name if name.ends_with("_signing_alg_values_supported") => &limits.signature,
            name if name.ends_with("_encryption_alg_values_supported") => &limits.key_management,
            name if name.ends_with("_encryption_enc_values_supported") => &limits.content_encryption,
            _ => return true,
        };
        let (Some(accepted), Value::Array(items)) = (accepted, value) else { return true };
        items.retain(|item| item.as_str().is_some_and(|item| accepted.iter().any(|accepted| accepted == item)));
        if items.is_empty() {
            dropped.push(name.clone());
        }
        !items.is_empty()
    });
}

fn is_endpoint(name: &str) -> bool {
    name.ends_with(ENDPOINT) || matches!(name, "jwks_uri" | "check_session_iframe")
}

const ISSUER: &str = "issuer";
const REGISTRATION: &str = "registration_endpoint";
const ALIASES: &str = "mtls_endpoint_aliases";
const ENDPOINT: &str = "_endpoint";
/// Where browsers go, which have no certificate of the client.
const BROWSERS: &[&str] = &["authorization_endpoint", "end_session_endpoint"];
