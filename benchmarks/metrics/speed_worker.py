"""A Python peer of speed.mjs: answers each line "task volume" with the seconds it took and the numbers it found.

Needs what agreement.py needs, and for the distance transform: pip install edt
Usage: python speed_worker.py FOLDER
"""

import json
import resource
import sys
import time
import warnings

import edt
import numpy as np
import surface_distance as sd
from medpy.metric import binary as mp

warnings.filterwarnings("ignore")
folder = sys.argv[1]
about = json.load(open(f"{folder}/volumes.json"))
shape, spacing = about["shape"], about["spacing"]
volumes = {}
for name in about["names"]:
    pair = np.fromfile(f"{folder}/{name}.bin", np.uint8).reshape([2, *shape])
    volumes[name] = (pair[0].astype(bool), pair[1].astype(bool))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_medpy(t, p):
    return [mp.dc(p, t), mp.hd95(p, t, voxelspacing=spacing), mp.asd(p, t, voxelspacing=spacing)]


def run_surface_distance(t, p):
    d = sd.compute_surface_distances(t, p, spacing)
    there, back = sd.compute_average_surface_distance(d)
    return [sd.compute_dice_coefficient(t, p), sd.compute_robust_hausdorff(d, 95), (there + back) / 2]


def run_edt(t, p):
    return [float(edt.edt(t, anisotropy=spacing, parallel=1).max())]


tasks = {"medpy": run_medpy, "surface-distance": run_surface_distance, "edt": run_edt}
print(json.dumps({"peak": peak()}), flush=True)
for line in sys.stdin:
    task, name = line.split()
    t, p = volumes[name.removesuffix("-inverted")]
    if name.endswith("-inverted"):
        t = ~t
    start = time.perf_counter()
    values = tasks[task](t, p)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "values": [float(v) for v in values], "peak": peak()}), flush=True)
