"""Answers for a test: a JSON list of keys on each line in, their values or "miss" on each line out.

Usage: ask.py SOCKET DATABASE
"""

import json
import pathlib
import sys

import redis

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "clients" / "python"))

from inventory_perf_cache import MISS, Cache  # noqa: E402

connection = redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=1)
cache = Cache(connection, database=sys.argv[2])
for line in sys.stdin:
    keys = json.loads(line)
    try:
        values = cache.get_many(keys)
    except redis.RedisError:
        values = [MISS] * len(keys)
    answers = ["miss" if value is MISS else [value] for value in values]
    print(json.dumps(answers, default=lambda number: {"decimal": str(number)}), flush=True)
