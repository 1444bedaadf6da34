//! Names of Open Finance Brasil certificates in every order and string type, and names made to deceive.

use der::{Encode as _, Length};
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair};

use super::*;
use crate::model::certificate::Certificate;

const CN: &str = "2.5.4.3";
const ORGANIZATION_IDENTIFIER: &str = "2.5.4.97";

/// The vector of the Open Finance Brasil DCR profile (ID3 §7.1.2).
const VECTOR: &str = "CN=web.conftpp.directory.openbankingbrasil.org.br,UID=bc97b8f0-cae0-4f2f-9978-d93f0e56a833,\
2.5.4.97=#0c2a4f464242522d64373338346264302d383432662d343363352d626530322d396432623264356566633263,L=Sao Paulo,ST=SP,\
O=Chicago Advisory Partners,C=BR,2.5.4.5=#130e3433313432363636303030313937,1.3.6.1.4.1.311.60.2.1.3=#13024252,\
2.5.4.15=#0c1450726976617465204f7267616e697a6174696f6e";

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    der.extend(Length::try_from(content.len()).unwrap().to_der().unwrap());
    der.extend(content);
    der
}

/// RDNs in certificate order; each attribute is its OID, string tag and content.
fn name_der(rdns: &[&[(&str, u8, &[u8])]]) -> Vec<u8> {
    let sets = rdns.iter().map(|rdn| {
        let attributes = rdn.iter().map(|(oid, tag, content)| {
            let oid: ObjectIdentifier = ObjectIdentifier::new(oid).unwrap();
            tlv(0x30, &[oid.to_der().unwrap(), tlv(*tag, content)].concat())
        });
        tlv(0x31, &attributes.collect::<Vec<_>>().concat())
    });
    tlv(0x30, &sets.collect::<Vec<_>>().concat())
}

fn name(rdns: &[&[(&str, u8, &[u8])]]) -> DistinguishedName {
    DistinguishedName::from_der(&name_der(rdns)).unwrap()
}

fn parse(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The attributes of a transport certificate: letter, OID, value.
const ATTRIBUTES: &[(&str, &[u64], &str)] = &[
    ("UID", &[0, 9, 2342, 19_200_300, 100, 1, 1], "bc97b8f0-cae0-4f2f-9978-d93f0e56a833"),
    ("jurisdiction", &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3], "BR"),
    ("businessCategory", &[2, 5, 4, 15], "Private Organization"),
    ("serialNumber", &[2, 5, 4, 5], "43142666000197"),
    ("CN", &[2, 5, 4, 3], "web.conftpp.directory.openbankingbrasil.org.br"),
    ("organizationIdentifier", &[2, 5, 4, 97], "OFBBR-d7384bd0-842f-43c5-be02-9d2b2d5efc2c"),
    ("OU", &[2, 5, 4, 11], "d7384bd0-842f-43c5-be02-9d2b2d5efc2c"),
    ("O", &[2, 5, 4, 10], "Chicago Advisory Partners"),
    ("L", &[2, 5, 4, 7], "Sao Paulo"),
    ("ST", &[2, 5, 4, 8], "SP"),
    ("C", &[2, 5, 4, 6], "BR"),
];

/// The orders of the certificate authorities, as RFC 4514 text has them.
const ORDERS: &[(&str, &str)] = &[
    ("ecosystem", "CN UID organizationIdentifier L ST O C serialNumber jurisdiction businessCategory"),
    ("sandbox", "UID jurisdiction businessCategory serialNumber CN OU O L ST C"),
    ("SERPRO", "UID jurisdiction businessCategory CN serialNumber OU O L ST C"),
    ("SOLUTI", "jurisdiction businessCategory UID CN serialNumber OU L ST O C"),
    ("SERASA", "CN UID OU L ST O C serialNumber jurisdiction businessCategory"),
];

const STRINGS: &[&str] = &["utf8", "printable", "ia5", "teletex", "bmp", "universal"];

fn string(kind: &str, text: &str) -> DnValue {
    match kind {
        "printable" => DnValue::PrintableString(text.try_into().unwrap()),
        "ia5" => DnValue::Ia5String(text.try_into().unwrap()),
        "teletex" => DnValue::TeletexString(text.try_into().unwrap()),
        "bmp" => DnValue::BmpString(text.try_into().unwrap()),
        "universal" => DnValue::UniversalString(text.try_into().unwrap()),
        _ => DnValue::Utf8String(text.to_owned()),
    }
}

fn certificate(order: &str, kind: &str) -> Certificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for wanted in order.split(' ').rev() {
        let (_, oid, value) = ATTRIBUTES.iter().find(|(name, ..)| *name == wanted).unwrap();
        params.distinguished_name.push(DnType::from_oid(oid), string(kind, value));
    }
    let key = KeyPair::generate().unwrap();
    Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap()
}

