//! What an expression names: variables, fields, functions, their arity, patterns.
//!
//! `cel` finds out at evaluation, and not always (`true || misspelt` is true), so
//! everything is checked at load. The walk also notes which members of the facts
//! the expression looks at, and puts compiled patterns in place of literal ones.

use super::certificate::{FIELDS, NESTED};
use super::compile::{Tree, place_within};
use super::functions::{FUNCTIONS, Pattern};
use super::scope::{ROOTS, Schema, Scope};
use super::values::CLIENT;
use super::{Code, MAX_NESTING, Members, Uses};
use crate::checks::settings::MAX_PATTERN;
use crate::checks::subject::ATTRIBUTES;
use crate::model::document::{Faults, Located, nearest};
use crate::model::metadata::{MEMBERS, member};
use crate::model::statement::JWT_CLAIMS;
use ::cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use ::cel::parser::Expression;

/// Where compiled patterns are found; no expression can write such a name.
pub(super) const PATTERN: &str = "@pattern";

/// Whether the expression looks at parameters alone.
pub(super) fn is_constant(code: &Code) -> bool {
    let Uses { request, statement, metadata, token, certificate, signer, client } = &code.uses;
    code.lets.is_empty()
        && !client
        && [request, statement, metadata, token].into_iter().all(Members::is_empty)
        && certificate.is_empty()
        && signer.is_empty()
        && !names_moment(&code.tree)
}

/// Whether it names `now` or `operation`, which no [`Uses`] counts.
fn names_moment(tree: &Expression) -> bool {
    let mut found = false;
    visit(tree, &mut |expr| found |= matches!(expr, Expr::Ident(name) if name == "now" || name == "operation"));
    found
}

fn visit(tree: &Expression, with: &mut impl FnMut(&Expr)) {
    with(&tree.expr);
    for child in super::compile::children(&tree.expr) {
        visit(child, with);
    }
}

/// A named expression, as far as its users have to know it.
struct Named {
    name: String,
    /// Those that it needs, in order, and itself.
    chain: Vec<usize>,
    /// Whether it may be used before there is metadata.
    early: bool,
}

/// Walks the expressions of one policy.
pub(super) struct Walker<'a> {
    schema: &'a Schema<'a>,
    faults: &'a Faults,
    named: Vec<Named>,
    patterns: Vec<Pattern>,
}

impl<'a> Walker<'a> {
    pub(super) const fn new(schema: &'a Schema<'a>, faults: &'a Faults) -> Self {
        Self { schema, faults, named: Vec::new(), patterns: Vec::new() }
    }

    pub(super) fn into_patterns(self) -> Vec<Pattern> {
        self.patterns
    }

    /// Makes a name known to the expressions that follow.
    pub(super) fn define(&mut self, name: &str, code: Option<&Code>) {
        let mut chain = code.map_or_else(Vec::new, |code| code.lets.clone());
        let early = code.is_none_or(|code| {
            let early = chain.iter().filter_map(|index| self.named.get(*index)).all(|named| named.early);
            let Uses { metadata, client, .. } = &code.uses;
            early && metadata.is_empty() && !client && !names_moment(&code.tree)
        });
        chain.push(self.named.len());
        self.named.push(Named { name: name.to_owned(), chain, early });
    }

    /// Checks a tree. `None` when it has a fault.
    pub(super) fn check(&mut self, tree: &Tree, text: &Located<String>, scope: Scope) -> Option<Code> {
        let mut walk = Walk {
            walker: self,
            text,
            source: tree,
            scope,
            variables: Vec::new(),
            lets: Vec::new(),
            uses: Uses::default(),
            sound: true,
        };
        let mut expression = tree.expression.clone();
        walk.expression(&mut expression, 0);
        let Walk { mut lets, uses, sound, .. } = walk;
        lets.sort_unstable();
        lets.dedup();
        sound.then_some(Code { tree: expression, lets, uses })
    }
}

/// The walk of one expression.
struct Walk<'w, 'a> {
    walker: &'w mut Walker<'a>,
    text: &'w Located<String>,
    source: &'w Tree,
    scope: Scope,
    /// Variables of the comprehensions around.
    variables: Vec<String>,
    lets: Vec<usize>,
    uses: Uses,
    sound: bool,
}

