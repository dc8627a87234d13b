"""Signed distance maps as the released code of DTC makes them, with SciPy: reads `run` lines, answers one JSON line each."""

import json
import sys
import time

import numpy as np
import scipy
from scipy.ndimage import binary_erosion, distance_transform_edt, generate_binary_structure


def signed_distance_maps(masks):
    maps = np.zeros(masks.shape, np.float32)
    for mask, out in zip(masks, maps):
        if not mask.any():
            continue
        outside = distance_transform_edt(~mask)
        inside = distance_transform_edt(mask)
        # Image borders are no boundary.
        boundary = mask & ~binary_erosion(mask, generate_binary_structure(mask.ndim, 1), border_value=1)
        out[:] = outside / outside.max() - inside / inside.max()
        out[boundary] = 0
    return maps


shape = json.loads(sys.argv[1])
masks = np.fromfile(sys.argv[2], np.uint8).reshape(shape).astype(bool)
print(json.dumps({"ready": True, "version": f"scipy {scipy.__version__}, numpy {np.__version__}"}), flush=True)
for line in sys.stdin:
    if line.startswith("save"):
        signed_distance_maps(masks).tofile(line.split(" ", 1)[1].strip())
        print("{}", flush=True)
        continue
    began, cpu = time.perf_counter(), time.process_time()
    signed_distance_maps(masks)
    print(json.dumps({"seconds": time.perf_counter() - began, "cpuSeconds": time.process_time() - cpu}), flush=True)
