//! Arguments to exit code; everything else is in the library, so that tests can start it.

use std::process::ExitCode;

use clap::Parser;

// A call is some thousand small allocations, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    linecard::cli::run(linecard::cli::Arguments::parse())
}
