//! Where a client's id stands in a path: `/register/{client_id}`, `/register?client_id={client_id}` (RFC 7592 §2).
//!
//! An id is any text that the identity server chose. It is read from exactly one place, decoded once, and
//! written anew with everything encoded that is not unreserved, so that nobody's reader is asked to guess.

use super::path;
use super::route_path::{InvalidPath, PathPattern};

/// The parameter that stands for the id.
const PARAMETER: &str = "{client_id}";

/// Longest id that is looked for, in bytes; a binding has no longer one.
const MAX_ID: usize = 4096;

/// A path, with a query or without, that has the id of a client in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPath {
    path: PathPattern,
    before: String,
    after: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The segment of this number, from 0.
    Segment(usize),
    /// The query parameter of this name.
    Query(String),
}

/// The text is no path of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientPath {
    /// The path itself.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Not exactly one place for the id.
    #[error("`{{client_id}}` stands in it once, as a whole segment or as the value of a query parameter")]
    Place,
    /// `*`.
    #[error("it is the path of one client, without `*`")]
    Wildcard,
    /// A query that is more than `name={client_id}` and fixed parameters.
    #[error("a query holds parameters of letters, digits and `-._~`, one of which is `name={{client_id}}`")]
    Query,
}

impl ClientPath {
    /// Reads what the configuration writes.
    ///
    /// # Errors
    /// [`InvalidClientPath`].
    pub fn parse(text: &str) -> Result<Self, InvalidClientPath> {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let pattern = PathPattern::parse(path)?;
        if pattern.parameters().any(|name| name != "client_id") {
            return Err(InvalidClientPath::Place);
        }
        let parts: Vec<&str> = text.split(PARAMETER).collect();
        let [before, after] = parts[..] else { return Err(InvalidClientPath::Place) };
        if path.ends_with('*') {
            return Err(InvalidClientPath::Wildcard);
        }
        let place = match query {
            None => path.split('/').skip(1).position(|segment| segment == PARAMETER).map(Place::Segment),
            Some(query) => Some(Place::Query(parameter(query)?)),
        };
        let place = place.ok_or(InvalidClientPath::Place)?;
        Ok(Self { path: pattern, before: before.to_owned(), after: after.to_owned(), place })
    }

    /// The path of a registration route, whose query names the client.
    ///
    /// # Errors
    /// [`InvalidClientPath`] when the path has parameters or a wildcard.
    pub fn with_query(path: &PathPattern) -> Result<Self, InvalidClientPath> {
        Self::parse(&format!("{path}?client_id={PARAMETER}"))
    }

    /// The path without its query.
    pub const fn path(&self) -> &PathPattern {
        &self.path
    }

    /// Whether the id is in the query.
    pub const fn is_query(&self) -> bool {
        matches!(self.place, Place::Query(_))
    }

    /// Path and query for this client; the id is percent-encoded (RFC 3986 §2.1).
    pub fn of(&self, client_id: &str) -> String {
        format!("{}{}{}", self.before, encode(client_id), self.after)
    }

    /// Whether every reader understands the path alike, but for `%2F` within the segment of the id.
    ///
    /// # Errors
    /// As [`path::check`].
    pub fn check(&self, given: &str) -> Result<(), path::PathFault> {
        let Place::Segment(number) = self.place else { return path::check(given) };
        let aside: Vec<String> = given
            .split('/')
            .enumerate()
            // The first piece is what stands before the first slash.
            .map(|(at, text)| if at == number + 1 { without_slashes(text) } else { text.to_owned() })
            .collect();
        path::check(&aside.join("/"))
    }

