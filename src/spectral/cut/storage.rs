//! Where the weights of a graph lie.
use tch::{Device, Kind, Tensor};

use super::device_weights::DeviceWeights;
use super::host_weights::HostWeights;
use super::weights::{check_fits, Weights};
use crate::runtime::Result;

/// Takes over a checked `[n, n]` matrix where it lies: into plain memory from the CPU, as it is from a device.
pub(super) fn weights_of(matrix: Tensor) -> Result<Box<dyn Weights>> {
    let _guard = tch::no_grad_guard();
    let (n, _) = matrix.size2()?;
    let matrix = matrix.f_detach()?.f_to_kind(Kind::Float)?;
    if matrix.device() == Device::Cpu {
        check_fits(n as usize)?;
        let values = Vec::try_from(matrix.f_reshape([-1])?)?;
        Ok(Box::new(HostWeights::new(n as usize, values)))
    } else {
        Ok(Box::new(DeviceWeights::new(matrix.f_contiguous()?)))
    }
}
