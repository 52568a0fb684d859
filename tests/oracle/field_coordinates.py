"""Where the picks of coordinate files lie, by the packages of other programs' users and the published conventions.

    python tests/oracle/field_coordinates.py kinds        # tests/fixtures/picks/kinds: small files and kinds.json
    python tests/oracle/field_coordinates.py field DATA   # tests/fixtures/picks/field_files.json from DATA/field_files

Answers are x, y, z in voxels, the centre of the first voxel being 0, of a tomogram of 56 x 40 x 24 voxels of 10 A called
TS_01. Nothing of tomocut is used. RELION: position = coordinate - A(rot, tilt, psi) origin (ParticleSet::getPosition),
A = Rz(psi) Ry(tilt) Rz(rot) of turned axes, centred coordinates from n / 2. IMOD: x and y from pixel edges, z from centres;
Angstrom of a model are p * cscale - ctrans (MINX). Dynamo: x + dx - 1, column 20 by its list.
needs: pip install imodmodel==0.1.0 starfile==0.5.13 dynamotable==0.3.0 pandas numpy
"""
import io, json, os, sys
import dynamotable, numpy as np, pandas as pd, starfile
from imodmodel.models import ImodModel

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures", "picks")
EXTENT = np.array([56.0, 40.0, 24.0])
VOXEL = 10.0


def turned(rot, tilt, psi):
    rot, tilt, psi = np.radians([rot, tilt, psi])
    about_z = lambda t: np.array([[np.cos(t), np.sin(t), 0], [-np.sin(t), np.cos(t), 0], [0, 0, 1]])
    about_y = lambda t: np.array([[np.cos(t), 0, -np.sin(t)], [0, 1, 0], [np.sin(t), 0, np.cos(t)]])
    return about_z(psi) @ about_y(tilt) @ about_z(rot)


def mine(name):
    return os.path.basename(str(name)).split(".")[0] == "TS_01"


def star(path):
    blocks = starfile.read(path, always_dict=True)
    table = next(b for b in blocks.values() if "rlnCenteredCoordinateXAngst" in b or "rlnCoordinateX" in b)
    table = pd.DataFrame([table]) if isinstance(table, dict) else table
    optics = blocks.get("optics")
    optics = pd.DataFrame([optics]) if isinstance(optics, dict) else optics
    name = next((c for c in ("rlnTomoName", "rlnMicrographName") if c in table), None)
    out = []
    for _, row in table.iterrows():
        if name and not mine(row[name]):
            continue
        group = {}
        if optics is not None:
            own = optics[optics["rlnOpticsGroup"] == row["rlnOpticsGroup"]] if "rlnOpticsGroup" in row else optics
            group = own.iloc[0]
        origin = np.array([float(row.get(f"rlnOrigin{a}Angst", 0)) for a in "XYZ"])
        angles = [float(row.get("rlnTomoSubtomogram" + a, 0)) for a in ("Rot", "Tilt", "Psi")]
        moved = turned(*angles) @ origin
        if "rlnCenteredCoordinateXAngst" in row:
            at = np.array([float(row[f"rlnCenteredCoordinate{a}Angst"]) for a in "XYZ"])
            out.append((at - moved) / VOXEL + EXTENT / 2)
        else:
            at = np.array([float(row["rlnCoordinate" + a]) for a in "XYZ"])
            pixel = group.get("rlnTomoTiltSeriesPixelSize", None)
            if pixel is None and "rlnDetectorPixelSize" in row:
                pixel = row["rlnDetectorPixelSize"] * 1e4 / row.get("rlnMagnification", 1e4)
            out.append((at * (VOXEL if pixel is None else float(pixel)) - moved) / VOXEL)
    return out


def model(path):
    read = ImodModel.from_file(path)
    scale, origin = np.array(read.minx.cscale), np.array(read.minx.ctrans)
    things = [o for o in read.objects if o.header.flags.scattered] or read.objects
    points = np.concatenate([c.points for o in things for c in o.contours])
    return list((points * scale - origin) / VOXEL - [0.5, 0.5, 0.0])


def table(path):
    list_of_files = path.replace(".tbl", ".doc")
    rows = dynamotable.read(path, list_of_files if os.path.exists(list_of_files) else None)
    rows = rows[[mine(name) for name in rows["tomo_file"]]] if "tomo_file" in rows else rows
    return list(rows[["x", "y", "z"]].to_numpy() + rows[["dx", "dy", "dz"]].to_numpy() - 1)


