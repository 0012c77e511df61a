# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of Docker's nftables back end (Engine 29), for an Engine that has none and leaves the firewall alone.

The layout is the one that Docker publishes: table docker-bridges per IP version; base chains at filter, raw and both nat
priorities; per bridge a chain for what goes in and one for what comes out, found by a verdict map; accept and drop where
Docker says so.
"""

import dataclasses


@dataclasses.dataclass
class Bridge:
    name: str
    subnets: dict  # IP version -> CIDR
    icc: bool = True
    internal: bool = False
    unprotected: bool = False  # gateway mode nat-unprotected: ports need not be published
    published: list = dataclasses.field(default_factory=list)  # of Published


@dataclasses.dataclass
class Published:
    addresses: dict  # IP version -> the container's address
    host_port: int
    port: int
    protocols: tuple = ("tcp", "udp")
    host: dict = dataclasses.field(default_factory=dict)  # IP version -> the one address that it is published on


def _each_published(bridges, version):
    for bridge in bridges:
        for entry in bridge.published:
            if version in entry.addresses and (not entry.host or version in entry.host):
                for protocol in entry.protocols:
                    yield bridge, entry, entry.addresses[version], protocol


def _into(bridge, version) -> list:
    lines = ["ct state established,related counter accept"]
    if bridge.internal:
        lines.append(f'iifname != "{bridge.name}" counter drop comment "INTERNAL NETWORK INGRESS"')
        return lines + [f'counter {"accept" if bridge.icc else "drop"} comment "ICC"']
    lines.append(f'iifname "{bridge.name}" counter {"accept" if bridge.icc else "drop"} comment "ICC"')
    if bridge.unprotected:
        return lines + ['counter accept comment "UNPROTECTED"']
    for _, entry, address, protocol in _each_published([bridge], version):
        lines.append(f"{_ip(version)} daddr {address} {protocol} dport {entry.port} counter accept")
    return lines + ['counter drop comment "UNPUBLISHED PORT DROP"']


def _out_of(bridge) -> list:
    lines = ["ct state established,related counter accept"]
    if bridge.internal:
        return lines + [f'oifname != "{bridge.name}" counter drop comment "INTERNAL NETWORK EGRESS"']
    return lines + ['counter accept comment "OUTGOING"']


def _nat_into(bridge, version, proxy: bool) -> list:
    if proxy or bridge.internal:
        return []
    lines = ['fib saddr type local counter masquerade comment "MASQUERADE FROM HOST"']
    for _, entry, address, protocol in _each_published([bridge], version):
        pair = f"{_ip(version)} saddr {address} {_ip(version)} daddr {address}"
        lines.append(f'{pair} {protocol} dport {entry.port} counter masquerade comment "MASQ TO OWN PORT"')
    return lines


def _nat_out_of(bridge, version) -> list:
    if bridge.internal:
        return []
    return [f'oifname != "{bridge.name}" {_ip(version)} saddr {bridge.subnets[version]} counter masquerade comment "MASQUERADE"']


def _ip(version) -> str:
    return "ip" if version == 4 else "ip6"


def _dnat(bridges, version, proxy: bool) -> list:
    lines = []
    for bridge, entry, address, protocol in _each_published(bridges, version):
        elsewhere = f'iifname != "{bridge.name}" ' if proxy else ""
        elsewhere += f"{_ip(version)} daddr {entry.host[version]} " if entry.host else ""
        to = f"[{address}]" if version == 6 else address
        lines.append(f'{elsewhere}{protocol} dport {entry.host_port} counter dnat to {to}:{entry.port} comment "DNAT"')
    return lines


def _raw(bridges, version) -> list:
    lines = {}
    for bridge, entry, address, protocol in _each_published(bridges, version):
        if not bridge.unprotected:
            lines[f'{_ip(version)} daddr {address} iifname != "{bridge.name}" counter drop comment "DROP DIRECT ACCESS"'] = True
        if entry.host.get(version) in ("127.0.0.1", "::1"):
            what = f"{_ip(version)} daddr {entry.host[version]} {protocol} dport {entry.host_port}"
            lines[f'iifname != "lo" {what} counter drop comment "DROP REMOTE LOOPBACK"'] = True
    return list(lines)


def _chain(name, lines, hook="") -> str:
    body = "\n".join(f"\t\t{line}" for line in ([hook] if hook else []) + lines)
    return f"\tchain {name} {{\n{body}\n\t}}\n"


def _jumps(what: str, bridges) -> str:
    elements = ", ".join(f'"{b.name}" : jump {what}__{b.name}' for b in bridges)
    return f"\tmap {what}-jumps {{\n\t\ttype ifname : verdict\n\t\telements = {{ {elements} }}\n\t}}\n"


def table(bridges, version: int, proxy: bool = True) -> str:
    """One of the two tables, as text for nft -f. proxy: docker-proxy runs."""
    bridges = [b for b in bridges if version in b.subnets]
    local = "fib daddr type local counter jump nat-prerouting-and-output"
    loopback = "127.0.0.0/8" if version == 4 else "::1"
    not_loopback = f"{_ip(version)} daddr != {loopback} " if proxy or version == 6 else ""
    parts = []
    for bridge in bridges:
        parts += [
            _chain(f"filter-forward-in__{bridge.name}", _into(bridge, version)),
            _chain(f"filter-forward-out__{bridge.name}", _out_of(bridge)),
            _chain(f"nat-postrouting-in__{bridge.name}", _nat_into(bridge, version, proxy)),
            _chain(f"nat-postrouting-out__{bridge.name}", _nat_out_of(bridge, version)),
        ]
    parts += [_jumps(what, bridges) for what in ("filter-forward-in", "filter-forward-out", "nat-postrouting-in", "nat-postrouting-out")]
    parts += [
        _chain(
            "filter-FORWARD",
            ["oifname vmap @filter-forward-in-jumps", "iifname vmap @filter-forward-out-jumps"],
            "type filter hook forward priority filter; policy accept;",
        ),
        _chain("nat-prerouting-and-output", _dnat(bridges, version, proxy)),
        _chain("nat-OUTPUT", [not_loopback + local], "type nat hook output priority -100; policy accept;"),
        _chain(
            "nat-POSTROUTING",
            ["iifname vmap @nat-postrouting-out-jumps", "oifname vmap @nat-postrouting-in-jumps"],
            "type nat hook postrouting priority srcnat; policy accept;",
        ),
        _chain("nat-PREROUTING", [local], "type nat hook prerouting priority dstnat; policy accept;"),
        _chain("raw-PREROUTING", _raw(bridges, version), "type filter hook prerouting priority raw; policy accept;"),
    ]
    return f"table {_ip(version)} docker-bridges {{\n" + "".join(parts) + "}\n"
