//! `tomocut ncut`.
use crate::started::{run, write_sample, Folder};

/// A bright square on a dark ground.
fn write_picture(path: &std::path::Path) {
    let picture = image::GrayImage::from_fn(64, 64, |x, y| {
        let inside = (16..48).contains(&x) && (16..48).contains(&y);
        image::Luma([40 + 160 * u8::from(inside) + (x * 7 + y * 13) as u8 % 16])
    });
    picture.save(path).unwrap();
}

#[test]
fn an_image_and_a_slice_are_cut() {
    let folder = Folder::new();
    write_picture(&folder.path("p.png"));
    let (input, out) = (folder.at("p.png"), folder.at("out"));
    let cut = [
        "--tokens",
        "16",
        "--segments",
        "3",
        "--levels",
        "0,1",
        "--out",
        &out,
        "--threads",
        "1",
    ];
    let answer = run(0, "ncut", &[&[&input[..]], &cut[..], &["--json"]].concat());
    assert!(answer.err.contains("3 segments; "), "{}", answer.err);
    let tree = answer.json();
    assert_eq!(
        (&tree["settings"]["working_tokens"], &tree["report"]["segments"]),
        (&16.into(), &3.into())
    );
    assert_eq!(tree["settings"]["levels"], serde_json::json!([0, 1]));
    assert_eq!(folder.names("out"), ["p_labels.png", "p_overlay.png", "p_tree.json"]);
    write_sample(&folder.path("sample.mrc"));
    let sample = folder.at("sample.mrc");
    let answer = run(0, "ncut", &[&[&sample[..]], &cut[..], &["--z", "7:8"]].concat());
    assert!(
        answer.out.starts_with(&format!("{sample}: 3 segments; ")),
        "{}",
        answer.out
    );
    assert!(folder.path("out/sample_labels.mrc").exists());
    let answer = run(2, "ncut", &[&input, "--z", "1:2"]);
    assert!(answer.err.contains("--z is for tomograms"), "{}", answer.err);
    run(3, "ncut", &[&folder.at("absent.png")]);
}
