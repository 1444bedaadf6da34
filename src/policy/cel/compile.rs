//! From text to checked expression: parsing in a thread of its own, then depth, cost and names.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use ::cel::Env;
use ::cel::common::ast::{Expr, SourceInfo, operators};
use ::cel::parser::{Expression, ParseErrors};
use serde_json::{Map, Value};

use super::cost::{Full, cost};
use super::names::Walker;
use super::scope::{ROOTS, Schema, Scope};
use super::values::Values;
use super::{
    Code, Condition, Library, MAX_COST, MAX_DEPTH, MAX_POLICY_COST, MAX_SOURCE, PARSER_STACK, Session, functions, names,
};
use crate::model::document::{Faults, Located, Place};

/// An expression that was added to a [`Builder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// Collects the expressions of a policy and compiles them together.
#[derive(Debug)]
pub struct Builder<'a> {
    schema: Schema<'a>,
    faults: &'a Faults,
    named: Vec<(Located<String>, Located<String>)>,
    others: Vec<(Located<String>, Scope)>,
}

/// The compiled expressions of a [`Builder`], by slot. One with a fault is `None`.
#[derive(Debug)]
pub struct Compiled {
    /// What they share.
    pub library: Library,
    codes: Vec<Option<Vec<Code>>>,
}

impl<'a> Builder<'a> {
    /// Nothing yet.
    pub const fn new(schema: Schema<'a>, faults: &'a Faults) -> Self {
        Self { schema, faults, named: Vec::new(), others: Vec::new() }
    }

    /// Adds a named expression; later ones may use its name.
    pub fn named(&mut self, name: Located<String>, text: Located<String>) {
        let is_word = name.value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && name.value.starts_with(|c: char| c.is_ascii_lowercase());
        if !is_word || ROOTS.contains(&name.value.as_str()) {
            let help = format!("lower-case letters, digits and underscores; not {}", ROOTS.join(", "));
            self.faults.error(Some(&name.place), format!("`{}` cannot be a name", name.value), Some(help));
        }
        self.named.push((name, text));
    }

    /// Adds an expression.
    pub fn expression(&mut self, text: Located<String>, scope: Scope) -> Slot {
        self.others.push((text, scope));
        Slot(self.others.len() - 1)
    }

    /// All expressions of a policy are evaluated for one request: together they are bounded too.
    fn judge_cost(&self, texts: &[&Located<String>], trees: &[Option<Tree>]) {
        let costs = || trees.iter().map(|tree| tree.as_ref().map_or(0, |tree| tree.cost));
        let all = costs().fold(0, u64::saturating_add);
        if all > MAX_POLICY_COST
            && let Some((text, most)) = texts.iter().zip(costs()).max_by_key(|(_, cost)| *cost)
        {
            let message = format!("the expressions of this policy may take too long together: {all} steps");
            let help = format!("at most {MAX_POLICY_COST}; this one takes {most}, the most of all");
            self.faults.error(Some(&text.place), message, Some(help));
        }
    }

    /// Compiles everything; each fault is recorded at its place.
    pub fn finish(self) -> Compiled {
        let named = self.named.iter().map(|(_, text)| text);
        let texts: Vec<&Located<String>> = named.chain(self.others.iter().map(|(text, _)| text)).collect();
        let full = Full::with(&Value::Object(self.schema.params.clone()));
        let trees = parse_all(&texts, full, self.faults);
        self.judge_cost(&texts, &trees);
        let mut trees = trees.into_iter();
        let mut walker = Walker::new(&self.schema, self.faults);

        let mut lets = Vec::new();
        for ((name, text), tree) in self.named.iter().zip(trees.by_ref()) {
            let code = tree.and_then(|tree| walker.check(&tree, text, Scope::Decision));
            // A faulty one keeps its name known, so that its users are not reported as well.
            walker.define(&name.value, code.as_ref());
            lets.push((name.value.clone(), code.unwrap_or_else(nothing)));
        }
        let codes = self.others.iter().zip(trees).map(|((text, scope), tree)| {
            let parts = conjuncts(tree?, *scope == Scope::Condition);
            parts.into_iter().map(|part| walker.check(&part, text, *scope)).collect()
        });
        let codes = codes.collect();
        Compiled { library: Library::new(self.schema.params, walker.into_patterns(), lets), codes }
    }
}

impl Compiled {
    /// An expression.
    pub fn take(&mut self, slot: Slot) -> Option<Code> {
        self.codes.get_mut(slot.0)?.take()?.pop()
    }

    /// A condition, with what depends on parameters alone decided.
    pub fn take_condition(&mut self, slot: Slot, place: &Place, faults: &Faults) -> Option<Condition> {
        let parts = self.codes.get_mut(slot.0)?.take()?;
        let values = Values::parameters(&self.library);
        let mut session = Session::new(&self.library, &values);
        let mut open = Vec::new();
        for part in parts {
            if !names::is_constant(&part) {
                open.push(part);
                continue;
            }
            match session.holds(&part) {
                Ok(true) => {}
                Ok(false) => return Some(Condition::Always(false)),
                Err(fault) => {
                    faults.error(Some(place), format!("this cannot be evaluated: {fault}"), None);
                    return None;
                }
            }
        }
        Some(if open.is_empty() { Condition::Always(true) } else { Condition::When(open) })
    }
}

