//! What the fuzzer starts from: the packs, their expressions, and inputs that the engine is known to be weak at.

use std::path::Path;
use std::{fs, iter};

use toml::Value;

use crate::policy::packs::PACKS;

/// Enough for a policy to be one.
const HEAD: &str = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n";

/// Keys whose text is an expression, and tables whose every text is.
const KEYS: &[&str] = &["when", "require", "detail", "cel", "aggregate"];
const TABLES: &[&str] = &["let", "derived", "replaced"];

/// A small policy with the expression as a requirement, and as the detail of one that fails.
pub fn policy_of(source: &str) -> String {
    let source = Value::String(source.to_owned());
    let rule = |id: &str, rest: String| {
        format!("[[rule]]\nid = '{id}'\nerror = 'invalid_client_metadata'\nmessage = 'm'\n{rest}\n")
    };
    HEAD.to_owned()
        + "[params]\nhosts = ['tpp.example', 'bank.example']\nlimit = 3\n[let]\nuris = 'request.redirect_uris'\n"
        + &rule("a.required", format!("require = {source}"))
        + &rule("a.detail", format!("require = 'false'\ndetail = {source}"))
}

/// Every expression of every pack, and the hard ones.
pub fn expressions() -> Vec<String> {
    let mut found = hard();
    for (name, text) in PACKS {
        let table: toml::Table = text.parse().unwrap_or_else(|why| panic!("{name}: {why}"));
        collect(&Value::Table(table), "", "", &mut found);
    }
    found
}

/// Every pack whole, every section of every pack by itself, and the hard expressions in a small policy.
pub fn policies() -> Vec<String> {
    let packs = PACKS.iter().map(|(_, text)| *text);
    let sections = packs.clone().flat_map(|text| text.split("\n\n").filter(|part| part.contains('[')));
    let alone = sections.map(|section| format!("{HEAD}{section}\n"));
    let extending = PACKS.iter().map(|(name, _)| format!("extends = '{name}'\n{HEAD}"));
    let hard = hard().into_iter().map(|source| policy_of(&source));
    packs.map(str::to_owned).chain(alone).chain(extending).chain(hard).chain(doubled()).collect()
}

/// Names that each hold the one before twice.
fn doubled() -> impl Iterator<Item = String> {
    ["LAST + LAST", "[LAST, LAST]", "{'a': LAST, 'b': LAST}"].into_iter().map(|of| {
        let names =
            (1..=24).map(|index| format!("a{index} = \"{}\"\n", of.replace("LAST", &format!("a{}", index - 1))));
        let names: String = names.collect();
        let policy = policy_of("size(a24) > 0");
        policy.replace("[let]\n", &format!("[let]\na0 = 'request.redirect_uris'\n{names}"))
    })
}

/// Writes them to the target's corpus, before the fuzzer reads it.
pub fn plant(target: &str, seeds: Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder for the corpus");
    for (index, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{index:03}")), seed).expect("a writable corpus");
    }
}

fn collect(value: &Value, key: &str, table: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if KEYS.contains(&key) || TABLES.contains(&table) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, table, found)),
        Value::Table(entries) => entries.iter().for_each(|(name, value)| collect(value, name, key, found)),
        _ => {}
    }
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    open.repeat(levels) + inner + &close.repeat(levels)
}

/// As many links as fit in an expression.
fn chain(first: &str, link: &str) -> String {
    let links = (4096 - first.len()) / link.len();
    iter::once(first).chain(iter::repeat_n(link, links)).collect()
}

