"""Where a request comes from: the address behind trusted proxies, and whom it is counted as."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from sisf.errors import ConfigurationError
from sisf.settings import Callers
from sisf.text.remembered import remembered

_FOR = re.compile(rb'(?:^|[;,\s])for="?([^";,\s]+)"?', re.IGNORECASE)
_NAME = re.compile(rb"[\x21-\x7e]{1,128}")
_PREFIX = 64
"""Of an IPv6 address: one customer has at least so much, and as many addresses as they like in it."""


class Proxies:
    """Believes what trusted proxies say of who is behind them, and nobody else."""

    def __init__(self, settings: Callers) -> None:
        """Raises `ConfigurationError` for something that is no address and no network."""
        try:
            self._trusted = tuple(ip_network(text, strict=False) for text in settings.trusted_proxies)
        except ValueError as error:
            raise ConfigurationError(f"callers.trusted_proxies: {error}") from None
        self._header = settings.forwarded_header.encode()
        self._principal = settings.principal_header.lower().encode()

    def trusts(self, peer: str) -> bool:
        """Whether the peer of a connection is a trusted proxy."""
        address = parsed(peer)
        return address is not None and any(address in network for network in self._trusted)

    def client(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The address of the client: of the hops that the proxies name, the last one that is none of them."""
        if not self._trusted or not self.trusts(peer):
            return peer
        client = peer
        for hop in self._hops(headers.get(self._header, b"")):
            if parsed(hop) is None:
                break
            client = hop
            if not self.trusts(hop):
                break
        return client

    def principal(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """Who a trusted proxy says is behind it; empty when it does not say, or not in plain characters."""
        named = headers.get(self._principal, b"") if self._principal and self.trusts(peer) else b""
        return named.decode("ascii") if _NAME.fullmatch(named) else ""

    def _hops(self, value: bytes) -> Iterator[str]:
        """The hops, the nearest first."""
        found = _FOR.findall(value) if self._header == b"forwarded" else value.split(b",")
        for hop in reversed(found):
            yield _without_port(hop.strip().decode("latin-1"))


@remembered
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 one in IPv6 clothes as itself; None for what is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def told_apart(text: str) -> str:
    """What an anonymous client is told apart by: its address, of IPv6 the network that one customer has."""
    address = parsed(text)
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return str(IPv6Network((address, _PREFIX), strict=False))
    return text if address is None else str(address)


def counted_as(text: str) -> str:
    """What an anonymous client is limited by: as `told_apart`, and one machine has many addresses for itself."""
    address = parsed(text)
    return "loopback" if address is not None and address.is_loopback else told_apart(text)


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
