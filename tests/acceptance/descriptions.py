"""Test descriptions for NIDD over T8, after oneM2M TS-0013 (interoperability testing), clause 8.7 "3GPP Interworking".

Known of that clause are the description TD_M2M_SH_27 (SCEF configuration for NIDD: its pre-test conditions, the members of
request and response, status and Location) and of TD_M2M_SH_28 (SCEF-based mobile terminated NIDD) the title and the
objective. The others are derived in the same form from TS 29.122 clauses 4.4.5.2 to 4.4.5.5, 4.4.6 and 4.4.2, which TS-0026
clause 7 makes the IN-CSE use. Here an SCS/AS takes the place of the IN-CSE, and a UE with a real client at its air interface
that of the ADN-AE's node.

A step is a stimulus, an IOP check (the outcome, as the ends see it) or a PRO check (the protocol, on T8).
"""

import base64
import re
import time

STIMULUS, IOP, PRO = "stimulus", "IOP check", "PRO check"
DESCRIPTIONS = []


def description(identifier, objective, reference, pre_test="the UE has NIDD and a PDN connection to the SCEF"):
    def keep(run):
        DESCRIPTIONS.append({"id": identifier, "objective": objective, "reference": reference, "pre_test": pre_test, "run": run})
        return run

    return keep


class Run:
    """One test description at work: what was done and seen, step by step."""

    def __init__(self, scs_as, ue):
        self.scs_as, self.ue = scs_as, ue
        self.steps = []  # (kind, text, passed)

    def stimulus(self, text, value=None):
        self.steps.append((STIMULUS, text, True))
        return value

    def check(self, kind, text, passed, seen=""):
        self.steps.append((kind, text if passed else f"{text}; seen: {seen}", bool(passed)))

    @property
    def passed(self):
        return all(passed for _, _, passed in self.steps)

    # ---- checks that come back

    def problem(self, response, status, cause=None):
        body = response.json or {}
        seen = (response.status, response.media_type, body)
        self.check(PRO, f"{status}{f', cause {cause}' if cause else ''}, application/problem+json",
                   response.status == status and response.media_type == "application/problem+json"
                   and (cause is None or body.get("cause") == cause), seen)  # fmt: skip

    def failure(self, response, cause):
        """The 500 of a delivery: NiddDownlinkDataDeliveryFailure as application/json."""
        problem = (response.json or {}).get("problemDetail", {})
        self.check(PRO, f"500 {cause}, application/json with problemDetail",
                   response.status == 500 and response.media_type == "application/json" and problem.get("cause") == cause,
                   (response.status, response.media_type, response.json))  # fmt: skip

    def configured(self, **members):
        """A configuration, without checks; its link."""
        response = self.scs_as.configure(**members)
        self.check(IOP, "a NIDD configuration is there", response.status == 201, (response.status, response.raw))
        return response.headers["Location"]

    def notified(self, text, **members):
        """The next notification has these members."""
        media_type, body = self.scs_as.notification()
        self.check(PRO, text, media_type == "application/json"
                   and all((body or {}).get(k) == v for k, v in members.items()), (media_type, body))  # fmt: skip
        return body or {}

    def quiet(self, text):
        media_type, body = self.scs_as.notification(0.7)
        self.check(PRO, text, body is None, body)

    def received(self, data, text="the data arrives at the UE as it was sent"):
        got = self.ue.receive()
        self.check(IOP, text, got == data, got)


# ---- configurations (TS 29.122 clause 4.4.5.2)


@description("TD_M2M_SH_27", "the SCS/AS establishes a SCEF configuration for NIDD", "TS-0013 clause 8.7.1.1; 4.4.5.2.1")
def configuration_create(run):
    duration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
    response = run.stimulus(
        "NIDD configuration request for the UE: POST {apiRoot}/3gpp-nidd/v1/{scsAsId}/configurations with externalId, "
        "notificationDestination, duration, pdnEstablishmentOption, reliableDataService, rdsPorts, supportedFeatures",
        run.scs_as.configure(
            duration=duration, pdnEstablishmentOption="WAIT_FOR_UE", reliableDataService=False,
            rdsPorts=[{"portUE": 1, "portSCEF": 2}], supportedFeatures="10",
        ),
    )  # fmt: skip
    body, location = response.json or {}, response.headers.get("Location", "")
    run.check(PRO, "201 (Created), application/json", (response.status, response.media_type) == (201, "application/json"),
              (response.status, response.media_type))  # fmt: skip
    pattern = re.escape(run.scs_as.collection()) + "/[^/]+"
    run.check(PRO, "Location is {apiRoot}/3gpp-nidd/v1/{scsAsId}/configurations/{configurationId}",
              re.fullmatch(pattern, location), location)  # fmt: skip
    run.check(PRO, "the body has maximumPacketSize, status, self",
              body.get("status") == "ACTIVE" and body.get("self") == location and body.get("maximumPacketSize", 0) >= 128 * 8,
              body)  # fmt: skip
    run.check(PRO, "what was asked for is shown: identity, duration, option, ports",
              body.get("externalId") == run.scs_as.external_id and body.get("pdnEstablishmentOption") == "WAIT_FOR_UE"
              and body.get("rdsPorts") == [{"portUE": 1, "portSCEF": 2}] and body.get("duration", "")[:19] == duration[:19],
              body)  # fmt: skip
    got = run.scs_as.ask("GET", location)
    run.check(IOP, "the SCEF has it: GET of the link shows the same", got.status == 200 and got.json == body, got.raw)


