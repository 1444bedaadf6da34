//! The ways to secure Dynamic Client Registration, each from end to end: a client that asks in
//! that way, dcrgate, and a real identity server. One test a way, by its name.

#![cfg(test)]

#[path = "support/bank.rs"]
mod bank;
#[path = "use_cases/browser.rs"]
mod browser;
#[path = "support/gate.rs"]
mod gate;
#[path = "use_cases/mobile.rs"]
mod mobile;
#[path = "support/programs.rs"]
mod programs;
#[path = "use_cases/templates.rs"]
mod templates;
