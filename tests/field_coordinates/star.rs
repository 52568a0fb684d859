//! STAR files of RELION, Warp, M and pytom, and what RELION 5 takes.
use super::*;

/// A STAR file with these columns and rows, after `optics`.
fn star(optics: &str, columns: &str, rows: &[&str]) -> String {
    let columns: Vec<String> = columns.split(' ').map(|column| format!("_{column}")).collect();
    format!(
        "{optics}\ndata_particles\nloop_\n{}\n{}\n",
        columns.join("\n"),
        rows.join("\n")
    )
}

const PLAIN: &str = "rlnCoordinateX rlnCoordinateY rlnCoordinateZ";

#[test]
fn pixels_of_relion_are_those_that_a_label_says() {
    let optics = |columns: &str, row: &str| {
        let columns: Vec<String> = columns.split(' ').map(|column| format!("_{column}")).collect();
        format!("data_optics\nloop_\n{}\n{row}\n", columns.join("\n"))
    };
    let read = |text: &str| read_text("p.star", text, "TS_01");
    let rows = ["40 80 20", "122 49 72", "200 140 48"];
    // The images' size and their binning give the tilt series' size.
    let binned = optics("rlnOpticsGroup rlnImagePixelSize rlnTomoSubtomogramBinning", "1 5.0 2");
    assert_at(&read(&star(&binned, PLAIN, &rows)).unwrap(), &POINTS, "binned");
    // Pixels on the detector, in micrometres.
    let columns = format!("{PLAIN} rlnDetectorPixelSize rlnMagnification");
    let detector = rows.map(|row| format!("{row} 5 20000"));
    assert_at(
        &read(&star("", &columns, &detector.each_ref().map(String::as_str))).unwrap(),
        &POINTS,
        "detector",
    );
    // Headers are rounded.
    let near = star("", &format!("{PLAIN} rlnDetectorPixelSize"), &["50 35 12 9.96"]);
    assert_at(&read(&near).unwrap(), &POINTS[2..], "rounded");
    // Old origins are in pixels.
    let columns = format!("{PLAIN} rlnOriginX rlnOriginY rlnOriginZ");
    let old = star("", &format!("{columns} rlnDetectorPixelSize"), &["48 84 16 8 4 -4 2.5"]);
    assert_at(&read(&old).unwrap(), &POINTS[..1], "origins");
    assert_refused(
        read(&star("", &columns, &["10 20 5 1 0 0"])),
        &["line 10: rlnOriginX is in pixels"],
    );
    assert_at(
        &read(&star("", &columns, &["10 20 5 0 0 0"])).unwrap(),
        &POINTS[..1],
        "no origins",
    );
    // Two sizes.
    let two = optics("rlnTomoTiltSeriesPixelSize", "2.5");
    let two = star(&two, &format!("{PLAIN} rlnDetectorPixelSize"), &["40 80 20 10"]);
    assert_refused(
        read(&two),
        &["line 12: rlnTomoTiltSeriesPixelSize is 2.5, rlnDetectorPixelSize is 10"],
    );
    let images = star(&optics("rlnImagePixelSize", "5"), PLAIN, &["10 20 5"]);
    assert_refused(
        read(&images),
        &["rlnImagePixelSize is 5, the tomogram's voxels have 10 A"],
    );
    let missing = star(&binned, &format!("{PLAIN} rlnOpticsGroup"), &["10 20 5 2"]);
    assert_refused(read(&missing), &["rlnOpticsGroup \"2\" is not in the optics block"]);
    let negative = star("", &format!("{PLAIN} rlnDetectorPixelSize"), &["40 80 20 -1"]);
    assert_refused(read(&negative), &["rlnDetectorPixelSize is -1, must be positive"]);
    // A size is of no use for a tomogram without one.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.star");
    std::fs::write(
        &path,
        star("", &format!("{PLAIN} rlnDetectorPixelSize"), &["40 80 20 2.5"]),
    )
    .unwrap();
    assert_refused(
        read_as(&path, &Geometry::new([24, 40, 56], 0.0), "TS_01"),
        &["voxel_angstrom is 0", "2.5 A"],
    );
    // Angles without one of them.
    let columns =
        "rlnCenteredCoordinateXAngst rlnCenteredCoordinateYAngst rlnCenteredCoordinateZAngst rlnOriginXAngst \
                   rlnTomoSubtomogramRot";
    assert_refused(read(&star("", columns, &["0 0 0 5 90"])), &["rlnTomoSubtomogramTilt"]);
    assert!(read(&star("", columns, &["0 0 0 0 90"])).is_ok());
    // Two tables of positions.
    let two = format!(
        "{}{}",
        star("", PLAIN, &["1 2 3"]).replace("particles", "a"),
        star("", PLAIN, &["1 2 3"]).replace("particles", "b")
    );
    assert_refused(read(&two), &["data_a, data_b"]);
    let flat = star("", "rlnCoordinateX rlnCoordinateY", &["1 2"]);
    assert_refused(read(&flat), &["its labels: rlnCoordinateX rlnCoordinateY"]);
}

/// RELION 5's two ways in, by its sources: the import of coordinates (import_coordinates.cpp, MetaDataTable::read
/// without a name) reads the first data block; extraction (ParticleSet::read) wants rlnTomoTiltSeriesPixelSize in the
/// optics where there are any, and rlnTomoName and coordinates of every particle.
fn relion_takes(text: &str) -> Result<usize, String> {
    let blocks: Vec<&str> = text.split("\ndata_").skip(1).collect();
    let rows = |block: &str| {
        let lines = block
            .lines()
            .skip(1)
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.filter(|line| !line.starts_with('_') && *line != "loop_").count()
    };
    let first = blocks.first().ok_or("no block")?;
    for label in [
        "_rlnCenteredCoordinateXAngst",
        "_rlnCenteredCoordinateYAngst",
        "_rlnCenteredCoordinateZAngst",
        "_rlnTomoName",
    ] {
        if !first.contains(label) {
            return Err(format!("the first block has no {label}"));
        }
    }
    let optics = blocks.iter().find(|block| block.starts_with("optics\n"));
    if optics.is_some_and(|block| rows(block) > 0 && !block.contains("_rlnTomoTiltSeriesPixelSize")) {
        return Err("rlnTomoTiltSeriesPixelSize missing from optics".into());
    }
    let particles = blocks
        .iter()
        .find(|block| block.starts_with("particles\n"))
        .ok_or("no particles")?;
    Ok(rows(particles))
}

#[test]
fn relion_5_takes_what_is_written() {
    let picks = POINTS.map(|[x, y, z]| Pick {
        position: [z, y, x],
        diameter_nm: 20.0,
        score: 0.5,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("TS_01_points.star");
    PickSet::new(picks.to_vec(), &geometry(), "TS_01")
        .write(&path, PickFormat::Star)
        .unwrap();
    assert_eq!(relion_takes(&std::fs::read_to_string(&path).unwrap()), Ok(3));
    // The rules tell right from wrong.
    if let Some(data) = field_files() {
        let read = |name: &str| std::fs::read_to_string(data.join("08_written_star_and_relion5").join(name)).unwrap();
        assert!(relion_takes(&read("TS_01_points.star")).is_err());
        assert_eq!(relion_takes(&read("without_optics.star")), Ok(16));
    }
    // RELION's own reader, where Debian's package is there.
    let program = std::process::Command::new("relion_star_printtable")
        .arg(&path)
        .args(["data_particles", "_rlnTomoName"])
        .output();
    match program {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["TS_01"; 3]);
        }
        Err(error) => eprintln!("skipped: relion_star_printtable: {error}"),
    }
}
