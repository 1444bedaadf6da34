//! Paths of requests, read as the identity server behind us may read them.
//!
//! A path that two readers may understand differently is refused outright, so
//! that what routes and reserved paths are compared with (`route_path`) is what
//! the identity server sees.

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It does not begin with a slash, or is longer than 2048 bytes.
    #[error("the path is missing or too long")]
    Form,
    /// An empty or dot segment.
    #[error("the path holds an empty or a dot segment")]
    Segment,
    /// A backslash, a semicolon, a control character or anything but ASCII.
    #[error("the path holds a character that servers read differently")]
    Character,
    /// A malformed or doubly encoded octet, an encoded slash, backslash, dot, semicolon, percent or control character,
    /// or octets that are not UTF-8.
    #[error("the path holds an encoded octet that servers read differently")]
    Encoding,
}

/// Longest path that is looked at; identity servers commonly stop at 8 KB for the whole request line.
const MAX_PATH: usize = 2048;

/// Whether every reader understands this path alike.
///
/// # Errors
/// [`PathFault`] names the first thing that readers may differ over.
pub fn check(path: &str) -> Result<(), PathFault> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') || bytes.len() > MAX_PATH {
        return Err(PathFault::Form);
    }
    let (mut rest, mut is_ascii) = (bytes, true);
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'/' => match after {
                [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => {
                    return Err(PathFault::Segment);
                }
                _ => {}
            },
            b'\\' | b';' | 0..=0x20 | 0x7f..=0xff => return Err(PathFault::Character),
            b'%' => match after {
                [high, low, ..] => match octet(*high, *low) {
                    Some(b'/' | b'\\' | b'.' | b';' | b'%' | 0..=0x1f | 0x7f) | None => {
                        return Err(PathFault::Encoding);
                    }
                    Some(octet) => is_ascii &= octet.is_ascii(),
                },
                _ => return Err(PathFault::Encoding),
            },
            _ => {}
        }
        rest = after;
    }
    // An overlong form is one more spelling of a dot, a slash or a letter to some servers (CVE-2008-2938, RFC 3629 §10).
    if is_ascii || std::str::from_utf8(&decode(path)).is_ok() { Ok(()) } else { Err(PathFault::Encoding) }
}

/// The octets of a path, its percent-encoding read once (RFC 3986 §2.1). What is no encoding stays as it is.
pub(super) fn decode(path: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let encoded = match (byte, after) {
            (b'%', [high, low, behind @ ..]) => octet(*high, *low).map(|octet| (octet, behind)),
            _ => None,
        };
        let (octet, behind) = encoded.unwrap_or((byte, after));
        octets.push(octet);
        rest = behind;
    }
    octets
}

fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_read_differently_is_refused() {
        for (path, fault) in [
            ("", PathFault::Form),
            ("register", PathFault::Form),
            ("//register", PathFault::Segment),
            ("/a//b", PathFault::Segment),
            ("/./register", PathFault::Segment),
            ("/a/../register", PathFault::Segment),
            ("/a/..", PathFault::Segment),
            ("/register;a=b", PathFault::Character),
            ("/\\register", PathFault::Character),
            ("/regist\u{e9}r", PathFault::Character),
            ("/%2e%2e/register", PathFault::Encoding),
            ("/a%2fregister", PathFault::Encoding),
            ("/a%5Cregister", PathFault::Encoding),
            ("/register%00", PathFault::Encoding),
            ("/%2572egister", PathFault::Encoding),
            ("/register%", PathFault::Encoding),
            ("/register%zz", PathFault::Encoding),
            ("/a/%c0%ae%c0%ae/register", PathFault::Encoding),
            ("/%c1%b2egister", PathFault::Encoding),
            ("/a%e0%80%afregister", PathFault::Encoding),
            ("/a%f0%80%80%afregister", PathFault::Encoding),
            ("/a%ed%a0%80", PathFault::Encoding),
            ("/caf%e9", PathFault::Encoding),
            ("/%c3", PathFault::Encoding),
        ] {
            assert_eq!(check(path), Err(fault), "{path}");
        }
        for path in
            ["/", "/register", "/.well-known/openid-configuration", "/a.b/c%20d", "/%72egister", "/a/..b", "/caf%C3%A9"]
        {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }
}
