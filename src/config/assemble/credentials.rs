//! Credentials of ours for identity servers, and which route shows which.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tokens::endpoint;
use crate::config::Settings;
use crate::config::credentials::{Credential as Written, TokenToUpstream};
use crate::model::document::Faults;
use crate::net::FetchSettings;
use crate::oauth::Credential;
use crate::pipeline::routes::UpstreamToken;

/// Every `[credentials.NAME]`, by name.
pub(super) fn credentials<'s>(
    settings: &'s Settings,
    fetch: &FetchSettings,
    faults: &Faults,
) -> BTreeMap<&'s str, Arc<Credential>> {
    let credential = |(name, written): (&'s String, &Written)| {
        let credential = match written {
            Written::Secret(secret) => Credential::fixed(secret.expose())?,
            Written::Client(client, scope) => {
                Credential::client_credentials(endpoint(client, ONE, fetch, faults)?, scope.clone())
            }
        };
        Some((name.as_str(), Arc::new(credential)))
    };
    settings.credentials.iter().filter_map(credential).collect()
}

/// What a route shows; the credential that it names is there, or a fault was told.
pub(super) fn shown(credentials: &BTreeMap<&str, Arc<Credential>>, written: &TokenToUpstream) -> Option<UpstreamToken> {
    Some(match written {
        TokenToUpstream::Drop => UpstreamToken::Drop,
        TokenToUpstream::Forward => UpstreamToken::Forward,
        TokenToUpstream::Replace(name) => UpstreamToken::Replace(Arc::clone(credentials.get(name.as_str())?)),
    })
}

/// A token is fetched for all who wait for it.
const ONE: usize = 1;
