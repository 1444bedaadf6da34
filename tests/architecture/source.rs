//! Reads a Rust source file as far as the architecture needs it: the paths it names, the
//! modules it declares, its words. Not a parser: it knows comments, strings, braces, `use`
//! and `mod`, and nothing of types.

use std::collections::BTreeSet;
use std::mem;

/// One source file.
pub(crate) struct Source {
    /// From the root of the repository: `src/tls/mod.rs`.
    pub(crate) name: String,
    pub(crate) lines: usize,
    /// Whether the first line is the header.
    pub(crate) has_header: bool,
    pub(crate) paths: Vec<Path>,
    /// `mod name;`, with whether it is under `#[cfg(test)]`.
    pub(crate) declared: Vec<(String, Use)>,
    pub(crate) words: Vec<(String, usize, Use)>,
    /// Names that mean something of ours here: a crate of the same name is not meant.
    local: BTreeSet<String>,
}

/// A path as it was written, with `self` and `super` resolved to begin with `crate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) used_in: Use,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Program,
    Test,
}

impl Path {
    /// The module under the crate's root that the path leads into.
    pub(crate) fn module(&self) -> Option<&str> {
        let mut segments = self.segments.iter();
        (segments.next()? == "crate").then(|| segments.next().map(String::as_str))?
    }

    pub(crate) fn begins_with(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix.split("::").all(|part| segments.next().is_some_and(|segment| segment == part))
    }
}

impl Source {
    /// Reads `text`, the content of the file `name`.
    pub(crate) fn read(name: &str, text: &str) -> Self {
        let mut reader = Reader {
            tokens: tokens(text),
            at: 0,
            base: module_of(name),
            scopes: Vec::new(),
            test_item: false,
            source: Self {
                name: name.to_owned(),
                lines: text.lines().count(),
                has_header: text.starts_with("//! "),
                paths: Vec::new(),
                declared: Vec::new(),
                words: Vec::new(),
                local: BTreeSet::new(),
            },
        };
        reader.run();
        reader.source
    }

    /// Paths that begin with the name of a crate.
    pub(crate) fn outside(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(|path| path.segments.first().is_some_and(|first| !self.local.contains(first)))
    }

    /// Marks the whole file as test code.
    pub(crate) fn mark_test(&mut self) {
        self.paths.iter_mut().for_each(|path| path.used_in = Use::Test);
        self.words.iter_mut().for_each(|word| word.2 = Use::Test);
    }
}

