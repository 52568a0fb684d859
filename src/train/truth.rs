//! Truth in bytes, as labelled volumes and phantoms keep it.
use ndarray::Array3;

/// What a certain structure is in the truth's bytes.
pub(crate) const CERTAIN: u8 = 250;
/// Standard deviation of the Gaussian around a molecule's centre, in units of its diameter; at least [`LEAST_SPREAD`]
/// voxels.
const CENTRE_SPREAD: f64 = 0.18;
const LEAST_SPREAD: f64 = 0.8;

/// Raises `map` (z, y, x), 0 to `CERTAIN`, to a Gaussian about `centre`, of a molecule of `diameter` voxels.
pub(crate) fn mark_centre(map: &mut Array3<u8>, centre: [f64; 3], diameter: f64) {
    let sigma = (CENTRE_SPREAD * diameter).max(LEAST_SPREAD);
    let reach = 3.0 * sigma;
    let shape = map.dim();
    let span = |axis: usize, n: usize| {
        let from = (centre[axis] - reach).ceil().max(0.0) as usize;
        let to = (centre[axis] + reach).floor().clamp(-1.0, n as f64 - 1.0);
        from..(to + 1.0) as usize
    };
    for z in span(0, shape.0) {
        for y in span(1, shape.1) {
            for x in span(2, shape.2) {
                let squares: f64 = [z, y, x].iter().zip(centre).map(|(i, p)| (*i as f64 - p).powi(2)).sum();
                let value = (f64::from(CERTAIN) * (-0.5 * squares / (sigma * sigma)).exp()).round() as u8;
                map[[z, y, x]] = map[[z, y, x]].max(value);
            }
        }
    }
}
