//! Names of subject attributes, as policies write them.

/// Attribute types by the name that policies use, with the OID.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    ("cn", "2.5.4.3"),
    ("serial_number", "2.5.4.5"),
    ("c", "2.5.4.6"),
    ("l", "2.5.4.7"),
    ("st", "2.5.4.8"),
    ("o", "2.5.4.10"),
    ("ou", "2.5.4.11"),
    ("business_category", "2.5.4.15"),
    ("organization_identifier", "2.5.4.97"),
    ("uid", "0.9.2342.19200300.100.1.1"),
];

/// The OID of a known name, or the text itself where it is a dotted OID.
pub fn oid(name: &str) -> Option<&str> {
    let known = ATTRIBUTES.iter().find(|(known, _)| *known == name).map(|(_, oid)| *oid);
    known.or_else(|| {
        let dotted = name.contains('.')
            && name.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()));
        dotted.then_some(name)
    })
}
