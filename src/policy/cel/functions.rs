//! The functions of rules: a part of CEL's own and what this field needs.

use std::any::Any;
use std::sync::{Arc, LazyLock};

use ::cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString, LIST_TYPE, STRING_TYPE, Type};
use ::cel::common::value::{CowVal, StaticVal, Val};
use ::cel::{Env, ExecutionError};

use super::MAX_LIST;
use crate::model::address::as_written;
use crate::model::name::DistinguishedName;
use crate::model::time::Timestamp;

/// A function that rules may call.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// How it is written, for people.
    pub usage: &'static str,
    /// What it gives.
    pub summary: &'static str,
    /// Arguments; the target of a method does not count.
    pub(super) arguments: usize,
    /// Whether it is written `target.name(...)`.
    pub(super) method: bool,
}

const fn function(name: &'static str, usage: &'static str, arguments: usize, summary: &'static str) -> Signature {
    Signature { name, usage, summary, arguments, method: false }
}

const fn method(name: &'static str, usage: &'static str, arguments: usize, summary: &'static str) -> Signature {
    Signature { name, usage, summary, arguments, method: true }
}

/// Every function that rules may call, besides the macros `has`, `all`, `exists`, `exists_one`, `map` and `filter`.
pub const FUNCTIONS: &[Signature] = &[
    function("words", "words(text)", 1, "the words of a text that is separated by single spaces"),
    function("lower", "lower(text)", 1, "the text in lower case"),
    function(
        "uri",
        "uri(text)",
        1,
        "scheme, host, port, path, query, fragment and userinfo of an absolute address; an error for anything else",
    ),
    function("is_https", "is_https(text)", 1, "whether the text is an absolute https address with a host"),
    function("within", "within(host, domain)", 2, "whether a host is the domain, or one of the domains, or below it"),
    function("subset", "subset(list, list)", 2, "whether every entry of the first list is in the second"),
    function("same_set", "same_set(list, list)", 2, "whether two lists have the same entries in whatever order"),
    function("flatten", "flatten(lists)", 1, "one list of the entries of all lists"),
    function(
        "dn_equal",
        "dn_equal(text, text)",
        2,
        "whether two distinguished names match (RFC 4517 distinguishedNameMatch); false where one is none",
    ),
    function(
        "dn_canonical",
        "dn_canonical(text)",
        1,
        "whether a text is a distinguished name with the short names of RFC 4514 and every other type as OID=#hex",
    ),
    function("time", "time(text)", 1, "an RFC 3339 time as seconds since 1970"),
    function(
        "matches",
        "matches(text, 'pattern')",
        2,
        "whether a regular expression, which has to be a literal, is found in the text",
    ),
    method("matches", "text.matches('pattern')", 1, "the same as a method"),
    function("size", "size(value)", 1, "characters of a text, entries of a list or map"),
    method("size", "value.size()", 0, "the same as a method"),
    method("contains", "text.contains(part)", 1, "whether the part is in the text"),
    method("startsWith", "text.startsWith(part)", 1, "whether the text starts with the part"),
    method("endsWith", "text.endsWith(part)", 1, "whether the text ends with the part"),
    function("int", "int(value)", 1, "the value as an integer"),
    function("string", "string(value)", 1, "the value as a text"),
];

/// A compiled regular expression as a value: what a literal pattern becomes at load.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) regex::Regex);

static PATTERN_TYPE: Type = Type::new_unspecified_type("dcrgate.pattern");

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN_TYPE
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// The standard functions and ours, made once.
pub(super) fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib().with_optional_support(false);
        let one = || vec![STRING_TYPE];
        let two = || vec![STRING_TYPE, STRING_TYPE];
        let added = [
            env.add_overload("words", "words", one(), |arguments| words(&arguments)),
            env.add_overload("lower", "lower", one(), |arguments| lower(&arguments)),
            env.add_overload("uri", "uri", one(), |arguments| uri(&arguments)),
            env.add_overload("is_https", "is_https", one(), |arguments| is_https(&arguments)),
            env.add_overload("within", "within_one", two(), |arguments| within_one(&arguments)),
            env.add_overload("within", "within_list", vec![STRING_TYPE, LIST_TYPE], |arguments| {
                within_list(&arguments)
            }),
            env.add_overload("subset", "subset", vec![LIST_TYPE, LIST_TYPE], |arguments| subset(&arguments)),
            env.add_overload("same_set", "same_set", vec![LIST_TYPE, LIST_TYPE], |arguments| same_set(&arguments)),
            env.add_overload("flatten", "flatten", vec![LIST_TYPE], |arguments| flatten(&arguments)),
            env.add_overload("dn_equal", "dn_equal", two(), |arguments| dn_equal(&arguments)),
            env.add_overload("dn_canonical", "dn_canonical", one(), |arguments| dn_canonical(&arguments)),
            env.add_overload("time", "time", one(), |arguments| time(&arguments)),
            env.add_overload("matches", "matches_pattern", vec![STRING_TYPE, PATTERN_TYPE.to_owned()], |arguments| {
                matches(&arguments)
            }),
        ];
        // The names are fixed above: a conflict with the standard library shows in every test of this module.
        debug_assert!(added.iter().all(Result::is_ok), "{added:?}");
        Arc::new(env)
    });
    &ENVIRONMENT
}