#[test]
fn the_vector_of_open_finance_brasil_is_read_and_printed_unchanged() {
    let vector = parse(VECTOR);
    assert_eq!(vector.to_string(), VECTOR);
    assert_eq!(vector.only(ORGANIZATION_IDENTIFIER), Some("OFBBR-d7384bd0-842f-43c5-be02-9d2b2d5efc2c"));
    assert_eq!(vector.only("2.5.4.5"), Some("43142666000197"));
    assert!(DistinguishedName::is_canonical_text(VECTOR));
    assert!(vector.matches(&certificate(ORDERS[0].1, "utf8").subject));
}

#[test]
fn every_order_of_the_authorities_in_every_string_type() {
    for (authority, order) in ORDERS {
        let plain = certificate(order, "utf8").subject;
        for kind in STRINGS {
            let subject = certificate(order, kind).subject;
            let printed = subject.to_string();
            assert!(subject.matches(&plain) && plain.matches(&subject), "{authority} {kind}");
            assert!(parse(&printed).matches(&plain), "{authority} {kind}: {printed}");
            assert!(DistinguishedName::is_canonical_text(&printed), "{authority} {kind}: {printed}");
            assert_eq!(subject.only("0.9.2342.19200300.100.1.1"), Some("bc97b8f0-cae0-4f2f-9978-d93f0e56a833"));
            for (other, order) in ORDERS {
                assert_eq!(
                    other == authority,
                    subject.matches(&certificate(order, kind).subject),
                    "{authority} {other}"
                );
            }
        }
    }
}

#[test]
fn hexadecimal_shows_the_string_type_and_the_comparison_does_not() {
    let utf8 = name(&[&[(ORGANIZATION_IDENTIFIER, 0x0c, b"PSDPT-BDP-1")]]);
    let printable = name(&[&[(ORGANIZATION_IDENTIFIER, 0x13, b"PSDPT-BDP-1")]]);
    assert_eq!(utf8.to_string(), "2.5.4.97=#0c0b50534450542d4244502d31");
    assert_eq!(printable.to_string(), "2.5.4.97=#130b50534450542d4244502d31");
    assert!(utf8.matches(&printable));
    assert!(utf8.matches(&parse("organizationIdentifier=psdpt-bdp-1")));
}

#[test]
fn case_and_insignificant_spaces_do_not_matter() {
    let subject = name(&[&[(CN, 0x0c, "Banco São".as_bytes())]]);
    for same in ["CN=BANCO SÃO", "cn=banco  são", "commonName = \\ Banco São\\ ", "2.5.4.3=#0c0a42616e636f2053c3a36f"]
    {
        assert!(subject.matches(&parse(same)), "{same}");
    }
    for other in ["CN=BancoSão", "CN=Banco Sao", "O=Banco São", "CN=Banco São,C=BR", "CN=Banco S\\c3\\a3o\\00"] {
        assert!(!subject.matches(&parse(other)), "{other}");
    }
}

#[test]
fn a_multi_valued_rdn_is_a_set_and_two_rdns_are_not() {
    let rdn = name(&[&[("2.5.4.11", 0x0c, b"a"), (CN, 0x0c, b"b")]]);
    assert_eq!(rdn.to_string(), "OU=a+CN=b");
    assert!(rdn.matches(&parse("CN=b+OU=a")));
    assert!(!rdn.matches(&parse("CN=b,OU=a")));
    assert!(!rdn.matches(&parse("CN=b+OU=a+OU=a")));
    assert!(!parse("OU=a+OU=a+OU=b").matches(&parse("OU=a+OU=b+OU=b")));
}

#[test]
fn two_values_are_ambiguous_even_when_one_cannot_be_read() {
    let twice = parse("organizationIdentifier=OFBBR-1,organizationIdentifier=OFBBR-2,CN=x");
    assert_eq!(twice.only(ORGANIZATION_IDENTIFIER), None);
    assert_eq!(twice.values(ORGANIZATION_IDENTIFIER).collect::<Vec<_>>(), ["OFBBR-2", "OFBBR-1"]);
    let unreadable =
        name(&[&[(ORGANIZATION_IDENTIFIER, 0x0c, b"OFBBR-1")], &[(ORGANIZATION_IDENTIFIER, 0x0c, b"\xff")]]);
    assert_eq!(unreadable.only(ORGANIZATION_IDENTIFIER), None);
    assert_eq!(parse("CN=a").only(ORGANIZATION_IDENTIFIER), None);
}

#[test]
fn nul_and_control_characters_are_kept_and_printed_escaped() {
    let subject = name(&[&[(CN, 0x0c, b"good.example\0.evil\r\n\x1b[31m")]]);
    assert_eq!(subject.only(CN), Some("good.example\0.evil\r\n\x1b[31m"));
    assert_eq!(subject.to_string(), "CN=good.example\\00.evil\\0d\\0a\\1b[31m");
    assert!(subject.matches(&parse(&subject.to_string())));
    assert!(!subject.matches(&parse("CN=good.example")));
    assert_eq!(name(&[&[(CN, 0x0c, "a\u{202e}b".as_bytes())]]).to_string(), "CN=a\\e2\\80\\aeb");
}