@description("NIDD_CONF_UPDATE", "the SCS/AS changes a configuration", "4.4.5.2.1; 5.6.3.3.3.2")
def configuration_update(run):
    link = run.configured()
    patch = {"pdnEstablishmentOption": "INDICATE_ERROR", "duration": "2099-01-01T00:00:00Z"}
    response = run.stimulus(f"PATCH of the configuration with {patch} as application/merge-patch+json",
                            run.scs_as.ask("PATCH", link, patch, "application/merge-patch+json"))  # fmt: skip
    run.check(PRO, "200 with the configuration, or 204", response.status in (200, 204), response.status)
    shown = run.scs_as.ask("GET", link).json or {}
    run.check(IOP, "GET shows the change", shown.get("pdnEstablishmentOption") == "INDICATE_ERROR"
              and shown.get("duration", "").startswith("2099-01-01T00:00:00"), shown)  # fmt: skip
    response = run.stimulus("PATCH with duration null", run.scs_as.ask("PATCH", link, {"duration": None}, "application/merge-patch+json"))
    run.check(PRO, "200 or 204", response.status in (200, 204), response.status)
    shown = run.scs_as.ask("GET", link).json or {}
    run.check(IOP, "it lasts for ever now; nothing else has changed",
              "duration" not in shown and shown.get("pdnEstablishmentOption") == "INDICATE_ERROR", shown)  # fmt: skip


@description("NIDD_CONF_DELETE", "the SCS/AS ends a configuration", "4.4.5.2.1; 5.6.3.3.3.4")
def configuration_delete(run):
    link = run.configured()
    response = run.stimulus("DELETE of the configuration", run.scs_as.ask("DELETE", link))
    run.check(PRO, "204, or 200 with the configuration", response.status in (200, 204), response.status)
    run.problem(run.stimulus("GET of it", run.scs_as.ask("GET", link)), 404)
    run.problem(run.stimulus("a delivery to it", run.scs_as.deliver(link, b"x")), 404)
    listed = run.scs_as.ask("GET", run.scs_as.collection())
    run.check(IOP, "the list of configurations is empty", (listed.status, listed.json) == (200, []), listed.raw)


@description("NIDD_CONF_REFUSED", "a configuration that cannot be is refused clearly", "4.4.5.2.1; 5.2.6")
def configuration_refused(run):
    body = {"externalId": "stranger@example.org", "notificationDestination": run.scs_as.destination}
    response = run.stimulus("POST for a UE that the network does not know", run.scs_as.ask("POST", run.scs_as.collection(), body))
    run.problem(response, response.status if response.status in (403, 404) else 403)
    response = run.stimulus("POST without notificationDestination",
                            run.scs_as.ask("POST", run.scs_as.collection(), {"externalId": run.scs_as.external_id}))  # fmt: skip
    run.problem(response, 400, "MANDATORY_IE_MISSING")
    listed = run.scs_as.ask("GET", run.scs_as.collection())
    run.check(IOP, "no configuration has come of it", listed.json == [], listed.raw)


@description("NIDD_CONF_TEST", "the SCEF tests the path of notifications", "5.2.5.3")
def configuration_test_notification(run):
    response = run.stimulus("POST with requestTestNotification and feature 3 (Notification_test_event)",
                            run.scs_as.configure(supportedFeatures="4", requestTestNotification=True))  # fmt: skip
    run.check(PRO, "201, feature 3 is granted", response.status == 201
              and int((response.json or {}).get("supportedFeatures", "0"), 16) & 4, response.raw)  # fmt: skip
    run.notified("TestNotification with the link of the configuration", subscription=response.headers.get("Location"))


# ---- mobile terminated (TS 29.122 clause 4.4.5.3)


