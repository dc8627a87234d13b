"""Makes packages/data/test/fixtures/*.h5 (pip install h5py numpy): python benchmarks/data/make-fixtures.py FOLDER"""

import os
import sys

import h5py
import numpy as np

image = (np.arange(5 * 6 * 7, dtype="f4").reshape(5, 6, 7) * 0.5 - 3).astype("f4")
label = (np.arange(5 * 6 * 7).reshape(5, 6, 7) % 3).astype("u1")
kinds = {
    "contiguous": {},
    "chunked": dict(compression="gzip", chunks=(2, 4, 3)),
    "shuffled": dict(compression="gzip", shuffle=True, fletcher32=True, chunks=(5, 3, 7)),
    "lzf": dict(compression="lzf", chunks=(3, 3, 3)),
}
for name, options in kinds.items():
    with h5py.File(os.path.join(sys.argv[1], f"{name}.h5"), "w") as file:
        file.create_dataset("image", data=image, **options)
        file.create_dataset("label", data=label, **options)
with h5py.File(os.path.join(sys.argv[1], "latest.h5"), "w", libver="latest") as file:
    file.create_dataset("image", data=image.astype(">f8"), chunks=(2, 2, 2), compression="gzip")
    file.create_dataset("group/deep/label", data=label > 0, chunks=(5, 6, 7))
    file.create_dataset("half", data=image.astype("f2"))
with h5py.File(os.path.join(sys.argv[1], "userblock.h5"), "w", userblock_size=512) as file:
    file.create_dataset("volume", data=image.astype("i8"))
