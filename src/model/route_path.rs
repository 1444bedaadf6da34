//! Paths of routes, and the paths that no proxy route may reach (RFC 3986 §3.3).
//!
//! Two comparisons on purpose. A route matches exactly what it says. A reserved
//! path is compared as the most generous identity server would read it: decoded
//! until nothing is left to decode, in any case, empty segments dropped. The
//! server refuses dot segments, `\`, `;` and `//` before it routes; what was
//! encoded twice gets past that, and is met here.

use std::borrow::Cow;
use std::fmt;

use super::path;

/// The `path` of a route: exact, everything below a prefix (`/a/*`, which is
/// `/a`, `/a/` and `/a/b`), or with `{client_id}` for one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    reach: Reach,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `{name}`: any one segment that is not empty.
    Any(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Exact,
    Below,
}

/// The text is not the path of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// No slash at the start.
    #[error("a path starts with `/`")]
    Relative,
    /// `//`, `/./`, `/../`.
    #[error("a path has no empty and no dot segments")]
    Segment,
    /// `*` elsewhere than as the last segment.
    #[error("`*` stands only at the end, as `/*`")]
    Wildcard,
    /// A brace that is not part of a whole `{name}` segment.
    #[error("`{{name}}` is a whole segment")]
    Parameter,
    /// Anything that a client would have to encode, and `;`, `%`, `?`, `#`, `\`.
    #[error("a path holds letters, digits and `-._~!$&'()+,=:@`, nothing encoded and no query")]
    Character,
}

impl PathPattern {
    /// Reads a path as the configuration writes it.
    ///
    /// # Errors
    /// [`InvalidPath`], one variant for each rule broken.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let rest = text.strip_prefix('/').ok_or(InvalidPath::Relative)?;
        let (rest, reach) = match rest.strip_suffix('*') {
            Some("") => return Ok(Self { segments: Vec::new(), reach: Reach::Below }),
            Some(prefix) => (prefix.strip_suffix('/').ok_or(InvalidPath::Wildcard)?, Reach::Below),
            None => (rest, Reach::Exact),
        };
        let last = rest.split('/').count() - 1;
        let segment = |(at, text): (usize, &str)| match Segment::parse(text)? {
            // `/a/` is another path than `/a` (RFC 3986 §6.2.2), and some servers know only one of them.
            Segment::Literal(text) if text.is_empty() && (at < last || reach == Reach::Below) => {
                Err(InvalidPath::Segment)
            }
            segment => Ok(segment),
        };
        Ok(Self { segments: rest.split('/').enumerate().map(segment).collect::<Result<_, _>>()?, reach })
    }

    /// Whether a path, without its query, is one that the route means.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut given = rest.split('/');
        self.segments.iter().all(|segment| {
            given.next().is_some_and(|text| match segment {
                Segment::Literal(literal) => literal == text,
                Segment::Any(_) => !text.is_empty(),
            })
        }) && (self.reach == Reach::Below || given.next().is_none())
    }

    /// Of two routes that match one path, the higher rank is meant: more
    /// literal segments first, then exact before prefix.
    pub fn rank(&self) -> usize {
        let literal = self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
        2 * literal + usize::from(self.reach == Reach::Exact)
    }

    /// Whether it is one fixed path, as a gated route and its `to` have to be.
    pub fn is_fixed(&self) -> bool {
        self.reach == Reach::Exact && self.parameters().next().is_none()
    }

    /// The names in braces.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Any(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, InvalidPath> {
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            return if plain { Ok(Self::Any(name.to_owned())) } else { Err(InvalidPath::Parameter) };
        }
        match text {
            "." | ".." => Err(InvalidPath::Segment),
            _ if text.contains('*') => Err(InvalidPath::Wildcard),
            _ if text.contains(['{', '}']) => Err(InvalidPath::Parameter),
            _ if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte)) => {
                Ok(Self::Literal(text.to_owned()))
            }
            _ => Err(InvalidPath::Character),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Literal(text) if text.is_empty())
    }
}

/// As the configuration writes it.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        f.write_str(if self.reach == Reach::Below { "/*" } else { "" })
    }
}

/// Paths of an identity server behind the one door: gated `to`s and what its
/// profile names as registration, management or administration.
#[derive(Clone, Debug, Default)]
pub struct ReservedPaths(Vec<PathPattern>);

impl ReservedPaths {
    /// Adds a path and everything below it.
    pub fn add(&mut self, path: PathPattern) {
        self.0.push(path);
    }

    /// Whether a path, without its query, could reach one of them. The usual
    /// path, with nothing encoded, is compared without allocating.
    pub fn reaches(&self, path: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(path) = decode_fully(path) else { return true };
        // The server refused `..` as it stood; one that shows only now was encoded twice, and could lead anywhere.
        generous(&path).any(|segment| segment == "..") || self.find(&path).is_some()
    }

    /// The reserved path that a decoded path leads to.
    pub fn find(&self, path: &str) -> Option<&PathPattern> {
        self.0.iter().find(|reserved| {
            let mut given = generous(path);
            let mut wanted = reserved.segments.iter().filter(|segment| !segment.is_empty());
            wanted.all(|segment| {
                given.next().is_some_and(|text| match segment {
                    // Routers of several servers take paths in any case.
                    Segment::Literal(literal) => literal.eq_ignore_ascii_case(text),
                    Segment::Any(_) => true,
                })
            })
        })
    }
}

