//! From bytes to a registration request: media type, size, strict JSON (RFC 7591 §3.1), as it is or signed.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::jose::{JwsFault, unverified_request};
use crate::model::json::{self, JsonFault};
use crate::policy::Policy;

/// In which form a policy wants its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON (RFC 7591 §3.1).
    Json,
    /// The compact serialisation of a JWS (RFC 7515 §7.1), whose payload is that JSON.
    Jws,
}

impl Form {
    /// As the policy has it.
    pub const fn of(policy: &Policy) -> Self {
        if policy.request().is_some() { Self::Jws } else { Self::Json }
    }
}

/// A request as it was read; nobody has vouched for any of it yet.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The members of the JSON, or of the payload of the JWS.
    pub members: Map<String, Value>,
    /// The JWS, where the request came as one.
    pub jws: Option<String>,
}

impl Sent {
    /// What is known of a request whose body is not read.
    pub fn nothing() -> Self {
        Self { members: Map::new(), jws: None }
    }
}

/// The request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormFault {
    /// Not of the media type that goes with this form, given once, in UTF-8, not compressed.
    MediaType(Form),
    /// More bytes than the limit.
    TooLarge,
    /// The body did not arrive whole in time.
    TooSlow,
    /// The body broke off, or its framing is wrong.
    Broken,
    /// Not the JSON of a registration request.
    Json(JsonFault),
    /// Not the three parts of a compact JWS.
    Jws(JwsFault),
}

/// Whether the header section announces what can be judged; asked before the body is read.
///
/// # Errors
/// [`FormFault::MediaType`].
pub fn media_type(headers: &HeaderMap, form: Form) -> Result<(), FormFault> {
    let fault = FormFault::MediaType(form);
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Err(fault) };
    let Ok(text) = value.to_str() else { return Err(fault) };
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let wanted = match form {
        Form::Json => name.eq_ignore_ascii_case("application/json") && parts.all(is_utf8),
        // RFC 7515 §9.2.1, RFC 7519 §10.3.1: neither has parameters, and what some clients send as one means nothing.
        Form::Jws => ["application/jose", "application/jwt"].iter().any(|jws| name.eq_ignore_ascii_case(jws)),
    };
    let plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if wanted && plain { Ok(()) } else { Err(fault) }
}

/// RFC 8259 §8.1: JSON between systems is UTF-8; the parameter is undefined and at best says so.
fn is_utf8(parameter: &str) -> bool {
    parameter.is_empty()
        || parameter.split_once('=').is_some_and(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The members of the request.
///
/// # Errors
/// [`FormFault::Json`] or [`FormFault::Jws`] with the first fault.
pub fn body(bytes: &[u8], form: Form) -> Result<Sent, FormFault> {
    match form {
        Form::Json => Ok(Sent { members: json::object(bytes, &json::REQUEST).map_err(FormFault::Json)?, jws: None }),
        Form::Jws => {
            // Whatever is not ASCII is not base64url.
            let token = std::str::from_utf8(bytes).map_err(|_| FormFault::Jws(JwsFault::NotThreeParts))?;
            let members = unverified_request(token).map_err(|fault| match fault {
                JwsFault::ClaimsJson(fault) => FormFault::Json(fault),
                fault => FormFault::Jws(fault),
            })?;
            Ok(Sent { members, jws: Some(token.to_owned()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn signed_requests_are_announced_as_such() {
        for good in ["application/jose", "application/jwt", "Application/JOSE", "application/jwt; charset=utf-16;x"] {
            assert_eq!(media_type(&headers(&[("content-type", good)]), Form::Jws), Ok(()), "{good}");
            assert!(media_type(&headers(&[("content-type", good)]), Form::Json).is_err(), "{good}");
        }
        let refused = Err(FormFault::MediaType(Form::Jws));
        for bad in ["application/json", "application/jose+json", "application/jwt, application/jose", "jwt", ""] {
            assert_eq!(media_type(&headers(&[("content-type", bad)]), Form::Jws), refused, "{bad}");
        }
        let twice = headers(&[("content-type", "application/jwt"), ("content-type", "application/jwt")]);
        assert_eq!(media_type(&twice, Form::Jws), refused);
        let packed = headers(&[("content-type", "application/jwt"), ("content-encoding", "gzip")]);
        assert_eq!(media_type(&packed, Form::Jws), refused);
    }

    #[test]
    fn a_signed_request_is_three_parts_around_strict_json() {
        // {} . {"scope":"a"} . nothing
        let sent = body(b"e30.eyJzY29wZSI6ImEifQ.", Form::Jws).unwrap();
        assert_eq!((&sent.members["scope"], sent.jws.as_deref()), (&"a".into(), Some("e30.eyJzY29wZSI6ImEifQ.")));
        let table: [(&[u8], FormFault); 6] = [
            (b"{}", FormFault::Jws(JwsFault::JsonSerialisation)),
            (b"e30.e30", FormFault::Jws(JwsFault::NotThreeParts)),
            (b"e30.e30.e30.e30.e30", FormFault::Jws(JwsFault::Encrypted)),
            (b"\xff", FormFault::Jws(JwsFault::NotThreeParts)),
            (b"e30.W10.", FormFault::Json(JsonFault::NotAnObject)),
            // {"a":1,"a":2}
            (b"e30.eyJhIjoxLCJhIjoyfQ.", FormFault::Json(JsonFault::DuplicateMember)),
        ];
        for (bytes, fault) in table {
            assert_eq!(body(bytes, Form::Jws).unwrap_err(), fault);
        }
        assert_eq!(body(b"e30.e30.", Form::Json).unwrap_err(), FormFault::Json(JsonFault::Syntax));
    }

    #[test]
    fn t3_content_confusion() {
        let refused = Err(FormFault::MediaType(Form::Json));
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert_eq!(media_type(&headers(&[("content-type", good)]), Form::Json), Ok(()), "{good}");
        }
        for bad in [
            "text/json",
            "application/json, text/html",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/jose",
            "application/json; x",
        ] {
            assert_eq!(media_type(&headers(&[("content-type", bad)]), Form::Json), refused, "{bad}");
        }
        assert_eq!(media_type(&HeaderMap::new(), Form::Json), refused);
        let twice = headers(&[("content-type", "application/json"), ("content-type", "text/plain")]);
        assert_eq!(media_type(&twice, Form::Json), refused);
        let packed = headers(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert_eq!(media_type(&packed, Form::Json), refused);
    }
}
