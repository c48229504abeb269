"""docs/reliability.md says what the trials of faults found, of all the faults that edgebench promises to bear."""

from tests.faults import campaign, ledger, table

FAULTS = {
    "any-prefix": "the runner killed at any point",
    "boots": "the host rebooted in the middle, and once too often",
    "power-cut": "power lost while a record is written",
    "disk-full": "the disk full",
    "read-only": "the file system read-only",
    "link": "the link dropped for minutes",
    "random-kills": "the controller killed, and all else",
    "clock": "the clock jumping",
    "controllers": "two controllers at once",
    "away": "a host that never comes back",
    "neighbour": "memory exhausted by a neighbour",
    "versions": "an out-of-date runner or schema on the host",
}


def test_the_page_says_what_was_found() -> None:
    said = table.PAGE.read_text(encoding="utf-8")
    assert table.page(said, table.rows()) == said, "run python -m tests.faults.table"


def test_every_fault_was_tried() -> None:
    assert {path.stem for path in ledger.RESULTS.glob("*.json")} == set(FAULTS)


def test_a_server_of_data_that_is_gone_is_tried_elsewhere_and_the_page_says_so() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    assert "NFS" in page
    assert "`share`" in page
    scenario = ledger.ROOT / "molecule/share"
    assert "side_effect dead_server.yml" in (scenario / "molecule.yml").read_text(encoding="utf-8")
    assert (scenario / "dead_server.yml").is_file()


def test_nothing_was_lost() -> None:
    for row in table.rows():
        assert row["trials"] > 0, row["fault"]
        assert row["reported"] > 0, row["fault"]
        assert row["lost"] == 0, row["fault"]


def test_random_kills_were_of_all_kinds() -> None:
    [row] = [each for each in table.rows() if each["fault"].endswith("killed at random")]
    kinds = {name: count for name, count in row["counts"].items() if name in campaign.KINDS}
    assert set(kinds) == set(campaign.KINDS)
    assert sum(kinds.values()) == row["trials"] >= 100


def test_a_cell_cannot_break_the_table() -> None:
    row = {
        **table.rows()[0],
        "seen": "a | b\n<b>`c`",
    }
    line = table.table([row]).splitlines()[-1]
    assert "a \\| b \\<b\\>\\`c\\`" in line  # not prose
