"""Boot without a desktop, and remote desktop for named networks or for nobody."""

import ipaddress

import pytest

from tests.host.found import Found

pytestmark = pytest.mark.managed


def test_boots_without_a_desktop_where_asked(found: Found) -> None:
    if not found.declared.is_set("headless_enabled"):
        return
    target = found["target"].out
    found.check(
        target == "multi-user.target",
        f"it boots into {target}, and headless_enabled is true",
        found.provision("headless"),
    )


def test_xrdp_runs_where_asked(found: Found) -> None:
    if not found.declared.is_set("headless_xrdp"):
        return
    for unit in ("xrdp-sesman.service", "xrdp.service"):
        state = found.unit(unit)
        found.check(
            state["ActiveState"] == "active" and state["UnitFileState"] in ("enabled", "indirect"),
            f"headless_xrdp is true, and {unit} is {state['ActiveState']} and {state['UnitFileState'] or 'missing'}",
            found.provision("headless"),
        )


def test_xrdp_is_not_open_to_all(found: Found) -> None:
    if found.declared.is_set("headless_xrdp") and found.declared.is_set("headless_xrdp_open_to_all"):
        return
    listening = [each for each in found.listeners if each.program.startswith("xrdp") and each.to_all]
    if not listening:
        return
    remedy = (
        found.provision("headless")
        if found.declared.is_set("headless_xrdp")
        else found.there("sudo systemctl disable --now xrdp xrdp-sesman")
        + f"; or name who may reach it by headless_xrdp and headless_xrdp_networks, then {found.provision('headless')}"
    )
    named = found.declared["headless_xrdp_networks"] if found.declared.is_set("headless_xrdp") else []
    allowed = {ipaddress.ip_network(each, strict=False) for each in named}
    for question, command in (("chains", "iptables"), ("chains6", "ip6tables")):
        if question == "chains6" and found[question].ok and not found[question].out:
            continue
        rules = found[question].lines
        for each in listening:
            found.check(
                any(f"--dport {each.port} " in rule and rule.startswith("-A INPUT") for rule in rules)
                and "-A EDGEBENCH-XRDP -j DROP" in rules,
                f"{each.program} listens on port {each.port} of all addresses, unlimited by edgebench in {command}",
                remedy,
            )
        let_in = {
            ipaddress.ip_network(rule.split(" -s ")[1].split()[0])
            for rule in rules
            if " -s " in rule and rule.endswith("RETURN")
        }
        strangers = ", ".join(sorted(map(str, let_in - allowed)))
        found.check(
            not strangers,
            f"{command} lets {strangers} reach xrdp, not named by headless_xrdp_networks",
            remedy,
        )
