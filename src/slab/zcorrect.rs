//! Consistency of canvases across z (the slab paper, section on z correction).
use ndarray::Array2;

use crate::image::{ssim, stretch_u8};

/// The neighbours must be this alike for the slice between them to count as an outlier (SSIM).
const ALIKE: f64 = 0.90;

/// And the slice must be less like either of them than this. The paper names only z + 1; the released code asks both.
const UNLIKE: f64 = 0.8;

/// Corrects the canvases of one tile position, in order of z, against their uncorrected neighbours.
///
/// With neighbours p and n of c: `0.5 p + 0.5 n` where c is an outlier between like neighbours, otherwise
/// `c + 0.5 p + 0.5 n`; then stretched to 0..=255. All three SSIMs use the range of p. The first and last slice stay as
/// they are, and so does a slice with a missing neighbour: a constant canvas carries nothing and counts as missing.
/// Canvases of differing shapes are left alone as well.
pub fn z_correct(canvases: &[Array2<u8>]) -> Vec<Array2<u8>> {
    let mut corrected = canvases.to_vec();
    for (window, result) in canvases.windows(3).zip(corrected.iter_mut().skip(1)) {
        let [p, c, n] = window else { continue };
        let range = span(p);
        if range == 0.0 || span(n) == 0.0 || p.dim() != c.dim() || n.dim() != c.dim() {
            continue;
        }
        let alike = |a: &Array2<u8>, b: &Array2<u8>| ssim(a.view(), b.view(), range);
        // The cheap answer first: most slices are not outliers.
        let outlier = alike(p, c) < UNLIKE && alike(n, c) < UNLIKE && alike(p, n) > ALIKE;
        let mut sum = Array2::from_shape_fn(c.dim(), |at| 0.5 * f32::from(p[at]) + 0.5 * f32::from(n[at]));
        if !outlier {
            sum.zip_mut_with(c, |sum, &c| *sum += f32::from(c));
        }
        let mixed = stretch_u8(sum.view());
        if span(&mixed) > 0.0 {
            *result = mixed;
        }
    }
    corrected
}

fn span(image: &Array2<u8>) -> f64 {
    let (low, high) = image.iter().fold((255, 0), |(low, high), &v| (v.min(low), v.max(high)));
    f64::from(high) - f64::from(low)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn wave(a: i64, b: i64, shift: i64) -> Array2<u8> {
        Array2::from_shape_fn((48, 48), |(y, x)| {
            ((a * x as i64 + b * y as i64 + shift) % 510 - 255).unsigned_abs() as u8
        })
    }

    #[test]
    fn agrees_with_the_oracle() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/image/zcorrect.json")).unwrap();
        let stacks = [
            ("flicker", [wave(9, 5, 0), wave(3, 31, 7), wave(9, 5, 2)]),
            ("agree", [wave(9, 5, 0), wave(9, 5, 1), wave(9, 5, 2)]),
            ("differ", [wave(9, 5, 0), wave(3, 31, 7), wave(29, 5, 2)]),
        ];
        for (name, stack) in stacks {
            let result = z_correct(&stack);
            assert_eq!(
                (&result[0], &result[2]),
                (&stack[0], &stack[2]),
                "{name}: the ends stay"
            );
            let row: Vec<u64> = result[1].row(20).iter().map(|&v| v.into()).collect();
            let expected: Vec<u64> = fixture[name]["row"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_u64().unwrap())
                .collect();
            assert_eq!(row, expected, "{name}");
            assert_eq!(
                result[1].iter().map(|&v| u64::from(v)).sum::<u64>(),
                fixture[name]["sum"].as_u64().unwrap()
            );
        }
    }

    #[test]
    fn reads_uncorrected_neighbours_and_survives_constants() {
        let stack = [wave(9, 5, 0), wave(9, 5, 40), wave(9, 5, 80), wave(9, 5, 120)];
        assert_eq!(z_correct(&stack)[2], z_correct(&stack[1..])[1]);
        let flat = Array2::from_elem((48, 48), 255);
        let stack = [flat.clone(), wave(9, 5, 0), wave(9, 5, 1)];
        assert_eq!(z_correct(&stack)[1], stack[1]);
        assert_eq!(z_correct(&[flat.clone(), flat.clone(), flat.clone()])[1], flat);
        assert!(z_correct(&[]).is_empty());
        assert_eq!(z_correct(std::slice::from_ref(&flat)).len(), 1);
    }
}
