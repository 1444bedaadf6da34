//! `policy new`: a policy to start from, with cases that try every check and rule of it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::chosen::Chosen;
use super::toml;
use crate::cli::{CliError, Status};
use crate::model::document::{Document, Faults};

/// `policy new`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The id of the policy, and the name of its file: lower-case letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    name: String,
    /// Build on a policy that comes with dcrgate; its file is put beside the new one.
    #[arg(long, value_name = "PACK")]
    extends: Option<String>,
    /// Write into this folder, which has to be there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy new my-scheme --dir policies
  dcrgate policy new my-bank --extends open-finance-brasil --dir policies

No file is overwritten.";

const POLICY: &str = include_str!("new/policy.toml");
const CASES: &str = include_str!("new/cases.toml");
const EXTENSION: &str = include_str!("new/extension.toml");

/// Writes the files and says which.
///
/// # Errors
/// A name that cannot be one, a pack that there is not, a file that is there already or cannot be written.
pub fn new(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let Arguments { name, extends, dir } = arguments;
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_name {
        return Err(CliError::Usage(format!("`{name}` cannot be a name: lower-case letters, digits and hyphens")));
    }
    let files = match extends {
        None => vec![(format!("{name}.toml"), named(POLICY, name)), (format!("{name}.cases.toml"), named(CASES, name))],
        Some(base) => extension(name, base.trim_end_matches(".toml"))?,
    };
    // All or none: nothing is written while one of them stands in the way.
    let mut missing = Vec::new();
    for (file, text) in files {
        let path = dir.join(&file);
        match std::fs::read_to_string(&path) {
            // The base is a pack that nobody changed.
            Ok(there) if there == text && !file.starts_with(name.as_str()) => {}
            Ok(_) => return Err(CliError::Unable(format!("{} is there already and is left as it is", path.display()))),
            Err(_) => missing.push((path, text)),
        }
    }
    for (path, text) in &missing {
        write(path, text)?;
        writeln!(out, "wrote {}", path.display())?;
    }
    writeln!(out, "try it: dcrgate policy test {}", dir.join(format!("{name}.toml")).display())?;
    Ok(Status::Good)
}

fn named(template: &str, name: &str) -> String {
    template.replace("NAME", name)
}

/// The files of a policy over a pack: both of its own, and those that it builds on.
fn extension(name: &str, base: &str) -> Result<Vec<(String, String)>, CliError> {
    let pack = Chosen::pack(base)?;
    let (_, effective) = pack.effective(&Map::new())?;
    let (_, cases) = pack.cases()?.unwrap_or_default();
    let policy = named(EXTENSION, name).replace("BASE", base);
    let mut files =
        vec![(format!("{name}.toml"), policy), (format!("{name}.cases.toml"), cases_over(&cases, name, base))];
    for file in effective.files {
        let text = Chosen::pack(&file)?.text;
        files.push((file, text));
    }
    Ok(files)
}

/// The cases of the base, which have to hold as before, and two for the new rule: at its limit and beyond.
fn cases_over(cases: &str, name: &str, base: &str) -> String {
    let mut text = format!("# Examples of {name}: those of {base}, and at the end those of its own rule.\n\n{cases}");
    let like = admitted(cases);
    for (title, age, verdict) in [
        ("a default_max_age of a day", 86400, "expect = \"accept\"\n".to_owned()),
        (
            "a default_max_age of more than a day",
            86401,
            format!(
                "expect = \"reject\"\nerror = \"invalid_client_metadata\"\nfailed = [\"{name}.default-max-age\"]\n"
            ),
        ),
    ] {
        let mut case = like.clone();
        if let Value::Object(request) = case.entry("request").or_insert_with(|| Map::new().into()) {
            request.insert("default_max_age".to_owned(), age.into());
        }
        text += &format!("\n[[case]]\nname = \"{title}\"\n");
        for (key, value) in &case {
            text += &format!("{} = {}\n", toml::key(key), toml::value(value).unwrap_or_default());
        }
        text += &verdict;
    }
    text
}

