//! What the entries of a key set say of themselves, whether dcrgate could use them or not: what a policy judges.

use serde_json::{Map, Value};

use super::{KeyMaterial, has_private_part, number, unsigned};
use crate::model::digest::Digest;

/// An entry of a key set. Of its numbers only the size and the thumbprint are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub form: Form,
    /// The thumbprint of its public numbers, whatever it is good for, is called or discloses (RFC 7638). `None` where they
    /// could be written down in more than one way, or are of a type or curve that is not known here.
    pub thumbprint: Option<Digest>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A public key with all its parts.
    Public(PublicKey),
    /// Has what only a private or symmetric key has: it is disclosed (RFC 7517 §9.2).
    Private,
    /// No object, of an unknown type, or a part is missing or not of the type and length that it has to have.
    Malformed,
}

/// A public key as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// `kid`.
    pub kid: Option<Box<str>>,
    /// `kty`: RSA, EC or OKP.
    pub kind: &'static str,
    /// `use`.
    pub usage: Option<Box<str>>,
    /// `alg`.
    pub algorithm: Option<Box<str>>,
    /// How large it is.
    pub size: Size,
}

/// How large a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Bits of an RSA modulus.
    Bits(usize),
    /// On a curve of at least 224 bits that means the same to every reader.
    Curve,
    /// On any other curve, the lengths of whose coordinates are not known here.
    OtherCurve,
}

/// Type, name and bytes of a coordinate (RFC 7518 §6.2.1, RFC 8037 §2, RFC 7748 §5, RFC 8032 §5.2.2).
const CURVES: &[(&str, &str, usize)] = &[
    ("EC", "P-256", 32),
    ("EC", "P-384", 48),
    ("EC", "P-521", 66),
    ("OKP", "Ed25519", 32),
    ("OKP", "Ed448", 57),
    ("OKP", "X25519", 32),
    ("OKP", "X448", 56),
];

impl Entry {
    /// Of one item of `keys`.
    pub fn of(value: &Value) -> Self {
        let Some(members) = value.as_object() else { return Self { form: Form::Malformed, thumbprint: None } };
        let numbers = numbers(members);
        let form = if has_private_part(members) {
            Form::Private
        } else {
            numbers.as_ref().and_then(|numbers| PublicKey::read(members, numbers)).map_or(Form::Malformed, Form::Public)
        };
        let known = numbers.filter(|(_, size)| *size != Size::OtherCurve);
        Self { form, thumbprint: known.map(|(material, _)| material.thumbprint()) }
    }

    /// The public key that it is.
    pub const fn public(&self) -> Option<&PublicKey> {
        match &self.form {
            Form::Public(key) => Some(key),
            Form::Private | Form::Malformed => None,
        }
    }
}

impl PublicKey {
    fn read(members: &Map<String, Value>, (material, size): &(KeyMaterial, Size)) -> Option<Self> {
        let text = |name: &str| match members.get(name) {
            None => Some(None),
            Some(value) => value.as_str().filter(|text| !text.is_empty()).map(|text| Some(text.into())),
        };
        let kind = match material {
            KeyMaterial::Rsa { .. } => "RSA",
            KeyMaterial::Ec { .. } => "EC",
            KeyMaterial::Okp { .. } => "OKP",
        };
        Some(Self { kid: text("kid")?, kind, usage: text("use")?, algorithm: text("alg")?, size: *size })
    }
}

/// `None` where one is missing, no base64url, or not of its curve's length.
fn numbers(members: &Map<String, Value>) -> Option<(KeyMaterial, Size)> {
    let kind = members.get("kty")?.as_str()?;
    if kind == "RSA" {
        let ((n, bits), (e, _)) = (unsigned(&number(members, "n")?.0), unsigned(&number(members, "e")?.0));
        return Some((KeyMaterial::Rsa { n, e, bits }, Size::Bits(bits)));
    }
    let curve = members.get("crv").and_then(Value::as_str).filter(|curve| !curve.is_empty())?;
    let known = CURVES.iter().find(|(of, name, _)| (*of, *name) == (kind, curve)).map(|(.., length)| *length);
    let coordinate = |name: &str| {
        let (bytes, text) = number(members, name)?;
        known.map_or(!bytes.is_empty(), |length| bytes.len() == length).then_some(text)
    };
    let material = match kind {
        "EC" => KeyMaterial::Ec { curve: curve.into(), x: coordinate("x")?, y: coordinate("y")? },
        "OKP" => KeyMaterial::Okp { curve: curve.into(), x: coordinate("x")? },
        _ => return None,
    };
    Some((material, if known.is_some() { Size::Curve } else { Size::OtherCurve }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn size(key: &Value) -> Option<Size> {
        Entry::of(key).public().map(|key| key.size)
    }

    #[test]
    fn a_coordinate_has_the_length_of_its_curve() {
        // 32, 48, 66, 56 and 57 bytes are 43, 64, 88, 75 and 76 characters.
        for (kind, curve, characters) in [
            ("EC", "P-256", 43),
            ("EC", "P-384", 64),
            ("EC", "P-521", 88),
            ("OKP", "Ed25519", 43),
            ("OKP", "X25519", 43),
            ("OKP", "X448", 75),
            ("OKP", "Ed448", 76),
        ] {
            let key = |x: usize, y: usize| json!({ "kty": kind, "crv": curve, "x": "A".repeat(x), "y": "A".repeat(y) });
            assert_eq!(size(&key(characters, characters)), Some(Size::Curve), "{curve}");
            // 4 characters are 3 bytes.
            for wrong in [4, characters + 4] {
                assert_eq!(size(&key(wrong, characters)), None, "{curve}: x");
                let y = size(&key(characters, wrong));
                assert_eq!(y, (kind == "OKP").then_some(Size::Curve), "{curve}: only points of EC have y");
            }
        }
    }

    #[test]
    fn a_point_has_both_coordinates_and_they_are_base64url() {
        let (good, bad) = ("A".repeat(43), "*".repeat(43));
        assert_eq!(size(&json!({ "kty": "EC", "crv": "P-256", "x": good })), None);
        assert_eq!(size(&json!({ "kty": "EC", "crv": "P-256", "y": good })), None);
        assert_eq!(size(&json!({ "kty": "EC", "crv": "P-256", "x": bad, "y": good })), None);
        assert_eq!(size(&json!({ "kty": "EC", "crv": "P-256", "x": good, "y": bad })), None);
        assert_eq!(size(&json!({ "kty": "EC", "x": good, "y": good })), None);
        assert_eq!(size(&json!({ "kty": "EC", "crv": "secp256k1", "x": good, "y": good })), Some(Size::OtherCurve));
        assert_eq!(size(&json!({ "kty": "EC", "crv": "Ed25519", "x": good, "y": good })), Some(Size::OtherCurve));
        assert_eq!(size(&json!({ "kty": "RSA", "n": "gAE", "e": "AQAB" })), Some(Size::Bits(16)));
        assert_eq!(size(&json!({ "kty": "RSA", "n": "gAE" })), None);
    }

    #[test]
    fn a_disclosed_key_is_told_before_anything_else() {
        assert_eq!(Entry::of(&json!({ "kty": "oct", "k": "AA" })).form, Form::Private);
        assert_eq!(Entry::of(&json!({ "kty": 7, "d": "AA" })).form, Form::Private);
        for malformed in [json!(7), json!({}), json!({ "kty": "AKP", "pub": "AA" })] {
            assert_eq!(Entry::of(&malformed), Entry { form: Form::Malformed, thumbprint: None }, "{malformed}");
        }
    }
}
