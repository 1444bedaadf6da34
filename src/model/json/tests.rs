//! Strict JSON: what is refused, and that the rest reads as `serde_json` reads it.

use proptest::prelude::*;

use super::*;

fn read(text: impl AsRef<[u8]>) -> Result<Map<String, Value>, JsonFault> {
    object(text.as_ref(), &REQUEST)
}

fn fault(text: impl AsRef<[u8]>) -> JsonFault {
    read(text).unwrap_err()
}

/// A text within every limit but bytes.
const WIDE: Limits = Limits { bytes: usize::MAX, ..REQUEST };

#[test]
fn reads_what_a_client_sends() {
    let text = r#" {"redirect_uris":["https://a.example/cb"],"n":-1,"f":1.5,"t":true,"z":null,"o":{"ü":"\u00fc\n"}} "#;
    let expected: Value = serde_json::from_str(text).unwrap();
    assert_eq!(Value::Object(read(text).unwrap()), expected);
}

#[test]
fn t1_duplicate_members() {
    assert_eq!(fault(r#"{"a":1,"a":1}"#), JsonFault::DuplicateMember);
    assert_eq!(fault(r#"{"a":1,"\u0061":2}"#), JsonFault::DuplicateMember);
    assert_eq!(fault(r#"{"o":[{"x":{"a":1,"b":2,"a":3}}]}"#), JsonFault::DuplicateMember);
    assert!(read(r#"{"a":{"a":{"a":1}},"A":1}"#).is_ok());
}

#[test]
fn t1_encodings() {
    let utf_16: Vec<u8> = r#"{"a":1}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table: [(&[u8], JsonFault); 8] = [
        (b"\xef\xbb\xbf{}", JsonFault::ByteOrderMark),
        (b"\xff\xfe{\0}\0", JsonFault::NotUtf8),
        (&utf_16, JsonFault::Syntax),
        (b"{\"\xc0\xae\":1}", JsonFault::NotUtf8),
        (b"{\"a\":\"\xed\xa0\x80\"}", JsonFault::NotUtf8),
        (br#"{"a":"\ud800"}"#, JsonFault::Syntax),
        (br#"{"a":"\udc00\ud800"}"#, JsonFault::Syntax),
        (br#"{"redirect_uris\u0000":1}"#, JsonFault::NullCharacter),
    ];
    for (bytes, expected) in table {
        assert_eq!(fault(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
    assert!(read(r#"{"a":"\ud83d\ude00"}"#).is_ok());
}

#[test]
fn t1_not_one_object() {
    let table = [
        ("", JsonFault::Syntax),
        ("{", JsonFault::Syntax),
        ("{}{}", JsonFault::Trailing),
        ("{} x", JsonFault::Trailing),
        ("[]", JsonFault::NotAnObject),
        ("\"a\"", JsonFault::NotAnObject),
        ("null", JsonFault::NotAnObject),
        ("{/* c */}", JsonFault::Syntax),
        ("{} // c", JsonFault::Trailing),
        ("{\"a\":NaN}", JsonFault::Syntax),
        ("{\"a\":-Infinity}", JsonFault::Syntax),
        ("{\"a\":01}", JsonFault::Syntax),
        ("{\"a\":+1}", JsonFault::Syntax),
        ("{'a':1}", JsonFault::Syntax),
        ("{a:1}", JsonFault::Syntax),
        ("{\"a\":1,}", JsonFault::Syntax),
        ("{\"a\":\"\n\"}", JsonFault::Syntax),
    ];
    for (text, expected) in table {
        assert_eq!(fault(text), expected, "{text}");
    }
}

#[test]
fn numbers_that_would_change() {
    for number in [
        "1e400",
        "-1e400",
        "18446744073709551616",
        "-9223372036854775809",
        &"9".repeat(10_000),
        &format!("0.{}", "1".repeat(40)),
    ] {
        assert_eq!(fault(format!("{{\"s\":\"\\\"1\",\"a\":[{number}]}}")), JsonFault::Number, "{number}");
    }
    for number in ["18446744073709551615", "-9223372036854775808", "1.5e-3", "-0", "0.1", "1e22"] {
        assert!(read(format!("{{\"a\":{number}}}")).is_ok(), "{number}");
    }
    // Digits inside strings are no numbers.
    assert!(read(format!("{{\"a\\\"\":1.5,\"b\":\"{}\"}}", "9".repeat(100))).is_ok());
}

#[test]
fn t2_depth() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(15)).is_ok());
    assert_eq!(fault(nested(16)), JsonFault::TooDeep);
    for opening in ["[", "{\"a\":"] {
        let bomb = format!("{{\"a\":{}", opening.repeat(100_000));
        assert_eq!(object(bomb.as_bytes(), &WIDE), Err(JsonFault::TooDeep));
        assert_eq!(fault(&bomb), JsonFault::TooLarge);
    }
}

#[test]
fn t2_counts_and_sizes() {
    let members: Vec<String> = (0..300_000).map(|n| format!("\"m{n}\":1")).collect();
    let many = format!("{{{}}}", members.join(","));
    assert_eq!(object(many.as_bytes(), &WIDE), Err(JsonFault::TooManyItems));
    assert_eq!(fault(&many), JsonFault::TooLarge);

    let elements = format!("{{\"a\":[{}0]}}", "0,".repeat(1_000));
    assert_eq!(fault(elements), JsonFault::TooManyItems);
    let row = format!("[{}0]", "0,".repeat(999));
    let values = format!("{{\"a\":[{}0]}}", format!("{row},").repeat(11));
    assert_eq!(fault(values), JsonFault::TooManyValues);

    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(10 << 20));
    assert_eq!(object(long.as_bytes(), &WIDE), Err(JsonFault::StringTooLong));
    assert_eq!(fault(&long), JsonFault::TooLarge);
    assert_eq!(fault(format!("{{\"{}\":1}}", "x".repeat(33 << 10))), JsonFault::StringTooLong);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_as_serde_json_reads_it(value in json()) {
        let text = serde_json::json!({ "v": value }).to_string();
        match read(&text) {
            Ok(members) => prop_assert_eq!(Value::Object(members), serde_json::from_str::<Value>(&text).unwrap()),
            Err(fault) => prop_assert_eq!(fault, JsonFault::NullCharacter),
        }
    }

    #[test]
    fn whatever_is_accepted_can_be_written_and_accepted_again(bytes in r#"\{("[ab\\u0]{0,3}":(-?[0-9]{1,22}(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?|\[[0-9,]{0,4}\]|\{\}|"[^"]{0,4}"|null),?){0,4}\}"#) {
        if let Ok(members) = read(&bytes) {
            prop_assert_eq!(&Value::Object(members.clone()), &serde_json::from_str::<Value>(&bytes).unwrap());
            let again = serde_json::to_vec(&members).unwrap();
            prop_assert!(read(&again).is_ok(), "{}", String::from_utf8_lossy(&again));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
