//! Strict JSON (RFC 8259, and RFC 7493 where that is stricter): one reading of a text, or none.
//!
//! Two parsers that disagree about a body are two policies. What is read here
//! has no second meaning: UTF-8 without a byte order mark, unique member names
//! at every depth, numbers that survive being written again, and nothing
//! behind the one object. It is read in one pass, within limits that bound
//! time, memory and stack. It never repairs and never reads from a stream.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What one JSON text may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Arrays and objects inside each other; the outermost object is 1. At most 100, for the sake of the stack.
    pub depth: usize,
    /// Elements of one array, members of one object.
    pub items: usize,
    /// Values in all, of any kind.
    pub nodes: usize,
    /// Bytes of one string or member name, unescaped.
    pub string: usize,
}

/// A registration request and the payload of a software statement: real ones
/// have 4 KB, depth 4 and a few hundred values, so each limit leaves an order of magnitude.
pub const REQUEST: Limits = Limits { bytes: 64 * 1024, depth: 16, items: 1_000, nodes: 10_000, string: 32 * 1024 };

/// Why a text is not the JSON that was asked for. The message is fixed and public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// More bytes than [`Limits::bytes`].
    #[error("the JSON text is too large")]
    TooLarge,
    /// Another encoding, overlong forms, encoded surrogates (RFC 8259 §8.1).
    #[error("the JSON text is not UTF-8")]
    NotUtf8,
    /// RFC 8259 §8.1: none may be added.
    #[error("the JSON text starts with a byte order mark")]
    ByteOrderMark,
    /// Anything that RFC 8259 does not derive, lone surrogates in escapes too (RFC 7493 §2.1).
    #[error("not well-formed JSON")]
    Syntax,
    /// An array, a string, a number, `true`, `false` or `null`.
    #[error("the JSON text is not an object")]
    NotAnObject,
    /// Anything else than an array, where one was asked for.
    #[error("the JSON text is not an array")]
    NotAnArray,
    /// More than white space follows the object or array.
    #[error("something follows the JSON text")]
    Trailing,
    /// One object has two members of the same name, however spelled (RFC 7493 §2.3).
    #[error("a JSON object has two members of the same name")]
    DuplicateMember,
    /// More than [`Limits::depth`].
    #[error("the JSON text is nested too deeply")]
    TooDeep,
    /// More than [`Limits::items`].
    #[error("a JSON array or object has too many items")]
    TooManyItems,
    /// More than [`Limits::nodes`].
    #[error("the JSON text has too many values")]
    TooManyValues,
    /// More than [`Limits::string`].
    #[error("a JSON string is too long")]
    StringTooLong,
    /// U+0000, where C programs and PostgreSQL see the end of a string.
    #[error("a JSON string has a null character")]
    NullCharacter,
    /// An integer beyond 64 bits, a fraction beyond a double, or more than 40 characters (RFC 7493 §2.2).
    #[error("a JSON number is too large or too long")]
    Number,
}

/// Reads one JSON object, all of `bytes`.
///
/// # Errors
/// The first [`JsonFault`] met; the text is then not read any further.
pub fn object(bytes: &[u8], limits: &Limits) -> Result<Map<String, Value>, JsonFault> {
    if let Value::Object(members) = read(bytes, limits)? { Ok(members) } else { Err(JsonFault::NotAnObject) }
}

/// Reads one JSON array, all of `bytes`.
///
/// # Errors
/// The first [`JsonFault`] met; the text is then not read any further.
pub fn array(bytes: &[u8], limits: &Limits) -> Result<Vec<Value>, JsonFault> {
    if let Value::Array(items) = read(bytes, limits)? { Ok(items) } else { Err(JsonFault::NotAnArray) }
}

