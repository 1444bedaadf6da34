//! dcrgate: a reverse proxy in front of an OAuth/OIDC identity server. It
//! terminates mutual TLS, judges client certificates, verifies software
//! statements and the rules of a regime, and forwards Dynamic Client
//! Registration (RFC 7591) with verified headers. What it refuses it explains to
//! the caller and records for the auditor.
//!
//! # The tour
//!
//! ```text
//! 6  main.rs
//! 5  cli/  server/  sandbox/  config/              surfaces: talk to people and sockets
//! 4  pipeline/                                     the order, and the only table from error to HTTP
//! 3  tls/  jose/  oauth/  upstream/ -> bindings/  audit/   one outside thing each
//! 2  net/  store/                                  bounded outbound HTTP; SQL
//! 1  headers/ -> policy/ -> checks/                pure rules: no async, no I/O, no clock
//! 0  model/                                        words: data, ids, names, evidence
//! ```
//!
//! A module uses lower floors only; `tests/architecture.rs` holds this picture
//! against the imports. On a floor modules do not know each other, but for the
//! arrows of floors 1 and 3 and the surfaces, where `cli` uses `sandbox`, `sandbox` uses
//! `server`, and `server` uses `config`.
//!
//! # Reading order
//!
//! 1. [`pipeline::registration`]: the way of a request, on one page; then [`pipeline::management`],
//!    the same for a registered client, whose owner is proved first.
//! 2. [`pipeline::decide`]: gates, checks, rules, verdict; pure, and the same for
//!    the server, `explain` and the cases of policies.
//! 3. [`policy`] and `policies/open-finance-brasil.toml`: what a regime asks; and the tools of
//!    those who write it: [`policy::cases`], [`policy::mutants`], [`policy::effective`],
//!    [`policy::diff`], [`policy::lint`].
//! 4. [`model::evidence`], [`model::facts`], [`model::trace`]: what a decision
//!    rests on, may look at, and leaves behind.
//! 5. [`store`] and [`audit`]: why nothing leaves before it is on disk.
//! 6. [`tls`]: why the handshake proves possession and trust is judged per request.
//!
//! # What each module never does
//!
//! | module | is | never |
//! |---|---|---|
//! | [`model`] | the words of the field as types | opens a socket or a file |
//! | [`checks`], [`policy`], [`headers`] | pure rules over facts | wait, read a clock, know HTTP status |
//! | [`net`] | one bounded GET or POST | follows a redirect or an ambient proxy |
//! | [`store`] | whole operations on SQLite or PostgreSQL | knows what a record says |
//! | [`tls`] | authorities, possession, server certificates | decides about a request |
//! | [`jose`] | compact tokens, keys, key sets | fetches what a token names |
//! | [`oauth`] | a client of authorization servers | takes silence for consent |
//! | [`upstream`] | the identity server | sends what nobody admitted |
//! | [`audit`] | the ledger | keeps a token or a body |
//! | [`bindings`] | who owns a client | keeps a token in the clear |
//! | [`pipeline`] | the order | knows SQL, TOML or sockets |
//! | [`config`] | settings, and the parts built from them | stops at the first fault |
//! | [`server`] | listeners, connections, reload | judges |
//! | [`sandbox`] | the demo's throwaway world | runs in a deployment |
//! | [`cli`] | commands for people and scripts | prompts |

pub mod audit;
pub mod bindings;
pub mod checks;
pub mod cli;
pub mod config;
pub mod headers;
pub mod jose;
pub mod model;
pub mod net;
pub mod oauth;
pub mod pipeline;
pub mod policy;
pub mod sandbox;
pub mod server;
pub mod store;
pub mod tls;
pub mod upstream;
