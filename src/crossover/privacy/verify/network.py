"""Addresses of computers: which of them name somebody's, and which stand in every manual."""

from __future__ import annotations

import functools
import ipaddress
import re

from crossover.privacy.verify.facts import numbers

_VERSION_LIKE = re.compile(r"[0-9](?:\.[0-9]){3}")
_ALL_HEX_PAIRS = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){7}", re.IGNORECASE)
_LOCAL_MAC = ("33:33", "01:00:5e", "01:80:c2", "00:00:5e")  # multicast, bridges, virtual routers and documentation


def ipv4(value: str) -> bool:
    """An address of one computer: not this host, a network, a documented example, a resolver or a router's default."""
    if value in _quiet_addresses() or value.endswith((".0", ".255")):
        return False
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        return False  # a leading zero
    return not any(address in network for network in _networks("quiet")) and not _VERSION_LIKE.fullmatch(value)


def ipv4_beside_word(value: str) -> bool:
    """As :func:`ipv4`, but four single digits (1.2.3.4) pass: a word says that it is an address."""
    return ipv4(value) or (_VERSION_LIKE.fullmatch(value) is not None and value not in _quiet_addresses())


def ipv6(value: str) -> bool:
    """An address of one computer: not this host, link-local, documentation or multicast; no row of hex pairs."""
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    groups = [group for group in value.split(":") if group]
    if len(groups) < 3 or not any(character.isdigit() for character in value) or _ALL_HEX_PAIRS.fullmatch(value):
        return False
    return not any(address in network for network in _networks("quiet_6"))


def mac(value: str) -> bool:
    """A hardware address of one device: with a letter, not all alike, no multicast, no documentation."""
    return any(character in "abcdefABCDEF" for character in value) and mac_beside_word(value)


def mac_beside_word(value: str) -> bool:
    """As :func:`mac`, but twelve decimal digits in pairs pass: a word says that it is an address."""
    number = re.sub(r"[^0-9a-f]", "", value.lower())
    pairs = ":".join(number[at : at + 2] for at in range(0, 12, 2))
    if value == number and number.isdigit():
        return False  # a count beside the word
    return len(number) == 12 and len(set(number)) > 1 and not pairs.startswith(_LOCAL_MAC)


@functools.cache
def _quiet_addresses() -> frozenset[str]:
    facts = numbers()["addresses"]
    return frozenset((*facts["resolvers"], *facts["defaults"]))


@functools.cache
def _networks(name: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in numbers()["addresses"][name])
