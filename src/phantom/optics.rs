//! The microscope's transfer functions.

/// Acceleration voltage in volts.
const VOLTAGE: f64 = 300e3;
/// Spherical aberration in Angstrom (2.7 mm).
const SPHERICAL_ABERRATION: f64 = 2.7e7;

/// Relativistic electron wavelength in Angstrom at `voltage` volts: 12.2643 / sqrt(V + 0.978466e-6 V^2).
pub fn wavelength_angstrom(voltage: f64) -> f64 {
    12.2643 / (voltage + 0.978466e-6 * voltage * voltage).sqrt()
}

/// Contrast transfer at 300 kV, -1..=1 and positive at the lowest frequencies, for a frequency in 1/Angstrom, an
/// underfocus in Angstrom and the phase shift of a phase plate in degrees.
///
/// chi = pi lambda dz q^2 - pi/2 Cs lambda^3 q^4 + phase shift; CTF = sqrt(1 - A^2) sin chi + A cos chi
/// (Mindell and Grigorieff 2003, eq. 1-3, sign dropped; with the phase shift as Rohou and Grigorieff 2015, eq. 3).
pub fn contrast_transfer(
    frequency: f64,
    defocus_angstrom: f64,
    amplitude_contrast: f64,
    phase_shift_degrees: f64,
) -> f64 {
    let lambda = wavelength_angstrom(VOLTAGE);
    let q2 = frequency * frequency;
    let chi =
        std::f64::consts::PI * lambda * q2 * (defocus_angstrom - 0.5 * SPHERICAL_ABERRATION * lambda * lambda * q2)
            + phase_shift_degrees.to_radians();
    let phase = (1.0 - amplitude_contrast * amplitude_contrast).max(0.0).sqrt();
    phase * chi.sin() + amplitude_contrast * chi.cos()
}

/// Exposure in electrons per square Angstrom after which the signal at `frequency` (1/Angstrom) has fallen to 1/e:
/// 0.245 q^-1.665 + 2.81 (Grant and Grigorieff 2015, eq. 3, at 300 kV).
pub fn critical_exposure(frequency: f64) -> f64 {
    0.245 * frequency.max(1e-6).powf(-1.665) + 2.81
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wavelength_at_300_kv_is_the_tabulated_one() {
        assert!((wavelength_angstrom(300e3) - 0.019687).abs() < 2e-6);
    }

    #[test]
    fn transfer_starts_at_the_amplitude_contrast_and_has_its_first_zero_where_chi_is_pi() {
        assert!((contrast_transfer(0.0, 3e4, 0.1, 0.0) - 0.1).abs() < 1e-12);
        let lambda = wavelength_angstrom(300e3);
        let zero = (1.0 / (lambda * 3e4)).sqrt();
        assert!(contrast_transfer(zero, 3e4, 0.0, 0.0).abs() < 0.02);
        assert!(contrast_transfer(zero / 2f64.sqrt(), 3e4, 0.0, 0.0) > 0.99);
        assert!(contrast_transfer(1.2 * zero, 3e4, 0.0, 0.0) < -0.5);
        // A phase plate of 90 degrees passes the lowest frequencies whole.
        assert!((contrast_transfer(0.0, 3e4, 0.0, 90.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn exposure_spares_low_frequencies() {
        assert!(critical_exposure(0.01) > 300.0);
        assert!((critical_exposure(0.5) - 3.587).abs() < 0.02);
    }
}
