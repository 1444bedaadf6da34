//! What is allowed and most likely not meant: settings under which a policy protects less than it seems to.
//!
//! A finding is a warning, never a fault. A policy that means it says so, with its reason:
//! `[lint] accept = [{ id = "statement.optional", reason = "…" }]`. An acceptance covers what its own
//! file and the files below it say; what a policy lacks as a whole only its nearest file can accept,
//! so that nobody inherits the exceptions of a base.

use std::fmt;

use super::effective::Effective;
use crate::checks::Settings;
use crate::model::document::{Place, Problem, Section, Severity, nearest};

mod findings;

/// One thing to look for.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// Stable id, by which it is accepted.
    pub id: &'static str,
    /// What is wrong, in one sentence.
    pub sentence: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub lint: &'static Lint,
    /// What of the policy it is about; empty when it is about all of it.
    pub what: String,
    /// Where it is written; the policy's id when it is about what is not written.
    pub place: Option<Place>,
    /// The policy's reason, where it accepts it.
    pub accepted: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lint.sentence)?;
        if self.what.is_empty() { Ok(()) } else { write!(f, ": {}", self.what) }
    }
}

impl Finding {
    /// As `check` and `policy test` show it.
    pub fn problem(&self) -> Problem {
        let help = format!("{}; or accept `{}` under [lint] with a reason", self.lint.hint, self.lint.id);
        Problem { severity: Severity::Warning, place: self.place.clone(), message: self.to_string(), help: Some(help) }
    }
}

/// Everything that is found in a policy, in the order of [`LINTS`]; what it accepts says so.
pub fn lint(policy: &Effective) -> Vec<Finding> {
    let mut found = findings::of(policy);
    let mut used = vec![false; policy.accepted.len()];
    for finding in &mut found {
        let file = finding.place.as_ref().map(|place| place.source.name.as_str());
        let layer = file.and_then(|name| policy.files.iter().position(|file| file == name)).unwrap_or(0);
        for (accepted, used) in policy.accepted.iter().zip(&mut used) {
            if accepted.id.value == finding.lint.id && accepted.layer <= layer {
                finding.accepted = Some(accepted.reason.clone());
                *used = true;
            }
        }
    }
    let home = home(policy);
    found.iter_mut().filter(|finding| finding.place.is_none()).for_each(|finding| finding.place.clone_from(&home));
    // Only the nearest file: what a base accepts may have been mended above it.
    let unused = policy.accepted.iter().zip(used).filter(|(accepted, used)| accepted.layer == 0 && !used);
    found.extend(unused.map(|(accepted, _)| Finding {
        lint: &ACCEPTED_UNUSED,
        what: accepted.id.value.clone(),
        place: Some(accepted.id.place.clone()),
        accepted: None,
    }));
    found
}

/// Where a policy as a whole stands: at its id, or its first line.
fn home(policy: &Effective) -> Option<Place> {
    let root = policy.table("")?;
    let id = root.entry("id").and_then(|id| id.place.as_ref());
    let nearest = policy.files.first();
    Some(id.filter(|place| Some(&place.source.name) == nearest).unwrap_or(&root.place).clone())
}

/// What is not accepted, as warnings.
pub fn warnings(policy: &Effective) -> Vec<Problem> {
    lint(policy).iter().filter(|finding| finding.accepted.is_none()).map(Finding::problem).collect()
}

/// Reads `[lint]` of the chain for its faults: ids that there are not, reasons that are missing.
pub(super) fn read(settings: Settings<'_>) {
    for entry in settings.layers().iter().flat_map(|layer| layer.list("accept")) {
        let (id, reason) = (entry.required_text("id"), entry.required_text("reason"));
        if let Some(id) = id.filter(|id| LINTS.iter().all(|lint| lint.id != id.value)) {
            let help = nearest(&id.value, LINTS.iter().map(|lint| lint.id));
            let help = help.map_or_else(
                || "`dcrgate policy lint` shows the ids".to_owned(),
                |word| format!("did you mean `{word}`?"),
            );
            settings.faults().error(Some(&id.place), format!("there is no lint `{}`", id.value), Some(help));
        }
        if let Some(reason) = reason.filter(|reason| reason.value.trim().is_empty()) {
            let help = "say why the policy means it: an auditor will ask".to_owned();
            settings.faults().error(Some(&reason.place), "`reason` is empty", Some(help));
        }
        Section::finish(entry);
    }
    settings.finish();
}

