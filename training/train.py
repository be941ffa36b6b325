r"""Train the box recogniser, fit its temperature, export it and write down how well it reads.

    python -m training.train --glyphs FOLDER --mnist FOLDER --fonts FOLDER \
        --held-out-fonts bench/assets/fonts --out pipeline/readers/models

`training/README.md` says where each folder comes from.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch.nn import functional

from pipeline.readers.glyphs import CLASSES
from training import measure, sources
from training.net import CharNet
from training.pool import Pool, draw_pool
from training.sources import Source

BATCH = 256
TOP_RATE = 3e-3

BENT = 0.035
"""How far a fifth of a glyph is pulled aside, as a share of half its width."""

DIGITS = 1.6
"""How much oftener a digit is learnt than another class: the prison number is four sevenths
digits, and a date nothing else."""


def main() -> None:
    """Run the command."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("--glyphs", type=Path, required=True, help="folder of NPZ glyph files")
    ask.add_argument("--mnist", type=Path, help="folder of the four MNIST idx files")
    ask.add_argument("--fonts", type=Path, help="folder of handwriting fonts to learn from")
    ask.add_argument("--held-out-fonts", type=Path, help="folder of fonts only to measure with")
    ask.add_argument("--site", type=Path, help="folder of a site's own corrected glyphs (NPZ)")
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--legible", type=Path, help="recogniser that says which fonts to leave out")
    ask.add_argument("--pool", type=int, default=400_000, help="glyphs drawn before learning")
    ask.add_argument("--pool-file", type=Path, help="keep the pool here, or use the one kept")
    ask.add_argument("--minutes", type=float, default=30.0, help="time to learn; 0 only draws")
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--start", type=Path, help="weights to go on from, .pt or .onnx")
    ask.add_argument("--part", default="", help='of a joined .onnx: "one_" or "two_"')
    ask.add_argument("--rate", type=float, default=TOP_RATE, help="highest learning rate")
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    rng = np.random.default_rng(given.seed)

    learn, back = gather(given, rng)
    for source, share in learn:
        print(f"learn {source.name}: {len(source.labels)} (share {share})", flush=True)
    began = time.monotonic()
    pool = Pool.load(given.pool_file) if given.pool_file and given.pool_file.exists() else None
    if pool is None:
        pool = draw_pool(learn, given.pool, rng, digits=DIGITS, learning=True)
        print(f"pool of {len(pool)} drawn in {time.monotonic() - began:.0f} s", flush=True)
        if given.pool_file:
            pool.save(given.pool_file)
    if not given.minutes:
        return
    net = CharNet()
    if given.start and given.start.suffix == ".onnx":
        unfold(net, given.start, given.part, pool.glyphs[:: max(1, len(pool) // 2048)])
    elif given.start:
        net.load_state_dict(torch.load(given.start))
    net = fit(net, pool, minutes=given.minutes, rate=given.rate, rng=rng)

    given.out.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), given.out / "charnet.pt")
    export(net, given.out / "charnet.onnx")
    figures = measure.figures(given.out / "charnet.onnx", back, seed=given.seed + 1)
    figures["onnx_differs_by_at_most"] = agreement(
        net, given.out / "charnet.onnx", pool.glyphs[:64]
    )
    figures["parameters"] = sum(p.numel() for p in net.parameters())
    (given.out / "charnet.json").write_text(
        json.dumps(
            {
                "temperature": figures["temperature"],
                "mixed": figures["temperature"],
                "second": 0.7,  # until `training.end_to_end --fit` finds out
                "classes": CLASSES,
            }
        )
        + "\n",
        "utf-8",
    )
    print(json.dumps(figures, indent=1))


def gather(
    given: argparse.Namespace, rng: np.random.Generator
) -> tuple[list[tuple[Source, float]], list[Source]]:
    """Load every source asked for.

    Returns:
        What to learn from, each with its share, and what is held out.
    """
    learn: list[tuple[Source, float]] = []
    back: list[Source] = []
    for path in sorted(given.glyphs.glob("*.npz")):
        train, held = sources.glyph_file(path)
        learn.append((train, 3.0 if len(train.of_class()) > 10 else 4.0))
        back.append(held)
    if given.site:
        for path in sorted(given.site.glob("*.npz")):
            train, held = sources.glyph_file(path)
            learn.append((train, 4.0))
            back.append(held)
    if given.mnist:
        train, held = sources.mnist(given.mnist)
        learn.append((train, 4.0))
        back.append(held)
    if given.fonts:
        bad = measure.illegible(given.legible, given.fonts) if given.legible else {}
        print(f"fonts left out: {bad}", flush=True)
        learn.append((sources.fonts(given.fonts, without=bad), 3.0))
    if given.held_out_fonts:
        known = {sources.face_of(p) for p in sources.font_files(given.fonts)}
        back.append(sources.fonts(given.held_out_fonts, lower=False, without=known))
    learn.append((sources.drawn(400, rng), 0.8))
    return learn, back


def fit(
    net: CharNet, pool: Pool, *, minutes: float, rate: float, rng: np.random.Generator
) -> CharNet:
    """Learn for so many minutes; the rate rises and falls with the time gone.

    Returns:
        The running average of the weights, which reads better than the last of them.
    """
    glyphs = torch.from_numpy(pool.glyphs)
    labels = torch.from_numpy(pool.labels)
    weights = torch.from_numpy(pool.weights)
    net = net.to(memory_format=torch.channels_last)
    chooser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
    average = copy.deepcopy(net)
    began, step, seen = time.monotonic(), 0, 0.0
    order = rng.permutation(len(labels))
    net.train()
    while (gone := (time.monotonic() - began) / (60 * minutes)) < 1.0:
        for group in chooser.param_groups:
            group["lr"] = rate * min(1.0, gone / 0.08 + 0.02) * (1.0 - gone) ** 0.9
        at = step * BATCH % (len(labels) - BATCH)
        if at < BATCH:
            order = rng.permutation(len(labels))
        which = torch.from_numpy(order[at : at + BATCH])
        batch = shaken(glyphs[which].float().unsqueeze(1) / 255.0)
        with torch.autocast("cpu", torch.bfloat16):  # half the time where the processor has it
            found = net(batch.contiguous(memory_format=torch.channels_last))
        loss = loss_of(found.float(), labels[which], weights[which])
        chooser.zero_grad()
        loss.backward()
        chooser.step()
        step += 1
        keep = min(0.998, step / (step + 20))
        with torch.no_grad():
            for slow, fast in zip(
                average.state_dict().values(), net.state_dict().values(), strict=True
            ):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - keep)
                else:
                    slow.copy_(fast)
        seen += float(loss.detach())
        if step % 200 == 0:
            print(f"{gone:6.1%} step {step} loss {seen / 200:.4f}", flush=True)
            seen = 0.0
    return average.eval().to(memory_format=torch.contiguous_format)


