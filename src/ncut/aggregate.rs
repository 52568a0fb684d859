//! Self-attention of several resolutions as one random walk on the finest token grid (DiffSeg, Tian et al., CVPR 2024).
use tch::{Kind, Tensor};

use crate::diffusion::AttentionTap;
use crate::runtime::{Error, Job, Result};

/// Numbers of attention computed at once, over all heads: a few MiB, so that a cancel is heard in between.
const BLOCK_ELEMENTS: i64 = 1 << 22;

/// Attention of `taps` as one row-stochastic matrix P, `[N, N]` float32, on the finest grid among them (rows, columns;
/// N = rows * columns, row-major).
///
/// DiffSeg's aggregation (`aggregate_weights`), for grids of any shape: heads and layers of one resolution are
/// averaged; the key axis, seen as an image, is enlarged bilinearly (half-pixel centres) to the finest grid and divided
/// by its sum; the query axis is repeated (nearest); resolutions are added with weights proportional to sqrt(h w), the
/// side of a square grid, which sum to one. The mean over heads and layers instead of DiffSeg's sum is the same after
/// the division.
///
/// Memory: N^2 floats and one block of rows. Errors: no taps; a cancel; too little memory.
pub fn aggregate(taps: &[AttentionTap], job: &Job) -> Result<(Tensor, (usize, usize))> {
    let finest = taps
        .iter()
        .map(|tap| tap.grid)
        .max_by_key(|(rows, cols)| rows * cols)
        .ok_or_else(|| Error::argument("attention layers", "none", "must be at least one"))?;
    let mut grids: Vec<(usize, usize)> = taps.iter().map(|tap| tap.grid).collect();
    grids.sort_unstable_by(|a, b| b.cmp(a));
    grids.dedup();
    let side = |grid: (usize, usize)| ((grid.0 * grid.1) as f64).sqrt();
    let sides: f64 = grids.iter().map(|&grid| side(grid)).sum();
    let (rows, cols) = (finest.0 as i64, finest.1 as i64);
    let device = taps.first().map_or(tch::Device::Cpu, |tap| tap.query.device());
    let walk = Tensor::f_zeros([rows, cols, rows * cols], (Kind::Float, device))?;
    for (index, &grid) in grids.iter().enumerate() {
        let layers: Vec<&AttentionTap> = taps.iter().filter(|tap| tap.grid == grid).collect();
        add_resolution(&walk, &layers, grid, finest, side(grid) / sides, job)?;
        job.advance((index + 1) as f64 / grids.len() as f64)?;
    }
    Ok((walk.f_view([rows * cols, rows * cols])?, finest))
}

/// Adds `weight` times the mean attention of `layers`, all on `grid`, to `walk` `[H, W, H W]` on `finest`, one block of
/// rows of the coarse grid at a time.
fn add_resolution(
    walk: &Tensor,
    layers: &[&AttentionTap],
    grid: (usize, usize),
    finest: (usize, usize),
    weight: f64,
    job: &Job,
) -> Result<()> {
    let (rows, cols) = (grid.0 as i64, grid.1 as i64);
    let (fine_rows, fine_cols) = (finest.0 as i64, finest.1 as i64);
    let heads = layers
        .iter()
        .map(|tap| tap.query.size().first().copied().unwrap_or(1))
        .max()
        .unwrap_or(1);
    // Coarse column of every fine column: nearest repetition.
    let columns: Vec<i64> = (0..fine_cols).map(|c| c * cols / fine_cols).collect();
    let columns = Tensor::f_from_slice(&columns)?.f_to_device(walk.device())?;
    let coarse_row = |fine: i64| fine * rows / fine_rows;
    let grid_rows = (BLOCK_ELEMENTS / (heads * cols * rows * cols).max(1)).clamp(1, rows);
    let mut first = 0;
    while first < rows {
        job.check()?;
        let count = grid_rows.min(rows - first);
        let block = mean_attention(layers, first * cols..(first + count) * cols)?;
        let keys = enlarge_keys(&block, grid, finest)?.f_mul_scalar(weight)?;
        let keys = keys
            .f_view([count, cols, fine_rows * fine_cols])?
            .f_index_select(1, &columns)?;
        for fine in (0..fine_rows).filter(|&fine| (first..first + count).contains(&coarse_row(fine))) {
            let source = keys.f_select(0, coarse_row(fine) - first)?;
            let _ = walk.f_select(0, fine)?.f_add_(&source)?;
        }
        first += count;
    }
    Ok(())
}

/// Mean over heads and layers of the attention of queries `rows`, `[rows, N]`; every layer counts alike.
fn mean_attention(layers: &[&AttentionTap], rows: std::ops::Range<i64>) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for tap in layers {
        let mean = tap.probabilities(rows.clone())?.f_mean_dim(0, false, Kind::Float)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&mean)?,
            None => mean,
        });
    }
    let sum = sum.ok_or_else(|| Error::Internal("a resolution without layers".into()))?;
    Ok(sum.f_div_scalar(layers.len() as f64)?)
}

