"""What Presidio's patterns find, for ``privacy_accuracy.py``; runs in a Python that has ``presidio-analyzer``.

    echo '["call 212-555-0100"]' | python benchmarks/presidio_patterns.py

Reads a JSON list of texts and prints a JSON list with the highest score of any pattern (or phone) recogniser for each.
No language model is loaded: words beside a value do not raise its score here, as they would in a full set-up.
"""

from __future__ import annotations

import importlib
import json
import sys

SILENT = {"URL", "DATE_TIME"}  # no identifier of a person


def main() -> None:
    """Score the texts on standard input."""
    presidio = importlib.import_module("presidio_analyzer")  # absent from the project's own environment
    phones = importlib.import_module("presidio_analyzer.predefined_recognizers").PhoneRecognizer
    registry = presidio.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    chosen = [one for one in registry.recognizers if isinstance(one, (presidio.PatternRecognizer, phones))]
    scores = []
    for text in json.load(sys.stdin):
        best = 0.0
        for recogniser in chosen:
            kinds = [kind for kind in recogniser.supported_entities if kind not in SILENT]
            for found in recogniser.analyze(text, kinds) if kinds else []:
                best = max(best, found.score)
        scores.append(best)
    json.dump(scores, sys.stdout)


if __name__ == "__main__":
    main()
