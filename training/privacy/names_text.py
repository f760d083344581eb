"""Labelled sentences for the names model: templates filled by chance, with what stands where."""

from __future__ import annotations

import hashlib
import random
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crossover.privacy.network import ORGANISATION, PERSON, PLACE, STREET

if TYPE_CHECKING:
    from privacy.sources import Sources

Piece = tuple[str, int]  # a text and its label; 0 for none
_SLOT = re.compile(r"\{(\w+)\}")


class Sentence(msgspec.Struct, frozen=True):
    """A text, and what stands where in it."""

    text: str
    spans: list[tuple[int, int, int]]
    template: str = ""


def held_out(key: str) -> bool:
    """Whether a template or a name is kept for tests: one in five, by its own text."""
    return int(hashlib.sha256(str(key).encode()).hexdigest(), 16) % 5 == 0


def load_lists(path: Path) -> dict[str, list[str]]:
    """The lists of words for slots: parted by bars where there are some, else by spaces."""
    held = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: [word for word in (re.split(r"[|\n]", text) if "|" in text else text.split()) if word]
        for name, text in held.items()
    }


class Maker:
    """Fills templates."""

    def __init__(self, sources: Sources, lists: dict[str, list[str]], chance: random.Random) -> None:
        self.sources, self.lists, self.chance = sources, lists, chance
        everyday = {"en_US": 8, "en": 3, "en_GB": 2, "en_IN": 3, "es_MX": 2, "de_DE": 2, "fr_FR": 2, "en_IE": 2}
        latin = [one for one in sources.people if one[1][0].isascii() or one[1][-1][0] < "\u0250"]
        other = [one for one in sources.people if one not in latin]
        self.people = latin + other
        self.people_weights = [everyday.get(one[0], 1) for one in latin] + [0.08] * len(other)
        self.syllables = (
            "ba be bo ca ce co da de di do fa fi ga go ka ki la li lo lu ma me mi mo na ne no nu ra ri ro ru sa"
        )
        self.syllables += (
            " si so ta te ti to va ve vi vo xa xo za ze zi zo plex trix soft nova lytic ware tron sys net hub"
        )
        self.labelled: dict[str, Callable[[], list[Piece]]] = {
            "p": self.person, "full": self.full, "first": lambda: [(self.first(), PERSON)],
            "last": lambda: [(self.last(), PERSON)], "lfull": lambda: _lower(self.full()),
            "lfirst": lambda: _lower([(self.first(), PERSON)]), "NAME": lambda: _upper(self.full()),
            "init": lambda: [(self.chance.choice("ABCDEFGHJKLMNPRSTW"), 0)],
            "addr": self.address, "laddr": lambda: _lower(self.address()), "ADDR": lambda: _upper(self.address()),
            "street": self.street, "road": self.road, "block": self.block, "corner": self.corner, "pobox": self.pobox,
            "zip": lambda: [(self.zip(), STREET)], "city": lambda: [(self.city(), PLACE)],
            "lcity": lambda: _lower([(self.city(), PLACE)]), "state": lambda: [(self.chance.choice(STATES), PLACE)],
            "country": lambda: [(self.chance.choice(self.sources.countries), PLACE)], "org": self.org,
            "FIRST": lambda: _upper([(self.first(), PERSON)]), "LAST": lambda: _upper([(self.last(), PERSON)]),
            "lf": lambda: [(f"{self.last()}, {self.first()}", PERSON)],
            "li": lambda: [(f"{self.last()}, {self.initial()}.", PERSON)],
            "il": lambda: [(f"{self.initial()}. {self.last()}", PERSON)],
            "fil": lambda: [(f"{self.first()} {self.initial()}. {self.last()}", PERSON)],
            "llast": lambda: _lower([(self.last(), PERSON)]),
        }  # fmt: skip
        unknown = sources.unknown()
        self.tools, self.things = sorted(sources.tools & unknown), sorted(sources.rare_words & unknown)
        named = sources.given | sources.family
        # Names that are words too ("Chase", "Hazel"), for sentences in which they are words.
        self.both = sorted(name for name in named if name.lower() in sources.words)
        self.plain: dict[str, Callable[[], str]] = {
            "word": lambda: self.chance.choice(sources.plain),
            "Word": lambda: self.chance.choice(sources.plain).capitalize(),
            "WORD": lambda: self.chance.choice(sources.plain).upper(),
            "tool": self.tool, "Tool": lambda: self.tool().capitalize(), "thing": self.thing,
            "Thing": lambda: self.thing().capitalize(), "typo": self.typo,
            "Eponym": self.eponym,
            "Both": lambda: self.chance.choice(self.both).capitalize(),
            "both": lambda: self.chance.choice(self.both).lower(),
            "Odd": self.odd, "num": lambda: str(self.chance.randint(1000, 9999999)),
            "num2": lambda: str(self.chance.randint(1, 120)), "year": lambda: str(self.chance.randint(1900, 2030)),
            "money": lambda: f"${self.chance.randint(2, 9999):,}", "date": self.date, "phone": self.phone,
            "email": self.email, "ip": lambda: ".".join(str(self.chance.randint(1, 254)) for _ in range(4)),
            "NATION": lambda: self.chance.choice(lists["prod"]).upper(),
            "title": lambda: self.chance.choice(lists["titles"]),
            "day": lambda: self.chance.choice(lists["days"]), "month": lambda: self.chance.choice(lists["months"]),
        }  # fmt: skip

    def fill(self, template: str) -> Sentence:
        """A sentence from a template."""
        pieces: list[Piece] = []
        at = 0
        for slot in _SLOT.finditer(template):
            name = slot[1]
            if name in self.labelled:
                filled = self.labelled[name]()
            elif name in self.plain:
                filled = [(self.plain[name](), 0)]
            elif name in self.lists:
                filled = [(self.chance.choice(self.lists[name]), 0)]
            else:
                continue
            pieces += [(template[at : slot.start()], 0), *filled]
            at = slot.end()
        return joined([*pieces, (template[at:], 0)], template)

    def case(self, sentence: Sentence) -> Sentence:
        """Sometimes the same sentence all in lower case, all in capitals, or without its last point."""
        drawn = self.chance.random()
        text = sentence.text
        if drawn < 0.12:
            text = text.lower()
        elif drawn < 0.15:
            text = text.upper()
        return msgspec.structs.replace(sentence, text=text) if len(text) == len(sentence.text) else sentence

    def renamed(self, sentence: Sentence, share: float) -> Sentence:
        """The sentence with new names for some, and for every one that is held out."""
        pieces: list[Piece] = []
        at = 0
        for start, end, label in sorted(sentence.spans):
            if start < at:
                continue
            surface = sentence.text[start:end]
            filled: list[Piece] = [(surface, label)]
            if label == PERSON and (held_out(surface) or self.chance.random() < share):
                filled = self.full() if " " in surface else self.chance.choice((self.given, self.surname))()
                if surface.islower():
                    filled = _lower(filled)
            pieces += [(sentence.text[at:start], 0), *filled]
            at = end
        return joined([*pieces, (sentence.text[at:], 0)], sentence.template)

    def given(self) -> list[Piece]:
        """A given name."""
        return [(self.first(), PERSON)]

    def surname(self) -> list[Piece]:
        """A family name."""
        return [(self.last(), PERSON)]

    def locale(self) -> tuple[str, list[str], list[str]]:
        """A country with its names."""
        return self.chance.choices(self.people, self.people_weights)[0]

    def first(self) -> str:
        """A given name."""
        return self.chance.choice(self.locale()[1])

    def last(self) -> str:
        """A family name."""
        if self.chance.random() < 0.3:
            return self.chance.choices(*self.sources.surnames)[0]
        return self.chance.choice(self.locale()[2])

    def full(self) -> list[Piece]:
        """A name of two or more parts, in one of the ways in which names are written."""
        chance = self.chance
        _, firsts, lasts = self.locale()
        first, last = chance.choice(firsts), chance.choice(lasts)
        drawn = chance.random()
        if drawn < 0.06:
            last = self.last()
        if drawn < 0.72:
            name = f"{first} {last}"
        elif drawn < 0.80:
            name = f"{first} {chance.choice('ABCDEFGHJKLMPRSTW')}. {last}"
        elif drawn < 0.86:
            name = f"{first} {chance.choice(firsts)} {last}"
        elif drawn < 0.90:
            name = f"{first} {last}-{chance.choice(lasts)}"
        elif drawn < 0.93:
            name = f"{chance.choice('ABCDEFGHJKLMPRSTW')}. {last}"
        elif drawn < 0.96:
            name = f"{first} {chance.choice(('van', 'von', 'de', 'van der', 'bin', 'del', 'da', 'el'))} {last}"
        elif drawn < 0.98:
            name = f"{chance.choice(self.lists['titles'])} {first} {last}"
        else:
            name = f"{last} {first}"
        return [(name, PERSON)]

    def person(self) -> list[Piece]:
        """A name, or a part of one."""
        drawn = self.chance.random()
        return self.full() if drawn < 0.7 else [(self.first(), PERSON)] if drawn < 0.9 else [(self.last(), PERSON)]

    def org(self) -> list[Piece]:
        """An organisation."""
        drawn, chance = self.chance.random(), self.chance
        if drawn < 0.45:
            name = chance.choice(self.lists["org"])
        elif drawn < 0.62:
            name = f"{self.last()} {chance.choice(self.lists['org_ends'])}"
        elif drawn < 0.69:
            name = f"{self.last()}, {self.last()} and {self.last()}"
        elif drawn < 0.76:
            name = f"{self.last()}-{self.last()}"
        elif drawn < 0.88:
            name = self.odd()
        elif drawn < 0.93:
            name = f"{self.odd()} {chance.choice(self.lists['org_ends'])}"
        else:
            name = " ".join(chance.choice(self.sources.plain).capitalize() for _ in range(chance.randint(1, 3)))
        return [(name, ORGANISATION)]

    def odd(self) -> str:
        """A made-up brand."""
        chance, plain = self.chance, self.sources.plain
        drawn = chance.random()
        if drawn < 0.35:
            made = "".join(chance.choice(SYLLABLES) for _ in range(chance.randint(2, 3)))
        elif drawn < 0.7:
            made = chance.choice(plain) + chance.choice(plain)
        else:
            made = chance.choice(plain) + chance.choice(BRAND_ENDS)
        return (
            made.capitalize() if chance.random() < 0.85 else made.capitalize() + chance.choice(("AI", "Hub", "DB", "X"))
        )

    def eponym(self) -> str:
        """A name after which something is called."""
        return self.chance.choice((self.last, self.last, self.first))()

    def initial(self) -> str:
        """A letter of somebody's name."""
        return self.chance.choice("ABCDEFGHJKLMNPRSTVW")

    def tool(self) -> str:
        """What a program, a library or a command may be called, in small letters; some are called like people."""
        chance = self.chance
        drawn = chance.random()
        if drawn < 0.15:
            return chance.choice((self.first, self.last))().split()[0].lower()
        if drawn < 0.3:
            return chance.choice(self.lists["tech"]).lower()
        if drawn < 0.4:
            return self.odd().lower()
        if drawn < 0.5:
            return chance.choice(self.sources.plain) + chance.choice(self.sources.plain)
        return chance.choice(self.tools)

    def thing(self) -> str:
        """A thing that no list of words holds: a dish, a plant, a term of some trade, in small letters."""
        drawn = self.chance.random()
        if drawn < 0.15:
            return self.typo()
        if drawn < 0.25:
            return self.chance.choice(self.things) + "s"
        return self.chance.choice(self.things) if drawn < 0.9 else self.chance.choice(self.lists["dish"])

    def typo(self) -> str:
        """An ordinary word, misspelt."""
        word = self.chance.choice(self.sources.plain)
        while len(word) < 5:
            word = self.chance.choice(self.sources.plain)
        at = self.chance.randrange(1, len(word) - 1)
        drawn = self.chance.random()
        if drawn < 0.4:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if drawn < 0.7:
            return word[:at] + word[at + 1 :]
        return word[:at] + word[at] + word[at:]

    def city(self) -> str:
        """A town, the large ones more often."""
        cities = self.sources.cities
        top = 300 if self.chance.random() < 0.3 else len(cities)
        return cities[int(self.chance.random() * top)]

    def zip(self) -> str:
        """A postal code of some country."""
        chance = self.chance
        return "".join(
            chance.choice("0123456789") if c == "#" else chance.choice("ABCEGHJKLMNPRSTVX") if c == "@" else c
            for c in chance.choice(CODES)
        )

    def road(self) -> list[Piece]:
        """The name of a street, in the ways of several countries."""
        chance = self.chance
        drawn = chance.random()
        if drawn < 0.5:
            stem = self.last() if chance.random() < 0.6 else chance.choice(self.sources.plain).capitalize()
            if chance.random() < 0.15:
                stem = f"{chance.randint(1, 99)}{chance.choice(('th', 'st', 'nd', 'rd'))}"
            if chance.random() < 0.15:
                stem = f"{chance.choice(SIDES)} {stem}"
            name = f"{stem} {chance.choice(ENGLISH)}"
        elif drawn < 0.65:
            name = self.last() + chance.choice(GERMANIC)
        elif drawn < 0.85:
            named = chance.choice((self.first() + " " + self.last(), self.last(), self.city()))
            name = f"{chance.choice(ROMANCE)} {named}"
        else:
            name = chance.choice(self.sources.streets)
        return [(name, STREET)]

    def street(self) -> list[Piece]:
        """A street with a house number, sometimes a flat."""
        chance = self.chance
        road = self.road()[0][0]
        small, large = chance.randint(1, 99), chance.randint(1, 9999)
        number = chance.choice(
            (str(chance.randint(1, 220)), str(large), f"{small}{chance.choice('abAB')}", f"{small:02d}")
        )
        drawn = chance.random()
        if drawn < 0.5:
            line = f"{number} {road}"
        elif drawn < 0.8:
            line = f"{road} {number}"
        elif drawn < 0.93:
            line = f"{number} {road} {chance.randint(1, 999)}"
        else:
            line = f"{road}, {number}"
        if chance.random() < 0.25:
            line += f"{chance.choice((' ', ', ', chr(10) + ' '))}{chance.choice(FLATS)} {chance.randint(1, 999)}"
        return [(line, STREET)]

    def address(self) -> list[Piece]:
        """A whole address on one line or some."""
        chance = self.chance
        drawn = chance.random()
        if drawn < 0.08:
            return self.military()
        town: Piece = (self.city(), PLACE)
        code: Piece = (self.zip(), STREET)
        gap: Piece = (" ", STREET)
        if drawn < 0.16:
            return [*self.pobox(), (", ", STREET), town, gap, code]
        if drawn < 0.22:
            return self.corner()
        parts = [*self.street(), (chance.choice((", ", ", ", " ", "\n", "\n ", ",\n")), STREET)]
        if chance.random() < 0.4:
            parts += [town]
        elif chance.random() < 0.4:
            parts += [code, gap, town]
        else:
            parts += [town, (chance.choice((", ", " ", "\n")), STREET), (chance.choice(STATES), PLACE), gap, code]
        if chance.random() < 0.3:
            parts += [(chance.choice((", ", " ", "\n")), STREET), (chance.choice(self.sources.countries), PLACE)]
            if chance.random() < 0.3:
                parts += [gap, code]
        return parts

    def block(self) -> list[Piece]:
        """An address on several lines."""
        chance = self.chance
        parts = [*(self.pobox() if chance.random() < 0.1 else self.street()), ("\n", STREET)]
        town: Piece = (self.city(), PLACE)
        code: Piece = (self.zip(), STREET)
        drawn = chance.random()
        if drawn < 0.5:
            state: Piece = (chance.choice(STATES), PLACE)
            parts += [town, (chance.choice((" ", ", ", "\n")), STREET), state, (" ", STREET), code]
        elif drawn < 0.8:
            parts += [code, (" ", STREET), town]
        else:
            parts += [town]
        if chance.random() < 0.5:
            parts += [("\n", STREET), (chance.choice(self.sources.countries), PLACE)]
        return parts

    def corner(self) -> list[Piece]:
        """Two streets."""
        first, second = (self.chance.choice((self.road, self.street))()[0][0] for _ in range(2))
        return [(f"the corner of {first} and {second}", STREET)]

    def pobox(self) -> list[Piece]:
        """A box at a post office."""
        word = self.chance.choice(
            ("P.O. Box", "PO Box", "P.O.Box", "POB", "Post Office Box", "Postfach", "p.o. box", "P. O. Box")
        )
        return [(f"{word} {self.chance.randint(1, 99999)}", STREET)]

    def military(self) -> list[Piece]:
        """An address of the United States' military post."""
        chance = self.chance
        number = chance.randint(1, 9999)
        start = chance.choice(
            (
                f"USS {self.last()}",
                f"USNS {self.last()}",
                f"PSC {chance.randint(1, 9999)}, Box {number}",
                f"Unit {chance.randint(1, 9999)} Box {number}",
            )
        )
        office = f"{chance.choice(('FPO', 'APO', 'DPO'))} {chance.choice(('AE', 'AP', 'AA'))}"
        return [(f"{start}{chance.choice((', ', chr(10)))}{office} {chance.randint(10000, 99999)}", STREET)]

    def date(self) -> str:
        """A date in one of some ways."""
        chance = self.chance
        day, month, year = chance.randint(1, 28), chance.randint(1, 12), chance.randint(1930, 2030)
        word = chance.choice(self.lists["months"])
        return chance.choice(
            (
                f"{day:02d}/{month:02d}/{year}",
                f"{year}-{month:02d}-{day:02d}",
                f"{day}.{month}.{year}",
                f"{word} {day}, {year}",
                f"{day} {word} {year}",
            )
        )

    def phone(self) -> str:
        """A telephone number."""
        form = self.chance.choice(
            ("(###) ###-####", "###-###-####", "+49 ### #######", "0## #### ####", "+1 ### ### ####", "## ### ###")
        )
        return "".join(self.chance.choice("0123456789") if c == "#" else c for c in form)

    def email(self) -> str:
        """An address that holds a name."""
        return f"{self.first().split()[0].lower()}.{self.last().split()[0].lower()}@{self.odd().lower()}.com"


