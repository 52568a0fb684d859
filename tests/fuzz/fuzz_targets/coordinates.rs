//! Every reader of coordinates: errors, never a crash.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tomocut::picks::{read_labelled_csv, PickFormat, PickSet};
use tomocut::volume::Geometry;

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    // The second half of the choices: a volume with an origin, and beside the file Dynamo's list of tomograms.
    let mut geometry = Geometry::new([64, 128, 128], 10.0);
    let has_list = which & 128 != 0;
    if has_list {
        geometry.origin_angstrom = [-640.0, 0.0, 320.0];
    }
    tomocut_fuzz::in_file(rest, ".picks", |path| match PickFormat::ALL.get(which as usize % 8) {
        Some(PickFormat::Dynamo) if has_list => {
            let list = path.with_extension("doc");
            let _ = std::fs::write(&list, rest);
            let _ = PickSet::read(path, PickFormat::Dynamo, &geometry, "TS_01");
            let _ = std::fs::remove_file(&list);
        }
        Some(format) => {
            if let Ok(picks) = PickSet::read(path, *format, &geometry, "TS_01") {
                // What was read can be written in every other convention.
                for format in PickFormat::ALL {
                    let _ = picks.write(&path.with_file_name("written"), format);
                }
            }
        }
        None => drop(read_labelled_csv(path)),
    });
});
