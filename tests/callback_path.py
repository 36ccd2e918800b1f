"""Where scef-adapter takes notifications, behind callback.url's host: one SCEF named scef, one process."""

BASE = "/t8"
NIDD = f"{BASE}/nidd/scef/0"
TRIGGERING = f"{BASE}/triggering/scef/0"
MONITORING = f"{BASE}/monitoring/scef/0"
CONFIGURATION_TRIGGER = f"{BASE}/configuration-trigger/scef"
