//! What users expect of volumes as people have them: the voxel size that they give, masks of IMOD, links. The small
//! inputs were made after public bug reports.
use std::os::unix::fs::{symlink, FileTypeExt};
use std::path::{Path, PathBuf};

use tomocut::runtime::Job;
use tomocut::volume::Tomogram;

use crate::development_data::data_folder;
use crate::started::{run, write_sample, Folder};

fn field_files(kind: &str) -> Option<PathBuf> {
    data_folder().map(|data| data.join("field_files").join(kind))
}

fn voxel_angstrom(path: &Path) -> [f64; 3] {
    let volume = Tomogram::open(path, &Job::quiet()).unwrap();
    volume.geometry().voxel_angstrom.map(|edge| (1e4 * edge).round() / 1e4)
}

fn text(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every volume in a folder has voxels of 12 Angstrom.
fn all_in_12_angstrom(folder: &Folder, name: &str) {
    let mut count = 0;
    for file in folder
        .names(name)
        .iter()
        .filter(|file| file.ends_with(".mrc") || file.ends_with(".zarr"))
    {
        assert_eq!(voxel_angstrom(&folder.path(name).join(file)), [12.0; 3], "{file}");
        count += 1;
    }
    assert!(count > 0, "{:?}", folder.names(name));
}

#[test]
fn the_voxel_size_that_is_given_stands_in_every_file_of_a_slab() {
    let Some(data) = field_files("01_voxel_nm_not_written") else {
        return;
    };
    let folder = Folder::new();
    let mut tables = Vec::new();
    for name in ["TS_01", "vox1"] {
        let (input, out) = (data.join(format!("{name}.mrc")).display().to_string(), folder.at(name));
        let arguments = [
            &input,
            "--z",
            "20:25",
            "--voxel-nm",
            "1.2",
            "--out",
            &out,
            "--threads",
            "2",
        ];
        let answer = run(0, "slab", &arguments);
        assert_eq!(
            answer.err.contains("the file says 0.1000 x 0.1000 x 0.1000 nm"),
            name == "vox1",
            "{}",
            answer.err
        );
        all_in_12_angstrom(&folder, name);
        let of = |ending: &str| text(folder.path(name).join(format!("{name}_points.{ending}"))).replace(name, "NAME");
        tables.push([of("csv"), of("star"), of("tbl"), of("coords")]);
        assert!(!tables[0].iter().any(|table| table.contains("NaN")), "{name}");
    }
    assert!(tables[0][0].lines().count() > 1, "there are points to compare");
    // The same voxels: the same positions, whatever the header said.
    assert!(tables[1] == tables[0]);
    // An IMOD model begins with "IMODV1.2" and 128 bytes of its name.
    let model = |name: &str| std::fs::read(folder.path(name).join(format!("{name}_points.mod"))).unwrap();
    assert_eq!(model("vox1")[136..], model("TS_01")[136..]);
}

#[test]
fn the_voxel_size_that_is_given_stands_in_every_file_of_a_prediction() {
    let Some(data) = field_files("01_voxel_nm_not_written") else {
        return;
    };
    let folder = Folder::new();
    let at = |name: &str| data.join(name).display().to_string();
    let common = [
        "--picks",
        "auto",
        "--formats",
        "csv,star",
        "--membranes",
        "--threads",
        "2",
        "--json",
    ];
    for (name, format) in [("vox1", "mrc"), ("vox0", "zarr")] {
        let (input, out) = (at(&format!("{name}.mrc")), folder.at(name));
        let arguments = [
            &[&input[..], "--voxel-nm", "1.2", "--out", &out, "--format", format],
            &common[..],
        ]
        .concat();
        let answer = run(0, "predict", &arguments).json();
        assert!(answer["tomograms"][0]["picks"].as_u64() > Some(3), "{answer}");
        all_in_12_angstrom(&folder, name);
    }
    let table = |name: &str| text(folder.path(name).join(format!("{name}_points.csv"))).replace(name, "NAME");
    assert_eq!(table("vox0"), table("vox1"));
    let out = folder.at("denoised.mrc");
    run(
        0,
        "denoise",
        &[
            &at("vox1.mrc"),
            "--voxel-nm",
            "1.2",
            "--z",
            "10:11",
            "--out",
            &out,
            "--threads",
            "2",
        ],
    );
    assert_eq!(voxel_angstrom(Path::new(&out)), [12.0; 3]);
}

#[test]
fn doubtful_voxel_sizes_are_told_by_programs_and_by_info() {
    let Some(data) = field_files("12_voxel_size_nonsense_not_told") else {
        return;
    };
    let folder = Folder::new();
    for (name, words) in [
        (
            "cellz_a.mrc",
            "cellz_a.mrc: the edges of a voxel differ: 12 x 12 x 0.3 Angstrom (x, y, z)",
        ),
        ("vox1.mrc", "vox1.mrc: the voxel size is 1.0 Angstrom along x, y and z"),
    ] {
        let input = data.join(name).display().to_string();
        let out = folder.at("out");
        let answer = run(0, "predict", &[&input, "--out", &out, "--labels", "--threads", "2"]);
        assert!(answer.err.contains(words), "{name}: {}", answer.err);
        assert_eq!(answer.err.matches(words).count(), 1, "once: {}", answer.err);
        if name == "vox1.mrc" {
            assert!(
                answer.err.contains("the network was made for 0.400 to 3.200 nm"),
                "{}",
                answer.err
            );
        }
        let info = run(0, "info", &["--header", &input]);
        assert!(info.out.contains(words.split_once(": ").unwrap().1), "{}", info.out);
    }
}

#[test]
fn masks_that_imod_stored_signed_are_the_same_masks() {
    let Some(data) = field_files("03_imod_signed_bytes_mask") else {
        return;
    };
    let folder = Folder::new();
    let at = |name: &str| data.join(name).display().to_string();
    let picks = |mask: &str| {
        let (tomogram, out, mask) = (at("TS_01.mrc"), folder.at("out"), at(mask));
        let arguments = [
            "--out",
            &out,
            "--picks",
            "auto",
            "--formats",
            "csv",
            "--exclude",
            &mask,
            "--json",
        ];
        let answer = run(
            0,
            "predict",
            &[&[&tomogram[..], "--labels", "--threads", "2"], &arguments[..]].concat(),
        );
        answer.json()["tomograms"][0]["picks"].as_u64().unwrap()
    };
    let plain = picks("mask01.mrc");
    assert!(plain > 0);
    assert_eq!(picks("mask_imod_signed.mrc"), plain);
    assert_eq!(picks("mask_imod_unsigned.mrc"), plain);
    let (labels, truth) = (at("TS_01_labels_predicted.mrc"), at("truth_imod_signed.mrc"));
    let of = |truth: &str| run(0, "evaluate", &["--labels", &labels, "--truth-labels", truth, "--json"]).json();
    let signed = of(&truth);
    let dice = signed["voxels"]["foreground_dice"].to_string();
    assert!(dice.contains("0.75"), "{signed}");
}

#[test]
fn links_are_written_through_and_pipes_refused() {
    let folder = Folder::new();
    write_sample(&folder.path("base.mrc"));
    let base = folder.at("base.mrc");
    for name in ["big", "small"] {
        std::fs::create_dir(folder.path(name)).unwrap();
    }
    symlink("../big/d.mrc", folder.path("small/d.mrc")).unwrap();
    run(
        0,
        "denoise",
        &[
            &base,
            "--z",
            "3:4",
            "--out",
            &folder.at("small/d.mrc"),
            "--threads",
            "2",
        ],
    );
    assert!(std::fs::symlink_metadata(folder.path("small/d.mrc"))
        .unwrap()
        .is_symlink());
    assert_eq!(
        Tomogram::open(&folder.path("big/d.mrc"), &Job::quiet())
            .unwrap()
            .geometry()
            .shape[0],
        1
    );
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap()
        .success());
    let answer = run(5, "denoise", &[&base, "--z", "3:4", "--out", &folder.at("pipe")]);
    assert!(answer.err.contains("is a pipe, a device or a socket"), "{}", answer.err);
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    // A volume of a prediction, before anything is computed.
    std::fs::create_dir(folder.path("out")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path("out/base_labels.mrc"))
        .status();
    assert!(made.unwrap().success());
    let answer = run(5, "predict", &[&base, "--out", &folder.at("out"), "--labels"]);
    assert!(answer.err.contains("base_labels.mrc: is a pipe"), "{}", answer.err);
}