fn read(bytes: &[u8], limits: &Limits) -> Result<Value, JsonFault> {
    if bytes.len() > limits.bytes {
        return Err(JsonFault::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| JsonFault::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(JsonFault::ByteOrderMark);
    }
    let reading = Reading { limits, nodes: Cell::new(0), fractions: Cell::new(false), fault: Cell::new(None) };
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = Inside { reading: &reading, depth: 0 }.deserialize(&mut parser).map_err(|_| {
        // What serde_json itself refuses is syntax, save a number out of range (1e400).
        reading.fault.get().unwrap_or(if numbers_fit(text) { JsonFault::Syntax } else { JsonFault::Number })
    })?;
    parser.end().map_err(|_| JsonFault::Trailing)?;
    // serde_json turns an integer beyond 64 bits into a double; only then is the text looked at again.
    if reading.fractions.get() && !numbers_fit(text) {
        return Err(JsonFault::Number);
    }
    Ok(value)
}

/// What is known while one text is read.
struct Reading<'l> {
    limits: &'l Limits,
    nodes: Cell<usize>,
    fractions: Cell<bool>,
    fault: Cell<Option<JsonFault>>,
}

impl Reading<'_> {
    fn refuse<E: de::Error>(&self, fault: JsonFault) -> E {
        self.fault.set(Some(fault));
        E::custom(fault)
    }

    fn string<E: de::Error>(&self, text: &str, escaped: Escapes) -> Result<String, E> {
        if text.len() > self.limits.string {
            return Err(self.refuse(JsonFault::StringTooLong));
        }
        // serde_json refuses the bare character, so it can only hide behind an escape.
        if matches!(escaped, Escapes::Some) && text.contains('\0') {
            return Err(self.refuse(JsonFault::NullCharacter));
        }
        Ok(text.to_owned())
    }
}

/// Whether a string had escapes; serde_json lends the text when it had none.
#[derive(Clone, Copy)]
enum Escapes {
    None,
    Some,
}

/// Reads a value that lies inside `depth` arrays and objects.
#[derive(Clone, Copy)]
struct Inside<'r> {
    reading: &'r Reading<'r>,
    depth: usize,
}

impl Inside<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > self.reading.limits.depth {
            return Err(self.reading.refuse(JsonFault::TooDeep));
        }
        Ok(Self { depth, ..self })
    }

    fn room_after<E: de::Error>(self, items: usize) -> Result<(), E> {
        if items >= self.reading.limits.items {
            return Err(self.reading.refuse(JsonFault::TooManyItems));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Inside<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let nodes = self.reading.nodes.get() + 1;
        if nodes > self.reading.limits.nodes {
            return Err(self.reading.refuse(JsonFault::TooManyValues));
        }
        self.reading.nodes.set(nodes);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.reading.fractions.set(true);
        Number::from_f64(value).map(Value::Number).ok_or_else(|| self.reading.refuse(JsonFault::Number))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Value, E> {
        self.reading.string(text, Escapes::None).map(Value::String)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.reading.string(text, Escapes::Some).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = array.next_element_seed(inner)? {
            self.room_after(elements.len())?;
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key_seed(Name(self.reading))? {
            self.room_after(members.len())?;
            if members.insert(name, object.next_value_seed(inner)?).is_some() {
                return Err(self.reading.refuse(JsonFault::DuplicateMember));
            }
        }
        Ok(Value::Object(members))
    }
}

/// Reads the name of a member.
struct Name<'r>(&'r Reading<'r>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<String, E> {
        self.0.string(text, Escapes::None)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        self.0.string(text, Escapes::Some)
    }
}

/// Whether every number of the text is short enough and keeps its value when it is written again.
fn numbers_fit(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => after_string(after),
            b'-' | b'0'..=b'9' => {
                let length = rest
                    .iter()
                    .take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .count();
                let (number, after) = rest.split_at(length);
                if !number_fits(number) {
                    return false;
                }
                after
            }
            _ => after,
        };
    }
    true
}

/// What follows the string whose opening quote was just passed.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'\\', _, after @ ..] => after,
            [b'"', after @ ..] => return after,
            [_, after @ ..] => after,
            [] => return rest,
        };
    }
}

fn number_fits(number: &[u8]) -> bool {
    let Ok(number) = std::str::from_utf8(number) else { return false };
    // What does not read as a double is no number at all, and serde_json says so.
    let Ok(double) = number.parse::<f64>() else { return true };
    let integer = !number.contains(['.', 'e', 'E']);
    number.len() <= NUMBER_CHARACTERS
        && if integer { number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() } else { double.is_finite() }
}

/// A double needs 24 characters; nobody who means a number writes more than this.
const NUMBER_CHARACTERS: usize = 40;

#[cfg(test)]
mod tests;
