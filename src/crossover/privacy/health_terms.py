"""The words of medicine, and a text cut into sentences of them: what the health model looks at.

A word stands for what it is (a drug, a condition, a relative) rather than for itself, so that what was learnt of one
drug holds for all. The words are data (``data/health_words.txt``); those that no list holds are known by their endings,
by what numbers stand beside (50 mg, 120/80), or as a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

_PLAIN = (
    "none",
    "start",
    "end",
    "asks",
    "unknown",
    "name",
    "shouted",
    "number",
    "dose",
    "age",
    "ratio",
    "span",
    "share",
)
NONE, START, END, ASKS, UNKNOWN, NAME, SHOUTED, NUMBER, DOSE, AGE, RATIO, SPAN, SHARE = range(len(_PLAIN))
FIRST_WORD = 64  # words that are known but of no class are numbered from here on
_SHORTEST = 7  # letters of a word that is known by its ending
_KEPT = 8_192  # words remembered as they were written
LONGEST = 360  # characters of a sentence; a longer one is cut

# Classes of which a single word makes a text worth a look, and words of other classes that do, too.
_TELLING = ("drug", "drug_class", "condition", "symptom", "procedure", "diagnosed")
_BLANKED = dict.fromkeys(map(ord, ',;:()[]{}<>=*#|"!~^`“”„«»…•·–—→↑↓¿¡'), " ") | {ord("’"): "'", 0xA0: " "}
_EDGES = ".?'-/+&@$€£°"  # marks that belong to a word only in its middle
_SPLIT = re.compile(r"[.!?\n](?:[\"')\]]*\s+|(?<=\n))")
_TITLES = ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "vs", "pt", "Pt", "e.g", "i.e", "Fr", "Hr", "geb", "bzw")
_NUMBER = re.compile(r"(\d+(?:[./]\d+)*)([^\W\d_]*)")
_PARTS = re.compile(r"[^\W_]+")
_UNITS = frozenset(
    (
        "mg",
        "mcg",
        "µg",
        "ug",
        "g",
        "ml",
        "cc",
        "iu",
        "meq",
        "units",
        "unit",
        "kg",
        "lbs",
        "lb",
        "mmhg",
        "bpm",
        "mmol",
        "l",
        "cm",
        "mm",
    )
)
_AGES = frozenset(("yo", "yom", "yof", "y", "yr", "yrs", "yro", "m", "f"))
_SPANS = frozenset(("d", "w", "h", "wk", "wks", "hrs"))
# Endings that words of medicine have, and hardly any others of seven letters and more.
_ENDINGS = {
    "drug": "mab nib pril sartan statin cillin prazole conazole olol gliptin gliflozin cycline mycin floxacin triptan "
    "zepam caine parin xaban gatran setron tidine dronate thiazide semide azepam vudine navir tegravir buvir ciclovir "
    "cyclovir platin rubicin taxel nercept bercept glutide lukast ciclib parib gepant afil profen oxicam barbital "
    "dipine zosin vaptan fungin dogrel relix poetin mustine trexate tadine sonide asone",
    "condition": "itis emia aemia osis opathy oma megaly plegia penia sclerosis cytosis uria phasia "
    "krebs karzinom entzündung infarkt insuffizienz leukämie anämie ectasis ectasia iasis dynia plasia atrophy "
    "dystrophy",
    "procedure": "ectomy otomy ostomy oscopy plasty centesis pexy",
    "symptom": "algia rrhea rrhoea rrhage pnea pnoea esthesia schmerzen",
}
# Ordinary words with such an ending.
_NO_ENDING = frozenset(
    (
        *("diagnosis", "prognosis", "osmosis", "metamorphosis", "hypnosis", "symbiosis", "photosynthesis", "mitosis"),
        *("meiosis", "diploma", "aroma", "idioma", "tacoma", "oklahoma", "sonoma", "paloma", "genoma", "stroma"),
        *("apotheosis", "kurtosis", "gnosis", "anastomosis", "dichotomy", "bohemia", "academia", "nostalgia", "april"),
        *(
            "homeopathy",
            "microscopy",
            "spectroscopy",
            "asturias",
            "etruria",
            "manchuria",
            "lemuria",
            "kuwaitis",
            "trichotomy",
        ),
    )
)
Span: TypeAlias = tuple[int, int]
_Phrase: TypeAlias = tuple[tuple[str, ...], int, bool]  # the words after the first, the class, whether it tells
_Begun: TypeAlias = dict[str, list[_Phrase]]  # phrases by their second word
_Known: TypeAlias = tuple[int, int, int, _Begun | None]  # a word's meaning, its own number (0: none), whether it tells
_NO_WORD: _Known = (UNKNOWN, 0, 0, None)


class Sentence(NamedTuple):
    """A sentence: where it stands, what its words mean, their own numbers, its classes as bits, how many words tell."""

    start: int
    end: int
    means: list[int]
    words: list[int]
    classes: int
    telling: int


class Terms(msgspec.Struct, frozen=True):
    """The lists: ``classes`` by number, every word and phrase with its class, and which of them are telling."""

    classes: tuple[str, ...]
    words: dict[str, int]
    phrases: dict[str, tuple[_Phrase, ...]]
    telling: frozenset[int]
    loud: frozenset[str]
    quiet: frozenset[str]
    tails: dict[str, tuple[tuple[str, int], ...]]

    def number(self, name: str) -> int:
        """The number of a class."""
        return self.classes.index(name)

    def tells(self) -> tuple[set[str], list[tuple[str, ...]], tuple[str, ...]]:
        """All that makes a text worth a look: words, phrases, endings; no phrase with a word that tells by itself."""
        words = {word for word, kind in self.words.items() if self.is_telling(word, kind)}
        phrases = [
            (first, *rest)
            for first, others in self.phrases.items()
            for rest, _, tells in others
            if tells and words.isdisjoint((first, *rest))
        ]
        return words, phrases, tuple(ending for endings in _ENDINGS.values() for ending in endings.split())

    def is_telling(self, word: str, kind: int) -> bool:
        """Whether a word of that class makes a text worth a look."""
        return word in self.loud or (kind in self.telling and word not in self.quiet)


def load() -> Terms:
    """The shipped lists."""
    held: dict[str, list[str]] = {}
    heading: list[str] = []
    for line in (Path(__file__).parent / "data" / "health_words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            heading = held.setdefault(line[1:-1], [])
        elif not line.startswith("#"):
            heading += line.split()
    cased, loud, quiet = (held.pop(name) for name in ("cased", "loud", "quiet"))
    names = [*_PLAIN, *held]
    words: dict[str, int] = {}
    phrases: dict[str, list[_Phrase]] = {}
    for number, (name, entries) in enumerate(held.items(), len(_PLAIN)):
        words |= dict.fromkeys([entry for entry in entries if "_" not in entry], number)
        for entry in [entry for entry in entries if "_" in entry]:
            first, *rest = entry.split("_")
            phrases.setdefault(first, []).append((tuple(rest), number, name in _TELLING or entry in loud))
    words |= dict.fromkeys(cased, names.index("condition"))
    for several in phrases.values():
        several.sort(key=lambda phrase: -len(phrase[0]))
    tails: dict[str, list[tuple[str, int]]] = {}
    for name, endings in _ENDINGS.items():
        for ending in endings.split():
            for tail in (ending, f"{ending}s"):
                tails.setdefault(tail[-3:], []).append((tail, names.index(name)))
    return Terms(
        classes=tuple(names),
        words=words,
        phrases={first: tuple(several) for first, several in phrases.items()},
        telling=frozenset(names.index(name) for name in _TELLING),
        loud=frozenset(loud),
        quiet=frozenset(quiet),
        tails={tail: tuple(found) for tail, found in tails.items()},
    )


class Reader:
    """Cuts texts into sentences of numbers. ``vocabulary`` are words known by themselves, numbered in their order."""

    def __init__(self, terms: Terms, vocabulary: Sequence[str]) -> None:
        self.terms = terms
        own = dict(zip(vocabulary, range(FIRST_WORD, FIRST_WORD + len(vocabulary)), strict=True))
        number_of = own.get
        is_telling = terms.is_telling
        table: dict[str, _Known] = {word: (number, number, 0, None) for word, number in own.items()}
        same: dict[_Known, _Known] = {}  # most words of a class are known alike: one tuple for all of them
        for word, kind in terms.words.items():
            known: _Known = (kind, number_of(word, 0), int(is_telling(word, kind)), None)
            table[word] = same.setdefault(known, known)
        for word, phrases in terms.phrases.items():
            begun: _Begun = {}
            for phrase in phrases:
                begun.setdefault(phrase[0][0], []).append(phrase)
            mean, number, tells, _ = table.get(word, _NO_WORD)
            table[word] = (mean, number, tells, begun)
        self._table = table
        self._medical = frozenset(terms.number(name) for name in (*_TELLING, "condition_weak", "procedure_weak", "lab"))
        self._seen: dict[str, _Known] = {}

    def sentences(self, text: str, wanted: Callable[[Sequence[Span]], Iterable[int]] | None = None) -> list[Sentence]:
        """The sentences of a text, in order. ``wanted`` says of which of the spans the words are read; else of all."""
        flat = text.translate(_BLANKED)
        spans = list(_spans(text))
        if wanted is None:
            return [self._read(text, flat, start, end) for start, end in spans]
        chosen = set(wanted(spans))
        return [
            self._read(text, flat, start, end) if place in chosen else Sentence(start, end, [], [], 0, 0)
            for place, (start, end) in enumerate(spans)
        ]

    def _read(self, text: str, flat: str, start: int, end: int) -> Sentence:
        means = [START]
        words: list[int] = []
        telling = skip = place = 0
        get = self._seen.get
        found = flat[start:end].split()
        for token in found:
            place += 1
            if skip:
                skip -= 1
                continue
            known = get(token) or self._look_up(token)
            if known is None:
                telling += self._unknown(token, means, words)
                continue
            mean, own, tells, phrases = known
            if phrases is not None and place < len(found):
                after = found[place]
                if after in phrases or not (after.isalpha() and after.islower()) or after[-1] == "s":
                    taken = _phrase(phrases, found, place)
                    if taken is not None:
                        skip, mean, tells = taken
                        own = 0
            means.append(mean if mean != NAME or place > 1 else UNKNOWN)
            telling += tells
            if own:
                words.append(own)
        means.append(ASKS if text[end - 1] == "?" else END)
        classes = 0
        for mean in set(means):
            if mean < FIRST_WORD:
                classes |= 1 << mean
        return Sentence(start, end, means, words, classes, telling)

    def _look_up(self, token: str) -> _Known | None:
        """What a word means as it is written, remembered; None for numbers and compounds."""
        bare = token if token.isalpha() else token.strip(_EDGES)
        word = bare.lower()
        known = self._table.get(bare) or self._table.get(word) or self._plural(word)
        if known is None:
            if not word.isalpha():
                return None
            kind = self._by_ending(word)
            if kind:
                known = (kind, 0, 1, None)
            elif bare[0].isupper():
                known = (SHOUTED if len(bare) > 1 and bare.isupper() else NAME, 0, 0, None)
            else:
                known = _NO_WORD
        if len(self._seen) >= _KEPT:
            self._seen = {}
        self._seen[token] = known
        return known

    def _plural(self, word: str) -> _Known | None:
        """What the plural of a word of medicine means."""
        known = self._table.get(word[:-1]) if len(word) > 4 and word[-1] == "s" else None
        return known if known is not None and known[0] in self._medical else None

    def _unknown(self, token: str, means: list[int], words: list[int]) -> int:
        """Adds what a number or a compound means; how many words in it tell."""
        word = token.strip(_EDGES).lower()
        if not word:
            return 0
        if word[0].isdigit():
            means.append(_of_number(word))
            return 0
        if word[0] == "x" and word[1:2].isdigit():
            means.append(SPAN)
            return 0
        if "'" in word:
            whole = self._table.get(word.replace("'", ""))
            if whole is not None:
                means.append(whole[0])
                words.append(whole[1] or UNKNOWN)
                return whole[2]
        return self._compound(word, means, words)

    def _compound(self, word: str, means: list[int], words: list[int]) -> int:
        """Adds the known parts of a compound: HIV-positive, post-ictal, nausea/vomiting, mother's, l'hôpital, q6h."""
        parts = _PARTS.findall(word) if "_" not in word else []
        telling = added = 0
        for at, part in enumerate(parts):
            known = self._table.get(part)
            if known is None:
                kind = self._by_ending(part)
                if kind:
                    means.append(kind)
                    telling += 1
                    added += 1
                continue
            mean, own, tells, phrases = known
            if phrases is not None and at + 1 < len(parts):
                taken = _phrase(phrases, parts, at + 1)
                if taken is not None:
                    _, mean, tells = taken
            if mean < FIRST_WORD or len(part) > 1:
                means.append(mean)
                words.append(own or UNKNOWN)
                telling += tells
                added += 1
        if not added:
            means.append(UNKNOWN)
        return telling

    def _by_ending(self, word: str) -> int:
        """The class of a word of medicine by its ending; 0 where it has none."""
        if len(word) < _SHORTEST or not word.isalpha():
            return 0
        stem = word
        for ending, kind in self.terms.tails.get(stem[-3:], ()):
            if stem.endswith(ending) and stem not in _NO_ENDING and stem[:-1] not in _NO_ENDING:
                return kind
        return 0


def _phrase(begun: _Begun, found: Sequence[str], place: int) -> tuple[int, int, int] | None:
    """The longest phrase that goes on at ``place``: how many words more, its class, whether it tells."""
    second = _bare(found[place])
    for rest, kind, tells in begun.get(second) or begun.get(second.removesuffix("s")) or ():
        size = len(rest)
        if size == 1:
            return size, kind, int(tells)
        said = [_bare(token) for token in found[place : place + size]]
        if len(said) == size and all(word in (plain, f"{plain}s") for word, plain in zip(said, rest, strict=True)):
            return size, kind, int(tells)
    return None


def _bare(token: str) -> str:
    """A word as the lists have it."""
    return token.strip(_EDGES).lower().replace("'", "")


def _of_number(word: str) -> int:
    """A number with what is glued to it: a dose, an age, a ratio such as 120/80."""
    if word[-1] == "%":
        return SHARE
    match = _NUMBER.match(word)
    if match is None:
        return NUMBER
    digits, unit = match[1], match[2]
    if "-" in word:
        return AGE if word.endswith(("old", "jährige", "jähriger", "jährigen")) else SPAN
    if unit:
        if unit in _UNITS:
            return DOSE
        if unit in _AGES and len(digits) < 4:
            return AGE
        return SPAN if unit in _SPANS else NUMBER
    return RATIO if "/" in digits else NUMBER


def _spans(text: str) -> Iterator[Span]:
    """Where sentences start and end; lines are sentences, unless the next one goes on in small letters."""
    at = 0
    for cut in _SPLIT.finditer(text):
        start, end = cut.span()
        if text[start] == "\n":
            if text[end : end + 1].islower() and "\n" not in text[start + 1 : end]:
                continue
        elif text[start] == "." and text.endswith(_TITLES, at, start):
            continue
        if start + 1 - at <= LONGEST and end > at + 1 and not text[at].isspace():
            yield at, at + len(text[at:end].rstrip())
        else:
            yield from _short(text, at, end)
        at = end
    if at < len(text):
        yield from _short(text, at, len(text))


def _short(text: str, start: int, end: int) -> Iterator[Span]:
    """A sentence without the blanks around it, in pieces where it is very long; none where it is blank."""
    start += end - start - len(text[start:end].lstrip())
    end = start + len(text[start:end].rstrip())
    while end - start > LONGEST:
        half, most = start + LONGEST // 2, start + LONGEST
        cut = max(text.rfind(" ", half, most), text.rfind("\n", half, most))
        cut = cut if cut > 0 else most
        yield start, cut
        start = cut
    if end > start:
        yield start, end


def tokens(text: str) -> list[str]:
    """The words of a text as they are looked up."""
    return [_bare(token) for token in text.translate(_BLANKED).split()]
