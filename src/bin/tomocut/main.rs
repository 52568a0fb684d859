//! The program: one subcommand for each thing that the engine does, one file for each subcommand.
mod adapt;
mod denoise;
mod engine;
mod evaluate;
mod exit;
mod files;
mod info;
mod interrupt;
mod ncut;
mod output;
mod phantom;
mod picks;
mod placed;
mod predict;
mod progress;
mod ranges;
mod run;
mod sampling;
mod settings;
mod slab;
mod slices;
mod suggest;
#[cfg(test)]
mod tests;
mod train;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use exit::{Exit, Failure, EXIT_CODES};

/// Segments cryo-electron tomograms without annotation: membranes, molecules and filaments.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Slab(Box<slab::Arguments>),
    Run(Box<run::Arguments>),
    Predict(Box<predict::Arguments>),
    Train(Box<train::Arguments>),
    Ncut(Box<ncut::Arguments>),
    Denoise(denoise::Arguments),
    Adapt(adapt::Arguments),
    Phantom(phantom::Arguments),
    Evaluate(Box<evaluate::Arguments>),
    Picks(picks::Arguments),
    Slices(slices::Arguments),
    Info(info::Arguments),
    /// Prints the completions of a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Prints the man page
    Man,
}

/// The program's command line. A subcommand's help is one screen: its first sentence above the options, what it writes
/// below them.
fn command_line() -> clap::Command {
    Program::command().mut_subcommands(|subcommand| {
        let about = subcommand.get_long_about().map(ToString::to_string).unwrap_or_default();
        let subcommand = subcommand.long_about(None::<&'static str>);
        match about.split_once("\n\n") {
            Some((_, detail)) => subcommand.after_help(detail.to_owned()),
            None => subcommand,
        }
    })
}

fn main() -> ExitCode {
    let matches = match command_line().try_get_matches_from(arguments()) {
        Ok(matches) => matches,
        Err(error) => {
            // Nothing is left to be done where this cannot be printed.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    // Nothing is looked at after a panic.
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let program = Program::from_arg_matches(&matches).map_err(|error| Failure::usage(error.to_string()))?;
        dispatch(program.command, &matches)
    }));
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            if !failure.text.is_empty() {
                eprintln!("tomocut {name}: {}", failure.text);
            }
            ExitCode::from(failure.exit as u8)
        }
        // The panic has been printed.
        Err(_) => ExitCode::from(Exit::Failed as u8),
    }
}

fn dispatch(command: Command, matches: &ArgMatches) -> Result<(), Failure> {
    match command {
        Command::Slab(arguments) => slab::run(&arguments),
        Command::Run(arguments) => run::run(&arguments, of_subcommand(matches)),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Train(arguments) => train::run(&arguments, of_subcommand(matches)),
        Command::Ncut(arguments) => ncut::run(&arguments),
        Command::Denoise(arguments) => denoise::run(&arguments),
        Command::Adapt(arguments) => adapt::run(&arguments),
        Command::Phantom(arguments) => phantom::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Picks(arguments) => picks::run(&arguments),
        Command::Slices(arguments) => slices::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Completions { shell } => completions(shell),
        Command::Man => man_page(),
    }
}

/// The matches of the subcommand, where the places of arguments count.
fn of_subcommand(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| inner)
}

/// The arguments; the number after --suggest, which may be left out, is joined to it.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    for argument in std::env::args_os() {
        let is_number = argument.to_str().is_some_and(|text| text.parse::<u64>().is_ok());
        match arguments.last_mut() {
            Some(last) if last == "--suggest" && is_number => {
                last.push("=");
                last.push(argument);
            }
            _ => arguments.push(argument),
        }
    }
    arguments
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "tomocut", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

/// One page: the program, then each subcommand.
fn man_page() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::NotWritten, error.to_string());
    let mut text = Vec::new();
    let mut all = command_line();
    all.build();
    let page = clap_mangen::Man::new(all.clone());
    page.render(&mut text).map_err(failed)?;
    for subcommand in all
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help")
    {
        let mut part = Vec::new();
        let page = clap_mangen::Man::new(subcommand.clone());
        page.render_synopsis_section(&mut part).map_err(failed)?;
        page.render_description_section(&mut part).map_err(failed)?;
        page.render_options_section(&mut part).map_err(failed)?;
        page.render_extra_section(&mut part).map_err(failed)?;
        let title = format!(".SH \"TOMOCUT {}\"\n", subcommand.get_name().to_uppercase());
        text.extend(title.into_bytes());
        text.extend(String::from_utf8_lossy(&part).replace(".SH ", ".SS ").into_bytes());
    }
    output::print(&String::from_utf8_lossy(&text))
}
