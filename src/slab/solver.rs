//! The eigenvector solver that the settings ask for.
use crate::spectral::{Adam, EigenSolver, Krylov};

use super::choices::SolverKind;
use super::options::SlabOptions;

/// The solver for attention of the network's `layers` (in order of execution); `stream` numbers its random draws.
pub fn eigen_solver(options: &SlabOptions, layers: &[usize], stream: u64) -> Box<dyn EigenSolver> {
    match options.solver {
        SolverKind::Adam => Box::new(Adam {
            n_vectors: options.n_eigenvectors,
            iterations: options.adam_iterations,
            accumulate: options.adam.accumulate,
            learning_rate: options.adam.learning_rate,
            reuse: options.adam.reuse,
            buffer_size: options.adam.buffer,
            buffered_from: buffered_from(layers, options.adam.first_buffered_layer),
            form: options.adam.form(),
            seed: options.seed ^ stream,
            ..Adam::default()
        }),
        SolverKind::Krylov => Box::new(Krylov {
            n_vectors: options.n_eigenvectors,
            draws: options.noise_draws,
            ..Krylov::default()
        }),
    }
}

/// Index, among `layers`, of the first one that is kept in the buffer.
fn buffered_from(layers: &[usize], first_buffered_layer: usize) -> usize {
    layers.iter().filter(|layer| **layer < first_buffered_layer).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_begins_by_the_place_in_the_network() {
        let all: Vec<usize> = (0..16).collect();
        assert_eq!(buffered_from(&all, 6), 6);
        assert_eq!(buffered_from(&[2, 5, 6, 15], 6), 2);
        assert_eq!(buffered_from(&[13, 14, 15], 6), 0);
        // None is late enough: the solver then keeps the set whole.
        assert_eq!(buffered_from(&[0, 1], 6), 2);
        assert_eq!(buffered_from(&all, 0), 0);
    }
}