def csv(path):
    text = open(path, encoding="utf-8-sig").read()
    sign = ";" if ";" in text else ","
    header = None if text.lstrip('"')[0].isdigit() else 0
    rows = pd.read_csv(io.StringIO(text), sep=sign, header=header, decimal="," if sign == ";" and "," in text else ".")
    if header is None:
        return list(rows.to_numpy()[:, :3])
    if "axis-0" in rows:
        return list(rows[["axis-2", "axis-1", "axis-0"]].to_numpy())
    if "experiment" in rows:
        rows = rows[rows["experiment"] == "TS_01"]
    if "x_angstrom" in rows and "x" not in rows:
        return list(rows[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy() / VOXEL)
    return list(rows[["x", "y", "z"]].to_numpy())


READERS = {".star": star, ".mod": model, ".tbl": table, ".csv": csv}


def answers(folder, names):
    points = {}
    for name in names:
        read = READERS[os.path.splitext(name)[1]](os.path.join(folder, name))
        points[name] = [[round(float(v), 4) for v in p] for p in read]
    return points


def save(path, value):
    with open(path, "w") as file:
        rows = [f" {json.dumps(name)}: {json.dumps(points)}" for name, points in value.items()]
        file.write("{\n" + ",\n".join(rows) + "\n}\n")


def kinds():
    folder = os.path.join(FIXTURES, "kinds")
    os.makedirs(folder, exist_ok=True)
    at = lambda name: os.path.join(folder, name)
    draw = np.random.default_rng(15)
    true = draw.uniform([2, 2, 2], EXTENT - 3, (4, 3)).round(2)
    # A refinement of turned sub-tomograms.
    angles = draw.uniform(-180, 180, (4, 3)).round(1)
    origins = draw.uniform(-40, 40, (4, 3)).round(2)
    moved = np.array([turned(*a) @ o for a, o in zip(angles, origins)])
    rows = {"rlnTomoName": ["TS_01"] * 4}
    for k, a in enumerate("XYZ"):
        rows[f"rlnCenteredCoordinate{a}Angst"] = ((true - EXTENT / 2) * VOXEL + moved)[:, k].round(4)
        rows[f"rlnOrigin{a}Angst"] = origins[:, k]
    for k, a in enumerate(("Rot", "Tilt", "Psi")):
        rows["rlnTomoSubtomogram" + a] = angles[:, k]
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnTomoTiltSeriesPixelSize": [1.25], "rlnImagePixelSize": [5.0]})
    starfile.write({"optics": optics, "particles": pd.DataFrame({**rows, "rlnOpticsGroup": [1] * 4})}, at("turned.star"))
    # RELION 4: pixels of two tilt series' sizes.
    pixels = np.array([1.25, 1.25, 2.5, 2.5])
    rows = {"rlnTomoName": ["TS_01"] * 4, "rlnOpticsGroup": [1, 1, 2, 2]}
    for k, a in enumerate("XYZ"):
        rows["rlnCoordinate" + a] = (true[:, k] * VOXEL / pixels + origins[:, k] / pixels).round(5)
        rows[f"rlnOrigin{a}Angst"] = origins[:, k]
    optics = pd.DataFrame({"rlnOpticsGroup": [1, 2], "rlnTomoTiltSeriesPixelSize": [1.25, 2.5]})
    starfile.write({"optics": optics, "particles": pd.DataFrame(rows)}, at("two_groups.star"))
    # Dynamo, three tomograms and their list.
    tomograms = ["/a/TS_03.rec", "/a/TS_01.rec", "/a/TS_02.rec", "/a/TS_01.rec"]
    rows = {"x": true[:, 0] + 1 - 0.5, "y": true[:, 1] + 1, "z": true[:, 2] + 1, "dx": [0.5] * 4}
    rows |= {"tomo": [3, 1, 2, 1], "tomo_file": tomograms, "apix": [VOXEL] * 4}
    dynamotable.write(pd.DataFrame(rows), at("three_tomograms.tbl"))
    # Spreadsheets.
    pd.DataFrame(true, columns=["x", "y", "z"]).to_csv(at("german.csv"), sep=";", decimal=",", index=False)
    pd.DataFrame(true * VOXEL, columns=["x_angstrom", "y_angstrom", "z_angstrom"]).to_csv(at("angstrom.csv"))
    names = ["turned.star", "two_groups.star", "three_tomograms.tbl", "german.csv", "angstrom.csv"]
    save(os.path.join(FIXTURES, "kinds.json"), answers(folder, names))
    found = json.load(open(os.path.join(FIXTURES, "kinds.json")))
    for name in names:
        expected = true[[1, 3]] if name.endswith(".tbl") else true
        assert np.abs(np.array(found[name]) - expected).max() < 1e-3, name


if sys.argv[1] == "kinds":
    kinds()
else:
    folder = os.path.join(sys.argv[2], "field_files")
    names = [
        "04_relion_origin_shifts/b1_refined.star",
        "05_coordinates_in_other_pixels/b2_unbinned.star",
        "05_coordinates_in_other_pixels/b2b_warp_pixel.star",
        "06_picks_of_other_tomograms/b3_micrograph.star",
        "07_tomogram_name_never_matches/b3b_tomoname_ext.star",
        "07_tomogram_name_never_matches/two_tomos.star",
        "09_star_rows_lost_after_blank_or_comment/b5_blank_mid.star",
        "09_star_rows_lost_after_blank_or_comment/b5_comment_mid.star",
        "10_star_single_particle_block/b4_simple_block.star",
        "11_imod_model_of_another_volume/m_plain.mod",
        "11_imod_model_of_another_volume/m_on_slab.mod",
        "11_imod_model_of_another_volume/m_on_bin2.mod",
        "11_imod_model_of_another_volume/m_two_objects.mod",
        "14_csv_of_excel_napari_python/b11_napari.csv",
        "14_csv_of_excel_napari_python/b12_bom.csv",
        "14_csv_of_excel_napari_python/b12_bom_noheader.csv",
        "14_csv_of_excel_napari_python/b12_quoted.csv",
        "14_csv_of_excel_napari_python/b12_semicolon.csv",
    ]
    save(os.path.join(FIXTURES, "field_files.json"), answers(folder, names))
