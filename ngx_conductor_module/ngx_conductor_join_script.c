/* What runs in Redis, for the hub's order. */

#include "ngx_conductor_join.h"


/* The place of the stream's last entry. */

#define NGX_CONDUCTOR_LUA_TAIL                                                \
    "local tail\n"                                                            \
    "function tail()\n"                                                       \
    "  local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)\n"    \
    "  if e[1] and tonumber(string.match(e[1][1], '^%d+'))\n"                 \
    "              >= 281474976710656 then\n"                                 \
    "    purge()\n"                                                           \
    "    return tail()\n"                                                     \
    "  end\n"                                                                 \
    "  return e[1] and e[1][1] or '0-0'\n"                                    \
    "end\n"


/*
 * KEYS   the stream, heads
 * ARGV   server, session, its last place, a name for a new stream, the highest
 *        n that it has given, and the highest that it has read: what is said
 *        of a higher one than it has given is not believed
 *
 * Begins a session of a server; no place from now on is below its last.
 * Returns its highest n, as a number; the name of the stream, which a Redis
 * that has forgotten it does not know; the places of the first and the last
 * entry; 1 if it still has the caller's last one; and the time.
 */

#define NGX_CONDUCTOR_LUA_HELLO                                               \
    "if redis.call('HLEN', KEYS[2]) > 1000 then\n"                            \
    "  local all, old = redis.call('HGETALL', KEYS[2]), {}\n"                 \
    "  for i = 1, #all, 2 do\n"                                               \
    "    local seen = string.match(all[i + 1], '^%d+ %d+ %d+ (%d+)$')\n"      \
    "    if seen and all[i] ~= '0' and all[i] ~= ARGV[1] then\n"              \
    "      old[#old + 1] = { tonumber(seen), all[i] }\n"                      \
    "    end\n"                                                               \
    "  end\n"                                                                 \
    "  table.sort(old, function(a, b) return a[1] < b[1] end)\n"              \
    "  for i = 1, #old - 750 do\n"                                            \
    "    redis.call('HDEL', KEYS[2], old[i][2])\n"                            \
    "  end\n"                                                                 \
    "end\n"                                                                   \
                                                                              \
    "local t = redis.call('TIME')\n"                                          \
    "local head = redis.call('HGET', KEYS[2], ARGV[1]) or ''\n"               \
    "local top = tonumber(string.match(head, '^(%d+) ') or '0')\n"            \
    "if top > tonumber(ARGV[5]) then top = tonumber(ARGV[6]) end\n"           \
    "redis.call('HSET', KEYS[2], ARGV[1],\n"                                  \
    "           num(top) .. ' ' .. ARGV[2] .. ' 1 ' .. t[1] .. '000')\n"      \
    "redis.call('HSETNX', KEYS[2], 'stream', ARGV[4])\n"                      \
                                                                              \
    "above(redis.call('HGET', KEYS[2], 'last'))\n"                            \
    "above(ARGV[3])\n"                                                        \
    "redis.call('HSET', KEYS[2], 'last', id())\n"                             \
                                                                              \
    "local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)\n"     \
    "local there = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])\n"         \
    "return { top, redis.call('HGET', KEYS[2], 'stream'),\n"                  \
    "         first[1] and first[1][1] or '0-0', tail(), #there,\n"           \
    "         t[1] * 1000 + math.floor(t[2] / 1000) }\n"


/*
 * KEYS   the stream, heads, and the keys of records
 * ARGV   server, session, number of the call, entries kept, ms that keys are
 *        kept; for each record: n of its first event, flags, which of the keys
 *        (0: none), digest, time, how many events; and for each of these:
 *        flags of the log's record, public channel or '', text, signature
 *        or ''
 *
 * Returns 0, if the call is none of this session or not its next one; or the
 * place of the stream's last entry, and of each record: 0, and the place of
 * its last event; 1, known already; 2, its key was used before, and for what.
 */

