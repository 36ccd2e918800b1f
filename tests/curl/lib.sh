# What the scripts share: requests by curl, and what must be in the answers. Of bash, coreutils, sed, grep and curl alone.
#
# From the environment: API (http://127.0.0.1:8080), NOTIFY (where notifications go), NOTIFIED (a file with a line of JSON
# for each notification that came), CONTROL (the simulator's own API), WORK (a directory).
set -euo pipefail

checks=0
status='' location='' type=''
auth=()

fail() {
    printf 'FAIL after %d checks: %s\n' "$checks" "$*" >&2
    [[ ! -f $WORK/body ]] || { printf 'status %s, body: ' "$status" && cat "$WORK/body"; } >&2
    exit 1
}
ok() { checks=$((checks + 1)) && printf 'ok %d %s\n' "$checks" "$*"; }

request() { # METHOD URL [BODY [MEDIA-TYPE]]: sets status, location, type; the body is in $WORK/body
    local method=$1 url=$2 arguments=()
    (($# < 3)) || arguments=(-H "Content-Type: ${4:-application/json}" --data-binary "$3")
    : >"$WORK/body"
    status=$(curl -sS -X "$method" "${auth[@]}" "${arguments[@]}" -D "$WORK/headers" -o "$WORK/body" -w '%{http_code}' "$url")
    location=$(header location)
    type=$(header content-type)
    [[ $location != /* ]] || location=$API$location
}
header() { sed -n "s/^$1: *\(.*\)\r$/\1/Ip" "$WORK/headers" | tail -n 1; }
member() { # NAME: of the last body, the first of that name; strings and numbers
    grep -o "\"$1\": *\(\"[^\"]*\"\|[-0-9a-z.]*\)" "$WORK/body" | head -n 1 | sed 's/^"[^"]*": *//; s/^"//; s/"$//'
}

want() { # STATUS...: the last answer has one of them
    local one
    for one; do [[ $status != "$one" ]] || { ok "status $status" && return; }; done
    fail "status $status, not $*"
}
want_type() { [[ $type == "$1"* ]] && ok "media type $1" || fail "media type '$type', not $1"; }
want_member() { [[ $(member "$1") == "$2" ]] && ok "$1 is $2" || fail "$1 is '$(member "$1")', not $2"; }
want_no_body() { [[ ! -s $WORK/body ]] && ok "no body" || fail "a body"; }
want_location() { # PREFIX
    [[ $location == "$1"/* ]] && ok "Location ${location#"$API"}" || fail "Location '$location' is not below $1"
}
want_problem() { # STATUS [CAUSE]
    want "$1" && want_type application/problem+json && want_member status "$1"
    [[ -z ${2:-} ]] || want_member cause "$2"
}

notified() { # PATTERN...: within 15 s there is a notification that has all of them; it is $WORK/notification
    local pattern tries
    for ((tries = 0; tries < 150; tries++)); do
        cp "$NOTIFIED" "$WORK/found"
        for pattern; do grep -F -- "$pattern" "$WORK/found" >"$WORK/rest" || true && mv "$WORK/rest" "$WORK/found"; done
        [[ ! -s $WORK/found ]] || { ok "notified: $*" && return; }
        sleep 0.1
    done
    cat "$NOTIFIED" >&2
    fail "no notification with $*"
}
control() { # METHOD PATH: of the simulator; without a token
    local code
    code=$(curl -sS -X "$1" -o "$WORK/control" -w '%{http_code}' "$CONTROL$2")
    [[ $code == 20? ]] || fail "control $1 $2: $code"
}
base64_of() { printf '%s' "$1" | base64 -w 0; }
