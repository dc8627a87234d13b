"""MONAI side of throughput.mjs. Needs: pip install monai torch nibabel

Reads commands on stdin, one a line, and answers each with seconds and patches as JSON: `cold` builds a CacheDataset anew,
`cached N` draws N batches from it.
"""

import json
import sys
import time

import monai
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import (Compose, EnsureChannelFirstd, LoadImaged, NormalizeIntensityd, RandFlipd, RandRotate90d,
                              RandSpatialCropd, SpatialPadd)

setup = json.loads(sys.argv[1])
keys = ["image", "label"]
patch = setup["patchSize"]
steps = [LoadImaged(keys), EnsureChannelFirstd(keys)]
if setup["normalize"]:
    steps.append(NormalizeIntensityd("image"))
steps += [SpatialPadd(keys, patch), RandSpatialCropd(keys, patch, random_size=False)]
steps += [RandFlipd(keys, prob=0.5, spatial_axis=a) for a in range(3)]
if patch[0] == patch[1]:
    steps.append(RandRotate90d(keys, prob=0.75, max_k=3, spatial_axes=(0, 1)))
torch.set_num_threads(1)
dataset = None
for line in sys.stdin:
    command = line.split()
    began = time.perf_counter()
    if command[0] == "cold":
        dataset = CacheDataset(setup["cases"], Compose(steps), cache_rate=1.0, num_workers=1, progress=False)
        count = len(dataset)
    else:
        wanted, count = int(command[1]), 0
        loader = DataLoader(dataset, batch_size=setup["batch"], shuffle=True, drop_last=True,
                            num_workers=setup["workers"], persistent_workers=setup["workers"] > 0)
        while count < wanted * setup["batch"]:
            for batch in loader:
                count += batch["image"].shape[0]
                if count >= wanted * setup["batch"]:
                    break
    print(json.dumps(dict(seconds=time.perf_counter() - began, patches=count, version=monai.__version__)), flush=True)
