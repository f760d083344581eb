"""Measures a GGUF through llama.cpp and writes its card; ``python measure.py small FOLDER`` after ``train.py``.

Asked are tickets that training never saw: of the same sentences (another seed), of held-out sentences and products, and
written by hand. Right means: the label alone, or JSON with exactly the right facts. AUROC is how well the probability
of the answer's first token tells right labels from wrong ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import pickle
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from model import Llama
from tokens import Tokens
from train import BATCH, RECIPES, SEED

from crossover.engines import gguf
from crossover.engines.embedded import start
from crossover.engines.tickets import Ticket, handwritten, tickets
from data import HELP

COUNT = 600
UNSEEN = 1_000_000  # a seed far from those of training


def ask(url: str, content: Any, **more: Any) -> dict[str, Any]:
    """One question to the server, answered greedily."""
    body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 80, **more}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def scores(url: str, asked: Sequence[Ticket]) -> dict[str, Any]:
    """Shares of right answers over some tickets, and the AUROC of the label's probability."""
    right, sure, facts, valid, fields = [], [], 0, 0, 0
    for one in asked:
        choice = ask(url, one.classify, logprobs=True)["choices"][0]
        right.append(choice["message"]["content"] == one.label and choice["finish_reason"] == "stop")
        sure.append(math.exp(choice["logprobs"]["content"][0]["logprob"]))
        said = _parsed(ask(url, one.extract)["choices"][0]["message"]["content"])
        want = json.loads(one.facts)
        valid += said is not None
        facts += said == want
        fields += sum(said is not None and said.get(name, "") == value for name, value in want.items())
    count = len(asked)
    return {
        "tickets": count,
        "labels_right": round(sum(right) / count, 4),
        "facts_all_right": round(facts / count, 4),
        "single_facts_right": round(fields / 3 / count, 4),
        "json_valid": round(valid / count, 4),
        "auroc": _auroc(right, sure),
        "mean_probability": round(sum(sure) / count, 4),
    }


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _auroc(right: Sequence[bool], sure: Sequence[float]) -> float | None:
    """The probability that a right answer is surer than a wrong one; None without both."""
    good = [p for ok, p in zip(right, sure, strict=True) if ok]
    bad = [p for ok, p in zip(right, sure, strict=True) if not ok]
    if not good or not bad:
        return None
    wins = sum((a > b) + 0.5 * (a == b) for a in good for b in bad)
    return round(wins / len(good) / len(bad), 3)


def reference(folder: Path, name: str, asked: Iterable[Ticket]) -> float:
    """Share of right labels of the same weights in torch, in full precision."""
    shape, tokens = pickle.loads((folder / f"{name}.tokens").read_bytes())  # noqa: S301 - written by train.py
    model = Llama(shape).eval()
    model.load_state_dict(torch.load(folder / f"{name}.pt"))
    answers = [_greedy(model, tokens, one.classify) == one.label for one in asked]
    return round(sum(answers) / len(answers), 4)


@torch.no_grad()
def _greedy(model: Llama, tokens: Tokens, question: str) -> str:
    v = tokens.vocabulary
    ids = [v["<|user|>"], *tokens.encode(question), v["<|end|>"], v["<|assistant|>"]]
    start_at = len(ids)
    for _ in range(8):
        best = int(model.logits(model(torch.tensor([ids]))[:, -1]).argmax())
        if best == v["<|end|>"]:
            break
        ids.append(best)
    return tokens.decode(ids[start_at:])


def main() -> None:
    """Measure one model and write its card beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    path = chosen.folder / f"crossover-tiny-{chosen.model}.gguf"
    same, held = tickets(UNSEEN, COUNT), tickets(UNSEEN, COUNT, "heldout")
    server = start(path)
    try:
        found = {
            "same_sentences": scores(server.url, same),
            "heldout_sentences": scores(server.url, held),
            "handwritten": scores(server.url, handwritten()),
        }
        listed = ask(server.url, [{"type": "text", "text": held[0].classify}])["choices"][0]["message"]["content"]
        plain = ask(server.url, held[0].classify)["choices"][0]["message"]["content"]
        chat = [ask(server.url, text)["choices"][0]["message"]["content"] == HELP for text in ("Hello there", "Hi")]
    finally:
        server.stop()
    recipe = RECIPES[chosen.model]
    shape, _ = pickle.loads((chosen.folder / f"{chosen.model}.tokens").read_bytes())  # noqa: S301 - written by train.py
    card = {
        "name": path.stem,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "architecture": "llama",
        "parameters": gguf.read(path).parameters,
        "shape": shape._asdict(),
        "training": {
            "data": f"crossover.engines.tickets, split {recipe.split!r}",
            "seed": SEED,
            "steps": recipe.steps,
            "batch": BATCH,
            "rate": recipe.rate,
        },
        "measured": found,
        "labels_right_in_torch_heldout": reference(chosen.folder, chosen.model, held),
        "list_content_equals_string": listed == plain,
        "chat_answered_with_help": all(chat),
        "limits": "Tiny. Knows generated English support tickets; other texts are guessed at. For demonstrations and "
        "tests, never for real customers.",
    }
    (chosen.folder / f"{path.stem}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