/// The module that a file holds: `src/a/b.rs` and `src/a/b/mod.rs` are `["a", "b"]`.
pub(crate) fn module_of(name: &str) -> Vec<String> {
    let path = name.strip_prefix("src/").unwrap_or(name).trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

struct Reader<'a> {
    tokens: Vec<(&'a str, usize)>,
    at: usize,
    base: Vec<String>,
    /// One entry for each open brace: the inline module it opens, and whether it is test code.
    scopes: Vec<(Option<String>, Use)>,
    /// The item that follows is under `#[cfg(test)]`.
    test_item: bool,
    source: Source,
}

impl<'a> Reader<'a> {
    fn run(&mut self) {
        while let Some((token, line)) = self.token(0) {
            match token {
                "#" if self.follows(&["#", "[", "cfg", "(", "test", ")", "]"]) => {
                    self.test_item = true;
                    self.at += 7;
                }
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.tree(&[]);
                }
                "mod" if is_word(self.text(1)) && self.text(2) == ";" => {
                    let declared = (self.text(1).to_owned(), self.used_in());
                    self.source.local.insert(declared.0.clone());
                    self.source.declared.push(declared);
                    self.at += 2;
                }
                "mod" if is_word(self.text(1)) && self.text(2) == "{" => {
                    self.source.local.insert(self.text(1).to_owned());
                    self.open(Some(self.text(1).to_owned()));
                    self.at += 3;
                }
                "{" => {
                    self.open(None);
                    self.at += 1;
                }
                "}" => {
                    self.scopes.pop();
                    self.test_item = false;
                    self.at += 1;
                }
                ";" => {
                    self.test_item = false;
                    self.at += 1;
                }
                _ if is_word(token) => self.expression_path(line),
                _ => self.at += 1,
            }
        }
    }

    fn token(&self, ahead: usize) -> Option<(&'a str, usize)> {
        self.tokens.get(self.at + ahead).copied()
    }

    fn text(&self, ahead: usize) -> &'a str {
        self.token(ahead).map_or("", |(text, _)| text)
    }

    fn follows(&self, expected: &[&str]) -> bool {
        expected.iter().enumerate().all(|(ahead, text)| self.text(ahead) == *text)
    }

    fn used_in(&self) -> Use {
        let in_test = self.test_item || self.scopes.iter().any(|scope| scope.1 == Use::Test);
        if in_test { Use::Test } else { Use::Program }
    }

    fn open(&mut self, module: Option<String>) {
        let used_in = if mem::take(&mut self.test_item) { Use::Test } else { Use::Program };
        self.scopes.push((module, used_in));
    }

    /// `a::b::c` outside of `use`. What follows a `.`, or a `::` after something, is no beginning.
    fn expression_path(&mut self, line: usize) {
        let before = |back| self.at.checked_sub(back).and_then(|at| self.tokens.get(at)).map_or("", |(text, _)| *text);
        let continues = before(1) == "." || (before(1) == "::" && (is_word(before(2)) || before(2) == ">"));
        let mut segments = vec![self.text(0).to_owned()];
        let used_in = self.used_in();
        self.source.words.push((self.text(0).to_owned(), line, used_in));
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            segments.push(self.text(1).to_owned());
            self.source.words.push((self.text(1).to_owned(), line, used_in));
            self.at += 2;
        }
        if !continues && segments.len() > 1 {
            self.add(segments, line);
        }
    }

    /// A tree of imports, after `use` and inside of braces.
    fn tree(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let mut line = self.token(0).map_or(0, |(_, line)| line);
        let mut group = false;
        while let Some((token, at)) = self.token(0) {
            self.at += 1;
            match token {
                "{" => {
                    group = true;
                    while !matches!(self.text(0), "}" | ";" | "") {
                        self.tree(&segments);
                    }
                    self.at += 1;
                }
                "}" => {
                    self.at -= 1;
                    break;
                }
                "as" => {
                    self.source.local.insert(self.text(0).to_owned());
                    self.at += 1;
                }
                "," | ";" => break,
                "::" => {}
                word => {
                    if is_word(word) {
                        self.source.words.push((word.to_owned(), at, self.used_in()));
                    }
                    line = at;
                    segments.push(word.to_owned());
                }
            }
        }
        if segments.len() > prefix.len() && segments.last().is_some_and(|last| last == "self") && segments.len() > 1 {
            segments.pop();
        }
        if !group && !segments.is_empty() {
            let ours = matches!(segments.first().map(String::as_str), Some("crate" | "super" | "self"));
            if let Some(name) = segments.last().filter(|_| ours || segments.len() > 1) {
                self.source.local.insert(name.clone());
            }
            self.add(segments, line);
        }
        if prefix.is_empty() {
            self.test_item = false;
        }
    }

    fn add(&mut self, segments: Vec<String>, line: usize) {
        let used_in = self.used_in();
        self.source.paths.push(Path { segments: self.resolve(segments), line, used_in });
    }

    fn resolve(&self, mut segments: Vec<String>) -> Vec<String> {
        let mut here: Vec<String> = self.base.clone();
        here.extend(self.scopes.iter().filter_map(|scope| scope.0.clone()));
        let mut ups = 0;
        for segment in &segments {
            match segment.as_str() {
                "self" => {}
                "super" => {
                    here.pop();
                }
                _ => break,
            }
            ups += 1;
        }
        if ups > 0 {
            here.insert(0, "crate".to_owned());
            here.extend(segments.drain(..).skip(ups));
            return here;
        }
        if let Some(first) = segments.first_mut().filter(|first| *first == "dcrgate") {
            *first = "crate".to_owned();
        }
        segments
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single characters with their lines; comments, strings and lifetimes are gone.
fn tokens(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = next(rest, first);
        let (token, after) = rest.split_at(length);
        if is_token {
            found.push((token, line));
        }
        line += token.matches('\n').count();
        rest = after;
    }
    found
}

/// The length of what stands at the beginning of `rest`, and whether it is worth keeping.
fn next(rest: &str, first: char) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if let Some(length) = string(rest).or_else(|| character(rest)) {
        return (length, false);
    }
    if first.is_alphanumeric() || first == '_' {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        return (length, true);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    (first.len_utf8(), !first.is_whitespace())
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        let length = if here.starts_with("/*") {
            depth += 1;
            2
        } else if here.starts_with("*/") {
            depth -= 1;
            2
        } else {
            here.chars().next().map_or(1, char::len_utf8)
        };
        at += length;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &str) -> Option<usize> {
    let body = rest.trim_start_matches(['b', 'c']);
    if rest.len() - body.len() > 1 {
        return None;
    }
    let prefix = rest.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let inner = raw.trim_start_matches('#');
        let hashes = raw.len() - inner.len();
        if !inner.starts_with('"') {
            return None;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let open = prefix + 1 + hashes + 1;
        return Some(rest.get(open..)?.find(&end).map_or(rest.len(), |at| open + at + end.len()));
    }
    body.starts_with('"').then(|| closing(rest, prefix + 1, '"'))
}

/// A character or a lifetime.
fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let body = rest.get(prefix..)?.strip_prefix('\'')?;
    let mut chars = body.chars();
    match (chars.next()?, chars.next()) {
        ('\\', _) => Some(closing(rest, prefix + 1, '\'')),
        (one, Some('\'')) => Some(prefix + 2 + one.len_utf8()),
        _ => Some(1 + body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len())),
    }
}

fn closing(rest: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip_while(|(at, _)| *at < from) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
