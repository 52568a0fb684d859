//! SDSeg beside the 2D U-Net on data with truth, and the time of the network of published size. `cargo xtask
//! evaluate-sdseg` runs it. Exit codes: 0 done, 1 failed, 2 wrong arguments.
mod compare;
mod data;
mod full_size;
mod page;

use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

const USAGE: &str = "usage: tomocut-measure-sdseg --data DIR [--minutes M] [--only NAME] [--ablations] [--page FILE]
                             [--threads N]
       tomocut-measure-sdseg --full-size [--runs N] [--threads N]
  --data DIR    trains the small SDSeg and the 2D U-Net for the same time on kvasir, isbi2012_em and sim_pn_dev1 in DIR
  --minutes M   of each training (default: 10)
  --only NAME   on that data set alone
  --ablations   also without the loss of the mask, of the latent, with a frozen encoder, with cross-attention
  --page FILE   writes the tables there too
  --full-size   the network of published size on random weights: seconds and peak memory of a direct step on
                256 x 256, as JSON
  --runs N      of that, of which the median counts (default: 3)
  --threads N   (default: 2)";

pub struct Arguments {
    data: Option<PathBuf>,
    minutes: f64,
    only: Option<String>,
    ablations: bool,
    page: Option<PathBuf>,
    full_size: bool,
    runs: usize,
    threads: i32,
}

fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut a = Arguments {
        data: None,
        minutes: 10.0,
        only: None,
        ablations: false,
        page: None,
        full_size: false,
        runs: 3,
        threads: 2,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("data") => a.data = Some(parser.value()?.into()),
            Long("minutes") => a.minutes = parser.value()?.parse()?,
            Long("only") => a.only = Some(parser.value()?.string()?),
            Long("ablations") => a.ablations = true,
            Long("page") => a.page = Some(parser.value()?.into()),
            Long("full-size") => a.full_size = true,
            Long("runs") => a.runs = parser.value()?.parse::<usize>()?.max(1),
            Long("threads") => a.threads = parser.value()?.parse()?,
            Long("help") => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    if a.data.is_none() && !a.full_size {
        return Err("--data DIR or --full-size is missing".into());
    }
    Ok(Some(a))
}

fn main() -> ExitCode {
    tomocut_lab::run("tomocut-measure-sdseg", USAGE, arguments, measure)
}

fn measure(arguments: &Arguments) -> tomocut::Result<()> {
    tch::set_num_threads(arguments.threads);
    match &arguments.data {
        Some(data) => run(data, arguments),
        None => {
            println!("{}", full_size::measure(arguments.runs)?);
            Ok(())
        }
    }
}

fn run(data: &std::path::Path, arguments: &Arguments) -> tomocut::Result<()> {
    let mut rows = Vec::new();
    for set in data::sets(data)? {
        if arguments.only.as_ref().is_some_and(|only| *only != set.name) {
            continue;
        }
        let row = compare::compare(&set, arguments.minutes, arguments.ablations)?;
        println!("{}", page::table(std::slice::from_ref(&row)));
        rows.push(row);
        // After each, because the next takes long.
        if let Some(path) = &arguments.page {
            let text = page::page(&rows, arguments.minutes);
            std::fs::write(path, text).map_err(|e| tomocut::Error::io("writing", path, e))?;
        }
    }
    Ok(())
}
