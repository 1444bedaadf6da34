//! How listeners accept: certificates, client authentication, limits of both protocols.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::trust::certificates;
use crate::config::Settings;
use crate::config::listeners::Listener;
use crate::model::document::{Faults, Place};
use crate::model::peer::{Distrust, Peer};
use crate::model::time::Clock;
use crate::tls::{self, Authorities, ClientAuth, ServerCertificates};

/// How one listener accepts connections.
#[derive(Debug)]
pub struct ListenerPlan {
    /// Where it listens; taken at start only.
    pub address: SocketAddr,
    /// TLS of hosts that say nothing else.
    pub tls: TlsPlan,
    /// TLS of hosts with their own client authentication, by name.
    pub by_host: HashMap<String, TlsPlan>,
    /// Limits of both protocols.
    pub limits: HttpLimits,
}

/// A TLS configuration and what it asks of clients.
#[derive(Debug, Clone)]
pub struct TlsPlan {
    /// For rustls.
    pub config: Arc<rustls::ServerConfig>,
    /// What it asks of clients.
    pub client_auth: ClientAuth,
}

/// Limits of connections.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// For a handshake.
    pub handshake: Duration,
    /// For the head of a request; a kept HTTP/1.1 connection idles no longer.
    pub header: Duration,
    /// For an idle connection, each ping, and a write that is not taken.
    pub idle: Duration,
    /// For a connection in all.
    pub age: Duration,
    /// Largest head, in bytes.
    pub header_bytes: usize,
    /// Most header fields.
    pub headers: usize,
    /// Concurrent streams of an HTTP/2 connection.
    pub streams: u32,
}

pub(super) fn plans(
    settings: &Settings,
    authorities: &Arc<Authorities>,
    clock: &Arc<dyn Clock>,
    faults: &Faults,
) -> BTreeMap<String, Arc<ListenerPlan>> {
    let limits = &settings.limits;
    let http = HttpLimits {
        handshake: limits.handshake_timeout,
        header: limits.header_timeout,
        idle: limits.idle_timeout,
        age: limits.connection_age,
        header_bytes: limits.header_bytes,
        headers: limits.headers,
        streams: u32::try_from(limits.streams).unwrap_or(u32::MAX),
    };
    let mut plans = BTreeMap::new();
    for (name, listener) in &settings.listeners {
        let Some(certificates) = server_certificates(listener, faults) else { continue };
        let make = |wanted| tls_plan(&certificates, wanted, listener, authorities, clock, faults);
        let own = listener.client_auth;
        let Some(tls) = make(own) else { continue };
        let by_host = settings
            .hosts
            .iter()
            .filter_map(|(host, written)| Some((host, written.client_auth?)))
            .filter(|(_, wanted)| *wanted != own)
            .filter_map(|(host, wanted)| Some((host.clone(), make(wanted)?)))
            .collect();
        let plan = ListenerPlan { address: listener.address, tls, by_host, limits: http.clone() };
        plans.insert(name.clone(), Arc::new(plan));
    }
    plans
}

fn server_certificates(listener: &Listener, faults: &Faults) -> Option<ServerCertificates> {
    let mut pairs = Vec::new();
    let mut place: Option<&Place> = None;
    for pair in &listener.certificates {
        place = Some(&pair.chain.place);
        let key = tls::read_key(pair.key.expose())
            .map_err(|error| faults.error(Some(&pair.key.place), format!("the key cannot be used: {error}"), None));
        if let (Some(chain), Ok(key)) = (certificates(&pair.chain, faults), key) {
            pairs.push((chain, key));
        }
    }
    ServerCertificates::new(pairs).map_err(|error| faults.error(place, error.to_string(), None)).ok()
}

fn tls_plan(
    certificates: &ServerCertificates,
    wanted: ClientAuth,
    listener: &Listener,
    authorities: &Arc<Authorities>,
    clock: &Arc<dyn Clock>,
    faults: &Faults,
) -> Option<TlsPlan> {
    let (authorities, clock) = (Arc::clone(authorities), Arc::clone(clock));
    let judge = move |peer: &Peer| {
        let judgement = authorities.judge(peer, clock.now());
        match judgement.trusted() {
            Some(_) => Ok(()),
            None => Err(judgement.distrust_of_all().unwrap_or(Distrust::UnknownIssuer)),
        }
    };
    tls::server_config(certificates, wanted, listener.resumption, Arc::new(judge))
        .map(|config| TlsPlan { config: Arc::new(config), client_auth: wanted })
        .map_err(|error| faults.error(Some(&listener.place), error.to_string(), None))
        .ok()
}
