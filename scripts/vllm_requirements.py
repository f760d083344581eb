"""Prints what a vLLM wheel requires, without torch and the torch packages that text models do not need."""

from __future__ import annotations

import re
import sys
import zipfile

LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}

with zipfile.ZipFile(sys.argv[1]) as wheel:
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
for line in lines:
    name, _, wanted = line.partition(": ")
    if name == "Requires-Dist" and "extra ==" not in wanted:
        if re.split(r"[ <>=!~;\[]", wanted)[0].lower() not in LEFT_OUT:
            print(wanted)