@description("TD_M2M_SH_28", "downlink non-IP data is delivered to the UE", "TS-0013 clause 8.7.1.2; 4.4.5.3.1",
             "the UE is reachable; TD_M2M_SH_27 has passed")  # fmt: skip
def mt_reachable(run):
    link = run.configured()
    run.ue.speak(b"awake")
    run.notified("the UE's message is notified", externalId=run.scs_as.external_id)
    response = run.stimulus("POST {configuration}/downlink-data-deliveries with externalId and data", run.scs_as.deliver(link, b"hello UE"))
    body = response.json or {}
    run.check(PRO, "200 with deliveryStatus of success, externalId and data, and no Location",
              response.status == 200 and str(body.get("deliveryStatus", "")).startswith("SUCCESS")
              and body.get("externalId") == run.scs_as.external_id and body.get("data") == base64.b64encode(b"hello UE").decode()
              and response.headers.get("Location") is None, (response.status, body))  # fmt: skip
    run.received(b"hello UE")
    run.quiet("no notification follows a 200")


@description("NIDD_MT_BUFFERED", "data for a UE that is not reachable is buffered, delivered later, and that is told",
             "4.4.5.3.1", "the UE sleeps (PSM)")  # fmt: skip
def mt_buffered(run):
    link = run.configured()
    response = run.stimulus("POST of a delivery with maximumLatency 600", run.scs_as.deliver(link, b"later", maximumLatency=600))
    body, delivery = response.json or {}, response.headers.get("Location", "")
    run.check(PRO, "201, BUFFERING_TEMPORARILY_NOT_REACHABLE, Location = self below the configuration", response.status == 201
              and body.get("deliveryStatus") == "BUFFERING_TEMPORARILY_NOT_REACHABLE" and body.get("self") == delivery
              and delivery.startswith(link + "/downlink-data-deliveries/"), (response.status, body, delivery))  # fmt: skip
    pending = run.scs_as.ask("GET", link + "/downlink-data-deliveries")
    run.check(PRO, "the list of pending deliveries shows it", [one.get("self") for one in pending.json or []] == [delivery], pending.raw)
    run.stimulus("the UE wakes up with a message of its own")
    run.ue.speak(b"awake")
    run.received(b"later")
    seen = [run.scs_as.notification()[1] or {} for _ in range(2)]  # the UE's message is one of them
    report = next((one for one in seen if "deliveryStatus" in one), {})
    run.check(PRO, "NiddDownlinkDataDeliveryStatusNotification: the delivery's link, success",
              report.get("niddDownlinkDataTransfer") == delivery and report.get("deliveryStatus", "").startswith("SUCCESS"), seen)  # fmt: skip
    pending = run.scs_as.ask("GET", link + "/downlink-data-deliveries")
    run.check(IOP, "nothing is pending any more", pending.json == [], pending.raw)


@description("NIDD_MT_EXPIRED", "data that cannot be delivered in time fails, and that is told", "4.4.5.3.1", "the UE sleeps (PSM)")
def mt_expired(run):
    link = run.configured()
    response = run.stimulus("POST of a delivery with maximumLatency 1", run.scs_as.deliver(link, b"too late", maximumLatency=1))
    run.check(PRO, "201", response.status == 201, response.status)
    report = run.notified("status notification of the delivery", niddDownlinkDataTransfer=response.headers.get("Location"))
    run.check(PRO, "it tells of failure", report.get("deliveryStatus", "").startswith("FAILURE"), report)
    run.ue.speak(b"awake")
    run.check(IOP, "the UE never sees it", run.ue.receive(0.7) is None)


@description("NIDD_MT_UNBUFFERED", "data that may not be buffered fails at once", "4.4.5.3.1", "the UE sleeps (PSM)")
def mt_unbuffered(run):
    link = run.configured()
    response = run.stimulus("POST of a delivery with maximumLatency 0", run.scs_as.deliver(link, b"now", maximumLatency=0))
    run.failure(response, "TEMPORARILY_NOT_REACHABLE")
    run.ue.speak(b"awake")
    run.check(IOP, "the UE never sees it", run.ue.receive(0.7) is None)


