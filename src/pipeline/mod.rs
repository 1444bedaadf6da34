//! Floor 4: the order in which a request is judged, and the only table from error to HTTP.
//!
//! Read [`registration`] first: it is the product on one page. Then [`decide`],
//! which is pure and the same for the server, `explain` and the cases of
//! policies, [`gather`], which fetches what a decision rests on within a budget,
//! and [`answer`], the one place that knows a status code.
//!
//! | when this fails | dcrgate |
//! |---|---|
//! | key set cannot be fetched and no usable copy | 503, not `invalid_software_statement` |
//! | revocation unknown | by the authority's mode |
//! | a rule errors or panics | refuses, records `error` |
//! | opening the record | 503, nothing was forwarded |
//! | upstream, after bytes were sent | 502 or 504, recorded `unknown`, never retried, claims kept |
//! | closing the record | 503 "result unknown, repeat the same request"; the sealed answer is retried |

pub mod answer;
mod caller;
mod carry_out;
mod challenge;
pub mod connection;
pub mod decide;
pub mod decode;
pub mod discovery;
pub mod gather;
pub mod management;
mod normalise;
pub mod proxy;
mod receive;
mod record;
pub mod registration;
mod repeat;
mod reply;
pub mod routes;
mod sector;
pub mod signer;
pub mod snapshot;
mod spend;
pub mod tally;
pub mod template;
pub mod token;