/// What the first case that is admitted changes of the defaults.
fn admitted(cases: &str) -> Map<String, Value> {
    let faults = Faults::new();
    let document = Document::parse("cases", cases, &faults);
    let all = document.root(&faults).list("case").into_iter().map(|case| case.all_json());
    let mut first = all.into_iter().find(|case| case.get("expect").is_some_and(|word| word == "accept"));
    for key in ["name", "expect", "forwarded", "absent"] {
        first.as_mut().map(|case| case.remove(key));
    }
    first.unwrap_or_default()
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| CliError::Unable(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::cases::Suite;
    use crate::policy::{lint, packs};

    fn run(name: &str, extends: Option<&str>, dir: &Path) -> Result<String, CliError> {
        let mut out = Vec::new();
        let arguments = Arguments { name: name.to_owned(), extends: extends.map(str::to_owned), dir: dir.to_owned() };
        new(&arguments, &mut out).map(|_| String::from_utf8(out).unwrap())
    }

    /// What `policy test` asks of a policy: every case as it says, every check and rule tried, no warning.
    fn holds(file: &Path) {
        let chosen = Chosen::find(file).unwrap();
        let (name, text) = chosen.cases().unwrap().expect("cases");
        let faults = Faults::new();
        let suite = Suite::read(&name, &text, &faults).unwrap_or_else(|| panic!("{:?}", faults.into_problems()));
        let results = suite.run(&|params| chosen.compile(params).ok());
        let wrong: Vec<_> = results.cases.iter().filter(|case| !case.differences.is_empty()).collect();
        assert!(wrong.is_empty() && results.untried.is_empty(), "{}: {wrong:?} {:?}", file.display(), results.untried);
        let (_, effective) = chosen.effective(&Map::new()).unwrap();
        assert!(lint::warnings(&effective).is_empty(), "{:?}", lint::warnings(&effective));
    }

    #[test]
    fn a_new_policy_holds_its_cases() {
        let home = tempfile::tempdir().unwrap();
        let out = run("mine", None, home.path()).unwrap();
        assert!(out.contains("mine.cases.toml\ntry it: dcrgate policy test "), "{out}");
        holds(&home.path().join("mine.toml"));
    }

    #[test]
    fn a_policy_over_each_pack_holds_its_cases() {
        for (file, _) in packs::PACKS {
            let home = tempfile::tempdir().unwrap();
            run("mine", Some(file), home.path()).unwrap();
            let chosen = Chosen::find(&home.path().join("mine.toml")).unwrap();
            let (name, text) = chosen.cases().unwrap().unwrap();
            let suite = Suite::read(&name, &text, &Faults::new()).unwrap_or_else(|| panic!("{file}"));
            let results = suite.run(&|params| chosen.compile(params).ok());
            let wrong: Vec<_> = results.cases.iter().filter(|case| !case.differences.is_empty()).collect();
            assert!(wrong.is_empty() && results.untried.is_empty(), "{file}: {wrong:?} {:?}", results.untried);
        }
    }

    #[test]
    fn nothing_is_overwritten_and_names_are_names() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("mine.cases.toml"), "precious").unwrap();
        let wrong = run("mine", None, home.path()).unwrap_err().to_string();
        assert!(wrong.ends_with("mine.cases.toml is there already and is left as it is"), "{wrong}");
        assert!(!home.path().join("mine.toml").exists(), "all or none");
        run("one", Some("rfc7591"), home.path()).unwrap();
        run("two", Some("rfc7591"), home.path()).unwrap();
        std::fs::write(home.path().join("rfc7591.toml"), "changed").unwrap();
        assert!(run("three", Some("rfc7591"), home.path()).is_err(), "a base that somebody changed");
        for wrong in ["", "Mine", "a/b", "../a", "a.b", "1a"] {
            assert!(matches!(run(wrong, None, home.path()), Err(CliError::Usage(_))), "{wrong}");
        }
        assert!(run("mine", Some("nowhere"), home.path()).is_err());
    }
}
