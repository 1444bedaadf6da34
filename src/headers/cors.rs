//! Cross-origin requests of browsers (WHATWG Fetch §3.2): which pages may read an answer, and what a preflight is told.
//!
//! An origin is compared with the list and never reflected. Credentials are not
//! allowed (`Access-Control-Allow-Credentials` is never sent): a page brings a
//! token that it holds, not the cookies or the certificate of its visitor.

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

/// The `cors` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    /// How long a browser may remember what a preflight was told, in seconds.
    max_age: HeaderValue,
}

/// Which pages may read an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every page: for what is public anyway.
    Any,
    /// Pages of these origins, each as a browser writes it.
    These(Vec<HeaderValue>),
}

impl Cors {
    /// For these pages; `max_age` is how long a browser may remember it.
    pub fn new(origins: Origins, max_age: Duration) -> Self {
        Self { origins, max_age: HeaderValue::from(max_age.as_secs()) }
    }

    /// Says who may read this answer to a request with these headers, in place of whatever the answer said.
    pub fn write(&self, request: &Asked, headers: &mut HeaderMap) {
        let said = |name: &&HeaderName| name.as_str().starts_with("access-control-");
        for name in headers.keys().filter(said).cloned().collect::<Vec<_>>() {
            headers.remove(name);
        }
        if self.allow(request, headers) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }

    /// The header section of the answer to a preflight (§3.2.3) on a route that takes these methods. An origin
    /// that is not listed is told nothing, and the browser ends it there.
    pub fn preflight(&self, request: &Asked, methods: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.allow(request, &mut headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            if let Ok(allowed) = HeaderValue::try_from(allowed(&request.headers)) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        headers
    }

    /// Names the origin where it may read, and tells caches that the answer depends on it.
    fn allow(&self, request: &Asked, headers: &mut HeaderMap) -> bool {
        let origins = match &self.origins {
            Origins::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                return true;
            }
            Origins::These(origins) => origins,
        };
        vary(headers);
        let listed = request.origin.as_ref().and_then(|origin| origins.iter().find(|listed| *listed == origin));
        if let Some(listed) = listed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, listed.clone());
        }
        listed.is_some()
    }
}

/// What a browser asks, of one request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    origin: Option<HeaderValue>,
    /// The one field of `Access-Control-Request-Headers`.
    headers: String,
    /// The method of a preflight.
    method: Option<Method>,
}

impl Asked {
    /// Of a request. Several `Origin` fields are none.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let origin = sole(headers, &ORIGIN).cloned();
        let asks = method == Method::OPTIONS && origin.is_some();
        let wanted = sole(headers, &ACCESS_CONTROL_REQUEST_METHOD).filter(|_| asks);
        let method = wanted.and_then(|value| Method::from_bytes(value.as_bytes()).ok());
        let named = sole(headers, &ACCESS_CONTROL_REQUEST_HEADERS).filter(|_| method.is_some());
        let headers = named.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        Self { origin, headers, method }
    }

    /// The method for which it asks if it may ask (§3.2.2), and so is answered without looking further.
    pub const fn preflight_for(&self) -> Option<&Method> {
        self.method.as_ref()
    }
}

fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

/// [`ALLOWED`], and of the headers asked for those of FAPI: there is no wildcard for a prefix.
fn allowed(asked: &str) -> String {
    let mut list = ALLOWED.to_owned();
    let names = asked.split(',').map(str::trim).filter(|name| name.len() <= MAX_NAME);
    let fapi = |name: &&str| {
        let prefix = name.get(..FAPI.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(FAPI));
        prefix && HeaderName::from_bytes(name.as_bytes()).is_ok()
    };
    for name in names.filter(fapi).take(MAX_NAMES) {
        list.push_str(", ");
        list.push_str(&name.to_ascii_lowercase());
    }
    list
}

fn vary(headers: &mut HeaderMap) {
    let told = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = told.flat_map(|value| value.split(',')).map(str::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case("origin")) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// What a page may read besides the CORS-safelisted response headers (§3.2.1): ids, challenges, when to come again.
const EXPOSED: &str = "DCR-Decision-Id, DPoP-Nonce, Retry-After, WWW-Authenticate, x-fapi-interaction-id";
/// What a page may send besides the CORS-safelisted request headers.
const ALLOWED: &str = "Authorization, Content-Type, DPoP";
/// FAPI 1.0 Baseline §6.2.
const FAPI: &str = "x-fapi-";
/// FAPI defines four such headers, regimes a few more.
const MAX_NAMES: usize = 10;
/// Bytes of such a name: the longest of them has 36.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const PORTAL: &str = "https://portal.example";

    fn portal() -> Cors {
        Cors::new(Origins::These(vec![HeaderValue::from_static(PORTAL)]), Duration::from_secs(600))
    }

    fn asked(method: &Method, fields: &[(&'static str, &str)]) -> Asked {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        Asked::of(method, &headers)
    }

    fn told(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn only_a_listed_origin_may_read() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        for origin in ["https://evil.example", "https://portal.example:443", "null", "HTTPS://portal.example"] {
            let mut headers = headers.clone();
            portal().write(&asked(&Method::POST, &[("origin", origin)]), &mut headers);
            assert_eq!(told(&headers), ["vary: Accept", "vary: Origin"], "{origin}");
        }
        let twice = asked(&Method::POST, &[("origin", PORTAL), ("origin", PORTAL)]);
        portal().write(&twice, &mut headers);
        portal().write(&twice, &mut headers);
        assert_eq!(told(&headers), ["vary: Accept", "vary: Origin"]);
        portal().write(&asked(&Method::POST, &[("origin", PORTAL)]), &mut headers);
        assert_eq!(
            told(&headers),
            [
                "access-control-allow-origin: https://portal.example",
                "access-control-expose-headers: DCR-Decision-Id, DPoP-Nonce, Retry-After, WWW-Authenticate, \
                 x-fapi-interaction-id",
                "vary: Accept",
                "vary: Origin",
            ]
        );
    }

    #[test]
    fn everyone_may_read_what_is_public() {
        let mut headers = HeaderMap::new();
        Cors::new(Origins::Any, Duration::ZERO).write(&asked(&Method::GET, &[]), &mut headers);
        assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(!headers.contains_key(VARY));
    }

    #[test]
    fn a_preflight_is_told_what_the_route_takes() {
        let names = format!("authorization, X-FAPI-Interaction-ID, x-other, x-fapi-a b, {}", "x-fapi-y,".repeat(20));
        let question =
            [("origin", PORTAL), ("access-control-request-method", "POST"), ("access-control-request-headers", &names)];
        let asked_so = asked(&Method::OPTIONS, &question);
        assert_eq!(asked_so.preflight_for(), Some(&Method::POST));
        let headers = portal().preflight(&asked_so, "POST");
        let allowed = format!(
            "access-control-allow-headers: Authorization, Content-Type, DPoP, x-fapi-interaction-id{}",
            ", x-fapi-y".repeat(9)
        );
        assert_eq!(
            told(&headers),
            [
                &allowed,
                "access-control-allow-methods: POST",
                "access-control-allow-origin: https://portal.example",
                "access-control-max-age: 600",
                "vary: Origin",
            ]
        );
        let stranger =
            asked(&Method::OPTIONS, &[("origin", "https://evil.example"), ("access-control-request-method", "POST")]);
        assert_eq!(told(&portal().preflight(&stranger, "POST")), ["vary: Origin"]);
        assert_eq!(asked(&Method::OPTIONS, &[("origin", PORTAL)]).preflight_for(), None);
        assert_eq!(asked(&Method::GET, &question).preflight_for(), None);
    }
}
