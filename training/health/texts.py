"""Texts: lines, notes and passages from the templates in this folder, slots filled by chance, and the hand-written."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from crossover.privacy import health_terms

HERE = Path(__file__).parent
_SLOT = re.compile(r"\{([a-z_]+?)(\d?)\}")
_CHOICE = re.compile(r"\[\[(.*?)\]\]")
MANY = 12  # texts made from each line; notes and passages have more in them
MANY_NOTES = 40


class Text(msgspec.Struct, frozen=True):
    """A text, whether it tells of somebody's health, the template it was made from, its group, how much it counts."""

    text: str
    told: bool
    template: str
    group: str
    weight: float = 1.0


class Filler:
    """Fills slots from the lists, by one seeded chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - texts, no secrets
        held = tomllib.loads((HERE / "slots.toml").read_text(encoding="utf-8"))
        self._lists = {
            name: [one for one in words.replace("\n", "|").split("|") if one] for name, words in held.items()
        }
        terms = health_terms.load()
        drug = terms.number("drug")
        self._lists["drug"] = sorted(word for word, kind in terms.words.items() if kind == drug and word.isalpha())
        draw = self.chance.randint
        self._drawn: dict[str, Callable[[], str]] = {
            "name": lambda: (
                self._listed("first") + (f" {self._listed('family')}" if self.chance.random() < 0.5 else "")
            ),
            "last": lambda: self._listed("family"),
            "age": lambda: str(draw(18, 92)),
            "num": lambda: self._one(
                [str(draw(2, 99)), f"{draw(1, 19)}.{draw(0, 9)}", str(draw(2, 12)), str(draw(100, 400))]
            ),
            "small": lambda: str(draw(1, 9)),
            "preg": lambda: str(draw(6, 40)),
            "spo": lambda: str(draw(86, 100)),
            "bp": lambda: f"{draw(85, 190)}/{draw(50, 110)}",
            "hr": lambda: str(draw(48, 140)),
            "temp": lambda: self._one(
                [f"{draw(36, 40)}.{draw(0, 9)}", f"{draw(97, 103)}.{draw(0, 9)}F", f"{draw(36, 40)},{draw(0, 9)}"]
            ),
            "year": lambda: str(draw(1994, 2026)),
            "date": self._date,
            "mrn": lambda: str(draw(100000, 9999999)),
            "stage": lambda: self._one(["1", "2", "3", "4", "II", "III", "IV", "IIIA"]),
        }

    def _one(self, among: list[str]) -> str:
        return self.chance.choice(among)

    def _date(self) -> str:
        draw = self.chance.randint
        day, month, year = draw(1, 28), draw(1, 12), draw(1935, 2026)
        return self._one([f"{month}/{day}/{year}", f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}"])

    def fill(self, template: str) -> str:
        """The template with every choice made and every slot filled; a slot with the same digit is filled alike."""
        text = _CHOICE.sub(lambda found: self._one(found[1].split("|")), template)
        known: dict[str, str] = {}

        def filled(found: re.Match[str]) -> str:
            name, key = found[1], found[0]
            if key not in known:
                known[key] = self._drawn[name]() if name in self._drawn else self._listed(name)
            return known[key]

        text = _SLOT.sub(filled, text).replace("\\n", "\n")
        if text.startswith(("a ", "an ")) and self.chance.random() < 0.7:
            text = text.split(" ", 1)[1]
        return text

    def pick(self, among: list[str]) -> str:
        """One of some."""
        return self.chance.choice(among)

    def _listed(self, name: str) -> str:
        word = self._one(self._lists[name])
        if name == "drug" and self.chance.random() < 0.5:
            word = word.capitalize()
        return word

    def disguise(self, text: str) -> str:
        """Now and then as people type: all small, no full stop, a capital first letter, shouted."""
        dice = self.chance.random()
        if dice < 0.12:
            return text.lower()
        if dice < 0.18:
            return text.rstrip(".?")
        if dice < 0.21:
            return text.upper()
        return text[:1].upper() + text[1:] if dice < 0.5 else text


def lines(name: str) -> Iterator[tuple[str, str]]:
    """The lines of a file with their groups; none of its remarks."""
    group = name
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line and not line.startswith("# "):
            yield line, group


def notes(name: str) -> Iterator[tuple[str, str]]:
    """The notes of a file (parted by blank lines) with their groups."""
    group, held = name, []
    for line in [*(HERE / name).read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("## ") or not line:
            if held:
                yield "\n".join(held), group
            held = []
            group = line[3:] if line else group
        elif not line.startswith("# "):
            held.append(line)


def composed(filler: Filler) -> Iterator[Text]:
    """Sentences put together from parts; what they predicate is their template."""
    held = tomllib.loads((HERE / "grammar.toml").read_text(encoding="utf-8"))
    told, general = ({name: _parts(text) for name, text in held[side].items()} for side in ("told", "general"))
    for frame in held["frames"]:
        first, last = _parts(frame["first"]), _parts(frame["last"])
        for middle in _parts(frame["middle"]):
            for _ in range(MANY):
                text = filler.fill(f"{filler.pick(first)}{middle}{filler.pick(last)}")
                yield Text(filler.disguise(text), frame["told"], middle, "composed")
    for who in ("me", "they"):
        for predicate in told[f"{who}_predicates"]:
            for _ in range(MANY):
                yield _put(filler, told, True, predicate, (told[who], told[f"{who}_tails"]))
    for predicate in general["plain_predicates"]:
        for _ in range(MANY):
            yield _put(filler, general, False, predicate, (general["plain"], general["plain_tails"]))
    for ask in general["asks"]:
        for _ in range(MANY):
            text = f"{ask} {filler.pick(general['topics'])}{filler.pick(general['ask_tails'])}"
            yield Text(filler.disguise(filler.fill(text)), False, ask, "composed")
    for verb in general["state_verbs"]:
        for _ in range(2 * MANY):
            text = f"{filler.pick(general['states'])} {verb} {filler.pick(general['state_objects'])}."
            yield Text(filler.disguise(filler.fill(text)), False, verb, "composed")


def _parts(text: str) -> list[str]:
    return text.replace("\n", "|").split("|")


def _put(
    filler: Filler, parts: dict[str, list[str]], told: bool, predicate: str, around: tuple[list[str], list[str]]
) -> Text:
    """One sentence: a lead, who, what, a tail."""
    who, tail = filler.pick(around[0]), filler.pick(around[1])
    joint = "" if predicate.startswith("'") else " "
    if joint and who.split()[-1].lower() == "i" and filler.chance.random() < 0.5:
        said = predicate.replace("am ", "'m ", 1) if predicate.startswith("am ") else predicate
        said = said.replace("have ", "'ve ", 1) if said.startswith(("have been", "have had")) else said
        joint = "" if said.startswith("'") else " "
    else:
        said = predicate
    text = f"{filler.pick(parts['leads'])}{who}{joint}{said}{tail}"
    return Text(filler.disguise(filler.fill(text)), told, predicate, "composed")


def texts(seed: int) -> list[Text]:
    """Everything to learn from, the same for the same seed."""
    filler = Filler(seed)
    found: list[Text] = []
    for file, told in (("told.txt", True), ("general.txt", False)):
        by_group: dict[str, list[str]] = {}
        for line, group in lines(file):
            by_group.setdefault(group, []).append(line)
            times = MANY * (8 if group == "everyday" else 1)
            made = [filler.disguise(filler.fill(filler.fill(line))) for _ in range(times)]
            found += [Text(text, told, line, group) for text in made]
        if not told:
            found += _gathered(filler, by_group)
    for file, told in (("notes.txt", True), ("passages.txt", False)):
        for note, group in notes(file):
            for _ in range(MANY_NOTES):
                text = filler.fill(note)
                if file == "notes.txt" and filler.chance.random() < 0.25:
                    text = text.replace("\n", filler._one([" ", "\n\n", "\n"]))
                found.append(Text(filler.disguise(text) if filler.chance.random() < 0.3 else text, told, note, group))
    found += composed(filler)
    for file, told in (("told_seeds.txt", True), ("general_seeds.txt", False)):
        for line, _ in lines(file):
            text = line.replace("\\n", "\n")
            found += [Text(text, told, line, file, 4.0), Text(filler.disguise(text), told, line, file, 2.0)]
    found += _mixed(filler, found)
    return found


def _mixed(filler: Filler, held: Sequence[Text]) -> list[Text]:
    """Somebody's story among general sentences: teaches how sentences make a text, not what a sentence tells."""
    told = [one for one in held if one.told and len(one.text) < 160 and "\n" not in one.text]
    general = [one for one in held if not one.told and len(one.text) < 160 and "\n" not in one.text]
    mixed = []
    for number in range(1500):
        story = filler.chance.choice(told)
        around = [one.text.rstrip(".") + "." for one in filler.chance.choices(general, k=1 + number % 4)]
        around.insert(filler.chance.randint(0, len(around)), story.text.rstrip(".") + ".")
        mixed.append(Text(filler.pick([" ", "\n"]).join(around), True, story.template, "mixed", 0.0))
    return mixed


def _gathered(filler: Filler, by_group: dict[str, list[str]]) -> Iterator[Text]:
    """Longer texts of several lines of one group, as articles, lists and files have them."""
    for group, held in by_group.items():
        for number in range(60):
            chosen = [filler.chance.choice(held) for _ in range(filler.chance.randint(3, 9))]
            joint = filler._one([" ", "\n", "\n- ", "\n\n"])
            yield Text(
                joint.join(filler.fill(filler.fill(line)) for line in chosen),
                False,
                f"{group} {number % 6}",
                f"{group}, several",
            )
