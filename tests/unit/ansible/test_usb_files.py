"""The module edgebench_usb_files: files that belong together, in one round trip."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes


class EndError(Exception):
    """How the module ended."""


@pytest.fixture
def call(
    plugin: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    module = plugin("modules/edgebench_usb_files")

    def run(
        files: list[dict[str, str]], absent: tuple[Path, ...] = (), *, check: bool = False
    ) -> dict[str, Any]:
        class Fake:
            check_mode = check
            params = {  # noqa: RUF012
                "files": [{"mode": "0644", **each} for each in files],
                "absent": list(map(str, absent)),
            }

            def __init__(self, **_: Any) -> None: ...

            def exit_json(self, **answer: Any) -> None:
                raise EndError({"failed": False, **answer})

            def fail_json(self, **answer: Any) -> None:
                raise EndError({"failed": True, **answer})

        monkeypatch.setattr(module, "AnsibleModule", Fake)
        with pytest.raises(EndError) as ended:
            module.main()
        told: dict[str, Any] = ended.value.args[0]
        return told

    return run


def test_writes_once_with_folders_and_modes(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    files = [
        {"path": str(tmp_path / "a/b/script"), "content": "#!/bin/sh\n", "mode": "0755"},
        {"path": str(tmp_path / "ümläut"), "content": "ä\n"},
    ]
    planned = call(files, check=True)
    assert planned["changed"]
    assert list(tmp_path.iterdir()) == []
    made = call(files)
    assert made["written"] == planned["written"] == [each["path"] for each in files]
    assert (tmp_path / "a/b/script").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "ümläut").read_text() == "ä\n"
    assert not call(files)["changed"]
    (tmp_path / "a/b/script").chmod(0o644)
    assert call(files)["written"] == [files[0]["path"]]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["script", "ümläut"]


def test_removes_files_and_folders_and_never_what_a_link_points_to(
    call: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "folder/inner").mkdir(parents=True)
    gone = (tmp_path / "link", tmp_path / "folder", tmp_path / "never there")
    assert call([], gone, check=True)["removed"] == [str(gone[0]), str(gone[1])]
    assert (tmp_path / "folder").exists()
    assert call([], gone)["changed"]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()
    assert not call([], gone)["changed"]


def test_a_disk_that_cannot_be_written_is_said(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = call([{"path": str(tmp_path / "file/below"), "content": "x"}])
    assert told["failed"]
    assert codes(told["msg"]) == ["files-not-written"]
    assert str(tmp_path / "file") in told["msg"]
