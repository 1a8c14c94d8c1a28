#!/bin/sh
# One node of corosync and pacemaker, in the network namespace of a card.
#
#   unshare --mount --pid --fork --kill-child --mount-proc --ipc --uts sh pacemaker-node.sh NAME DIRECTORY
#
# It is the first process of its process namespace: with its end, however that comes, every process of the node ends. DIRECTORY holds corosync.conf, cib.xml
# and the key. Both programs meet their clients in places of which a machine has one, so each node has its own, on tmpfs.
set -eu
name=$1
directory=$2
hostname "$name"
mount -n --make-rprivate /
# A node that is told to panic resets the machine by this.
if [ -e /proc/sysrq-trigger ]; then mount -n --bind /dev/null /proc/sysrq-trigger; fi
keep=$(mktemp -d)
mount -n -t tmpfs tmpfs "$keep"
cp "$directory/corosync.conf" "$directory/cib.xml" "$directory/key" "$keep"
for place in /dev/shm /run /var/lib/corosync /var/lib/pacemaker /var/log; do
  mount -n -t tmpfs tmpfs "$place"
done
mkdir -p /var/lib/pacemaker/cib /var/lib/pacemaker/pengine /var/lib/pacemaker/blackbox /var/lib/pacemaker/cores /run/resource-agents /run/crm /var/log/pacemaker
cp "$keep/cib.xml" /var/lib/pacemaker/cib/cib.xml
cp "$keep/corosync.conf" "$keep/key" /run
umount -n "$keep"
rmdir "$keep"
chown -R hacluster:haclient /var/lib/pacemaker /run/crm /var/log/pacemaker
chmod 0750 /var/lib/pacemaker /var/lib/pacemaker/* /run/crm
chmod 0600 /var/lib/pacemaker/cib/cib.xml
corosync -f -c /run/corosync.conf &
tries=0
until corosync-cfgtool -s > /dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 200 ]; then
    echo "corosync does not answer on $name" >&2
    exit 1
  fi
  sleep 0.05
done
# A process of its own, not this one: as the first of its namespace it would be taken for init, which ends the machine when the cluster tells it to.
PCMK_logfile=none PCMK_logfacility=none pacemakerd -f &
wait
