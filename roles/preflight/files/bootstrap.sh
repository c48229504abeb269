# Installs a Python that Ansible can use, with the library that its module apt needs. Runs as root, on Debian's kin.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
candidate() { apt-cache policy python3 2> /dev/null | sed -n 's/^ *Candidate: *//p'; }
case $(candidate) in '' | '(none)') apt-get -q update ;; esac
packages='python3 python3-apt'
# Raspbian 9 has Python 3.5, which is too old for Ansible, and 2.7, which is not.
case $(candidate) in 3.[0-5].*) packages='python python-apt' ;; esac
# Lists of packages that have aged name files that are gone.
apt-get -q install -y $packages || { apt-get -q update && apt-get -q install -y $packages; }
