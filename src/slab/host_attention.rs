//! The slab's eigenvector solver on attention that did not come from a slab: any transformer's queries and keys.
use ndarray::ArrayView3;
use tch::{Device, Tensor};

use crate::diffusion::AttentionTap;
use crate::runtime::{Error, Job, Result, Stage};
use crate::settings::Settings;
use crate::spectral::{AttentionSet, FixedAttention};
use crate::tensors::from_array;

use super::options::SlabOptions;
use super::solver::eigen_solver;
use super::tile_attention::attention_layer;

/// A self-attention layer that a host brings, number `index` of its network: `query` and `key` (heads, tokens, dim),
/// tokens row-major on a grid of `rows`. Errors: tokens that are no whole columns of that grid. Shapes and values are
/// checked where the layer is used.
pub fn host_layer(
    index: usize,
    query: ArrayView3<f32>,
    key: ArrayView3<f32>,
    rows: usize,
    device: Device,
) -> Result<AttentionTap> {
    let tokens = query.dim().1;
    if rows == 0 || !tokens.is_multiple_of(rows) {
        let allowed = format!("must divide the number of tokens, {tokens}");
        return Err(Error::argument(&format!("rows[{index}]"), rows, &allowed));
    }
    Ok(AttentionTap {
        index,
        name: format!("layer {index}"),
        grid: (rows, tokens / rows),
        query: from_array(query)?.f_to_device(device)?,
        key: from_array(key)?.f_to_device(device)?,
        output: None,
        cross_query: None,
    })
}

/// Rows and columns of the finest grid among the `layers` that `options` use: that of their eigenvectors. Errors: no
/// such layer.
pub fn finest_grid(layers: &[&AttentionTap], options: &SlabOptions) -> Result<(usize, usize)> {
    let used = layers.iter().filter(|tap| options.uses_layer(tap.index));
    used.map(|tap| tap.grid)
        .max_by_key(|(rows, columns)| rows * columns)
        .ok_or_else(|| {
            Error::argument(
                "layers",
                format!("{:?}", options.layers),
                "must name layers that are there",
            )
        })
}

/// Eigenvectors [C, rows, columns] shared by the `layers` of one image, as [`super::segment`] solves for those of a
/// tile: by the solver of `options` with its settings, on [`finest_grid`], orthonormal, leading first. With attention
/// that is given there is one draw.
///
/// Errors: settings out of range; what [`crate::spectral::EigenSolver::solve`] refuses.
pub fn attention_eigenvectors(layers: &[&AttentionTap], options: &SlabOptions, job: &Job) -> Result<Tensor> {
    options.validate()?;
    let grid = finest_grid(layers, options)?;
    job.enter(Stage::Eigenvectors)?;
    let used: Vec<&AttentionTap> = layers
        .iter()
        .copied()
        .filter(|tap| options.uses_layer(tap.index))
        .collect();
    let numbers: Vec<usize> = used.iter().map(|tap| tap.index).collect();
    let layers = used.into_iter().map(attention_layer).collect::<Result<_>>()?;
    let mut given = FixedAttention(AttentionSet { layers });
    Ok(eigen_solver(options, &numbers, 0).solve(&mut given, grid, job)?.vectors)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4};

    use super::*;
    use crate::slab::{Preset, SolverKind};
    use crate::tensors::to_array;

    /// Tokens of a 6 x 8 grid whose left and right halves attend to themselves: 2 heads of 4 numbers.
    fn halves(index: usize, rows: usize, columns: usize) -> AttentionTap {
        let own = Array4::from_shape_fn((2, rows, columns, 4), |(_, _, column, d)| {
            let side = usize::from(2 * column >= columns);
            if d == side {
                6.0
            } else {
                0.0
            }
        });
        let own = own.into_shape_with_order((2, rows * columns, 4)).unwrap();
        host_layer(index, own.view(), own.view(), rows, Device::Cpu).unwrap()
    }

    fn options(solver: SolverKind) -> SlabOptions {
        SlabOptions {
            solver,
            n_eigenvectors: 2,
            adam_iterations: 400,
            ..SlabOptions::new(Preset::Default)
        }
    }

    fn solve(layers: &[&AttentionTap], options: &SlabOptions) -> Array3<f32> {
        to_array(&attention_eigenvectors(layers, options, &Job::quiet()).unwrap()).unwrap()
    }

    #[test]
    fn the_eigenvectors_tell_what_attends_to_itself() {
        let (fine, coarse) = (halves(0, 6, 8), halves(3, 3, 4));
        let krylov: Array3<f32> = solve(&[&coarse, &fine], &options(SolverKind::Krylov));
        assert_eq!(krylov.dim(), (2, 6, 8));
        // Both eigenvalues are 1: together the two span what is constant on each half.
        for ((c, row, column), value) in krylov.indexed_iter() {
            let half = krylov[[c, 0, if column < 4 { 0 } else { 7 }]];
            assert!((value - half).abs() < 1e-4, "{c} {row} {column}: {value}, {half}");
        }
        let product = |a: usize, b: usize| {
            (0..2)
                .map(|i| krylov[[a, 0, 7 * i]] * krylov[[b, 0, 7 * i]])
                .sum::<f32>()
        };
        assert!((24.0 * product(0, 0) - 1.0).abs() < 1e-4 && product(0, 1).abs() < 1e-5);
    }

    #[test]
    fn both_solvers_and_a_choice_of_layers_are_taken_from_the_settings() {
        let (fine, coarse) = (halves(0, 6, 8), halves(3, 3, 4));
        let adam = options(SolverKind::Adam);
        assert_eq!(solve(&[&fine, &coarse], &adam).dim(), (2, 6, 8));
        let last = SlabOptions {
            layers: vec![3],
            ..options(SolverKind::Krylov)
        };
        assert_eq!(solve(&[&fine, &coarse], &last).dim(), (2, 3, 4));
        let none = SlabOptions {
            layers: vec![5],
            ..last
        };
        let text = attention_eigenvectors(&[&fine], &none, &Job::quiet())
            .unwrap_err()
            .to_string();
        assert!(text.contains("layers is [5]"), "{text}");
    }

    #[test]
    fn bad_attention_is_named() {
        let key = Array3::<f32>::zeros((2, 48, 4));
        let text = host_layer(1, key.view(), key.view(), 7, Device::Cpu)
            .unwrap_err()
            .to_string();
        assert_eq!(text, "rows[1] is 7, must divide the number of tokens, 48");
        let shorter = Array3::<f32>::zeros((2, 48, 3));
        let odd = host_layer(0, key.view(), shorter.view(), 6, Device::Cpu).unwrap();
        let text = attention_eigenvectors(&[&odd], &options(SolverKind::Krylov), &Job::quiet());
        assert!(text.unwrap_err().to_string().starts_with("layers[0].key is"));
    }
}
