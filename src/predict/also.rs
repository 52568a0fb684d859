//! Labels and molecules into what others keep: the tomogram's own OME-Zarr folder, a copick project.
use std::path::PathBuf;

use super::after::AfterResults;
use super::options::{Output, PredictOptions};
use crate::picks::PickFormat;
use crate::runtime::{Error, Job, Result};
use crate::volume::{
    label_image_path, write_blocks_as_zarr, write_label_image, BlockFile, CopickProject, CopickRun, Geometry, Tomogram,
};

/// Where else the results of a tomogram go.
pub(super) struct AlsoWritten<'a> {
    /// The image in whose folder the labels go, and their name there.
    image: Option<(PathBuf, &'a str)>,
    /// The run of a copick project, and whether it gets picks.
    copick: Option<(CopickRun, bool)>,
    files: Vec<PathBuf>,
}

impl<'a> AlsoWritten<'a> {
    /// What the settings ask for. Errors: a tomogram that is no OME-Zarr image; no labels among the outputs; an unknown
    /// voxel size, after which copick names its files; no project.
    pub fn of(options: &'a PredictOptions, tomogram: &Tomogram) -> Result<Self> {
        let mut also = Self {
            image: None,
            copick: None,
            files: Vec::new(),
        };
        let asks = options.labels_image.is_some() || options.copick.is_some();
        if asks && !options.outputs.contains(&Output::Labels) {
            return Err(Error::argument(
                "outputs",
                "without labels",
                "must hold labels, which are to be written elsewhere",
            ));
        }
        if let Some(name) = &options.labels_image {
            let path = tomogram.path().ok_or_else(|| {
                Error::argument(
                    "labels_image",
                    name,
                    "must be null for a tomogram in memory: it has no folder",
                )
            })?;
            also.files.push(label_image_path(path, name)?);
            also.image = Some((path.to_path_buf(), name));
        }
        if let Some(project) = &options.copick {
            let project = CopickProject::open(project.as_ref())?;
            let run = project.run(tomogram.name(), tomogram.geometry())?;
            let has_picks = options.picking.is_some();
            also.files.push(run.segmentation());
            if has_picks {
                also.files.push(run.picks());
            }
            also.copick = Some((run, has_picks));
        }
        Ok(also)
    }

    /// The files and folders.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Their names in the record of results: whole paths, which joined to the folder stay what they are.
    pub fn names(&self) -> Vec<String> {
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        self.files
            .iter()
            .map(|path| whole(path).to_string_lossy().into_owned())
            .collect()
    }

    /// Writes the finished `labels`, whose classes from 1 on are `classes`, and the molecules that were found.
    pub fn write(
        &self,
        (labels, geometry): (&BlockFile, &Geometry),
        classes: &[String],
        results: &AfterResults,
        job: &Job,
    ) -> Result<()> {
        if let Some((image, name)) = &self.image {
            write_label_image(labels, (image, name), geometry, classes, job)?;
        }
        if let Some((run, has_picks)) = &self.copick {
            run.make_folders()?;
            write_blocks_as_zarr(labels, &run.segmentation(), geometry, "labels", job)?;
            if let (true, Some(picks)) = (has_picks, &results.picks) {
                picks.write(&run.picks(), PickFormat::Copick)?;
            }
        }
        Ok(())
    }
}
