//! GitHub workflow commands: each fault is shown beside its line.
//!
//! A command is a line `::error file=…,line=…,title=…::message`. What would end
//! a value or the line is written as percent and two digits, as GitHub's own toolkit does.

use std::io::{self, Write};

use super::tested::Tested;
use super::text;

/// A command for each fault, then a line for each policy.
///
/// # Errors
/// When the output cannot be written to.
pub fn print(out: &mut dyn Write, all: &[Tested]) -> io::Result<()> {
    for finding in all.iter().flat_map(Tested::findings) {
        let line = finding.line.map_or_else(String::new, |line| format!(",line={line}"));
        let (file, title) = (property(&finding.file), property(&finding.about));
        writeln!(out, "::error file={file}{line},title={title}::{}", data(&finding.lines.join("\n")))?;
    }
    for tested in all {
        // Not a command, whatever a policy calls itself: nothing begins with `::`.
        writeln!(out, "{}", text::summary(tested))?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_value_or_a_line() {
        assert_eq!(data("50 %, a::b\r\nnext"), "50 %25, a::b%0D%0Anext");
        assert_eq!(property("a,b: 1\n::error::x"), "a%2Cb%3A 1%0A%3A%3Aerror%3A%3Ax");
    }
}
