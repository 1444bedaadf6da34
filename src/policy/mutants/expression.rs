//! Mutants of one CEL expression, made on its text: what was changed can then be shown as it would be written.
//!
//! The text is one that compiles; of one that does not, nothing is made.

use std::collections::BTreeSet;
use std::ops::Range;

/// An expression that differs in one point.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// What was changed, in the words of the expression: stable as long as these are.
    pub(super) name: String,
    /// The whole expression.
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An operand of `&&` or `||`, or a branch of `? :`, is gone.
    Part,
    /// Another comparison, `all` for `exists`, or a `!` is gone.
    Operator,
    /// A number is one more or less.
    Number,
    /// An entry of a list is gone.
    Entry,
}

/// A token: where it stands, and within how many brackets.
struct Token {
    range: Range<usize>,
    depth: usize,
}

/// What ends an operand of these, weakest first.
const TERNARY: &[&str] = &[",", ":", "?"];
const OR: &[&str] = &[",", ":", "?", "||"];
const AND: &[&str] = &[",", ":", "?", "||", "&&"];
const RELATION: &[&str] = &[",", ":", "?", "||", "&&", "==", "!=", "<", "<=", ">", ">=", "in"];

const FLIPS: &[(&str, &str)] = &[
    ("==", "!="),
    ("!=", "=="),
    ("<", "<="),
    ("<=", "<"),
    (">", ">="),
    (">=", ">"),
    ("all", "exists"),
    ("exists", "all"),
];

/// Every mutant, each text once.
pub(super) fn mutants(text: &str) -> Vec<Changed> {
    let source = Source { text, tokens: tokens(text) };
    let mut found = Vec::new();
    for at in 0..source.tokens.len() {
        match source.word(at) {
            "&&" => source.without_operands(at, AND, &mut found),
            "||" => source.without_operands(at, OR, &mut found),
            "?" => source.branches(at, &mut found),
            "!" => {
                let operand = source.after(at, RELATION);
                let name = format!("{} for !{}", plain(source.get(&operand)), plain(source.get(&operand)));
                found.extend(source.replaced(at, "", name, Kind::Operator));
            }
            "[" => source.without_entries(at, &mut found),
            word => {
                if let Some((_, other)) = FLIPS.iter().find(|(known, _)| *known == word) {
                    found.extend(source.flipped(at, other));
                } else if let Ok(number) = word.parse::<i64>() {
                    for other in [number.saturating_add(1), number.saturating_sub(1)] {
                        let name = format!("{other} for {number}");
                        found.extend(source.replaced(at, &other.to_string(), name, Kind::Number));
                    }
                }
            }
        }
    }
    let mut seen = BTreeSet::from([plain(text)]);
    found.retain(|changed| seen.insert(plain(&changed.text)));
    found
}

struct Source<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

