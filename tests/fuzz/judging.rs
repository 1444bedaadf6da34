//! From the text of a policy to its judgements over fixed facts, as a server does it; never with more stack than there.

use std::collections::HashSet;
use std::panic;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use crate::model::document::Faults;
use crate::policy::cases::Suite;
use crate::policy::{compile, packs};
use crate::problems::{Style, text as shown};

/// What a worker of the server has.
const STACK: usize = 2 * 1024 * 1024;

/// Entries of the longest list that facts may have.
const FULL: usize = 100;

/// The facts, as cases: small ones, an update, none at all, and lists that are full.
static FACTS: LazyLock<Suite> = LazyLock::new(|| {
    let entries = |of: &dyn Fn(usize) -> String| (0..FULL).map(of).collect::<Vec<_>>().join(", ");
    let uris = entries(&|index| format!("'https://h{index}.tpp.example/cb?a={index}'"));
    let words = entries(&|index| format!("'w{index}'"));
    let roles = entries(&|index| format!("{{ role = 'w{index}', status = 'Active' }}"));
    let text = format!(
        "{}\n[[case]]\nname = 'full lists'\nexpect = 'accept'\nrequest = {{ redirect_uris = [{uris}], grant_types = [{words}] }}\n\
         statement = {{ software_redirect_uris = [{uris}], software_roles = [{words}], software_statement_roles = [{roles}] }}\n\
         certificate = {{ subject = 'CN=full', san_dns = [{words}] }}\n",
        include_str!("facts.cases.toml")
    );
    let faults = Faults::new();
    let suite = Suite::read("facts.cases.toml", &text, &faults);
    suite.unwrap_or_else(|| panic!("{}", shown(&faults.into_problems(), Style::Plain)))
});

/// Reads the facts, and has panics printed once for each place instead of ending the process: the program contains
/// those of the engine. One that it does not contain ends the process all the same, in `libfuzzer-sys`.
pub fn prepare() {
    assert!(FACTS.len() > 3);
    // In place of a hook that aborts, even where a panic is caught.
    panic::set_hook(Box::new(|info| {
        static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get_or_insert_default().insert(place) {
            eprintln!("PANIC (a finding only where the process ends): {info}");
        }
    }));
}

/// Compiles, shows the faults as `dcrgate check` does, judges.
pub fn judge(text: &str) {
    let run = || {
        let read = |path: &str| packs::pack(path).map(str::to_owned).ok_or_else(|| "no such pack".to_owned());
        FACTS.run(&|params| {
            let faults = Faults::new();
            let policy = compile("fuzzed.toml", text, &read, params, &faults);
            let problems = faults.into_problems();
            assert!(policy.is_some() || !problems.is_empty(), "refused without a word");
            std::hint::black_box(shown(&problems, Style::Plain));
            policy
        })
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        if let Err(panic) = worker.expect("a thread").join() {
            panic::resume_unwind(panic);
        }
    });
}
