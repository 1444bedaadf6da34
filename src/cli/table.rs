//! Rows under headings, for people.

use std::io::{self, Write};

use crate::audit::Text;

/// Prints rows as wide as their widest cell; in the cells is what [`shown`] and [`short`] made.
///
/// # Errors
/// When the output cannot be written to.
pub fn print<const N: usize>(out: &mut dyn Write, headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(headings.iter().copied(), &widths, out)?;
    for row in rows {
        line(row.iter().map(String::as_str), &widths, out)?;
    }
    Ok(())
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    for (cell, width) in cells.zip(widths) {
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
    }
    writeln!(out, "{}", text.trim_end())
}

/// For a terminal: nothing that acts, whatever the database holds; `-` for nothing.
pub fn shown(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { Text::new(text).to_string() }
}

/// The first eight characters tell organisations and certificates apart.
pub fn short(text: &str) -> String {
    let mut rest = text.chars();
    let start: String = rest.by_ref().take(8).collect();
    if rest.next().is_some() { start + "\u{2026}" } else { start }
}
