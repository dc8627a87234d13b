"""MONAI's sliding-window inference on small volumes: the golden values of packages/training/test.

Needs: pip install monai torch numpy
Usage: python benchmarks/monai/sliding_window.py > packages/training/test/fixtures/monai-sliding-window.json
"""

import json

import numpy as np
import torch
from monai.data.utils import compute_importance_map
from monai.inferers import sliding_window_inference

cases = []
for shape, roi, overlap, mode, sigma in [
    ((7, 9, 5), (4, 4, 4), 0.25, "constant", 0.125),
    ((7, 9, 5), (4, 4, 4), 0.5, "gaussian", 0.125),
    ((7, 9, 5), (5, 3, 8), 0.6, "gaussian", 0.25),
    ((3, 4, 9), (4, 6, 4), 0.25, "gaussian", 0.125),
    ((3, 2, 2), (4, 5, 4), 0.0, "constant", 0.125),
    ((11, 8), (4, 5), 0.75, "gaussian", 0.125),
    ((3, 12), (4, 5), 0.25, "constant", 0.125),
]:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2, 1, *shape)).astype(np.float32)
    # Depends on the place in the window, so that wrong weights, starts or padding show.
    ramp = torch.arange(int(np.prod(roi)), dtype=torch.float32).reshape(roi) / np.prod(roi)
    y = sliding_window_inference(
        torch.from_numpy(x), roi, 2, lambda p: torch.cat([p * ramp, ramp.expand_as(p) + p], 1),
        overlap=overlap, mode=mode, sigma_scale=sigma,
    )
    cases.append({
        "shape": list(shape), "roiSize": list(roi), "overlap": overlap, "mode": mode, "sigmaScale": sigma,
        "x": [round(float(v), 7) for v in np.moveaxis(x, 1, -1).ravel()],
        "y": [round(float(v), 7) for v in np.moveaxis(y.numpy(), 1, -1).ravel()],
        "weights": [float(f"{v:.7g}") for v in compute_importance_map(roi, mode=mode, sigma_scale=sigma).numpy().ravel()],
    })
print(json.dumps(cases))
