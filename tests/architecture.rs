//! The architecture, held against the source: floors, homes of outside crates, purity,
//! headers, lengths and names. `architecture/tables.rs` is the picture.

#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/tables.rs"]
mod tables;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, Use};
use tables::{
    ARROWS, CLOCK, EMPTY_NAMES, EVERYWHERE, EXEMPT, FLOORS, HOMES, IMPURE_PATHS, IMPURE_WORDS, LONGEST, NOT_YET, PURE,
};

#[test]
fn modules_name_only_lower_floors() {
    none(sources("src").iter().flat_map(reaches_up));
}

#[test]
fn outside_crates_stay_in_their_home() {
    none(sources("src").iter().flat_map(strays));
}

#[test]
fn pure_floors_have_no_async_no_io_and_no_clock() {
    none(sources("src").iter().flat_map(impure));
}

#[test]
fn files_open_with_their_header_and_hold_one_thought() {
    none(sources("src").iter().chain(&sources("tests")).flat_map(ill_formed));
}

#[test]
fn the_tour_and_the_picture_agree() {
    let sources = sources("src");
    let tour = sources.iter().find(|source| source.name == "src/lib.rs").expect("src/lib.rs");
    none(off_the_picture(tour, NOT_YET));
}

#[test]
fn every_dependency_is_on_a_table() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    none(untabled(&manifest));
}

/// A breach of the picture.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    file: String,
    line: usize,
    reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

fn fault(file: &str, line: usize, reason: impl Into<String>) -> Fault {
    Fault { file: file.to_owned(), line, reason: reason.into() }
}

