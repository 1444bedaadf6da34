//! Faults of a document as text under their source line, and as JSON.
//!
//! The home of `annotate-snippets`. Only the line of a fault is shown, never
//! its neighbours; a fault without a place shows no line at all.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use serde_json::{Value, json};

use crate::model::document::{Place, Problem, Severity};

/// Whether text may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For files, pipes and `NO_COLOR`.
    Plain,
    /// For a terminal.
    Coloured,
}

impl Style {
    /// Colour for a terminal, unless `NO_COLOR` is set and not empty (<https://no-color.org>).
    pub fn of(stream: &impl std::io::IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !refused { Self::Coloured } else { Self::Plain }
    }
}

/// Problems that are shown: nobody reads more, and a fault is as slow to draw as its line is long.
const MAX_SHOWN: usize = 100;

/// Each problem with its source line, a caret and its help, an empty line after each; of many the first, errors before
/// warnings, and how many more there are.
pub fn text(problems: &[Problem], style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut order: Vec<&Problem> = problems.iter().collect();
    if order.len() > MAX_SHOWN {
        order.sort_by_key(|problem| problem.severity != Severity::Error);
    }
    let mut shown: String = order.iter().take(MAX_SHOWN).map(|problem| one(problem, &renderer) + "\n\n").collect();
    if let Some(rest) = order.get(MAX_SHOWN..).filter(|rest| !rest.is_empty()) {
        shown += &format!("and {} more, not shown\n\n", rest.len());
    }
    shown
}

fn one(problem: &Problem, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    // Messages quote names out of the document: no control characters reach the terminal.
    let title = level.primary_title(normalize_untrusted_str(&problem.message));
    let line = problem.place.as_ref().map(|place| (place, Line::of(place)));
    let snippet = line.as_ref().map(|(place, line)| {
        Snippet::source(line.text)
            .line_start(place.line())
            .path(place.source.name.as_str())
            .annotation(AnnotationKind::Primary.span(line.start..line.end))
    });
    let help = problem.help.as_ref().map(|help| Level::HELP.message(normalize_untrusted_str(help)));
    let group = match snippet {
        Some(snippet) => title.element(snippet),
        None => Group::with_title(title),
    };
    renderer.render(&[group.elements(help)])
}

/// The first line of a place.
struct Line<'p> {
    text: &'p str,
    /// Byte offsets in the line.
    start: usize,
    end: usize,
}

impl<'p> Line<'p> {
    fn of(place: &'p Place) -> Self {
        let text = &place.source.text;
        // The renderer panics where a span begins or ends within a character.
        let (before, after) = text.split_at(text.floor_char_boundary(place.span.start));
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = before.len() + after.find('\n').unwrap_or(after.len());
        let line = text.get(start..end).unwrap_or_default();
        Self { text: line, start: before.len() - start, end: text.ceil_char_boundary(place.span.end).min(end) - start }
    }
}

/// One problem; line and column count from 1, the column in characters.
pub fn json(problem: &Problem) -> Value {
    let place = problem.place.as_ref();
    let column = |place: &Place| {
        let line = Line::of(place);
        line.text.get(..line.start).unwrap_or_default().chars().count() + 1
    };
    json!({
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": problem.message,
        "help": problem.help,
        "file": place.map(|place| &place.source.name),
        "line": place.map(Place::line),
        "column": place.map(column),
    })
}

/// How many there are of each severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
}

impl Tally {
    /// Of these problems.
    pub fn of(problems: &[Problem]) -> Self {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        Self { errors, warnings: problems.len() - errors }
    }
}

/// `2 errors, 1 warning`; what there is none of is left out.
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.errors, self.warnings) {
            (errors, 0) => f.write_str(&counted(errors, "error", "errors")),
            (0, warnings) => f.write_str(&counted(warnings, "warning", "warnings")),
            (errors, warnings) => write!(f, "{}, {}", Self { warnings: 0, errors }, Self { errors: 0, warnings }),
        }
    }
}

/// A number with its word.
pub fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use super::*;
    use crate::model::document::Source;

    fn problem(text: &str, span: Range<usize>) -> Problem {
        let source = Arc::new(Source { name: "t.toml".to_owned(), text: text.to_owned() });
        let place = Some(Place { source, span });
        Problem { severity: Severity::Error, place, message: "wrong".to_owned(), help: Some("right".to_owned()) }
    }

    #[test]
    fn a_fault_stands_under_its_line() {
        let faults = [problem("a = 1\nü = 2 # two\nc = 3\n", 11..12)];
        insta::assert_snapshot!(text(&faults, Style::Plain), @r#"
        error: wrong
         --> t.toml:2:5
          |
        2 | ü = 2 # two
          |     ^
          |
          = help: right
        "#);
    }

    #[test]
    fn a_fault_within_a_character_is_shown_under_it() {
        for span in [6..7, 7..8, 7..7, 6..8] {
            let shown = text(&[problem("a = 1\nü = 2\n", span)], Style::Plain);
            assert!(shown.contains("2 | ü = 2\n  | ^\n"), "{shown}");
        }
        assert!(text(&[problem("ü", 99..100)], Style::Plain).contains("t.toml:1:2"));
    }

    #[test]
    fn of_very_many_the_errors_are_shown_first() {
        let mut many: Vec<Problem> = (0..150).map(|at| problem(&"a = 1\n".repeat(150), at * 6..at * 6 + 1)).collect();
        many.iter_mut().take(140).for_each(|problem| problem.severity = Severity::Warning);
        let shown = text(&many, Style::Plain);
        assert!(shown.starts_with("error: wrong\n   --> t.toml:141:1\n"), "{shown}");
        assert_eq!((shown.matches("error: wrong").count(), shown.matches("warning: wrong").count()), (10, 90));
        assert!(shown.ends_with("\n\nand 50 more, not shown\n\n"), "{shown}");
        assert!(!text(&many[..100], Style::Plain).contains("more"));
    }

    #[test]
    fn of_several_lines_the_first_is_shown() {
        let faults = [problem("a = [\n1,\n2\n]\n", 4..12)];
        insta::assert_snapshot!(text(&faults, Style::Plain), @r#"
        error: wrong
         --> t.toml:1:5
          |
        1 | a = [
          |     ^
          |
          = help: right
        "#);
    }

    #[test]
    fn any_span_can_be_shown() {
        for span in [0..0, 3..9, 6..6, 6..7, 7..7, 40..50] {
            let shown = text(&[problem("a = 1\n\n", span)], Style::Plain);
            assert!(shown.contains("wrong"), "{shown}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let found = json(&problem("ü = 2", 3..4));
        assert_eq!((&found["line"], &found["column"]), (&json!(1), &json!(3)));
    }

    #[test]
    fn terminals_get_no_control_characters() {
        let mut fault = problem("a", 0..1);
        fault.message = "unknown key `\u{1b}[2J`".to_owned();
        assert!(!text(&[fault], Style::Plain).contains('\u{1b}'));
    }

    #[test]
    fn tallies_leave_out_what_there_is_none_of() {
        assert_eq!(Tally { errors: 2, warnings: 1 }.to_string(), "2 errors, 1 warning");
        assert_eq!(Tally { errors: 0, warnings: 2 }.to_string(), "2 warnings");
        assert_eq!(Tally { errors: 0, warnings: 0 }.to_string(), "0 errors");
    }
}
