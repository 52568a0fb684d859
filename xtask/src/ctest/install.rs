//! What `cargo xtask install` makes: used by CMake and pkg-config, moved, asked for in other versions, packed.
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Tally;
use crate::failure::{Failure, Result};
use crate::install::{self, Contents};
use crate::layout::{self, Layout};
use crate::library::{self, Library};
use crate::libtorch::Libtorch;
use crate::process;

/// Installs the library that is tested, with libtorch, and uses it as its users do.
pub fn run(layout: &Layout, library: &Library, torch: &Libtorch, tally: &mut Tally) -> Result<()> {
    let folder = super::folder(layout).join("install");
    layout::fresh_folder(&folder)?;
    let first = folder.join("first");
    let contents = Contents {
        libtorch: true,
        portable: true,
    };
    let placed = install::place(layout, library, torch, &first, contents);
    tally.test("c::install::places_everything", || {
        placed?;
        complete(&first)
    });
    let version = layout.version()?;
    let cmake = process::found("cmake");
    if cmake {
        tally.test("c::install::cmake_finds_it", || {
            consumer(layout, &first, &folder.join("build"))
        });
        tally.test("c::install::cmake_refuses_other_versions", || {
            versions(layout, &first, &folder, version)
        });
    } else {
        println!("test c::install::cmake ... skipped: cmake is missing (apt-get install cmake)");
    }
    // From here on the prefix lies elsewhere.
    let moved = folder.join("moved to/a deeper folder");
    tally.test("c::install::a_moved_prefix_works", || {
        std::fs::create_dir_all(folder.join("moved to")).map_err(|e| Failure::io("making", &moved, &e))?;
        std::fs::rename(&first, &moved).map_err(|e| Failure::io("moving", &first, &e))?;
        let program = moved.join("bin/tomocut");
        let mut command = process::command(layout, &program);
        process::capture(
            command.env_remove("LD_LIBRARY_PATH").arg("--version"),
            "tomocut --version",
        )?;
        if cmake {
            consumer(layout, &moved, &folder.join("build-moved"))?;
        }
        Ok(())
    });
    if process::found("pkg-config") {
        tally.test("c::install::pkg_config_finds_it", || {
            pkg_config(layout, &moved, &folder, version)
        });
    } else {
        println!("test c::install::pkg_config ... skipped: pkg-config is missing (apt-get install pkg-config)");
    }
    tally.test("c::install::an_archive_names_no_folder_of_the_build", || {
        packed(layout, library, torch, &folder)
    });
    // Half a gigabyte that nobody looks at again.
    std::fs::remove_dir_all(&folder).map_err(|e| Failure::io("removing", &folder, &e))
}

/// Every part is there.
fn complete(prefix: &Path) -> Result<()> {
    for part in [
        "lib/libtomocut.so",
        "lib/cmake/tomocut/tomocutConfig.cmake",
        "lib/cmake/tomocut/tomocutConfigVersion.cmake",
        "lib/pkgconfig/tomocut.pc",
        "lib/tomocut/torch/lib/libtorch_cpu.so",
        "include/tomocut.h",
        "include/tomocut.hpp",
        "include/tomocut_loader.h",
        "include/tomocut/functions.h",
        "include/tomocut/slab.hpp",
        "bin/tomocut",
        "share/man/man1/tomocut.1",
        "share/bash-completion/completions/tomocut",
        "share/zsh/site-functions/_tomocut",
        "share/tomocut/examples/slab.c",
        "share/doc/tomocut/LICENSE",
        "share/doc/tomocut/rust-packages.txt",
    ] {
        if !prefix.join(part).exists() {
            return Err(Failure::new(format!("{part} is missing")));
        }
    }
    let licences = layout::read(&prefix.join("share/doc/tomocut/rust-packages.txt"))?;
    for package in ["==== tch ", "==== ndarray ", "==== safetensors "] {
        if !licences.contains(package) {
            return Err(Failure::new(format!("rust-packages.txt does not name {package}")));
        }
    }
    Ok(())
}

/// A configuration of the project in tests/install against a prefix.
fn configure(layout: &Layout, prefix: &Path, build: &Path, version: &str) -> Command {
    let mut command = process::command(layout, "cmake");
    command.env_remove("LD_LIBRARY_PATH");
    command
        .arg("-S")
        .arg(layout.root.join("tests/install"))
        .arg("-B")
        .arg(build);
    command.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    command.arg(format!("-DWANTED={version}"));
    command
}

