/* An AS and a network that do anything at all to the simulated SCEF: requests go through the HTTP side's table into the
 * models of all three APIs, UEs and time go on between them. One command a line:
 *
 *   METHOD PATH CONTENT-TYPE BODY      a request of the AS
 *   + SECONDS                          time goes on
 *   ! WHAT UE                          a UE's doing: wake, sleep (its PDN connection ends), connect, lost, found, roam,
 * home, fail, bar, admit, send, rds, reserve, release, ask; or restart, forget
 *
 * Each request is answered exactly once, a delivery at the latest when the SCEF restarts. Every notification is taken
 * or refused by turns. */
#include <stdlib.h>
#include <string.h>

#include "sim/scef_sim.h"
#include "t8/nidd_notification.h"
#include "tests/t8/fake_exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX     64
#define EXCHANGES_MAX LINES_MAX
#define RESULTS_MAX   256
#define T0_MS         UINT64_C(1795158000000)

static struct world {
    struct scef_sim sim; /* first: what the shells' files are given */
    uint64_t now_ms;
    struct http_exchange exchanges[EXCHANGES_MAX];
    size_t exchange_count;
    uint64_t results[RESULTS_MAX]; /* notifications that wait for their fate */
    size_t result_count;
    unsigned notifications;
} w;

/* ---- what the files of the shell ask of the rest of it */

uint64_t sim_now_ms(const struct scef_sim *s)
{
    (void)s;
    return w.now_ms;
}

char *sim_link_root(const struct scef_sim *s, enum t8_api api)
{
    static const char *const roots[] = {"/3gpp-nidd/v1", "/3gpp-device-triggering/v1", "/3gpp-monitoring-event/v1"};
    (void)s;
    return bytes_dup_str(bytes_of_str(roots[api]));
}

void sim_reply(struct scef_reply *a, struct scef_answer m)
{
    a->status = m.http_status;
    a->problem.cause = m.cause;
    a->problem.invalid_param = bytes_of_str(m.invalid_param);
    a->retry_after_s = m.retry_after_s;
    a->requested_retransmission_ms = m.retransmission_ms;
    a->supported_ue_formats = m.supported_ue_formats;
}

void sim_trace_request(struct scef_sim *s, const struct http_exchange *x, int status, const char *cause)
{
    (void)s, (void)x, (void)status, (void)cause;
}

void http_reply_error(struct http_exchange *x, enum error e, const char *detail, const char *param)
{
    (void)e, (void)detail, (void)param;
    http_reply(x, &(struct http_reply){.status = 503});
}

/* What is sent can be read as what it is. */
void sim_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct nidd_notification decoded;
    struct t8_problem p;
    (void)ctx;
    if (nidd_notification_decode(n->body, &decoded, &p) != OK)
        abort();
    nidd_notification_release(&decoded);
    if (w.result_count < RESULTS_MAX)
        w.results[w.result_count++] = ref;
}

void sim_ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    (void)ctx, (void)ue, (void)data, (void)port;
}

void sim_ue_trigger(void *ctx, uint32_t ue, uint16_t application_port, struct bytes payload)
{
    (void)ctx, (void)ue, (void)application_port, (void)payload;
}

void sim_nas_event(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what)
{
    (void)ctx, (void)ue, (void)mo, (void)data, (void)what;
}

/* ---- the world */

static void settle(void)
{
    static const int fates[] = {204, 200, 500, 0, 404, 503, 429};
    while (w.result_count > 0)
        scef_notification_result(w.sim.model, w.now_ms, w.results[--w.result_count],
                                 fates[w.notifications++ % (sizeof fates / sizeof *fates)]);
}

static uint64_t next_wake(void)
{
    uint64_t next = scef_next_wake(w.sim.model);
    uint64_t others[] = {scef_triggering_next_wake(w.sim.triggering), scef_monitoring_next_wake(w.sim.monitoring)};
    for (size_t i = 0; i < 2; i++)
        if (others[i] < next)
            next = others[i];
    return next;
}

/* A bounded number of steps: a model that asks for the same instant again and again would never end. */
static void time_goes_on(uint64_t seconds)
{
    uint64_t until_ms = w.now_ms + seconds * 1000;
    unsigned steps = 0;
    settle();
    for (uint64_t at; (at = next_wake()) <= until_ms;) {
        if (at > w.now_ms)
            w.now_ms = at;
        scef_wake(w.sim.model, w.now_ms);
        scef_triggering_wake(w.sim.triggering, w.now_ms);
        scef_monitoring_wake(w.sim.monitoring, w.now_ms);
        settle();
        if (++steps > 1000000)
            abort();
    }
    w.now_ms = until_ms;
}

/* Of a line: up to the next blank. */
static char *take_word(char **rest)
{
    char *word = *rest, *end = strchr(word, ' ');
    *rest = end ? end + 1 : word + strlen(word);
    if (end)
        *end = 0;
    return word;
}

static void request(char *line)
{
    struct http_exchange *x = &w.exchanges[w.exchange_count++];
    char *method = take_word(&line), *path = take_word(&line), *type = take_word(&line);
    *x = (struct http_exchange){.request = {method, path, type, bytes_of_str(line)}};
    scef_server_handle(&w.sim.t8, x);
    if (x->replies > 1 || (x->replies == 0 && !strstr(path, "/downlink-data-deliveries")))
        abort();
    if (x->status == 500 && strstr(x->body, "SYSTEM_FAILURE")) /* a resource that cannot be written */
        abort();
}

