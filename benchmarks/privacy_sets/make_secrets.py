"""Generate the secrets set: random keys in the shapes of vendors, passwords in code and prose, and what only looks so.

    python benchmarks/privacy_sets/make_secrets.py            print how many rows and the digest
    python benchmarks/privacy_sets/make_secrets.py /tmp/x     write /tmp/x for reading

The rows are not in the repository: a hosting scanner would take them for real and block the push. They are the same
at every run; ``tests/privacy/test_sets.py`` compares their digest with ``DIGEST``.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import sys
import uuid
from pathlib import Path

import set_rows
from set_secret_words import CLEAN, FREE_PLACES, GENERIC, NAMED_PLACES, VENDORS

SEED = 90_210
DIGEST = "1a777cc29a3a9c47106dc8751315a20eddf7b1d9a5a20a7fc2aadba1b296fba7"
PART = re.compile(r"\{(an|low|up|let|hex|dig|w|b32x|b64x|bech)(\d+)\}")
POOLS = {
    "an": string.ascii_letters + string.digits,
    "low": string.ascii_lowercase + string.digits,
    "up": string.ascii_uppercase + string.digits,
    "let": string.ascii_letters,
    "hex": "0123456789abcdef",
    "dig": string.digits,
    "w": string.ascii_letters + string.digits + "_-",
    "b32x": string.ascii_uppercase + "234567",
    "b64x": string.ascii_letters + string.digits + "+/",
    "bech": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
NOISE = re.compile(r"\{([hbd])(\d+)\}")
NOISE_POOLS = {"h": "hex", "b": "b64x", "d": "dig"}
STEMS = ("harbor", "Sommer", "blue-fox", "Krokus", "mustang", "vanille", "Tiger", "orion", "lluvia", "granite", "Pixel")
NOUNS = ("invoice", "report", "parser", "harbor", "planner", "gallery", "router", "kiosk", "ledger", "atlas", "beacon")
VENDOR_ROWS, GENERIC_ROWS, CLEAN_ROWS = 3, 2, 3


def draw(rng: random.Random, pool: str, count: int) -> str:
    """Random characters; never a letter first and last alone, so that ends are word characters."""
    middle = "".join(rng.choice(POOLS[pool]) for _ in range(max(count - 2, 0)))
    plain = POOLS[pool].replace("_", "").replace("-", "").replace("+", "").replace("/", "")
    ends = [rng.choice(plain) for _ in range(min(count, 2))]
    return ends[0] + middle + (ends[1] if count > 1 else "")


def shaped(rng: random.Random, shape: str) -> str:
    """A value of a shape."""
    return PART.sub(lambda found: draw(rng, found[1], int(found[2])), shape)


def password(rng: random.Random, plain: bool = False) -> str:
    """A password of one of four kinds; ``plain`` ones need no escaping in an address."""
    kind = rng.randrange(4)
    if kind == 0:
        return f"{rng.choice(STEMS)}{rng.randint(10, 2025)}" + ("" if plain else rng.choice("!?#*"))
    if kind == 1:
        return draw(rng, "an", rng.randint(10, 20))
    if kind == 2:
        pool = POOLS["an"] if plain else POOLS["an"] + "!#%*-_=.+"
        return draw(rng, "an", 2) + "".join(rng.choice(pool) for _ in range(10)) + draw(rng, "dig", 2)
    return f"{rng.choice(STEMS)}.{rng.choice(STEMS)}-{rng.randint(100, 999)}"


def token(rng: random.Random) -> str:
    """A key without a vendor's prefix."""
    return draw(rng, rng.choice(("an", "hex", "w")), rng.choice((24, 32, 40, 48)))


def jwt(rng: random.Random) -> str:
    """A signed token with a random signature."""
    parts = (
        {"alg": "HS256", "typ": "JWT"},
        {"sub": str(rng.randint(1000, 999999)), "iat": 1717430400 + rng.randint(1, 9**6)},
    )
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*encoded, draw(rng, "w", 43)))


def pem(rng: random.Random, name: str) -> str:
    """A block that looks like a private key; its body is noise."""
    body = "\n".join(draw(rng, "b64x", 64) for _ in range(6))
    return f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n-----END {name}PRIVATE KEY-----"


def generic(rng: random.Random, template: str) -> str:
    """A place with its secret, marked."""
    basic = base64.b64encode(f"svc:{password(rng, plain=True)}".encode()).decode()
    values = {
        "pw": password(rng), "pwurl": password(rng, plain=True), "token": token(rng), "jwt": jwt(rng), "basic": basic,
        "b64key": draw(rng, "b64x", 86) + "==", "phrase": " ".join(rng.sample(NOUNS, 5)),
        "pin": draw(rng, "dig", 6), "pem_rsa": pem(rng, "RSA "), "pem_ec": pem(rng, "EC "),
        "pem_ssh": pem(rng, "OPENSSH "), "pem_pkcs8": pem(rng, ""),
    }  # fmt: skip
    for name, value in values.items():
        template = template.replace("{" + name + "}", f"[[SECRET|{value}]]")
    return template


def clean(rng: random.Random, template: str) -> str:
    """A place with something that is no secret."""
    noun = rng.choice(NOUNS)
    for name, value in (("word", noun), ("UP", noun.upper()), ("Cap", noun.capitalize())):
        template = template.replace("{" + name + "}", value)
    template = template.replace("{uuid}", str(uuid.UUID(int=rng.getrandbits(128), version=4)))
    template = template.replace("{colons}", ":".join(draw(rng, "hex", 2) for _ in range(16)))
    return NOISE.sub(lambda found: draw(rng, NOISE_POOLS[found[1]], int(found[2])), template)


def vendor_rows(rng: random.Random) -> list[set_rows.Row]:
    """Each vendor in three places."""
    rows = []
    for vendor, shape, env, speaks in VENDORS:
        places = [*rng.sample(NAMED_PLACES, 2), rng.choice(FREE_PLACES)] if speaks else rng.sample(NAMED_PLACES, 3)
        for place in places:
            text = place.replace("{vendor}", vendor.split("-")[-1]).replace("{env}", env)
            marked = text.replace("{key}", f"[[SECRET|{shaped(rng, shape)}]]")
            rows.append(set_rows.row("", marked, "generated", vendor=vendor, group="vendor", bare=speaks))
    return rows


def build() -> list[set_rows.Row]:
    """The whole set."""
    rng = random.Random(SEED)
    rows = vendor_rows(rng)
    for group, place in GENERIC:
        rows += [
            set_rows.row("", generic(rng, place), "generated", vendor="", group=group) for _ in range(GENERIC_ROWS)
        ]
    for group, place in CLEAN:
        rows += [
            set_rows.row("", clean(rng, place), "generated", vendor="", group=f"clean-{group}")
            for _ in range(CLEAN_ROWS)
        ]
    for at, each in enumerate(rows, 1):
        each["id"] = f"secret-{at:04d}"
    return rows


def main() -> None:
    """Print the size and digest; write the rows where asked."""
    rows = build()
    labelled = sum(bool(row["spans"]) for row in rows)
    print(f"{labelled} with, {len(rows) - labelled} without, sha256 {set_rows.digest(rows)}")
    if len(sys.argv) > 1:
        set_rows.write(Path(sys.argv[1]), rows)


if __name__ == "__main__":
    main()
