//! Wrong arguments and settings, without a process for each.
use clap::FromArgMatches;

use super::{command_line, dispatch, Program};

/// The words of an error for wrong arguments; they end the program with 2.
fn refused(words: &[&str]) -> String {
    match command_line().try_get_matches_from([&["tomocut"], words].concat()) {
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{words:?}: {error}");
            error.to_string()
        }
        Ok(matches) => {
            let program = Program::from_arg_matches(&matches).unwrap();
            let failure = dispatch(program.command, &matches).unwrap_err();
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
    assert!(all.render_long_help().to_string().contains("130  stopped by Ctrl-C"));
    let names: Vec<String> = all.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    for name in names.iter().filter(|name| *name != "help") {
        let words = ["tomocut", name, "--help"];
        let help = command_line().try_get_matches_from(words).unwrap_err().to_string();
        let lines = help.lines().count();
        assert!(lines <= 40, "{name} has {lines} lines of help:\n{help}");
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

#[test]
fn slab_refuses_wrong_arguments() {
    refuses("slab", "TOMOGRAM");
    refuses("slab t.mrc", "--z");
    for wrong in ["9:9", "3:x", "3"] {
        refuses(&format!("slab t.mrc --z {wrong}"), "must be A:B with A below B");
    }
    refuses("slab t.mrc --z", "--z");
    refuses("slab t.mrc --z=1:2 --gold", "--gold");
    refuses("slab t.mrc t.mrc --z=1:2", "t.mrc");
    refuses("slab t.mrc --z=1:2 --voxel-nm wide", "must be a number");
    refuses("slab t.mrc --z=1:2 --voxel-nm 1e9", "settings.voxel_nm is 1000000000");
    refuses("slab t.mrc --z=1:2 --preset best", "settings.preset is \"best\"");
    refuses(
        "slab t.mrc --z=1:2 --set latent_draw=vague",
        "settings.latent_draw is \"vague\"",
    );
    refuses("slab t.mrc --z=1:2 --set timestep=1000", "settings.timestep is 1000");
    refuses("slab t.mrc --z=1:2 --suggest", "cannot be used with");
    refuses("slab t.mrc --suggest=0", "0");
    refuses("slab t.mrc --suggest --set colour=1", "settings.colour");
    refuses("denoise t.mrc", "--out");
    refuses("denoise t.mrc --out x.mrc --z 4:4", "must be A:B");
    refuses("denoise t.mrc --out x.mrc --snr -1", "-1");
}

#[test]
fn ncut_refuses_wrong_arguments() {
    refuses("ncut", "IMAGE|TOMOGRAM");
    refuses("ncut p.png --z 3:3", "must be A:B");
    refuses("ncut p.png --z 1:3", "--z is for tomograms");
    refuses("ncut p.png --level 0.3 --count 2", "cannot be used with");
    refuses("ncut p.png --level low", "must be a number");
    refuses("ncut p.png --count 5000", "settings.counts");
    refuses("ncut p.png --levels 0,40", "settings.levels");
    refuses("ncut p.png --tokens 4", "settings.working_tokens is 4");
    refuses("ncut p.png --set timestep=1000", "settings.timestep is 1000");
    refuses("ncut p.png --preset best", "settings.preset");
}

#[test]
fn train_refuses_wrong_arguments() {
    refuses("train", "TOMOGRAM");
    refuses("train t.mrc --z 1:2", "--out");
    refuses("train --z 1:2 t.mrc --out x", "must stand after its tomogram, once");
    refuses(
        "train t.mrc --z 1:2 --z 3:4 --out x",
        "must stand after its tomogram, once",
    );
    refuses("train t.mrc --out x", "neither --z nor --labels");
    refuses("train t.mrc --z auto --labels l.mrc --out x", "--z auto of t.mrc");
    refuses(
        "train t.mrc --z auto --points p.csv --out x",
        "stands with --points alone",
    );
    refuses(
        "run a.mrc --recipe cvpr2027 --out x",
        "must be default, cvpr2026 or a JSON file",
    );
    refuses(
        "run a.mrc --truth a.csv --truth b.mrc --out x",
        "a table, which stands for all",
    );
    refuses(
        "train t.mrc --z 1:2 --validation 0.7 --out x",
        "settings.validation_share is 0.7, must be 0..=0.5",
    );
    refuses("train t.mrc --z 1:2 --whole --out x", "--rounds");
    refuses(
        "train t.mrc --z 1:2 --preset other --out x",
        "must be default, adapt, slab-paper",
    );
    refuses("train t.mrc --z 1:2 --names a,,b --out x", "--names must be");
    refuses("train t.mrc --z 1:2 --scratch --start s --out x", "cannot be used with");
    refuses("train t.mrc --z 1:2 --network {x --out x", "must be a name or JSON");
    refuses("train --images i --out x", "--masks");
    refuses("adapt --out x", "TOMOGRAM");
    refuses("adapt t.mrc --out x --batch 1", "settings.batch is 1");
}

#[test]
fn predict_refuses_wrong_arguments() {
    refuses("predict", "TOMOGRAM|FOLDER");
    refuses("predict t.mrc", "--out");
    refuses("predict t.mrc --pictures p --out x", "cannot be used with");
    refuses("predict t.mrc --out x --region 1:2,3:4", "must be three ranges Z,Y,X");
    refuses("predict t.mrc --out x --memory much", "must be a size such as 1.5G");
    refuses("predict t.mrc --out x --formats csv", "--picks");
    refuses(
        "predict t.mrc --out x --picks gold",
        "settings.picking.method is \"gold\"",
    );
    refuses(
        "predict t.mrc --out x --picks auto --formats csv,paper",
        "settings.picking.formats",
    );
    refuses("predict t.mrc --out x --format tiff", "settings.format is \"tiff\"");
    refuses("predict t.mrc --out x --threshold 1.5", "settings.threshold is 1.5");
    refuses("predict t.mrc --out x --rank 2 --size 2", "rank is 2");
    refuses("predict t.mrc --out x --rank 1", "--size");
    refuses("predict t.mrc --out x --again --size 2", "cannot be used with");
    refuses("predict t.mrc --out x --set steps=2000", "settings.steps is 2000");
}

#[test]
fn run_refuses_wrong_arguments() {
    refuses("run", "TOMOGRAM|FOLDER");
    refuses("run t.mrc", "--out");
    refuses("run --z 3:4 t.mrc --out x", "must stand after its tomogram, once");
    refuses("run t.mrc --z 4:4 --out x", "must be A:B");
    refuses("run t.mrc --out x --held-out 0.7", "settings.held_out is 0.7");
    refuses("run t.mrc --out x --memory much", "must be a size");
    refuses(
        "run t.mrc --out x --set training.window=[8,8]",
        "settings.training.window",
    );
    refuses("run t.mrc --out x --scratch --start s", "cannot be used with");
    refuses("run t.mrc --out x --slabs 65", "settings.slabs is 65, must be 1..=64");
    refuses("run t.mrc --out x --network {", "must be JSON");
}

#[test]
fn evaluate_refuses_wrong_arguments() {
    refuses("evaluate", "neither --labels nor --points");
    refuses("evaluate --table t.csv --segments s --truth t", "cannot be used with");
    refuses("evaluate --segments s", "--truth");
    refuses("evaluate --truth s", "--segments");
    refuses("evaluate --segments s --truth t --match best", "per-image");
    refuses("evaluate --segments s --truth t --classes coco", "coco-stuff-27");
    refuses("evaluate --labels l --truth-labels t --csv c", "--csv needs");
    refuses("evaluate --segments s --truth t --html h", "--html is for");
}
