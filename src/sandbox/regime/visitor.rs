//! The first example that has to be admitted, for a person to send by hand: at the present time.

use http::header;
use serde_json::{Map, Value};

use super::material::numbered;
use super::{Play, Regime};
use crate::model::time::Timestamp;
use crate::policy::cases::Example;
use crate::sandbox::{KeyKind, SandboxError, world};

impl Regime {
    /// Writes the visitor's certificate, which stays, and a first request.
    pub(super) fn write_visitor(&self) -> Result<(), SandboxError> {
        let certificate = self.visitor().and_then(|play| play.example.facts.get("certificate"));
        if let Some(identity) = self.identity(certificate, KeyKind::Ecdsa)? {
            self.world.write_identity(world::VISITOR_IDENTITY, &identity)?;
        }
        self.renew_visitor_request()
    }

    /// Writes the visitor's request again, with the times of the present: statements are stale after minutes.
    ///
    /// # Errors
    /// [`SandboxError::File`], and what making the request meets.
    pub fn renew_visitor_request(&self) -> Result<(), SandboxError> {
        let Some(play) = self.visitor() else { return Ok(()) };
        let example = moved(&play.example, self.world.now());
        let material = self.material(play, &example)?;
        let headers = material.request.headers().iter().map(|(name, value)| {
            let name = if name == header::CONTENT_TYPE { "Content-Type" } else { name.as_str() };
            format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
        });
        self.world.write(world::VISITOR_HEADERS, &headers.collect::<String>())?;
        self.world.write(world::VISITOR_REQUEST, &String::from_utf8_lossy(material.request.body()))
    }

    /// Whether the visitor shows a certificate.
    pub fn visitor_has_certificate(&self) -> bool {
        self.visitor().is_some_and(|play| play.example.facts.contains_key("certificate"))
    }

    fn visitor(&self) -> Option<&Play> {
        self.plays.iter().find(|play| play.is_visitor())
    }
}

impl Play {
    pub(super) fn is_visitor(&self) -> bool {
        self.name == NAME
    }
}

/// The same example at another time: whatever it says of times moves along, and what is used once is another.
fn moved(example: &Example, now: Timestamp) -> Example {
    let by = now.unix_seconds() - example.now.unix_seconds();
    let mut example = Example { now, ..example.clone() };
    for key in ["statement", "request", "token"] {
        if let Some(Value::Object(claims)) = example.facts.get_mut(key) {
            move_claims(claims, by);
            if let Some(id) = claims.get_mut("jti") {
                *id = numbered(id.as_str().unwrap_or_default(), now.unix_seconds()).into();
            }
        }
    }
    example
}

/// Registered claims that are times (RFC 7519 §4.1).
fn move_claims(claims: &mut Map<String, Value>, by: i64) {
    for name in ["iat", "exp", "nbf"] {
        if let Some(time) = claims.get(name).and_then(Value::as_i64) {
            claims.insert(name.to_owned(), (time + by).into());
        }
    }
}

/// Of the visitor's policy.
pub(super) const NAME: &str = "visitor";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::regime::plays;

    #[test]
    fn a_renewed_request_is_of_the_present_and_uses_nothing_again() {
        let (plays, _) = plays("udap").unwrap();
        let example = &plays.iter().find(|play| play.is_visitor()).unwrap().example;
        let claim = |example: &Example, name: &str| example.facts["statement"][name].clone();
        let [one, two] = [1_800_000_000, 1_800_000_060].map(|at| moved(example, Timestamp::from_unix_seconds(at)));
        for (renewed, now) in [(&one, 1_800_000_000), (&two, 1_800_000_060)] {
            let age = example.now.unix_seconds() - claim(example, "iat").as_i64().unwrap();
            assert_eq!(now - claim(renewed, "iat").as_i64().unwrap(), age);
        }
        assert_ne!(claim(&one, "jti"), claim(&two, "jti"));
        assert_eq!(claim(&one, "iss"), claim(example, "iss"));
    }
}
