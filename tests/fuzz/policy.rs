//! Any bytes as the text of a whole policy, which may extend the packs: compiled, and judged over rich facts where it
//! compiles. It never looks at what comes out: the finding is a crash, a hang or a flood of memory.
#![no_main]

use dcrgate_fuzz::{judging, seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: { judging::prepare(); seeds::plant("policy", seeds::policies()) }, |bytes: &[u8]| {
    // A policy is read as UTF-8, so nothing else ever reaches the compiler.
    if let Ok(text) = std::str::from_utf8(bytes) {
        judging::judge(text);
    }
});
