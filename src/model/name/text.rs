//! The reader of RFC 4514 §3 text.

use std::str::Chars;

use der::asn1::ObjectIdentifier;

use super::attribute::{Attribute, oid_of, printed_name};
use super::{InvalidName, TEXT_LIMIT};

/// How a text writes a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As names are printed here, except for escapes and the case of hexadecimal digits and short names.
    Canonical,
    /// Any other readable way.
    Other,
}

/// The RDNs in the order of the text, and how they are written.
pub(super) fn read(text: &str) -> Result<(Vec<Vec<Attribute>>, Form), InvalidName> {
    if text.len() > TEXT_LIMIT {
        return Err(InvalidName::TooLong);
    }
    if text.trim_matches(' ').is_empty() {
        return Err(InvalidName::Empty);
    }
    let mut reader = Reader { rest: text.chars(), form: Form::Canonical };
    let (mut rdns, mut rdn) = (Vec::new(), Vec::new());
    loop {
        rdn.push(reader.attribute()?);
        match reader.rest.next() {
            Some('+') => {}
            Some(',') => rdns.push(std::mem::take(&mut rdn)),
            Some(_) => return Err(InvalidName::Value),
            None => {
                rdns.push(rdn);
                return Ok((rdns, reader.form));
            }
        }
    }
}

struct Reader<'a> {
    rest: Chars<'a>,
    form: Form,
}

impl Reader<'_> {
    /// `attributeType EQUALS attributeValue`; stops before a separator or at the end.
    fn attribute(&mut self) -> Result<Attribute, InvalidName> {
        self.skip_spaces();
        let (written, value) = self.rest.as_str().split_once('=').ok_or(InvalidName::Type)?;
        self.rest = value.chars();
        let name = written.trim_end_matches(' ');
        let oid = match oid_of(name) {
            Some(oid) => oid.to_owned(),
            None => dotted(name).ok_or(InvalidName::Type)?,
        };
        self.skip_spaces();
        let hex = self.rest.as_str().starts_with('#');
        let attribute = if hex {
            Attribute::from_der(oid, &self.hex()?).ok_or(InvalidName::Hex)?
        } else {
            Attribute::from_text(oid, self.string()?).ok_or(InvalidName::Value)?
        };
        let canonical = match printed_name(attribute.oid()) {
            Some(short) => short.eq_ignore_ascii_case(written) && !hex,
            None => attribute.oid() == written && hex,
        };
        if !canonical {
            self.form = Form::Other;
        }
        Ok(attribute)
    }

    /// `SHARP 1*hexpair`, then optional spaces.
    fn hex(&mut self) -> Result<Vec<u8>, InvalidName> {
        self.rest.next();
        let mut bytes = Vec::new();
        while let Some(high) = self.peek().and_then(|c| c.to_digit(16)) {
            self.rest.next();
            let low = self.rest.next().and_then(|c| c.to_digit(16));
            bytes.push(byte(high, low.ok_or(InvalidName::Hex)?));
        }
        self.skip_spaces();
        match self.peek() {
            None | Some(',' | '+') => Ok(bytes),
            Some(_) => Err(InvalidName::Hex),
        }
    }

    /// `string` with its escapes undone. Unescaped spaces at the end belong to the separator.
    fn string(&mut self) -> Result<String, InvalidName> {
        let mut bytes = Vec::new();
        let mut kept = 0;
        while let Some(c) = self.peek().filter(|c| !matches!(c, ',' | '+')) {
            self.rest.next();
            match c {
                '\\' => self.escape(&mut bytes)?,
                '"' | ';' | '<' | '>' | '\0' => return Err(InvalidName::Value),
                _ => push(&mut bytes, c),
            }
            if c != ' ' {
                kept = bytes.len();
            }
        }
        if kept < bytes.len() {
            self.form = Form::Other;
            bytes.truncate(kept);
        }
        String::from_utf8(bytes).map_err(|_| InvalidName::Value)
    }

    /// `pair` after its backslash: a special character, or a byte of UTF-8 in hexadecimal.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), InvalidName> {
        let c = self.rest.next().ok_or(InvalidName::Value)?;
        match c {
            '\\' | '"' | '+' | ',' | ';' | '<' | '>' | ' ' | '#' | '=' => push(bytes, c),
            _ => {
                let low = self.rest.next().and_then(|c| c.to_digit(16));
                let (Some(high), Some(low)) = (c.to_digit(16), low) else { return Err(InvalidName::Value) };
                bytes.push(byte(high, low));
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest.as_str();
        let trimmed = rest.trim_start_matches(' ');
        if trimmed.len() < rest.len() {
            self.form = Form::Other;
            self.rest = trimmed.chars();
        }
    }
}

/// A numeric OID in its one spelling (`2.5.4.97`, no leading zeros).
fn dotted(name: &str) -> Option<String> {
    ObjectIdentifier::new(name).ok().map(|oid| oid.to_string()).filter(|printed| printed == name)
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Two hexadecimal digits, each below 16.
fn byte(high: u32, low: u32) -> u8 {
    u8::try_from(high * 16 + low).unwrap_or_default()
}
