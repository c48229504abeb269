"""The distribution's packages, and what must not be installed beside them."""

from pathlib import Path

import pytest
import yaml

from tests.host.found import Found

pytestmark = pytest.mark.managed

VARS = Path(__file__).resolve().parents[2] / "roles" / "base_packages" / "vars"


def test_base_packages_are_installed(found: Found) -> None:
    section = found["packages"]
    found.check(
        section.ok,
        f"dpkg-query does not tell what is installed: {section.why}",
        found.there("sudo dpkg --audit"),
    )
    installed = {line.split()[0] for line in section.lines if line.split()[1][1:2] == "i"}
    missing = sorted(_wanted(found) - installed)
    found.check(
        not missing,
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
        found.provision("base_packages"),
    )


def test_packages_are_whole(found: Found) -> None:
    # In `ii`, the second letter is the state: U unpacked, F half configured, H half installed, t and W triggers.
    broken = [line.split()[0] for line in found["packages"].lines if line.split()[1][1:2] in "UFH"]
    found.check(
        not broken,
        f"{', '.join(broken)} {'is' if len(broken) == 1 else 'are'} installed by half",
        found.there("sudo dpkg --configure -a && sudo apt-get -f install"),
    )


def test_system_python_has_no_tensorflow(found: Found) -> None:
    # The same package may be seen by several interpreters.
    places = {line.split()[1]: line.split()[0] for line in reversed(found["pythons"].lines)}
    found.check(
        not places,
        f"TensorFlow is installed outside the venv, where it can get in its way: {', '.join(places)}",
        found.there(
            "; ".join(
                f"sudo env PIP_BREAK_SYSTEM_PACKAGES=1 {python} -m pip uninstall tensorflow"
                for python in sorted(set(places.values()))
            )
        ),
    )


def _wanted(found: Found) -> set[str]:
    release = dict(line.split("=", 1) for line in found["os"].lines if "=" in line)
    system, version = (release.get(key, "").strip('"') for key in ("ID", "VERSION_ID"))
    names = yaml.safe_load((VARS / "main.yml").read_text())
    wanted = {*names["__base_packages_needed"], *found.declared["base_packages_extra"]}
    if found.declared.is_set("base_packages_build_tools"):
        candidates = [VARS / f"{each}.yml" for each in (f"{system}_{version}", system, "default")]
        chosen = next(path for path in candidates if path.exists())
        wanted.update(names["__base_packages_common_build_tools"])
        wanted.update(yaml.safe_load(chosen.read_text())["__base_packages_release_build_tools"])
    return wanted
