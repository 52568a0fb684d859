"""Small OME-Zarr and zarr folders by zarr-python and ome-zarr-py, into tests/fixtures/zarr; read by src/volume/zarr/tests.rs.

    pip install zarr==3.1.6 ome-zarr==0.18.0
    python tests/oracle/zarr_fixtures.py            # writes the fixtures
    python tests/oracle/zarr_fixtures.py --check X  # opens an OME-Zarr that tomocut wrote, as ome-zarr-py and its validator see it

Voxel (z, y, x) of every array has the value 100 z + 10 y + x - 50, of unsigned ones 100 z + 10 y + x; shape 3 x 5 x 6, chunks
2 x 3 x 4, so that chunks at the ends are cut short. Level 1 of the images with two levels is every second voxel.
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import zarr
from numcodecs import BZ2, Blosc, Zlib, Zstd

HERE = Path(__file__).resolve().parent.parent / "fixtures" / "zarr"
SHAPE, CHUNKS = (3, 5, 6), (2, 3, 4)
Z, Y, X = np.indices(SHAPE)
SIGNED = 100 * Z + 10 * Y + X - 50
UNSIGNED = SIGNED + 50


def axes(unit, leading=()):
    kinds = {"t": "time", "c": "channel"}
    return [{"name": n, "type": kinds[n]} for n in leading] + [
        {"name": n, "type": "space", **({"unit": unit} if unit else {})} for n in "zyx"]


def steps(scale, translation=None):
    found = [{"type": "scale", "scale": scale}]
    return found + ([{"type": "translation", "translation": translation}] if translation else [])


def array_2(folder, name, values, chunks=CHUNKS, **options):
    array = zarr.create_array(folder / name, shape=values.shape, chunks=chunks, dtype=values.dtype, zarr_format=2,
                              chunk_key_encoding={"name": "v2", "separator": "/"}, **options)
    array[...] = values
    return array


def group(folder, zarr_format, attributes):
    zarr.open_group(folder, mode="a", zarr_format=zarr_format, attributes=attributes)


def image_04_by_ome_zarr():
    """Written by ome-zarr-py itself: float16, blosc, nanometres."""
    from ome_zarr.format import FormatV04
    from ome_zarr.writer import write_multiscale
    folder = HERE / "written_04.ome.zarr"
    root = zarr.open_group(folder, mode="w", zarr_format=2)
    levels = [SIGNED.astype("<f2"), SIGNED[::2, ::2, ::2].astype("<f2")]
    places = [steps([1.0, 1.25, 1.5]), steps([2.0, 2.5, 3.0], [0.5, 0.625, 0.75])]
    write_multiscale(levels, root, fmt=FormatV04(), axes=axes("nanometer"), coordinate_transformations=places,
                     storage_options={"chunks": CHUNKS, "compressor": Blosc("lz4", 5, Blosc.SHUFFLE)})


def image_05_by_ome_zarr():
    """Written by ome-zarr-py itself: zarr 3, int16, its default codec, micrometres."""
    from ome_zarr.format import FormatV05
    from ome_zarr.writer import write_multiscale
    folder = HERE / "written_05.ome.zarr"
    root = zarr.open_group(folder, mode="w", zarr_format=3)
    levels = [SIGNED.astype("<i2"), SIGNED[::2, ::2, ::2].astype("<i2")]
    places = [steps([0.001] * 3, [0.01, 0.02, 0.03]), steps([0.002] * 3, [0.01, 0.02, 0.03])]
    write_multiscale(levels, root, fmt=FormatV05(), axes=axes("micrometer"), coordinate_transformations=places,
                     storage_options={"chunks": CHUNKS})


def image_04_with_time():
    """Axes t c z y x, transformations at both levels, big endian, columns first, zlib."""
    folder = HERE / "time.zarr"
    attributes = {"multiscales": [{
        "version": "0.4", "name": "time", "axes": axes("angstrom", "tc"),
        "datasets": [{"path": "volumes/0", "coordinateTransformations": steps([1, 1, 4.0, 2.0, 2.0], [0, 0, 10, 20, 30])}],
        "coordinateTransformations": steps([1, 1, 2.5, 2.5, 2.5], [0, 0, 1, 2, 3])}]}
    group(folder, 2, attributes)
    array_2(folder, "volumes/0", SIGNED.astype(">i2")[None, None], (1, 1) + CHUNKS, order="F", compressors=Zlib(1))


def image_05_sharded():
    folder = HERE / "sharded.zarr"
    group(folder, 3, {"ome": {"version": "0.5", "multiscales": [{
        "axes": axes("angstrom"), "datasets": [{"path": "s0", "coordinateTransformations": steps([8.0] * 3)}]}]}})
    array = zarr.create_array(folder / "s0", shape=SHAPE, chunks=(1, 3, 2), shards=(2, 3, 4), dtype="float32",
                              compressors=zarr.codecs.ZstdCodec(level=1))
    array[...] = SIGNED.astype("float32")


def bare_arrays():
    """Without OME metadata; the compressed forms and the types that the images above do not have."""
    for dtype, codec in [("|u1", Zstd(1)), ("<u4", Blosc("zstd", 1, Blosc.BITSHUFFLE)), ("<f8", BZ2(1)), ("<i8", None)]:
        values = UNSIGNED if "u" in dtype else SIGNED
        array_2(HERE, f"bare_{dtype[1:]}.zarr", values.astype(dtype), compressors=codec)
    for name, dtype, codec in [("gzip", "float16", zarr.codecs.GzipCodec(level=1)), ("blosc", "int8", zarr.codecs.BloscCodec(cname="lz4"))]:
        array = zarr.create_array(HERE / f"bare_{name}_3.zarr", shape=SHAPE, chunks=CHUNKS, dtype=dtype, compressors=codec, fill_value=7)
        array[:2] = (SIGNED[:2] % 100).astype(dtype)  # the last slice's chunks are never written


def check(path):
    import ome_zarr_models.v04 as v04
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
    attributes = json.loads((Path(path) / ".zattrs").read_text())
    image = v04.Image.from_zarr(zarr.open_group(path, mode="r"))
    print("ome-zarr-models: valid", type(image).__name__, "of", len(image.attributes.multiscales[0].datasets), "levels")
    for node in Reader(parse_url(path))():
        print("ome-zarr-py:", [type(s).__name__ for s in node.specs], [d.shape for d in node.data], node.data[0].dtype,
              node.metadata.get("coordinateTransformations"))
    for level in attributes["multiscales"][0]["datasets"]:
        voxels = zarr.open_array(f"{path}/{level['path']}", mode="r")
        print("zarr:", voxels.shape, voxels.chunks, voxels.dtype, voxels.compressors, "sum", float(voxels[...].astype(float).sum()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(sys.argv[2])
    else:
        shutil.rmtree(HERE, ignore_errors=True)
        HERE.mkdir(parents=True)
        for make in (image_04_by_ome_zarr, image_05_by_ome_zarr, image_04_with_time, image_05_sharded, bare_arrays):
            make()
