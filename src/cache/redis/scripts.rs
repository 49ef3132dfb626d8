//! What Redis does in one step by itself.

use redis::Script;

/// One script each, so that its digest is computed once.
pub struct Scripts {
    pub create_stamps: Script,
    pub read_stored: Script,
    pub end_fill: Script,
    pub renew_lease: Script,
}

/// KEYS: delivered, stamps…; ARGV: milliseconds, then a random text for each stamp. Returns the
/// present stamps. How far invalidations are delivered becomes part of a new stamp in the same
/// step: a stamp exists since before the delivery of everything later.
const CREATE_STAMPS: &str = r"
local delivered = redis.pcall('GETRANGE', KEYS[1], 0, 200)
delivered = type(delivered) == 'string' and string.match(delivered, '^%d+:%x+$') or ''
local stamps = {}
for i = 2, #KEYS do
    local stamp = redis.pcall('GETRANGE', KEYS[i], 0, 200)
    -- one that does not say since when it exists is of little use
    if type(stamp) == 'string' and string.find(stamp, '^%x+:%d+:%x+$') then
        if redis.call('PTTL', KEYS[i]) < ARGV[1] / 2 then
            redis.call('PEXPIRE', KEYS[i], ARGV[1])
        end
    else
        stamp = ARGV[i] .. ':' .. delivered
        redis.call('SET', KEYS[i], stamp, 'PX', ARGV[1])
    end
    stamps[i - 1] = stamp
end
return stamps
";

/// KEYS: epoch, batches, entries…; ARGV: what stamp names begin with, most bytes of an entry, 1 for
/// headers only. Returns epoch and batches, then entry and stamps of each. Whatever is not an entry is returned as it
/// is, without stamps.
const READ_STORED: &str = r"
local function short(name)
    local value = redis.pcall('GETRANGE', name, 0, 200)
    return type(value) == 'string' and #value > 0 and value
end
local result = { short(KEYS[1]), short(KEYS[2]) }
local kinds = { t = 'tag:', k = 'key:' }
for i = 3, #KEYS do
    local entry = redis.pcall('GETRANGE', KEYS[i], 0, ARGV[2])
    local stamps = {}
    if type(entry) ~= 'string' or #entry == 0 then
        entry = false
    else
        local finish = string.find(entry, '\n', 1, true)
        local header = nil
        if finish and string.sub(entry, 1, 5) == 'IPC1 ' then
            local ok, decoded = pcall(cjson.decode, string.sub(entry, 6, finish - 1))
            if ok and type(decoded) == 'table' and type(decoded.s) == 'table' then
                header = decoded
            end
            if ARGV[3] == '1' then
                entry = string.sub(entry, 1, finish)
            end
        end
        if header then
            for j, named in ipairs(header.s) do
                local stamp = false
                if type(named) == 'table' and kinds[named[1]] and type(named[2]) == 'string' then
                    stamp = short(ARGV[1] .. kinds[named[1]] .. named[2])
                end
                stamps[j] = stamp
            end
        end
    end
    result[#result + 1] = entry
    result[#result + 1] = stamps
end
return result
";

/// KEYS: fill; ARGV: who holds it.
const END_FILL: &str = r"
if redis.pcall('GETRANGE', KEYS[1], 0, 200) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
";

/// KEYS: epoch, lease, batches; ARGV: epoch, least number of batches, milliseconds.
const RENEW_LEASE: &str = r"
local batches = redis.pcall('GETRANGE', KEYS[3], 0, 200)
batches = type(batches) == 'string' and tonumber(string.match(batches, '^%d+$'))
if redis.pcall('GETRANGE', KEYS[1], 0, 200) ~= ARGV[1] or not batches
        or batches < tonumber(ARGV[2]) then
    return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1
";

/// KEYS: epoch, delivered; ARGV: epoch, number. Deliverers may overtake each other: the largest number
/// of an epoch stays. Returns the epoch, or nothing if how far it was delivered is lost.
pub const ADVANCE_DELIVERED: &str = r"
local epoch = redis.pcall('GETRANGE', KEYS[1], 0, 200)
if epoch ~= ARGV[1] then
    return type(epoch) == 'string' and epoch
end
local delivered = redis.pcall('GETRANGE', KEYS[2], 0, 200)
delivered = type(delivered) == 'string' and delivered or ''
local number, since = string.match(delivered, '^(%d+):(.*)$')
if since ~= epoch then
    return false
end
if tonumber(number) < tonumber(ARGV[2]) then
    redis.call('SET', KEYS[2], ARGV[2] .. ':' .. epoch)
end
return epoch
";

/// KEYS: batches; ARGV: the least number that there must be. Returns one more, or nothing if there are
/// fewer: then the server has lost some, or has gone back to data from before.
pub const COUNT_BATCH: &str = r"
local batches = redis.pcall('GETRANGE', KEYS[1], 0, 200)
batches = type(batches) == 'string' and tonumber(string.match(batches, '^%d+$'))
if not batches or batches < tonumber(ARGV[1]) then
    return false
end
batches = string.format('%.0f', batches + 1)
redis.call('SET', KEYS[1], batches)
return batches
";

impl Scripts {
    pub fn new() -> Self {
        Self {
            create_stamps: Script::new(CREATE_STAMPS),
            read_stored: Script::new(READ_STORED),
            end_fill: Script::new(END_FILL),
            renew_lease: Script::new(RENEW_LEASE),
        }
    }
}
