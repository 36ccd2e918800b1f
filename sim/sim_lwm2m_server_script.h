/*
 * The operations that sim-lwm2m-server performs on a client, read from a script or from --op.
 * The grammar is in script_help; a script is checked as a whole before anything is sent.
 */
#ifndef SIM_LWM2M_SERVER_SCRIPT_H
#define SIM_LWM2M_SERVER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_verb {
    SCRIPT_READ,
    SCRIPT_OBSERVE,
    SCRIPT_CANCEL,
    SCRIPT_WRITE,
    SCRIPT_EXECUTE,
    SCRIPT_DISCOVER,
    SCRIPT_DELETE,
    SCRIPT_CREATE,
    SCRIPT_WAIT_NOTIFY,
    SCRIPT_SLEEP,
};

struct script_op {
    enum script_verb verb;
    bool non;         /* send as NON */
    int expect_code;  /* e.g. 4 << 5 | 4 for 4.04; -1: any 2.xx */
    int accept;       /* Content-Format number, -1: no Accept */
    int format;       /* of the payload */
    double timeout_s; /* < 0: the program's */
    char *path;       /* "/3/0/13", NULL for sleep */
    uint8_t *payload;
    size_t payload_length;
    long count;     /* wait-notify */
    double seconds; /* sleep */
};

struct script {
    struct script_op *ops;
    size_t count;
};

extern const char script_help[];

/* Appends one line; blank lines and comments add nothing. On a fault writes one line
 * `origin:number: reason` to stderr and returns false. */
bool script_line_add(struct script *script, const char *origin, unsigned number, const char *line);
/* Appends all lines of a file, with the same reports. */
bool script_file_add(struct script *script, const char *file_name);
void script_clear(struct script *script);

const char *script_verb_name(enum script_verb verb);

#endif
