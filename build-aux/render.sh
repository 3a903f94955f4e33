# What every start does with conf-examples/start.conf.in once the environment
# is read: puts the values in, and says in one line why nginx would not run.
# Sourced by ./conductor and build-aux/image/entrypoint, which define stop(),
# $run (where the server keeps what is its own) and $template.


# The user's name, or its number where it has none.

me() {
    id -un 2>/dev/null || true
}


# listening PORT: whether a socket of this machine listens there

listening() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null \
        | awk -v port="$(printf :%04X "$1")" '
            $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
            END { exit !found }'
}


# Whether who runs this can write the database, and beside it what SQLite
# makes there: writable DIRECTORY DATABASE

writable() {
    [ -w "$1/." ] || return 1

    for name in "$2" "$2-wal" "$2-shm"; do
        [ ! -e "$name" ] || [ -w "$name" ] || return 1
    done
}


# Puts the settings where @NAME@ stands in the template.  A line that held
# nothing but names without a value is left out.

render() {
    MODULE=$MODULE USER=$USER_LINE DATABASE=$DATABASE AUDIT=$AUDIT \
    ACCESS=$ACCESS DASHBOARD=$DASHBOARD HEALTH=$HEALTH \
    LISTEN=$LISTEN TLS=$TLS ORIGINS=$ORIGINS LIMIT=$LIMIT PROXIES=$PROXIES \
    LEVEL=$LOG_LEVEL ALLOW=$ALLOW METRICS=$METRICS REDIS=$REDIS \
    awk '{
        line = $0

        while (match($0, /@[A-Z]+@/)) {
            name = substr($0, RSTART + 1, RLENGTH - 2)

            if (!(name in ENVIRON)) {
                print "start.conf.in: unknown name " name > "/dev/stderr"
                exit 1
            }

            $0 = substr($0, 1, RSTART - 1) ENVIRON[name] \
                 substr($0, RSTART + RLENGTH)
        }

        if ($0 ~ /[^ ]/ || $0 == line) {
            print
        }
    }' "$template" > "$run/nginx.conf"
}


# What would stop nginx, before it does so in words of its own.

check() {
    said=$(nginx -t -q -p "$run/" -e stderr -c "$run/nginx.conf" 2>&1) \
        && return

    case $said in
        *"Permission denied"*"bind()"*|*"bind()"*"Permission denied"*)
            stop "port $WEBSOCKET_PORT is not for $(me): choose one" \
                "above 1023 as WEBSOCKET_PORT, or run this as root" ;;

        *"key values mismatch"*)
            stop "SSL_KEY_PATH is not the key of the certificate in" \
                "SSL_CERT_PATH" ;;

        *'in "redis" directive: '*)
            why=${said##*in \"redis\" directive: }
            stop "REDIS_URL cannot be used: ${why%% in /*}" ;;

        *"cannot load certificate key"*)
            stop "the key in SSL_KEY_PATH cannot be read with this" \
                "SSL_PASSPHRASE" ;;
    esac

    printf '%s\n' "$said" >&2
    stop "nginx refuses $run/nginx.conf, see above"
}
