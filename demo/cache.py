"""Measures the demo's cache from outside, as an application would see it.

    cache.py report DIR FILE      a report computed, cached, and read again
    cache.py change DIR           from COMMIT to the moment the key is gone from Redis
    cache.py outage DIR MOMENT    writes while Redis is as MOMENT says: 'up' or 'stopped'
    cache.py delivery DIR         how long a backlog takes once Redis is back

DIR holds the sockets of the demo's PostgreSQL and Redis.
"""

import json
import pathlib
import statistics
import sys
import time

import psycopg
import redis

PRODUCT, STORE = 1082185, 367
KEY = f"stock:{PRODUCT}:{STORE}"
ROUNDS = 20

MOVE = """INSERT INTO stock_moves (store_id, product_id, quantity, moved_at, move_type)
          VALUES (%s, %s, 1, '2017-12-31', 'correction')"""


def connect(directory: str) -> psycopg.Connection:
    return psycopg.connect(host=directory, user="postgres", dbname="demo", autocommit=True)


def milliseconds(action) -> tuple[float, object]:
    start = time.perf_counter()
    result = action()
    return (time.perf_counter() - start) * 1000, result


def report(directory: str, file: str) -> None:
    query = pathlib.Path(file).read_text()
    with connect(directory) as database:
        def ask(text, arguments=()):
            return lambda: [row[0] for row in database.execute(text, arguments).fetchall()]

        plain, computed = milliseconds(ask(f"SELECT to_jsonb(r) FROM ({query}) r"))
        cached = "SELECT inventory_perf.cached_query(%s, ttl => '10 min')"
        miss, first = milliseconds(ask(cached, (query,)))
        hits = [milliseconds(ask(cached, (query,))) for _ in range(200)]
        if any(json.dumps(rows) != json.dumps(computed) for rows in [first] + [r for _, r in hits]):
            sys.exit("demo: the cached report differs from the report")
        times = sorted(time for time, _ in hits)
        print(f"    computed {plain:.1f} ms, first cached call {miss:.1f} ms; then, of 200 calls,"
              f" median {statistics.median(times):.2f} ms, slowest {times[-1]:.2f} ms:"
              f" {plain / statistics.median(times):.0f} x")


def change(directory: str) -> None:
    server = redis.Redis(unix_socket_path=f"{directory}/redis.sock")
    times = []
    with connect(directory) as database:
        for _ in range(ROUNDS):
            while not server.exists(KEY):
                database.execute(
                    "SELECT inventory_perf.cache_set(%s, to_jsonb(sum(quantity)), '10 min')"
                    " FROM stock_on('2017-12-31') WHERE product_id = %s AND store_id = %s",
                    (KEY, PRODUCT, STORE))
            database.execute(MOVE, (STORE, PRODUCT))
            gone, _ = milliseconds(lambda: wait_until_gone(server))
            times.append(gone)
    print(f"    {ROUNDS} changes: key {KEY} was gone from Redis {statistics.median(times):.2f} ms"
          f" after COMMIT had returned (median; slowest {max(times):.2f} ms)")


def wait_until_gone(server: redis.Redis) -> None:
    deadline = time.monotonic() + 30
    while server.exists(KEY):
        if time.monotonic() > deadline:
            sys.exit(f"demo: {KEY} is still in Redis 30 s after the commit")


def outage(directory: str, moment: str) -> None:
    with connect(directory) as database:
        times = [milliseconds(lambda: database.execute(MOVE, (STORE, PRODUCT)))[0]
                 for _ in range(200)]
        waiting = database.execute("SELECT count(*) FROM inventory_perf.cache_outbox").fetchone()[0]
    print(f"    Redis {moment}: 200 writes, median {statistics.median(times):.2f} ms,"
          f" slowest {max(times):.2f} ms; {waiting} invalidations waiting")


def delivery(directory: str) -> None:
    with connect(directory) as database:
        waited, done = milliseconds(lambda: database.execute(
            "SELECT inventory_perf.wait_until_delivered('30 s')").fetchone()[0])
    if not done:
        sys.exit("demo: the backlog is not delivered after 30 s")
    print(f"    backlog delivered; {waited:.0f} ms were left to wait once Redis answered")


if __name__ == "__main__":
    {"report": report, "change": change, "outage": outage, "delivery": delivery}[sys.argv[1]](
        *sys.argv[2:])