    /// The id that a request names; `None` when there is none, more than one, or one that is not UTF-8.
    pub fn client_id(&self, given: &str, query: Option<&str>) -> Option<String> {
        let raw = match &self.place {
            Place::Segment(number) => given.split('/').nth(number + 1)?,
            Place::Query(name) => {
                let mut found =
                    query?.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| key == name);
                let (_, value) = found.next()?;
                // Readers differ over what `+` is in a query.
                if found.next().is_some() || value.contains('+') {
                    return None;
                }
                value
            }
        };
        let id = String::from_utf8(path::decode(raw)).ok()?;
        let plain = (1..=MAX_ID).contains(&id.len()) && !id.chars().any(char::is_control);
        plain.then_some(id)
    }
}

/// The name of the one parameter whose value is the id.
fn parameter(query: &str) -> Result<String, InvalidClientPath> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let mut name = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').ok_or(InvalidClientPath::Query)?;
        if !plain(key) || (value != PARAMETER && !plain(value)) {
            return Err(InvalidClientPath::Query);
        }
        if value == PARAMETER {
            name = Some(key.to_owned());
        }
    }
    name.ok_or(InvalidClientPath::Query)
}

fn without_slashes(segment: &str) -> String {
    segment.replace("%2F", "_").replace("%2f", "_")
}

/// A path segment of any text (RFC 3986 §2.1): what is not unreserved is encoded.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_characters_goes_out_and_comes_back() {
        for text in
            ["/register/{client_id}", "/register?client_id={client_id}", "/a/{client_id}/b", "/c?x=1&id={client_id}"]
        {
            let path = ClientPath::parse(text).unwrap();
            for id in ["plain", "3pBk/w 17\u{e9}", "a+b=c&d", "?#"] {
                let uri = path.of(id);
                let (given, query) = uri.split_once('?').map_or((&*uri, None), |(path, query)| (path, Some(query)));
                assert_eq!(path.check(given), Ok(()), "{uri}");
                assert_eq!(path.client_id(given, query).as_deref(), Some(id), "{uri}");
            }
        }
        assert_eq!(ClientPath::parse("/reg/{client_id}").unwrap().of("3pBk/w 17\u{e9}"), "/reg/3pBk%2Fw%2017%C3%A9");
    }

    #[test]
    fn only_an_encoded_slash_in_the_segment_of_the_id_is_let_pass() {
        let path = ClientPath::parse("/register/{client_id}").unwrap();
        for given in ["/register/a%2Fb", "/register/a%2fb%2F"] {
            assert_eq!(path.check(given), Ok(()));
        }
        for given in [
            "/register%2Fa/b",
            "/register/a%2Fb/c%2Fd",
            "/register/%2e%2e",
            "/register/a%5Cb",
            "/register/a%00",
            "/register/..",
            "/register/a%252Fb",
        ] {
            assert!(path.check(given).is_err(), "{given}");
        }
    }

    #[test]
    fn a_client_is_named_once() {
        let query = ClientPath::parse("/register?client_id={client_id}").unwrap();
        for given in [
            None,
            Some(""),
            Some("client_id="),
            Some("client_id=a&client_id=b"),
            Some("client_id=a+b"),
            Some("client_id=%ff"),
            Some("client_id=%0a"),
            Some("Client_id=a"),
        ] {
            assert_eq!(query.client_id("/register", given), None, "{given:?}");
        }
        assert_eq!(query.client_id("/register", Some("x=1&client_id=a")).as_deref(), Some("a"));
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        for (text, fault) in [
            ("register/{client_id}", InvalidClientPath::Path(InvalidPath::Relative)),
            ("/register", InvalidClientPath::Place),
            ("/{client_id}/{client_id}", InvalidClientPath::Place),
            ("/register/{software}", InvalidClientPath::Place),
            ("/register/{client_id}?id={client_id}", InvalidClientPath::Place),
            ("/register/{client_id}/*", InvalidClientPath::Wildcard),
            ("/register?{client_id}", InvalidClientPath::Query),
            ("/register?a=%20&id={client_id}", InvalidClientPath::Query),
        ] {
            assert_eq!(ClientPath::parse(text), Err(fault), "{text}");
        }
    }
}