/// Segments as some server or other would cut them: at `\` too, without what follows `;`
/// (RFC 3986 §3.3, path parameters), without empty ones and `.`.
fn generous(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\'])
        .map(|text| text.split_once(';').map_or(text, |(name, _)| name))
        .filter(|text| !matches!(*text, "" | "."))
}

/// Decodes percent-encoding until nothing is left to decode; `None` when that takes more than [`ROUNDS`].
fn decode_fully(path: &str) -> Option<Cow<'_, str>> {
    let mut path = Cow::Borrowed(path);
    for _ in 0..ROUNDS {
        match decode(&path) {
            Some(decoded) => path = Cow::Owned(decoded),
            None => return Some(path),
        }
    }
    decode(&path).is_none().then_some(path)
}

/// One round; `None` when there is nothing to decode.
fn decode(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let decoded = path::decode(path);
    (decoded.len() < path.len()).then(|| String::from_utf8_lossy(&decoded).into_owned())
}

/// Beside letters and digits: `pchar` of RFC 3986 §3.3 without `%`, `;` and `*`.
const PLAIN: &[u8] = b"-._~!$&'()+,=:@";

/// Client, balancer and server may each encode once. A round costs the length of the path, and
/// `%25252525…` would ask for half as many rounds as it has bytes.
const ROUNDS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn prefixes_reach_their_root_and_below_but_not_beside() {
        let below = pattern("/a/b/*");
        assert!(["/a/b", "/a/b/", "/a/b/c/d"].iter().all(|path| below.matches(path)));
        assert!(["/a", "/a/bc", "/A/b", "a/b", "/a/c"].iter().all(|path| !below.matches(path)));
        assert!(pattern("/*").matches("/") && pattern("/*").matches("/x/y"));
    }

    #[test]
    fn exact_paths_and_parameters_mean_what_they_say() {
        assert!(pattern("/register").matches("/register"));
        assert!(!pattern("/register").matches("/register/"));
        assert!(pattern("/register/").matches("/register/"));
        assert!(pattern("/").matches("/"));
        let client = pattern("/register/{client_id}");
        assert!(client.matches("/register/x"));
        assert!(!client.matches("/register/") && !client.matches("/register/x/y"));
        assert_eq!(client.parameters().collect::<Vec<_>>(), ["client_id"]);
    }

    #[test]
    fn the_more_specific_route_has_the_higher_rank() {
        let order = ["/*", "/a/*", "/a/{client_id}", "/a/b/*", "/a/b"];
        let ranks: Vec<usize> = order.iter().map(|path| pattern(path).rank()).collect();
        assert!(ranks.is_sorted_by(|lower, higher| lower < higher), "{ranks:?}");
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        for (text, fault) in [
            ("register", InvalidPath::Relative),
            ("/a//b", InvalidPath::Segment),
            ("/a/../b", InvalidPath::Segment),
            ("//*", InvalidPath::Segment),
            ("/a*", InvalidPath::Wildcard),
            ("/*/a", InvalidPath::Wildcard),
            ("/a/x{id}", InvalidPath::Parameter),
            ("/a%2Fb", InvalidPath::Character),
            ("/a;b", InvalidPath::Character),
            ("/a?b", InvalidPath::Character),
            ("/ä", InvalidPath::Character),
        ] {
            assert_eq!(PathPattern::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn patterns_print_as_written() {
        for text in ["/", "/*", "/a/*", "/a/", "/a/{client_id}"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn reserved_paths_are_reached_however_they_are_written() {
        let mut reserved = ReservedPaths::default();
        reserved.add(pattern("/realms/{realm}/clients-registrations"));
        reserved.add(pattern("/reg/"));
        for path in [
            "/reg",
            "/reg/",
            "/REG/abc",
            "//reg",
            "/%72eg",
            "/%2572eg",
            "/reg%2Fabc",
            "/reg%253Ba=b",
            "/x/%252e%252e/reg",
            "/%252e/reg",
            "/%255Creg",
            "/realms/bank/clients%2Dregistrations/default",
        ] {
            assert!(reserved.reaches(path), "{path}");
        }
        for path in ["/", "/regs", "/a/reg", "/realms/bank", "/%", "/%zz", "/re%67s"] {
            assert!(!reserved.reaches(path), "{path}");
        }
    }

    #[test]
    fn what_is_encoded_without_end_is_taken_as_reaching() {
        let mut reserved = ReservedPaths::default();
        assert!(!reserved.reaches("/%25252525252541"), "nothing is reserved");
        reserved.add(pattern("/reg"));
        assert!(!reserved.reaches("/%252541"));
        assert!(reserved.reaches("/%25252541"));
    }

    proptest::proptest! {
        #[test]
        fn a_reserved_path_is_found_under_any_encoding(choices in proptest::collection::vec(0..4_u8, 4)) {
            let mut reserved = ReservedPaths::default();
            reserved.add(pattern("/reg"));
            let encoded: String = "/reg".chars().zip(choices).map(|(letter, choice)| match choice {
                0 => letter.to_string(),
                1 => format!("%{:02x}", u32::from(letter)),
                2 => format!("%{:02X}", u32::from(letter.to_ascii_uppercase())),
                _ => format!("%25{:02x}", u32::from(letter)),
            }).collect();
            proptest::prop_assert!(reserved.reaches(&encoded), "{encoded}");
        }

        #[test]
        fn any_text_can_be_compared(path in "(/|%|2|5|[a-f]|é|;|\\.|\\PC){0,64}") {
            let mut reserved = ReservedPaths::default();
            reserved.add(pattern("/reg"));
            let _ = (reserved.reaches(&path), PathPattern::parse(&path));
        }
    }
}
