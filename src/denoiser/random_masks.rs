//! Shapes drawn at random: blobs, curved lines, ellipses and their outlines, walls between cells, spots, at every
//! scale.
use tch::{Device, Kind, Tensor};

use crate::runtime::{Generator, Result};

/// Share of the masks that are turned inside out.
const INVERTED: f64 = 0.15;

/// Share of the masks that are empty (or, inverted, full).
const EMPTY: f64 = 0.03;

/// `count` masks [count, 1, side, side] of 0 and 1.
pub(super) fn random_masks(count: usize, side: usize, gen: &mut Generator, device: Device) -> Result<Tensor> {
    let _guard = tch::no_grad_guard();
    let masks = (0..count).map(|_| mask(side as i64, gen)).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::f_stack(&masks, 0)?.f_to_device(device)?)
}

/// One mask [1, side, side].
fn mask(side: i64, gen: &mut Generator) -> Result<Tensor> {
    let kind = gen.integer(0, 5);
    let inside = match kind {
        0 => field(side, gen)?.f_gt(gen.uniform(-1.0, 1.0))?,
        1 => field(side, gen)?.f_abs()?.f_lt(gen.uniform(0.04, 0.35))?,
        2 => ellipses(side, false, gen)?,
        3 => ellipses(side, true, gen)?,
        4 => walls(side, gen)?,
        _ => spots(side, gen)?,
    };
    let mask = inside.f_to_kind(Kind::Float)?;
    let mask = if gen.chance(EMPTY) { mask.f_zeros_like()? } else { mask };
    Ok(match gen.chance(INVERTED) {
        true => mask.f_neg()?.f_add_scalar(1.0)?,
        false => mask,
    })
}

/// A smooth random field of deviation one, [1, side, side]: normal numbers on a coarse grid, cubic in between.
fn field(side: i64, gen: &mut Generator) -> Result<Tensor> {
    let nodes = (gen.uniform(3.0f64.ln(), (side as f64 / 5.0).max(4.0).ln()).exp()).round() as i64;
    let coarse = gen.normal_tensor(&[1, 1, nodes, nodes], Device::Cpu)?;
    let fine = coarse
        .f_upsample_bicubic2d([side, side], false, None, None)?
        .f_squeeze_dim(0)?;
    Ok(fine.f_div(&fine.f_std(true)?.f_clamp_min(1e-6)?)?)
}

/// One to eight ellipses, or their outlines two to six pixels thick, [1, side, side].
fn ellipses(side: i64, outline: bool, gen: &mut Generator) -> Result<Tensor> {
    let line = Tensor::f_arange(side, (Kind::Float, Device::Cpu))?;
    let (y, x) = (line.f_view([1, side, 1])?, line.f_view([1, 1, side])?);
    let mut inside = Tensor::f_zeros([1, side, side], (Kind::Bool, Device::Cpu))?;
    for _ in 0..gen.integer(1, 8) {
        let largest = side as f64 / 2.5;
        let mut radius = || gen.uniform(3.0f64.ln(), largest.ln()).exp();
        let (a, b) = (radius(), radius());
        let (cy, cx) = (gen.uniform(0.0, side as f64), gen.uniform(0.0, side as f64));
        let (sin, cos) = gen.uniform(0.0, std::f64::consts::PI).sin_cos();
        let (dy, dx) = (y.f_sub_scalar(cy)?, x.f_sub_scalar(cx)?);
        let along = dx.f_mul_scalar(cos / a)?.f_add(&dy.f_mul_scalar(sin / a)?)?;
        let across = dy.f_mul_scalar(cos / b)?.f_sub(&dx.f_mul_scalar(sin / b)?)?;
        let distance = along.f_square()?.f_add(&across.f_square()?)?.f_sqrt()?;
        let part = if outline {
            let half = gen.uniform(1.0, 3.0) / a.min(b);
            distance.f_sub_scalar(1.0)?.f_abs()?.f_lt(half)?
        } else {
            distance.f_lt(1.0)?
        };
        inside = inside.f_logical_or(&part)?;
    }
    Ok(inside)
}

/// Walls one to five pixels thick between the cells of random seeds, [1, side, side]: where the two nearest seeds are
/// about as far.
fn walls(side: i64, gen: &mut Generator) -> Result<Tensor> {
    let apart = gen.uniform(8.0f64.ln(), 40.0f64.ln()).exp();
    let seeds = ((side as f64 / apart).powi(2).round() as i64).max(2);
    let nearest = distances(side, seeds, gen)?.f_topk(2, 0, false, true)?.0;
    // Across a wall the difference of the distances changes by two a pixel where it lies between its seeds.
    let off = nearest.f_get(1)?.f_sub(&nearest.f_get(0)?)?;
    Ok(off.f_lt(gen.uniform(1.0, 5.0))?.f_unsqueeze(0)?)
}

/// Discs of one radius of 1.5 to 6 pixels, few or crowded, [1, side, side].
fn spots(side: i64, gen: &mut Generator) -> Result<Tensor> {
    let radius = gen.uniform(1.5, 6.0);
    let share = gen.uniform(0.01f64.ln(), 0.3f64.ln()).exp();
    let count = (share * (side * side) as f64 / (std::f64::consts::PI * radius * radius)).ceil() as i64;
    let nearest = distances(side, count.max(1), gen)?.f_amin([0].as_slice(), false)?;
    Ok(nearest.f_lt(radius)?.f_unsqueeze(0)?)
}

/// Of every pixel the distances to `count` places drawn at random, [count, side, side].
fn distances(side: i64, count: i64, gen: &mut Generator) -> Result<Tensor> {
    let line = Tensor::f_arange(side, (Kind::Float, Device::Cpu))?;
    let mut along = || -> Result<Tensor> {
        let places = gen.uniform_tensor(0.0, side as f32, &[count, 1], Device::Cpu)?;
        Ok(line.f_view([1, side])?.f_sub(&places)?.f_square()?)
    };
    let (y, x) = (along()?, along()?);
    Ok(y.f_unsqueeze(2)?.f_add(&x.f_unsqueeze(1)?)?.f_sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_two_values_and_differ() {
        let masks = random_masks(24, 64, &mut Generator::new(1, 0), Device::Cpu).unwrap();
        assert_eq!(masks.size(), [24, 1, 64, 64]);
        let odd = masks.ne(0.0).logical_and(&masks.ne(1.0)).any();
        assert!(!bool::try_from(odd).unwrap());
        let shares: Vec<f64> = (0..24)
            .map(|n| masks.get(n).mean(Kind::Double).double_value(&[]))
            .collect();
        assert!(
            shares.iter().filter(|s| (0.02..0.98).contains(*s)).count() > 18,
            "{shares:?}"
        );
        let again = random_masks(24, 64, &mut Generator::new(1, 0), Device::Cpu).unwrap();
        assert!(masks.equal(&again));
    }
}
