//! Which attention each iteration of the published recipe looks at (spec section 3.1).
use std::collections::VecDeque;

use crate::runtime::Generator;

/// What one iteration evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Number of the draw, counted from 0 in the order of drawing.
    pub draw: usize,
    /// Whether it comes out of the buffer, which holds the later layers only; otherwise it is fresh and whole.
    pub buffered: bool,
}

/// The looks of `iterations` iterations: once the buffer holds `buffer_size` entries, with probability `reuse` a random
/// entry of it, else a fresh draw, which then replaces the oldest entry.
pub(super) fn looks(iterations: usize, reuse: f64, buffer_size: usize, generator: &mut Generator) -> Vec<Look> {
    let mut buffer = VecDeque::new();
    let mut draws = 0;
    let mut looks = Vec::with_capacity(iterations);
    for _ in 0..iterations {
        let again = generator.chance(reuse);
        if again && buffer_size > 0 && buffer.len() == buffer_size {
            let entry = generator.integer(0, buffer_size as i64 - 1) as usize;
            looks.push(Look {
                draw: buffer[entry],
                buffered: true,
            });
            continue;
        }
        if buffer.len() == buffer_size {
            buffer.pop_front();
        }
        if buffer_size > 0 {
            buffer.push_back(draws);
        }
        looks.push(Look {
            draw: draws,
            buffered: false,
        });
        draws += 1;
    }
    looks
}

/// Windows of `looks` between optimiser steps: the first has one iteration more, because iteration 0 takes no step.
pub(super) fn windows(looks: &[Look], accumulate: usize) -> impl Iterator<Item = &[Look]> {
    let (first, rest) = looks.split_at(looks.len().min(accumulate + 1));
    std::iter::once(first).chain(rest.chunks(accumulate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_schedule() {
        let looks = looks(2001, 0.9, 1, &mut Generator::new(2, 0));
        let fresh = looks.iter().filter(|look| !look.buffered).count();
        assert!((150..260).contains(&fresh), "{fresh} fresh draws, about 201 expected");
        assert_eq!(
            looks[0],
            Look {
                draw: 0,
                buffered: false
            }
        );
        // A buffer of one always holds the latest draw.
        let mut latest = 0;
        for look in &looks {
            if look.buffered {
                assert_eq!(look.draw, latest);
            } else {
                latest = look.draw;
            }
        }
        let sizes: Vec<usize> = windows(&looks, 20).map(<[Look]>::len).collect();
        assert_eq!(
            (sizes.len(), sizes[0], sizes.iter().skip(1).all(|&n| n == 20)),
            (100, 21, true)
        );
    }

    #[test]
    fn a_larger_buffer_fills_first() {
        let looks = looks(50, 1.0, 3, &mut Generator::new(1, 0));
        assert!(looks[..3].iter().all(|look| !look.buffered) && looks[3..].iter().all(|look| look.buffered));
    }

    #[test]
    fn no_buffer_means_fresh_draws() {
        assert!(looks(20, 0.9, 0, &mut Generator::new(1, 0))
            .iter()
            .all(|look| !look.buffered));
    }
}
