"""Reference side of agreement.mjs. Needs: pip install numpy nibabel SimpleITK h5py pillow

  python agreement.py make FOLDER     writes files over the formats' option spaces and what the libraries read in them
  python agreement.py check FOLDER    reads the files that the other side wrote and compares them with the originals
"""

import itertools
import json
import os
import sys

import h5py
import nibabel as nib
import numpy as np
import SimpleITK as sitk
from PIL import Image

rng = np.random.default_rng(7)
OBLIQUE = np.array([[0.9, -0.3, 0.1, -20], [0.4, 1.2, -0.2, 5], [0.05, 0.3, 2.4, 7], [0, 0, 0, 1]], float)
ROTATED = np.array([[0, -1.5, 0, 11], [0.8, 0, 0, -3], [0, 0, -2.5, 40], [0, 0, 0, 1]], float)


def values(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if dtype.kind == "f":
        return (rng.normal(size=shape) * 100).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**53) + 1), min(info.max, 2**53 - 1)
    return rng.integers(low, high, size=shape, dtype=np.int64 if info.min < 0 else np.uint64, endpoint=True).astype(dtype)


def sitk_affine(image):
    n = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(n, n)[:3, :3] * np.array(image.GetSpacing())[:3]
    affine = np.eye(4)
    m = min(3, n)
    affine[:m, :m] = direction[:m, :m]
    affine[:m, 3] = np.array(image.GetOrigin())[:m]
    return np.diag([-1, -1, 1, 1]) @ affine


def sitk_values(image):
    array = sitk.GetArrayFromImage(image)
    n = image.GetDimension()
    return np.transpose(array, list(range(n))[::-1] + ([n] if array.ndim > n else []))


class Maker:
    def __init__(self, folder):
        self.folder, self.cases = folder, []

    def add(self, name, expected, spacing, affine, reader, **more):
        if expected.dtype.kind == "c":
            expected = np.stack([expected.real, expected.imag], -1)
        if expected.dtype.fields:
            expected = np.stack([expected[f] for f in expected.dtype.fields], -1)
        np.asarray(expected, np.float64).tofile(os.path.join(self.folder, f"{len(self.cases)}.expected"))
        self.cases.append(
            dict(file=name, shape=list(expected.shape), spacing=[float(s) for s in spacing],
                 affine=None if affine is None else np.asarray(affine, float).ravel().tolist(), reader=reader, **more))

    def path(self, name):
        return os.path.join(self.folder, name)


