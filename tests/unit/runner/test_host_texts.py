"""What a host's texts say of it, in the forms that kernels, boards and distributions have them."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from edgebench import host, host_texts

from tests import needs
from tests.unit.ansible.conftest import plugin  # noqa: F401

PI_4 = "raspberrypi,4-model-b\0brcm,bcm2711\0"


def processors(*parts: str, implementer: str = "0x41", name: str = "") -> str:
    """Return /proc/cpuinfo of an Arm CPU, a processor for each part, without what stands below them."""
    return "".join(
        f"processor\t: {number}\n{name}BogoMIPS\t: 108.00\nFeatures\t: fp asimd crc32\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU part\t: {part}\nCPU revision\t: 3\n\n"
        for number, part in enumerate(parts)
    )


def pi(*parts: str, revision: str, hardware: str = "BCM2835", name: str = "", model: str = "") -> str:
    below = f"Hardware\t: {hardware}\nRevision\t: {revision}\nSerial\t\t: 10000000abcdef01\n"
    return processors(*parts, name=name) + below + (f"Model\t\t: {model}\n" if model else "")


X86 = "processor\t: 0\nmodel name\t: AMD Phenom(tm) 9550\nflags\t\t: sse2 fpu\n\nprocessor\t: 1\nflags\t\t: fpu\n"
V6 = "model name\t: ARMv6-compatible processor rev 7 (v6l)\n"
V7 = "model name\t: ARMv7 Processor rev 4 (v7l)\n"
V8 = "model name\t: ARMv8 Processor rev 1 (v8l)\n"


@pytest.mark.parametrize(
    ("text", "compatible", "model"),
    [
        (X86, None, "AMD Phenom(tm) 9550"),
        # Every Raspberry Pi of a foundation kernel up to 6.1 is a BCM2835.
        (
            "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd08\n\nHardware\t: BCM2835\nRevision\t: b03114\n"
            "Model\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
            None,
            "BCM2711 (Cortex-A72)",
        ),
        (pi("0xd08", "0xd08", revision="c03112"), PI_4, "BCM2711 (Cortex-A72)"),
        (pi("0xd03", revision="a02082"), "raspberrypi,3-model-b\0brcm,bcm2837\0", "BCM2837 (Cortex-A53)"),
        (pi("0xd03", revision="a22042", name=V7), None, "BCM2837 (Cortex-A53)"),
        (pi("0xc07", revision="a01041", hardware="BCM2709", name=V7), None, "BCM2836 (Cortex-A7)"),
        (pi("0xb76", revision="000e", hardware="BCM2708"), None, "BCM2835 (ARM1176)"),
        (pi("0xb76", revision="9000c1", hardware="BCM2835"), None, "BCM2835 (ARM1176)"),
        (pi("0xb76", revision="900093", name=V6), "raspberrypi,model-zero\0brcm,bcm2835\0", "BCM2835 (ARM1176)"),
        # From 6.2 on there is no Hardware line, and no revision on other distributions' kernels.
        (processors("0xd0b"), "raspberrypi,5-model-b\0brcm,bcm2712\0", "BCM2712 (Cortex-A76)"),
        (processors("0xd08"), PI_4, "BCM2711 (Cortex-A72)"),
        (processors("0xd08") + "Hardware\t: BCM2835\n", None, "Cortex-A72"),
        (pi("0xd08", revision="ffffff"), PI_4, "BCM2711 (Cortex-A72)"),
        # Jetsons' kernels have a name that is none.
        (
            processors("0xd07", name=V8),
            "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210\0",
            "TEGRA210 (Cortex-A57)",
        ),
        (processors("0xd42"), "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0",
         "TEGRA234 (Cortex-A78AE)"),
        (processors("0x004", implementer="0x4e", name=V8), "nvidia,p2972-0000\0nvidia,tegra194\0",
         "TEGRA194 (Carmel)"),
        (processors("0xd05", "0xd05", "0xd0b"), "radxa,rock-5b\0rockchip,rk3588\0",
         "RK3588 (Cortex-A55 + Cortex-A76)"),
        # Virtual machines have a device tree that names no chip.
        (processors("0xd0c"), "linux,dummy-virt\0", "Neoverse-N1"),
        (processors("0xfff", name=V8), None, "ARMv8 Processor rev 1 (v8l)"),
        (processors("0xfff"), None, None),
        (processors("0xc0f") + "Hardware\t: ODROID-XU4\n", None, "ODROID-XU4 (Cortex-A15)"),
        ("processor\t: 0\nhart\t\t: 1\nuarch\t\t: sifive,u74-mc\n", "starfive,visionfive-2\0starfive,jh7110\0",
         "JH7110 (sifive,u74-mc)"),
        ("", None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_the_cpu_is_named_by_what_it_is(text: str | None, compatible: str | None, model: str | None) -> None:
    assert host_texts.cpu_model(text, compatible) == model


def test_flags_are_those_of_all_processors() -> None:
    assert host_texts.cpuinfo(X86)[1] == ["fpu", "sse2"]
    assert host_texts.cpuinfo(processors("0xd08", "0xd08"))[1] == ["asimd", "crc32", "fp"]
    assert host_texts.cpuinfo(None) == ({}, [], [])


DEBIAN_12 = (
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
)
DEBIAN_SID = (
    "PRETTY_NAME='Debian GNU/Linux trixie/sid'\nNAME='Debian GNU/Linux'\nVERSION_CODENAME=trixie\nID=debian\n"
)


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        (DEBIAN_12, "Debian GNU/Linux", "12"),
        (DEBIAN_SID, "Debian GNU/Linux", None),
        ("NAME='Arch Linux'\nBUILD_ID=rolling\nID=arch\n", "Arch Linux", None),
        ('NAME="Void"\nVERSION_ID=""\n', "Void", None),
        ("# comment=1\n\nexport=x\nNAME=Fedora\\ Linux\r\nVERSION_ID=40\r\n", "Fedora Linux", "40"),
        ('NAME="A \\"quoted\\" \\$name"\n', 'A "quoted" $name', None),
        ("NAME='as \\it is'\n", "as \\it is", None),
        ("NAME=\"never closed\nVERSION_ID='1\n", "never closed", "1"),
        ("NAME=first\nNAME=last\n", "last", None),
        (None, None, None),
        ("no assignment\n=\n1A=2\n", None, None),
    ],
)
def test_os_release_is_read_as_a_shell_reads_it(
    text: str | None, name: str | None, version: str | None
) -> None:
    fields = host_texts.os_release(text)
    assert (fields.get("NAME"), fields.get("VERSION_ID") or None) == (name, version)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (
            "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, DATE: Sat",
            "32.7.1",
        ),
        ("# R32 (release), REVISION: 1, GCID: 1, BOARD: t210ref", "32.1"),
        ("# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64", "36.4.7"),
        ("# R35 (release), REVISION: 6.1, GCID: 39721438, BOARD: t186ref\n# KERNEL_VARIANT: oot\n", "35.6.1"),
        ("# R38 (release), REVISION: 2.0.\n", "38.2.0"),
        ("# R32 (release), REVISION: , GCID: 1", None),
        ("", None),
        (None, None),
    ],
)
def test_l4t_release(text: str | None, release: str | None) -> None:
    assert host_texts.l4t_release(text) == release


@pytest.mark.parametrize(
    ("machine", "bits", "architecture"),
    [("aarch64", 32, "armv7l"), ("aarch64", 64, "aarch64"), ("x86_64", 64, "x86_64"), ("x86_64", 32, "i686")],
)
def test_a_32_bit_system_on_a_64_bit_kernel_needs_32_bit_packages(
    machine: str, bits: int, architecture: str
) -> None:
    assert host_texts.architecture(machine, bits) == architecture


def test_a_board_is_named_by_its_device_tree_or_else_by_its_kernel() -> None:
    model, nano = "Raspberry Pi 4 Model B Rev 1.4", "NVIDIA Jetson Nano Developer Kit"
    text = pi("0xd08", revision="b03114", model=model)
    assert host_texts.board_model(nano + "\0", text) == nano
    assert host_texts.board_model(None, text) == model
    assert host_texts.board_model("\0", X86) is None


def test_governors_are_told_once() -> None:
    assert (
        host_texts.governors(["schedutil\n", "schedutil\n", "performance", None]) == "performance,schedutil"
    )
    assert host_texts.governors([None, ""]) is None


HOSTS: list[dict[str, str]] = [
    {"/proc/cpuinfo": X86, "/etc/os-release": DEBIAN_12},
    {
        "/proc/cpuinfo": pi("0xd08", revision="c03112", model="Raspberry Pi 4 Model B Rev 1.2"),
        "/proc/device-tree/compatible": PI_4,
        "/etc/os-release": DEBIAN_SID,
    },
    {
        "/proc/cpuinfo": processors("0xd07", name=V8),
        "/proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
        "/proc/device-tree/compatible": "nvidia,jetson-nano\0nvidia,tegra210\0",
        "/etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 1, BOARD: t210ref\n",
        "/usr/lib/os-release": "NAME='Ubuntu'\nVERSION_ID='18.04'\n",
    },
    {},
]


@pytest.mark.parametrize("files", HOSTS)
def test_records_and_playbooks_agree_about_a_host(
    files: dict[str, str],
    plugin: Callable[[str], ModuleType],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = plugin("modules/edgebench_host_facts")
    monkeypatch.setattr(module, "read_text", files.get)
    monkeypatch.setattr(host, "_text", lambda path: (files.get(path) or "").strip("\0 \n\t") or None)
    monkeypatch.setattr(host, "_power_mode", lambda: None)
    monkeypatch.setattr(host, "_by_py_cpuinfo", lambda _: None)
    answer: dict[str, Any] = {}
    params: dict[str, Any] = {
        "home": str(tmp_path),
        "owner": None,
        "python": None,
        "pythons": [],
        "measure": False,
    }
    made = _Module(params, answer)
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: made)
    module.main()
    facts = host.facts()
    playbooks = answer["ansible_facts"]["edgebench_host"]
    assert playbooks["cpu_model"] == facts["cpu"]["model"]
    assert playbooks["cpu_flags"] == facts["cpu"]["flags"]
    assert playbooks["architecture"] == facts["cpu"]["architecture"]
    assert playbooks["governor"] == facts["cpu"]["governor"]
    assert playbooks["l4t"] == facts["board"]["l4t"]
    assert playbooks["os_version"] == (facts["os"]["version"] or "")
    if playbooks["board"]:
        assert playbooks["board"] == facts["board"]["model"]
    missing = {path for path in ("cpu.model", "os.version") if _at(facts, path) is None}
    assert {f"facts.{path}" for path in missing} <= set(host.reasons())


def _at(facts: dict[str, Any], path: str) -> Any:
    section, _, name = path.partition(".")
    return facts[section][name]


class _Module:
    """Stands for AnsibleModule, whose parameters come over standard input and whose answer ends the process."""

    def __init__(self, params: dict[str, Any], answer: dict[str, Any]) -> None:
        self.params, self.answer = params, answer

    def exit_json(self, **answer: Any) -> None:
        self.answer.update(answer)


@pytest.mark.needs("cases")
def test_the_cases_from_the_field() -> None:
    cases = needs.cases_folder()
    text = (cases / "pi4-called-bcm2835/cpuinfo").read_text()
    assert host_texts.cpu_model(text) == "BCM2711 (Cortex-A72)"
    assert host_texts.cpu_model(text, PI_4) == "BCM2711 (Cortex-A72)"
    fields = host_texts.os_release((cases / "os-release-without-version/os-release").read_text())
    assert (fields["NAME"], fields.get("VERSION_ID")) == ("Debian GNU/Linux", None)
