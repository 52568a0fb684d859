//! What `--help` prints, and the defaults that it states.

/// Least intersection over union of two matching boxes: the slab paper's rule (Uddin et al. 2026).
pub const BOX_IOU: f64 = 0.3;

pub const HELP: &str = "\
tomocut-evaluate --labels FILE --truth-labels FILE [options]
tomocut-evaluate --points FILE --truth-points FILE --diameter-nm D [options]
tomocut-evaluate --truth-masks DIR --scores DIR [--images DIR] [options]

Prints how well a segmented slab agrees with the truth and, with --tomogram, what
a Gaussian blur with a threshold and Laplacian-of-Gaussian peaks reach on the same slices.

Predictions
  --labels FILE            label volume of the slab: 0 background, 1 membrane, 2 molecule, 3 filament
  --score FILE             score volume of the slab: how much a voxel looks like structure
  --membrane-score FILE    score volume of the slab: how much it looks like membrane
  --molecule-score FILE    score volume of the slab: how much it looks like molecule
  --points FILE            molecule positions (.csv, .star, .tbl, .mod, .coords, copick .json, EMAN2 info.json)
Truth, of the whole tomogram or of the same slab
  --truth-labels FILE      label volume; every label above 0 is foreground
  --label-table FILE       CSV with the columns label,class: membrane, particle, filament; others are
                           foreground, and neither right nor wrong as one of these
  --membrane-labels A,B    labels that are membrane (instead of the table)
  --molecule-labels A,B    labels that are molecules (instead of the table)
  --filament-labels A,B    labels that are filaments (instead of the table)
  --truth-points FILE      positions: x,y,z or x_vox,y_vox,z_vox in 0-based voxels of the whole tomogram
  --truth-point-label A,B  only the points with these labels
Matching and floors
  --tomogram FILE          the tomogram: its voxel size counts, and the floors come from it
  --bright                 structures are brighter than their surroundings
  --diameter-nm D          diameter of the molecules
  --match-nm R             largest distance of a hit (default: half the diameter)
  --match-voxels R         the same in voxels
  --box-iou T              the other rule: cubes of the diameter share at least T of their union
                           (default: 0.3, the rule of the slab paper)
  --at-picks A,B           precision and recall of the A and of the B best-scored picks as well
  --z A:B                  slices of the tomogram to score, where no label volume tells them
Single pictures (.png, .tif or .mrc of one slice), paired by name: a.tif, a.mrc and a_score.mrc belong together
  --truth-masks DIR        what is true in each picture
  --scores DIR             scores of the same size
  --images DIR             the pictures themselves: what a line filter reaches on them is the floor
  --mask-above V           a pixel of a mask is true above V (default: 127, in .mrc files 0)
Output
  --json[=FILE]            JSON instead of the table, or JSON into a file beside it
  --html FILE              one page with the figures, curves and pictures of slices
  --slices N               slices or pictures shown in that page (default: 3)
Both volumes are placed by NZSTART. Exit codes: 0 done, 1 a file is unfit, 2 wrong usage.
";
