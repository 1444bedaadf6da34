//! `policy test --mutate`: every mutant of a policy against its cases, on every core.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value};

use crate::model::document::{Faults, Located};
use crate::policy::cases::Suite;
use crate::policy::mutants::Mutant;
use crate::policy::{Policy, Sources};

/// What a mutation run came to.
#[derive(Debug, Default)]
pub struct Mutation {
    /// Mutants that differ from the policy.
    pub mutants: usize,
    /// Those that no case noticed, and that are not declared to change nothing.
    pub survivors: Vec<Mutant>,
    /// Those that are declared to change nothing, and that no case noticed.
    pub equivalent: usize,
    /// Declarations that are not true any more, and why.
    pub outdated: Vec<(Located<String>, &'static str)>,
}

/// What a mutant came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A case noticed it, or it cannot be used with the parameters of one.
    Noticed,
    /// No case did.
    Survived,
    /// It is the policy itself, written otherwise.
    Same,
}

impl Mutation {
    /// Makes every mutant and looks whether a case notices it.
    pub fn run(suite: &Suite, sources: &Sources) -> Self {
        let mutants = sources.mutants();
        let originals = forms(suite, sources);
        let fates = Mutex::new(vec![Fate::Noticed; mutants.len()]);
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((index, mutant)) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                mutants.get(index).map(|mutant| (index, mutant))
            } {
                let fate = fate(suite, &sources.mutated(mutant), &mutant.about, &originals);
                let mut fates = fates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                fates.iter_mut().skip(index).take(1).for_each(|slot| *slot = fate);
            }
        };
        std::thread::scope(|scope| {
            let others = std::thread::available_parallelism().map_or(1, usize::from);
            (0..others).for_each(|_| drop(scope.spawn(work)));
        });
        let fates = fates.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self::of(suite, mutants, &fates)
    }

    fn of(suite: &Suite, mutants: Vec<Mutant>, fates: &[Fate]) -> Self {
        let mut mutation =
            Self { mutants: fates.iter().filter(|fate| **fate != Fate::Same).count(), ..Self::default() };
        for declared in suite.equivalents() {
            let found = mutants.iter().zip(fates).find(|(mutant, _)| mutant.id == declared.mutant.value);
            let why = match found {
                None => "there is no such mutant",
                Some((_, Fate::Noticed)) => "a case notices this mutant",
                Some((_, Fate::Same)) => "this mutant is the policy itself, and needs no word",
                Some((_, Fate::Survived)) => {
                    mutation.equivalent += 1;
                    continue;
                }
            };
            mutation.outdated.push((declared.mutant.clone(), why));
        }
        let is_declared = |mutant: &Mutant| suite.equivalents().iter().any(|known| known.mutant.value == mutant.id);
        let survived = mutants.into_iter().zip(fates).filter(|(_, fate)| **fate == Fate::Survived);
        mutation.survivors = survived.map(|(mutant, _)| mutant).filter(|mutant| !is_declared(mutant)).collect();
        mutation
    }
}

fn compiled(sources: &Sources, params: &Map<String, Value>) -> Option<Policy> {
    sources.compile(params, &Faults::new())
}

/// The compiled policy under every set of parameters, to be compared: two that are printed alike judge alike.
fn forms(suite: &Suite, sources: &Sources) -> Vec<String> {
    suite.parameter_sets().into_iter().map(|params| format!("{:?}", compiled(sources, params))).collect()
}

fn fate(suite: &Suite, mutated: &Sources, about: &str, originals: &[String]) -> Fate {
    if suite.notices(about, &|params| compiled(mutated, params)) {
        Fate::Noticed
    } else if forms(suite, mutated) == *originals {
        Fate::Same
    } else {
        Fate::Survived
    }
}
