#!/usr/bin/env bash
# The way some application servers use a NEF: a token; a configuration with nothing but an MSISDN and a destination; an
# error to that means "there is one already", to be found in the list; data; and a monitoring subscription without features.
# Twice, so that the second time the configuration is there.
. "$(dirname "$0")/lib.sh"
: "${MSISDN:?}" "${CLIENT_ID:?}" "${CLIENT_SECRET:?}"

nidd=$API/3gpp-nidd/v1/as1/configurations

request GET "$nidd"
want_problem 401

request POST "$API/oauth2/token" "grant_type=client_credentials&client_id=$CLIENT_ID&client_secret=wrong" \
    application/x-www-form-urlencoded
want 400 401
want_member error invalid_client
request POST "$API/oauth2/token" "grant_type=client_credentials&client_id=$CLIENT_ID&client_secret=$CLIENT_SECRET" \
    application/x-www-form-urlencoded
want 200
token=$(member access_token)
[[ $token ]] && ok "a token" || fail "no access_token"
[[ $(member token_type) =~ ^[Bb]earer$ ]] && ok "a bearer token" || fail "token_type $(member token_type)"
auth=(-H "Authorization: Bearer $token")

configuration=''
for time in first second; do
    request POST "$nidd" "{\"msisdn\":\"$MSISDN\",\"notificationDestination\":\"$NOTIFY\"}"
    if ((status >= 400)); then
        [[ $time == second ]] || fail "the first configuration is refused"
        want 409
        request GET "$nidd"
        want 200
        found=$(grep -o '{[^{}]*}' "$WORK/body" | grep "\"msisdn\": *\"$MSISDN\"" | grep -o '"self": *"[^"]*"' | cut -d '"' -f 4)
        [[ $found == "$configuration" ]] && ok "found in the list" || fail "the list has '$found', not $configuration"
    else
        [[ $time == first ]] || fail "a second configuration of the same user"
        want 201
        want_location "$nidd"
        want_member msisdn "$MSISDN"
        configuration=$location
    fi
done

request POST "$configuration/downlink-data-deliveries" "{\"msisdn\":\"$MSISDN\",\"data\":\"$(base64_of 'hello UE')\"}"
want 201 # it sleeps
want_member deliveryStatus BUFFERING_TEMPORARILY_NOT_REACHABLE
delivery=$location

monitoring=$API/3gpp-monitoring-event/v1/as1/subscriptions
body="{\"msisdn\":\"$MSISDN\",\"notificationDestination\":\"$NOTIFY\",\"monitoringType\":\"UE_REACHABILITY\","
body+='"reachabilityType":"DATA","maximumNumberOfReports":1}'
request POST "$monitoring" "$body"
if [[ ${STRICT:-} ]]; then # a monitoring event needs its own feature
    want_problem 400 EVENT_FEATURE_MISMATCH
    printf '%d checks passed\n' "$checks"
    exit
fi
want 201
want_location "$monitoring"
subscription=$location

control POST "/ues/$MSISDN/wake"
# The listener answers both with a bare "HTTP/1.1 200 OK": no header, no body.
notified "$subscription" '"UE_REACHABILITY"' '"DATA"'
notified "$delivery" '"SUCCESS'
sleep 1
(($(grep -c -F "$subscription" "$NOTIFIED") == 1)) && ok "reported once" || fail "reported more than once"
request GET "$subscription"
want_problem 404 # it was for one report

request DELETE "$configuration"
want 204
want_no_body
printf '%d checks passed\n' "$checks"