def unfold(net: CharNet, path: Path, part: str, glyphs: NDArray[np.uint8]) -> None:
    """Take weights out of an exported network, whose batch norms were folded into its layers.

    Each layer gets a norm that, over some glyphs, changes nothing, so that learning goes on.

    Args:
        net: what they are put into.
        path: of the exported network.
        part: what its weights' names begin with, in one that `training.average` joined.
        glyphs: to measure the norms with, shape (n, 32, 32).
    """
    kept = {each.name: each for each in onnx.load(path).graph.initializer}
    mine = [name.removeprefix(part) for name in kept if name.startswith(part)]
    folded = sorted((n for n in mine if n.startswith("onnx::Conv_")), key=lambda n: int(n[11:]))
    told = [torch.from_numpy(numpy_helper.to_array(kept[part + name]).copy()) for name in folded]
    flow = torch.from_numpy(glyphs).float().unsqueeze(1) / 255.0
    with torch.no_grad():
        for layer, weight, bias in zip(net.features, told[::2], told[1::2], strict=True):
            conv, norm, _ = layer
            conv.weight.copy_(weight)
            flow = conv(flow)
            mean, var = flow.mean((0, 2, 3)), flow.var((0, 2, 3), unbiased=False)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)
            norm.weight.copy_((var + norm.eps).sqrt())
            norm.bias.copy_(mean + bias)
            flow = torch.relu(flow + bias[None, :, None, None])
        for name, value in net.head.named_parameters():
            value.copy_(torch.from_numpy(numpy_helper.to_array(kept[f"{part}head.{name}"]).copy()))


def loss_of(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Add the error among everything to the error among characters of the same sort."""
    every = functional.cross_entropy(logits, labels, reduction="none")
    digit, letter = labels < 10, (labels >= 10) & (labels < 36)
    alike = torch.zeros_like(every)
    if digit.any():
        alike[digit] = functional.cross_entropy(logits[digit, :10], labels[digit], reduction="none")
    if letter.any():
        alike[letter] = functional.cross_entropy(
            logits[letter, 10:36], labels[letter] - 10, reduction="none"
        )
    return (weights * (every + alike)).mean()


def shaken(batch: torch.Tensor) -> torch.Tensor:
    """Move, turn, stretch and bend glyphs a little, change their greys, rub a patch out of some."""
    count = len(batch)
    turn = torch.randn(count) * 0.05
    grow = 1.0 + torch.randn(count) * 0.06
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = torch.cos(turn) * grow
    matrix[:, 0, 1] = -torch.sin(turn) * grow + torch.randn(count) * 0.06
    matrix[:, 1, 0] = torch.sin(turn) * grow
    matrix[:, 1, 1] = torch.cos(turn) * grow
    matrix[:, :, 2] = torch.randn(count, 2) * 0.05
    grid = functional.affine_grid(matrix, list(batch.shape), align_corners=False)
    bent = torch.randn(count, 2, 5, 5) * BENT
    wide = functional.interpolate(bent, size=batch.shape[-2:], mode="bicubic", align_corners=True)
    grid = grid + wide.permute(0, 2, 3, 1)
    moved = functional.grid_sample(batch, grid, align_corners=False).clamp(0.0, 1.0)
    moved = (moved + 1e-4) ** torch.exp(torch.randn(count, 1, 1, 1) * 0.25)
    for k in torch.flatten(torch.nonzero(torch.rand(count) < 0.1)).tolist():
        y, x = torch.randint(4, 26, (2,)).tolist()
        moved[k, :, y : y + 4, x : x + 4] = 0.0
    return moved


def export(net: CharNet, path: Path) -> None:
    """Write ONNX that takes any number of glyphs."""
    torch.onnx.export(
        net,
        (torch.zeros(2, 1, 32, 32),),
        str(path),
        input_names=["glyphs"],
        output_names=["logits"],
        dynamic_axes={"glyphs": {0: "n"}, "logits": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )


def agreement(net: CharNet, path: Path, glyphs: NDArray[np.uint8]) -> float:
    """Say how far the exported network's logits lie from torch's at most."""
    with torch.no_grad():
        ours = net(torch.from_numpy(glyphs).float().unsqueeze(1) / 255.0).numpy()
    theirs = measure.logits(path, glyphs)
    return float(np.abs(ours - theirs).max())


if __name__ == "__main__":
    main()
