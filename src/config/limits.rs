//! `[limits]`: every size, count and time that a stranger could otherwise choose.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::values::{self, HOUR, MINUTE, SECOND};
use crate::model::document::Section;

/// Limits of the server. Each has a default, bounds and a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all. Default 10000, 1 to 1000000: each costs some 50 KB and a descriptor.
    pub connections: usize,
    /// Open connections of one address. Default none, since many clients may share a balancer's address.
    pub connections_per_address: Option<usize>,
    /// Handshakes that are answered at one time. Default 256, 1 to 100000: one answer costs about a millisecond of a
    /// core, and a flood of them must not starve the connections that stand. Waiting for a client takes no turn.
    pub handshakes: usize,
    /// Concurrent streams of an HTTP/2 connection. Default 64, 1 to 1000: bounds rapid resets (CVE-2023-44487).
    pub streams: usize,
    /// Head of a request. Default 32 KB, 8 KB (the least that hyper reads into) to 256 KB.
    pub header_bytes: usize,
    /// Header fields of a request. Default 64, 16 to 1024: browsers send some 20.
    pub headers: usize,
    /// Body of a gated request. Default 64 KB, [`GATED_BODY_BYTES`]: registrations with keys by value and a
    /// statement stay below 20 KB.
    pub gated_body_bytes: usize,
    /// For a TLS handshake. Default 10 s, 1 s to 1 minute: slow links need three round trips, idlers get no more.
    pub handshake_timeout: Duration,
    /// For the head of a request, and between requests of an HTTP/1.1 connection. Default 30 s, 1 s to 1 minute:
    /// ends slow-header attacks, and lets connections be kept.
    pub header_timeout: Duration,
    /// For the body of a gated request. Default 30 s, 1 s to 5 minutes: 64 KB pass in it at 2 KB/s.
    pub body_timeout: Duration,
    /// For a connection without an open request; between pings of HTTP/2 and for the answer to one; and for a client
    /// to take a byte of what is written. Default 60 s, 1 s to 1 hour: a peer that is gone, or does not read, is noticed.
    pub idle_timeout: Duration,
    /// For a connection in all. Then it is told to end, and cut when it has not after as long again. Default 1 hour,
    /// 1 minute to 1 day: what was decided when it began, such as which host it is for, does not last for ever.
    pub connection_age: Duration,
    /// Without a byte in either direction of a proxied body. Default 60 s, 1 s to 1 hour: such bodies have no size limit.
    pub proxied_body_idle: Duration,
    /// For open requests after the order to stop. Default 30 s, 0 s to 10 minutes: less than what a
    /// supervisor waits before it kills.
    pub drain: Duration,
    /// Threads that serve. Default the cores this process may use, 1 to 1024; 1 is a single-threaded runtime.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: None,
            handshakes: 256,
            streams: 64,
            header_bytes: 32 * KB,
            headers: 64,
            gated_body_bytes: 64 * KB,
            handshake_timeout: 10 * SECOND,
            header_timeout: 30 * SECOND,
            body_timeout: 30 * SECOND,
            idle_timeout: MINUTE,
            connection_age: HOUR,
            proxied_body_idle: MINUTE,
            drain: 30 * SECOND,
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// Reads `[limits]`.
pub(super) fn limits(section: Option<Section<'_>>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = section else { return limits };
    values::count(&section, "connections", 1..=1_000_000, &mut limits.connections);
    limits.connections_per_address = values::optional_count(&section, "connections_per_address", 1..=1_000_000);
    values::count(&section, "handshakes", 1..=100_000, &mut limits.handshakes);
    values::count(&section, "streams", 1..=1000, &mut limits.streams);
    values::count(&section, "header_bytes", 8 * KB..=256 * KB, &mut limits.header_bytes);
    values::count(&section, "headers", 16..=1024, &mut limits.headers);
    values::count(&section, "gated_body_bytes", GATED_BODY_BYTES, &mut limits.gated_body_bytes);
    values::duration(&section, "handshake_timeout", SECOND..=MINUTE, &mut limits.handshake_timeout);
    values::duration(&section, "header_timeout", SECOND..=MINUTE, &mut limits.header_timeout);
    values::duration(&section, "body_timeout", SECOND..=5 * MINUTE, &mut limits.body_timeout);
    values::duration(&section, "idle_timeout", SECOND..=HOUR, &mut limits.idle_timeout);
    values::duration(&section, "connection_age", MINUTE..=24 * HOUR, &mut limits.connection_age);
    values::duration(&section, "proxied_body_idle", SECOND..=HOUR, &mut limits.proxied_body_idle);
    values::duration(&section, "drain", Duration::ZERO..=10 * MINUTE, &mut limits.drain);
    values::count(&section, "workers", 1..=1024, &mut limits.workers);
    section.finish();
    limits
}

/// Bounds of a gated body: a statement alone may have 16 KB, and beyond 1 MB judging would no longer be quick.
pub const GATED_BODY_BYTES: RangeInclusive<usize> = KB..=1024 * KB;

const KB: usize = 1024;

#[cfg(test)]
mod tests {
    use crate::config::tests::extended;

    #[test]
    fn limits_have_bounds() {
        for (text, expected) in [
            ("header_bytes = 4096", "27: `header_bytes` must be from 8192 to 262144"),
            ("workers = 0", "27: `workers` must be from 1 to 1024"),
            ("drain = \"1h\"", "27: `drain` must be from 0s to 10m"),
            ("handshake_timeout = \"0s\"", "27: `handshake_timeout` must be from 1s to 1m"),
        ] {
            assert_eq!(extended(&format!("[limits]\n{text}\n")), [expected]);
        }
    }
}
