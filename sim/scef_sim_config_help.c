/* Every key with its default and its meaning. What is printed can be read back. */
#include <inttypes.h>

#include "sim/scef_sim_config.h"

/* A line `indent key: value # meaning`. */
static void line(FILE *out, const char *indent, const char *key, const char *value, const char *meaning)
{
    fprintf(out, "%s%s: %s # %s\n", indent, key, value, meaning);
}

static void number(FILE *out, const char *indent, const char *key, uint64_t value, const char *meaning)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    line(out, indent, key, text, meaning);
}

static void flag(FILE *out, const char *indent, const char *key, bool value, const char *meaning)
{
    line(out, indent, key, value ? "true" : "false", meaning);
}

static void limit(FILE *out, const char *indent, const char *key, uint32_t window_s, const char *meaning)
{
    line(out, indent, key, "0", meaning);
    fprintf(out, "%s%s_window_s: %" PRIu32 "\n", indent, key, window_s);
}

#define NUMBER(key, otherwise, least, most, meaning) number(out, indent, #key, otherwise, meaning);
#define FLAG(key, otherwise, meaning)                flag(out, indent, #key, otherwise, meaning);
#define SHARE(key, meaning)                          line(out, indent, #key, "0", meaning);
#define LIMIT(key, window, meaning)                  limit(out, indent, #key, window, meaning);
#define RANGE(key, meaning)                          line(out, indent, #key, "[0, 0]", meaning);
#define FILE_NAME(key, member, meaning)              line(out, "#   ", #key, "FILE", meaning);

static void top(FILE *out)
{
    const char *indent = "";
    fputs("listen: 127.0.0.1:8080 # T8 and /sim/v1\n"
          "# link_root: http://127.0.0.1:8080 # what links begin with, before prefix and API name\n"
          "# prefix: /gateway # of every path\n"
          "dialect: 3gpp # how this SCEF words T8; or",
          out);
    for (size_t i = 1; t8_dialect_at(i) != NULL; i++)
        fprintf(out, "%s %s", i > 1 ? "," : "", t8_dialect_at(i)->name);
    fputs(
        "\n"
        "duplicate_create: reuse # of a configuration that is there; or conflict: 409\n"
        "pdn_option: WAIT_FOR_UE # without a PDN connection, when the AS names none; or INDICATE_ERROR, SEND_TRIGGER\n"
        "# websocket_root: ws://127.0.0.1:8080/ws # what each websocketUri begins with; it must lead to /ws here\n"
        "# nef_id: scef # our name in configuration triggers\n"
        "# scs_as: # who is known; everybody when it is not here\n"
        "#   - id: as1\n"
        "#     configuration_trigger_url: http://127.0.0.1:9/ # asked for configurations (TS 29.522 clause 5.5)\n"
        "#     callback_url: http://127.0.0.1:9/ # for resources without a notificationDestination, which then is "
        "optional\n"
        "# features: # offered, hexadecimal; all that there are when it is not here\n"
        "#   nidd: FF\n"
        "#   triggering: 7\n"
        "#   monitoring: 1067\n"
        "# tls:\n",
        out);
    SIM_TLS_FILES(FILE_NAME)
    fputs("# callback_tls:\n", out);
    SIM_CALLBACK_TLS_FILES(FILE_NAME)
    fputs("# oauth: # T8 requests need a token, which POST /oauth2/token gives\n"
          "#   client_id: as1\n"
          "#   client_secret: secret\n"
          "#   token_lifetime_s: 3600\n",
          out);
    SIM_NUMBERS(NUMBER)
    SIM_FLAGS(FLAG)
}

static void events(FILE *out)
{
    const char *indent = "  ";
    fputs("triggering:\n", out);
    SIM_TRIGGERING_NUMBERS(NUMBER)
    SIM_TRIGGERING_SHARES(SHARE)
    SIM_TRIGGERING_LIMITS(LIMIT)
    fputs("monitoring:\n"
          "  # apn: nidd.example # told with PDN connections\n"
          "  # types: [UE_REACHABILITY, LOSS_OF_CONNECTIVITY] # the others are EVENT_UNSUPPORTED\n"
          "  # What an AS may ask for, [least, most]; 0 as most: no end.\n",
          out);
    SIM_MONITORING_RANGES(RANGE)
    SIM_MONITORING_NUMBERS(NUMBER)
    SIM_MONITORING_FLAGS(FLAG)
}

static void ues(FILE *out)
{
    const char *indent = "    ";
    fputs("ues:\n"
          "  - external_id: dev%d@example.org # and/or msisdn\n"
          "    # msisdn: 49170%d\n"
          "    # endpoint: urn:nai:dev%d@example.org\n"
          "    client: builtin # or air: a real client sends and receives the UE's messages at a UDP port\n"
          "    # air: 127.0.0.1:7001\n"
          "    delay_ms: [0, 0] # least and most, one way\n"
          "    # scs_as_ids: [as1] # who may use it; everybody when it is not here\n"
          "    # groups: [meters@example.org]\n"
          "    # home_plmn: 262-01\n"
          "    # rds_ports_used: [0, 1] # its own ports that are not free\n"
          "    # formats: [CBOR, JSON, XML] # serialization formats it has; all when it is not here\n",
          out);
    SIM_UE_NUMBERS(NUMBER)
    SIM_UE_FLAGS(FLAG)
    SIM_UE_SHARES(SHARE)
    SIM_UE_LIMITS(LIMIT)
}

void sim_config_help(FILE *out)
{
    top(out);
    events(out);
    ues(out);
}
