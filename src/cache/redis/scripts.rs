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
local delivered = redis.pcall('GET', KEYS[1])
delivered = type(delivered) == 'string' and string.match(delivered, '^%d+:%x+$') or ''
local stamps = {}
for i = 2, #KEYS do
    local stamp = redis.pcall('GET', KEYS[i])
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

/// KEYS: epoch, entries…; ARGV: what stamp names begin with, most bytes of an entry, 1 for headers
/// only. Returns epoch, then entry and stamps of each. Whatever is not an entry is returned as it
/// is, without stamps.
const READ_STORED: &str = r"
local epoch = redis.pcall('GET', KEYS[1])
local result = { type(epoch) == 'string' and epoch }
local kinds = { t = 'tag:', k = 'key:' }
for i = 2, #KEYS do
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
                    local value = redis.pcall('GET', ARGV[1] .. kinds[named[1]] .. named[2])
                    if type(value) == 'string' then
                        stamp = value
                    end
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
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
";

/// KEYS: epoch, lease; ARGV: epoch, milliseconds.
const RENEW_LEASE: &str = r"
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
";

/// KEYS: epoch, delivered; ARGV: epoch, number. Deliverers may overtake each other: the largest number
/// of an epoch stays. Returns the epoch, or nothing if how far it was delivered is lost.
pub const ADVANCE_DELIVERED: &str = r"
local epoch = redis.pcall('GET', KEYS[1])
if epoch ~= ARGV[1] then
    return type(epoch) == 'string' and epoch
end
local delivered = redis.pcall('GET', KEYS[2])
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
