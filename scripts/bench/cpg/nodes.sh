#!/bin/sh
# corosync on COUNT nodes, each in namespaces of its own on one bridge: the counterpart of a virtual chassis.
#
#   unshare --mount --net --pid --fork --kill-child --mount-proc -- sh nodes.sh COUNT SCHED_RR CPG_LOAD
#
# It is the first process of its process namespace, and what it makes is in its other namespaces and on tmpfs there: with
# its end, however that comes, every process ends and nothing is left. It reads loads from its input, one a line: the
# arguments of CPG_LOAD, which runs on every node at the same time; it answers "done" or "failed" after what those have
# printed.
#
# SCHED_RR is "yes", which is corosync's default, or "no": real-time, it keeps clients from a processor that they share.
#
# corosync and its clients meet in places of which a machine has one (/dev/shm, /run, abstract sockets), so each node has
# its own.
set -eu

count=$1
sched_rr=$2
load=$3
mount -n -t tmpfs tmpfs /run
mkdir /run/own
ip link set lo up
ip link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set bridge addrgenmode none up
dd if=/dev/urandom of=/run/key bs=256 count=1 2>/dev/null

# HMAC-SHA-256 without a cipher, as Cardinal's frames have it; what is not said here is corosync's default.
cat > /run/corosync.conf <<END
totem {
  version: 2
  cluster_name: bench
  transport: knet
  crypto_cipher: none
  crypto_hash: sha256
  keyfile: /run/key
}
system {
  sched_rr: $sched_rr
  # Without root of the machine its network handle has smaller buffers.
  allow_knet_handle_fallback: yes
}
logging {
  to_stderr: yes
  to_syslog: no
  to_logfile: no
  timestamp: hires
}
quorum {
  provider: corosync_votequorum
}
nodelist {
$(for node in $(seq "$count"); do echo "  node {
    nodeid: $node
    ring0_addr: 10.78.0.$node
  }"; done)
}
END

# The program of a node's namespaces. Process 1 is the script above, in whose network the bridge is.
node_program='
set -eu
node=$1
ip link set lo up
ip link add eth0 type veth peer name "node$node" netns 1
nsenter --target 1 --net ip link set "node$node" addrgenmode none master bridge up
ip link set eth0 addrgenmode none up
ip addr add "10.78.0.$node/24" dev eth0
mount -n -t tmpfs tmpfs /dev/shm
mount -n -t tmpfs tmpfs /var/lib/corosync
mount -n -t tmpfs tmpfs /run/own
cp /run/corosync.conf /run/key /run/own
: > "/run/ready$node"
mount -n --move /run/own /run
exec corosync -f -c /run/corosync.conf
'

pids=
for node in $(seq "$count"); do
  unshare --mount --net --ipc sh -c "$node_program" node "$node" < /dev/null > "/run/node$node.log" 2>&1 &
  pids="$pids $!"
done
logs() {
  for node in $(seq "$count"); do
    echo "node $node:"
    tail -n 15 "/run/node$node.log"
  done >&2
}
# A client is to meet its node in the namespaces that the node has made, not in those that it had before.
for node in $(seq "$count"); do
  tries=0
  until [ -e "/run/ready$node" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ]; then
      logs
      exit 1
    fi
    sleep 0.02
  done
done

while read -r arguments; do
  loads=
  for pid in $pids; do
    # Into a file of its own: what several write into one pipe comes in pieces.
    # shellcheck disable=SC2086 # they are several words
    nsenter --target "$pid" --mount --net --ipc "$load" $arguments < /dev/null > "/run/said$pid" &
    loads="$loads $!"
  done
  outcome=done
  for pid in $loads; do wait "$pid" || outcome=failed; done
  for pid in $pids; do cat "/run/said$pid"; done
  if [ "$outcome" = failed ]; then logs; fi
  echo "$outcome"
done
