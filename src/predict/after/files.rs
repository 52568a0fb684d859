//! All that is made of the volumes of one prediction.
use std::path::Path;

use super::map::ProbabilityMap;
use super::membranes::write_membranes;
use super::picking::find_picks;
use crate::networks::NetworkConfig;
use crate::picks::PickSet;
use crate::predict::membrane_options::{MembraneFile, MembraneOptions};
use crate::predict::options::PredictOptions;
use crate::predict::picking_options::PickingOptions;
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::volume::{Geometry, Tomogram};

/// What is made of a prediction, beside its volumes.
#[derive(Clone, Default)]
pub struct AfterNetwork<'a> {
    /// Molecules that are picked.
    pub picking: Option<PickingOptions>,
    /// Membranes that are made a mask and objects.
    pub membranes: Option<MembraneOptions>,
    /// A volume of the tomogram's extents, not 0 where no molecule should be counted.
    pub excluded: Option<&'a Tomogram>,
}

/// What [`after_network`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AfterResults {
    /// The molecules, where they were asked for.
    pub picks: Option<PickSet>,
    /// The number of membranes, where they were asked for.
    pub membranes: Option<u32>,
}

/// Where the maps of a prediction are.
pub struct MapSource<'a> {
    /// Opens the map of one output of the network.
    pub open: &'a dyn Fn(&str) -> Result<Tomogram>,
    /// What of a map's numbers is a probability of 1.
    pub certain: f32,
    /// The tomogram: its extents, and its voxel size.
    pub whole: &'a Geometry,
    /// Voxel (z, y, x) of the tomogram that the maps' first one is.
    pub first: [usize; 3],
    /// Name of the tomogram; files are named after it.
    pub name: &'a str,
}

impl MapSource<'_> {
    fn map<'a>(&'a self, volume: &'a Tomogram) -> ProbabilityMap<'a> {
        ProbabilityMap {
            volume,
            certain: self.certain,
            whole: self.whole,
            first: self.first,
            name: self.name,
        }
    }
}

impl<'a> AfterNetwork<'a> {
    /// What the settings of a prediction by `network` ask for.
    pub fn of(options: &PredictOptions, network: &NetworkConfig, excluded: Option<&'a Tomogram>) -> Self {
        Self {
            picking: options.picking.as_ref().map(|picking| picking.suited_to(network)),
            membranes: options.membranes.clone(),
            excluded,
        }
    }

    /// Whether nothing is asked for.
    pub fn is_nothing(&self) -> bool {
        self.picking.is_none() && self.membranes.is_none()
    }

    /// Refuses what cannot be done for a tomogram `whole` with a network of these `outputs`, by name.
    pub fn validate(&self, outputs: &[String], whole: &Geometry) -> Result<()> {
        self.maps(outputs)?;
        let lengths = match (&self.picking, &self.membranes) {
            (Some(_), _) => Some("picks"),
            (_, Some(m)) if m.closing().is_some() => Some("a closing"),
            (_, Some(m)) if !m.volumes().keep_all() => Some("volumes"),
            _ => None,
        };
        if let (Some(purpose), None) = (lengths, whole.voxel_nm()) {
            let allowed = format!("must be given for {purpose}: lengths are in nm");
            return Err(Error::argument("voxel_nm", "unknown", &allowed));
        }
        if let Some(picking) = &self.picking {
            picking.validate()?;
        }
        if let Some(membranes) = &self.membranes {
            membranes.validate()?;
            membranes.check_gap(whole.voxel_nm())?;
        }
        match self.excluded.map(Tomogram::geometry) {
            Some(excluded) if excluded.shape != whole.shape => {
                let allowed = format!("must be the tomogram's {:?}", whole.shape);
                Err(Error::argument("excluded", format!("{:?}", excluded.shape), &allowed))
            }
            _ => Ok(()),
        }
    }

    /// Names of the maps, among the `outputs` of a network, that are needed. Errors: there are no such outputs.
    pub fn maps<'o>(&self, outputs: &'o [String]) -> Result<Vec<&'o str>> {
        let mut maps = Vec::new();
        if let Some(picking) = &self.picking {
            maps.push(picking.output(outputs)?);
        }
        if let Some(membranes) = &self.membranes {
            maps.push(membranes.output(outputs)?);
        }
        maps.dedup();
        Ok(maps)
    }

    /// Names of the files that a tomogram `name` gets. Errors: as [`AfterNetwork::maps`].
    pub fn files(&self, outputs: &[String], name: &str) -> Result<Vec<String>> {
        let mut files = Vec::new();
        if let Some(picking) = &self.picking {
            files.extend(picking.formats.iter().map(|format| format.file_name(name)));
        }
        if let Some(membranes) = &self.membranes {
            let output = membranes.output(outputs)?;
            let names = [MembraneFile::Mask, MembraneFile::Objects]
                .into_iter()
                .filter(|file| membranes.files.contains(file))
                .map(|file| format!("{name}_{output}_{}.mrc", file.word()));
            files.extend(names);
        }
        Ok(files)
    }
}

/// Makes what `after` asks for out of the maps of a network of these `outputs`, and writes it into `folder`, each file
/// whole or not at all.
///
/// Errors: as [`find_picks`] and [`write_membranes`]; files that cannot be written. What was written before stays.
pub fn after_network(
    after: &AfterNetwork,
    outputs: &[String],
    maps: &MapSource,
    folder: &Path,
    memory: u64,
    job: &Job,
) -> Result<AfterResults> {
    after.validate(outputs, maps.whole)?;
    let mut results = AfterResults::default();
    let span = job.span();
    let part = |first: f64, end: f64| {
        let length = span.end - span.start;
        job.set_span(span.start + first * length..span.start + end * length);
    };
    let middle = match after.picking.is_some() && after.membranes.is_some() {
        true => 0.5,
        false => f64::from(u8::from(after.picking.is_some())),
    };
    if let Some(picking) = &after.picking {
        part(0.0, middle);
        let output = picking.output(outputs)?;
        let volume = (maps.open)(output)?;
        let picks = find_picks(&maps.map(&volume), output, picking, after.excluded, memory, job)?;
        job.enter(Stage::Write)?;
        for format in &picking.formats {
            picks.write(&folder.join(format.file_name(maps.name)), *format)?;
        }
        results.picks = Some(picks);
    }
    if let Some(membranes) = &after.membranes {
        part(middle, 1.0);
        let output = membranes.output(outputs)?;
        let volume = (maps.open)(output)?;
        let written = write_membranes(&maps.map(&volume), output, membranes, folder, memory, job)?;
        results.membranes = Some(written.count);
    }
    job.set_span(span);
    Ok(results)
}
