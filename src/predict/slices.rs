//! The tomogram's slices, read ahead by a thread of their own, in the network's grey scale.
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::thread::Scope;

use ndarray::{Array2, Array3};
use tch::{Device, Tensor};

use crate::networks::GreyScale;
use crate::runtime::{Error, Result};
use crate::tensors::from_slice;
use crate::volume::Tomogram;

/// Slices read at a time.
pub const CHUNK: usize = 8;

/// What the reading thread sends: the first slice's number, and the slices.
type Chunk = Result<(usize, Array3<f32>)>;

/// The slices that the next windows need; each is read once.
pub struct SliceWindow {
    chunks: Receiver<Chunk>,
    held: VecDeque<(usize, Array2<f32>)>,
}

impl SliceWindow {
    /// Starts a thread in `scope` that reads the slices of `ranges`, ascending, and scales them.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        tomogram: &'scope Tomogram,
        scale: GreyScale,
        ranges: Vec<Range<usize>>,
    ) -> Self {
        // One chunk waits while the next is read.
        let (sender, chunks) = sync_channel(1);
        scope.spawn(move || read_all(tomogram, scale, &ranges, &sender));
        Self {
            chunks,
            held: VecDeque::new(),
        }
    }

    /// Lets go of the slices below `z.start` and waits for those of `z`. The ranges asked for must not go back.
    pub fn advance(&mut self, z: &Range<usize>) -> Result<()> {
        while self.held.front().is_some_and(|(number, _)| *number < z.start) {
            self.held.pop_front();
        }
        while self.held.back().is_none_or(|(number, _)| number + 1 < z.end) {
            let ended = || Error::Internal(format!("the reader ended before slice {}", z.end));
            let (first, slices) = self.chunks.recv().map_err(|_| ended())??;
            for (offset, slice) in slices.outer_iter().enumerate() {
                if first + offset >= z.start {
                    self.held.push_back((first + offset, slice.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The box (z, y, x) as a tensor [1, z, y, x]; its slices must have been asked for.
    pub fn block(&self, [z, y, x]: &[Range<usize>; 3], device: Device) -> Result<Tensor> {
        let mut voxels = Vec::with_capacity(z.len() * y.len() * x.len());
        for (number, slice) in &self.held {
            if z.contains(number) {
                for row in slice.slice(ndarray::s![y.clone(), x.clone()]).outer_iter() {
                    voxels.extend(row.iter().copied());
                }
            }
        }
        let shape = [1, z.len(), y.len(), x.len()];
        if voxels.len() != z.len() * y.len() * x.len() {
            return Err(Error::Internal(format!("slices {z:?} are not at hand")));
        }
        Ok(from_slice(&voxels, shape)?.f_to_device(device)?)
    }
}

fn read_all(tomogram: &Tomogram, scale: GreyScale, ranges: &[Range<usize>], sender: &SyncSender<Chunk>) {
    for range in ranges {
        for first in range.clone().step_by(CHUNK) {
            let read = tomogram.read_slices(first..(first + CHUNK).min(range.end));
            let failed = read.is_err();
            // The other end is gone once the prediction has failed or was cancelled.
            let unheard = sender.send(read.map(|slices| (first, scale.apply(slices)))).is_err();
            if failed || unheard {
                return;
            }
        }
    }
}

/// Joins `ranges`, whose starts ascend, into ranges that do not touch.
pub fn joined(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}
