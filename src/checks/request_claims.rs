//! A signed request says who sends it to whom, since when and until when, and is sent once
//! (RFC 7519 §4.1, RFC 8725 §3.8 to §3.10).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::report::Failure;
use super::settings::Pattern;
use super::statement_age::MILLISECONDS_FROM;
use super::{About, Check, Fault, Judge, MAX_JTI, Report, Settings, WRITES, member, text};
use crate::model::claim::ClaimKind;
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::metadata;
use crate::model::statement::JWT_CLAIMS;
use crate::model::time::Timestamp;

#[derive(Debug)]
pub(super) struct RequestClaims;

const USED: Fault =
    Fault { message: "jti of the signed request was used before", hint: "sign a new request with a new jti" };
const MISSING: Fault = Fault {
    message: "the signed request lacks a claim that it has to have",
    hint: "add the claim that this field names",
};
const ISSUER: Fault = Fault {
    message: "iss of the signed request is not the software of the software statement",
    hint: "iss has to be the identifier of the software, as in its software statement",
};
const AUDIENCE: Fault = Fault {
    message: "the signed request is not meant for this server",
    hint: "aud has to name this authorization server",
};
const EXPIRED: Fault = Fault { message: "the signed request has expired", hint: "sign a new request" };
const EARLY: Fault = Fault {
    message: "the signed request is not valid yet",
    hint: "check the clock of the machine that signs: iat and nbf must not lie in the future",
};
const OLD: Fault =
    Fault { message: "the signed request is too old", hint: "sign the request immediately before it is sent" };
const LONG: Fault =
    Fault { message: "the signed request is valid for too long", hint: "choose an exp that is closer to iat" };
const MALFORMED: Fault = Fault {
    message: "a time of the signed request is not an integer",
    hint: "iat, nbf and exp have to be whole seconds since 1970 (RFC 7519 NumericDate)",
};
const MILLISECONDS: Fault = Fault {
    message: "a time of the signed request is in milliseconds",
    hint: "iat, nbf and exp have to be whole seconds since 1970 (RFC 7519 NumericDate)",
};
const IDENTIFIER: Fault = Fault {
    message: "jti of the signed request has not the expected form",
    hint: "jti has to be a string of 1 to 256 characters without line feeds, in the form that the specification asks for",
};

static ABOUT: About = About {
    id: "request.claims",
    summary: "a signed request has the right iss and aud, is within its times, and its jti is used once",
    clause: "RFC 7519 4.1",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[USED, MISSING, ISSUER, AUDIENCE, EXPIRED, EARLY, OLD, LONG, MALFORMED, MILLISECONDS, IDENTIFIER],
    settings: &[
        ("required", "claims that have to be there (iss, aud, iat, exp, jti)"),
        ("issuer", "claim of the statement that iss equals (any iss)"),
        ("audience", "names of this server; aud has one of them (any aud)"),
        ("max_lifetime", "longest time from iat to exp (24h)"),
        ("max_age", "longest time since iat (any)"),
        ("skew", "tolerance of clocks (60s)"),
        ("jti", "regular expression that jti as a whole matches (any)"),
        ("single_use", "whether a jti is used once (true)"),
    ],
};

const REQUIRED: &[&str] = &["iss", "aud", "iat", "exp", "jti"];

/// Machines that sign requests are kept to time less well than directories.
const DEFAULT_SKEW: Duration = Duration::from_secs(60);

/// A used `jti` is remembered as long as its request is valid: an endless one would be remembered for ever.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl Check for RequestClaims {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let required = settings.texts("required");
        let required = required.unwrap_or_else(|| REQUIRED.iter().map(|name| (*name).to_owned()).collect());
        let max_lifetime = settings.duration("max_lifetime");
        let claims = Claims {
            issuer: settings.text("issuer").map(|text| text.value),
            audience: settings.texts("audience"),
            max_lifetime: max_lifetime.unwrap_or(DEFAULT_LIFETIME),
            max_age: settings.duration("max_age"),
            skew: settings.duration("skew").unwrap_or(DEFAULT_SKEW),
            jti: settings.pattern("jti"),
            single_use: settings.boolean("single_use").unwrap_or(true),
            required,
        };
        // Who may leave a claim out is not held to what is asked of it.
        let needs: [(&str, bool, &[&str]); 6] = [
            ("issuer", claims.issuer.is_some(), &["iss"]),
            ("audience", claims.audience.is_some(), &["aud"]),
            ("max_lifetime", max_lifetime.is_some(), &["iat", "exp"]),
            ("max_age", claims.max_age.is_some(), &["iat"]),
            ("jti", claims.jti.is_some(), &["jti"]),
            ("single_use", claims.single_use, &["iat", "exp", "jti"]),
        ];
        for (setting, _, names) in needs.iter().filter(|(_, is_on, _)| *is_on) {
            for name in names.iter().filter(|name| !claims.required.iter().any(|known| known == *name)) {
                let message = format!("`{setting}` needs `{name}` in `required`");
                let help = (*setting == "single_use").then(|| "or say `single_use = false`".to_owned());
                settings.faults().error(settings.place().as_ref(), message, help);
            }
        }
        Some(Box::new(claims))
    }
}

