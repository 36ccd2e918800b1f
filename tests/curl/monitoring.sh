#!/usr/bin/env bash
# Monitoring events (TS 29.122 clauses 4.4.2 and 5.3).
. "$(dirname "$0")/lib.sh"
: "${UE:?}"

subscriptions=$API/3gpp-monitoring-event/v1/as1/subscriptions
subscription() { # FEATURES MEMBERS
    printf '{"externalId":"%s","notificationDestination":"%s","supportedFeatures":"%s",%s}' "$UE" "$NOTIFY" "$1" "$2"
}

request POST "$subscriptions" "$(subscription 2 '"monitoringType":"UE_REACHABILITY","reachabilityType":"DATA","maximumNumberOfReports":9')"
want 201
want_location "$subscriptions"
want_member self "$location"
want_member monitoringType UE_REACHABILITY
reachability=$location
request POST "$subscriptions" \
    "$(subscription 1000 '"monitoringType":"PDN_CONNECTIVITY_STATUS","monitorExpireTime":"2099-01-01T00:00:00Z"')"
want 200 201
pdn=$location
request GET "$subscriptions"
want 200
(($(grep -o '"notificationDestination"' "$WORK/body" | wc -l) == 2)) && ok "two in the list" || fail "not two"
request POST "$subscriptions" "$(subscription 1 '"monitoringType":"UE_REACHABILITY","reachabilityType":"DATA","maximumNumberOfReports":1')"
want_problem 400 EVENT_FEATURE_MISMATCH
request POST "$subscriptions" "$(subscription 2 '"monitoringType":"UE_REACHABILITY","reachabilityType":"DATA"')"
want_problem 400
request GET "$subscriptions/nothing"
want_problem 404

control POST "/ues/$UE/wake"
notified "$reachability" '"UE_REACHABILITY"' '"reachabilityType":"DATA"'
control POST "/ues/$UE/pdn?connected=0"
notified "$pdn" '"PDN_CONNECTIVITY_STATUS"' '"RELEASED"' '"NON_IP"'
control POST "/ues/$UE/pdn?connected=1"
notified "$pdn" '"PDN_CONNECTIVITY_STATUS"' '"CREATED"'

request DELETE "$pdn"
want 204 200
request GET "$pdn"
want_problem 404
control POST "/subscriptions/cancel?as=as1&id=${reachability##*/}"
notified "$reachability" '"cancelInd":true'
request GET "$reachability"
want_problem 404
printf '%d checks passed\n' "$checks"
