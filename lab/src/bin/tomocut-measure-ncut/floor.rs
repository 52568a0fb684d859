//! What needs no model: k-means on grey level or colour with the place, and a grid of cells.
use ndarray::{Array2, Axis};
use tch::Tensor;
use tomocut::ncut::assign::argmax_enlarged;
use tomocut::ncut::kmeans::{lloyd, nearness, seeded_centres};
use tomocut::runtime::{Generator, Job};
use tomocut::Result;

use crate::data_sets::{resized, Sample};

/// Pixels that are clustered, as many as the presets have tokens: 64 squared.
const TOKENS: f64 = 4096.0;

/// Seed of the first centres.
const SEED: u64 = 42;

/// `count` clusters of pixels, at the image's rows and columns. A pixel of the reduced image is its levels, of unit
/// variance over the image, and its row and column over the longer side.
pub fn clusters(sample: &Sample, count: usize) -> Result<Array2<u32>> {
    let shape = sample.shape();
    let scale = (TOKENS / (shape.0 * shape.1) as f64).sqrt().min(1.0);
    let side = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
    let grid = (side(shape.0), side(shape.1));
    let small = resized(&sample.unit, grid);
    let deviation = small.std(0.0).max(1e-6);
    let longer = grid.0.max(grid.1) as f32;
    let mut values = Vec::new();
    for ((r, c), _) in small.index_axis(Axis(0), 0).indexed_iter() {
        values.extend(small.outer_iter().map(|plane| plane[[r, c]] / deviation));
        values.extend([r as f32 / longer, c as f32 / longer]);
    }
    let pixels = (grid.0 * grid.1) as i64;
    let data = Tensor::f_from_slice(&values)?.f_view([pixels, -1])?;
    let job = Job::quiet();
    let centres = seeded_centres(&data, count, &mut Generator::new(SEED, 0))?;
    let clusters = lloyd(&data, &centres, &job)?;
    argmax_enlarged(&nearness(&data, &clusters.centres)?, grid, shape, &job)
}

/// Two rows of four cells.
pub fn cells(shape: (usize, usize)) -> Array2<u32> {
    Array2::from_shape_fn(shape, |(r, c)| (2 * r / shape.0 * 4 + 4 * c / shape.1) as u32)
}
