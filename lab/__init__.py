"""The lab: a fleet of real SSH hosts on this machine, for tests and for trying things out without a board.

Needs root and Debian's systemd-nspawn, mmdebstrap and QEMU; `python -m lab check` says what is missing. The hosts are
declared in an Ansible inventory (see inventory/lab/hosts.yml); a host is a container (systemd-nspawn, up in a second)
or a machine (QEMU with a kernel and a CPU of its own).
"""