impl Source<'_> {
    fn get(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| self.get(&token.range))
    }

    /// The operand that begins after a token: up to a word that binds weaker, or the bracket's end.
    fn after(&self, at: usize, ends: &[&str]) -> Range<usize> {
        let Some(own) = self.tokens.get(at) else { return 0..0 };
        let here = |token: &&Token| {
            token.depth < own.depth || token.depth == own.depth && ends.contains(&self.get(&token.range))
        };
        let end = self.tokens.iter().skip(at + 1).find(here).map_or(self.text.len(), |token| token.range.start);
        self.trimmed(own.range.end..end)
    }

    /// The operand that ends before a token.
    fn before(&self, at: usize, ends: &[&str]) -> Range<usize> {
        let Some(own) = self.tokens.get(at) else { return 0..0 };
        let here = |token: &&Token| {
            token.depth < own.depth || token.depth == own.depth && ends.contains(&self.get(&token.range))
        };
        let start = self.tokens.iter().take(at).rev().find(here).map_or(0, |token| token.range.end);
        self.trimmed(start..own.range.start)
    }

    /// From the first token in a range to its last one: without the space and the comments around them.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let inside = |token: &&Token| range.start <= token.range.start && token.range.end <= range.end;
        let first = self.tokens.iter().find(inside);
        let last = self.tokens.iter().rev().find(inside);
        first.zip(last).map_or(range.start..range.start, |(first, last)| first.range.start..last.range.end)
    }

    fn changed(&self, range: &Range<usize>, with: &str, name: String, kind: Kind) -> Option<Changed> {
        let (before, after) = (self.text.get(..range.start)?, self.text.get(range.end..)?);
        Some(Changed { name, text: format!("{before}{with}{after}"), kind })
    }

    fn replaced(&self, at: usize, with: &str, name: String, kind: Kind) -> Option<Changed> {
        self.changed(&self.tokens.get(at)?.range, with, name, kind)
    }

    fn without_operands(&self, at: usize, ends: &[&str], found: &mut Vec<Changed>) {
        let (left, right) = (self.before(at, ends), self.after(at, ends));
        for (gone, cut) in [(&left, left.start..right.start), (&right, left.end..right.end)] {
            found.extend(self.changed(&cut, "", format!("without {}", plain(self.get(gone))), Kind::Part));
        }
    }

    /// `condition ? first : second` as each of the two.
    fn branches(&self, at: usize, found: &mut Vec<Changed>) {
        let Some(own) = self.tokens.get(at) else { return };
        let mut open = 0_usize;
        let colon = (at + 1..self.tokens.len()).find(|index| {
            let same = self.tokens.get(*index).is_some_and(|token| token.depth == own.depth);
            match self.word(*index) {
                "?" if same => open += 1,
                ":" if same && open == 0 => return true,
                ":" if same => open -= 1,
                _ => {}
            }
            false
        });
        let Some(colon) = colon else { return };
        let start = self.before(at, TERNARY).start;
        let Some(colon_range) = self.tokens.get(colon).map(|token| token.range.clone()) else { return };
        let (first, second) = (self.trimmed(own.range.end..colon_range.start), self.after(colon, &[","]));
        for branch in [&first, &second] {
            let name = format!("always {}", plain(self.get(branch)));
            let with = self.get(branch).to_owned();
            found.extend(self.changed(&(start..second.end), &with, name, Kind::Part));
        }
    }

    fn flipped(&self, at: usize, other: &str) -> Option<Changed> {
        if matches!(other, "all" | "exists") {
            let is_macro = at > 0 && self.word(at - 1) == "." && self.word(at + 1) == "(";
            let arguments = self.after(at + 1, &[")"]);
            let name = format!("{other} for {}({})", self.word(at), plain(self.get(&arguments)));
            return self.replaced(at, other, name, Kind::Operator).filter(|_| is_macro);
        }
        let (left, right) = (self.before(at, RELATION), self.after(at, RELATION));
        let name = format!("{} {other} {}", plain(self.get(&left)), plain(self.get(&right)));
        self.replaced(at, other, name, Kind::Operator)
    }

    /// Of a list of at least two entries.
    fn without_entries(&self, at: usize, found: &mut Vec<Changed>) {
        let is_index = at > 0
            && self.word(at - 1).ends_with(|c: char| c.is_ascii_alphanumeric() || "_)]".contains(c))
            && self.word(at - 1) != "in";
        let Some(inner) = self.tokens.get(at).map(|token| token.depth + 1).filter(|_| !is_index) else { return };
        let mut commas = Vec::new();
        for (index, token) in self.tokens.iter().enumerate().skip(at + 1) {
            match self.get(&token.range) {
                "," if token.depth == inner => commas.push(index),
                _ if token.depth < inner => break,
                _ => {}
            }
        }
        for (index, comma) in commas.iter().enumerate() {
            let (left, right) = (self.before(*comma, &[","]), self.after(*comma, &[","]));
            if index == 0 {
                let name = format!("without entry {}", plain(self.get(&left)));
                found.extend(self.changed(&(left.start..right.start), "", name, Kind::Entry));
            }
            let name = format!("without entry {}", plain(self.get(&right)));
            found.extend(self.changed(&(left.end..right.end), "", name, Kind::Entry));
        }
    }
}

