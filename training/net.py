"""The box recogniser's network (alone with torch, like `train.py`)."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.readers.glyphs import JUNK

OUTPUTS = JUNK + 1


def _layer(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class CharNet(nn.Module):
    """Seven small convolutions and one hidden layer: 0.5 M parameters, 8 M multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _layer(1, 16),
            _layer(16, 28, stride=2),
            _layer(28, 36),
            _layer(36, 64, stride=2),
            _layer(64, 80),
            _layer(80, 112, stride=2),
            _layer(112, 112),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(112 * 16, 112),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(112, OUTPUTS),
        )

    def forward(self, glyphs: torch.Tensor) -> torch.Tensor:
        """Give logits, shape (n, OUTPUTS), for glyphs of shape (n, 1, 32, 32), 1.0 is ink."""
        out: torch.Tensor = self.head(self.features(glyphs))
        return out
