use std::path::Path;
use tomocut::{diffusion::*, runtime::*, slab::*, volume::*};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let job = Job::new(CancelToken::default(), Logger::new(|_, t, m| eprintln!("{t}: {m}")));
    let model =
        DiffusionModel::from_safetensors_bytes(&std::fs::read(&a[1]).unwrap(), &LoadOptions::default()).unwrap();
    let tomo = Tomogram::open(Path::new(&a[2]), &job).unwrap();
    let z: Vec<usize> = a[4].split(':').map(|x| x.parse().unwrap()).collect();
    let mut o = SlabOptions::new(Preset::from_name(&a[5]).unwrap(), z[0]..z[1]);
    if a.len() > 6 && a[6] != "auto" {
        o.timestep = TimestepRule::Fixed(a[6].parse().unwrap());
    }
    if a.len() > 7 {
        o.layers = a[7].split(',').map(|x| x.parse().unwrap()).collect();
    }
    if a.len() > 8 {
        o.solver = SolverKind::Krylov;
    }
    let seg = segment(&model, &tomo, &o, &job).unwrap();
    println!("{}", serde_json::to_string_pretty(&seg.report).unwrap());
    println!(
        "{:?}",
        write_outputs(&seg, &tomo, Path::new(&a[3]), "s", true, &job).unwrap()
    );
}
