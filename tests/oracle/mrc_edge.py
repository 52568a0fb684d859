"""What mrcfile reads from odd MRC files, as the fixture tests/fixtures/volume/mrc_edge.json.

    python tests/oracle/mrc_edge.py DATA_FOLDER > tests/fixtures/volume/mrc_edge.json

needs: pip install mrcfile==1.5.4 numpy. Arrays are turned to (z, y, x) by MAPC, MAPR, MAPS. mrcfile reads every mode-0
file as signed; where the header's own range (0..255, above 127) contradicts that, the bytes are taken as unsigned.
"""
import glob, json, os, sys, warnings
import mrcfile, numpy as np

warnings.simplefilter("ignore")
folder = sys.argv[1]
files = sorted(glob.glob(os.path.join(folder, "mrc_edge", "*")))
files += [os.path.join(folder, n) for n in ("real_tardis_mt/mrc3D.mrc", "real_tilt/cryocat_tilt_stack.mrc",
                                            "polnet_10A/1bxn.mrc", "real_empiar11658_tomo9/tomo9.mrc.gz")]
rows = []
for path in files:
    row = {"file": os.path.relpath(path, folder), "readable": False}
    try:
        with mrcfile.open(path, permissive=True) as m:
            data, h = m.data, m.header
            if data is not None:
                if h.mode == 0 and 0 <= h.dmin and 127 < h.dmax <= 255:
                    data = data.view(np.uint8)
                data = data.reshape((1,) * (3 - data.ndim) + data.shape)
                axis = [int(h.maps), int(h.mapr), int(h.mapc)]
                data = data.transpose([axis.index(a) for a in (3, 2, 1)]).astype(np.float64)
                starts = dict(zip([int(h.mapc), int(h.mapr), int(h.maps)], [int(h.nxstart), int(h.nystart), int(h.nzstart)]))
                picks = [tuple(int((n - 1) * f) for n in data.shape) for f in (0, 0.3, 0.5, 0.77, 1)]
                row.update(
                    readable=True, shape=list(data.shape), mean=float(data.mean()), min=float(data.min()), max=float(data.max()),
                    voxel=[float(h.cella[a] / h[m]) if h[m] else 0.0 for a, m in (("z", "mz"), ("y", "my"), ("x", "mx"))],
                    start=[starts[3], starts[2], starts[1]],
                    samples=[[*p, float(data[p])] for p in picks])
    except Exception as error:
        row["error"] = type(error).__name__
    rows.append(row)
json.dump(rows, sys.stdout, indent=1)
print()
