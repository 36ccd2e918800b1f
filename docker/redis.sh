#!/bin/sh
# A Redis server or a sentinel of compose.redis.yaml: `redis.sh server|sentinel NAME [MASTER]`.
#
# Its configuration is written at the first start only, into its volume: a failover writes into it who is whose replica,
# and that must hold over restarts.
set -eu

what=$1 name=$2 master=${3:-}
data=${REDIS_DATA:-/data}
conf=$data/$what.conf

server() { # without MASTER it is the first one
    cat <<END_OF_CONF
dir $data
protected-mode no
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
hash-max-listpack-value 1024
replica-announce-ip $name
repl-diskless-sync-delay 0
END_OF_CONF
    [ -z "$master" ] || echo "replicaof $master 6379"
}

sentinel() {
    cat <<END_OF_CONF
dir $data
protected-mode no
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $name
sentinel monitor scef $master 6379 2
sentinel down-after-milliseconds scef 5000
sentinel failover-timeout scef 30000
sentinel parallel-syncs scef 1
END_OF_CONF
}

if [ ! -s "$conf" ]; then
    "$what" >"$conf.new"
    mv "$conf.new" "$conf"
fi
case $what in
server) exec redis-server "$conf" ;;
sentinel) exec redis-server "$conf" --sentinel ;;
esac
