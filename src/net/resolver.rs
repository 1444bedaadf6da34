//! Names to addresses, without those inside the house.

use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::fetch::FetchError;
use crate::model::address::is_public;

/// Names as resolvers are asked for them: lower case, without the root's dot; IPv6 without brackets.
pub(super) fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

/// Resolves names as the system does and passes on public addresses only, so that what is checked is what is connected to.
#[derive(Debug)]
pub(super) struct PublicOnly {
    /// Hosts that may be at any address, as [`plain`] writes them.
    pub(super) except: Arc<[String]>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let any_address = self.except.contains(&plain(name.as_str()));
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let usable: Vec<_> = found.filter(|address| any_address || is_public(address.ip())).collect();
            if usable.is_empty() {
                return Err(FetchError::PrivateAddress.into());
            }
            let usable: Addrs = Box::new(usable.into_iter());
            Ok(usable)
        })
    }
}
