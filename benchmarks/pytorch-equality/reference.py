"""PyTorch's side of the network comparison: weights, outputs and one SGD step as safetensors.

    python reference.py FOLDER [--small]      (pip install torch numpy safetensors)

Per network: `weights.*` before, `input`, `labels`, `eval` and `train` logits, `running.*` after one pass in training mode,
`loss`, `stepped.*` after one SGD step (rate 0.01, momentum 0.9, weight decay 1e-4). Layout of PyTorch, channels first;
dropout off, since masks cannot be equal. `--small` makes the fixtures committed beside this file.
"""
import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "pytorch"))
from networks import UNet3D, VNet, segmentation_loss  # noqa: E402


class ConvBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        layers = []
        for i in range(2):
            layers += [nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU()]
            layers += [nn.Dropout(0.0)] if i == 0 else []
        self.conv_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.conv_conv(x)


class DownBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), ConvBlock(inputs, outputs))

    def forward(self, x):
        return self.maxpool_conv(x)


class UpBlock(nn.Module):
    def __init__(self, below, skip):
        super().__init__()
        self.conv1x1 = nn.Conv2d(below, skip, 1)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = ConvBlock(2 * skip, skip)

    def forward(self, below, skip):
        return self.conv(torch.cat([skip, self.up(self.conv1x1(below))], 1))


class Encoder(nn.Module):
    def __init__(self, inputs, widths):
        super().__init__()
        self.in_conv = ConvBlock(inputs, widths[0])
        for i in range(4):
            setattr(self, f"down{i + 1}", DownBlock(widths[i], widths[i + 1]))

    def forward(self, x):
        features = [self.in_conv(x)]
        for i in range(4):
            features.append(getattr(self, f"down{i + 1}")(features[-1]))
        return features


class Decoder(nn.Module):
    def __init__(self, classes, widths):
        super().__init__()
        for i in range(4):
            setattr(self, f"up{i + 1}", UpBlock(widths[4 - i], widths[3 - i]))
        self.out_conv = nn.Conv2d(widths[0], classes, 3, padding=1)

    def forward(self, features):
        x = features[4]
        for i in range(4):
            x = getattr(self, f"up{i + 1}")(x, features[3 - i])
        return self.out_conv(x)


class UNet2D(nn.Module):
    """The 2-D U-Net of the specification, with the public names of its weights."""

    def __init__(self, inputs=1, classes=4, filters=16):
        super().__init__()
        widths = [filters * 2**i for i in range(5)]
        self.encoder, self.decoder = Encoder(inputs, widths), Decoder(classes, widths)

    def forward(self, x):
        return self.decoder(self.encoder(x))


def unet3d_name(name):
    """`down.0.conv.3.weight` -> `conv1.conv2.0.weight`: the names of the public 3-D U-Net."""
    part, *rest = name.split(".")
    if part == "out_conv":
        return ".".join(["final", *rest])
    index, _, layer, leaf = rest
    stage = ("center" if index == "4" else f"conv{int(index) + 1}") if part == "down" else f"up_concat{4 - int(index)}.conv"
    return f"{stage}.conv{int(layer) // 3 + 1}.0.{leaf}"


def smooth(shape):
    """Images with structure: noise at two resolutions, so that labels are learnable."""
    coarse = torch.randn(shape[0], 1, *[max(2, n // 8) for n in shape[2:]])
    mode = "trilinear" if len(shape) == 5 else "bilinear"
    wide = torch.nn.functional.interpolate(coarse, shape[2:], mode=mode, align_corners=False)
    return wide + 0.3 * torch.randn(shape)


def reference(model, shape, classes, rename=lambda name: name):
    torch.manual_seed(1)
    x = smooth(shape)
    labels = torch.clamp((x[:, 0] * 1.5 + 0.5).floor(), 0, classes - 1).long()
    model.train()
    with torch.no_grad():  # as in a trained network: norms and running statistics that are not the initial ones
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        for _ in range(3):
            model(smooth(shape))
    out = {"input": x, "labels": labels.int()}

    def keep(prefix, wanted=lambda name: True):
        for name, value in model.state_dict().items():
            if "num_batches" not in name and wanted(name):
                out[f"{prefix}.{rename(name)}"] = value.detach().clone()

    keep("weights")
    with torch.no_grad():
        out["eval"] = model.eval()(x)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    logits = model(x)
    loss = segmentation_loss(logits, labels)
    loss.backward()
    out["train"], out["loss"] = logits.detach(), loss.detach()
    keep("running", lambda name: "running" in name)
    optimizer.step()
    keep("stepped", lambda name: "running" not in name)
    return {name: value.contiguous() for name, value in out.items()}


parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--small", action="store_true")
arguments = parser.parse_args()
folder = Path(arguments.folder)
folder.mkdir(parents=True, exist_ok=True)
small = arguments.small
torch.manual_seed(0)
cases = {
    "vnet": (VNet(1, 2, 1 if small else 16, 0.0), (2, 1, 32, 16, 16) if small else (2, 1, 48, 64, 64), 2, lambda name: name),
    "unet3d": (UNet3D(1, 2, 1 if small else 16, 0.0), (1, 1, 32, 32, 16) if small else (2, 1, 48, 64, 64), 2, unet3d_name),
    "unet2d": (UNet2D(1, 4, 1 if small else 16), (2, 1, 32, 48) if small else (4, 1, 128, 128), 4, lambda name: name),
}
for name, (model, shape, classes, rename) in cases.items():
    tensors = reference(model, shape, classes, rename)
    save_file(tensors, str(folder / f"{name}.safetensors"), metadata={"torch": torch.__version__})
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, loss {tensors['loss'].item():.6f}")
