"""edgebench_home: everything of edgebench on a host, and whose it is."""

from tests.host.found import Found


def test_home_is_its_users(found: Found) -> None:
    home = found["home"]
    found.check(home.ok, f"there is no {found.home}", found.provision())
    owner, _, mode, kind = home.out.split(maxsplit=3)
    found.check(
        kind == "directory", f"{found.home} is a {kind}, not a directory", found.provision("edgebench_user")
    )
    found.check(
        owner == found.owner,
        f"{found.home} belongs to {owner}, not to {found.owner}",
        found.provision("edgebench_user")
        if found.declared.managed
        else found.there(f"sudo chown {found.owner} {found.home}"),
    )
    found.check(
        not int(mode, 8) & 0o022,
        f"{found.home} can be written by others (mode {mode})",
        found.there(f"sudo chmod go-w {found.home}"),
    )


def test_nothing_is_writable_by_everybody(found: Found) -> None:
    paths = found["writable"].lines
    found.check(
        not paths,
        f"everybody may write {', '.join(paths[:5])}{' and more' if len(paths) > 5 else ''}",
        found.there(f"sudo chmod -R o-w {found.home}"),
    )


def test_clock_is_right(found: Found) -> None:
    clock = int(found["clock"].out)
    # Results are named and sorted by their time, and TLS refuses a clock that is far off.
    wrong_s = max(found.answer.began - clock, clock - found.answer.ended, 0)
    found.check(
        wrong_s < 120,
        f"its clock is {wrong_s:.0f} s off the controller's",
        found.there("sudo timedatectl set-ntp true, and look at both clocks by date -u"),
    )
