//! Three proxies on one PostgreSQL: what is single is single whichever of them is asked, one of them may die, and the
//! database may go and come back.
//!
//! The proxies are the real program, each a process of its own. Skipped by name where PostgreSQL is not installed.

#![cfg(test)]

#[expect(dead_code, reason = "these tests ask less of it than others")]
#[path = "reliability/applicant.rs"]
mod applicant;
#[path = "proxies/fleet.rs"]
mod fleet;
#[path = "support/gate.rs"]
mod gate;
#[path = "proxies/loss.rs"]
mod loss;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/programs.rs"]
mod programs;
#[path = "proxies/single.rs"]
mod single;
