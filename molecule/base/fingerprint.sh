# A line a file of the host: path, size, time of change, mode, owner. What the system writes by itself and what Ansible
# itself needs to look at a host (its temporary folder, the log of logins) is left out.
sudo find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
    -o -path /var/lib/systemd -o -path /var/lib/private -o -path '/home/*/.ansible' -o -path /home/admin -o -path /var/lib/sudo \
    -o -path /etc/machine-id -o -path /var/lib/dbus -o -path /root/.ansible \) -prune \
    -o ! -path /root -printf '%p %s %T@ %m %U:%G %y\n' | LC_ALL=C sort
