//! What a tomogram is.
use std::path::Path;

use serde_json::json;
use tomocut::runtime::Job;
use tomocut::volume::{FileDescription, Geometry, Tomogram};

use super::Description;
use crate::exit::{Exit, Failure, OrExit};

/// Voxels that are read at most to say their range.
const MOST_VOXELS: usize = 64 << 20;

pub fn describe(path: &Path, header_only: bool) -> Result<Description, Failure> {
    let file = FileDescription::read(path).or_exit(Exit::BadInput)?;
    let mut description = Description::new(format!("tomogram, {}", file.format));
    let [nz, ny, nx] = file.geometry.shape;
    description.fact("shape", format!("{nx} x {ny} x {nz} (x, y, z)"));
    let mut voxels = file.voxels.clone();
    if let Some(mode) = file.mode {
        voxels += &format!(", mode {mode}");
    }
    for word in [file.byte_order, file.packed].into_iter().flatten() {
        voxels += &format!(", {word}");
    }
    description.fact("voxels", voxels);
    geometry(&file.geometry, &mut description);
    if !file.is_in_order {
        description.odd("columns, rows and sections are not x, y and z: programs that expect it see another volume");
    }
    for warning in &file.warnings {
        description.odd(warning.as_str());
    }
    let is_whole = length(&file, &mut description);
    if is_whole && !header_only {
        values(path, &mut description)?;
    }
    if !file.geometry.labels.is_empty() {
        description.fact("labels", json!(file.geometry.labels));
    }
    Ok(description)
}

fn geometry(geometry: &Geometry, description: &mut Description) {
    let [z, y, x] = geometry.voxel_angstrom;
    let unequal = (x - y).abs() > 1e-3 * x.max(y) || (x - z).abs() > 1e-3 * x.max(z);
    description.fact(
        "voxel_size",
        match (x, unequal) {
            _ if [x, y, z].contains(&0.0) => "unknown".to_owned(),
            (x, false) => format!("{:.4} nm", x / 10.0),
            _ => format!("{:.4} x {:.4} x {:.4} nm (x, y, z)", x / 10.0, y / 10.0, z / 10.0),
        },
    );
    description.fact(
        "voxel_nm",
        json!([z, y, x].map(|edge| (edge > 0.0).then_some(edge / 10.0))),
    );
    description.fact("shape_zyx", json!(geometry.shape));
    let [oz, oy, ox] = geometry.origin_angstrom;
    if [oz, oy, ox] != [0.0; 3] {
        description.fact("origin", format!("{ox}, {oy}, {oz} Angstrom (x, y, z)"));
    }
    if geometry.start != [0; 3] {
        let [z, y, x] = geometry.start;
        description.fact(
            "start",
            format!("{x}, {y}, {z} (x, y, z), of the volume that it was cut from"),
        );
    }
    if [x, y, z].contains(&0.0) {
        description.odd("the voxel size is unknown: give it by --voxel-nm");
    }
    let [nz, ny, nx] = geometry.shape;
    if nz > nx.max(ny) {
        description.odd(
            "z is the longest axis: y and z may be swapped, as reconstructions of IMOD have them before trimvol -yz",
        );
    }
}

/// Whether every voxel is there.
fn length(file: &FileDescription, description: &mut Description) -> bool {
    let (Some(bytes), Some(expected)) = (file.bytes, file.expected_bytes) else {
        return true;
    };
    description.fact("bytes", bytes);
    if file.packed.is_some() || bytes == expected {
        return true;
    }
    let (word, difference) = if bytes < expected {
        ("shorter", expected - bytes)
    } else {
        ("longer", bytes - expected)
    };
    description.odd(format!(
        "the file is {difference} bytes {word} than its header says, {expected}"
    ));
    bytes > expected
}

/// Range and moments of the voxels, of evenly spread slices where there are many.
fn values(path: &Path, description: &mut Description) -> Result<(), Failure> {
    let tomogram = Tomogram::open(path, &Job::quiet()).or_exit(Exit::BadInput)?;
    let [nz, ny, nx] = tomogram.geometry().shape;
    let taken = (MOST_VOXELS / (ny * nx).max(1)).clamp(1, nz);
    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
    let (mut sum, mut squares, mut count, mut unsound) = (0.0_f64, 0.0_f64, 0_u64, 0_u64);
    for n in 0..taken {
        let z = n * nz / taken;
        let slice = tomogram.read_slices_as_stored(z..z + 1).or_exit(Exit::BadInput)?;
        for &value in &slice {
            if !value.is_finite() {
                unsound += 1;
                continue;
            }
            (least, most) = (least.min(value), most.max(value));
            let value = f64::from(value);
            sum += value;
            squares += value * value;
            count += 1;
        }
    }
    if count > 0 {
        let mean = sum / count as f64;
        let deviation = (squares / count as f64 - mean * mean).max(0.0).sqrt();
        let of = if taken == nz {
            String::new()
        } else {
            format!(" (of {taken} of {nz} slices)")
        };
        description.fact(
            "values",
            format!(
                "{} to {}, mean {}, deviation {}{of}",
                super::significant(f64::from(least)),
                super::significant(f64::from(most)),
                super::significant(mean),
                super::significant(deviation)
            ),
        );
        description.fact("min", f64::from(least));
        description.fact("max", f64::from(most));
        description.fact("mean", mean);
        description.fact("deviation", deviation);
        if least == most {
            description.odd("all voxels have the same value");
        }
    }
    if unsound > 0 {
        description.odd(format!("{unsound} voxels are not finite"));
    }
    Ok(())
}