/// The project is configured, built and run; library and libtorch are those of the prefix.
fn consumer(layout: &Layout, prefix: &Path, build: &Path) -> Result<()> {
    let [major, minor, _] = layout.version()?;
    process::capture(
        &mut configure(layout, prefix, build, &format!("{major}.{minor}")),
        "cmake",
    )?;
    process::capture(
        process::command(layout, "cmake").arg("--build").arg(build),
        "cmake --build",
    )?;
    let said = process::capture(
        process::command(layout, build.join("segment")).env_remove("LD_LIBRARY_PATH"),
        "segment",
    )?;
    let own = prefix.join("lib/tomocut/torch/lib").display().to_string();
    let torch = said
        .lines()
        .find(|line| line.starts_with("libtorch"))
        .unwrap_or_default();
    if !(torch.contains(&own) || torch.contains("lib/tomocut/torch/lib")) || !said.contains("voxels of structure") {
        return Err(Failure::new(format!("libtorch is not the one in {own}:\n{said}")));
    }
    let library = prefix.join("lib/libtomocut.so");
    process::capture(process::command(layout, build.join("load")).arg(library), "load").map(|_| ())
}

/// What the soname does not promise is refused.
fn versions(layout: &Layout, prefix: &Path, folder: &Path, [major, minor, patch]: [u32; 3]) -> Result<()> {
    let own = format!("{major}.{minor}.{patch}");
    let same = [
        String::new(),
        own.clone(),
        format!("{own};EXACT"),
        format!("{major}.{minor}.0...{major}.{}", minor + 1),
    ];
    let mut other = vec![
        format!("{major}.{}", minor + 1),
        format!("{}.0", major + 1),
        format!("{major}.{minor}.{}", patch + 1),
    ];
    if minor > 0 {
        other.push(format!("{major}.{}", minor - 1));
        other.push(format!("{major}.0...<{major}.{minor}"));
    }
    for (request, fits) in same.iter().map(|w| (w, true)).chain(other.iter().map(|w| (w, false))) {
        let build = folder.join("build-version");
        layout::fresh_folder(&build)?;
        let output = configure(layout, prefix, &build, request)
            .output()
            .map_err(|e| Failure::new(format!("starting cmake: {e}")))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() != fits || (!fits && !said.contains(&format!("version: {own}"))) {
            return Err(Failure::new(format!(
                "'{request}' must {}fit {own}\n{said}",
                if fits { "" } else { "not " }
            )));
        }
    }
    Ok(())
}

/// A C program by pkg-config's flags.
fn pkg_config(layout: &Layout, prefix: &Path, folder: &Path, [major, minor, patch]: [u32; 3]) -> Result<()> {
    let ask = |question: &[&str]| {
        let mut command = process::command(layout, "pkg-config");
        command
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
            .args(question)
            .arg("tomocut");
        process::capture(&mut command, "pkg-config")
    };
    let version = ask(&["--modversion"])?;
    if version.trim() != format!("{major}.{minor}.{patch}") {
        return Err(Failure::new(format!("pkg-config says version {version}")));
    }
    let program = folder.join("version");
    let mut arguments = vec![layout.root.join("tests/install/version.c").display().to_string()];
    // Spaces in a path are escaped by pkg-config, as for a shell.
    let flags = ask(&["--cflags", "--libs"])?.replace("\\ ", "\0");
    arguments.extend(flags.split_whitespace().map(|flag| flag.replace('\0', " ")));
    let lib = ask(&["--variable=libdir"])?.trim().replace("\\ ", " ");
    arguments.extend(["-o".into(), program.display().to_string(), format!("-Wl,-rpath,{lib}")]);
    library::compile("cc", &arguments, "version.c by pkg-config")?;
    let said = process::capture(
        process::command(layout, &program).env_remove("LD_LIBRARY_PATH"),
        "version",
    )?;
    if said.starts_with("ok ") {
        return Ok(());
    }
    Err(Failure::new(said))
}

/// An archive without libtorch holds one folder, whose library does not know where it was built.
fn packed(layout: &Layout, library: &Library, torch: &Libtorch, folder: &Path) -> Result<()> {
    let archive = folder.join("archive.tar.gz");
    install::archive(layout, library, torch, &archive, false)?;
    let unpacked = folder.join("unpacked");
    layout::fresh_folder(&unpacked)?;
    process::capture(
        Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&unpacked),
        "tar",
    )?;
    let roots: Vec<PathBuf> = std::fs::read_dir(&unpacked)
        .map_err(|e| Failure::io("reading", &unpacked, &e))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let [root] = &roots[..] else {
        return Err(Failure::new(format!(
            "the archive holds {} folders, must be 1",
            roots.len()
        )));
    };
    let file = root.join("lib/libtomocut.so");
    let said = process::capture(Command::new("readelf").arg("-d").arg(&file), "readelf")?;
    let run_path = said.lines().find(|line| line.contains("RUNPATH")).unwrap_or_default();
    if run_path.contains("[$ORIGIN:$ORIGIN/tomocut/torch/lib]") {
        return Ok(());
    }
    Err(Failure::new(format!("the packed library has {run_path}")))
}
