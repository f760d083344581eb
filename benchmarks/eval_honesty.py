"""Does a verdict keep its word when users do what it advises? Simulated users, many per cell, on the shipped functions.

    python benchmarks/eval_honesty.py [--users 4000] [--margin 0.05] [--seed 1]

A user starts with 100 prompts, looks, and as long as the verdict is "inconclusive: need N more" buys N more and looks
again, ten times at most. At a true gap of minus the margin, "not worse" (with "equivalent" and "better") and "worse by
more than the margin" are both false. At a true gap of 0 a verdict should come at all. Beside the shipped way ("ours"):

    naive   Tango's 90 % interval at every look, N by the textbook from the current estimates
    spent   the same with the error spent over ten looks (Pocock's constant), N for that boundary
    fixed   one look at the N of the textbook, the discordance known before; chosen for 80 % and for 99 % conclusive

"Advice kept" is the share of the users told to buy more for whom the first N was enough (80 % were promised). Further
tables: the same by round; looking after every 25 prompts, whatever was advised, where the promise has to hold too and
stopping early saves prompts; graded scores and groups; Tango's interval at one look, exactly; what the right to look
costs. One core, a minute or two.
"""

from __future__ import annotations

import argparse
import math
import time

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.evaluation.power import fixed_size, further, rounded_up
from crossover.evaluation.sequential import Floats, Stakes, lower_bound, stakes_for
from crossover.evaluation.verdict import compare, p_above
from crossover.evaluation.words import Pair
from crossover.stats import normal_quantile, tango

ALPHA, POWER, FIRST, ROUNDS = 0.05, 0.8, 100, 10
POCOCK = 2.270  # ten looks, one-sided 5 %; checked below by simulating a Brownian motion
SIGNS = np.array([-1.0, 0.0, 1.0])
Bools = NDArray[np.bool_]
MOST = 5_000  # the naive user buys no more than this at once


class Seen(msgspec.Struct, frozen=True):
    """What one look says, for every user: the claims that a verdict is made of."""

    above: Bools  # gap > -margin: not worse, equivalent, better
    behind: Bools  # gap < 0
    below: Bools  # gap < -margin
    ahead: Bools  # gap > 0


def ours(values: Floats, counts: Floats, margin: float, stakes: Stakes | None = None) -> Seen:
    stakes = stakes or stakes_for(margin)
    return Seen(
        *(
            p_above(sign * values, counts, null, stakes) <= ALPHA
            for sign, null in ((1, -margin), (-1, 0.0), (-1, margin), (1, 0.0))
        )
    )


def scored(values: Floats, counts: Floats, margin: float, z: float) -> Seen:
    """By Tango's statistic; by the t statistic where differences are graded."""
    n, total = counts.sum(axis=1), counts @ values
    error = np.sqrt(np.maximum(counts @ values**2 - total**2 / n, 1e-12))
    edge, zero = (
        tango_scores(counts[:, 2], counts[:, 0], n, null) if values.size == 3 else (total - n * null) / error
        for null in (-margin, 0.0)
    )
    return Seen(edge >= z, zero <= -z, edge <= -z, zero >= z)


def tango_scores(wins: Floats, losses: Floats, n: Floats, null: float) -> Floats:
    slope = null * (2 * n - wins + losses) - wins - losses
    product = losses * null * (1 - null)
    lost = (np.sqrt(np.maximum(slope**2 + 8 * n * product, 0)) - slope) / (4 * n)
    variance = n * (2 * lost + null * (1 - null))
    return np.asarray((wins - losses - n * null) / np.sqrt(np.maximum(variance, 1e-12)), dtype=np.float64)


def ours_more(n: Floats, gap: Floats, spread: Floats, margin: float) -> NDArray[np.int64]:
    (steps,) = further(n, gap, spread, margin=margin, alpha=ALPHA, powers=[POWER], stakes=stakes_for(margin))
    return np.array([rounded_up(float(step)) for step in steps], dtype=np.int64)


def textbook_more(n: Floats, gap: Floats, spread: Floats, margin: float, z: float) -> NDArray[np.int64]:
    distance = np.maximum(gap + margin, -gap)
    wanted = (z + normal_quantile(POWER)) ** 2 * np.maximum(spread - gap**2, 0.5 / n) / distance**2
    more: NDArray[np.int64] = np.ceil(np.clip(wanted - n, np.maximum(0.1 * n, 10), MOST)).astype(np.int64)
    return more


