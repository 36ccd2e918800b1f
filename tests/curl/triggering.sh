#!/usr/bin/env bash
# Device triggering (TS 29.122 clauses 4.4.6 and 5.7).
. "$(dirname "$0")/lib.sh"
: "${UE:?}"

transactions=$API/3gpp-device-triggering/v1/as1/transactions
trigger() { # VALIDITY PAYLOAD
    printf '{"externalId":"%s","validityPeriod":%s,"priority":"NO_PRIORITY","applicationPortId":5683,"triggerPayload":"%s",' \
        "$UE" "$1" "$(base64_of "$2")"
    printf '"notificationDestination":"%s","supportedFeatures":"4"}' "$NOTIFY"
}

request POST "$transactions" "$(trigger 600 first)"
want 201
want_type application/json
want_location "$transactions"
want_member deliveryResult TRIGGERED
want_member self "$location"
want_member supportedFeatures 4
first=$location
request GET "$first"
want 200
want_member externalId "$UE"
request PUT "$first" "$(trigger 1200 changed)"
want 200 204
[[ $status == 204 ]] || want_member deliveryResult REPLACED
request PATCH "$first" '{"validityPeriod":2400}' application/json
want 200 204
request GET "$first"
want_member validityPeriod 2400
want_member triggerPayload "$(base64_of changed)"
request POST "$transactions" "$(trigger 600 unwanted)"
want 201
second=$location
request GET "$transactions"
want 200
(($(grep -o '"triggerPayload"' "$WORK/body" | wc -l) == 2)) && ok "two in the list" || fail "not two"
request DELETE "$second"
want 200 204
[[ $status == 204 ]] || want_member deliveryResult TERMINATE

control POST "/ues/$UE/wake"
notified "\"transaction\":\"$first\"" '"result":"SUCCESS"'
! grep -q -F "$second" "$NOTIFIED" && ok "nothing is told of the recalled one" || fail "the recalled one is told of"
control GET "/ues/$UE/triggers"
grep -q -F "$(base64_of changed)" "$WORK/control" && ok "it has reached the UE" || fail "$(cat "$WORK/control")"

request POST "$transactions" "$(trigger 600 x | sed 's/"validityPeriod":600,//')"
want_problem 400 MANDATORY_IE_MISSING
request POST "$transactions" "$(trigger 600 x | sed "s/$UE/stranger@example.org/")"
want_type application/problem+json
((status >= 400 && status < 500)) && ok "a stranger is refused: $status" || fail "status $status"
request GET "$transactions/nothing"
want_problem 404
printf '%d checks passed\n' "$checks"
