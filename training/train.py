"""Trains one of the two tiny models and writes its GGUF. See README.md; ``python train.py small OUT_FOLDER``."""

from __future__ import annotations

import argparse
import pickle
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from export import write
from model import Llama, Shape
from tokens import NUMBERS, SPECIAL, Tokens, learn
from torch import Tensor
from torch.nn import functional

from crossover.engines.tickets import Split, tickets
from data import CHAT, HELP, SYSTEMS, THINGS, Sample, sample

SEED = 7
BATCH = 64
VOCABULARY = 2560
NUMBER_WEIGHT = 3.0  # copying numbers is learned last
PROMPT_SHARE = 0.15  # of the question's tokens that are predicted too, so that whole tickets are read


class Recipe(NamedTuple):
    """What makes one model: its sizes, how many batches, at what rate, and which tickets."""

    shape: Shape
    steps: int
    rate: float
    split: Split


RECIPES = {
    "small": Recipe(Shape("small", VOCABULARY, 192, 4, 6, 3, 512), 1100, 5e-3, "train"),
    "large": Recipe(Shape("large", VOCABULARY, 256, 5, 8, 4, 768), 1100, 4e-3, "train"),
}


def tokens_of_data(split: Split) -> Tokens:
    """The vocabulary, learned from training tickets, answers and chat."""
    train = tickets(SEED, 12000, split)
    texts = [text for one in train for text in (one.text, one.label)]
    facts = [one.facts for one in train[:2000]]
    chat = [*CHAT, *SYSTEMS, *THINGS, HELP] * 20
    questions = ["classify: a", "extract: a"] * 2000
    products = frozenset(word for one in train if one.product for word in one.product.split())
    return learn([*texts, *facts, *chat, *questions], VOCABULARY, 160, products)


def batches(tokens: Tokens, steps: int, split: Split) -> Iterator[list[Sample]]:
    """Batches of alike length in random order, so that little is padding."""
    chance = random.Random(SEED)  # noqa: S311 - chance for data
    pool = 16
    for number in range(0, steps, pool):
        drawn = tickets(SEED + 1 + number, BATCH * pool, split)
        samples = sorted((sample(tokens, one, chance) for one in drawn), key=lambda one: len(one.ids))
        groups = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
        chance.shuffle(groups)
        yield from groups


def padded(group: list[Sample], noise: float, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Ids (with some of the question's replaced at random) and the weight of predicting each, mostly 0."""
    longest = max(len(one.ids) for one in group)
    ids = torch.zeros(len(group), longest, dtype=torch.long)
    weight = torch.zeros(len(group), longest)
    for row, one in enumerate(group):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        weight[row, 1 : one.start] = (torch.rand(one.start - 1) < PROMPT_SHARE).float() * 0.5
        answer = ids[row, one.start : len(one.ids)]
        weight[row, one.start : len(one.ids)] = torch.where(is_number(answer), NUMBER_WEIGHT, 1.0)
        if len(one.ids) - one.start < 6:  # a label: words may be wrong; what is to be copied stays as it is
            swap = torch.rand(one.start - 1) < noise
            swap[:4] = False
            ids[row, : one.start - 1][swap] = torch.randint(
                len(SPECIAL) + 256 + len(NUMBERS), vocabulary, (int(swap.sum()),)
            )
    return ids, weight


def is_number(ids: Tensor) -> Tensor:
    """Which ids are groups of digits."""
    first = len(SPECIAL) + 256
    return (ids >= first) & (ids < first + len(NUMBERS))


def train(recipe: Recipe, tokens: Tokens) -> Llama:
    """A model after all its batches."""
    shape, steps, rate, split = recipe
    torch.manual_seed(SEED)
    model = Llama(shape)
    matrices = [p for p in model.blk.parameters() if p.ndim == 2]
    others = [p for name, p in model.named_parameters() if not name.startswith("blk") or p.ndim != 2]
    optimizers = [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.01),
    ]
    schedules = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: _pace(step, steps)) for one in optimizers]
    began = time.monotonic()
    for step, group in zip(range(steps), batches(tokens, steps, split), strict=False):
        ids, weight = padded(group, 0.06, shape.vocabulary)
        counted = weight[:, 1:] > 0
        with torch.autocast("cpu", torch.bfloat16):
            scores = model.logits(model(ids[:, :-1])[counted]).float()
        each = functional.cross_entropy(scores, ids[:, 1:][counted], reduction="none")
        loss = (each * weight[:, 1:][counted]).sum() / weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % 50 == 0 or step == steps - 1:
            sys.stdout.write(f"{step:5d} loss {loss.item():.3f} {time.monotonic() - began:5.0f} s\n")
            sys.stdout.flush()
    return model.eval()


def _pace(step: int, steps: int) -> float:
    """Warm up for 40 steps, then fall in a straight line to a twentieth."""
    return min((step + 1) / 40, max(0.05, 1 - step / steps))


def main() -> None:
    """Train one model and leave its weights and its GGUF in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, help="fewer steps, to try")
    parser.add_argument("--kind", default="q8_0", help="q8_0, q4_0 or f16")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    recipe = RECIPES[chosen.model]
    tokens = tokens_of_data(recipe.split)
    shape = recipe.shape._replace(vocabulary=len(tokens.vocabulary))
    model = train(recipe._replace(shape=shape, steps=chosen.steps or recipe.steps), tokens)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), chosen.folder / f"{shape.name}.pt")
    (chosen.folder / f"{shape.name}.tokens").write_bytes(pickle.dumps((shape, tokens)))
    name = f"crossover-tiny-{shape.name}"
    about = "Sorts generated support tickets and extracts three facts. Tiny; for demonstrations and tests."
    write(model, tokens, chosen.folder / f"{name}.gguf", name, about, chosen.kind)


if __name__ == "__main__":
    main()
