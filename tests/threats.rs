//! Attacks over the wire, each named after its row of the threat table: what
//! must be refused is refused with a clear answer, and reaches nobody.

#![cfg(test)]

#[path = "threats/allow_list.rs"]
mod allow_list;
#[path = "threats/answers.rs"]
mod answers;
#[path = "support/asked.rs"]
mod asked;
#[path = "threats/bodies.rs"]
mod bodies;
#[path = "threats/catch_all.rs"]
mod catch_all;
#[path = "threats/certified.rs"]
mod certified;
#[path = "threats/credentials.rs"]
mod credentials;
#[path = "threats/dpop.rs"]
mod dpop;
#[path = "threats/forgeries.rs"]
mod forgeries;
#[path = "threats/frames.rs"]
mod frames;
#[path = "support/gate.rs"]
mod gate;
#[path = "threats/headers.rs"]
mod headers;
#[path = "support/http2.rs"]
mod http2;
#[path = "threats/introspection.rs"]
mod introspection;
#[path = "threats/keys.rs"]
mod keys;
#[path = "threats/management.rs"]
mod management;
#[path = "threats/paths.rs"]
mod paths;
#[path = "threats/pipelines.rs"]
mod pipelines;
#[path = "threats/qualified.rs"]
mod qualified;
#[path = "threats/quotas.rs"]
mod quotas;
#[path = "threats/replays.rs"]
mod replays;
#[path = "threats/sectors.rs"]
mod sectors;
#[path = "threats/shadows.rs"]
mod shadows;
#[path = "threats/signed.rs"]
mod signed;
#[path = "threats/signed_forgeries.rs"]
mod signed_forgeries;
#[path = "threats/signer.rs"]
mod signer;
#[path = "threats/statements.rs"]
mod statements;
#[path = "threats/tap.rs"]
mod tap;
#[path = "threats/target.rs"]
mod target;
#[path = "threats/tokens.rs"]
mod tokens;
#[path = "threats/uris.rs"]
mod uris;
#[path = "threats/wire.rs"]
mod wire;
