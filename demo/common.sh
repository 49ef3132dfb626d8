# What demo/run, demo/psql and demo/stop share: where the throwaway server is.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The user's own defaults must lead neither to another server nor to other messages.
unset PGPORT PGSERVICE PGOPTIONS RUST_BACKTRACE

readonly state="${XDG_CACHE_HOME:-$HOME/.cache}/inventory_perf/demo"
readonly parent=/var/tmp
postgres_bin=$("${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}" --bindir)
readonly postgres_bin

fail() { printf 'demo: %s\n' "$@" >&2; exit 1; }

# The server refuses to run as root.
as_owner() {
    if ((EUID == 0)); then
        (cd / && exec runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# Sets `directory`, or leaves it empty when there is no demo.
find_demo() {
    directory=''
    [[ -r $state ]] || return 0
    directory=$(<"$state")
    [[ $directory == "$parent"/inventory_perf_demo.* && -d $directory ]] || directory=''
}

# The server listens on a socket in a directory of its own only: no port to clash
# with, and nobody else on the machine gets in.
sql() {
    "$postgres_bin/psql" --no-psqlrc --quiet --set ON_ERROR_STOP=1 --pset pager=off \
        --host "$directory" --username postgres --dbname demo "$@"
}

# Debian's redis-tools holds the server too, under the name of one of its tools, and starts none
# by itself.
start_redis() {
    local program arguments=(--port 0 --unixsocket "$directory/redis.sock" --save '' --daemonize yes
        --dir "$directory" --pidfile "$directory/redis.pid" --logfile "$directory/redis.log")
    program=$(command -v redis-server || command -v redis-check-rdb) ||
        fail "there is no redis-server" "run: make setup"
    as_owner bash -c 'exec -a redis-server "$@"' bash "$program" "${arguments[@]}"
    until redis PING >/dev/null 2>&1; do sleep 0.01; done
}

redis() { redis-cli -s "$directory/redis.sock" "$@"; }

stop_redis() {
    [[ -S $directory/redis.sock ]] || return 0
    redis SHUTDOWN NOSAVE >/dev/null 2>&1 || true
}

stop_demo() {
    find_demo
    rm -f "$state"
    [[ -n $directory ]] || return 1
    stop_redis
    local answer=0
    as_owner "$postgres_bin/pg_isready" --quiet --host "$directory" || answer=$?
    # 0 and 1: a server is there. Else the process number in its files may be stale.
    ((answer > 1)) || as_owner "$postgres_bin/pg_ctl" stop --silent --mode immediate \
        --pgdata "$directory/data"
    as_owner rm -rf "$directory"
}
