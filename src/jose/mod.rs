//! Floor 3: signed software statements, signed requests, and the keys that sign them.
//!
//! Both are JWTs (RFC 7519) in the compact serialisation of JWS
//! (RFC 7515). Reading order: [`Compact`] takes the token apart and refuses
//! every header that asks for more than a signature; [`KeySets`] finds the key
//! that the header names, in the directory's set and nowhere else;
//! [`Compact::verify`] checks the signature and only then reads the claims.
//!
//! A token can never cause a fetch, name its own key, or choose an algorithm
//! that the policy does not list; `none` and HMAC cannot even be expressed.
//! What the claims say (age, issuer, content) is for the checks, not for here.
//! `jsonwebtoken` does the signature mathematics and nothing else: it ignores
//! `crit` and leaves `typ` and `iat` alone.

mod algorithm;
mod compact;
mod disk_copy;
mod fault;
mod key_sets;
mod key_slot;
mod software_keys;

pub use algorithm::{Algorithm, choose};
pub use compact::{Compact, Header, unverified_request};
pub use fault::{JwsFault, TokenPart};
pub use key_sets::{KeySetState, KeySets};
pub use key_slot::{KeyLocation, KeySource};
pub use software_keys::SoftwareKeys;

#[cfg(test)]
mod signer;
