//! Wrong arguments and settings, without a process for each.
use clap::FromArgMatches;

use super::{command_line, run, Program};

/// The words of an error for wrong arguments; they end the program with 2.
fn refused(words: &[&str]) -> String {
    match command_line().try_get_matches_from([&["tomocut"], words].concat()) {
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{words:?}: {error}");
            error.to_string()
        }
        Ok(matches) => {
            let program = Program::from_arg_matches(&matches).unwrap();
            let failure = run(program.command, &matches).unwrap_err();
            assert_eq!(failure.exit as u8, 2, "{words:?}: {}", failure.text);
            failure.text
        }
    }
}

#[track_caller]
fn refuses(line: &str, said: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = refused(&words);
    assert!(text.contains(said), "{line}: {text}");
}

#[test]
fn the_command_line_is_sound_and_each_help_fits_a_screen() {
    let mut all = command_line();
    all.clone().debug_assert();
    all.build();
    let subcommands = all
        .get_subcommands_mut()
        .filter(|subcommand| subcommand.get_name() != "help");
    for subcommand in subcommands {
        let help = subcommand.render_long_help().to_string();
        let lines = help.lines().count();
        assert!(
            lines <= 44,
            "{} has {lines} lines of help:\n{help}",
            subcommand.get_name()
        );
        assert!(help.contains("130 Ctrl-C"), "{help}");
    }
}

#[test]
fn phantom_refuses_wrong_arguments() {
    refuses("phantom --size 1x2", "must be XxYxZ");
    refuses("phantom --snr loud", "must be a number");
    refuses("phantom --threads 1025", "1025");
    refuses("phantom --stem a/b", "--stem is \"a/b\"");
    refuses("phantom --gold", "--gold");
    refuses("phantom --size 4x32x32", "settings.shape");
    refuses(
        "phantom --set colour=1",
        "settings.colour is 1, but there is no such setting",
    );
    refuses("phantom --set colour", "must be NAME=VALUE");
    refuses("phantom --snr 1 --set snr=2", "must be given once");
    refuses("phantom --set species=0", "species is 0");
    refuses("phantom --device abacus", "abacus");
}