class Ending(msgspec.Struct, frozen=True):
    """What became of all users: prompts used, what was said last, and what had been said after each round."""

    n: Floats
    said: Seen
    counts: Floats
    rounds: tuple[tuple[float, float, float], ...] = ()  # shares of users: not worse, worse by more, conclusive

    @property
    def conclusive(self) -> float:
        return float((self.said.above | self.said.behind).mean())

    @property
    def kept(self) -> float:
        first, second = self.rounds[0][2], self.rounds[1][2]
        return (second - first) / (1 - first)


def obey(way: str, values: Floats, chances: Floats, margin: float, users: int, seed: int) -> Ending:
    """Users who look, buy what is advised, and look again."""
    chance = np.random.default_rng(seed)
    counts = np.zeros((users, values.size))
    said = np.zeros((4, users), dtype=bool)
    more = np.full(users, FIRST)
    live = np.arange(users)
    history: list[tuple[float, float, float]] = []
    z = {"naive": normal_quantile(1 - ALPHA), "spent": POCOCK}.get(way, 0.0)
    for _ in range(ROUNDS):
        counts[live] += chance.multinomial(more, chances)
        now = counts[live]
        seen = ours(values, now, margin) if way == "ours" else scored(values, now, margin, z)
        said[:, live] = (seen.above, seen.behind, seen.below, seen.ahead)
        history.append((float(said[0].mean()), float(said[2].mean()), float((said[0] | said[1]).mean())))
        live = live[~(seen.above | seen.behind)]
        now = counts[live]
        n = now.sum(axis=1)
        gap, spread = now @ values / n, now @ values**2 / n
        more = ours_more(n, gap, spread, margin) if way == "ours" else textbook_more(n, gap, spread, margin, z)
    return Ending(counts.sum(axis=1), Seen(*said), counts, tuple(history))


def peek(
    chances: Floats, margin: float, users: int, seed: int, most: int, stakes: Stakes | None = None
) -> tuple[Ending, Ending]:
    """Users who look after every 25 prompts: those who stop at a verdict, and those who go on for a false one."""
    chance = np.random.default_rng(seed)
    counts = np.zeros((users, SIGNS.size))
    said, ever = np.zeros((4, users), dtype=bool), np.zeros((4, users), dtype=bool)
    n, open_ = np.zeros(users), np.ones(users, dtype=bool)
    for _ in range(most // 25):
        counts += chance.multinomial(25, chances, size=users)
        seen = np.array(msgspec.structs.astuple(ours(SIGNS, counts, margin, stakes)))
        ever |= seen
        n[open_] += 25
        said[:, open_] = seen[:, open_]
        open_ &= ~(seen[0] | seen[1])
    return Ending(n, Seen(*said), counts), Ending(n, Seen(*ever), counts)


def signs(discordance: float, gap: float) -> Floats:
    return np.array([(discordance - gap) / 2, 1 - discordance, (discordance + gap) / 2])


def grid(shape: Floats, values: Floats, gap: float) -> Floats:
    """The chances of a shape over values, tilted until their mean is ``gap``."""
    low, high = -50.0, 50.0
    for _ in range(100):
        tilt = (low + high) / 2
        chances = shape * np.exp(tilt * values)
        chances /= chances.sum()
        low, high = (tilt, high) if chances @ values < gap else (low, tilt)
    return chances


def percent(share: float) -> str:
    return f"{share * 100:5.1f}"


def allowed(users: int) -> float:
    return ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / users)


def check_pocock(seed: int) -> float:
    """How often a Brownian motion without drift ever exceeds Pocock's constant at ten equal looks."""
    steps = np.random.default_rng(seed).normal(size=(200_000, ROUNDS)).cumsum(axis=1)
    return float((steps >= POCOCK * np.sqrt(np.arange(1, ROUNDS + 1))).any(axis=1).mean())