#[test]
fn a_name_inside_a_value_stays_a_value() {
    let subject = name(&[&[(CN, 0x0c, b"x,2.5.4.97=OFBBR-1+O=\"y\"")]]);
    assert_eq!(subject.to_string(), "CN=x\\,2.5.4.97=OFBBR-1\\+O=\\\"y\\\"");
    assert_eq!(subject.only(ORGANIZATION_IDENTIFIER), None);
    assert!(!subject.matches(&parse("CN=x,2.5.4.97=OFBBR-1+O=y")));
}

#[test]
fn string_types_that_are_broken_are_not_text() {
    for (tag, content) in [
        (0x0c, &b"\xc3"[..]),
        (0x13, b"\xe7"),
        (0x16, b"\xe7"),
        (0x1e, b"\0a\0"),
        (0x1e, b"\xd8\0"),
        (0x1c, b"\0\x11\0\0"),
        (0x04, b"a"),
    ] {
        let subject = name(&[&[(CN, tag, content)]]);
        assert_eq!(subject.only(CN), None, "{tag:02x}");
        assert!(subject.to_string().starts_with(&format!("CN=#{tag:02x}")), "{subject}");
        assert!(subject.matches(&parse(&subject.to_string())));
    }
    assert_eq!(name(&[&[(CN, 0x14, b"Gest\xe3o")]]).only(CN), Some("Gestão"));
}

#[test]
fn text_that_is_refused() {
    for (text, fault) in [
        ("", InvalidName::Empty),
        ("  ", InvalidName::Empty),
        ("CN", InvalidName::Type),
        ("=a", InvalidName::Type),
        ("OID.2.5.4.97=a", InvalidName::Type),
        ("2.5.04.97=a", InvalidName::Type),
        ("unheard=a", InvalidName::Type),
        ("CN=a,", InvalidName::Type),
        ("CN=a;O=b", InvalidName::Value),
        ("CN=\"a\"", InvalidName::Value),
        ("CN=a<b", InvalidName::Value),
        ("CN=a\0", InvalidName::Value),
        ("CN=a\\", InvalidName::Value),
        ("CN=a\\x", InvalidName::Value),
        ("CN=\\c3", InvalidName::Value),
        ("CN=#", InvalidName::Hex),
        ("CN=#0c", InvalidName::Hex),
        ("CN=#0c0161ff", InvalidName::Hex),
        ("CN=#0c016", InvalidName::Hex),
        ("CN=#0c0161 x", InvalidName::Hex),
        ("CN=#1f0161", InvalidName::Hex),
    ] {
        assert_eq!(DistinguishedName::parse(text).unwrap_err(), fault, "{text:?}");
    }
    assert_eq!(DistinguishedName::parse(&format!("CN={}", "a".repeat(8190))).unwrap_err(), InvalidName::TooLong);
}

#[test]
fn forms_that_open_finance_brasil_refuses() {
    for canonical in ["CN=a,C=BR", "cn=a", "CN=a\\2cb", "2.5.4.5=#1301FF", "CN="] {
        assert!(DistinguishedName::is_canonical_text(canonical), "{canonical}");
    }
    for other in [
        "CN=a, C=BR",
        "CN = a",
        "CN=a ",
        "2.5.4.3=a",
        "commonName=a",
        "CN=#0c0161",
        "2.5.4.5=a",
        "serialNumber=#130161",
        "OID.2.5.4.5=#130161",
        "",
    ] {
        assert!(!DistinguishedName::is_canonical_text(other), "{other}");
    }
}

#[test]
fn der_that_is_refused() {
    let good = name_der(&[&[(CN, 0x0c, b"a")]]);
    assert!(DistinguishedName::from_der(&good).is_ok());
    assert!(DistinguishedName::from_der(&[0x30, 0]).unwrap().to_string().is_empty());
    let trailing = [good.as_slice(), &[0]].concat();
    for bad in [&[][..], &[0x31, 0], &tlv(0x30, &[0x31, 0]), &tlv(0x30, &good), &good[..good.len() - 1], &trailing] {
        assert!(DistinguishedName::from_der(bad).is_err(), "{bad:02x?}");
    }
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = DistinguishedName::from_der(&bytes);
    }

    #[test]
    fn what_is_printed_reads_as_the_same_name(values in proptest::collection::vec((0..3_usize, any::<String>()), 1..5)) {
        let oids = [CN, ORGANIZATION_IDENTIFIER, "2.5.4.10"];
        let rdns: Vec<[(&str, u8, &[u8]); 1]> =
            values.iter().map(|(i, value)| [(oids[*i], 0x0c, value.as_bytes())]).collect();
        let rdns: Vec<&[(&str, u8, &[u8])]> = rdns.iter().map(<[_; 1]>::as_slice).collect();
        let name = name(&rdns);
        let printed = name.to_string();
        prop_assert!(parse(&printed).matches(&name));
        prop_assert_eq!(parse(&printed).to_string(), printed.clone());
        prop_assert!(DistinguishedName::is_canonical_text(&printed));
    }

    #[test]
    fn text_never_panics(text in "[A-Za-z0-9.=#,+\\\\ \"é\0]{0,60}") {
        if let Ok(name) = DistinguishedName::parse(&text) {
            prop_assert!(name.matches(&parse(&name.to_string())));
        }
    }
}
