//! Where the development data lie.

/// Their folder; none where they are not there, which is said.
pub fn data_folder() -> Option<std::path::PathBuf> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("TOMOCUT_DATA").map_or(beside, std::path::PathBuf::from);
    let is_there = folder.join("sim_pn_dev1").is_dir();
    if !is_there {
        eprintln!(
            "skipped: no sim_pn_dev1 in {}; TOMOCUT_DATA names the data folder",
            folder.display()
        );
    }
    is_there.then_some(folder)
}