/// Nesting, chains, comprehensions, patterns, and values that arithmetic has no answer for.
fn hard() -> Vec<String> {
    let mut all = Vec::new();
    for levels in [20, 60, 90, 200, 400] {
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{'a':", "1", "}"),
            ("!", "true", ""),
            ("-", "1", ""),
            ("size(", "'a'", ")"),
            ("true ? ", "1", " : 2"),
            ("[1].all(x,", "true", ")"),
            ("[1].map(x,", "x", ")"),
        ] {
            all.push(nested(open, inner, close, levels));
        }
    }
    for (first, link) in [
        ("1", "+1"),
        ("1", "-1"),
        ("'a'", "+'a'"),
        ("request", "[0]"),
        ("request", ".a"),
        ("'a'", ".size()"),
        ("true", "&&true"),
        ("false", "||false"),
        ("1", "==1"),
        ("1", "<1"),
        ("1", " in[1]"),
        ("(", "("),
        ("[0", ",0"),
        ("", "\u{e9}"),
        ("'", "\\n"),
    ] {
        all.push(chain(first, link));
        all.push(format!("{first}{}", link.repeat(30)));
    }
    all.push(format!("[{}]", vec!["0"; 2000].join(",")));
    let plain = [
        "request.redirect_uris.all(a, request.redirect_uris.all(b, a == b || a != b))",
        "request.redirect_uris.all(a, request.redirect_uris.all(b, request.redirect_uris.all(c, a != b || b != c)))",
        "uris.map(a, uris.map(b, a + b)).size() > 0",
        "(uris + uris + uris + uris).all(a, (uris + uris).all(b, a != b))",
        "uris.map(a, uris.map(b, [a, b, uris]))",
        "uris.map(a, uris.map(b, request))",
        "flatten(uris.map(a, words(a))).exists(w, w == 'x')",
        "subset(uris, ssa.software_redirect_uris) && same_set(uris, ssa.software_redirect_uris)",
        "request.client_name.matches('(a|a)*$')",
        "request.client_name.matches('((((a{100}){100}){100}){100})')",
        "matches(request.client_name, '^([a-z]+)+[0-9]{1,3}$')",
        "request.client_name.matches(request.client_name)",
        "request.client_name.matches('(')",
        "1 / 0 == 1 || 1 % 0 == 1",
        "-9223372036854775808 / -1 == 0",
        "9223372036854775807 + 1 > 0",
        "9223372036854775808 > 0 && 18446744073709551615u + 1u > 0u",
        "1e308 * 10.0 > 1e400 && 0.0 / 0.0 == 0.0",
        "int('9999999999999999999') == int(1e30) && string(1.5) == '1.5'",
        "{'a': 1, 'a': 2}.a == 1 && {1: 2, true: 3, 1u: 4}[1] == 2",
        "true || undefined",
        "request.missing == 1 || has(request.missing.deeper)",
        "has(request.redirect_uris) && request.redirect_uris[99999999999] == ''",
        "[1, 'a', true, null, [], {}].exists_one(x, x == 1)",
        "b'\\xff' == b'\\377' && '\\u00e9\\U0001f600' != r'\\n' && '''a''' == \"\"\"a\"\"\"",
        "uri(request.redirect_uris[0]).host == 'tpp.example' && within('a.tpp.example', params.hosts)",
        "time('2026-11-24T12:00:00Z') < now && time(operation) > 0",
        "dn_equal(cert.subject_dn, 'CN=a+O=b,2.5.4.97=#0c01ff') && dn_canonical(cert.subject_dn)",
        "cert.organization.scheme == 'PSD' && cert.psd2.roles.exists(r, r in ['PSP_AI']) && signer.qc.compliance",
        "client.registered < now && token.scope.contains('dcr') && lower(token.sub).startsWith('a')",
        "metadata == request && ssa == ssa && cert != signer",
        "type(1) == int && duration('1s') < duration('1m') && timestamp('2026-01-01T00:00:00Z') != null",
        "a.b{c: 1} == .d && optional.of(1).orValue(2) == 1 && [?1].size() == 0",
        "'\u{e9}\u{1f600}' + \u{e9}",
        "// a comment\n'x' // and one more",
    ];
    all.extend(plain.map(str::to_owned));
    all
}