@description("NIDD_MT_NO_PDN", "without a PDN connection the PDN establishment option decides", "4.4.5.3.1", "the UE has no PDN connection")
def mt_no_pdn(run):
    run.ue.disconnect()
    link = run.configured()
    response = run.stimulus("POST with INDICATE_ERROR", run.scs_as.deliver(link, b"a", pdnEstablishmentOption="INDICATE_ERROR"))
    run.failure(response, "NO_PDN_CONNECTION")
    response = run.stimulus("POST with WAIT_FOR_UE, maximumLatency 600",
                            run.scs_as.deliver(link, b"b", pdnEstablishmentOption="WAIT_FOR_UE", maximumLatency=600))  # fmt: skip
    run.check(PRO, "201 BUFFERING", (response.status, (response.json or {}).get("deliveryStatus")) == (201, "BUFFERING"), response.raw)
    run.stimulus("the UE connects")
    run.ue.connect()
    run.received(b"b")
    run.notified("status notification", niddDownlinkDataTransfer=response.headers.get("Location"))


@description("NIDD_MT_TOO_LARGE", "data larger than maximumPacketSize is refused", "4.4.5.3.1; 5.6.5.3")
def mt_too_large(run):
    response = run.scs_as.configure()
    octets = (response.json or {}).get("maximumPacketSize", 0) // 8  # it counts bits
    run.ue.speak(b"awake")
    run.notified("the UE's message is notified")
    link = response.headers["Location"]
    run.problem(run.stimulus(f"POST of {octets + 1} octets", run.scs_as.deliver(link, bytes(octets + 1))), 403, "DATA_TOO_LARGE")
    response = run.stimulus(f"POST of {octets} octets", run.scs_as.deliver(link, bytes(octets)))
    run.check(PRO, "200", response.status == 200, response.status)
    run.received(bytes(octets))


@description("NIDD_MT_CANCEL", "what is buffered can be replaced and cancelled", "4.4.5.3.1; 5.6.3.5", "the UE sleeps (PSM); feature 4")
def mt_replace_and_cancel(run):
    link = run.configured(supportedFeatures="8")
    first = run.scs_as.deliver(link, b"old", maximumLatency=600).headers["Location"]
    second = run.scs_as.deliver(link, b"unwanted", maximumLatency=600).headers["Location"]
    body = {"externalId": run.scs_as.external_id, "data": base64.b64encode(b"new").decode(), "maximumLatency": 600}
    response = run.stimulus("PUT of the first delivery with other data", run.scs_as.ask("PUT", first, body))
    run.check(PRO, "200 or 204", response.status in (200, 204), response.status)
    response = run.stimulus("DELETE of the second", run.scs_as.ask("DELETE", second))
    run.check(PRO, "204", response.status == 204, response.status)
    run.ue.speak(b"awake")
    run.received(b"new", "the new data arrives")
    run.check(IOP, "and nothing else", run.ue.receive(0.7) is None)
    run.problem(run.stimulus("DELETE of the first", run.scs_as.ask("DELETE", first)), 404, "ALREADY_DELIVERED")


# ---- mobile originated (TS 29.122 clause 4.4.5.4)


@description("NIDD_MO", "non-IP data of the UE reaches the SCS/AS", "4.4.5.4")
def mo(run):
    link = run.configured()
    data = bytes(range(256))
    run.stimulus("the UE sends 256 octets")
    run.ue.speak(data)
    body = run.notified("NiddUplinkDataNotification: configuration, externalId, data", niddConfiguration=link,
                        externalId=run.scs_as.external_id, data=base64.b64encode(data).decode())  # fmt: skip
    run.check(PRO, "one identity only", "msisdn" not in body, body)
    run.quiet("once, since it was answered 204")


@description("NIDD_MO_REPEATED", "an uplink is not lost when the SCS/AS cannot take it", "4.4.5.4")
def mo_repeated(run):
    link = run.configured()
    run.scs_as.answer = 503
    run.stimulus("the UE sends; the SCS/AS answers 503")
    run.ue.speak(b"precious")
    run.notified("the notification", niddConfiguration=link)
    run.scs_as.answer = 204
    run.notified("the same again", niddConfiguration=link, data=base64.b64encode(b"precious").decode())
    run.quiet("and no more")


@description("NIDD_MO_REPLY", "an exchange: the UE asks, the SCS/AS answers within the UE's active time", "4.4.5.3.1; 4.4.5.4")
def mo_and_mt(run):
    link = run.configured()
    for n in range(3):
        run.ue.speak(b"question %d" % n)
        run.notified(f"question {n}", data=base64.b64encode(b"question %d" % n).decode())
        response = run.stimulus(f"answer {n}", run.scs_as.deliver(link, b"answer %d" % n, maximumLatency=0))
        run.check(PRO, "200", response.status == 200, response.status)
        run.received(b"answer %d" % n)


# ---- status of the configuration (TS 29.122 clause 4.4.5.5)