static void ue_does(char *line)
{
    struct scef_model *m = w.sim.model;
    const struct t8_rds_port port = {.present = true, .ue = 1, .scef = 2};
    const char *what = take_word(&line);
    uint32_t ue = (uint32_t)(line[0] & 3);
    if (strcmp(what, "wake") == 0)
        scef_ue_wake(m, w.now_ms, ue);
    else if (strcmp(what, "sleep") == 0 || strcmp(what, "connect") == 0)
        scef_ue_set_pdn_connected(m, w.now_ms, ue, what[0] == 'c');
    else if (strcmp(what, "lost") == 0 || strcmp(what, "found") == 0)
        scef_ue_set_covered(m, w.now_ms, ue, what[0] == 'f');
    else if (strcmp(what, "roam") == 0 || strcmp(what, "home") == 0)
        scef_ue_roam(m, w.now_ms, ue, &(struct scef_plmn){"262", {what[0] == 'r' ? '2' : '1', '0', 0}});
    else if (strcmp(what, "fail") == 0)
        scef_ue_fail(m, w.now_ms, ue, &(struct scef_failure){.s1ap_cause = 3, .nas_cause = -1});
    else if (strcmp(what, "bar") == 0 || strcmp(what, "admit") == 0)
        scef_ue_set_authorised(m, w.now_ms, ue, what[0] == 'a');
    else if (strcmp(what, "send") == 0)
        scef_uplink_rds(m, w.now_ms, ue, BYTES_LIT("x"), port, true);
    else if (strcmp(what, "rds") == 0)
        scef_ue_set_rds(m, w.now_ms, ue, line[0] & 4);
    else if (strcmp(what, "reserve") == 0 || strcmp(what, "release") == 0)
        (void)scef_ue_port(m, w.now_ms, ue, BYTES_LIT("as1"), port, what[2] == 's' ? "app" : NULL, 0);
    else if (strcmp(what, "ask") == 0)
        (void)scef_configuration_trigger(m, w.now_ms, ue);
    else if (strcmp(what, "restart") == 0)
        scef_restart(m, w.now_ms, false);
    else if (strcmp(what, "forget") == 0)
        scef_restart(m, w.now_ms, true);
}

static void begin(void)
{
    static struct sim_as as[] = {{.as = {.id = "as1"}},
                                 {.as = {.id = "as2", .configuration_trigger_url = "http://as2/"}}};
    static const struct sim_config base = {.scs_as = as,
                                           .scs_as_count = 2,
                                           .maximum_packet_size_bits = 800,
                                           .default_latency_s = 600,
                                           .buffer_messages = 3,
                                           .remember_s = 60,
                                           .trigger_validity_s = 60,
                                           .trigger_retry_ms = 1000,
                                           .rds_attempts = 2,
                                           .rds_timeout_ms = 1000,
                                           .notification_retries = 2,
                                           .notification_retry_ms = 1000,
                                           .max_duration_s = 86400,
                                           .submit_timeout_ms = 2000,
                                           .tell_retransmission_time = true};
    static const char *const group[] = {"g@x"};
    static struct sim_config c;
    c = base;
    c.dialect = t8_dialect_at(0);
    c.monitoring.default_detection_time_s = 60;
    c.triggering.remember_s = 60;
    c.triggering.unconfirmed = 0.1;
    c.triggering.failure = 0.1;
    memset(&w, 0, sizeof w);
    w.now_ms = T0_MS;
    w.sim.config = &c;
    w.sim.t8 = (struct scef_server){
        .ctx = &w, .nidd = &sim_nidd_sink, .triggering = &sim_triggering_sink, .monitoring = &sim_monitoring_sink};
    if (sim_nidd_start(&w.sim) != OK || sim_triggering_start(&w.sim) != OK || sim_monitoring_start(&w.sim) != OK)
        abort();
    for (unsigned i = 0; i < 4; i++) {
        char id[] = "a@x", msisdn[] = "1";
        id[0] = (char)('a' + i);
        msisdn[0] = (char)('1' + i);
        const struct scef_subscriber s = {
            .external_id = id,
            .msisdn = msisdn,
            .ue = {.psm = i != 0, .active_time_ms = 5000, .tau_period_ms = i == 2 ? 60000 : 0, .pdn_connected = i != 3},
            .radio = {.loss = i == 1 ? 0.3 : 0, .delay_min_ms = 10 * i, .delay_max_ms = 1500 * i},
            .groups = group,
            .groups_count = i > 1,
            .rds = i < 2,
            .home_plmn = {"262", "01"},
            .quota = {.most = i == 0 ? 1000 : 0, .window_s = 60},
            .apn_rate = {.most = i == 1 ? 5 : 0, .window_s = 60}};
        if (scef_subscriber_add(w.sim.model, &s) != OK)
            abort();
    }
}

static void end(void)
{
    time_goes_on(10000);
    scef_restart(w.sim.model, w.now_ms, true);
    for (size_t i = 0; i < w.exchange_count; i++)
        if (w.exchanges[i].replies != 1)
            abort();
    scef_monitoring_free(w.sim.monitoring);
    scef_triggering_free(w.sim.triggering);
    scef_model_free(w.sim.model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = bytes_dup_str(bytes_of(data, size));
    if (!text)
        return 0;
    begin();
    unsigned lines = 0;
    for (char *line = text, *next; *line && lines < LINES_MAX; line = next, lines++) {
        char *newline = strchr(line, '\n');
        next = newline ? newline + 1 : line + strlen(line);
        if (newline)
            *newline = 0;
        if (line[0] == '+')
            time_goes_on(strtoul(line + 1, NULL, 10) % 100000);
        else if (line[0] == '!')
            ue_does(line + 1 + strspn(line + 1, " "));
        else if (line[0])
            request(line);
        settle();
    }
    end();
    free(text);
    return 0;
}
