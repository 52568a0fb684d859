//! Consistency of canvases across z (the slab paper, section on z correction).
use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::{ssim, stretch_u8};

/// When a canvas is an outlier between its neighbours, and how canvases are smoothed along z.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZConsistency {
    /// SSIM that the two neighbours must exceed for the slice between them to be an outlier.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub alike: f64,
    /// SSIM to a neighbour below which a slice is an outlier.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub unlike: f64,
    /// Whether an outlier must be unlike both neighbours, as in the released code; else unlike the next slice, as the
    /// paper says.
    pub both_neighbours: bool,
    /// Whether corrected canvases are stretched to 0..=255, as in the released code.
    pub stretch: bool,
}

impl Default for ZConsistency {
    /// The released code's.
    fn default() -> Self {
        Self {
            alike: 0.90,
            unlike: 0.8,
            both_neighbours: true,
            stretch: true,
        }
    }
}

impl ZConsistency {
    /// The paper's words.
    pub fn paper() -> Self {
        Self {
            both_neighbours: false,
            stretch: false,
            ..Self::default()
        }
    }
}

/// Corrects the canvases of one tile position, in order of z, against their uncorrected neighbours.
///
/// With neighbours p and n of c: `0.5 p + 0.5 n` where c is an outlier between like neighbours, otherwise
/// `0.5 c + 0.25 p + 0.25 n`, cut to whole grey levels (the released code's weights 1, 0.5, 0.5 are the same once
/// stretched). All three SSIMs use the range of p. The first and last slice stay as they are, and so does a slice
/// without a canvas (`None`) or beside one; a constant canvas carries nothing and counts as none. Canvases of differing
/// shapes are left alone as well.
pub fn z_correct(canvases: &[Option<Array2<u8>>], rule: &ZConsistency) -> Vec<Option<Array2<u8>>> {
    let mut corrected = canvases.to_vec();
    for (window, result) in canvases.windows(3).zip(corrected.iter_mut().skip(1)) {
        let [Some(p), Some(c), Some(n)] = window else { continue };
        let range = span(p);
        if range == 0.0 || span(n) == 0.0 || p.dim() != c.dim() || n.dim() != c.dim() {
            continue;
        }
        let alike = |a: &Array2<u8>, b: &Array2<u8>| ssim(a.view(), b.view(), range);
        // The cheap answer first: most slices are not outliers.
        let outlier = alike(n, c) < rule.unlike
            && (!rule.both_neighbours || alike(p, c) < rule.unlike)
            && alike(p, n) > rule.alike;
        let own = if outlier { 0.0 } else { 0.5 };
        let others = 0.5 * (1.0 - own);
        let mixed = Array2::from_shape_fn(c.dim(), |at| {
            own * f32::from(c[at]) + others * (f32::from(p[at]) + f32::from(n[at]))
        });
        let mixed = if rule.stretch {
            stretch_u8(mixed.view())
        } else {
            mixed.mapv(|v| v as u8)
        };
        if span(&mixed) > 0.0 {
            *result = Some(mixed);
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
            let result = corrected(&stack);
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

    fn corrected(stack: &[Array2<u8>]) -> Vec<Array2<u8>> {
        let stack: Vec<_> = stack.iter().cloned().map(Some).collect();
        let result = z_correct(&stack, &ZConsistency::default());
        result.into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn reads_uncorrected_neighbours_and_survives_constants() {
        let stack = [wave(9, 5, 0), wave(9, 5, 40), wave(9, 5, 80), wave(9, 5, 120)];
        assert_eq!(corrected(&stack)[2], corrected(&stack[1..])[1]);
        let flat = Array2::from_elem((48, 48), 255);
        let stack = [flat.clone(), wave(9, 5, 0), wave(9, 5, 1)];
        assert_eq!(corrected(&stack)[1], stack[1]);
        assert_eq!(corrected(&[flat.clone(), flat.clone(), flat.clone()])[1], flat);
        assert!(corrected(&[]).is_empty());
        assert_eq!(corrected(std::slice::from_ref(&flat)).len(), 1);
    }

    #[test]
    fn a_missing_canvas_stays_missing_and_leaves_its_neighbours_alone() {
        let stack = [Some(wave(9, 5, 0)), None, Some(wave(9, 5, 2)), Some(wave(9, 5, 3))];
        assert_eq!(z_correct(&stack, &ZConsistency::default()), stack);
    }

    #[test]
    fn the_papers_words_ask_the_next_slice_and_do_not_stretch() {
        // Neighbours alike; the slice is unlike the next one by its words, and a mix of all where it agrees.
        let (p, n) = (wave(9, 5, 0), wave(9, 5, 2));
        let mean = Array2::from_shape_fn(p.dim(), |at| ((f32::from(p[at]) + f32::from(n[at])) / 2.0) as u8);
        let paper = |c: &Array2<u8>| {
            let stack = [Some(p.clone()), Some(c.clone()), Some(n.clone())];
            z_correct(&stack, &ZConsistency::paper()).swap_remove(1).unwrap()
        };
        assert_eq!(paper(&wave(3, 31, 7)), mean);
        let c = wave(9, 5, 1);
        let smooth = Array2::from_shape_fn(p.dim(), |at| {
            (0.5 * f32::from(c[at]) + 0.25 * f32::from(p[at]) + 0.25 * f32::from(n[at])) as u8
        });
        assert_eq!(paper(&c), smooth);
        // Like the one before and unlike the next: an outlier by the paper's words, none by the code's.
        let next = Array2::from_shape_fn(p.dim(), |at| {
            (f32::from(p[at]) * 0.6 + f32::from(wave(3, 31, 7)[at]) * 0.4) as u8
        });
        let stack = [Some(p.clone()), Some(p.clone()), Some(next)];
        let rule = |both_neighbours| ZConsistency {
            alike: -1.0,
            both_neighbours,
            ..ZConsistency::paper()
        };
        let (both, one) = (z_correct(&stack, &rule(true)), z_correct(&stack, &rule(false)));
        assert_ne!(both, one);
    }
}
