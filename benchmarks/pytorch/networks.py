"""The peers' networks in PyTorch, written from the same specification as @semiseg/backbones.

Names follow the public V-Net state dicts (`block_one.conv.0.weight`), so that weights travel both ways.
Needs: pip install torch
"""
import torch
from torch import nn


class Block(nn.Module):
    """`repeats` x [conv 3^3 with bias, batch norm, ReLU]."""

    def __init__(self, repeats, inputs, outputs):
        super().__init__()
        layers = []
        for i in range(repeats):
            layers += [nn.Conv3d(inputs if i == 0 else outputs, outputs, 3, padding=1), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.conv(x)


class Down(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv3d(inputs, outputs, 2, stride=2), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))

    def forward(self, x):
        return self.conv(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Sequential(nn.ConvTranspose3d(inputs, outputs, 2, stride=2), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))

    def forward(self, x):
        return self.conv(x)


class VNet(nn.Module):
    """Plain (non-residual) V-Net with additive skips, channel dropout after stage 5 and stage 9."""

    def __init__(self, inputs=1, classes=2, filters=16, dropout=0.5):
        super().__init__()
        f = filters
        self.block_one, self.block_one_dw = Block(1, inputs, f), Down(f, 2 * f)
        self.block_two, self.block_two_dw = Block(2, 2 * f, 2 * f), Down(2 * f, 4 * f)
        self.block_three, self.block_three_dw = Block(3, 4 * f, 4 * f), Down(4 * f, 8 * f)
        self.block_four, self.block_four_dw = Block(3, 8 * f, 8 * f), Down(8 * f, 16 * f)
        self.block_five, self.block_five_up = Block(3, 16 * f, 16 * f), Up(16 * f, 8 * f)
        self.block_six, self.block_six_up = Block(3, 8 * f, 8 * f), Up(8 * f, 4 * f)
        self.block_seven, self.block_seven_up = Block(3, 4 * f, 4 * f), Up(4 * f, 2 * f)
        self.block_eight, self.block_eight_up = Block(2, 2 * f, 2 * f), Up(2 * f, f)
        self.block_nine = Block(1, f, f)
        self.out_conv = nn.Conv3d(f, classes, 1)
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, x):
        x1 = self.block_one(x)
        x2 = self.block_two(self.block_one_dw(x1))
        x3 = self.block_three(self.block_two_dw(x2))
        x4 = self.block_four(self.block_three_dw(x3))
        x5 = self.dropout(self.block_five(self.block_four_dw(x4)))
        x6 = self.block_six(self.block_five_up(x5) + x4)
        x7 = self.block_seven(self.block_six_up(x6) + x3)
        x8 = self.block_eight(self.block_seven_up(x7) + x2)
        x9 = self.dropout(self.block_nine(self.block_eight_up(x8) + x1))
        return self.out_conv(x9)


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        layers = []
        for i in range(2):
            layers += [nn.Conv3d(inputs if i == 0 else outputs, outputs, 3, padding=1), nn.InstanceNorm3d(outputs), nn.ReLU(inplace=True)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.conv(x)


class UNet3D(nn.Module):
    """3-D U-Net with instance norm, trilinear upsampling and concatenated skips."""

    def __init__(self, inputs=1, classes=2, filters=16, dropout=0.3):
        super().__init__()
        widths = [filters * 2**i for i in range(5)]
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([inputs, *widths[:-1]], widths))
        self.up = nn.ModuleList(DoubleConv(a + b, a) for a, b in reversed(list(zip(widths[:-1], widths[1:]))))
        self.pool = nn.MaxPool3d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)
        self.dropout = nn.Dropout(dropout)
        self.out_conv = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else self.pool(x))
            skips.append(x)
        x = self.dropout(skips.pop())
        for block in self.up:
            x = block(torch.cat([skips.pop(), self.upsample(x)], 1))
        return self.out_conv(self.dropout(x))


def segmentation_loss(logits, labels):
    """0.5 * (cross-entropy + soft Dice of the foreground classes, squared denominators)."""
    p = torch.softmax(logits, 1)
    onehot = torch.nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).float()
    axes = (0, *range(2, logits.ndim))
    dice = 1 - (2 * (p * onehot).sum(axes) + 1e-5) / ((p * p).sum(axes) + (onehot * onehot).sum(axes) + 1e-5)
    return 0.5 * (torch.nn.functional.cross_entropy(logits, labels) + dice[1:].mean())
