//! Issuers of initial access tokens: whom to ask, and what routes ask of their tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use super::trust;
use crate::config::Settings;
use crate::config::clients::{Credential, ServerClient};
use crate::config::selection::InitialToken;
use crate::config::tokens::{Token, Verification as Written};
use crate::model::document::Faults;
use crate::net::{ClientAuthentication, Endpoint, EndpointSettings, FetchSettings};
use crate::oauth::Introspection;
use crate::pipeline::token::{Issuer, TokenRule, Verification};

/// Every `[tokens.NAME]`, by name; its endpoint is shared by all routes, and with it the bound of what is under way
/// towards it.
pub(super) fn issuers<'s>(
    settings: &'s Settings,
    fetch: &FetchSettings,
    faults: &Faults,
) -> BTreeMap<&'s str, Arc<Issuer>> {
    let issuer = |(name, token): (&'s String, &Token)| {
        let verification = match &token.verification {
            Written::KeySet { key_set, algorithms } => {
                Verification::KeySet { key_set: key_set.clone(), algorithms: algorithms.clone() }
            }
            Written::Introspection(client) => {
                let endpoint = endpoint(client, INTROSPECTIONS, fetch, faults)?;
                Verification::Introspection(Introspection::new(endpoint))
            }
        };
        Some((name.as_str(), Arc::new(Issuer { verification, terms: token.terms.clone() })))
    };
    settings.tokens.iter().filter_map(issuer).collect()
}

/// What a route asks of its tokens; the settings that it names are there, or a fault was told.
pub(super) fn rule(issuers: &BTreeMap<&str, Arc<Issuer>>, wanted: &InitialToken) -> Option<TokenRule> {
    let issuer = Arc::clone(issuers.get(wanted.issuer.as_str())?);
    Some(TokenRule { issuer, required: wanted.required })
}

/// An endpoint that we are a client of.
pub(super) fn endpoint(
    written: &ServerClient,
    at_once: usize,
    fetch: &FetchSettings,
    faults: &Faults,
) -> Option<Endpoint> {
    let client_id = written.client_id.clone();
    let authentication = match &written.credential {
        Credential::Secret(secret) => {
            ClientAuthentication::Secret { client_id, secret: Zeroizing::new(secret.expose().to_vec()) }
        }
        Credential::Certificate { certificate, key } => {
            ClientAuthentication::Certificate { client_id, identity: trust::identity(certificate, key, faults)? }
        }
    };
    let roots = match &written.roots {
        Some(file) => trust::certificates(file, faults)?,
        None => Vec::new(),
    };
    let settings =
        EndpointSettings { url: written.url.clone(), authentication, roots, at_once, deadline: written.timeout };
    Endpoint::new(fetch, settings)
        .map_err(|error| faults.error(Some(&written.place), format!("this endpoint cannot be used: {error}"), None))
        .ok()
}

/// Questions to one issuer that are under way at one time: strangers can cause them, and each occupies a connection
/// on both sides.
const INTROSPECTIONS: usize = 16;
