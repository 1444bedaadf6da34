//! Subjects of certificates, attribute by attribute.
//!
//! Open Finance Brasil certificate standard, profile of 19 January 2023: which
//! attributes a transport certificate (BRCAC) carries and with which string
//! type. Order and types are data here, because authorities differ in both and
//! a proxy has to take all of them.

use rcgen::{DistinguishedName, DnType, DnValue};

use super::participant::Software;

/// The ASN.1 type of an attribute's value; it shows in the `#hex` of RFC 4514 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringType {
    /// UTF8String.
    Utf8,
    /// PrintableString.
    Printable,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub oid: &'static [u64],
    /// How the value is encoded.
    pub string: StringType,
    /// The value.
    pub value: String,
}

/// A subject, in the order of the certificate (the reverse of RFC 4514's).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(pub Vec<Attribute>);

impl Subject {
    /// Of a transport certificate, in the order of the standard.
    pub fn transport(software: &Software) -> Self {
        let organisation = &software.organisation;
        let utf8 = |oid, value: &str| Attribute { oid, string: StringType::Utf8, value: value.to_owned() };
        let printable = |oid, value: &str| Attribute { oid, string: StringType::Printable, value: value.to_owned() };
        Self(vec![
            utf8(BUSINESS_CATEGORY, "Private Organization"),
            printable(JURISDICTION_COUNTRY, "BR"),
            printable(SERIAL_NUMBER, &organisation.number),
            printable(COUNTRY, "BR"),
            utf8(ORGANISATION, &organisation.name),
            utf8(STATE, "SP"),
            utf8(LOCALITY, "Sao Paulo"),
            utf8(ORGANISATION_IDENTIFIER, &format!("OFBBR-{}", organisation.id)),
            utf8(USER_ID, &software.id),
            utf8(COMMON_NAME, &software.host),
        ])
    }

    /// Of a transport certificate issued before 31 August 2022: the organisation stands in OU.
    pub fn legacy_transport(software: &Software) -> Self {
        let mut subject = Self::transport(software);
        for attribute in &mut subject.0 {
            if attribute.oid == ORGANISATION_IDENTIFIER {
                attribute.oid = ORGANISATIONAL_UNIT;
                attribute.value.clone_from(&software.organisation.id);
            }
        }
        subject
    }

    pub(super) fn to_name(&self) -> Result<DistinguishedName, rcgen::Error> {
        let mut name = DistinguishedName::new();
        for attribute in &self.0 {
            let value = match attribute.string {
                StringType::Utf8 => DnValue::Utf8String(attribute.value.clone()),
                StringType::Printable => DnValue::PrintableString(attribute.value.as_str().try_into()?),
            };
            name.push(DnType::from_oid(attribute.oid), value);
        }
        Ok(name)
    }
}

/// CN.
pub const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
/// serialNumber: the CNPJ.
pub const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
/// C.
pub const COUNTRY: &[u64] = &[2, 5, 4, 6];
/// L.
pub const LOCALITY: &[u64] = &[2, 5, 4, 7];
/// ST.
pub const STATE: &[u64] = &[2, 5, 4, 8];
/// O.
pub const ORGANISATION: &[u64] = &[2, 5, 4, 10];
/// OU.
pub const ORGANISATIONAL_UNIT: &[u64] = &[2, 5, 4, 11];
/// businessCategory.
pub const BUSINESS_CATEGORY: &[u64] = &[2, 5, 4, 15];
/// organizationIdentifier.
pub const ORGANISATION_IDENTIFIER: &[u64] = &[2, 5, 4, 97];
/// UID: the software.
pub const USER_ID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
/// jurisdictionCountryName.
pub const JURISDICTION_COUNTRY: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3];