impl Walk<'_, '_> {
    fn complain(&mut self, id: u64, message: impl Into<String>, help: Option<String>) {
        let at = self.source.source.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok());
        self.walker.faults.error(Some(&place_within(self.text, at)), message, help);
        self.sound = false;
    }

    fn expression(&mut self, tree: &mut Expression, nesting: usize) {
        let id = tree.id;
        if let Some((root, path)) = path(tree)
            && !self.variables.contains(&root)
            && ROOTS.contains(&root.as_str())
        {
            return self.fact(id, &root, &path);
        }
        match &mut tree.expr {
            Expr::Ident(name) => {
                let name = std::mem::take(name);
                self.variable(id, &name);
                tree.expr = Expr::Ident(name);
            }
            Expr::Select(select) => self.expression(&mut select.operand, nesting),
            Expr::Call(call) => self.call(id, call, nesting),
            Expr::List(list) => list.elements.iter_mut().for_each(|item| self.expression(item, nesting)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.expression(&mut entry.key, nesting);
                        self.expression(&mut entry.value, nesting);
                    }
                }
            }
            Expr::Comprehension(each) => {
                self.expression(&mut each.iter_range, nesting);
                if nesting == MAX_NESTING {
                    self.complain(id, format!("more than {MAX_NESTING} comprehensions within each other"), None);
                }
                let outer = self.variables.len();
                self.variables.extend([each.iter_var.clone(), each.accu_var.clone()]);
                self.variables.extend(each.iter_var2.clone());
                for part in [&mut each.accu_init, &mut each.loop_cond, &mut each.loop_step, &mut each.result] {
                    self.expression(part, nesting + 1);
                }
                self.variables.truncate(outer);
            }
            Expr::Literal(_) => {}
            Expr::Struct(_) | Expr::Unspecified => self.complain(id, "rules have no message types", None),
        }
    }

    fn variable(&mut self, id: u64, name: &str) {
        if self.variables.iter().any(|variable| variable == name) {
            return;
        }
        let Some(index) = self.walker.named.iter().position(|named| named.name == name) else {
            let lets = self.walker.named.iter().map(|named| named.name.as_str());
            let known = self.variables.iter().map(String::as_str).chain(lets).chain(ROOTS.iter().copied());
            let help = nearest(name, known).map_or_else(
                || format!("the facts are {}", ROOTS.join(", ")),
                |word| format!("did you mean `{word}`?"),
            );
            return self.complain(id, format!("unknown name `{name}`"), Some(help));
        };
        let (chain, early) = self.walker.named.get(index).map_or((&[][..], true), |named| (&named.chain, named.early));
        self.lets.extend(chain);
        let allowed = match self.scope {
            Scope::Decision | Scope::Condition => true,
            Scope::Forward => early,
            Scope::Parameters => false,
        };
        if !allowed {
            self.complain(id, format!("`{name}` looks at more than is known here"), Some(self.known_here()));
        }
    }

    fn known_here(&self) -> String {
        format!("known here: {}", self.scope.roots().join(", "))
    }

    /// A fact, and the fields that are selected on it.
    fn fact(&mut self, id: u64, root: &str, path: &[Segment]) {
        if !self.scope.roots().contains(&root) {
            return self.complain(id, format!("`{root}` is not known here"), Some(self.known_here()));
        }
        let first = path.first();
        let note = |members: &mut Members| match first {
            Some(segment) => members.insert(&segment.name),
            None => *members = Members::All,
        };
        match root {
            "request" => note(&mut self.uses.request),
            "metadata" => note(&mut self.uses.metadata),
            "ssa" => note(&mut self.uses.statement),
            "token" => note(&mut self.uses.token),
            "cert" => self.uses.certificate.note(path.iter().map(|segment| segment.name.as_str())),
            "signer" => self.uses.signer.note(path.iter().map(|segment| segment.name.as_str())),
            "client" => self.uses.client = true,
            _ => {}
        }
        let (members, claims) = self.walker.schema.aliases;
        let gone = match root {
            "request" | "metadata" => members,
            "ssa" => claims,
            _ => &[],
        };
        if let Some(first) = first.filter(|first| gone.contains(&first.name)) {
            let help = "see [aliases]: it is read under the name that is meant";
            return self.complain(id, format!("`{root}` never has `{}`", first.name), Some(help.to_owned()));
        }
        let Some(first) = first.filter(|first| first.is_field) else { return };
        match root {
            "request" if self.walker.schema.signed && JWT_CLAIMS.contains(&first.name.as_str()) => {}
            "request" | "metadata" if member(&first.name).is_none() => {
                let help = "read a member that is not registered as request['name']";
                self.unknown_field(id, root, &first.name, MEMBERS.iter().map(|member| member.name), help);
            }
            "ssa" => {
                if let Some(claims) = self.walker.schema.claims
                    && !claims.contains(&first.name)
                {
                    let help = "the policy lists its claims in `claims`";
                    self.unknown_field(id, root, &first.name, claims.iter().map(String::as_str), help);
                }
            }
            "client" if !CLIENT.contains(&first.name.as_str()) => {
                self.unknown_field(id, root, &first.name, CLIENT.iter().copied(), "");
            }
            "cert" | "signer" => self.certificate(id, root, path),
            "params" => self.parameter(id, path),
            "now" | "operation" => self.complain(id, format!("`{root}` has no fields"), None),
            _ => {}
        }
    }

    fn certificate(&mut self, id: u64, root: &str, path: &[Segment]) {
        let Some(first) = path.first() else { return };
        if !FIELDS.contains(&first.name.as_str()) {
            return self.unknown_field(id, root, &first.name, FIELDS.iter().copied(), "");
        }
        let of = format!("{root}.{}", first.name);
        if first.name == "subject" {
            let attributes = || ATTRIBUTES.iter().map(|(name, _)| *name);
            let deeper = path.iter().skip(1).filter(|segment| segment.is_field).take(2);
            for segment in deeper.filter(|segment| segment.name != "all") {
                if !attributes().any(|name| name == segment.name) {
                    self.unknown_field(id, &of, &segment.name, attributes(), "");
                }
            }
        } else if let Some((_, fields)) = NESTED.iter().find(|(name, _)| *name == first.name)
            && let Some(segment) = path.get(1).filter(|segment| segment.is_field)
            && !fields.contains(&segment.name.as_str())
        {
            self.unknown_field(id, &of, &segment.name, fields.iter().copied(), "");
        }
    }

    fn parameter(&mut self, id: u64, path: &[Segment]) {
        let mut here = Some(self.walker.schema.params);
        for segment in path.iter().filter(|segment| segment.is_field) {
            let Some(map) = here else { return };
            let Some(value) = map.get(&segment.name) else {
                return self.unknown_field(
                    id,
                    "params",
                    &segment.name,
                    map.keys().map(String::as_str),
                    "declare it in [params]",
                );
            };
            here = value.as_object();
        }
    }

    fn unknown_field<'n>(
        &mut self,
        id: u64,
        of: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        otherwise: &str,
    ) {
        let help = match nearest(name, known) {
            Some(word) => Some(format!("did you mean `{word}`?")),
            None => (!otherwise.is_empty()).then(|| otherwise.to_owned()),
        };
        self.complain(id, format!("`{of}` has no `{name}`"), help);
    }

    fn call(&mut self, id: u64, call: &mut CallExpr, nesting: usize) {
        if let Some(target) = &mut call.target {
            self.expression(target, nesting);
        }
        if call.func_name == "matches" {
            self.pattern(id, call);
        }
        for argument in &mut call.args {
            if !matches!(&argument.expr, Expr::Ident(name) if name.starts_with(PATTERN)) {
                self.expression(argument, nesting);
            }
        }
        let is_operator = !call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_operator {
            return;
        }
        let name = call.func_name.as_str();
        let (method, count) = (call.target.is_some(), call.args.len());
        let same_name: Vec<_> = FUNCTIONS.iter().filter(|function| function.name == name).collect();
        if same_name.iter().any(|function| function.method == method && function.arguments == count) {
            return;
        }
        let (message, help) = match same_name.first() {
            Some(function) => (format!("`{name}` is not called this way"), Some(format!("write {}", function.usage))),
            None => {
                let near = nearest(name, FUNCTIONS.iter().map(|function| function.name));
                (format!("unknown function `{name}`"), near.map(|word| format!("did you mean `{word}`?")))
            }
        };
        self.complain(id, message, help);
    }

    /// `matches(text, 'pattern')` and `text.matches('pattern')`: the pattern is compiled here.
    fn pattern(&mut self, id: u64, call: &mut CallExpr) {
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
        }
        let [_, pattern] = call.args.as_mut_slice() else { return };
        let Expr::Literal(LiteralValue::String(literal)) = &pattern.expr else {
            return self.complain(id, "the pattern of `matches` has to be a literal text", None);
        };
        match regex::RegexBuilder::new(literal.inner()).size_limit(MAX_PATTERN).build() {
            Ok(regex) => {
                pattern.expr = Expr::Ident(format!("{PATTERN}{}", self.walker.patterns.len()));
                self.walker.patterns.push(Pattern(regex));
            }
            Err(_) => self.complain(id, "the pattern is not a regular expression, or too large", None),
        }
    }
}

/// One step of a path.
pub(super) struct Segment {
    pub(super) name: String,
    /// `.name` rather than `['name']`.
    pub(super) is_field: bool,
}

/// `root.a['b'].c` as a root and its path; `None` for anything else.
pub(super) fn path(tree: &Expression) -> Option<(String, Vec<Segment>)> {
    match &tree.expr {
        Expr::Ident(name) => Some((name.clone(), Vec::new())),
        Expr::Select(select) => {
            let (root, mut path) = path(&select.operand)?;
            path.push(Segment { name: select.field.clone(), is_field: true });
            Some((root, path))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = call.args.as_slice() else { return None };
            let Expr::Literal(LiteralValue::String(name)) = &index.expr else { return None };
            let (root, mut path) = path(operand)?;
            path.push(Segment { name: name.inner().to_owned(), is_field: false });
            Some((root, path))
        }
        _ => None,
    }
}
