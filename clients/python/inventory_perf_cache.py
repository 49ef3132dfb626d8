"""Reads what inventory_perf keeps in Redis, without asking the database.

    cache = Cache(redis.Redis(), database="shop")
    stock = cache.get("inventory:1:42")
    if stock is MISS:
        ...  # ask the database, and let it store the answer with inventory_perf.cache_set()

A value that is returned was true when the last invalidation before the call had been delivered:
milliseconds ago, and never longer than two leases. docs/cache-protocol.md has the rules.
"""

import decimal
import json
import zlib

MISS = object()


class Cache:
    def __init__(self, redis, database, prefix=""):
        """`redis` must not decode responses. `prefix` is inventory_perf.redis_key_prefix."""
        self._redis = redis
        self._prefix = prefix
        self._own = f"{prefix}inventory_perf:{{{database}}}:"

    def get(self, key):
        """The value stored under a key, or MISS."""
        return self.get_many([key])[0]

    def get_many(self, keys):
        """The values stored under some keys, in two round trips; MISS where there is none."""
        if not keys:
            return []
        found = self._redis.mget([self._prefix + key for key in keys])
        entries = [_parse(entry) for entry in found]
        names = sorted({self._stamp(*stamp[:2]) for header, _ in filter(None, entries) for stamp in header["s"]})
        # The stamps are looked up after the entries: equal now means that nothing came between.
        epoch, lease, *stamps = self._redis.mget([self._own + "epoch", self._own + "lease", *names])
        if epoch is None or lease != epoch:
            return [MISS] * len(keys)
        present = dict(zip(names, stamps))
        return [self._value(entry, epoch, present) for entry in entries]

    def _value(self, entry, epoch, present):
        if entry is None:
            return MISS
        header, payload = entry
        if header["e"].encode() != epoch:
            return MISS
        for kind, name, stamp in header["s"]:
            if present[self._stamp(kind, name)] != stamp.encode():
                return MISS
        try:
            return _decode(header, payload)
        except ValueError:
            return MISS

    def _stamp(self, kind, name):
        return f"{self._own}stamp:{'tag' if kind == 't' else 'key'}:{name}"


def _parse(entry):
    """Header and payload of an entry; None for anything else."""
    if entry is None or not entry.startswith(b"IPC1 ") or b"\n" not in entry:
        return None
    text, payload = entry[5:].split(b"\n", 1)
    try:
        header = json.loads(text)
        stamps = header["s"]
        well_formed = (
            isinstance(header["e"], str)
            and isinstance(header["n"], int)
            and header["c"] in ("json", "msgpack")
            and header.get("z") in (None, "lz4")
            # Without a stamp nothing could make it invalid.
            and len(stamps) > 0
            and all(len(stamp) == 3 and stamp[0] in ("t", "k") for stamp in stamps)
            and all(isinstance(part, str) for stamp in stamps for part in stamp)
            and zlib.crc32(payload) == header["h"]
        )
    except (ValueError, KeyError, TypeError):
        return None
    return (header, payload) if well_formed else None


def _decode(header, payload):
    if header.get("z") == "lz4":
        import lz4.block

        payload = lz4.block.decompress(payload, uncompressed_size=header["n"])
    if len(payload) != header["n"]:
        raise ValueError("not of the length that the header tells")
    if header["c"] == "msgpack":
        import msgpack

        return msgpack.unpackb(payload, ext_hook=_extension, strict_map_key=False)
    return json.loads(payload, parse_float=decimal.Decimal)


def _extension(kind, data):
    """A number that MessagePack cannot write with the same digits."""
    if kind != 1:
        raise ValueError(f"MessagePack extension {kind}")
    return decimal.Decimal(data.decode())
