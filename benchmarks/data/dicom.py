"""Reference side of dicom.mjs. Needs: pip install numpy pydicom SimpleITK

Writes DICOM series with pydicom, one folder each, and what SimpleITK reads in them (values in C order of the file's axes).
"""

import json
import os
import sys

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid)

rng = np.random.default_rng(5)
root = sys.argv[1]
AXIAL = [1, 0, 0, 0, 1, 0]
CORONAL = [1, 0, 0, 0, 0, -1]
SAGITTAL = [0, 1, 0, 0, 0, -1]
c, s = np.cos(0.35), np.sin(0.35)
OBLIQUE = [c, s, 0, -s * c, c * c, s]
cases = []


def series(name, orientation=AXIAL, syntax=ExplicitVRLittleEndian, signed=True, slope=1, intercept=0, gap=2.5,
           count=7, shape=(6, 5), order=None, extra=None):
    folder = os.path.join(root, name)
    os.makedirs(folder)
    uid = generate_uid(entropy_srcs=[name])
    normal = np.cross(orientation[:3], orientation[3:])
    names = rng.permutation(count)
    for k in range(count):
        low, high = (-1000, 3000) if signed else (0, 4000)
        pixels = rng.integers(low, high, shape).astype(np.int16 if signed else np.uint16)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, syntax
        meta.MediaStorageSOPInstanceUID = f"{uid}.{k + 1}"[:64]
        path = os.path.join(folder, f"IM{names[k]:03d}" + (".dcm" if name.endswith("dcm") else ""))
        d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID, d.Modality = CTImageStorage, meta.MediaStorageSOPInstanceUID, "CT"
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "1.2.3", uid, "1.2.4"
        d.PatientID, d.InstanceNumber, d.SliceThickness = "p", int(names[k]) + 1, gap
        d.ImagePositionPatient = [round(float(x), 6) for x in np.array([-31.5, 12.25, 7.0]) + k * gap * normal]
        d.ImageOrientationPatient = [round(float(x), 8) for x in orientation]
        d.PixelSpacing = [0.8, 0.625]
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = *shape, 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, int(signed)
        d.RescaleSlope, d.RescaleIntercept = slope, intercept
        d.PixelData = pixels.tobytes()
        if syntax == RLELossless:
            d.compress(RLELossless, pixels)
        d.save_as(path, enforce_file_format=True)
    for file, content in (extra or {}).items():
        with open(os.path.join(folder, file), "wb") as out:
            out.write(content)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    image = reader.Execute()
    values = np.ascontiguousarray(np.transpose(sitk.GetArrayFromImage(image), (2, 1, 0)), np.float64)
    values.tofile(os.path.join(root, f"{name}.expected"))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    affine = np.diag([-1, -1, 1, 1]) @ affine
    cases.append(dict(name=name, shape=list(values.shape), spacing=list(image.GetSpacing()),
                      affine=affine.ravel().tolist()))


for syntax, label in ((ExplicitVRLittleEndian, "explicit"), (ImplicitVRLittleEndian, "implicit"), (RLELossless, "rle")):
    for orientation, view in ((AXIAL, "axial"), (CORONAL, "coronal"), (SAGITTAL, "sagittal"), (OBLIQUE, "oblique")):
        series(f"{label}-{view}", orientation, syntax, shape=(16, 12))
series("unsigned", signed=False)
series("rescaled", slope=1, intercept=-1024)
series("rescaled-real", slope=0.5, intercept=-10.25)
series("two-slices", count=2)
series("extension-dcm", count=3, gap=1.25)
series("beside-other-files", extra={"notes.txt": b"x" * 400, "LOCKFILE": b"", "short": b"1"})
with open(os.path.join(root, "cases.json"), "w") as file:
    json.dump(dict(cases=cases, versions=dict(pydicom=pydicom.__version__, SimpleITK=sitk.Version().VersionString())), file)