@description("NIDD_STATUS_AUTHORISATION", "the SCS/AS learns that the UE has lost its authorisation", "4.4.5.5")
def authorisation_revoked(run):
    link = run.configured()
    run.stimulus("the subscriber data of the UE says no more that it may use NIDD")
    run.ue.authorise(False)
    run.notified("NiddConfigurationStatusNotification TERMINATED_UE_NOT_AUTHORIZED", niddConfiguration=link,
                 externalId=run.scs_as.external_id, status="TERMINATED_UE_NOT_AUTHORIZED")  # fmt: skip
    response = run.stimulus("a delivery", run.scs_as.deliver(link, b"x"))
    run.check(PRO, "403, or 404 when the configuration is gone", response.status in (403, 404), response.status)
    run.problem(response, response.status)


@description("NIDD_STATUS_TERMINATED", "the SCS/AS learns that its configuration has ended", "4.4.5.5; 5.6.2.3.3")
def terminated(run):
    link = run.configured()
    run.stimulus("the operator ends the configuration")
    run.ue.terminate(link)
    run.notified("NiddConfigurationStatusNotification TERMINATED", niddConfiguration=link, status="TERMINATED")
    run.problem(run.stimulus("GET of it", run.scs_as.ask("GET", link)), 404)
    again = run.configured()
    run.check(IOP, "a new one can be made", again != link, again)


@description("NIDD_STATUS_DURATION", "a configuration ends with its duration, silently", "4.4.5.2.1")
def duration_ends(run):
    until = time.time() + 2
    link = run.configured(duration=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)))
    status = 200
    while status == 200 and time.time() < until + 10:
        time.sleep(0.1)
        status = run.scs_as.ask("GET", link).status
    run.check(IOP, "it is gone then, not before", status == 404 and time.time() >= int(until), (status, time.time() - until))
    run.quiet("nobody tells")


# ---- what else the SCS/AS of TS-0026 asks of a SCEF


@description("TRIGGER", "the SCS/AS triggers a UE and learns of the delivery", "4.4.6; 5.7", "the UE is reachable")
def device_trigger(run):
    run.configured()
    run.ue.speak(b"awake")
    run.notified("the UE's message is notified")
    body = {
        "externalId": run.scs_as.external_id, "validityPeriod": 600, "priority": "NO_PRIORITY", "applicationPortId": 5683,
        "triggerPayload": base64.b64encode(b"wake up").decode(), "notificationDestination": run.scs_as.destination,
        "supportedFeatures": "0",
    }  # fmt: skip
    collection = run.scs_as.collection("3gpp-device-triggering", "transactions")
    response = run.stimulus("POST {apiRoot}/3gpp-device-triggering/v1/{scsAsId}/transactions", run.scs_as.ask("POST", collection, body))
    shown, link = response.json or {}, response.headers.get("Location", "")
    run.check(PRO, "201, TRIGGERED, Location = self", response.status == 201 and shown.get("deliveryResult") == "TRIGGERED"
              and shown.get("self") == link, response.raw)  # fmt: skip
    run.notified("DeviceTriggeringDeliveryReportNotification SUCCESS", transaction=link, result="SUCCESS")
    run.check(IOP, "the UE has got it", run.ue.triggers() >= 1, run.ue.triggers())


@description("MONITOR_REACHABILITY", "the SCS/AS learns when a UE is reachable, once", "4.4.2; 5.3", "the UE sleeps (PSM)")
def reachability(run):
    body = {
        "externalId": run.scs_as.external_id, "monitoringType": "UE_REACHABILITY", "reachabilityType": "DATA",
        "maximumNumberOfReports": 1, "notificationDestination": run.scs_as.destination, "supportedFeatures": "2",
    }  # fmt: skip
    collection = run.scs_as.collection("3gpp-monitoring-event", "subscriptions")
    response = run.stimulus("POST {apiRoot}/3gpp-monitoring-event/v1/{scsAsId}/subscriptions", run.scs_as.ask("POST", collection, body))
    link = response.headers.get("Location", "")
    run.check(PRO, "201 with Location", response.status == 201 and link.startswith(collection + "/"), (response.status, response.raw))
    run.stimulus("the UE wakes up")
    run.ue.speak(b"awake")
    body = run.notified("MonitoringNotification of the subscription", subscription=link)
    reports = body.get("monitoringEventReports", [{}])
    run.check(PRO, "one report: UE_REACHABILITY, DATA", len(reports) == 1 and reports[0].get("monitoringType") == "UE_REACHABILITY"
              and reports[0].get("reachabilityType") == "DATA", body)  # fmt: skip
    run.check(IOP, "the subscription has ended", run.scs_as.ask("GET", link).status == 404)
