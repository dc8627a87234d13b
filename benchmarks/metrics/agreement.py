"""Reference side of agreement.mjs: medpy, MONAI, surface-distance and scipy on the same pairs of masks.

Needs: pip install "numpy<2" "scipy<1.12" medpy surface-distance monai torch   (surface-distance needs the old numpy)
Usage: python agreement.py FOLDER    reads FOLDER/pairs.json and masks.bin, writes FOLDER/reference.json
"""

import json
import sys
import warnings

import medpy
import monai
import numpy as np
import scipy
import surface_distance as sd
import torch
from medpy.metric import binary as mp
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
)
from scipy import ndimage

warnings.filterwarnings("ignore")
folder = sys.argv[1]
pairs = json.load(open(f"{folder}/pairs.json"))
masks = np.fromfile(f"{folder}/masks.bin", np.uint8)


def tried(f):
    """A number, a word for one that is not finite, or the name of the error."""
    try:
        value = float(f())
    except Exception as error:
        return type(error).__name__
    return value if np.isfinite(value) else str(value)


def of_medpy(t, p, spacing, tolerance):
    d = {"voxelspacing": spacing}
    return {
        "dice": tried(lambda: mp.dc(p, t)),
        "jaccard": tried(lambda: mp.jc(p, t)),
        "precision": tried(lambda: mp.precision(p, t)),
        "recall": tried(lambda: mp.recall(p, t)),
        "specificity": tried(lambda: mp.specificity(p, t)),
        "rvd": tried(lambda: mp.ravd(p, t)),
        "hd": tried(lambda: mp.hd(p, t, **d)),
        "hd95": tried(lambda: mp.hd95(p, t, **d)),
        "asd": tried(lambda: mp.asd(p, t, **d)),
        "assd": tried(lambda: mp.assd(p, t, **d)),
    }


def of_monai(t, p, spacing, tolerance):
    t, p = (torch.from_numpy(m.astype(np.float32))[None, None] for m in (t, p))
    d = {"include_background": True, "spacing": spacing}
    return {
        "dice": tried(lambda: compute_dice(p, t, ignore_empty=False)),
        "jaccard": tried(lambda: compute_iou(p, t, ignore_empty=False)),
        "hd": tried(lambda: compute_hausdorff_distance(p, t, **d)),
        "hd95": tried(lambda: compute_hausdorff_distance(p, t, percentile=95, **d)),
        "asd": tried(lambda: compute_average_surface_distance(p, t, **d)),
        "assd": tried(lambda: compute_average_surface_distance(p, t, symmetric=True, **d)),
        "nsd": tried(lambda: compute_surface_dice(p, t, [tolerance], **d)),
    }


def of_deepmind(t, p, spacing, tolerance):
    d = sd.compute_surface_distances(t, p, spacing)
    return {
        "dice": tried(lambda: sd.compute_dice_coefficient(t, p)),
        "hd": tried(lambda: sd.compute_robust_hausdorff(d, 100)),
        "hd95": tried(lambda: sd.compute_robust_hausdorff(d, 95)),
        "truth to prediction": tried(lambda: sd.compute_average_surface_distance(d)[0]),
        "asd": tried(lambda: sd.compute_average_surface_distance(d)[1]),
        "nsd": tried(lambda: sd.compute_surface_dice_at_tolerance(d, tolerance)),
    }


def of_scipy(t, p, spacing, tolerance):
    edt = ndimage.distance_transform_edt(t, sampling=spacing) if not t.all() else np.zeros(1)
    full = ndimage.generate_binary_structure(t.ndim, t.ndim)
    return {
        "distance transform, largest": float(edt.max()),
        "distance transform, sum": float(edt.sum()),
        "components by faces": int(ndimage.label(t)[1]),
        "components by corners": int(ndimage.label(t, full)[1]),
    }


def all_of(f):
    results, at = [], 0
    for pair in pairs:
        n = int(np.prod(pair["shape"]))
        t, p = (masks[at + i * n : at + (i + 1) * n].reshape(pair["shape"]).astype(bool) for i in (0, 1))
        at += 2 * n
        results.append(f(t, p, [float(s) for s in pair["spacing"]], pair["tolerance"]))
    return results


result = {"medpy": all_of(of_medpy), "deepmind": all_of(of_deepmind), "scipy": all_of(of_scipy)}
result["monai single"] = all_of(of_monai)
# MONAI measures in single precision. In double its rules are compared without its rounding.
torch.float32 = torch.float = torch.float64
result["monai"] = all_of(of_monai)
versions = {
    "medpy": getattr(medpy, "__version__", "0.5.2"),
    "monai": monai.__version__,
    "surface-distance": "0.1",
    "scipy": scipy.__version__,
    "numpy": np.__version__,
    "torch": torch.__version__,
}
json.dump({"versions": versions, "results": result}, open(f"{folder}/reference.json", "w"))
