//! organizationIdentifier (2.5.4.97), taken apart (ETSI EN 319 412-1 §5.1.4, ETSI TS 119 495 §5.2.1).

use crate::model::name::DistinguishedName;

/// Who a certificate was issued to, by a register's number. Every part is empty where the subject
/// has no organizationIdentifier, more than one, or one of another form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Organization<'n> {
    /// `PSD`, `VAT`, `NTR` or `LEI`.
    pub scheme: &'n str,
    /// Two capital letters: ISO 3166, `EL` for Greek tax numbers, `XG` for legal entity identifiers.
    pub country: &'n str,
    /// Of `PSD` the competent authority, such as `FCA`; of an `NTR` of a part of a country that part
    /// (CA/Browser Forum EV Guidelines §9.2.8).
    pub authority: &'n str,
    /// The number, as it stands there.
    pub id: &'n str,
}

impl<'n> Organization<'n> {
    /// Of a subject.
    pub fn of(subject: &'n DistinguishedName) -> Self {
        subject.only(ORGANIZATION_IDENTIFIER).and_then(Self::parse).unwrap_or_default()
    }

    /// `PSDGB-FCA-123456`, `VATEL-123456789`, `NTRUS+CA-1234`, `LEIXG-5493…`; `None` for any other form.
    ///
    /// Nothing is trimmed or folded, and nothing may stand before the scheme: what is read here is compared exactly.
    pub fn parse(text: &'n str) -> Option<Self> {
        let (scheme, rest) = text.split_at_checked(3)?;
        let (country, rest) = rest.split_at_checked(2)?;
        if !SCHEMES.contains(&scheme) || !is_capital(country) {
            return None;
        }
        let (part, rest) = match rest.strip_prefix('+') {
            Some(rest) if scheme == "NTR" => rest.split_once('-').filter(|(part, _)| is_part(part))?,
            Some(_) => return None,
            None => ("", rest.strip_prefix('-')?),
        };
        let (authority, id) = match scheme {
            "PSD" => rest.split_once('-').filter(|(name, _)| (2..=8).contains(&name.len()) && is_capital(name))?,
            _ => (part, rest),
        };
        (!id.is_empty()).then_some(Self { scheme, country, authority, id })
    }
}

fn is_capital(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// ISO 3166-2 without its country: one to three letters and digits.
fn is_part(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

const SCHEMES: [&str; 4] = ["PSD", "VAT", "NTR", "LEI"];

const ORGANIZATION_IDENTIFIER: &str = "2.5.4.97";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_standards() {
        for (text, scheme, country, authority, id) in [
            ("PSDGB-FCA-123456", "PSD", "GB", "FCA", "123456"),
            ("PSDES-BDE-3DFD 21-ñ", "PSD", "ES", "BDE", "3DFD 21-ñ"),
            ("PSDBE-NBB-1234.567.890", "PSD", "BE", "NBB", "1234.567.890"),
            ("VATEL-123456789", "VAT", "EL", "", "123456789"),
            ("NTRGB-12345678", "NTR", "GB", "", "12345678"),
            ("NTRUS+CA-12345678", "NTR", "US", "CA", "12345678"),
            ("LEIXG-AEYE00EKXESVZUUEBP67", "LEI", "XG", "", "AEYE00EKXESVZUUEBP67"),
            ("VATBE-0-1", "VAT", "BE", "", "0-1"),
        ] {
            assert_eq!(Organization::parse(text), Some(Organization { scheme, country, authority, id }), "{text}");
        }
    }

    #[test]
    fn every_other_form_says_nothing() {
        for text in [
            "",
            "PSD",
            "PSDGB",
            "PSDGB-",
            "PSDGB-FCA",
            "PSDGB-FCA-",
            "PSDGB-F-1",
            "PSDGB-TOOLONGNAME-1",
            "PSDGB-fca-1",
            "PSDgb-FCA-1",
            "psdGB-FCA-1",
            " PSDGB-FCA-1",
            "xPSDGB-FCA-1",
            "PSDGB_FCA-1",
            "PSDGB+X-FCA-1",
            "NTRUS+-1",
            "NTRUS+ABCD-1",
            "VATBE",
            "VATBE-",
            "VAT-BE1",
            "EIDBE-1",
            "OFBBR-0001",
            "PSDé-FCA-1",
            "ñ",
            "PSñ",
        ] {
            assert_eq!(Organization::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_attribute_that_comes_twice_names_nobody() {
        let of = |text: &str| Organization::of(&DistinguishedName::parse(text).unwrap()).id.to_owned();
        assert_eq!(of("CN=a,2.5.4.97=PSDGB-FCA-1"), "1");
        assert_eq!(of("2.5.4.97=PSDGB-FCA-1,2.5.4.97=PSDGB-FCA-2"), "");
        assert_eq!(of("CN=PSDGB-FCA-1"), "");
    }
}
