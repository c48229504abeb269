# One look at a host, before anything is known of it: any POSIX shell, no Python, nothing changed.
# Arguments: the name of edgebench's user, the Pythons that this ansible-core manages ("2.7 3.6": 2.7, or 3.6 and newer),
# then the interpreters to try, the preferred one first.
# One line a finding, `KEY VALUE`. `python` comes once for every interpreter that Ansible can use, `python_old` with its
# release for every other one that runs.
user=$1 managed=$2
shift 2
have() { command -v "$1" > /dev/null 2>&1; }
check() {
    key=$1
    shift
    if "$@" > /dev/null 2>&1; then echo "$key yes"; else echo "$key no"; fi
}

for python in "$@"; do
    "$python" -c 'import sys
release = sys.version_info[:2]
managed = [tuple(map(int, each.split("."))) for each in sys.argv[1].split()]
usable = release in managed or release >= managed[-1]
print("python %s" % sys.executable if usable else "python_old %d.%d %s" % (release + (sys.executable,)))' "$managed" 2> /dev/null
done

# How this user becomes root: it is root, by sudo without a password, or (as far as can be seen without one) not at all.
check sudo have sudo
if [ "$(id -u)" = 0 ]; then echo 'root self'; elif sudo -n true > /dev/null 2>&1; then echo 'root sudo'; else echo 'root no'; fi

# Seconds since 1970. Boards have no battery for theirs.
clock=$(date -u +%s 2> /dev/null) && echo "clock $clock"

check user id -u "$user"
check apt have apt-get
check systemd test -d /run/systemd/system
# Those that Ansible's module apt tries by itself.
found=no
for python in /usr/bin/python3 /usr/bin/python2 /usr/bin/python "$@"; do
    if "$python" -c 'import apt' > /dev/null 2>&1; then
        found=yes
        break
    fi
done
echo "python_apt $found"
