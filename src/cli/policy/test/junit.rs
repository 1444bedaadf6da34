//! JUnit XML, as build servers read it: a suite is a policy, a test is a case.
//!
//! What is wrong beside single cases is a test of its own that fails.

use std::io::{self, Write};

use super::tested::{Finding, Tested};

/// One document.
///
/// # Errors
/// When the output cannot be written to.
pub fn print(out: &mut dyn Write, all: &[Tested]) -> io::Result<()> {
    let suites: Vec<Vec<Test>> = all.iter().map(tests).collect();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="dcrgate policy test" {}>"#, counts(suites.iter().flatten()))?;
    for (tested, tests) in all.iter().zip(&suites) {
        let (name, file) = (escaped(&tested.title), escaped(&tested.file));
        writeln!(out, r#"  <testsuite name="{name}" file="{file}" {}>"#, counts(tests.iter()))?;
        for test in tests {
            let line = test.line.map_or_else(String::new, |line| format!(r#" line="{line}""#));
            let (name, class, file) = (escaped(&test.name), escaped(&tested.name), escaped(&test.file));
            write!(out, r#"    <testcase name="{name}" classname="{class}" file="{file}"{line}"#)?;
            match &test.finding {
                None => writeln!(out, "/>")?,
                Some(finding) => {
                    let message = escaped(finding.lines.first().map_or("", String::as_str));
                    let text = escaped(&format!("{}\n{}", finding.place(), finding.lines.join("\n")));
                    writeln!(out, ">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>")?;
                }
            }
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

struct Test {
    name: String,
    file: String,
    line: Option<usize>,
    finding: Option<Finding>,
}

impl Test {
    fn failed(finding: Finding) -> Self {
        Self { name: finding.about.clone(), file: finding.file.clone(), line: finding.line, finding: Some(finding) }
    }
}

fn tests(tested: &Tested) -> Vec<Test> {
    let cases = tested.cases.iter().map(|case| Test {
        name: case.name.clone(),
        file: case.place.source.name.clone(),
        line: Some(case.place.line()),
        finding: tested.finding(case),
    });
    cases.chain(tested.problems().map(Test::failed)).chain(tested.others().map(Test::failed)).collect()
}

fn counts<'t>(tests: impl Iterator<Item = &'t Test> + Clone) -> String {
    let failures = tests.clone().filter(|test| test.finding.is_some()).count();
    format!(r#"tests="{}" failures="{failures}" errors="0""#, tests.count())
}

/// Text for content and attributes alike. Line ends in an attribute would be read as spaces, and XML 1.0 §2.2 has
/// no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(c))),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escaped("<a href='x'>&amp;</a>"), "&lt;a href=&apos;x&apos;&gt;&amp;amp;&lt;/a&gt;");
        assert_eq!(escaped("\"a\"\nb\u{1b}\u{0}"), "&quot;a&quot;&#10;b\u{fffd}\u{fffd}");
        assert_eq!(escaped("]]>"), "]]&gt;");
    }
}
