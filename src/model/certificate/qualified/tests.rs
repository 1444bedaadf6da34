//! A statement from the field, and every way to be none.

use super::*;

/// A seal of the Open Banking sandbox: PSP_PI, PSP_AI and PSP_IC, granted by `GB-OB`.
const SAMPLE: &str = "30713013060604008e4601063009060704008e46010602305a06060400819827023050303930110607040081982701020c065053505f504930110607040081982701030c065053505f414930110607040081982701040c065053505f49430c0c4f70656e2042616e6b696e670c0547422d4f42";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head, content.to_vec()].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn oid(dotted: &str) -> Vec<u8> {
    tlv(0x06, ObjectIdentifier::new_unwrap(dotted).as_bytes())
}

fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

fn psd2(roles: &[Vec<u8>], name: Vec<u8>, id: Vec<u8>) -> Vec<u8> {
    sequence(&[oid("0.4.0.19495.2"), sequence(&[sequence(roles), name, id])])
}

fn role(dotted: &str, name: &str) -> Vec<u8> {
    sequence(&[oid(dotted), utf8(name)])
}

fn read(statements: &[Vec<u8>]) -> Result<QualifiedStatements, StatementsFault> {
    QualifiedStatements::from_der(&sequence(statements))
}

#[test]
fn a_seal_from_the_field() {
    let read = QualifiedStatements::from_der(&bytes(SAMPLE)).unwrap();
    assert_eq!(read.kind, Some(QualifiedType::Seal));
    assert!(!read.compliance, "the sandbox does not issue qualified certificates");
    let psd2 = read.psd2.unwrap();
    assert_eq!(psd2.roles, ["PSP_PI", "PSP_AI", "PSP_IC"]);
    assert_eq!((psd2.authority_name.as_str(), psd2.authority_id.as_str()), ("Open Banking", "GB-OB"));
}

#[test]
fn compliance_legislation_and_type() {
    let compliance = sequence(&[oid("0.4.0.1862.1.1")]);
    let kind = |kinds: &[Vec<u8>]| sequence(&[oid("0.4.0.1862.1.6"), sequence(kinds)]);
    let found = read(&[compliance.clone(), kind(&[oid("0.4.0.1862.1.6.3")])]).unwrap();
    assert_eq!(
        found,
        QualifiedStatements { compliance: true, kind: Some(QualifiedType::Web), ..QualifiedStatements::default() }
    );
    let british = sequence(&[oid("0.4.0.1862.1.7"), sequence(&[tlv(0x13, b"GB")])]);
    assert_eq!(read(&[compliance, british]).unwrap().legislation, ["GB"]);
    assert_eq!(read(&[kind(&[oid("0.4.0.1862.1.6.1")])]).unwrap().kind, Some(QualifiedType::Signature));
    for unclear in
        [kind(&[oid("0.4.0.1862.1.6.2"), oid("0.4.0.1862.1.6.3")]), kind(&[oid("0.4.0.1862.1.6.9")]), kind(&[])]
    {
        assert_eq!(read(&[unclear]).unwrap().kind, None);
    }
    assert_eq!(read(&[]).unwrap(), QualifiedStatements::default());
}

#[test]
fn a_role_that_is_not_known_is_its_object_identifier() {
    let roles =
        [role("0.4.0.19495.1.5", "PSP_AI"), role("0.4.0.19495.1.0", "unspecified"), role("0.4.0.19495.1.1", "PSP_AS")];
    let found = read(&[psd2(&roles, utf8("Banco de España"), utf8("ES-BDE"))]).unwrap().psd2.unwrap();
    assert_eq!(found.roles, ["0.4.0.19495.1.5", "0.4.0.19495.1.0", "PSP_AS"]);
    assert_eq!(found.authority_name, "Banco de España");
}

#[test]
fn other_statements_are_passed_over() {
    let limit = sequence(&[oid("0.4.0.1862.1.2"), sequence(&[tlv(0x13, b"EUR"), tlv(2, &[1]), tlv(2, &[3])])]);
    let strange = sequence(&[oid("1.2.3"), vec![5, 0], vec![5, 0]]);
    let found = read(&[limit.clone(), strange, limit, sequence(&[oid("0.4.0.1862.1.1")])]).unwrap();
    assert!(found.compliance);
}

