"""Writes every role's README from its argument specs, so that the two cannot differ; a test checks that they do not.

Usage: python tools/role_readmes.py [--check]
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "roles"


def readme(role: Path) -> str:
    """Return the text of a role's README; KeyError for a role without argument specs."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"][
        "main"
    ]
    meta = yaml.safe_load((role / "meta/main.yml").read_text(encoding="utf-8"))
    lines = [f"# {role.name}", f"{spec['short_description']}.", ""]
    lines += [" ".join(text.split()) for text in spec["description"]]
    needs = ", ".join(f"`{entry['role']}`" for entry in meta["dependencies"])
    if needs:
        lines += ["", f"Applies first: {needs}."]
    options = spec.get("options") or {}
    if options:
        lines += ["", "| variable | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(name, option) for name, option in options.items()]
    return "\n".join(
        [*lines, "", "Written from `meta/argument_specs.yml` by `python tools/role_readmes.py`.", ""]
    )


def _row(name: str, option: dict[str, Any]) -> str:
    kind = f"list of {option['elements']}" if option["type"] == "list" else option["type"]
    meaning = " ".join(option["description"].split())
    if "choices" in option:
        meaning += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
    default = "required" if option.get("required") else _default(option.get("default"))
    return (
        "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{name}`", kind, default, meaning)) + " |"
    )


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "empty" if value in ("", []) else f"`{value}`"


def main() -> int:
    """Write the READMEs, or with --check name those that are not up to date and return 1."""
    parser = argparse.ArgumentParser(description="Write every role's README from its argument specs.")
    parser.add_argument("--check", action="store_true", help="write nothing, name what is not up to date")
    check = parser.parse_args().check
    stale = []
    for role in sorted(path.parent.parent for path in ROLES.glob("*/meta/argument_specs.yml")):
        path, text = role / "README.md", readme(role)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        state = "is out of date. Run: python tools/role_readmes.py [readme-stale]" if check else "written"
        print(f"{path.relative_to(ROLES.parent)} {state}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
