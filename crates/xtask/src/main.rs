//! `cargo verify`, `cargo demo`, `cargo soak`, `cargo bench-all` and `cargo xtask package`: one word chooses the work.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["verify"] => xtask::verify::run(),
        ["setup"] => xtask::setup::everything().map(|_| true),
        ["demo"] => xtask::demo::run().map(|()| true),
        ["soak", "fleet", rest @ ..] => {
            xtask::soak::Soak::parse(rest).and_then(|soak| xtask::soak::run(&soak))
        }
        ["bench-all", rest @ ..] => xtask::bench::run(rest),
        ["package"] => xtask::package::run().map(|()| true),
        _ => {
            eprintln!(
                "usage: cargo verify | cargo demo | cargo soak fleet | cargo bench-all | cargo xtask package | cargo xtask setup"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
