//! A TOML document as written: values with their place, and the faults found in it.
//!
//! Configuration and policies are read through [`Section`], which never stops
//! at the first fault: each accessor records what is wrong under its source
//! span and returns `None`, and [`Section::finish`] reports keys that nobody
//! asked for with the nearest one that somebody did. The home of the `toml`
//! crate.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod edit;
mod section;

pub use edit::Step;
pub use section::Section;

/// A file's name and text, kept so that faults can show their line.
#[derive(Debug)]
pub struct Source {
    /// The path, as the person gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in a source file.
#[derive(Clone)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// Byte range in its text.
    pub span: Range<usize>,
}

impl Place {
    /// Line of the start, counted from 1.
    pub fn line(&self) -> usize {
        // By bytes: what a parser says may begin within a character.
        self.source.text.bytes().take(self.span.start).filter(|byte| *byte == b'\n').count() + 1
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.line())
    }
}

/// Whether a fault keeps the document from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can be used; the person should know.
    Warning,
    /// It cannot be used.
    Error,
}

/// One fault of a document. Messages are lower case without a full stop.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Whether the document can be used all the same.
    pub severity: Severity,
    /// Where; `None` when it is about the file as a whole.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place:?}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))
    }
}

/// The faults found so far, in the order of finding.
#[derive(Debug, Default)]
pub struct Faults(RefCell<Vec<Problem>>);

impl Faults {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records an error.
    pub fn error(&self, place: Option<&Place>, message: impl Into<String>, help: Option<String>) {
        self.push(Problem { severity: Severity::Error, place: place.cloned(), message: message.into(), help });
    }

    /// Records a warning.
    pub fn warning(&self, place: Option<&Place>, message: impl Into<String>, help: Option<String>) {
        self.push(Problem { severity: Severity::Warning, place: place.cloned(), message: message.into(), help });
    }

    /// Records a fault made elsewhere.
    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// Whether an error (not only warnings) was recorded.
    pub fn any_error(&self) -> bool {
        self.0.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// All of them.
    pub fn into_problems(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> Located<T> {
    /// The same place with another value.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: with(self.value), place: self.place }
    }
}

/// A value of the document: `toml`'s own tree borrows the text, this one does not,
/// and keeps the order of the file.
#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Time(String),
    List(Vec<Spot>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
struct Spot {
    node: Node,
    span: Range<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    key_span: Range<usize>,
    value: Spot,
}

impl Node {
    /// With its article, for "expected …, found …".
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// `wide` gets the places of integers that no setting can hold.
    fn from_toml(value: Spanned<DeValue<'_>>, wide: &mut Vec<Range<usize>>) -> Spot {
        let span = value.span();
        let node = match value.into_inner() {
            DeValue::String(text) => Self::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix());
                if read.is_err() {
                    wide.push(span.clone());
                }
                Self::Integer(read.unwrap_or(i64::MAX))
            }
            DeValue::Float(number) => Self::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(word) => Self::Boolean(word),
            DeValue::Datetime(time) => Self::Time(time.to_string()),
            DeValue::Array(items) => Self::List(items.into_iter().map(|item| Self::from_toml(item, wide)).collect()),
            DeValue::Table(table) => Self::from_table(table, wide),
        };
        Spot { node, span }
    }

    fn from_table(table: DeTable<'_>, wide: &mut Vec<Range<usize>>) -> Self {
        let mut entries: Vec<Entry> = table
            .into_iter()
            .map(|(key, value)| Entry {
                key_span: key.span(),
                key: key.into_inner().into_owned(),
                value: Self::from_toml(value, wide),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Self::Table(entries)
    }

    fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Text(text) | Self::Time(text) => Value::from(text.as_str()),
            Self::Integer(number) => Value::from(*number),
            Self::Float(number) => Value::from(*number),
            Self::Boolean(word) => Value::from(*word),
            Self::List(items) => items.iter().map(|item| item.node.to_json()).collect(),
            Self::Table(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.node.to_json())).collect())
            }
        }
    }
}

/// A parsed document.
#[derive(Clone, Debug)]
pub struct Document {
    source: Arc<Source>,
    entries: Vec<Entry>,
}

impl Document {
    /// Parses TOML. Syntax errors are recorded; what could be read is returned all the same.
    pub fn parse(name: impl Into<String>, text: impl Into<String>, faults: &Faults) -> Self {
        let source = Arc::new(Source { name: name.into(), text: text.into() });
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        for error in errors {
            let place = error.span().map(|span| Place { source: Arc::clone(&source), span });
            faults.error(place.as_ref(), error.message().to_lowercase(), None);
        }
        let mut wide = Vec::new();
        let table = Node::from_table(root.into_inner(), &mut wide);
        for span in wide {
            let place = Place { source: Arc::clone(&source), span };
            faults.error(Some(&place), format!("an integer is from {} to {}", i64::MIN, i64::MAX), None);
        }
        let entries = match table {
            Node::Table(entries) => entries,
            _ => Vec::new(),
        };
        Self { source, entries }
    }

    /// The file's name and text.
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The outermost table.
    pub fn root<'d>(&'d self, faults: &'d Faults) -> Section<'d> {
        Section::new(&self.source, &self.entries, 0..0, String::new(), faults)
    }
}

/// The nearest of the known words, if one is near enough to be what was meant.
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    // Two slips, or one in three letters: `icp-brazil` finds `icp-brasil`, `foo` finds nothing.
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
