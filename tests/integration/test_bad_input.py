"""Bad input to the playbooks themselves: refused before any work, exit code not 0, one message with value and code."""

from pathlib import Path

import pytest

from tests.messages import codes

from .conftest import Controller


@pytest.fixture
def host(controller: Controller, this_machine: dict[str, object]) -> Path:
    """The home of this machine, which is declared as a host."""
    controller.inventory({"local": {"frodo": this_machine}})
    return Path(str(this_machine["edgebench_home"]))


def _kept(home: Path, controller: Controller) -> list[str]:
    """Return what a refused playbook has written: nothing."""
    return sorted(each.name for each in home.iterdir() if each.name != "venv") + (
        ["results"] if controller.results.exists() else []
    )


@pytest.mark.local
@pytest.mark.parametrize(
    ("playbook", "arguments", "code", "value"),
    [
        ("bench.yml", ["-e", "bench_workloads=mnist_1d"], "variable-invalid", '["mnist_1d"]'),
        ("bench.yml", ["-e", "bench_kws_engines=litert"], "variable-invalid", '["litert"]'),
        ("bench.yml", ["-e", "bench_results_dir=relative"], "variable-invalid", "'relative'"),
        ("bench.yml", ["-e", "bench_results_dir=/dev/null/x"], "variable-invalid", "'/dev/null/x'"),
        ("bench.yml", ["-e", "bench_seed=18446744073709551616"], "variable-invalid", "18446744073709551616"),
        ("provision.yml", ["-e", "datasets_dir=/nowhere"], "variable-invalid", "'/nowhere'"),
        ("report.yml", ["-e", "report_results_dir=/dev/null"], "variable-invalid", "'/dev/null'"),
        ("collect.yml", ["-e", "bench_run_id=../x"], "variable-invalid", "'../x'"),
    ],
)
def test_a_bad_variable(
    controller: Controller, host: Path, playbook: str, arguments: list[str], code: str, value: str
) -> None:
    done = controller.run(playbook, *arguments)
    assert done.returncode == 2, done.stdout
    assert codes(done.stdout) == [code]
    assert value in done.stdout
    assert _kept(host, controller) == []


@pytest.mark.local
@pytest.mark.parametrize("playbook", ["bench.yml", "collect.yml", "provision.yml", "report.yml"])
def test_an_inventory_without_hosts(controller: Controller, playbook: str) -> None:
    (controller.folder / "hosts.yml").write_text("")
    done = controller.run(playbook)
    assert (done.returncode, codes(done.stdout)) == (2, ["hosts-missing"]), done.stdout


@pytest.mark.local
def test_a_folder_of_the_environment(controller: Controller, host: Path) -> None:
    controller.environment["EDGEBENCH_DATA_DIR"] = str(controller.folder / "none")
    done = controller.run("provision.yml")
    assert (done.returncode, codes(done.stdout)) == (2, ["variable-invalid"]), done.stdout
    assert _kept(host, controller) == []


@pytest.mark.local
def test_a_playbook_started_from_another_folder(controller: Controller, host: Path) -> None:
    elsewhere = Controller(controller.folder, controller.folder, controller.environment)
    done = elsewhere.run(str(controller.repository / "bench.yml"))
    # Ansible's own code of playbooks that it cannot read.
    assert (done.returncode, codes(done.stdout)) == (1, ["checkout-not-current"]), done.stdout
    assert f"cd {controller.repository} &&" in done.stdout


@pytest.mark.local
def test_a_run_that_no_host_has(controller: Controller, host: Path) -> None:
    done = controller.run("collect.yml", "-e", "bench_run_id=no-such-run")
    assert done.returncode == 2, done.stdout
    assert set(codes(done.stdout)) == {"run-missing"}
    assert "no-such-run" in done.stdout
    # All runs are no run by name: nothing to collect is no failure.
    assert controller.run("collect.yml").returncode == 0


@pytest.mark.local
@pytest.mark.parametrize("seconds", [0, 946684800, 4102444800])
def test_a_host_with_a_wrong_clock(controller: Controller, host: Path, seconds: int) -> None:
    folder = controller.folder / "bin"
    folder.mkdir()
    (folder / "date").write_text(f"#!/bin/sh\necho {seconds}\n")
    (folder / "date").chmod(0o755)
    controller.environment["PATH"] = f"{folder}:/usr/local/bin:/usr/bin:/bin"
    done = controller.run("provision.yml")
    assert done.returncode == 2, done.stdout
    assert "clock-wrong" in codes(done.stdout)
    assert {0: "1970-01-01", 946684800: "2000-01-01", 4102444800: "2100-01-01"}[seconds] in done.stdout
    assert _kept(host, controller) == []


@pytest.mark.local
def test_no_data_is_no_failure_of_provisioning(controller: Controller, host: Path) -> None:
    """`data fetch` ends with 2 if there is nothing; the quick profile does with synthetic data."""
    done = controller.run(
        "provision.yml", "-e", "datasets_offline=true", "-e", f"datasets_cache_dir={controller.folder}/cache"
    )
    assert done.returncode == 0, done.stdout
    assert "data-missing" in codes(done.stdout)
