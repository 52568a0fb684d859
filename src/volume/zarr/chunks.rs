//! Which chunks of an array are there: a copy that broke off leaves an array that reads as zeros.
use std::collections::HashSet;
use std::fs;
use std::path::Path;

use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;

/// Chunks that are looked for at most, one by one: more are counted as files.
const MOST: u64 = 1 << 20;

/// What is to be told where chunks of the array in `folder` are missing. A chunk that was never written holds the fill
/// value by the specification; of a sharded array the shards are counted.
pub(super) fn missing(array: &Array<FilesystemStore>, folder: &Path) -> Option<String> {
    let grid = array.chunk_grid_shape().to_vec();
    let all = grid
        .iter()
        .try_fold(1_u64, |all, n| all.checked_mul(*n))
        .filter(|all| *all > 0)?;
    let mut files = HashSet::new();
    collect(folder, &mut String::new(), &mut files, grid.len() + 1);
    let present = if all <= MOST {
        let mut index = vec![0_u64; grid.len()];
        let mut present = 0;
        for _ in 0..all {
            present += u64::from(files.contains(array.chunk_key(&index).as_str()));
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < grid[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        present
    } else {
        all.min(files.len() as u64)
    };
    let missing = all - present;
    (missing > 0).then(|| {
        let share = 100.0 * missing as f64 / all as f64;
        format!("{missing} of {all} chunks ({share:.1} %) are missing, their voxels read as the fill value")
    })
}

/// Paths of the files below `folder` that may be chunks, relative to the array, with slashes.
fn collect(folder: &Path, within: &mut String, files: &mut HashSet<String>, depth: usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let before = within.len();
        if before > 0 {
            within.push('/');
        }
        within.push_str(name);
        let is_folder = entry.path().is_dir();
        if is_folder && depth > 0 {
            collect(&entry.path(), within, files, depth - 1);
        } else if !is_folder && name != super::node::NODE_3 {
            files.insert(within.clone());
        }
        within.truncate(before);
    }
}
