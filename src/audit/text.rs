//! A stranger's text in a record: short, on one line, and seen as it is.
//!
//! Whatever a caller, a certificate or an identity server chose goes into a
//! record as a [`Text`] only. It is cut at a character boundary, and characters
//! that a terminal or viewer would act on instead of showing them (controls,
//! bidirectional overrides, invisible formats: "Trojan Source", CVE-2021-42574)
//! are written as `\u{202e}`.

use std::fmt::{self, Write};

/// A stranger's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    text: &'a str,
    limit: usize,
}

impl<'a> Text<'a> {
    /// A name, an id, a word: at most 256 characters are kept.
    pub const fn new(text: &'a str) -> Self {
        Self { text, limit: SHORT }
    }

    /// A path or a distinguished name: at most 1024 characters are kept.
    pub const fn long(text: &'a str) -> Self {
        Self { text, limit: LONG }
    }

    /// The path of a request target, without its query, which may hold a token.
    pub fn path(target: &'a str) -> Self {
        Self::long(target.split(['?', '#']).next().unwrap_or_default())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.text.chars();
        for character in characters.by_ref().take(self.limit) {
            if acts(character) {
                write!(f, "\\u{{{:x}}}", u32::from(character))?;
            } else {
                f.write_char(character)?;
            }
        }
        // The ellipsis tells that there was more.
        if characters.next().is_some() { f.write_char('\u{2026}') } else { Ok(()) }
    }
}

impl serde::Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.text.len() <= self.limit && self.text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return serializer.serialize_str(self.text);
        }
        serializer.collect_str(self)
    }
}

/// Whether a character does something else than show itself.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

const SHORT: usize = 256;
/// Distinguished names with attributes in hexadecimal reach 600 characters in Open Finance Brasil.
const LONG: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_bidi_overrides_are_shown() {
        let cases = [
            ("Banco\r\n{\"outcome\":\"admitted\"}", "Banco\\u{d}\\u{a}{\"outcome\":\"admitted\"}"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("abc\u{202e}cba", "abc\\u{202e}cba"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("A\u{e7}\u{e3}o \u{4e2d}", "A\u{e7}\u{e3}o \u{4e2d}"),
            ("nul\0", "nul\\u{0}"),
        ];
        for (text, shown) in cases {
            assert_eq!(Text::new(text).to_string(), shown);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "\u{1f980}".repeat(300);
        assert_eq!(Text::new(&text).to_string(), format!("{}\u{2026}", "\u{1f980}".repeat(256)));
        let exact = "a".repeat(256);
        assert_eq!(Text::new(&exact).to_string(), exact);
        assert_eq!(Text::long(&"a".repeat(2000)).to_string().chars().count(), 1025);
    }

    #[test]
    fn a_query_is_not_kept() {
        assert_eq!(Text::path("/register/c1?access_token=secret#x").to_string(), "/register/c1");
    }

    proptest! {
        #[test]
        fn is_one_short_line_of_json(text in "\\PC*|.*|(\\u{202e}|\\n|[a-z\"\\\\]){0,400}") {
            let written = serde_json::to_string(&Text::new(&text)).unwrap();
            let read: String = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(&read, &Text::new(&text).to_string());
            prop_assert!(!read.chars().any(acts));
            prop_assert!(read.chars().count() <= 9 * SHORT + 1);
        }
    }
}
