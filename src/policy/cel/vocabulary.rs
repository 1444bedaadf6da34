//! The words of the rule language as people look them up: facts with their types, operators, macros, limits.
//!
//! Functions describe themselves in [`super::FUNCTIONS`]. What is listed here is held against
//! what the checker of names accepts by a test, so that no fact is without a type.

use super::{MAX_COST, MAX_DEPTH, MAX_LIST, MAX_NESTING, MAX_POLICY_COST, MAX_SOURCE, MAX_WEIGHT};
use crate::model::metadata::Kind;

/// A word with what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it is written; for a fact its path, such as `cert.subject.cn`.
    pub name: &'static str,
    /// The type of its value.
    pub kind: &'static str,
    /// What it is.
    pub summary: &'static str,
}

const fn word(name: &'static str, kind: &'static str, summary: &'static str) -> Word {
    Word { name, kind, summary }
}

/// Every fact whose shape is the same under every policy.
pub const FACTS: &[Word] = &[
    word(
        "request",
        "map",
        "members as they were sent, those of `[aliases.request]` under the name that is meant; `null` is absent; \
         a member that is no client metadata is request['name']",
    ),
    word("metadata", "map", "members as they would be forwarded, after `[forward]`"),
    word(
        "ssa",
        "map",
        "claims of the verified software statement, those of `[aliases.statement]` under the name that is meant; \
         the policy's `claims` lists those it may name",
    ),
    word("token", "map", "claims of the initial access token"),
    word("operation", "text", "register, update, read or delete"),
    word("now", "integer", "the time of the decision in seconds since 1970"),
    word(
        "params",
        "map",
        "the policy's parameters with the deployment's over them, each of the type it has in `[params]`",
    ),
    word("cert", "map", "the client certificate; without members where there is none"),
    word("cert.subject", "map", "attributes of the subject; each is empty unless it is there exactly once"),
    word("cert.subject.cn", "text", "common name"),
    word("cert.subject.serial_number", "text", "serial number of the subject"),
    word("cert.subject.c", "text", "country"),
    word("cert.subject.l", "text", "locality"),
    word("cert.subject.st", "text", "state or province"),
    word("cert.subject.o", "text", "organisation"),
    word("cert.subject.ou", "list of texts", "organisational units"),
    word("cert.subject.business_category", "text", "business category"),
    word("cert.subject.organization_identifier", "text", "organizationIdentifier (ETSI EN 319 412-1)"),
    word("cert.subject.uid", "text", "user id"),
    word("cert.subject.all", "map of lists of texts", "every value of each attribute, by the same names"),
    word("cert.subject_dn", "text", "the subject as RFC 4514 text"),
    word("cert.issuer_dn", "text", "the issuer as RFC 4514 text"),
    word("cert.serial", "text", "the serial number in hexadecimal"),
    word("cert.thumbprint", "text", "SHA-256 of the certificate in base64url (x5t#S256)"),
    word("cert.not_before", "integer", "start of validity in seconds since 1970"),
    word("cert.not_after", "integer", "end of validity in seconds since 1970"),
    word("cert.san_dns", "list of texts", "alternative names: hosts"),
    word("cert.san_uri", "list of texts", "alternative names: addresses"),
    word("cert.san_email", "list of texts", "alternative names: mail addresses"),
    word(
        "cert.extended_key_usage",
        "list of texts",
        "clientAuth, serverAuth and so on, or dotted OIDs; empty without one",
    ),
    word("cert.qc", "map", "statements of a qualified certificate (ETSI EN 319 412-5); empty values without any"),
    word("cert.qc.compliance", "boolean", "whether it was issued as a qualified certificate"),
    word("cert.qc.legislation", "list of texts", "countries under whose law it is qualified; empty for the EU's"),
    word("cert.qc.type", "text", "web, seal or sign; empty where it names none or several"),
    word("cert.psd2", "map", "the PSD2 statement (ETSI TS 119 495); empty values without one"),
    word("cert.psd2.roles", "list of texts", "PSP_AS, PSP_PI, PSP_AI, PSP_IC, or the dotted OID of another role"),
    word("cert.psd2.authority_name", "text", "name of the competent authority"),
    word("cert.psd2.authority_id", "text", "id of the competent authority, such as GB-FCA"),
    word("cert.organization", "map", "organizationIdentifier taken apart; empty texts for any other form"),
    word("cert.organization.scheme", "text", "PSD, VAT, NTR or LEI"),
    word("cert.organization.country", "text", "two letters"),
    word(
        "cert.organization.authority",
        "text",
        "of PSD the competent authority, such as FCA; of NTR+ the part of a country",
    ),
    word("cert.organization.id", "text", "the number"),
    word("cert.authority", "text", "the authority of the configuration that trusts it"),
    word(
        "signer",
        "map",
        "the certificate that signed the statement, where `statement.signature` has `signer = \"certificate\"`; \
         members as those of `cert`",
    ),
    word("client", "map", "on updates, reads and deletes: who owns the client"),
    word("client.client_id", "text", "its id at the identity server"),
    word("client.policy", "text", "the policy under which it was registered"),
    word("client.registered", "integer", "when it was registered, in seconds since 1970"),
    word("client.organisation", "text", "the organisation that registered it; absent where the policy named none"),
    word("client.software", "text", "the software that registered it; absent where the policy named none"),
    word("client.subject", "text", "the subject of the certificate that registered it; absent without one"),
    word("client.authority", "text", "the authority of that certificate; absent without one"),
];