#define NGX_CONDUCTOR_LUA_OFFER                                               \
    "local head = redis.call('HGET', KEYS[2], ARGV[1]) or ''\n"               \
    "local top, session, call =\n"                                            \
    "    string.match(head, '^(%d+) (%d+) (%d+) ')\n"                         \
    "if session ~= ARGV[2] or call ~= ARGV[3] then return 0 end\n"            \
    "top = tonumber(top)\n"                                                   \
    "begin()\n"                                                               \
    "local now = ms\n"                                                        \
                                                                              \
    "local function event(first, control, time, at)\n"                        \
    "  local text, place = ARGV[at + 2], nil\n"                               \
    "  local f = { 'o', ARGV[1] .. '.' .. num(first), 't', time }\n"          \
    "  if ARGV[at] ~= '0' then\n"                                             \
    "    f[#f + 1] = 'f'\n"                                                   \
    "    f[#f + 1] = ARGV[at]\n"                                              \
    "  end\n"                                                                 \
    "  f[#f + 1] = control and 'c' or 'e'\n"                                  \
    "  f[#f + 1] = control and text or text .. '}'\n"                         \
    "  if ARGV[at + 3] ~= '' then\n"                                          \
    "    f[#f + 1] = 'm'\n"                                                   \
    "    f[#f + 1] = ARGV[at + 3]\n"                                          \
    "  end\n"                                                                 \
    "  place = add(ARGV[4], unpack(f))\n"                                     \
    "  if place.err then return place end\n"                                  \
    "  if ARGV[at + 1] ~= '' then\n"                                          \
    "    redis.pcall('PUBLISH', ARGV[at + 1], text .. ',\"timestamp\":'"      \
    " .. time ..\n"                                                           \
    "                ',\"eventId\":\"' .. place .. '\"}')\n"                  \
    "  end\n"                                                                 \
    "end\n"                                                                   \
                                                                              \
    "local function whole(used)\n"                                            \
    "  if type(used) ~= 'string' or #used > 100 then return false end\n"      \
    "  local d, m, k, c = string.match(used, '^(%x+) (%d+) (%d+) (%d+)$')\n"  \
    "  return d and #d == 32 and tonumber(m) < 281474976710656\n"             \
    "         and tonumber(k) < 9007199254740992\n"                           \
    "         and tonumber(c) < 4294967296\n"                                 \
    "end\n"                                                                   \
                                                                              \
    "local out, at, added = { '' }, 6, false\n"                               \
    "while ARGV[at] do\n"                                                     \
    "  local first, flags = tonumber(ARGV[at]), tonumber(ARGV[at + 1])\n"     \
    "  local key = KEYS[2 + tonumber(ARGV[at + 2])]\n"                        \
    "  local digest, time = ARGV[at + 3], ARGV[at + 4]\n"                     \
    "  local count = tonumber(ARGV[at + 5])\n"                                \
    "  if ARGV[at + 2] == '0' then key = nil end\n"                           \
    "  at = at + 6\n"                                                         \
    "  local used = key and flags % 2 == 0 and redis.pcall('GET', key)\n"     \
    "  if used and not whole(used) then\n"                                   \
    "    redis.call('DEL', key)\n"                                            \
    "    used = nil\n"                                                        \
    "  end\n"                                                                 \
    "  if first + count - 1 <= top then\n"                                    \
    "    out[#out + 1] = { 1 }\n"                                             \
    "  elseif used then\n"                                                    \
    "    out[#out + 1] = { 2, used }\n"                                       \
    "  else\n"                                                                \
    "    for i = 0, count - 1 do\n"                                           \
    "      if first + i > top then\n"                                         \
    "        local e = event(first + i, flags >= 2, time, at + 4 * i)\n"      \
    "        if e then return e end\n"                                        \
    "        added = true\n"                                                  \
    "      end\n"                                                             \
    "    end\n"                                                               \
    "    out[#out + 1] = { 0, id() }\n"                                       \
    "    if key then\n"                                                       \
    "      redis.call('SET', key, digest .. ' ' .. num(ms) .. ' ' ..\n"       \
    "                 num(n - count + 1) .. ' ' .. num(count), 'NX',"         \
    " 'PX', ARGV[5])\n"                                                       \
    "    end\n"                                                               \
    "  end\n"                                                                 \
    "  top = math.max(top, first + count - 1)\n"                              \
    "  at = at + 4 * count\n"                                                 \
    "end\n"                                                                   \
                                                                              \
    "redis.call('HSET', KEYS[2], ARGV[1], num(top) .. ' ' .. ARGV[2] ..\n"    \
    "           ' ' .. num(call + 1) .. ' ' .. num(now))\n"                   \
    "if added then finish() end\n"                                            \
    "out[1] = added and id() or tail()\n"                                     \
    "return out\n"


ngx_conductor_script_t  ngx_conductor_join_script_hello = {
    NGX_CONDUCTOR_JOIN_LUA NGX_CONDUCTOR_LUA_TAIL NGX_CONDUCTOR_LUA_HELLO, ""
};

ngx_conductor_script_t  ngx_conductor_join_script_offer = {
    NGX_CONDUCTOR_JOIN_LUA NGX_CONDUCTOR_LUA_TAIL NGX_CONDUCTOR_LUA_OFFER, ""
};