/// The value of an expression over parameters alone.
pub fn constant(text: &Located<String>, params: &Map<String, Value>, faults: &Faults) -> Option<Value> {
    let mut builder = Builder::new(Schema::of(params), faults);
    let slot = builder.expression(text.clone(), Scope::Parameters);
    let mut compiled = builder.finish();
    let code = compiled.take(slot)?;
    let values = Values::parameters(&compiled.library);
    match Session::new(&compiled.library, &values).json(&code) {
        Ok(value) => Some(value),
        Err(fault) => {
            faults.error(Some(&text.place), format!("this cannot be evaluated: {fault}"), None);
            None
        }
    }
}

/// A tree with the place of each node.
pub(super) struct Tree {
    pub(super) expression: Expression,
    pub(super) source: std::sync::Arc<SourceInfo>,
    /// Steps at most.
    cost: u64,
}

fn nothing() -> Code {
    Code { tree: Expression::default(), lets: Vec::new(), uses: super::Uses::default() }
}

/// The parts of `a && b && c`, so that each can be decided by itself.
fn conjuncts(tree: Tree, split: bool) -> Vec<Tree> {
    let Tree { mut expression, source, cost } = tree;
    if split
        && let Expr::Call(call) = &mut expression.expr
        && call.func_name == operators::LOGICAL_AND
    {
        let parts = std::mem::take(&mut call.args);
        let each = parts.into_iter().map(|expression| Tree { expression, source: source.clone(), cost });
        return each.flat_map(|part| conjuncts(part, true)).collect();
    }
    vec![Tree { expression, source, cost }]
}

/// Why a text is not an expression, with the byte at which it was noticed.
struct Complaint {
    message: String,
    at: Option<usize>,
}

fn parse_all(texts: &[&Located<String>], full: Full, faults: &Faults) -> Vec<Option<Tree>> {
    let sources: Vec<&str> = texts.iter().map(|text| text.value.as_str()).collect();
    // Too deep a tree is also dropped in there: dropping recurses as well.
    let parsed = thread::scope(|scope| {
        let run = || sources.iter().map(|source| parse(source, full)).collect::<Vec<_>>();
        let thread = thread::Builder::new().name("cel-parser".into()).stack_size(PARSER_STACK).spawn_scoped(scope, run);
        thread.ok().and_then(|thread| thread.join().ok())
    });
    let Some(parsed) = parsed else {
        faults.error(None, "the thread that parses expressions could not run", None);
        return texts.iter().map(|_| None).collect();
    };
    let report = |(text, result): (&&Located<String>, Result<Tree, Complaint>)| {
        let complaint = match result {
            Ok(tree) => return Some(tree),
            Err(complaint) => complaint,
        };
        faults.error(Some(&place_within(text, complaint.at)), complaint.message, None);
        None
    };
    texts.iter().zip(parsed).map(report).collect()
}

fn parse(source: &str, full: Full) -> Result<Tree, Complaint> {
    let complain = |message: &str, at| Err(Complaint { message: message.to_owned(), at });
    if source.len() > MAX_SOURCE {
        return complain(&format!("the expression is longer than {MAX_SOURCE} bytes"), None);
    }
    if let Some(at) = source.find(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return complain("the expression holds a control character", Some(at));
    }
    let env: &Env = functions::environment();
    match catch_unwind(AssertUnwindSafe(|| env.parser().parse_with_source_info(source))) {
        Ok(Ok((expression, _))) if depth(&expression) > MAX_DEPTH => {
            complain(&format!("the expression is deeper than {MAX_DEPTH} levels"), None)
        }
        Ok(Ok((expression, _))) if cost(&expression, full) > MAX_COST => {
            complain("the expression may take too long: avoid comprehensions within comprehensions", None)
        }
        Ok(Ok((expression, info))) => Ok(Tree { cost: cost(&expression, full), expression, source: info.into() }),
        Ok(Err(errors)) => Err(first_of(&errors, source)),
        Err(_) => complain("the expression cannot be parsed", None),
    }
}

fn first_of(errors: &ParseErrors, source: &str) -> Complaint {
    let Some(error) = errors.errors.first() else {
        return Complaint { message: "the expression cannot be parsed".to_owned(), at: None };
    };
    let (line, column) = error.pos;
    let line_start: Option<usize> =
        usize::try_from(line - 1).ok().map(|before| source.split_inclusive('\n').take(before).map(str::len).sum());
    let at = line_start.zip(usize::try_from(column - 1).ok()).map(|(start, column)| start + column);
    Complaint { message: format!("not an expression: {}", error.msg.to_lowercase()), at }
}

/// The character at or around byte `at` of a text in its file, where the file has the text as it is; its whole place
/// otherwise. The engine counts columns as it likes: what is shown begins and ends where characters do.
pub(super) fn place_within(text: &Located<String>, at: Option<usize>) -> Place {
    let mut place = text.place.clone();
    let written = place.source.text.get(place.span.clone()).unwrap_or_default();
    if let (Some(at), Some(start)) = (at, written.find(&text.value)) {
        let source = &place.source.text;
        let from = source.floor_char_boundary((place.span.start + start + at).min(place.span.end));
        place.span = from..source.ceil_char_boundary(from + 1).min(place.span.end);
    }
    place
}

pub(super) fn children(expr: &Expr) -> Vec<&Expression> {
    use ::cel::common::ast::EntryExpr;
    match expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::Comprehension(each) => {
            vec![&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn depth(tree: &Expression) -> usize {
    1 + children(&tree.expr).into_iter().map(depth).max().unwrap_or(0)
}
