//! Scores the segmentation of a slab against known truth, beside what trivial methods reach on the same slices.
mod arguments;
mod scores;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("tomocut-evaluate: {error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    match scores::evaluate(&arguments) {
        Ok(report) if arguments.json => match serde_json::to_string_pretty(&report) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error.to_string()),
        },
        Ok(report) => {
            print!("{}", table::render(&report));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("tomocut-evaluate: {error}");
    ExitCode::FAILURE
}
