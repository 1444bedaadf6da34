//! What there is to set, for reference pages: every gate and check with the type of each setting as the code asks
//! for it.

use std::collections::BTreeMap;

use super::gates::{Gates, all_checks, is_gate};
use crate::checks::settings::Asked;
use crate::checks::{ALL, About, Settings};
use crate::model::document::Faults;

/// A gate or check.
#[derive(Debug)]
pub struct Described {
    /// What it is.
    pub about: &'static About,
    /// Whether it is a step before the policy is evaluated.
    pub is_gate: bool,
    /// Its settings, in the order in which it describes them.
    pub settings: Vec<Setting>,
}

/// A setting of a gate or check.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub name: &'static str,
    /// What it means.
    pub meaning: String,
    /// What it has to be.
    pub kind: String,
    /// What holds where it is not said; `required` where it has to be.
    pub default: String,
}

/// Every gate and check, in the order in which they are taken.
pub fn described() -> Vec<Described> {
    let faults = Faults::new();
    let compute = |_: &_| None;
    let all: BTreeMap<&'static str, Settings<'_>> =
        all_checks().map(|about| (about.id, Settings::probe(&compute, &faults))).collect();
    // They are asked, not made: a check that a probe does not please has asked all the same.
    let _gates = Gates::read(&all);
    for check in ALL {
        if let Some(settings) = all.get(check.about().id) {
            let _judge = check.configure(settings, &all);
        }
    }
    let describe = |about: &'static About| {
        let asked = all.get(about.id).map(Settings::asked).unwrap_or_default();
        let settings = about.settings.iter().map(|(name, meaning)| setting(name, meaning, &asked)).collect();
        Described { about, is_gate: is_gate(about.id), settings }
    };
    all_checks().map(describe).collect()
}

/// By convention the default stands in the last parentheses of the meaning.
fn setting(name: &'static str, meaning: &str, asked: &[Asked]) -> Setting {
    let asked = asked.iter().find(|asked| asked.key == name);
    let parts = meaning.rsplit_once(" (").and_then(|(before, rest)| Some((before, rest.split_once(')')?)));
    let is_required = asked.is_some_and(|asked| asked.required);
    let (meaning, default) = match parts {
        Some((before, (default, after))) if !is_required => (format!("{before}{after}"), default.to_owned()),
        _ if is_required => (meaning.to_owned(), "required".to_owned()),
        _ => (meaning.to_owned(), "none".to_owned()),
    };
    Setting { name, meaning, kind: asked.map(|asked| asked.kind.clone()).unwrap_or_default(), default }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::read::COMMON;

    #[test]
    fn every_setting_has_the_type_that_the_code_asks_for() {
        for described in described() {
            for setting in &described.settings {
                assert!(!setting.kind.is_empty(), "{}: nobody reads `{}`", described.about.id, setting.name);
            }
        }
        let all = described();
        let find = |id: &str, name: &str| {
            let described = all.iter().find(|described| described.about.id == id).unwrap();
            described.settings.iter().find(|setting| setting.name == name).unwrap()
        };
        assert_eq!(find("statement.age", "max_age").default, "required");
        assert_eq!(find("statement.age", "skew").kind, "a duration such as `5m`");
        assert_eq!(find("statement.age", "skew").default, "10s");
        assert_eq!(find("keys.source", "by_value").kind, "`accept` or `refuse`");
        assert_eq!(find("redirects.form", "max_count").kind, "an integer from 1 to 100");
    }

    /// The other way round: no check reads what it does not describe.
    #[test]
    fn no_setting_is_read_that_is_not_described() {
        let faults = Faults::new();
        let compute = |_: &_| None;
        for check in ALL {
            let about = check.about();
            let all = BTreeMap::from([(about.id, Settings::probe(&compute, &faults))]);
            let _judge = check.configure(&all[about.id], &all);
            for asked in all[about.id].asked().iter().filter(|asked| !COMMON.contains(&asked.key.as_str())) {
                let is_described = about.settings.iter().any(|(name, _)| *name == asked.key);
                assert!(is_described, "{} reads `{}` and does not describe it", about.id, asked.key);
            }
        }
    }
}