/// On one line, without comments.
fn plain(text: &str) -> String {
    let mut line = String::new();
    let mut end = 0;
    for Token { range, .. } in tokens(text) {
        if range.start > end && !line.is_empty() {
            line.push(' ');
        }
        end = range.end;
        line += text.get(range).unwrap_or_default();
    }
    line
}

/// Brackets belong to the depth outside of them. A comment is space: it ends with its line.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let length = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '\'' | '"' => quoted(rest, c),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ if ["&&", "||", "==", "!=", "<=", ">="].iter().any(|two| rest.starts_with(two)) => 2,
            c => c.len_utf8(),
        };
        if matches!(c, ')' | ']' | '}') {
            depth = depth.saturating_sub(1);
        }
        tokens.push(Token { range: at..at + length, depth });
        if matches!(c, '(' | '[' | '{') {
            depth += 1;
        }
        at += length;
    }
    tokens
}

/// The length of a text in quotes at the start.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Vec<(String, String)> {
        mutants(text).into_iter().map(|changed| (changed.name, changed.text)).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        mutants(text).into_iter().map(|changed| changed.text).collect()
    }

    #[test]
    fn operands_are_dropped_one_by_one() {
        assert_eq!(
            made("a && f(b || c)\n&& d"),
            [
                ("without a".to_owned(), "f(b || c)\n&& d".to_owned()),
                ("without f(b || c)".to_owned(), "a\n&& d".to_owned()),
                ("without b".to_owned(), "a && f(c)\n&& d".to_owned()),
                ("without c".to_owned(), "a && f(b)\n&& d".to_owned()),
                ("without d".to_owned(), "a && f(b || c)".to_owned()),
            ]
        );
        assert_eq!(
            texts("a && b || c && d"),
            ["b || c && d", "a || c && d", "c && d", "a && b", "a && b || d", "a && b || c"]
        );
    }

    #[test]
    fn a_comment_is_no_part_of_an_operand() {
        assert_eq!(
            made("(a // it isn't && never\n|| b // b)\n) && c // last"),
            [
                ("without a".to_owned(), "(b // b)\n) && c // last".to_owned()),
                ("without b".to_owned(), "(a // b)\n) && c // last".to_owned()),
                ("without (a || b )".to_owned(), "c // last".to_owned()),
                ("without c".to_owned(), "(a // it isn't && never\n|| b // b)\n) // last".to_owned()),
            ]
        );
        assert_eq!(texts("u == '//' // 7 < 8"), ["u != '//' // 7 < 8"]);
        assert_eq!(texts("c ? a // one\n: b // two"), ["a // two", "b // two"]);
    }

    #[test]
    fn comparisons_and_negations_are_turned() {
        assert_eq!(
            made("size(x) <= y && !has(a.b)").into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["size(x) < y", "without size(x) <= y", "without !has(a.b)", "has(a.b) for !has(a.b)"]
        );
        assert_eq!(texts("a == 'x == y && \\' z'"), ["a != 'x == y && \\' z'"]);
        assert_eq!(texts("u.all(x, x in y)"), ["u.exists(x, x in y)"]);
        assert_eq!(texts("all(x)"), [""; 0]);
    }

    #[test]
    fn numbers_lists_and_branches() {
        assert_eq!(texts("n > 25"), ["n >= 25", "n > 26", "n > 24"]);
        assert_eq!(texts("x in ['a', 'b', 'c']"), ["x in ['b', 'c']", "x in ['a', 'c']", "x in ['a', 'b']"]);
        assert_eq!(texts("m['a']"), [""; 0]);
        assert_eq!(texts("f(c ? a : b, d)"), ["f(a, d)", "f(b, d)"]);
        assert_eq!(texts("v2 == p1"), ["v2 != p1"]);
    }
}
