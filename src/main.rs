//! The `dcrgate` program: arguments in, exit status out. Everything else is in the library.

use std::process::ExitCode;

/// A registration makes many small allocations, for which the C
/// library's allocator took an eighth of its CPU time (perf, 32 kept
/// connections). What this one costs: it gives memory back to the system later.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dcrgate::cli::main()
}
