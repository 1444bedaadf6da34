//! From bytes to a registration request: media type, size, strict JSON (RFC 7591 §3.1).

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::model::json::{self, JsonFault};

/// The request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormFault {
    /// Not `application/json`, given once, in UTF-8, not compressed.
    MediaType,
    /// More bytes than the limit.
    TooLarge,
    /// The body did not arrive whole in time.
    TooSlow,
    /// The body broke off, or its framing is wrong.
    Broken,
    /// Not the JSON of a registration request.
    Json(JsonFault),
}

/// Whether the header section announces what can be judged; asked before the body is read.
///
/// # Errors
/// [`FormFault::MediaType`].
pub fn media_type(headers: &HeaderMap) -> Result<(), FormFault> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Err(FormFault::MediaType) };
    let text = value.to_str().map_err(|_| FormFault::MediaType)?;
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    // RFC 8259 §8.1: JSON between systems is UTF-8; the parameter is undefined and at best says so.
    let utf8 = parts.all(|parameter| {
        parameter.is_empty()
            || parameter.split_once('=').is_some_and(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
    });
    let plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if json && utf8 && plain { Ok(()) } else { Err(FormFault::MediaType) }
}

/// The members of the request.
///
/// # Errors
/// [`FormFault::Json`] with the first fault.
pub fn body(bytes: &[u8]) -> Result<Map<String, Value>, FormFault> {
    json::object(bytes, &json::REQUEST).map_err(FormFault::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t3_content_confusion() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            headers
        };
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert_eq!(media_type(&headers(&[("content-type", good)])), Ok(()), "{good}");
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
            assert_eq!(media_type(&headers(&[("content-type", bad)])), Err(FormFault::MediaType), "{bad}");
        }
        assert_eq!(media_type(&HeaderMap::new()), Err(FormFault::MediaType));
        let twice = headers(&[("content-type", "application/json"), ("content-type", "text/plain")]);
        assert_eq!(media_type(&twice), Err(FormFault::MediaType));
        let packed = headers(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert_eq!(media_type(&packed), Err(FormFault::MediaType));
    }
}
