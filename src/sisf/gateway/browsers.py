"""A gateway without keys is open to the programs of its machine, not to every page that a browser there shows."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from sisf.errors import HttpFailure, quoted
from sisf.gateway.addresses import parsed
from sisf.text.remembered import remembered


def refuse_foreign(headers: Mapping[bytes, bytes], peer: str, hosts: Sequence[str]) -> None:
    """Raise `HttpFailure` (403) for a request that a page of elsewhere made: its `Origin` is neither local, nor the
    gateway's own, nor one of `hosts`; or, from the gateway's own machine, its `Host` is a name of somebody else (DNS
    rebinding). Names without a dot are nobody's on the internet: containers and local networks use them."""
    host = name_of(b"//" + headers.get(b"host", b""))
    address = parsed(peer)
    rebound = address is not None and address.is_loopback and not is_local(host) and host not in hosts
    if rebound and parsed(host) is None and (not host or "." in host.rstrip(".")) and b"host" in headers:
        raise HttpFailure(403, "foreign_host", f"{quoted(host, 80)} is not a name of this gateway; see listen.hosts.")
    origin = headers.get(b"origin")
    if origin is None:
        return
    name = name_of(origin)
    if not (name and (is_local(name) or name in hosts or name == host)):
        raise HttpFailure(403, "foreign_origin", "Pages of other sites may not call a gateway without keys.")


@remembered
def name_of(url: bytes) -> str:
    """The host that an origin or a `Host` names; empty where it names none."""
    try:
        return urlsplit(url.decode("latin-1")).hostname or ""
    except ValueError:
        return ""


@remembered
def is_local(name: str) -> bool:
    """Whether a name is of this machine."""
    address = parsed(name)
    return name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback)
