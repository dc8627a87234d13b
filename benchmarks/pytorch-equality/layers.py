"""PyTorch's side of the layer tests of @semiseg/nn: inputs, outputs and gradients as safetensors.

    python layers.py FOLDER      writes layers.safetensors and attention.safetensors (pip install torch numpy safetensors)

The committed fixtures in packages/nn/test/fixtures were made by it. Everything is in PyTorch's layout, channels first.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import interpolate

torch.manual_seed(0)


def record(out, name, module, x):
    """Runs a module forward and backward from a random dy and records everything."""
    x = x.clone().requires_grad_()
    for key, value in module.state_dict().items():
        out[f"{name}/before.{key}"] = value.detach().clone()
    y = module(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    out[f"{name}/x"], out[f"{name}/y"], out[f"{name}/dy"], out[f"{name}/dx"] = x.detach(), y.detach(), dy, x.grad
    for key, parameter in module.named_parameters():
        out[f"{name}/grad.{key}"] = parameter.grad
    for key, buffer in module.named_buffers():
        out[f"{name}/after.{key}"] = buffer


class Resize(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, x):
        return interpolate(x, **self.options)


def norm(module):
    """A norm with scale and shift that are not the identity."""
    with torch.no_grad():
        module.weight.uniform_(-2, 2)
        module.bias.uniform_(-1, 1)
    return module


def layers():
    out = {}
    deep, flat = torch.randn(2, 3, 4, 6, 5), torch.randn(2, 3, 7, 6)
    record(out, "conv3d", nn.Conv3d(3, 4, 3, padding=1), deep)
    record(out, "conv3dStride2", nn.Conv3d(3, 4, 3, stride=2, padding=1), deep)
    record(out, "conv3dHalving", nn.Conv3d(3, 4, 2, stride=2), deep)
    record(out, "conv2d", nn.Conv2d(3, 4, 3, padding=1), flat)
    record(out, "conv2dStride2", nn.Conv2d(3, 4, 3, stride=2, padding=1), flat)
    record(out, "transposedConv3d", nn.ConvTranspose3d(3, 4, 2, stride=2), deep)
    record(out, "transposedConv3dOverlap", nn.ConvTranspose3d(3, 2, 3, stride=2), deep)
    record(out, "transposedConv2d", nn.ConvTranspose2d(3, 4, 3, stride=2), flat)
    record(out, "batchNorm3d", norm(nn.BatchNorm3d(3)), deep * 2 + 1)
    record(out, "batchNorm2d", norm(nn.BatchNorm2d(3)), flat * 2 + 1)
    record(out, "groupNorm", norm(nn.GroupNorm(2, 6)), torch.randn(2, 6, 2, 3, 4))
    record(out, "instanceNorm", nn.InstanceNorm3d(3), deep)
    record(out, "layerNorm", norm(nn.LayerNorm(6)), torch.randn(2, 5, 6))
    record(out, "linear", nn.Linear(6, 3), torch.randn(2, 5, 6))
    for corners in (False, True):
        name = "Corners" if corners else ""
        record(out, f"trilinear{name}", Resize(size=(7, 3, 10), mode="trilinear", align_corners=corners), deep)
        record(out, f"bilinear{name}", Resize(size=(5, 12), mode="bilinear", align_corners=corners), flat)
    record(out, "nearest3d", Resize(size=(7, 3, 10), mode="nearest"), deep)
    record(out, "nearest2d", Resize(size=(5, 12), mode="nearest"), flat)
    record(out, "maxPool3d", nn.MaxPool3d(2), deep)
    record(out, "avgPool2d", nn.AvgPool2d(2), flat)
    record(out, "gelu", nn.GELU(), flat)
    record(out, "leakyRelu", nn.LeakyReLU(), deep)
    return out


def attention():
    out = {}
    x = torch.randn(2, 7, 12)
    for activation in ("relu", "gelu"):
        layer = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, activation=activation, batch_first=True)
        with torch.no_grad():
            for parameter in layer.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.3 * torch.randn_like(parameter))
        record(out, activation, layer, x)
    return out


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, tensors in (("layers", layers()), ("attention", attention())):
    tensors = {key: value.detach().contiguous() for key, value in tensors.items() if "num_batches" not in key}
    save_file(tensors, str(folder / f"{name}.safetensors"), metadata={"torch": torch.__version__})
    print(f"{name}: {len(tensors)} tensors")