/// Every lint.
pub const LINTS: &[&Lint] = &[
    &UNSIGNED,
    &BINDING_NONE,
    &CERTIFICATE_OPTIONAL,
    &STATEMENT_OPTIONAL,
    &STATEMENT_AGE,
    &STATEMENT_REPLAY,
    &ALGORITHMS_WEAK,
    &KEYS_BY_VALUE,
    &REDIRECTS_UNCHECKED,
    &HOSTS_BROAD,
    &SCOPES_ANY,
    &REGISTRATION_OPEN,
    &SHADOW_ALL,
    &ACCEPTED_UNUSED,
];

static UNSIGNED: Lint = Lint {
    id: "unsigned",
    sentence: "nothing in a registration is signed, so only the client certificate says who asks",
    hint: "ask for a software statement with [checks.statement.signature], or a signed request with [checks.request.signature]",
};

static BINDING_NONE: Lint = Lint {
    id: "binding.none",
    sentence: "nothing ties the client certificate to the software statement, so whoever finds a statement can register it",
    hint: "use [checks.certificate.software], or a rule that compares `cert` with `ssa`",
};

static CERTIFICATE_OPTIONAL: Lint = Lint {
    id: "certificate.optional",
    sentence: "a client without a certificate may register, and nothing else proves who asks",
    hint: "require the certificate, a token with [checks.token.present], or a signature of the client's own",
};

static STATEMENT_OPTIONAL: Lint = Lint {
    id: "statement.optional",
    sentence: "the software statement may be left out, and with it everything that it proves",
    hint: "remove `required = false` from [checks.statement.present]",
};

static STATEMENT_AGE: Lint = Lint {
    id: "statement.age",
    sentence: "a software statement is accepted however old it is",
    hint: "set max_age in [checks.statement.age], or require_exp in [checks.statement.validity]",
};

static STATEMENT_REPLAY: Lint = Lint {
    id: "statement.replay",
    sentence: "the same software statement or request registers as often as it is sent",
    hint: "use [checks.statement.single-use]",
};

static ALGORITHMS_WEAK: Lint = Lint {
    id: "algorithms.weak",
    sentence: "the policy names FAPI, which signs with PS256, ES256 or EdDSA, and accepts another algorithm",
    hint: "leave it out of the list (FAPI 1.0 Advanced 8.6, FAPI 2.0 Security Profile 5.4.1)",
};

static KEYS_BY_VALUE: Lint = Lint {
    id: "keys.by-value",
    sentence: "a client may bring keys by value beside a software statement, and nothing compares them with the directory's",
    hint: "set by_value = \"refuse\" in [checks.keys.source]",
};

static REDIRECTS_UNCHECKED: Lint = Lint {
    id: "redirects.unchecked",
    sentence: "redirect addresses are not checked, so authorization codes can be sent anywhere",
    hint: "use [checks.redirects.form], and [checks.redirects.statement] where the statement lists them",
};

static HOSTS_BROAD: Lint = Lint {
    id: "hosts.broad",
    sentence: "a list of hosts has an entry that is no host of one owner",
    hint: "name the hosts in full: from all others nothing may be fetched",
};

static SCOPES_ANY: Lint =
    Lint { id: "scopes.any", sentence: "a list of scopes has a wildcard", hint: "name the scopes that may be granted" };

static REGISTRATION_OPEN: Lint = Lint {
    id: "registration.open",
    sentence: "whoever has a trusted certificate may register as many clients as it likes",
    hint: "ask for a software statement, a token with [checks.token.present], or limit with [checks.registration.quota]",
};

static SHADOW_ALL: Lint = Lint {
    id: "shadow.all",
    sentence: "every check and rule is only recorded, so nothing is refused once certificate and signature are good",
    hint: "set mode = \"enforce\" once the records show that it refuses the right ones",
};

static ACCEPTED_UNUSED: Lint = Lint {
    id: "accepted.unused",
    sentence: "an acceptance covers nothing that is found",
    hint: "remove it: it would hide what comes later",
};

#[cfg(test)]
mod tests;
