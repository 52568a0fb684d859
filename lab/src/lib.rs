//! What the programs of the lab have in common: arguments in, an exit code out.
use std::fmt::Display;
use std::process::ExitCode;

/// Runs `work` with the arguments that `parse` reads; None of it: `help` is asked for. Exit codes: 0 done, 1 failed, 2
/// wrong arguments.
pub fn run<A, E: Display>(
    program: &str,
    help: &str,
    parse: impl FnOnce() -> Result<Option<A>, lexopt::Error>,
    work: impl FnOnce(&A) -> Result<(), E>,
) -> ExitCode {
    match parse() {
        Ok(Some(arguments)) => match work(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{program}: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(None) => {
            println!("{}", help.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{program}: {error}; --help lists the options");
            ExitCode::from(2)
        }
    }
}