def honest_loop(users: int, margin: float, seed: int) -> None:
    print(
        f"\nObeying the advice: {users:,} users a cell, allowed {percent(allowed(users))} % (5 % + 2 standard errors)"
    )
    print("                   gap -margin, false, %           gap 0, %                            prompts at gap 0")
    print("discordance way    not worse  worse by more   conclusive better  worse  kept     mean  median  mean/fixed")
    for discordance in (0.1, 0.2, 0.3, 0.4):
        fixed = fixed_size(margin, discordance, 0.0, alpha=ALPHA, power=POWER) or 1
        for way in ("naive", "spent", "ours"):
            edge = obey(way, SIGNS, signs(discordance, -margin), margin, users, seed)
            equal = obey(way, SIGNS, signs(discordance, 0.0), margin, users, seed + 1)
            print(
                f"{discordance:11.2f} {way:6}     {percent(edge.said.above.mean())}          "
                f"{percent(edge.said.below.mean())}        {percent(equal.conclusive)}  "
                f"{percent(equal.said.ahead.mean())}  {percent(equal.said.behind.mean())} {percent(equal.kept)}    "
                f"{equal.n.mean():5.0f}   {np.median(equal.n):5.0f}      {equal.n.mean() / fixed:6.2f}"
            )
            if way == "ours":
                check_against_the_door(edge, margin)
        for power in (POWER, 0.99):
            n = fixed_size(margin, discordance, 0.0, alpha=ALPHA, power=power) or 1
            reached = one_look(discordance, margin, n, users, seed)
            print(f"{discordance:11.2f} fixed{'':34}{percent(reached)}{'':22}   {n:6}   {n:5}      {n / fixed:6.2f}")


def one_look(discordance: float, margin: float, n: int, users: int, seed: int) -> float:
    counts = np.random.default_rng(seed).multinomial(n, signs(discordance, 0.0), size=users).astype(np.float64)
    seen = scored(SIGNS, counts, margin, normal_quantile(1 - ALPHA))
    return float((seen.above | seen.behind).mean())


def check_against_the_door(ending: Ending, margin: float, some: int = 10) -> None:
    """The vectorised path must say what ``compare`` says of the same pairs."""
    for counts, above, below in zip(ending.counts[:some], ending.said.above, ending.said.below, strict=False):
        lost, equal, won = (int(count) for count in counts)
        pairs = [Pair(candidate=0, reference=1)] * lost + [Pair(candidate=1, reference=1)] * equal
        pairs += [Pair(candidate=1, reference=0)] * won
        verdict = compare(pairs, margin=margin).verdict
        assert (verdict in ("better", "equivalent", "not_worse")) == above
        assert (verdict == "worse_than_margin") == below


def by_round(users: int, margin: float, seed: int) -> None:
    print("\nFalse words after so many rounds, % of users, true gap -margin")
    print("discordance way   " + "".join(f"{number:6}" for number in range(1, ROUNDS + 1)))
    for discordance in (0.1, 0.2, 0.3, 0.4):
        for way in ("naive", "ours"):
            rounds = obey(way, SIGNS, signs(discordance, -margin), margin, users, seed).rounds
            rounds += rounds[-1:] * (ROUNDS - len(rounds))
            for place, name in ((0, "not worse"), (1, "worse by more")):
                row = " ".join(percent(said[place]) for said in rounds)
                print(f"{discordance:11.2f} {way:6} {row}  {name}")


def peeking(users: int, margin: float, seed: int) -> None:
    print(
        "\nOurs, looking after every 25 prompts: stopped by the verdict, or never stopped (the worst that can be seen)"
    )
    print("             true gap -margin, ever seen, %      true gap 0, stopped by the verdict")
    print("discordance  not worse   worse by more         conclusive %   mean  median     90 %   mean / fixed")
    for discordance in (0.1, 0.2, 0.3, 0.4):
        fixed = fixed_size(margin, discordance, 0.0, alpha=ALPHA, power=POWER) or 1
        _, ever = peek(signs(discordance, -margin), margin, users, seed, 10 * fixed)
        equal, _ = peek(signs(discordance, 0.0), margin, users, seed + 1, 10 * fixed)
        print(
            f"{discordance:11.2f}      {percent(ever.said.above.mean())}           {percent(ever.said.below.mean())}"
            f"                {percent(equal.conclusive)}  {equal.n.mean():5.0f}   {np.median(equal.n):5.0f}    "
            f"{np.quantile(equal.n, 0.9):5.0f}   {equal.n.mean() / fixed:6.2f}"
        )