#[test]
fn what_is_malformed_leaves_no_statement_at_all() {
    use StatementsFault::{Encoding, NoRole, RoleName, Text, TooMany, Twice};
    let compliance = sequence(&[oid("0.4.0.1862.1.1")]);
    let good = || psd2(&[role("0.4.0.19495.1.3", "PSP_AI")], utf8("FCA"), utf8("GB-FCA"));
    let ai = || role("0.4.0.19495.1.3", "PSP_AI");
    let cases: Vec<(&str, Vec<Vec<u8>>, StatementsFault)> = vec![
        ("another role's name", vec![psd2(&[role("0.4.0.19495.1.3", "PSP_PI")], utf8("F"), utf8("GB-F"))], RoleName),
        ("lower case", vec![psd2(&[role("0.4.0.19495.1.3", "psp_ai")], utf8("F"), utf8("GB-F"))], RoleName),
        ("no role", vec![psd2(&[], utf8("F"), utf8("GB-F"))], NoRole),
        ("an empty id", vec![psd2(&[ai()], utf8("F"), utf8(""))], Text),
        ("another string type", vec![psd2(&[ai()], tlv(0x13, b"F"), utf8("GB-F"))], Encoding),
        ("bytes that are not UTF-8", vec![psd2(&[ai()], tlv(0x0c, &[0xff]), utf8("GB-F"))], Encoding),
        ("two statements", vec![good(), good()], Twice),
        ("compliance twice", vec![compliance.clone(), compliance.clone()], Twice),
        ("compliance with a value", vec![sequence(&[oid("0.4.0.1862.1.1"), vec![5, 0]])], Encoding),
        ("a type without a value", vec![sequence(&[oid("0.4.0.1862.1.6")])], Encoding),
        ("no country", vec![sequence(&[oid("0.4.0.1862.1.7"), sequence(&[])])], Encoding),
        ("a country of three", vec![sequence(&[oid("0.4.0.1862.1.7"), sequence(&[tlv(0x13, b"GBR")])])], Encoding),
        ("no id", vec![sequence(&[])], Encoding),
        (
            "a role too many",
            vec![psd2(&[ai(), ai(), sequence(&[oid("0.4.0.19495.1.3")])], utf8("F"), utf8("G"))],
            Encoding,
        ),
        ("33 statements", vec![sequence(&[oid("1.2.3")]); 33], TooMany),
    ];
    for (case, statements, fault) in cases {
        assert_eq!(read(&statements), Err(fault), "{case}");
    }
    for junk in [&b""[..], b"\x30", b"\x05\x00", b"\x31\x00", b"\x30\x00\x00", b"\x30\x80\x00\x00"] {
        assert_eq!(QualifiedStatements::from_der(junk), Err(Encoding), "{junk:?}");
    }
}

#[test]
fn names_have_256_characters_at_most() {
    let named = |count: usize| {
        let text = utf8_long(&"x".repeat(count));
        let statement = long_sequence(&[
            oid("0.4.0.19495.2"),
            long_sequence(&[sequence(&[role("0.4.0.19495.1.3", "PSP_AI")]), text, utf8("GB-FCA")]),
        ]);
        QualifiedStatements::from_der(&long_sequence(&[statement]))
    };
    assert_eq!(named(256).unwrap().psd2.unwrap().authority_name.len(), 256);
    assert_eq!(named(257), Err(StatementsFault::Text));
}

fn long(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [vec![tag, 0x82, high, low], content.to_vec()].concat()
}

fn utf8_long(text: &str) -> Vec<u8> {
    long(0x0c, text.as_bytes())
}

fn long_sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    long(0x30, &parts.concat())
}

/// Every statement of a certificate that has them all.
fn everything() -> Vec<u8> {
    sequence(&[
        sequence(&[oid("0.4.0.1862.1.1")]),
        sequence(&[oid("0.4.0.1862.1.6"), sequence(&[oid("0.4.0.1862.1.6.3")])]),
        psd2(&[role("0.4.0.19495.1.3", "PSP_AI")], utf8("FCA"), utf8("GB-FCA")),
    ])
}

proptest::proptest! {
    #[test]
    fn mutations_never_panic_and_never_invent_a_role(
        changes in proptest::collection::vec((0..200_usize, proptest::num::u8::ANY), 1..6),
        cut in 0..200_usize,
    ) {
        for mut der in [everything(), bytes(SAMPLE)] {
            for (at, byte) in &changes {
                if let Some(place) = der.get_mut(*at) { *place = *byte; }
            }
            der.truncate(der.len().max(cut).min(der.len()));
            for part in [&der[..], &der[..cut.min(der.len())]] {
                if let Ok(found) = QualifiedStatements::from_der(part) {
                    let psd2 = found.psd2.unwrap_or_default();
                    let known = |role: &String| ROLES.iter().any(|(_, name)| name == role) || role.contains('.');
                    proptest::prop_assert!(psd2.roles.iter().all(known));
                }
            }
        }
    }

    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = QualifiedStatements::from_der(&noise);
        let _ = QualifiedStatements::from_der(&[vec![0x30, 0x82, 1, 0], noise].concat());
    }
}
