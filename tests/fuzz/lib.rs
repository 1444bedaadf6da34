//! What the fuzz targets share: the floors of dcrgate that judge, first inputs, and the way from a policy's text to
//! its judgements. The floors are taken as source files: they need nothing of the rest, and build without it.

#[path = "../../src/checks/mod.rs"]
pub mod checks;
#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/policy/mod.rs"]
pub mod policy;
#[path = "../../src/cli/problems.rs"]
pub mod problems;

pub mod judging;
pub mod seeds;
