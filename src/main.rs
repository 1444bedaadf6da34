//! The `dcrgate` program.

fn main() {}