fn text<'a, 'v>(arguments: &'a [CowVal<'_, 'v>], index: usize) -> Result<&'a CelString<'v>, ExecutionError> {
    arguments
        .get(index)
        .and_then(|value| value.downcast_ref::<CelString<'v>>())
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

fn list<'a, 'v>(arguments: &'a [CowVal<'_, 'v>], index: usize) -> Result<&'a [Box<dyn Val + 'v>], ExecutionError> {
    arguments
        .get(index)
        .and_then(|value| value.downcast_ref::<CelList<'v>>())
        .map(CelList::inner)
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

fn boolean<'b, 'v>(word: bool) -> CowVal<'b, 'v> {
    CowVal::Borrowed(if word { &CelBool::TRUE } else { &CelBool::FALSE })
}

fn owned_text<'v>(text: impl Into<String>) -> Box<dyn Val + 'v> {
    Box::new(CelString::from(text.into()))
}

fn words<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = text(arguments, 0)?;
    if split(text.inner()).nth(MAX_LIST).is_some() {
        return Err(ExecutionError::function_error("words", format!("more than {MAX_LIST} words")));
    }
    let words: Vec<Box<dyn Val + 'v>> = match text.as_borrowed() {
        Some(text) => split(text).map(|word| Box::new(CelString::from(word)) as Box<dyn Val + 'v>).collect(),
        None => split(text.inner()).map(owned_text).collect(),
    };
    Ok(CowVal::owned(CelList::from(words)))
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn lower<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(CowVal::Owned(owned_text(text(arguments, 0)?.inner().to_lowercase())))
}

fn uri<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let url = as_written(text(arguments, 0)?.inner())
        .ok_or_else(|| ExecutionError::function_error("uri", "not an absolute address"))?;
    let userinfo = match url.password() {
        Some(password) => format!("{}:{password}", url.username()),
        None => url.username().to_owned(),
    };
    let port = url.port_or_known_default().map_or(0, i64::from);
    let entries: Vec<(&'static str, Box<dyn Val + 'v>)> = vec![
        ("scheme", owned_text(url.scheme())),
        ("host", owned_text(url.host_str().unwrap_or_default())),
        ("port", Box::new(CelInt::from(port))),
        ("path", owned_text(url.path())),
        ("query", owned_text(url.query().unwrap_or_default())),
        ("fragment", owned_text(url.fragment().unwrap_or_default())),
        ("userinfo", owned_text(userinfo)),
    ];
    let map: std::collections::HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
        entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Ok(CowVal::owned(CelMap::from(map)))
}

fn is_https<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let url = as_written(text(arguments, 0)?.inner());
    Ok(boolean(url.is_some_and(|url| url.scheme() == "https" && url.has_host())))
}

fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    !domain.is_empty() && host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn within_one<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(boolean(is_within(text(arguments, 0)?.inner(), text(arguments, 1)?.inner())))
}

fn within_list<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let host = text(arguments, 0)?.inner();
    let domains = list(arguments, 1)?;
    Ok(boolean(
        domains
            .iter()
            .filter_map(|domain| domain.downcast_ref::<CelString<'v>>())
            .any(|domain| is_within(host, domain.inner())),
    ))
}

fn is_subset<'v>(these: &[Box<dyn Val + 'v>], those: &[Box<dyn Val + 'v>]) -> bool {
    these.iter().all(|this| those.iter().any(|that| this.equals(that.as_ref())))
}

fn subset<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(boolean(is_subset(list(arguments, 0)?, list(arguments, 1)?)))
}

fn same_set<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (one, other) = (list(arguments, 0)?, list(arguments, 1)?);
    Ok(boolean(is_subset(one, other) && is_subset(other, one)))
}

fn flatten<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut all: Vec<Box<dyn Val + 'v>> = Vec::new();
    for lists in list(arguments, 0)? {
        let inner = lists
            .downcast_ref::<CelList<'v>>()
            .ok_or_else(|| ExecutionError::function_error("flatten", "an entry is not a list"))?;
        for item in inner.inner() {
            if !all.iter().any(|known| known.equals(item.as_ref())) {
                if all.len() == MAX_LIST {
                    return Err(ExecutionError::function_error("flatten", format!("more than {MAX_LIST} entries")));
                }
                all.push(item.clone_as_boxed());
            }
        }
    }
    Ok(CowVal::owned(CelList::from(all)))
}

fn dn_equal<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let parse = |index| text(arguments, index).map(|text| DistinguishedName::parse(text.inner()));
    Ok(boolean(match (parse(0)?, parse(1)?) {
        (Ok(one), Ok(other)) => one.matches(&other),
        _ => false,
    }))
}

fn dn_canonical<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(boolean(DistinguishedName::is_canonical_text(text(arguments, 0)?.inner())))
}

fn time<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match Timestamp::parse(text(arguments, 0)?.inner()) {
        Ok(time) => Ok(CowVal::owned(CelInt::from(time.unix_seconds()))),
        Err(error) => Err(ExecutionError::function_error("time", error)),
    }
}

fn matches<'b, 'v>(arguments: &[CowVal<'b, 'v>]) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = text(arguments, 0)?.inner();
    match arguments.get(1).and_then(|value| value.downcast_ref::<Pattern>()) {
        Some(Pattern(regex)) => Ok(boolean(regex.is_match(text))),
        None => Err(ExecutionError::missing_argument_or_target()),
    }
}
