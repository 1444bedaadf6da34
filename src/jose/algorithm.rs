//! Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) and which key fits which.

use std::sync::Arc;

use crate::model::key::{Jwk, KeyMaterial, KeySet};

use super::compact::Header;

/// The algorithms that dcrgate verifies. `none` and HMAC cannot be expressed.
#[expect(missing_docs, reason = "each is the name of RFC 7518 §3.1 or RFC 8037 §3.1")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    PS256,
    PS384,
    PS512,
    RS256,
    RS384,
    RS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// By its exact name, as in `alg` and in policy files.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// As in `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Whether the key may verify signatures of this algorithm: by its type, and by
    /// what it says of itself in `alg`, `use` and `key_ops` (RFC 7517 §4.2 to §4.4).
    pub(super) fn fits(self, key: &Jwk) -> bool {
        let kind = match (&key.material, self) {
            (
                KeyMaterial::Rsa { .. },
                Self::PS256 | Self::PS384 | Self::PS512 | Self::RS256 | Self::RS384 | Self::RS512,
            ) => true,
            (KeyMaterial::Ec { curve, .. }, Self::ES256) => &**curve == "P-256",
            (KeyMaterial::Ec { curve, .. }, Self::ES384) => &**curve == "P-384",
            (KeyMaterial::Okp { .. }, Self::EdDSA) => true,
            _ => false,
        };
        kind && key.algorithm.as_deref().is_none_or(|name| name == self.name())
            && key.usage.as_deref().is_none_or(|usage| usage == "sig")
            && key.operations.as_deref().is_none_or(|operations| operations.iter().any(|word| &**word == "verify"))
    }
}

/// The key of the set that the header means: it has the header's `kid` and fits its algorithm.
///
/// Exactly one key must do so. RFC 7517 §4.5 lets keys share a `kid` only when
/// they are equivalents of different types, which the algorithm tells apart; two
/// different keys that both fit are a fault of the set, and none is chosen. The
/// same key listed twice is one key. A header without `kid` is held to the same.
pub fn choose(set: &KeySet, header: &Header) -> Option<Arc<Jwk>> {
    let mut fitting = set
        .keys
        .iter()
        .filter(|key| header.key_id.as_deref().is_none_or(|key_id| *key.key_id == *key_id))
        .filter(|key| header.algorithm.fits(key));
    let chosen = fitting.next()?;
    fitting.all(|other| other.material == chosen.material).then(|| Arc::clone(chosen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ec(key_id: &str, x: &str) -> Jwk {
        let material = KeyMaterial::Ec { curve: "P-256".into(), x: x.into(), y: "y".into() };
        Jwk { key_id: key_id.into(), algorithm: None, usage: None, operations: None, material }
    }

    fn rsa(key_id: &str) -> Jwk {
        Jwk { material: KeyMaterial::Rsa { n: "n".into(), e: "e".into(), bits: 2048 }, ..ec(key_id, "") }
    }

    fn set(keys: impl IntoIterator<Item = Jwk>) -> KeySet {
        KeySet { keys: keys.into_iter().map(Arc::new).collect(), ..KeySet::default() }
    }

    fn header(algorithm: Algorithm, key_id: Option<&str>) -> Header {
        Header { algorithm, key_id: key_id.map(str::to_owned), typ: None, chain: Vec::new(), key: None }
    }

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "HS256", "ps256", "PS256 ", "ES512", ""] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }

    #[test]
    fn what_a_key_says_of_itself_is_heeded() {
        let key = ec("a", "1");
        assert!(Algorithm::ES256.fits(&key));
        assert!(!Algorithm::ES384.fits(&key));
        assert!(!Algorithm::PS256.fits(&key));
        assert!(!Algorithm::EdDSA.fits(&key));
        assert!(!Algorithm::ES256.fits(&Jwk { usage: Some("enc".into()), ..key.clone() }));
        assert!(!Algorithm::ES256.fits(&Jwk { algorithm: Some("ECDH-ES".into()), ..key.clone() }));
        assert!(!Algorithm::ES256.fits(&Jwk { operations: Some(vec!["sign".into()]), ..key.clone() }));
        assert!(Algorithm::ES256.fits(&Jwk { operations: Some(vec!["sign".into(), "verify".into()]), ..key }));
        assert!(!Algorithm::PS256.fits(&Jwk { algorithm: Some("RS256".into()), ..rsa("a") }));
    }

    #[test]
    fn a_key_id_chooses_one_key() {
        let keys = set([ec("a", "1"), ec("b", "2"), rsa("a")]);
        assert_eq!(choose(&keys, &header(Algorithm::ES256, Some("a"))), Some(Arc::clone(&keys.keys[0])));
        assert_eq!(choose(&keys, &header(Algorithm::PS256, Some("a"))), Some(Arc::clone(&keys.keys[2])));
        assert_eq!(choose(&keys, &header(Algorithm::ES256, Some("../../b"))), None);
        assert_eq!(choose(&keys, &header(Algorithm::ES256, Some("B"))), None);
        assert_eq!(choose(&keys, &header(Algorithm::PS256, Some("b"))), None);
    }

    #[test]
    fn without_a_key_id_only_the_one_key_that_fits() {
        assert!(choose(&set([ec("a", "1"), rsa("b")]), &header(Algorithm::ES256, None)).is_some());
        assert!(choose(&set([ec("a", "1"), ec("b", "2")]), &header(Algorithm::ES256, None)).is_none());
    }

    #[test]
    fn two_keys_of_one_id_are_told_apart_or_refused() {
        assert!(choose(&set([ec("a", "1"), ec("a", "2")]), &header(Algorithm::ES256, Some("a"))).is_none());
        assert!(choose(&set([ec("a", "1"), ec("a", "1")]), &header(Algorithm::ES256, Some("a"))).is_some());
    }
}
