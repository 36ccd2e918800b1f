#!/usr/bin/env bash
# NIDD from the configuration to its end (TS 29.122 clauses 4.4.5 and 5.6).
. "$(dirname "$0")/lib.sh"
: "${UE:?}"

nidd=$API/3gpp-nidd/v1/as1/configurations
identity="\"externalId\":\"$UE\""

request GET "$nidd"
want 200
[[ $(cat "$WORK/body") == '[]' ]] && ok "an empty list" || fail "no empty list"

request POST "$nidd" "{$identity,\"notificationDestination\":\"$NOTIFY\",\"supportedFeatures\":\"8C\",\"requestTestNotification\":true}"
want 201
want_type application/json
want_location "$nidd"
want_member self "$location"
want_member externalId "$UE"
want_member status ACTIVE
want_member supportedFeatures 8C
configuration=$location
deliveries=$configuration/downlink-data-deliveries
notified "\"subscription\":\"$configuration\""

request GET "$configuration"
want 200
want_member self "$configuration"
request PATCH "$configuration" '{"duration":"2099-12-31T23:59:59Z"}' application/merge-patch+json
want 200 204
request GET "$configuration"
[[ $(member duration) == 2099-12-31T23:59:59* ]] && ok "the duration has changed" || fail "duration $(member duration)"
request PUT "$configuration" "{$identity}"
want 405
[[ $(header allow) ]] && ok "Allow: $(header allow)" || fail "no Allow"
request POST "$nidd" '{"externalId":'
want_problem 400
request POST "$nidd" "{$identity,\"notificationDestination\":\"$NOTIFY\"}" text/plain
want_problem 415
request GET "$nidd/nothing"
want_problem 404

# Asleep: buffered, shown, changed, replaced, cancelled.
request POST "$deliveries" "{$identity,\"data\":\"$(base64_of now)\",\"maximumLatency\":0}"
want 500
want_type application/json
want_member cause TEMPORARILY_NOT_REACHABLE
grep -q '"problemDetail"' "$WORK/body" && ok "nested in problemDetail" || fail "no problemDetail"
request POST "$deliveries" "{$identity,\"data\":\"$(base64_of one)\",\"maximumLatency\":600}"
want 201
want_location "$deliveries"
want_member deliveryStatus BUFFERING_TEMPORARILY_NOT_REACHABLE
one=$location
request POST "$deliveries" "{$identity,\"data\":\"$(base64_of two)\",\"maximumLatency\":600}"
want 201
two=$location
request POST "$deliveries" "{$identity,\"data\":\"$(base64_of three)\",\"maximumLatency\":600}"
want 201
three=$location
request GET "$deliveries"
want 200
(($(grep -o '"deliveryStatus"' "$WORK/body" | wc -l) == 3)) && ok "three are pending" || fail "not three"
request PUT "$one" "{$identity,\"data\":\"$(base64_of ONE)\",\"maximumLatency\":600}"
want 200 204
request PATCH "$two" "{\"data\":\"$(base64_of TWO)\"}" application/json
want 200 204
request GET "$two"
want 200
want_member data "$(base64_of TWO)"
request DELETE "$three"
want 204
request GET "$three"
want_problem 404
control POST "/ues/$UE/wake"
notified "$one" '"SUCCESS'
notified "$two" '"SUCCESS'
! grep -q -F "$three" "$NOTIFIED" && ok "the cancelled one is not told of" || fail "the cancelled one was told of"
request DELETE "$one"
want_problem 404 ALREADY_DELIVERED

# Awake: delivered at once. The UE's own data.
request POST "$deliveries" "{$identity,\"data\":\"$(base64_of now)\",\"maximumLatency\":0}"
want 200
[[ $(member deliveryStatus) == SUCCESS* ]] && ok "delivered" || fail "deliveryStatus $(member deliveryStatus)"
[[ ! $location ]] && ok "no Location" || fail "a Location with 200"
request POST "$deliveries" "{$identity,\"data\":\"$(head -c 2000 /dev/zero | base64 -w 0)\"}"
want_problem 403 DATA_TOO_LARGE
request POST "$deliveries" "{\"externalId\":\"other@example.org\",\"data\":\"AA==\"}"
want_problem 400
request POST "$deliveries" "{$identity,\"data\":\"%%%\"}"
want_problem 400
request POST "$deliveries" "{$identity}"
want_problem 400 MANDATORY_IE_MISSING
notified "\"niddConfiguration\":\"$configuration\"" '"data":'

request DELETE "$configuration"
want 204
request POST "$deliveries" "{$identity,\"data\":\"AA==\"}"
want_problem 404
printf '%d checks passed\n' "$checks"