CODES = ("#####",) * 4 + (
    "#####-####", "####", "######", "##-###", "@#@ #@#", "@@# #@@", "@## #@@", "#### @@"
)  # fmt: skip
BRAND_ENDS = (
    "ify", "ly", "io", "soft", "tech", "logic", "data", "graph", "ware", "hub", "lab", "com", "net", "works", "base",
    "desk", "stack", "flow", "scape", "wise", "ster", "able", "ment",
)  # fmt: skip
ENGLISH = (
    "Street", "St", "St.", "Avenue", "Ave", "Ave.", "Road", "Rd", "Lane", "Drive", "Dr", "Court", "Place", "Boulevard",
    "Blvd", "Way", "Terrace", "Close", "Crescent", "Parkway", "Highway", "Square",
)  # fmt: skip
GERMANIC = (
    "straße", "strasse", "str.", "weg", "gasse", "platz", "straat", "laan", "gatan", "gata", "veien", "vej", "gade",
    "katu", "tie",
)  # fmt: skip
ROMANCE = (
    "Rue de", "Rue", "rue du", "Avenue", "Boulevard", "Via", "Viale", "Piazza", "Corso", "Calle", "Calle de", "Avenida",
    "Carrera", "Paseo de", "Plaza", "Rua", "Travessa", "Praça", "ul.", "ulica", "Strada", "Largo", "Chemin de", "Quai",
    "Impasse", "via", "Camiño", "Rúa",
)  # fmt: skip
SIDES = ("North", "South", "East", "West", "N.", "S.", "E", "W", "Old", "Upper", "St.")
FLATS = ("Apt.", "Suite", "Unit", "#", "Apartment", "Floor", "Flat", "apt", "Ste.")
STATES = tuple(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA"  # noqa: SIM905
    " RI SC SD TN TX UT VT VA WA WV WI WY ON QC BC AB NSW VIC QLD".split()
)
SYLLABLES = tuple(
    "ba be bo ca ce co da de di do fa fi ga go ka ki la li lo lu ma me mi mo na ne no nu ra ri ro ru sa si so ta te ti"  # noqa: SIM905
    " to va ve vi vo xa xo za ze zi zo plex trix soft nova lytic ware tron sys net hub".split()
)


def joined(pieces: list[Piece], template: str = "") -> Sentence:
    """Pieces as one text; neighbours of one label and what is between the parts of an address become one span."""
    spans: list[tuple[int, int, int]] = []
    at = 0
    for text, label in pieces:
        if label and text:
            spans.append((at, at + len(text), label))
        at += len(text)
    return Sentence("".join(text for text, _ in pieces), spans, template)


def _lower(pieces: list[Piece]) -> list[Piece]:
    return [(text.lower(), label) for text, label in pieces]


def _upper(pieces: list[Piece]) -> list[Piece]:
    return [(text.upper(), label) for text, label in pieces]
