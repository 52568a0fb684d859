use std::path::Path;
use tomocut::{diffusion::*, runtime::*, slab::*, volume::*};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let job = Job::new(CancelToken::default(), Logger::new(|_, t, m| eprintln!("{t}: {m}")));
    let model =
        DiffusionModel::from_safetensors_bytes(&std::fs::read(&a[1]).unwrap(), &LoadOptions::default()).unwrap();
    let tomo = Tomogram::open(Path::new(&a[2]), &job).unwrap();
    let mut o = SlabOptions::new(Preset::Default, 0..1);
    o.tiling = Tiling::Quadrants;
    if a[5] != "auto" {
        o.timestep = TimestepRule::Fixed(a[5].parse().unwrap());
    }
    if a.len() > 7 {
        o.tile_cells = a[7].parse().unwrap();
        o.tiling = Tiling::Overlapping(a[8].parse().unwrap());
    }
    if a.len() > 6 && a[6] != "all" {
        o.layers = a[6].split(',').map(|x| x.parse().unwrap()).collect();
    }
    for z in a[4].split(',') {
        let t = std::time::Instant::now();
        dump_slice(
            &model,
            &tomo,
            z.parse().unwrap(),
            &o,
            Path::new(&format!("{}/{z}.safetensors", a[3])),
            &job,
        )
        .unwrap();
        eprintln!("{z} {:?} {:?}", t.elapsed(), job.stage_times());
    }
}