fn none(faults: impl IntoIterator<Item = Fault>) {
    let list = faults.into_iter().fold(String::new(), |mut list, fault| {
        let _ = writeln!(list, "  {fault}");
        list
    });
    assert!(list.is_empty(), "the source departs from the picture (tests/architecture/tables.rs):\n{list}");
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The module under `src/` that a file belongs to; none for `lib.rs`, which is the tour.
fn owner(source: &Source) -> Option<String> {
    source::module_of(&source.name).into_iter().next()
}

fn reaches_up(source: &Source) -> Vec<Fault> {
    let Some(from) = owner(source) else { return Vec::new() };
    let Some(own) = floor(&from) else {
        return vec![fault(&source.name, 1, format!("`{from}` stands on no floor"))];
    };
    let judge = |path: &source::Path| {
        let to = path.module()?;
        let reason = match floor(to) {
            None => format!("`crate::{to}` is no module of the picture: name things by their own module"),
            Some(other) if other < own || to == from || ARROWS.contains(&(from.as_str(), to)) => return None,
            Some(other) if other == own => format!("`{from}` and `{to}` share floor {own} and do not know each other"),
            Some(other) => format!("`{from}` (floor {own}) reaches up to `{to}` (floor {other})"),
        };
        Some(fault(&source.name, path.line, reason))
    };
    source.paths.iter().filter_map(judge).collect()
}

fn strays(source: &Source) -> Vec<Fault> {
    let judge = |path: &source::Path| {
        let home = HOMES.iter().find(|home| path.begins_with(home.name))?;
        let stray = path.used_in == Use::Program && !home.homes.iter().any(|place| source.name.starts_with(place));
        stray.then(|| {
            let reason = format!("`{}` lives in {}: {}", home.name, home.homes.join(", "), home.reason);
            fault(&source.name, path.line, reason)
        })
    };
    source.outside().filter_map(judge).collect()
}

fn impure(source: &Source) -> Vec<Fault> {
    let pure = owner(source).and_then(|owner| floor(&owner)).is_some_and(|floor| PURE.contains(&floor));
    if !pure || source.name == CLOCK {
        return Vec::new();
    }
    let program = |used_in: Use| used_in == Use::Program;
    let paths = source.outside().filter(|path| program(path.used_in)).filter_map(|path| {
        let (prefix, reason) = IMPURE_PATHS.iter().find(|(prefix, _)| path.begins_with(prefix))?;
        if EXEMPT.iter().any(|(file, exempt, _)| *file == source.name && exempt == prefix) {
            return None;
        }
        Some(fault(&source.name, path.line, format!("`{}`: {reason}", path.segments.join("::"))))
    });
    let clocks = source.outside().filter(|path| program(path.used_in)).filter_map(|path| {
        let reads = path.segments.last().is_some_and(|last| last == "now") && path.segments.len() > 1;
        reads.then(|| fault(&source.name, path.line, "the time is a value: only SystemClock reads it"))
    });
    let words = source.words.iter().filter(|word| program(word.2)).filter_map(|(word, line, _)| {
        let (_, reason) = IMPURE_WORDS.iter().find(|(impure, _)| impure == word)?;
        Some(fault(&source.name, *line, format!("`{word}`: {reason}")))
    });
    paths.chain(clocks).chain(words).collect()
}

fn ill_formed(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !source.has_header {
        faults.push(fault(&source.name, 1, "a file opens with `//!`: what it is, what it never does"));
    }
    if source.lines > LONGEST {
        let reason = format!("{} lines, {LONGEST} allowed: two thoughts are two files", source.lines);
        faults.push(fault(&source.name, LONGEST + 1, reason));
    }
    if source.name.trim_end_matches(".rs").split('/').any(|part| EMPTY_NAMES.contains(&part)) {
        faults.push(fault(&source.name, 1, "the name does not say what is inside"));
    }
    faults
}

fn off_the_picture(tour: &Source, not_yet: &[&str]) -> Vec<Fault> {
    let declared: BTreeSet<&str> = tour.declared.iter().map(|(name, _)| name.as_str()).collect();
    let drawn: BTreeSet<&str> = FLOORS.iter().copied().flatten().copied().filter(|name| *name != "main").collect();
    let extra = declared.difference(&drawn).map(|name| format!("`{name}` stands on no floor"));
    let missing = drawn.difference(&declared).filter(|name| !not_yet.contains(name));
    let missing = missing.map(|name| format!("`{name}` is on the picture and is no module"));
    let arrived = not_yet.iter().filter(|name| declared.contains(*name));
    let arrived = arrived.map(|name| format!("`{name}` is written: take it from NOT_YET"));
    extra.chain(missing).chain(arrived).map(|reason| fault(&tour.name, 1, reason)).collect()
}

fn untabled(manifest: &str) -> Vec<Fault> {
    let lines = manifest.lines().enumerate().skip_while(|(_, line)| *line != "[dependencies]").skip(1);
    let lines = lines.take_while(|(_, line)| !line.starts_with('['));
    let found: Vec<(usize, String)> =
        lines.filter_map(|(at, line)| Some((at + 1, line.split_once(" = ")?.0.replace('-', "_")))).collect();
    let tabled: Vec<&str> = HOMES.iter().map(|home| home.name).chain(EVERYWHERE.iter().copied()).collect();
    let new = found.iter().filter(|(_, name)| !tabled.contains(&name.as_str()));
    let new = new.map(|(line, name)| fault("Cargo.toml", *line, format!("`{name}` has no home: give it one")));
    let gone = tabled.iter().filter(|tabled| !found.iter().any(|(_, name)| name == **tabled));
    let gone = gone.map(|name| fault("Cargo.toml", 1, format!("`{name}` is on a table and is no dependency")));
    new.chain(gone).collect()
}

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
}

/// Every Rust file under `folder`; files that only tests declare are test code throughout.
fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    files.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
    let read = |path: &PathBuf| Source::read(&name(path), &fs::read_to_string(path).unwrap_or_default());
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    let of_tests: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            let declared = source.declared.iter().filter(|(_, used_in)| *used_in == Use::Test);
            declared.map(|(name, _)| [source::module_of(&source.name), vec![name.clone()]].concat())
        })
        .collect();
    for source in &mut sources {
        if of_tests.iter().any(|module| source::module_of(&source.name).starts_with(module)) {
            source.mark_test();
        }
    }
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("node_modules") && !path.ends_with("target") {
                walk(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The checker itself, on bad samples.
#[cfg(test)]
#[path = "architecture/samples.rs"]
mod samples;
