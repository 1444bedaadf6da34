//! What an expression names, with the values that it found there: for a person who asks why.
//!
//! Nothing here is run while a decision is made. The expression is walked again
//! over the same facts, once somebody wants to know.

use ::cel::common::ast::Expr;
use ::cel::context::VariableResolver;
use ::cel::parser::Expression;
use serde_json::Value;

use super::compile::children;
use super::names::{Segment, path};
use super::scope::ROOTS;
use super::values::{Values, to_json};
use super::{Code, Library, Session};

/// What an expression names.
#[derive(Debug, PartialEq, Eq)]
enum Mention {
    /// A fact: its root, and the members below.
    Fact(String, Vec<String>),
    /// A named expression, by its place.
    Named(usize),
}

impl Session<'_> {
    /// What an expression names, as a policy writes it, in the order in which it does; `None` for what is not there
    /// or cannot be evaluated. `values` are those of the session.
    pub fn looked_at(&mut self, code: &Code, values: &Values<'_>) -> Vec<(String, Option<Value>)> {
        let library = self.library;
        let mut found = Vec::new();
        mentions(&code.tree, library, &mut Vec::new(), &mut found);
        let value = |(name, mention)| {
            let value = match mention {
                Mention::Fact(root, path) => fact(values, &root, &path),
                Mention::Named(index) => library.lets.get(index).and_then(|(_, code)| self.json(code).ok()),
            };
            (name, value)
        };
        found.into_iter().map(value).collect()
    }
}

fn fact(values: &Values<'_>, root: &str, path: &[String]) -> Option<Value> {
    let whole = to_json(&*values.resolve(root)?)?;
    path.iter().try_fold(whole, |value, name| value.get(name).cloned())
}

fn mentions(tree: &Expression, library: &Library, variables: &mut Vec<String>, found: &mut Vec<(String, Mention)>) {
    let mut note = |name: String, mention| {
        if !found.iter().any(|(known, _)| *known == name) {
            found.push((name, mention));
        }
    };
    if let Some((root, segments)) = path(tree)
        && !variables.contains(&root)
        && ROOTS.contains(&root.as_str())
    {
        return note(written(&root, &segments), fact_of(root, segments));
    }
    match &tree.expr {
        Expr::Ident(name) if !variables.contains(name) => {
            if let Some(index) = library.lets.iter().position(|(known, _)| known == name) {
                note(name.clone(), Mention::Named(index));
            }
        }
        Expr::Comprehension(each) => {
            mentions(&each.iter_range, library, variables, found);
            let outer = variables.len();
            variables.extend([each.iter_var.clone(), each.accu_var.clone()]);
            variables.extend(each.iter_var2.clone());
            for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                mentions(part, library, variables, found);
            }
            variables.truncate(outer);
        }
        other => children(other).into_iter().for_each(|child| mentions(child, library, variables, found)),
    }
}

fn fact_of(root: String, segments: Vec<Segment>) -> Mention {
    Mention::Fact(root, segments.into_iter().map(|segment| segment.name).collect())
}

/// As a policy writes it.
fn written(root: &str, segments: &[Segment]) -> String {
    segments.iter().fold(root.to_owned(), |text, Segment { name, is_field }| {
        if *is_field { format!("{text}.{name}") } else { format!("{text}['{name}']") }
    })
}
