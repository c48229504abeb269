# Paths of what the role data_share wrote on this host, one a line; nothing is changed.
for path in /etc/exports.d/edgebench.exports /etc/nfs.conf.d/edgebench.conf; do
    if [ -e "$path" ]; then echo "$path"; fi
done
grep -ls '# Written by the role data_share of edgebench' /etc/systemd/system/*.automount /etc/systemd/system/*.mount || true
