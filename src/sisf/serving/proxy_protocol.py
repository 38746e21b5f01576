"""The header with which a proxy says who is behind a connection, before its first byte: versions 1 and 2.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

import struct
from dataclasses import dataclass
from ipaddress import ip_address

_V1, _V1_BYTES = b"PROXY ", 107
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD = 16
_V2_BYTES = 2048
"""So much may follow the head: addresses, and what proxies add to them."""
_LOCAL, _PROXY = 0x20, 0x21
_FAMILIES = {0x11: 4, 0x21: 16}
"""TCP over IPv4 and over IPv6, with the bytes of an address. Others name no address that is of use here."""

Client = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Header:
    """What a connection began with."""

    client: Client | None
    """Who is behind it; None where the proxy speaks for itself, or does not say."""
    length: int
    """Bytes of the header: the request begins behind it."""


def read(data: bytes) -> Header | None:
    """The header at the beginning of what came; None where more of it must come. Raises `ValueError` for anything
    else."""
    if data[: len(_V2)] == _V2[: len(data)]:
        return _version_2(data)
    if data[: len(_V1)] == _V1[: len(data)]:
        return _version_1(data)
    raise ValueError("no PROXY header")


def _version_1(data: bytes) -> Header | None:
    line, ended, _ = data[:_V1_BYTES].partition(b"\r\n")
    if not ended:
        if len(data) >= _V1_BYTES:
            raise ValueError("a PROXY header without an end")
        return None
    parts = line.decode("ascii").split(" ")
    if parts[1] == "UNKNOWN":
        return Header(None, len(line) + 2)
    family, source, target, source_port, target_port = parts[1:]
    versions = {ip_address(source).version, ip_address(target).version}
    if versions != {{"TCP4": 4, "TCP6": 6}.get(family)}:
        raise ValueError(f"{family} with other addresses")
    if not all(port.isdecimal() and int(port) < 1 << 16 for port in (source_port, target_port)):
        raise ValueError("no port")
    return Header((source, int(source_port)), len(line) + 2)


def _version_2(data: bytes) -> Header | None:
    if len(data) < _V2_HEAD:
        return None
    command, family, length = struct.unpack_from("!BBH", data, len(_V2))
    if command not in (_LOCAL, _PROXY) or length > _V2_BYTES:
        raise ValueError("a PROXY header of an unknown kind")
    if len(data) < _V2_HEAD + length:
        return None
    size = _FAMILIES.get(family, 0)
    if command == _LOCAL or not size:
        return Header(None, _V2_HEAD + length)
    if length < 2 * size + 4:
        raise ValueError("a PROXY header that ends within an address")
    source = data[_V2_HEAD : _V2_HEAD + size]
    (port,) = struct.unpack_from("!H", data, _V2_HEAD + 2 * size)
    return Header((str(ip_address(source)), port), _V2_HEAD + length)
