# SPDX-License-Identifier: GPL-2.0-or-later
"""What records ought to say: joined from network inspect of each network, the container list and, for published ports, container inspect,
by code that shares nothing with the program's."""

import ipaddress

from .engine import LABEL_PREFIX


def bare(address: str):
    """Network inspect has addresses with the length of their prefix, and empty ones."""
    return str(ipaddress.ip_interface(address).ip) if address else None


STATES = {"running": "running", "paused": "paused"}


def truth_of_endpoints(engine) -> dict:
    """EndpointID -> what its record has to say."""
    containers = {c["Id"]: c for c in engine.get("/containers/json?all=1")}
    found = {}
    for listed in engine.get("/networks"):
        if listed["Driver"] in ("host", "null"):
            continue
        network = engine.get(f"/networks/{listed['Id']}")
        for container_id, attached in network["Containers"].items():
            container = containers[container_id]
            name = container["Names"][0].lstrip("/")
            labels = {key[len(LABEL_PREFIX) :]: value for key, value in container["Labels"].items() if key.startswith(LABEL_PREFIX)}
            found[attached["EndpointID"]] = {
                "container": container_id,
                "name": name,
                "network": (network["Id"], network["Name"], network["Driver"]),
                "ipv4": bare(attached["IPv4Address"]),
                "ipv6": bare(attached["IPv6Address"]),
                "mac": attached["MacAddress"],
                "labels": {**labels, "docker/container": name, "docker/image": container["Image"], "docker/network": network["Name"]},
                "state": STATES.get(container["State"], "starting"),
                "ports": ports_of(engine.get(f"/containers/{container_id}/json")),
            }
    return found


def ports_of(inspected: dict) -> list:
    """The list has them later than inspect, which waits until the Engine is through with the container."""
    return sorted(
        (inside.partition("/")[2], host["HostIp"], int(host["HostPort"]), int(inside.partition("/")[0]))
        for inside, hosts in (inspected["NetworkSettings"]["Ports"] or {}).items()
        for host in hosts or ()
    )


def truth_of_networks(engine) -> dict:
    return {
        n["Id"]: (n["Name"], n["Driver"], sorted(str(ipaddress.ip_network(c["Subnet"])) for c in n["IPAM"]["Config"] or []))
        for n in engine.get("/networks")
        if n["Driver"] not in ("host", "null")
    }


def of_record(record: dict) -> dict:
    network = record["network"]
    return {
        "container": record["container"]["id"],
        "name": record["container"]["name"],
        "network": (network["id"], network["name"], network["driver"]),
        **{key: record[key] for key in ("ipv4", "ipv6", "mac", "labels", "state")},
        "ports": sorted((p["proto"], p["host_ip"], p["host_port"], p["port"]) for p in record["ports"]),
    }
