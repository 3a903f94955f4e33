# Makes a JSON Web Token signed by HS256 (RFC 7515), with the tools of a base
# system.  Sourced by ./conductor.  The secret is never an argument of a
# program, since anyone may see those.


# escape N...: the bytes as "\0ooo...", which printf %b understands

escape() {
    escaped=

    for byte in "$@"; do
        escaped="$escaped\\0$((byte >> 6))$((byte >> 3 & 7))$((byte & 7))"
    done
}


base64url() {
    base64 -w 0 | tr '+/' '-_' | tr -d '='
}


# The SHA-256 of what comes in, as numbers.

sha256() {
    sha256sum | cut -c 1-64 | sed 's/../0x& /g'
}


# hmac KEY TEXT (RFC 2104): the bytes, in base64url

hmac() {
    text=$2

    # shellcheck disable=SC2046
    set -- $(printf %s "$1" | od -An -v -tx1 | sed 's/ \(..\)/ 0x\1/g')

    if [ $# -gt 64 ]; then
        escape "$@"

        # shellcheck disable=SC2046
        set -- $(printf %b "$escaped" | sha256)
    fi

    while [ $# -lt 64 ]; do
        set -- "$@" 0
    done

    inner=
    outer=

    for byte in "$@"; do
        inner="$inner $((byte ^ 0x36))"
        outer="$outer $((byte ^ 0x5c))"
    done

    # shellcheck disable=SC2086
    escape $inner
    inner=$({ printf %b "$escaped"; printf %s "$text"; } | sha256)

    # shellcheck disable=SC2086
    escape $outer $inner
    outer=$(printf %b "$escaped" | sha256)

    # shellcheck disable=SC2086
    escape $outer
    printf %b "$escaped" | base64url
}


# token USER ROLE SECONDS: signed with JWT_SECRET

token() {
    now=$(date +%s)
    claims=$(printf '{"sub":"%s","role":"%s","iat":%d,"exp":%d}' \
        "$1" "$2" "$now" $((now + $3)))

    signed=$(printf %s '{"alg":"HS256","typ":"JWT"}' | base64url)
    signed=$signed.$(printf %s "$claims" | base64url)

    printf %s "$signed.$(hmac "$JWT_SECRET" "$signed")"
}
