//! Values with bounds, URLs, and words that are known but not built yet.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::files::refuse_inline;
use crate::model::document::{Located, Section};
use crate::model::time;

/// Overwrites `target` with a count or a size from the file, within bounds.
pub(super) fn count(section: &Section<'_>, key: &str, bounds: RangeInclusive<usize>, target: &mut usize) {
    if let Some(value) = optional_count(section, key, bounds) {
        *target = value;
    }
}

/// A count or a size, within bounds.
pub(super) fn optional_count(section: &Section<'_>, key: &str, bounds: RangeInclusive<usize>) -> Option<usize> {
    let bound = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let number = section.integer(key, bound(*bounds.start())..=bound(*bounds.end()))?;
    usize::try_from(number.value).ok()
}

/// Overwrites `target` with a duration from the file, within bounds.
pub(super) fn duration(section: &Section<'_>, key: &str, bounds: RangeInclusive<Duration>, target: &mut Duration) {
    let Some(length) = section.duration(key) else { return };
    if bounds.contains(&length.value) {
        *target = length.value;
        return;
    }
    let message = format!("`{key}` must be from {} to {}", time::words(*bounds.start()), time::words(*bounds.end()));
    section.faults().error(Some(&length.place), message, None);
}

/// Overwrites `target` with the meaning of a word; a word without one is known and not built yet.
pub(super) fn word<T: Copy>(section: &Section<'_>, key: &str, words: &[(&str, Option<T>)], target: &mut T) {
    let Some(found) = section.word(key, words) else { return };
    match found.value {
        Some(meaning) => *target = meaning,
        None => {
            let built: Vec<&str> =
                words.iter().filter(|(_, meaning)| meaning.is_some()).map(|(word, _)| *word).collect();
            let help = format!("built: {}", built.join(", "));
            section.faults().error(Some(&found.place), format!("this `{key}` is not built yet"), Some(help));
        }
    }
}

/// Refuses a key that the design knows and the program does not do yet: ignoring it would be a lie.
pub(super) fn not_built(section: &Section<'_>, key: &str) {
    if section.has(key) {
        section.faults().error(Some(&section.place_of_key(key)), format!("`{key}` is not built yet"), None);
    }
}

/// An http or https URL without user information and fragment.
pub(super) fn url(section: &Section<'_>, key: &str) -> Option<Located<Url>> {
    let text = section.text(key)?;
    let refuse = |what: &str, help: &str| {
        section.faults().error(Some(&text.place), format!("`{key}` {what}"), Some(help.to_owned()));
        None
    };
    let Ok(url) = Url::parse(&text.value) else {
        return refuse("is not a URL", "write it in full, such as \"https://idp.internal:8444\"");
    };
    if !url.username().is_empty() || url.password().is_some() {
        refuse_inline(section, key, "a URL has no place for credentials here");
        return None;
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refuse("has to be an http or https URL", "write it in full, such as \"https://idp.internal:8444\"");
    }
    if url.fragment().is_some() {
        return refuse("has a fragment", "leave out what follows `#`");
    }
    Some(Located { value: url, place: text.place })
}

/// An http or https URL that ends with its host and port.
pub(super) fn origin(section: &Section<'_>, key: &str) -> Option<Located<Url>> {
    let url = url(section, key)?;
    if url.value.path() != "/" || url.value.query().is_some() {
        let help = format!("write \"{}\"", url.value.origin().ascii_serialization());
        section.faults().error(
            Some(&url.place),
            format!("`{key}` ends with the host and port, without a path"),
            Some(help),
        );
        return None;
    }
    Some(url)
}

/// One second, for bounds.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// One minute, for bounds.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// One hour, for bounds.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// One day, for bounds.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