def make_nifti(maker):
    dtypes = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"]
    for n, (dtype, version, order) in enumerate(itertools.product(dtypes, (1, 2), "<>")):
        array = values(dtype, (5, 4, 3)).astype(np.dtype(dtype).newbyteorder(order))
        kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
        header = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)(endianness=order)
        header.set_data_dtype(array.dtype)
        affine = OBLIQUE if n % 3 else ROTATED
        image = kind(array, affine, header)
        name = f"nifti-{dtype}-{version}-{'le' if order == '<' else 'be'}{'.nii.gz' if n % 2 else '.nii'}"
        image.to_filename(maker.path(name))
        back = nib.load(maker.path(name))
        maker.add(name, np.asanyarray(back.dataobj), back.header.get_zooms()[:3], back.affine, "nibabel")
    forms = {"sform": (2, 0), "qform": (0, 1), "both": (1, 1), "none": (0, 0)}
    for form, (s, q) in forms.items():
        for affine_name, affine in (("rotated", ROTATED), ("oblique", OBLIQUE)):
            image = nib.Nifti1Image(values("i2", (6, 5, 4)), affine)
            image.header["pixdim"][1:4] = nib.affines.voxel_sizes(affine)
            image.set_qform(affine, q, strip_shears=True)
            image.set_sform(affine, s)
            name = f"nifti-form-{form}-{affine_name}.nii.gz"
            image.to_filename(maker.path(name))
            back = nib.load(maker.path(name))
            # Without a form the standard's method 1 is diag(pixdim); nibabel centres and mirrors instead.
            expected = np.diag([*back.header.get_zooms()[:3], 1]) if form == "none" else back.affine
            maker.add(name, back.get_fdata(), back.header.get_zooms()[:3], expected, "nibabel", note="no form" if form == "none" else "")
    for slope, inter in ((0.5, -100), (1, 3), (-2.25, 0)):
        image = nib.Nifti1Image(values("i2", (6, 5, 4)), OBLIQUE)
        image.header.set_slope_inter(slope, inter)
        name = f"nifti-slope-{slope}-{inter}.nii.gz"
        image.to_filename(maker.path(name))
        back = nib.load(maker.path(name))
        maker.add(name, back.get_fdata(), back.header.get_zooms()[:3], back.affine, "nibabel")
    for shape in ((9,), (9, 8), (9, 8, 1), (9, 8, 7, 2), (5, 4, 3, 1, 3), (4, 3, 2, 2, 2, 2)):
        image = nib.Nifti1Image(values("f4", shape), ROTATED)
        name = f"nifti-shape-{'x'.join(map(str, shape))}.nii"
        image.to_filename(maker.path(name))
        back = nib.load(maker.path(name))
        maker.add(name, back.get_fdata(), back.header.get_zooms()[: min(3, len(shape))], back.affine, "nibabel")
    rgb = np.zeros((4, 3, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for field in "RGB":
        rgb[field] = values("u1", (4, 3, 2))
    nib.Nifti1Image(rgb, ROTATED).to_filename(maker.path("nifti-rgb.nii.gz"))
    maker.add("nifti-rgb.nii.gz", rgb, nib.affines.voxel_sizes(ROTATED), ROTATED, "nibabel")
    for unit, factor in (("meter", 1000.0), ("micron", 0.001)):
        image = nib.Nifti1Image(values("u1", (4, 3, 2)), ROTATED)
        image.header.set_xyzt_units(unit)
        name = f"nifti-unit-{unit}.nii"
        image.to_filename(maker.path(name))
        back = sitk.ReadImage(maker.path(name))  # ITK converts to mm, nibabel leaves the unit to the caller
        maker.add(name, sitk_values(back), back.GetSpacing(), sitk_affine(back), "SimpleITK")


def make_itk(maker):
    types = [sitk.sitkUInt8, sitk.sitkInt8, sitk.sitkInt16, sitk.sitkUInt16, sitk.sitkInt32, sitk.sitkUInt32,
             sitk.sitkFloat32, sitk.sitkFloat64]
    extensions = [".nrrd", ".mha", ".nhdr", ".mhd", ".nii.gz"]
    for n, (kind, extension) in enumerate(itertools.product(types, extensions)):
        probe = sitk.Image([1, 1], kind)
        array = values(sitk.GetArrayFromImage(probe).dtype, (4, 5, 6))
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.7, 1.3, 2.5))
        image.SetOrigin((-12.5, 3, 88))
        angle = 0.3 * n
        c, s = np.cos(angle), np.sin(angle)
        image.SetDirection((c, -s, 0, s, c, 0, 0, 0, -1.0 if n % 2 else 1.0))
        name = f"itk-{image.GetPixelIDTypeAsString().replace(' ', '-')}{extension}"
        sitk.WriteImage(image, maker.path(name), useCompression=bool(n % 2))
        back = sitk.ReadImage(maker.path(name))
        maker.add(name, sitk_values(back), back.GetSpacing(), sitk_affine(back), "SimpleITK")
    for extension in (".nrrd", ".mha"):
        vector = sitk.GetImageFromArray(values("f4", (3, 4, 5, 3)), isVector=True)
        vector.SetSpacing((0.5, 1, 2))
        flat = sitk.GetImageFromArray(values("i2", (7, 6)))
        flat.SetSpacing((0.5, 1.5))
        for label, image in (("vector", vector), ("flat", flat)):
            name = f"itk-{label}{extension}"
            sitk.WriteImage(image, maker.path(name))
            back = sitk.ReadImage(maker.path(name))
            known = extension == ".mha" or label == "vector"
            maker.add(name, sitk_values(back), back.GetSpacing(), sitk_affine(back) if known else None, "SimpleITK")


