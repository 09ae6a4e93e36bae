//! Arguments to exit code; everything else is in the library, so that tests can start it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    linecard::cli::run(linecard::cli::Arguments::parse())
}
