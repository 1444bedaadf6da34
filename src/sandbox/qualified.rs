//! The qcStatements of a certificate as a policy's case describes them (RFC 3739 §3.2.6, ETSI EN 319 412-5,
//! ETSI TS 119 495).

use rcgen::CustomExtension;
use serde_json::{Map, Value};

use super::der::{SEQUENCE, UTF8_STRING, element, object_identifier};
use crate::model::certificate::QualifiedType;

/// The extension; nothing where the case says nothing of qualification.
pub(super) fn statements(described: &Map<String, Value>) -> Option<CustomExtension> {
    let text = |key: &str| described.get(key).and_then(Value::as_str);
    let mut statements = Vec::new();
    if described.get("qc_compliance").and_then(Value::as_bool) == Some(true) {
        statements.push(statement(COMPLIANCE, None));
    }
    if let Some(countries) = described.get("qc_legislation").and_then(Value::as_array) {
        let countries: Vec<u8> = countries
            .iter()
            .filter_map(Value::as_str)
            .flat_map(|code| element(PRINTABLE_STRING, code.as_bytes()))
            .collect();
        statements.push(statement(LEGISLATION, Some(element(SEQUENCE, &countries))));
    }
    if let Some(last) = text("qc_type").and_then(|word| TYPES.iter().find(|(kind, _)| kind.as_str() == word)) {
        let kind = object_identifier(&[0, 4, 0, 1862, 1, 6, last.1]);
        statements.push(statement(TYPE, Some(element(SEQUENCE, &kind))));
    }
    if let Some(roles) = described.get("psd2_roles").and_then(Value::as_array) {
        let roles: Vec<u8> = roles.iter().filter_map(Value::as_str).flat_map(role).collect();
        let name = |key: &str| element(UTF8_STRING, text(key).unwrap_or_default().as_bytes());
        let parts = [element(SEQUENCE, &roles), name("psd2_authority_name"), name("psd2_authority_id")].concat();
        statements.push(statement(PSD2, Some(element(SEQUENCE, &parts))));
    }
    let content = element(SEQUENCE, &statements.concat());
    (!statements.is_empty()).then(|| CustomExtension::from_oid_content(QC_STATEMENTS, content))
}

fn statement(id: &[u64], info: Option<Vec<u8>>) -> Vec<u8> {
    element(SEQUENCE, &[object_identifier(id), info.unwrap_or_default()].concat())
}

/// A role by its name, or one without a name by its dotted identifier.
fn role(word: &str) -> Vec<u8> {
    let known = ROLES.iter().find(|(name, _)| *name == word).map(|(_, last)| vec![0, 4, 0, 19495, 1, *last]);
    let arcs = known.unwrap_or_else(|| word.split('.').filter_map(|arc| arc.parse().ok()).collect());
    element(SEQUENCE, &[object_identifier(&arcs), element(UTF8_STRING, word.as_bytes())].concat())
}

const QC_STATEMENTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 3];
const COMPLIANCE: &[u64] = &[0, 4, 0, 1862, 1, 1];
const TYPE: &[u64] = &[0, 4, 0, 1862, 1, 6];
const LEGISLATION: &[u64] = &[0, 4, 0, 1862, 1, 7];
const PSD2: &[u64] = &[0, 4, 0, 19495, 2];
const TYPES: &[(QualifiedType, u64)] =
    &[(QualifiedType::Signature, 1), (QualifiedType::Seal, 2), (QualifiedType::Web, 3)];
const ROLES: &[(&str, u64)] = &[("PSP_AS", 1), ("PSP_PI", 2), ("PSP_AI", 3), ("PSP_IC", 4)];
const PRINTABLE_STRING: u8 = 0x13;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::certificate::QualifiedStatements;

    #[test]
    fn what_a_case_says_is_what_is_read() {
        let described = json!({
            "qc_compliance": true, "qc_legislation": ["GB"], "qc_type": "web",
            "psd2_roles": ["PSP_AI", "0.4.0.19495.1.9"], "psd2_authority_name": "Authority", "psd2_authority_id": "GB-FCA",
        });
        let made = statements(described.as_object().unwrap()).unwrap();
        let read = QualifiedStatements::from_der(made.content()).unwrap();
        assert_eq!(
            (read.compliance, read.kind, read.legislation),
            (true, Some(QualifiedType::Web), vec!["GB".to_owned()])
        );
        let service = read.psd2.unwrap();
        assert_eq!(service.roles, ["PSP_AI", "0.4.0.19495.1.9"]);
        assert_eq!((&*service.authority_name, &*service.authority_id), ("Authority", "GB-FCA"));
        assert!(statements(&Map::new()).is_none());
    }
}
