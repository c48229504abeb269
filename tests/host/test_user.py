"""The user who runs benchmarks: owner of edgebench_home, and of no right beyond it."""

import pytest

from tests.host.found import Found

pytestmark = pytest.mark.managed

# Their members are root, or can be.
POWERFUL = {"root", "sudo", "admin", "wheel", "adm", "disk", "shadow", "docker", "lxd", "libvirt"}


def test_home_of_the_account(found: Found) -> None:
    home = found.account[5]
    found.check(
        home == found.home,
        f"the home of the user {found.owner} is {home}, edgebench_home is {found.home}",
        f"{found.provision('edgebench_user')}, after setting edgebench_home or edgebench_user_name in the inventory",
    )


def test_user_is_not_root(found: Found) -> None:
    uid = found.account[2]
    found.check(
        uid != "0",
        f"the user {found.owner} is root by its number",
        found.there(f"sudo userdel -f {found.owner}") + f"; {found.provision('edgebench_user')}",
    )


def test_password_is_locked(found: Found) -> None:
    section = found.of_account("password")
    found.check(
        section.ok, f"passwd -S {found.owner} failed: {section.why}", found.provision("edgebench_user")
    )
    state = section.out.split()[1]
    found.check(
        state in ("L", "LK"),
        f"the user {found.owner} {'needs no password' if state == 'NP' else 'has a password'} (passwd -S says {state})",
        found.provision("edgebench_user"),
    )


def test_groups_give_no_power(found: Found) -> None:
    groups = sorted(POWERFUL & set(found.of_account("groups").out.split()))
    found.check(
        not groups,
        f"the user {found.owner} is in {', '.join(groups)}, whose members can become root or read what is root's",
        found.there("; ".join(f"sudo gpasswd -d {found.owner} {group}" for group in groups)),
    )


def test_sudo_grants_nothing(found: Found) -> None:
    granted = found.of_account("sudo").out
    found.check(
        "may run the following" not in granted,
        f"the user {found.owner} may run commands as another one: {' '.join(granted.partition('commands')[2].split())}",
        found.there(f"sudo grep -r {found.owner} /etc/sudoers /etc/sudoers.d, and remove what grants it"),
    )


def test_only_the_declared_keys_log_in(found: Found) -> None:
    section = found.of_account("keys")
    path = f"{found.home}/.ssh/authorized_keys"
    found.check(section.ok, f"{path} cannot be read: {section.why}", found.provision("edgebench_user"))
    declared = {str(key).strip() for key in found.declared["edgebench_user_authorized_keys"]}
    first, *lines = section.lines or ["", ""]
    if first:
        owner, mode, kind = first.split(maxsplit=2)
        found.check(
            (owner, mode) == (found.owner, "600") and kind.startswith("regular"),
            f"{path} is a {kind} of {owner} with the mode {mode}, expected a file of {found.owner} with 600",
            found.provision("edgebench_user"),
        )
    keys = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    found.check(
        keys == declared,
        f"{path} has {len(keys - declared)} key(s) that the inventory does not name, and lacks {len(declared - keys)}",
        f"{found.provision('edgebench_user')}, after a look at edgebench_user_authorized_keys",
    )


def test_files_are_its_own(found: Found) -> None:
    paths = found.of_account("foreign").lines
    found.check(
        not paths,
        f"in {found.home}, others than {found.owner} and root own {', '.join(paths[:5])}",
        found.there(f"sudo chown -R {found.owner}: {found.home}"),
    )
