//! The `dcrgate` program: arguments in, exit status out. Everything else is in the library.

use std::process::ExitCode;

/// A registration makes some two thousand small allocations; the C library's
/// allocator takes an eighth of its time for them (see the notes of the change).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dcrgate::cli::main()
}
