//! Golden matrices: rule by case, on file, so that a change of policy shows as a difference.

use std::path::Path;

use super::tested::{Finding, Tested};
use crate::cli::CliError;

/// Compares the matrix of a policy with `NAME.txt` in `folder`, or writes it anew.
///
/// # Errors
/// [`CliError::Unable`] when the file cannot be written.
pub fn compare(tested: &mut Tested, folder: &Path, bless: bool) -> Result<(), CliError> {
    if tested.matrix.is_empty() {
        return Ok(());
    }
    let path = folder.join(format!("{}.txt", tested.name));
    if bless {
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &tested.matrix));
        return written.map_err(|error| CliError::Unable(format!("cannot write {}: {error}", path.display())));
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    tested.changed = difference(&golden, &tested.matrix).map(|(line, mut lines)| {
        lines.push("write it anew with --bless where this is meant".to_owned());
        Finding {
            file: path.display().to_string(),
            line: Some(line),
            about: format!("changed: {}", tested.name),
            lines,
        }
    });
    Ok(())
}

/// The first line that differs, and how.
fn difference(golden: &str, now: &str) -> Option<(usize, Vec<String>)> {
    let (mut golden, mut now) = (golden.lines(), now.lines());
    for line in 1.. {
        let (was, is) = (golden.next(), now.next());
        if was == is {
            was?;
            continue;
        }
        let quoted = |line: Option<&str>| line.map_or_else(|| "(nothing)".to_owned(), |line| format!("`{line}`"));
        return Some((line, vec![format!("it was {}", quoted(was)), format!("it is  {}", quoted(is))]));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let differs = |golden, now| difference(golden, now).map(|(line, lines)| (line, lines.join(", ")));
        assert_eq!(differs("a\nb\n", "a\nc\n"), Some((2, "it was `b`, it is  `c`".to_owned())));
        assert_eq!(differs("a\n", "a\nc\n"), Some((2, "it was (nothing), it is  `c`".to_owned())));
        assert_eq!(differs("", "a\n"), Some((1, "it was (nothing), it is  `a`".to_owned())));
    }
}