def other_scores(users: int, margin: float, seed: int) -> None:
    print("\nGraded scores and groups, obeying the advice (naive: the t interval at every look)")
    print("                                                  gap -margin, false, %         gap 0")
    print("scores                                   way    not worse   worse by more   conclusive %   mean units")
    tenths, fifths = np.linspace(-1, 1, 21), np.linspace(-1, 1, 11)
    rare = np.zeros(21)
    rare[[0, 10, 11]] = (0.1, 0.3, 0.6)
    shapes = {
        "graded, many small differences": (tenths, np.exp(-np.abs(tenths) / 0.15)),
        "graded, a rare total loss": (tenths, rare),
        "groups of 5, prompts much alike": (fifths, 0.02 + (np.abs(fifths) > 0.9) * 0.1 + (fifths == 0) * 0.6),
    }
    for name, (values, shape) in shapes.items():
        for way in ("naive", "ours"):
            edge = obey(way, values, grid(shape, values, -margin), margin, users, seed)
            equal = obey(way, values, grid(shape, values, 0.0), margin, users, seed + 1)
            print(
                f"{name:40} {way:6}     {percent(edge.said.above.mean())}           {percent(edge.said.below.mean())}"
                f"          {percent(equal.conclusive)}   {equal.n.mean():6.0f}"
            )


def exactly(margin: float) -> None:
    """All outcomes of one look, with their chances: no simulation."""
    print("\nOne look, exactly, true gap -margin, discordance 0.10, false, %")
    print("prompts   Tango: not worse   worse by more   ours: not worse   worse by more")
    lost, equal, won = signs(0.1, -margin)
    for n in (30, 60, 90, 120, 200, 400):
        wins, losses = (part.ravel() for part in np.indices((n + 1, n + 1)))
        wins, losses = wins[wins + losses <= n], losses[wins + losses <= n]
        counts = np.stack([losses, n - wins - losses, wins], axis=1).astype(np.float64)
        logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
        chance = np.exp(
            logs[n] - logs[wins] - logs[losses] - logs[n - wins - losses] + counts @ np.log([lost, equal, won])
        )
        rows = scored(SIGNS, counts, margin, normal_quantile(1 - ALPHA)), ours(SIGNS, counts, margin)
        shares = [percent(float(chance[which].sum())) for row in rows for which in (row.above, row.below)]
        print(f"{n:7}              {'           '.join(shares)}")


def costs(users: int, margin: float, seed: int) -> None:
    print("\nThe best single stake for equals, as if the discordance were known, looking every 25: prompts at gap 0")
    for discordance in (0.1, 0.2, 0.3, 0.4):
        fixed = fixed_size(margin, discordance, 0.0, alpha=ALPHA, power=POWER) or 1
        shares = np.linspace(0.01, 0.99, 99)
        growth = signs(discordance, 0.0) @ np.log1p(shares * (SIGNS[:, None] + margin) / (1 - margin))
        best = Stakes(shares[[growth.argmax()]], np.zeros(1))
        n = peek(signs(discordance, 0.0), margin, users, seed + 1, 10 * fixed, best)[0].n.mean()
        print(f"{discordance:11.2f} {n:6.0f}   mean/fixed {n / fixed:5.2f}")
    print("\nHalf the width of the interval beside Tango's, equals, discordance 0.25")
    for n in (100, 400, 1000, 4000):
        each = n // 8
        ours_half = -lower_bound(SIGNS, [each, n - 2 * each, each], ALPHA, stakes_for(margin))
        tango_half = tango(each, each, n, 1 - 2 * ALPHA)[1]
        print(
            f"{n:6} prompts   {ours_half * 100:5.1f} points   {tango_half * 100:5.1f}   {ours_half / tango_half:5.2f} x"
        )
    print("\nIdentical answers that show equivalence, by margin; the fewest of which one look at them could be sure")
    for wanted in (0.02, 0.05, 0.1):
        enough = next(n for n in range(1, 10_000) if p_above([0.0], [n], -wanted, stakes_for(wanted)) <= ALPHA)
        print(f"{wanted:6.2f}   {enough:5}   {math.ceil(math.log(ALPHA) / math.log1p(-wanted)):5}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--margin", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.process_time()
    print(f"margin {options.margin:g}, 5 % in each direction, need N more with a chance of {POWER:.0%}")
    print(f"Pocock's constant {POCOCK}: exceeded by {percent(check_pocock(options.seed))} % without drift")
    for part in (honest_loop, by_round, peeking, other_scores):
        part(options.users, options.margin, options.seed)
    exactly(options.margin)
    costs(options.users, options.margin, options.seed)
    print(f"\n{time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