def make_arrays(maker):
    for n, dtype in enumerate(["u1", "i1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", "<f4", ">f4", "<f8", ">f8"]):
        array = values(dtype, (6, 5, 4)).astype(dtype)
        options = [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "chunks": (3, 2, 4)},
                   {"compression": "lzf"}, {"chunks": (2, 2, 2), "fletcher32": True}][n % 5]
        name = f"hdf5-{n}.h5"
        with h5py.File(maker.path(name), "w", libver="latest" if n % 3 == 2 else "earliest") as file:
            file.create_dataset("image", data=array, **options)
            file.create_dataset("label", data=(array > 0).astype("u1"), **options)
        for member in ("image", "label") if n < 4 else ("image",):
            with h5py.File(maker.path(name)) as file:
                maker.add(f"{name}#{member}", file[member][()], (1, 1, 1), None, "h5py")
    for n, dtype in enumerate(["?", "u1", "<i2", ">i2", "<i8", "<u8", "<f2", ">f4", "<f8"]):
        array = values(dtype, (4, 3, 5)).astype(dtype)
        array = np.asfortranarray(array) if n % 2 else array
        np.save(maker.path(f"npy-{n}.npy"), array)
        maker.add(f"npy-{n}.npy", array, (1, 1, 1), None, "numpy")
    with open(maker.path("npy-v2.npy"), "wb") as file:
        np.lib.format.write_array(file, values("f4", (3, 4)), version=(2, 0))
    maker.add("npy-v2.npy", np.load(maker.path("npy-v2.npy")), (1, 1), None, "numpy")
    both = dict(image=values("f4", (5, 4, 3)), label=values("u1", (5, 4, 3)))
    for save, name in ((np.savez, "stored.npz"), (np.savez_compressed, "packed.npz")):
        save(maker.path(name), **both)
        for member in both:
            maker.add(f"{name}#{member}", both[member], (1, 1, 1), None, "numpy")
    for mode, shape, dtype in (("L", (9, 7), "u1"), ("RGB", (9, 7, 3), "u1"), ("RGBA", (9, 7, 4), "u1"),
                               ("LA", (9, 7, 2), "u1"), ("I;16", (9, 7), "u2")):
        array = values(dtype, shape)
        Image.fromarray(array, mode if mode != "I;16" else None).save(maker.path(f"png-{mode.replace(';', '')}.png"))
        maker.add(f"png-{mode.replace(';', '')}.png", np.array(Image.open(maker.path(f"png-{mode.replace(';', '')}.png"))), (1, 1), None, "pillow")
    palette = Image.fromarray((values("u1", (9, 7)) % 4).astype("u1"), "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(maker.path("png-palette.png"))
    maker.add("png-palette.png", np.array(Image.open(maker.path("png-palette.png"))), (1, 1), None, "pillow")


def make(folder):
    maker = Maker(folder)
    make_nifti(maker)
    make_itk(maker)
    make_arrays(maker)
    originals = []
    for dtype in ("u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"):
        for shape in ((6, 5, 4), (7, 3)) + (((4, 3, 2, 2),) if dtype in ("i2", "f4") else ()):
            array = values(dtype, shape)
            np.save(maker.path(f"original-{len(originals)}.npy"), array)
            affine = (ROTATED if len(originals) % 2 else OBLIQUE) if len(shape) > 2 else np.diag([0.5, 1.5, 1, 1])
            originals.append(dict(file=f"original-{len(originals)}.npy", affine=affine.ravel().tolist(),
                                  spacing=nib.affines.voxel_sizes(affine)[: min(3, len(shape))].tolist()))
    with open(maker.path("cases.json"), "w") as file:
        json.dump(dict(cases=maker.cases, originals=originals), file)


def check(folder):
    with open(os.path.join(folder, "written.json")) as file:
        written = json.load(file)
    failures = []
    for entry in written:
        path = os.path.join(folder, entry["file"])
        original = np.load(os.path.join(folder, entry["original"]))
        affine = np.array(entry["affine"]).reshape(4, 4)
        spacing = entry["spacing"]
        readers = []
        if path.endswith((".nii", ".nii.gz")):
            image = nib.load(path)
            readers.append(("nibabel", np.asanyarray(image.dataobj), image.header.get_zooms()[: len(spacing)], image.affine))
        sheared = abs(affine[:3, 0] @ affine[:3, 1]) > 1e-4  # ITK refuses such NIfTI; 1e-4 mm^2 is its tolerance
        if path.endswith((".nrrd", ".mha")) or (".nii" in path and entry["version"] == 1 and original.ndim < 5 and not sheared):
            image = sitk.ReadImage(path)
            geometry = sitk_affine(image) if original.ndim == 3 else None
            array = sitk_values(image)
            readers.append(("SimpleITK", array, image.GetSpacing()[: len(spacing)], geometry))
        if path.endswith(".npy"):
            readers.append(("numpy", np.load(path), spacing, None))
        if path.endswith(".png"):
            readers.append(("pillow", np.array(Image.open(path)), spacing, None))
        for reader, array, got_spacing, got_affine in readers:
            problems = []
            if array.shape != original.shape:
                problems.append(f"shape {array.shape}")
            elif not np.array_equal(array, original):
                problems.append("values")
            if not np.allclose(got_spacing, spacing, rtol=1e-5):
                problems.append(f"spacing {got_spacing}")
            if got_affine is not None and not np.allclose(got_affine, affine, atol=1e-4):
                problems.append(f"affine {got_affine}")
            entry.setdefault("readers", []).append(reader)
            if problems:
                failures.append(f"{entry['file']} by {reader}: {', '.join(problems)}")
    by_reader = {}
    for entry in written:
        for reader in entry.get("readers", []):
            by_reader[reader] = by_reader.get(reader, 0) + 1
    versions = dict(nibabel=nib.__version__, SimpleITK=sitk.__version__, h5py=h5py.__version__, numpy=np.__version__)
    print(json.dumps(dict(failures=failures, readers=by_reader, versions=versions)))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])
