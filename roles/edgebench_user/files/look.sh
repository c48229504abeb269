# One look at the account NAME that is to own HOME, as root; nothing is changed. Lines `KEY VALUE`, in this order.
name=$1 home=$2
getent passwd "$name" | cut -d: -f6,7 | sed 's/^/account /'
getent shadow "$name" | cut -d: -f2 | sed 's/^/password /'
id -gn "$name" | sed 's/^/group /'
# The groups of devices that this host has and the account does not belong to.
for group in video render; do
    if getent group "$group" > /dev/null && ! id -Gn "$name" | tr ' ' '\n' | grep -qx "$group"; then echo "lacks $group"; fi
done
for path in "$home" "$home/.ssh" "$home/.ansible/tmp" "$home/.ssh/authorized_keys"; do
    stat -c 'path %n %F %U %G %a' "$path"
done
sha256sum < "$home/.ssh/authorized_keys" | cut -d' ' -f1 | sed 's/^/keys /'