/// Key planes `[n, h w]` enlarged to the finest grid, each row summing to one, `[n, H W]`.
fn enlarge_keys(block: &Tensor, grid: (usize, usize), finest: (usize, usize)) -> Result<Tensor> {
    let (n, _) = block.size2()?;
    let planes = if grid == finest {
        block.shallow_clone()
    } else {
        block
            .f_view([n, 1, grid.0 as i64, grid.1 as i64])?
            .f_upsample_bilinear2d([finest.0 as i64, finest.1 as i64], false, None, None)?
            .f_view([n, (finest.0 * finest.1) as i64])?
    };
    let sums = planes.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
    Ok(planes.f_div(&sums)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;
    use tch::Device;

    fn tap(index: usize, grid: (usize, usize), heads: i64, generator: &mut Generator) -> AttentionTap {
        let shape = [heads, (grid.0 * grid.1) as i64, 6];
        let mut draw = || generator.normal_tensor(&shape, Device::Cpu).unwrap() * 1.5;
        AttentionTap {
            index,
            name: format!("layer {index}"),
            grid,
            query: draw(),
            key: draw(),
            output: None,
            cross_query: None,
        }
    }

    /// Entry by entry, from the definition.
    fn plain(taps: &[AttentionTap], finest: (usize, usize)) -> Vec<Vec<f64>> {
        let mut grids: Vec<_> = taps.iter().map(|t| t.grid).collect();
        grids.sort();
        grids.dedup();
        let total: f64 = grids.iter().map(|g| ((g.0 * g.1) as f64).sqrt()).sum();
        let n = finest.0 * finest.1;
        let mut walk = vec![vec![0.0; n]; n];
        for grid in grids {
            let here: Vec<_> = taps.iter().filter(|t| t.grid == grid).collect();
            let tokens = grid.0 * grid.1;
            let mut mean = vec![vec![0.0; tokens]; tokens];
            for tap in &here {
                let p = tap.probabilities(0..tokens as i64).unwrap();
                let heads = p.size()[0];
                for (i, row) in mean.iter_mut().enumerate() {
                    for (j, value) in row.iter_mut().enumerate() {
                        for h in 0..heads {
                            *value += p.double_value(&[h, i as i64, j as i64]) / heads as f64;
                        }
                    }
                }
            }
            let weight = ((grid.0 * grid.1) as f64).sqrt() / total;
            let sample = |plane: &[f64], y: usize, x: usize| {
                let at = |fine: usize, big: usize, small: usize| {
                    let position = ((fine as f64 + 0.5) * small as f64 / big as f64 - 0.5).max(0.0);
                    let low = (position.floor() as usize).min(small - 1);
                    (low, (low + 1).min(small - 1), position - low as f64)
                };
                let ((y0, y1, fy), (x0, x1, fx)) = (at(y, finest.0, grid.0), at(x, finest.1, grid.1));
                let v = |r: usize, c: usize| plane[r * grid.1 + c];
                (1.0 - fy) * ((1.0 - fx) * v(y0, x0) + fx * v(y0, x1)) + fy * ((1.0 - fx) * v(y1, x0) + fx * v(y1, x1))
            };
            for (i, row) in walk.iter_mut().enumerate() {
                let (y, x) = (i / finest.1, i % finest.1);
                let query = (y * grid.0 / finest.0) * grid.1 + x * grid.1 / finest.1;
                let plane: Vec<f64> = (0..n)
                    .map(|j| sample(&mean[query], j / finest.1, j % finest.1))
                    .collect();
                let sum: f64 = plane.iter().sum();
                row.iter_mut().zip(&plane).for_each(|(w, p)| *w += weight * p / sum);
            }
        }
        walk
    }

    #[test]
    fn the_walk_is_the_definition_and_its_rows_sum_to_one() {
        let mut generator = Generator::new(5, 0);
        let mut draw = |index, grid, heads| tap(index, grid, heads, &mut generator);
        // Halved twice, once rounding up; two layers with other head counts on the middle grid.
        let taps = [
            draw(0, (6, 10), 2),
            draw(1, (3, 5), 3),
            draw(2, (3, 5), 1),
            draw(3, (2, 3), 2),
        ];
        let (walk, grid) = aggregate(&taps, &Job::quiet()).unwrap();
        assert_eq!((grid, walk.size()), ((6, 10), vec![60, 60]));
        let sums = walk.sum_dim_intlist([1_i64].as_slice(), false, Kind::Double) - 1.0;
        assert!(sums.abs().max().double_value(&[]) < 1e-6);
        for (i, row) in plain(&taps, grid).iter().enumerate() {
            for (j, expected) in row.iter().enumerate() {
                let value = walk.double_value(&[i as i64, j as i64]);
                assert!((value - expected).abs() < 1e-6, "({i}, {j}): {value} and {expected}");
            }
        }
    }

    #[test]
    fn one_resolution_is_the_mean_over_heads_and_none_is_refused() {
        let taps = [tap(0, (4, 4), 3, &mut Generator::new(1, 0))];
        let (walk, _) = aggregate(&taps, &Job::quiet()).unwrap();
        let mean = taps[0].probabilities(0..16).unwrap().mean_dim(0, false, Kind::Float);
        assert!(walk.allclose(&mean, 1e-5, 1e-7, false));
        assert!(aggregate(&[], &Job::quiet())
            .unwrap_err()
            .to_string()
            .contains("at least one"));
    }
}
