//! tomocut-predict-mpi: built by mpicc, run over 1, 2 and 4 ranks, compared to tomocut predict. Left out where there is
//! no MPI.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Tally;
use crate::failure::{Failure, Result};
use crate::layout::{self, Layout};
use crate::library::Library;
use crate::process::{self, Watched};

const LIMIT: Duration = Duration::from_secs(300);
/// Example programs that need MPI end with this.
const MARK: &str = "_mpi";
/// Small enough to be quick, large enough for several tiles at the least memory.
const SIZE: &str = "112x96x40";
/// What slices and tiles may take: so little that there are several tiles.
const MEMORY: u64 = 40 << 20;

/// Whether an example is built by mpicc.
pub fn needs_mpi(source: &Path) -> bool {
    source
        .file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with(MARK))
}

/// Builds the program and runs it; says that it does not where mpicc or mpirun is missing.
pub fn run(layout: &Layout, library: &Library, tally: &mut Tally) -> Result<()> {
    if !process::found("mpicc") || !process::found("mpirun") {
        println!("test c::mpi ... skipped: mpicc and mpirun are missing (apt-get install openmpi-bin libopenmpi-dev)");
        return Ok(());
    }
    let folder = super::folder(layout).join("mpi");
    layout::fresh_folder(&folder)?;
    let program = folder.join("tomocut-predict-mpi");
    let source = layout.root.join("c-examples/predict_mpi.c");
    let flags = ["-O2", "-Wall", "-Wextra", "-Werror"];
    let built = super::build(library, "mpicc", &flags, &[source], &program);
    tally.test("c::mpi::builds", || built);
    tally.test("c::mpi::ranks_give_the_same_bytes", || {
        same_bytes(layout, library, &folder, &program, "mrc")
    });
    tally.test("c::mpi::ranks_give_the_same_zarr", || {
        same_bytes(layout, library, &folder, &program, "zarr")
    });
    tally.test("c::mpi::an_error_ends_all_ranks", || {
        let missing = [
            folder.join("no").into_os_string(),
            "{}".into(),
            folder.join("none.mrc").into_os_string(),
        ];
        let outcome = ranks(layout, &folder, &program, 2, |command| command.args(missing))?;
        let status = outcome.status.and_then(|status| status.code());
        if status == Some(0) || status.is_none() || !outcome.said.contains("none.mrc") {
            return Err(Failure::new(format!("status {status:?}\n{}", outcome.said)));
        }
        Ok(())
    });
    Ok(())
}

/// One tomogram by tomocut predict and by 1, 2 and 4 ranks.
fn same_bytes(layout: &Layout, library: &Library, folder: &Path, program: &Path, format: &str) -> Result<()> {
    let tomogram = folder.join("cell.mrc");
    if !tomogram.exists() {
        let mut phantom = process::command(layout, library.program());
        phantom
            .args(["phantom", "--quiet", "--stem", "cell", "--size", SIZE, "--out"])
            .arg(folder);
        process::capture(&mut phantom, "tomocut phantom")?;
    }
    let alone = folder.join(format!("alone_{format}"));
    let mut command = process::command(layout, library.program());
    command
        .arg("predict")
        .arg(&tomogram)
        .args(["--quiet", "--threads", "1", "--format", format])
        .args(["--set", &format!("memory={MEMORY}")])
        .arg("--out")
        .arg(&alone);
    process::capture(&mut command, "tomocut predict")?;
    let expected = files(&alone)?;
    if expected.len() < 3 {
        return Err(Failure::new(format!("tomocut predict wrote {:?}", expected.keys())));
    }
    for n in [1, 2, 4] {
        let out = folder.join(format!("{format}_{n}"));
        let settings = format!("{{\"format\": \"{format}\", \"memory\": {MEMORY}}}");
        let outcome = ranks(layout, folder, program, n, |command| {
            command.arg(&out).arg(&settings).arg(&tomogram)
        })?;
        if !outcome.status.is_some_and(|status| status.success()) {
            return Err(Failure::new(format!(
                "{n} ranks: {:?}\n{}",
                outcome.status, outcome.said
            )));
        }
        if files(&out)? != expected {
            return Err(Failure::new(format!(
                "{n} ranks wrote other files than tomocut predict"
            )));
        }
    }
    Ok(())
}

/// Runs the program over `n` ranks, more than there may be cores, as any user.
fn ranks(
    layout: &Layout,
    folder: &Path,
    program: &Path,
    n: usize,
    arguments: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Watched> {
    let mut command = process::command(layout, "mpirun");
    command
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.args(["--oversubscribe", "-n", &n.to_string()]).arg(program);
    arguments(&mut command);
    process::watch(&mut command, &folder.join(format!("ranks_{n}.log")), LIMIT)
}

/// Every file below `folder` with its bytes.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(inner) = open.pop() {
        let entries = fs::read_dir(&inner).map_err(|e| Failure::io("reading", &inner, &e))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).map_err(|e| Failure::io("reading", &path, &e))?;
                files.insert(path.strip_prefix(folder).unwrap_or(&path).to_path_buf(), bytes);
            }
        }
    }
    Ok(files)
}
