# Reads the environment variables of the start, checks them, and makes of
# them what conf-examples/start.conf.in takes.  Sourced by ./conductor and by
# build-aux/image/entrypoint, which define stop(), no_secret() and $run, after
# render.sh.  A variable that is empty counts as unset.

# Nothing of a value reaches nginx.conf but numbers, addresses and origins
# that were looked at here; files are reached by links of fixed names.


# refuse NAME WHAT-IS-ALLOWED: one line, whatever the value holds.

refuse() {
    eval "shown=\$$1"

    case $1,$shown in
        *PASSPHRASE,*|REDIS_URL,*|*@*) shown=... ;;
        *) shown=$(printf %s "$shown" | tr '[:cntrl:]' '?') ;;
    esac

    name=$1
    shift
    stop "$name is \"$shown\": expected $*"
}


# number VALUE MIN MAX

number() {
    case $1 in
        ''|*[!0-9]*|0?*|??????????*) return 1 ;;
    esac

    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}


ipv4() {
    case $1 in
        *[!0-9.]*|.*|*.|*..*) return 1 ;;
    esac

    set -- $(printf %s "$1" | tr . ' ')

    [ $# = 4 ] && number "$1" 0 255 && number "$2" 0 255 \
        && number "$3" 0 255 && number "$4" 0 255
}


ipv6() {
    case $1 in
        *[!0-9A-Fa-f:.]*|*:::*|*::*::*|:[!:]*|*[!:]:) return 1 ;;
    esac

    all=8
    case $1 in *::*) all=7 ;; esac

    groups=0

    for group in $(printf %s "$1" | tr : ' '); do
        groups=$((groups + 1))

        case $group in
            *.*)   ipv4 "$group" || return 1
                   [ "${1##*:}" = "$group" ] || return 1
                   groups=$((groups + 1)) ;;
            ?????*) return 1 ;;
        esac
    done

    [ $groups = 8 ] || { [ $all = 7 ] && [ $groups -lt 8 ]; }
}


# address VALUE: an address, or a network with its length

address() {
    case $1 in
        */*/*) return 1 ;;
        *:*/*) ipv6 "${1%/*}" && number "${1#*/}" 0 128 ;;
        *:*)   ipv6 "$1" ;;
        */*)   ipv4 "${1%/*}" && number "${1#*/}" 0 32 ;;
        *)     ipv4 "$1" ;;
    esac
}


# An origin as a browser sends it, or a pattern: "*", or "*." and a domain.

origin() {
    [ "$1" != '*' ] || return 0

    scheme=${1%%://*}
    host=${1#*://}
    port=80

    [ "$1" = "$scheme://$host" ] || return 1

    case $scheme in
        ''|*[!A-Za-z0-9+.-]*) return 1 ;;
    esac

    case $host in
        \[*\]) ;;
        *:*)    port=${host##*:}
                host=${host%:*} ;;
    esac

    number "$port" 1 65535 || return 1

    case $host in
        \[*\])  host=${host#\[}
                ipv6 "${host%\]}" ;;
        *)      hostname "${host#\*.}" ;;
    esac
}


hostname() {
    case $1 in
        ''|*[!A-Za-z0-9._-]*|.*|*.|*..*) return 1 ;;
    esac
}


# each CHECK NAME WHAT: every word of a list, which commas may separate

each() {
    eval "list=\$$2"
    list=$(printf %s "$list" | tr ',' ' ')
    words=

    for word in $list; do
        "$1" "$word" || refuse "$2" "$3"
        words="$words $word"
    done

    [ -n "$words" ] || refuse "$2" "$3"
}


switch() {
    eval "value=\$$1"

    case $value in
        true|on|yes|1)   value=on ;;
        false|off|no|0)  value=off ;;
        *)               refuse "$1" "true or false" ;;
    esac
}


# pem NAME WHAT: the absolute path of a file with such a thing in PEM form

