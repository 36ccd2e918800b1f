"""Where scef-adapter takes notifications, behind callback.url's host."""

BASE = "/t8"


def nidd(scef="scef", slice_=0):
    return f"{BASE}/nidd/{scef}/{slice_}"


def triggering(scef="scef", slice_=0):
    return f"{BASE}/triggering/{scef}/{slice_}"


def monitoring(scef="scef", slice_=0):
    return f"{BASE}/monitoring/{scef}/{slice_}"


def configuration_trigger(scef="scef"):
    return f"{BASE}/configuration-trigger/{scef}"


# One SCEF without a name, one process.
NIDD, TRIGGERING, MONITORING, CONFIGURATION_TRIGGER = nidd(), triggering(), monitoring(), configuration_trigger()