#[derive(Debug)]
struct Claims {
    required: Vec<String>,
    issuer: Option<String>,
    audience: Option<Vec<String>>,
    max_lifetime: Duration,
    max_age: Option<Duration>,
    skew: Duration,
    jti: Option<Pattern>,
    single_use: bool,
}

impl Judge for Claims {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let request = facts.request;
        for name in self.required.iter().filter(|name| member(request, name).is_none()) {
            let missing = Failure::of(MISSING).detail(name);
            report.fail(match field(name) {
                Some(name) => missing.field(name),
                None => missing,
            });
        }
        self.parties(facts, report);
        let exp = self.times(request, facts.now, report);
        let Some(jti) = member(request, "jti") else { return };
        let malformed = || Failure::of(IDENTIFIER).field("jti").detail(jti.to_string());
        let Some(jti) = jti.as_str().filter(|jti| self.is_identifier(jti)) else { return report.fail(malformed()) };
        if let (true, Some(exp)) = (self.single_use, exp) {
            let expires = exp.plus(self.skew).plus(Duration::from_secs(1));
            // A jti is unique among those of its issuer; one that cannot be part of a key is as good as none.
            let iss = text(request, "iss").filter(|iss| !iss.is_empty() && !iss.contains('\n'));
            let parts = ["request", iss.unwrap_or("-"), jti];
            if !report.claim(ClaimKind::Jti, &parts, Some(expires)) {
                report.fail(malformed());
            }
        }
    }
}

impl Claims {
    /// `iss` and `aud`, character for character.
    fn parties(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if let (Some(claim), Some(iss)) = (&self.issuer, member(facts.request, "iss")) {
            let software = facts.statement.and_then(|statement| statement.text(claim)).filter(|text| !text.is_empty());
            if software.is_none() || iss.as_str() != software {
                let detail = format!("iss={iss} {claim}={}", software.unwrap_or("(none)"));
                report.fail(Failure::of(ISSUER).field("iss").detail(detail));
            }
        }
        if let (Some(ours), Some(aud)) = (&self.audience, member(facts.request, "aud")) {
            let named = match aud {
                Value::Array(names) => {
                    names.iter().all(Value::is_string) && names.iter().any(|name| is_one(ours, name))
                }
                name => is_one(ours, name),
            };
            if !named {
                report.fail(Failure::of(AUDIENCE).field("aud").detail(format!("aud={aud}")));
            }
        }
    }

    /// `iat`, `nbf` and `exp`; gives `exp` where it can be read.
    fn times(&self, request: &Map<String, Value>, now: Timestamp, report: &mut Report<'_>) -> Option<Timestamp> {
        let mut fail = |fault: Fault, name: &'static str| {
            let said = member(request, name).map_or_else(|| "(none)".to_owned(), Value::to_string);
            let detail = format!("{name}={said} now={}", now.unix_seconds());
            report.fail(Failure::of(fault).field(name).detail(detail));
        };
        let mut read = |name: &'static str| match member(request, name)? {
            Value::Number(number) if number.as_f64().is_some_and(|number| number >= MILLISECONDS_FROM) => {
                fail(MILLISECONDS, name);
                None
            }
            value => {
                let seconds = value.as_i64();
                if seconds.is_none() {
                    fail(MALFORMED, name);
                }
                seconds.map(Timestamp::from_unix_seconds)
            }
        };
        let (iat, nbf, exp) = (read("iat"), read("nbf"), read("exp"));
        if exp.is_some_and(|exp| exp.plus(self.skew) <= now) {
            fail(EXPIRED, "exp");
        }
        for (start, name) in [(iat, "iat"), (nbf, "nbf")] {
            if start.is_some_and(|start| now.plus(self.skew) < start) {
                fail(EARLY, name);
            }
        }
        if let (Some(iat), Some(max_age)) = (iat, self.max_age)
            && iat.plus(max_age) < now
        {
            fail(OLD, "iat");
        }
        if let (Some(iat), Some(exp)) = (iat, exp)
            && exp.since(iat) > self.max_lifetime
        {
            fail(LONG, "exp");
        }
        exp
    }

    fn is_identifier(&self, jti: &str) -> bool {
        (1..=MAX_JTI).contains(&jti.len())
            && !jti.contains('\n')
            && self.jti.as_ref().is_none_or(|pattern| pattern.matches(jti))
    }
}

fn is_one(ours: &[String], name: &Value) -> bool {
    name.as_str().is_some_and(|name| ours.iter().any(|our| our == name))
}

/// The name of a claim or member as a text that may be told.
fn field(name: &str) -> Option<&'static str> {
    let claim = JWT_CLAIMS.iter().copied().find(|claim| *claim == name);
    claim.or_else(|| metadata::member(name).map(|member| member.name))
}