/// Operators, strongest first.
pub const OPERATORS: &[Word] = &[
    word("a.b, a['b'], a[0]", "any", "a member of a map, an entry of a list; an error where there is none"),
    word("!a, -a", "boolean, number", "not; the negative"),
    word("a * b, a / b, a % b", "number", "product, quotient, remainder"),
    word("a + b, a - b", "number, text, list", "sum and difference; `+` joins texts and lists"),
    word("a == b, a != b", "boolean", "equal, different"),
    word("a < b, a <= b, a > b, a >= b", "boolean", "order of numbers and texts"),
    word("a in b", "boolean", "whether a list has this entry, or a map this member"),
    word("a && b", "boolean", "both"),
    word("a || b", "boolean", "at least one"),
    word("c ? a : b", "any", "a where c holds, b otherwise"),
];

/// Macros: `x` is a name of one's own for an entry.
pub const MACROS: &[Word] = &[
    word("has(a.b)", "boolean", "whether a member is there"),
    word("list.all(x, test)", "boolean", "whether the test holds for every entry"),
    word("list.exists(x, test)", "boolean", "whether it holds for at least one"),
    word("list.exists_one(x, test)", "boolean", "whether it holds for exactly one"),
    word("list.filter(x, test)", "list", "the entries for which it holds"),
    word("list.map(x, value)", "list", "a value for each entry"),
];

/// A limit of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub number: u64,
    /// Of what, and why.
    pub of: &'static str,
}

/// What one expression may be and take; what is beyond is a fault at load, or refuses.
pub const LIMITS: &[Limit] = &[
    Limit { number: MAX_SOURCE as u64, of: "bytes of one expression" },
    Limit { number: MAX_DEPTH as u64, of: "levels of parentheses, calls and operators" },
    Limit { number: MAX_NESTING as u64, of: "comprehensions (all, exists, map, filter) within each other" },
    Limit { number: MAX_LIST as u64, of: "entries of a list among the facts; a longer one refuses the request" },
    Limit {
        number: MAX_WEIGHT as u64,
        of: "units that a named expression (`[let]`) may come to: one for each entry, one for every 16 bytes of text",
    },
    Limit { number: MAX_COST, of: "steps that one expression may take where every list is full" },
    Limit { number: MAX_POLICY_COST, of: "steps that all expressions of a policy may take together" },
];

/// The type of a member of client metadata.
pub const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Word(_) => "text, one of fixed words",
        Kind::Texts | Kind::ContentEncryptions => "list of texts",
        Kind::Words(_) => "list of texts, each one of fixed words",
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::Address | Kind::Endpoint => "text, an address",
        Kind::Page => "text, an address for people; also name#language",
        Kind::Title => "text for people; also name#language",
        Kind::Addresses | Kind::ReturnAddresses | Kind::RequestObjects | Kind::Redirects => "list of texts, addresses",
        Kind::Signature => "text, a JWS algorithm",
        Kind::KeyManagement | Kind::ContentEncryption => "text, a JWE algorithm",
        Kind::Object | Kind::KeySet => "map",
        Kind::Issued => "issued by the identity server; never forwarded",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::super::ROOTS;
    use super::super::certificate::{FIELDS, NESTED};
    use super::super::values::CLIENT;
    use super::*;
    use crate::checks::subject::ATTRIBUTES;

    #[test]
    fn every_limit_is_told() {
        let numbers: Vec<u64> = LIMITS.iter().map(|limit| limit.number).collect();
        assert_eq!(numbers, [4096, 64, 2, 100, 65_536, 500_000, 1_000_000]);
    }

    #[test]
    fn every_fact_that_a_rule_may_name_has_a_type_and_no_other_is_listed() {
        let below = |of: &str, names: &[&str]| names.iter().map(|name| format!("{of}.{name}")).collect::<Vec<_>>();
        let attributes: Vec<&str> = ATTRIBUTES.iter().map(|(name, _)| *name).chain(["all"]).collect();
        let mut known = ROOTS.iter().map(|root| (*root).to_owned()).collect::<Vec<_>>();
        known.extend(below("cert", FIELDS));
        for (name, fields) in NESTED {
            known.extend(below(&format!("cert.{name}"), fields));
        }
        known.extend(below("client", CLIENT));
        known.extend(below("cert.subject", &attributes));
        for name in &known {
            assert!(FACTS.iter().any(|fact| fact.name == name), "`{name}` is not described");
        }
        for fact in FACTS {
            assert!(known.iter().any(|name| name == fact.name), "`{}` is no fact", fact.name);
            assert!(!fact.kind.is_empty() && !fact.summary.ends_with('.'), "{}", fact.name);
        }
    }
}
