//! The chores of tomocut, run as `cargo xtask COMMAND`: fetching libtorch, generating the C header, testing both
//! sides of the C ABI, the demonstration. Nothing here links libtorch, so that it runs before libtorch is there.
mod abi;
mod ctest;
mod demo;
mod doxygen;
mod evaluate;
mod failure;
mod faults;
mod fuzz;
mod gpu_test;
mod header;
mod hosts;
mod install;
mod layout;
mod library;
mod libtorch;
mod own_programs;
mod process;
mod settings;
mod test;
mod tidy;

use std::ffi::OsString;
use std::process::ExitCode;

use failure::{Failure, Result};
use layout::Layout;

const USAGE: &str = "\
usage: cargo xtask COMMAND [OPTIONS]

  demo [--out DIR]            simulate a small tomogram with truth, segment a slab of it, score the answer
  demo -- IN.mrc --z A:B ...  the same on your own file (the options of tomocut slab; no scores)
  test [-- FILTER]            set up and run every test: Rust, C, header, ABI, README
  install --prefix DIR [--with-libtorch]  library, headers, CMake and pkg-config files, program, man page, licences
  install --archive FILE.tar.gz [--with-libtorch]  the same in an archive that is unpacked anywhere
  libtorch [--cuda]           fetch libtorch into .libtorch/, or check the one that LIBTORCH names
  header [--check]            write include/tomocut.h from src/capi, or only say whether it is current
  settings                    write docs/settings.md and docs/settings.schema.json from the engine's own structs
  doxygen                     pages about the headers in target/doxygen/html; its warnings are errors
  hosts [--dev] [NAME]...     build ITK, RELION and Octave hosts against an installation and run them
                              (installs their packages)
  abi [--record]              compare exported symbols and struct layout with abi/, or record them
  gpu-test [-- FILTER]        run the tests that need a GPU
  faults [N]                  kill trainings and predictions N times (50) at random moments: resumed, they give
                              the same bytes
  fuzz [--runs N] [TARGET]... run the fuzz targets of tests/fuzz (cargo-fuzz), 10,000,000 runs together
  train-model [-- ARGS]       train the built-in model (the options of tomocut-train-model)
  evaluate [--model NAME=FILE]...  score the data sets with truth and write docs/measured/quality.md; a row for
                              each model
  evaluate --only TEXT        the same for the data sets whose names hold TEXT; only printed
  evaluate-training [--only TEXT] [--reuse]  train networks on slabs that nobody labelled, score them, write
                              docs/measured/networks.md; --reuse: with the slabs and networks of an earlier call
  evaluate-ncut [-- ARGS]     run every preset of NCut on images with truth and write docs/measured/ncut.md;
                              with ARGS (those of tomocut-measure-ncut) only print
  evaluate-sdseg [-- ARGS]    train SDSeg and the 2D U-Net for the same time on data with truth and write
                              docs/measured/sdseg.md; with ARGS (those of tomocut-measure-sdseg) only print

exit status: 0 done, 1 failed, 2 wrong arguments";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    match dispatch(&command.to_string_lossy(), rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn dispatch(command: &str, rest: Vec<OsString>) -> Result<()> {
    let layout = Layout::find()?;
    match command {
        "libtorch" => libtorch::command(&layout, rest),
        "header" => header::command(&layout, rest),
        "abi" => abi::command(&layout, rest),
        "test" => test::command(&layout, rest),
        "install" => install::command(&layout, rest),
        "hosts" => hosts::command(&layout, rest),
        "doxygen" => doxygen::command(&layout),
        "settings" => settings::command(&layout),
        "demo" => demo::command(&layout, rest),
        "gpu-test" => gpu_test::command(&layout, rest),
        "faults" => faults::command(&layout, rest),
        "fuzz" => fuzz::command(&layout, rest),
        "train-model" => own_programs::train_model(&layout, &rest),
        "evaluate-training" => evaluate::training::command(&layout, rest),
        "evaluate" => evaluate::command(&layout, rest),
        "evaluate-ncut" => own_programs::evaluate_ncut(&layout, &rest),
        "evaluate-sdseg" => own_programs::evaluate_sdseg(&layout, &rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        "" => Err(Failure::usage(format!("a command is missing\n{USAGE}"))),
        other => Err(Failure::usage(format!("unknown command '{other}'\n{USAGE}"))),
    }
}