pem() {
    eval "path=\$$1"

    [ -f "$path" ] && grep -qs -e "-----BEGIN .*$2-----" -- "$path" \
        || refuse "$1" "a file that $(me) can read, with a" \
            "$(echo "$2" | tr '[:upper:]' '[:lower:]') in PEM form"

    case $path in
        /*) ;;
        *)  path=$PWD/$path ;;
    esac
}


# of_file NAME: its value from the file that NAME_FILE names; neither is shown

of_file() {
    eval "path=\${$1_FILE:-} value=\${$1:-}"

    [ -n "$path" ] || return 0

    [ -z "$value" ] || stop "$1 and $1_FILE are both set: leave one of them out"

    [ -f "$path" ] && [ -r "$path" ] \
        || stop "$1_FILE names no file that $(me) can read"

    value=$(cat -- "$path")

    [ -n "$value" ] || stop "the file that $1_FILE names is empty"

    eval "$1=\$value"
    unset "$1_FILE"
}


file_settings() {
    of_file JWT_SECRET
    of_file NEXTAUTH_SECRET
    of_file REDIS_URL

    passphrase_file=${SSL_PASSPHRASE_FILE:-}
    of_file SSL_PASSPHRASE

    case $passphrase_file in
        ''|/*) ;;
        *) passphrase_file=$PWD/$passphrase_file ;;
    esac
}


port_setting() {
    : "${WEBSOCKET_PORT:=5111}"

    number "$WEBSOCKET_PORT" 1 65535 \
        || refuse WEBSOCKET_PORT "a port, 1 to 65535"
}


limit_setting() {
    : "${RATE_LIMIT_WINDOW:=60000}" "${RATE_LIMIT_MAX_MESSAGES:=100}"

    number "$RATE_LIMIT_WINDOW" 1 86400000 \
        || refuse RATE_LIMIT_WINDOW "milliseconds, 1 to 86400000"

    number "$RATE_LIMIT_MAX_MESSAGES" 1 1000000 \
        || refuse RATE_LIMIT_MAX_MESSAGES "a number, 1 to 1000000"

    LIMIT="$RATE_LIMIT_MAX_MESSAGES per=${RATE_LIMIT_WINDOW}ms"
}


origin_setting() {
    : "${CORS_ORIGIN:=http://localhost:3000}"

    each origin CORS_ORIGIN \
        "origins such as https://app.example.com, without a path"

    ORIGINS=${words# }
}


# allowed NAME: directives that admit its addresses, by default this machine,
# whether it is reached as 127.0.0.1 or as ::1.

allowed() {
    eval ": \"\${$1:=127.0.0.1 ::1}\""

    each address "$1" "addresses or networks, such as 127.0.0.1 or 10.0.0.0/8"

    directives=

    for word in $words; do
        directives="$directives${directives:+$nl            }allow    $word;"
    done
}


publish_setting() {
    allowed PUBLISH_ALLOW
    ALLOW=$directives

    case " $words " in
        *" 127.0.0.1 "*|*" 127.0.0.0/8 "*|*" 0.0.0.0/0 "*) local_publish=yes ;;
        *) local_publish=no ;;
    esac
}


metrics_setting() {
    allowed METRICS_ALLOW
    METRICS=$directives
}


level_setting() {
    : "${LOG_LEVEL:=warn}"

    case $LOG_LEVEL in
        debug|info|notice|warn|error|crit|alert|emerg) ;;
        *) refuse LOG_LEVEL "a level of nginx's error log, such as info" ;;
    esac
}


proxy_setting() {
    PROXIES=
    [ -n "${TRUSTED_PROXIES:-}" ] || return 0

    each address TRUSTED_PROXIES \
        "addresses or networks, such as 127.0.0.1 or 10.0.0.0/8"

    for word in $words; do
        PROXIES="${PROXIES}set_real_ip_from   $word;$nl    "
    done

    PROXIES="${PROXIES}real_ip_header     X-Forwarded-For;$nl    "
    PROXIES="${PROXIES}real_ip_recursive  on;"
}


# apart NAME PATH: not where the links to such files are made anew

apart() {
    [ -n "$2" ] || return 0

    case $(readlink -m -- "$2") in
        "$(readlink -m -- "$run/tls")"/*)
            stop "$1 is in $run/tls, which each start makes anew: keep it" \
                "elsewhere" ;;
    esac
}


tls_setting() {
    : "${SSL_ENABLED:=false}" "${SSL_VERIFY_CLIENT:=off}"

    apart SSL_CERT_PATH "${SSL_CERT_PATH:-}"
    apart SSL_KEY_PATH "${SSL_KEY_PATH:-}"
    apart SSL_CA_PATH "${SSL_CA_PATH:-}"
    apart SSL_PASSPHRASE_FILE "$passphrase_file"

    rm -rf "$run/tls"
    TLS=

    switch SSL_ENABLED
    ssl=$value

    switch SSL_VERIFY_CLIENT
    verify=$value

    [ $ssl = on ] || return 0

    : "${SSL_CERT_PATH:=}" "${SSL_KEY_PATH:=}" "${SSL_CA_PATH:=}"

    (umask 077 && mkdir "$run/tls")

    pem SSL_CERT_PATH CERTIFICATE
    certificate=$path

    pem SSL_KEY_PATH "PRIVATE KEY"

    if [ -z "${SSL_PASSPHRASE:-}" ] && grep -q ENCRYPTED "$path"; then
        stop "the key in SSL_KEY_PATH is encrypted: set SSL_PASSPHRASE"
    fi

    ln -s "$path" "$run/tls/key.pem"

    TLS="ssl_certificate      tls/certificate.pem;"
    TLS="$TLS$nl        ssl_certificate_key  tls/key.pem;"
    TLS="$TLS$nl        ssl_protocols        TLSv1.2 TLSv1.3;"
    TLS="$TLS$nl        ssl_session_cache    shared:conductor:1m;"

    if [ -n "$SSL_CA_PATH" ]; then
        pem SSL_CA_PATH CERTIFICATE
        { cat "$certificate" && echo && cat "$path"; } \
            > "$run/tls/certificate.pem"
        ln -s "$path" "$run/tls/ca.pem"
    else
        ln -s "$certificate" "$run/tls/certificate.pem"
    fi

    if [ $verify = on ]; then
        [ -n "$SSL_CA_PATH" ] \
            || refuse SSL_CA_PATH "a file, since SSL_VERIFY_CLIENT is on"

        TLS="$TLS$nl        ssl_client_certificate  tls/ca.pem;"
        TLS="$TLS$nl        ssl_verify_client       on;"
    fi

    if [ -n "${SSL_PASSPHRASE:-}" ]; then
        case $SSL_PASSPHRASE in
            *"$nl"*) refuse SSL_PASSPHRASE "one line" ;;
        esac

        if [ -n "$passphrase_file" ]; then
            ln -s "$passphrase_file" "$run/tls/passphrase"
        else
            (umask 077 \
                && printf '%s\n' "$SSL_PASSPHRASE" > "$run/tls/passphrase")
        fi

        TLS="$TLS$nl        ssl_password_file    tls/passphrase;"
    fi
}


listen_setting() {
    on=
    [ "$ssl" = off ] || on=" ssl"

    LISTEN="listen  $WEBSOCKET_PORT$on;"

    if [ -s /proc/net/if_inet6 ]; then
        LISTEN="$LISTEN$nl        listen  [::]:$WEBSOCKET_PORT$on;"
    fi
}


# The secret of tokens reaches nginx, and nothing else, in the environment.

secret_setting() {
    : "${JWT_SECRET:=${NEXTAUTH_SECRET:-}}"

    [ -n "$JWT_SECRET" ] || no_secret

    export JWT_SECRET
    unset NEXTAUTH_SECRET SSL_PASSPHRASE
}


# The full name of the database; what is not there yet is made by the server.

database_setting() {
    : "${DATABASE_PATH:=./tasks.db}"

    case $DATABASE_PATH in
        */|.|..|*/.|*/..) refuse DATABASE_PATH "a file" ;;
    esac

    case $DATABASE_PATH in
        /*) database=$DATABASE_PATH ;;
        *)  database=$PWD/${DATABASE_PATH#./} ;;
    esac

    directory=$(readlink -e -- "${database%/*}/.") \
        || refuse DATABASE_PATH "a file in a directory that exists"

    database=$directory/${database##*/}

    if [ -e "$database" ]; then
        [ -f "$database" ] || refuse DATABASE_PATH "a file"
        database=$(readlink -e -- "$database")
        directory=${database%/*}

    elif [ -L "$database" ]; then
        case $(readlink -- "$database") in
            "$run"/*) ;;
            *) refuse DATABASE_PATH "a file, or a link to one that is there" ;;
        esac
    fi
}


# Where Redis is reaches nginx in the environment: it may hold a password.

redis_setting() {
    REDIS=

    if [ -n "${REDIS_PORT:-}" ]; then
        number "$REDIS_PORT" 1 65535 || refuse REDIS_PORT "a port, 1 to 65535"
    fi

    if [ -z "${REDIS_URL:-}" ] && [ -n "${REDIS_HOST:-}" ]; then

        if ipv6 "$REDIS_HOST"; then
            REDIS_URL="redis://[$REDIS_HOST]"
        else
            hostname "$REDIS_HOST" \
                || refuse REDIS_HOST "the name or the address of a host"
            REDIS_URL=redis://$REDIS_HOST
        fi

        REDIS_URL=$REDIS_URL:${REDIS_PORT:-6379}
    fi

    case ${REDIS_URL:-} in
        '') unset REDIS_URL
            return ;;
        redis://?*|rediss://?*|unix:?*|redis+unix:?*) ;;
        *)  refuse REDIS_URL "redis://HOST:PORT, rediss://HOST:PORT or" \
                "unix:PATH" ;;
    esac

    export REDIS_URL
    REDIS="redis     env:REDIS_URL;"
}


nl='
'

settings() {
    set -f
    file_settings
    port_setting
    limit_setting
    origin_setting
    publish_setting
    metrics_setting
    level_setting
    proxy_setting
    tls_setting
    listen_setting
    secret_setting
    database_setting
    redis_setting
    set +f
}
