/*
 * Every code that goes over the wire, in one place: close codes, error codes
 * of the native protocol, and the reasons for which a handshake is refused.
 * The protocol page lists the same; a test compares the two.
 */

#ifndef CDR_CODES_H_INCLUDED
#define CDR_CODES_H_INCLUDED


/*
 * Close codes, RFC 6455 section 7.4, and those of the private range that the
 * native protocol uses.  4500 to 4999 are final: the client does not return.
 *
 * X(symbol, code, label): the label names the reason in figures and logs.
 */

#define CDR_CLOSE_CODES(X)                                                    \
    X(CDR_CLOSE_NORMAL,       1000, "normal")                                 \
    X(CDR_CLOSE_GOING_AWAY,   1001, "going_away")                             \
    X(CDR_CLOSE_PROTOCOL,     1002, "protocol_error")                         \
    X(CDR_CLOSE_UNSUPPORTED,  1003, "unsupported_data")                       \
    X(CDR_CLOSE_NO_STATUS,    1005, "no_status")                              \
    X(CDR_CLOSE_ABNORMAL,     1006, "abnormal")                               \
    X(CDR_CLOSE_BAD_DATA,     1007, "invalid_data")                           \
    X(CDR_CLOSE_TOO_BIG,      1009, "too_big")                                \
    X(CDR_CLOSE_INTERNAL,     1011, "internal_error")                         \
    X(CDR_CLOSE_RESTART,      1012, "restart")                                \
    X(CDR_CLOSE_TOO_SLOW,     1013, "too_slow")                               \
    X(CDR_CLOSE_TOKEN,        4401, "token_expired")                          \
    X(CDR_CLOSE_IDLE,         4408, "idle")                                   \
    X(CDR_CLOSE_FLOOD,        4429, "flooding")                               \
    X(CDR_CLOSE_REVOKED,      4500, "revoked")                                \
    X(CDR_CLOSE_FORBIDDEN,    4503, "forbidden")


/* Error codes of the "error" message.  X(symbol, name) */

#define CDR_ERROR_CODES(X)                                                    \
    X(CDR_ERR_BAD_JSON,         "bad_json")                                   \
    X(CDR_ERR_BAD_MESSAGE,      "bad_message")                                \
    X(CDR_ERR_UNKNOWN_TYPE,     "unknown_type")                               \
    X(CDR_ERR_UNKNOWN_CHANNEL,  "unknown_channel")                            \
    X(CDR_ERR_FORBIDDEN,        "forbidden")                                  \
    X(CDR_ERR_RATE_LIMITED,     "rate_limited")                               \
    X(CDR_ERR_TOO_LARGE,        "too_large")                                  \
    X(CDR_ERR_TOKEN_EXPIRED,    "token_expired")                              \
    X(CDR_ERR_REVOKED,          "revoked")                                    \
    X(CDR_ERR_BUSY,             "busy")                                       \
    X(CDR_ERR_BACKEND_ERROR,    "backend_error")                              \
    X(CDR_ERR_BACKEND_TIMEOUT,  "backend_timeout")                            \
    X(CDR_ERR_UNAVAILABLE,      "unavailable")


/*
 * Reasons for which a handshake is refused.
 *
 * X(symbol, HTTP status, close code with "conductor_refuse close" (0: always
 * HTTP), name, text)
 */

#define CDR_REFUSALS(X)                                                       \
    X(CDR_REFUSE_METHOD,      400, 0,    "bad_method",                        \
      "a WebSocket handshake is a GET request")                               \
    X(CDR_REFUSE_HTTP,        400, 0,    "bad_http_version",                  \
      "a WebSocket handshake needs HTTP/1.1")                                 \
    X(CDR_REFUSE_CONNECTION,  400, 0,    "bad_connection",                    \
      "the Connection header does not contain \\\"Upgrade\\\"")               \
    X(CDR_REFUSE_KEY,         400, 0,    "bad_key",                           \
      "Sec-WebSocket-Key is not the base64 of 16 bytes")                      \
    X(CDR_REFUSE_BODY,        400, 0,    "bad_body",                          \
      "a WebSocket handshake has no body")                                    \
    X(CDR_REFUSE_PROTOCOL,    400, 0,    "bad_subprotocol",                   \
      "Sec-WebSocket-Protocol is malformed")                                  \
    X(CDR_REFUSE_EXTENSIONS,  400, 0,    "bad_extensions",                    \
      "Sec-WebSocket-Extensions is malformed")                                \
    X(CDR_REFUSE_VERSION,     426, 0,    "bad_version",                       \
      "only WebSocket version 13 is spoken here")                             \
    X(CDR_REFUSE_UPGRADE,     426, 0,    "no_upgrade",                        \
      "this location speaks WebSocket")                                       \
    X(CDR_REFUSE_TOKEN,       401, 4401, "bad_token",                         \
      "the token is missing or not valid")                                    \
    X(CDR_REFUSE_EXPIRED,     401, 4401, "token_expired",                     \
      "the token has expired")                                                \
    X(CDR_REFUSE_REVOKED,     401, 4500, "revoked",                           \
      "the user or the token was revoked")                                    \
    X(CDR_REFUSE_ORIGIN,      403, 4503, "bad_origin",                        \
      "this origin is not allowed")                                           \
    X(CDR_REFUSE_ROLE,        403, 4503, "bad_role",                          \
      "this role is not allowed")                                             \
    X(CDR_REFUSE_ADDRESS,     429, 4429, "address_limit",                     \
      "too many connections from this address")                               \
    X(CDR_REFUSE_USER,        429, 4429, "user_limit",                        \
      "too many connections of this user")                                    \
    X(CDR_REFUSE_HANDSHAKES,  429, 4429, "handshake_limit",                   \
      "too many handshakes, come back later")                                 \
    X(CDR_REFUSE_DRAINING,    503, 1012, "draining",                          \
      "this server is going away")                                            \
    X(CDR_REFUSE_ZONE_FULL,   503, 1013, "zone_full",                         \
      "the hub is full")


#define CDR_X_CLOSE_ENUM(symbol, code, label)       symbol = code,
#define CDR_X_ERROR_ENUM(symbol, name)              symbol,
#define CDR_X_REFUSAL_ENUM(symbol, s, c, name, t)   symbol,

enum { CDR_CLOSE_CODES(CDR_X_CLOSE_ENUM) };
enum { CDR_ERROR_CODES(CDR_X_ERROR_ENUM) CDR_ERROR_N };
enum { CDR_REFUSALS(CDR_X_REFUSAL_ENUM) CDR_REFUSAL_N };


#endif /* CDR_CODES_H_INCLUDED */
