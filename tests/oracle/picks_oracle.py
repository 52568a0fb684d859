"""Reads coordinate files with the packages of other programs' users, and makes the fixtures of tests/pick_formats.rs.

    python tests/oracle/picks_oracle.py read FOLDER      # what imodmodel, starfile, dynamotable and numpy see in
                                                         # FOLDER/points.{csv,star,tbl,mod,coords,json}, as JSON
    python tests/oracle/picks_oracle.py check FOLDER     # fails unless that agrees with tests/fixtures/picks/oracle.json
    python tests/oracle/picks_oracle.py make FOLDER      # the same into tests/fixtures/picks/oracle.json, together with
                                                         # FOLDER's files as the expected bytes
    python tests/oracle/picks_oracle.py samples DATA     # tests/fixtures/picks/samples.json from DATA/{imod_mod,star_tbl}

`cargo test --test pick_formats` writes FOLDER = target/pick_formats.
needs: pip install imodmodel==0.1.0 starfile==0.5.13 dynamotable==0.3.0 copick==1.31.0 pandas numpy
EMAN2 is on no package index: points.info.json is read here as its e2spt_boxer does since 2018-09.
"""
import json, math, os, shutil, sys
import dynamotable, imodmodel, numpy as np, pandas as pd, starfile
from copick.models import CopickPicksFile
from imodmodel.models import ImodModel

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures", "picks")


def rows(array):
    return [[round(float(v), 4) for v in row] for row in np.asarray(array, dtype=float)]


def read(folder):
    path = lambda ending: os.path.join(folder, "points." + ending)
    out = {}
    out["csv"] = rows(pd.read_csv(path("csv"))[["x", "y", "z", "x_angstrom", "y_angstrom", "z_angstrom", "diameter_nm", "score"]])
    particles = starfile.read(path("star"))
    out["star"] = rows(particles[["rlnCenteredCoordinate%sAngst" % a for a in "XYZ"] + ["rlnAutopickFigureOfMerit"]])
    out["star_name"] = sorted(set(particles["rlnTomoName"]))
    out["csv_name"] = sorted(set(pd.read_csv(path("csv"))["tomogram"]))
    table = dynamotable.read(path("tbl"))
    out["tbl"] = rows(table[["tag", "x", "y", "z", "cc", "apix"]])
    model = ImodModel.from_file(path("mod"))
    (thing,) = model.objects
    (contour,) = thing.contours
    out["mod"] = rows(contour.points)
    out["mod_radius"] = [round(float(v), 4) for v in contour.point_sizes]
    out["mod_value"] = [round(float(s.value), 4) for s in contour.extra]
    out["mod_max"] = [model.header.xmax, model.header.ymax, model.header.zmax]
    out["mod_scattered"] = thing.header.flags.scattered
    out["mod_pixel"] = [round(model.header.pixelsize, 4), model.header.units]
    out["mod_minx"] = rows([model.minx.cscale, model.minx.ctrans, model.minx.otrans])
    out["coords"] = np.loadtxt(path("coords"), dtype=int).tolist()
    with open(path("json")) as file:
        picks = CopickPicksFile(**json.load(file))
    out["copick"] = rows([[p.location.x, p.location.y, p.location.z, p.score] for p in picks.points])
    out["copick_names"] = [picks.pickable_object_name, picks.user_id, picks.session_id, picks.run_name, picks.unit]
    out["copick_trusted"] = [picks.trust_orientation, picks.voxel_spacing]
    with open(path("info.json")) as file:
        info = json.load(file)
    # Full-size voxels from the middle voxel of a tomogram of 301 x 200 x 128 voxels of 10 Angstrom.
    middle = [301 // 2, 200 // 2, 128 // 2]
    out["eman2"] = rows([[v / 10.0 * info["apix_unbin"] + m for v, m in zip(box, middle)] + [box[4]] for box in info["boxes_3d"]])
    out["eman2_class"] = info["class_list"]["0"]
    return out


def samples(data):
    out = {"mod": {}, "tbl": {}, "star": {}}
    folder = os.path.join(data, "imod_mod")
    for name in sorted(os.listdir(folder)):
        model = ImodModel.from_file(os.path.join(folder, name))
        points = [c.points for o in model.objects for c in o.contours]
        points = np.concatenate(points) if points else np.zeros((0, 3))
        out["mod"][name] = {"points": len(points), "sum": points.sum(0).tolist(), "first": points[0].tolist(), "last": points[-1].tolist(),
                            "extents": [model.header.xmax, model.header.ymax, model.header.zmax], "pixel": list(model.minx.cscale), "origin": list(model.minx.ctrans)}
    table = dynamotable.read(os.path.join(data, "star_tbl", "t_double.tbl"))
    table = table[table["tomo"] == 1]
    centre = table[["x", "y", "z"]].to_numpy() + table[["dx", "dy", "dz"]].to_numpy()
    out["tbl"]["t_double.tbl"] = {"points": len(table), "sum": centre.sum(0).tolist(), "first": centre[0].tolist(), "score": float(table["cc"].sum())}
    one = starfile.read(os.path.join(data, "star_tbl", "one_loop.star"))
    xyz = one[["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]].to_numpy(dtype=float)
    out["star"]["one_loop.star"] = {"points": len(xyz), "sum": xyz.sum(0).tolist(), "first": xyz[0].tolist()}
    return out


def save(name, value):
    os.makedirs(FIXTURES, exist_ok=True)
    with open(os.path.join(FIXTURES, name), "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


command, folder = sys.argv[1], sys.argv[2]
if command == "samples":
    save("samples.json", samples(folder))
elif command == "make":
    save("oracle.json", read(folder))
    for ending in ("csv", "star", "tbl", "mod", "coords", "json", "info.json"):
        shutil.copyfile(os.path.join(folder, "points." + ending), os.path.join(FIXTURES, "points." + ending))
else:
    found = read(folder)
    print(json.dumps(found, indent=1))
    if command == "check":
        with open(os.path.join(FIXTURES, "oracle.json")) as file:
            assert json.load(file) == found, "differs from oracle.json"
