//! What must hold when something breaks, over the wire: a crash, an identity server or a directory in
//! trouble, a disk that takes no more, a bad reload, a slow client, an order to stop.
//!
//! Named after the goals: r1 crash, r2 disk, r3 identity server, r4 directory, r6 reload, r11 shutdown,
//! r13 fail closed. Nothing is timed: a test waits for what has to come, for as long as it takes.

#![cfg(test)]
#![allow(clippy::string_slice, clippy::needless_pass_by_value, reason = "texts of the test itself are cut and changed")]

#[path = "reliability/applicant.rs"]
mod applicant;
#[path = "reliability/client_auth.rs"]
mod client_auth;
#[path = "reliability/crash.rs"]
mod crash;
#[path = "reliability/directory.rs"]
mod directory;
#[path = "reliability/disk.rs"]
mod disk;
#[path = "reliability/fail_closed.rs"]
mod fail_closed;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/http2.rs"]
mod http2;
#[path = "reliability/identity_server.rs"]
mod identity_server;
#[path = "reliability/limits.rs"]
mod limits;
#[path = "reliability/management.rs"]
mod management;
#[path = "reliability/outage.rs"]
mod outage;
#[path = "support/programs.rs"]
mod programs;
#[path = "reliability/records.rs"]
mod records;
#[path = "reliability/reload.rs"]
mod reload;
#[path = "reliability/repeats.rs"]
mod repeats;
#[path = "reliability/resumption.rs"]
mod resumption;
#[path = "reliability/shutdown.rs"]
mod shutdown;
#[path = "reliability/strangers.rs"]
mod strangers;
#[path = "reliability/wire.rs"]
mod wire;
