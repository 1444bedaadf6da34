//! What an expression costs at most, estimated at load.
//!
//! A step is one operator or function on one entry. Every list among the facts is
//! taken to be full, every branch to be run; what a list comes to that an
//! expression makes itself is followed, so that concatenation does not hide it.
//! So are copies: the engine copies what is put in a list or map, entry by entry,
//! and both sides of `+`, which costs memory as well.

use ::cel::common::ast::{EntryExpr, Expr, operators};
use ::cel::parser::Expression;
use serde_json::Value;

use super::MAX_LIST;
use super::compile::children;
use super::scope::ROOTS;

/// Entries that are copied in the time of one step; 500,000 steps hold no more than 200 MiB of them.
const COPIES: u64 = 4;

/// Entries that a list may have where nothing more is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full(u64);

impl Full {
    /// Facts are bounded; parameters are as long as the deployment wrote them.
    pub(super) fn with(params: &Value) -> Self {
        Self(longest(params).max(MAX_LIST as u64))
    }
}

fn longest(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(longest).max().unwrap_or(0).max(items.len() as u64),
        Value::Object(map) => map.values().map(longest).max().unwrap_or(0).max(map.len() as u64),
        _ => 0,
    }
}

/// Steps at most.
pub(super) fn cost(tree: &Expression, full: Full) -> u64 {
    let within = |expr: &Expr| children(expr).into_iter().map(|child| cost(child, full)).fold(0, u64::saturating_add);
    match &tree.expr {
        Expr::Comprehension(each) => {
            let step = cost(&each.loop_step, full).saturating_add(cost(&each.loop_cond, full));
            cost(&each.iter_range, full).saturating_add(step.saturating_mul(length(&each.iter_range, full)))
        }
        Expr::Call(call) => {
            let size = |index: usize| call.args.get(index).map_or(full.0, |list| length(list, full));
            let own = match call.func_name.as_str() {
                // What a macro adds up is not copied.
                operators::ADD if call.args.first().is_some_and(is_accumulator) => 1,
                operators::ADD => size(0).saturating_add(size(1)) / COPIES + 1,
                operators::IN | "within" => size(1),
                "subset" | "same_set" => size(0).saturating_mul(size(1)),
                // It stops at as many entries as a list may have, each compared with those before it.
                "flatten" => full.0.saturating_mul(full.0),
                _ => 1,
            };
            within(&tree.expr).saturating_add(own)
        }
        Expr::List(list) => list
            .elements
            .iter()
            .fold(within(&tree.expr).saturating_add(1), |sum, item| sum.saturating_add(copies(item, full))),
        Expr::Map(map) => map.entries.iter().fold(within(&tree.expr).saturating_add(1), |sum, entry| {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return sum };
            sum.saturating_add(copies(&entry.value, full))
        }),
        other => within(other).saturating_add(1),
    }
}

/// Steps that it takes to put this in a list or map; what was made for that is moved.
fn copies(tree: &Expression, full: Full) -> u64 {
    match &tree.expr {
        // A whole object of facts has lists among its members.
        Expr::Ident(name) if ROOTS.contains(&name.as_str()) => full.0.saturating_mul(full.0) / COPIES,
        Expr::Ident(_) | Expr::Select(_) => full.0 / COPIES,
        Expr::Call(call) if matches!(call.func_name.as_str(), operators::INDEX | operators::CONDITIONAL) => {
            full.0 / COPIES
        }
        _ => 0,
    }
}

fn is_accumulator(tree: &Expression) -> bool {
    matches!(&tree.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// Entries at most, where it is a list.
fn length(tree: &Expression, full: Full) -> u64 {
    match &tree.expr {
        Expr::List(list) => list.elements.len() as u64,
        Expr::Literal(_) => 1,
        // What `map` and `filter` make has no more entries than what they walk.
        Expr::Comprehension(each) => length(&each.iter_range, full),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::ADD, [one, other]) => length(one, full).saturating_add(length(other, full)),
            (operators::CONDITIONAL, [_, one, other]) => length(one, full).max(length(other, full)),
            _ => full.0,
        },
        _ => full.0,
    }
}
