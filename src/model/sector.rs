//! The document of a sector: the redirect addresses of all clients that share their pairwise subjects
//! (OpenID Connect Core §8.1, Registration §5).

use std::sync::Arc;

use serde_json::Value;

use super::evidence::Known;
use super::json::{self, JsonFault, Limits};

/// What stands at a `sector_identifier_uri`: addresses, compared character by character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sector(Vec<String>);

/// Why what stands there is no such document. For the audit; callers see fixed texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectorFault {
    /// It is not strict JSON, no array, or too large.
    #[error("{0}")]
    Json(#[from] JsonFault),
    /// An entry is something else than a string.
    #[error("an entry of the array is not a string")]
    NotAString,
}

/// What is known of a request's sector.
///
/// [`Known::Absent`] when there is nothing at the address or the address itself may not be fetched, which a
/// repetition would not change; [`Known::Unavailable`] when it could not be fetched.
pub type KnownSector = Known<Result<Arc<Sector>, SectorFault>>;

impl Sector {
    /// Reads the document: a JSON array of at most 1000 strings of at most 2048 bytes, 256 KB in all.
    ///
    /// # Errors
    /// [`SectorFault`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, SectorFault> {
        let text = |entry| if let Value::String(text) = entry { Ok(text) } else { Err(SectorFault::NotAString) };
        Ok(Self(json::array(bytes, &LIMITS)?.into_iter().map(text).collect::<Result<_, _>>()?))
    }

    /// Whether it lists this address, exactly as it is written.
    pub fn lists(&self, address: &str) -> bool {
        self.0.iter().any(|listed| listed == address)
    }

    /// How many addresses it lists.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it lists none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes of a document: a thousand addresses of the usual length.
pub const MAX_BYTES: usize = 256 * 1024;

/// A sector of twenty clients with fifty redirect addresses each; addresses beyond 2048 bytes do not get through
/// browsers. What is deeper is read far enough to say what is wrong with it.
const LIMITS: Limits = Limits { bytes: MAX_BYTES, depth: 4, items: 1_000, nodes: 4_000, string: 2_048 };

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Result<Sector, SectorFault> {
        Sector::from_json(document.to_string().as_bytes())
    }

    #[test]
    fn lists_what_is_written_in_it_and_nothing_like_it() {
        let sector = read(&json!(["https://a.example/cb", "https://b.example/cb?x=1"])).unwrap();
        assert_eq!(sector.len(), 2);
        assert!(sector.lists("https://b.example/cb?x=1"));
        for other in
            ["https://a.example/cb/", "https://A.example/cb", "https://a.example:443/cb", "https://a.example/c"]
        {
            assert!(!sector.lists(other), "{other}");
        }
        assert!(read(&json!([])).unwrap().is_empty());
    }

    #[test]
    fn nothing_but_an_array_of_strings() {
        let json = |fault| Err(SectorFault::Json(fault));
        assert_eq!(read(&json!({ "redirect_uris": [] })), json(JsonFault::NotAnArray));
        assert_eq!(read(&json!("https://a.example/cb")), json(JsonFault::NotAnArray));
        assert_eq!(read(&json!([["https://a.example/cb"]])), Err(SectorFault::NotAString));
        assert_eq!(Sector::from_json(b"[[[[[]]]]]"), json(JsonFault::TooDeep));
        assert_eq!(read(&json!(["https://a.example/cb", 7])), Err(SectorFault::NotAString));
        assert_eq!(read(&json!([null])), Err(SectorFault::NotAString));
        assert_eq!(Sector::from_json(b"<html>"), json(JsonFault::Syntax));
        assert_eq!(Sector::from_json(b"[\"a\"] [\"b\"]"), json(JsonFault::Trailing));
    }

    #[test]
    fn bounds_are_exact() {
        let address = |length: usize| json!(["a".repeat(length)]);
        assert!(read(&address(2_048)).is_ok());
        assert_eq!(read(&address(2_049)), Err(SectorFault::Json(JsonFault::StringTooLong)));
        let entries = |count: usize| json!(vec!["a"; count]);
        assert_eq!(read(&entries(1_000)).unwrap().len(), 1_000);
        assert_eq!(read(&entries(1_001)), Err(SectorFault::Json(JsonFault::TooManyItems)));
        let sized = |bytes: usize| Sector::from_json(format!("[{}]", " ".repeat(bytes - 2)).as_bytes());
        assert!(sized(MAX_BYTES).is_ok());
        assert_eq!(sized(MAX_BYTES + 1), Err(SectorFault::Json(JsonFault::TooLarge)));
    }
}
