//! Published networks beside the diffusion model, read from safetensors and run as their authors run them.

pub mod cpnet;
