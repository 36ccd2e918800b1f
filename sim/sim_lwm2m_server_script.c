#include "sim/sim_lwm2m_server_script.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/lwm2m_end_common.h"

/* What each verb takes. Depth counts path segments: 1 object, 2 instance, 3 resource, 4 resource
 * instance (LwM2M 1.1, Core §7.4). */
static const struct verb {
    const char *name;
    int least_depth, most_depth;
    enum { TAKES_NOTHING, MAY_TAKE_VALUE, TAKES_VALUE, TAKES_COUNT, TAKES_SECONDS } takes;
} verbs[] = {
    [SCRIPT_READ] = {"read", 1, 4, TAKES_NOTHING},
    [SCRIPT_OBSERVE] = {"observe", 1, 4, TAKES_NOTHING},
    [SCRIPT_CANCEL] = {"cancel", 1, 4, TAKES_NOTHING},
    [SCRIPT_WRITE] = {"write", 2, 4, TAKES_VALUE},
    [SCRIPT_EXECUTE] = {"execute", 3, 3, MAY_TAKE_VALUE},
    [SCRIPT_DISCOVER] = {"discover", 1, 3, TAKES_NOTHING},
    [SCRIPT_DELETE] = {"delete", 2, 4, TAKES_NOTHING},
    [SCRIPT_CREATE] = {"create", 1, 2, MAY_TAKE_VALUE},
    [SCRIPT_WAIT_NOTIFY] = {"wait-notify", 1, 4, TAKES_COUNT},
    [SCRIPT_SLEEP] = {"sleep", 0, 0, TAKES_SECONDS},
};

const char script_help[] =
    "Script: one operation per line, # starts a comment (at the start of a line or after a blank).\n"
    "  read PATH                observe PATH             cancel PATH (Observe: 1)\n"
    "  write PATH VALUE         execute PATH [ARGUMENTS] discover PATH\n"
    "  create PATH [VALUE]      delete PATH\n"
    "  wait-notify PATH N       until N notifications more have come for an observed PATH\n"
    "  sleep SECONDS\n"
    "VALUE is the rest of the line, sent as text/plain; hex:0a0b... is sent as TLV (11542).\n"
    "Before the operation may stand, in any order:\n"
    "  non                      send as non-confirmable\n"
    "  accept N | format N      Content-Format number to ask for, or of VALUE\n"
    "  expect C.DD              the answer that counts as success, instead of any 2.xx\n"
    "  timeout S                how long this operation may take, instead of --timeout\n"
    "Example:\n"
    "  observe /3/0/13\n"
    "  wait-notify /3/0/13 2\n"
    "  non write /1/0/1 300\n"
    "  expect 4.04 read /99\n";

const char *script_verb_name(enum script_verb verb)
{
    return verbs[verb].name;
}

struct line {
    const char *origin;
    unsigned number;
    char *rest;
};

static bool fault(const struct line *line, const char *reason, const char *what)
{
    fprintf(stderr, "%s:%u: %s%s%s\n", line->origin, line->number, reason, what != NULL ? ": " : "",
            what != NULL ? what : "");
    return false;
}

/* Cuts the next word off the line; "" at its end. */
static char *next_word(struct line *line)
{
    char *word = line->rest + strspn(line->rest, " \t");
    char *end = word + strcspn(word, " \t");
    line->rest = end + strspn(end, " \t");
    *end = '\0';
    return word;
}

static int path_depth(const char *path)
{ /* -1: not a path */
    int depth = 0;
    while (*path == '/') {
        char *end;
        if (!isdigit((unsigned char)*++path))
            return -1;
        unsigned long id = strtoul(path, &end, 10);
        if (id > 65534) /* 65535 is reserved, Core §7.2 */
            return -1;
        path = end;
        depth++;
    }
    return *path == '\0' && depth >= 1 && depth <= 4 ? depth : -1;
}

static int parse_code(const char *text)
{ /* "4.04"; -1 when it is not an answer's code */
    if (strlen(text) != 4 || text[1] != '.' || text[0] < '2' || text[0] > '5' || !isdigit((unsigned char)text[2]) ||
        !isdigit((unsigned char)text[3]))
        return -1;
    int detail = (text[2] - '0') * 10 + text[3] - '0';
    return detail > 31 ? -1 : (text[0] - '0') << 5 | detail;
}

/* The words before the verb; leaves the verb's name in *word. */
static bool parse_prefixes(struct line *line, struct script_op *op, char **word)
{
    for (;; *word = next_word(line)) {
        long number;
        if (strcmp(*word, "non") == 0) {
            op->non = true;
        } else if (strcmp(*word, "accept") == 0 || strcmp(*word, "format") == 0) {
            int *target = **word == 'a' ? &op->accept : &op->format;
            char *value = next_word(line);
            if (!end_parse_number(value, 0, 65535, &number))
                return fault(line, "not a Content-Format number", value);
            *target = (int)number;
        } else if (strcmp(*word, "expect") == 0) {
            char *value = next_word(line);
            op->expect_code = parse_code(value);
            if (op->expect_code < 0)
                return fault(line, "not an answer code such as 4.04", value);
        } else if (strcmp(*word, "timeout") == 0) {
            char *value = next_word(line);
            if (!end_parse_seconds(value, &op->timeout_s) || op->timeout_s <= 0)
                return fault(line, "not a time in seconds", value);
        } else {
            return true;
        }
    }
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static bool parse_value(struct line *line, struct script_op *op)
{
    char *text = line->rest;
    bool hex = strncmp(text, "hex:", 4) == 0;
    if (hex)
        text += 4;
    size_t length = strlen(text);
    if (length == 0)
        return true;
    if (op->format < 0)
        op->format = hex ? END_FORMAT_TLV : END_FORMAT_TEXT;
    op->payload = malloc(length);
    if (op->payload == NULL)
        return fault(line, "out of memory", NULL);
    op->payload_length = hex ? length / 2 : length;
    if (!hex) {
        memcpy(op->payload, text, length);
        return true;
    }
    for (size_t i = 0; i < length / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return fault(line, "not hexadecimal", text);
        op->payload[i] = (uint8_t)(high << 4 | low);
    }
    return length % 2 == 0 || fault(line, "half a byte at the end", text);
}

/* Without an observation before it, cancel and wait-notify could only fail when run. */
static bool is_observed(const struct script *script, const char *path)
{
    bool observed = false;
    for (size_t i = 0; i < script->count; i++) {
        const struct script_op *op = &script->ops[i];
        if (op->verb == SCRIPT_OBSERVE && strcmp(op->path, path) == 0)
            observed = true;
        else if (op->verb == SCRIPT_CANCEL && strcmp(op->path, path) == 0)
            observed = false;
    }
    return observed;
}

static bool parse_op(const struct script *script, struct line *line, struct script_op *op, char *word)
{
    if (!parse_prefixes(line, op, &word))
        return false;
    size_t verb = 0;
    while (verb < sizeof verbs / sizeof verbs[0] && strcmp(verbs[verb].name, word) != 0)
        verb++;
    if (verb == sizeof verbs / sizeof verbs[0])
        return fault(line, *word != '\0' ? "unknown operation" : "an operation is missing",
                     *word != '\0' ? word : NULL);
    op->verb = (enum script_verb)verb;

    if (verbs[verb].most_depth > 0) {
        char *path = next_word(line);
        int depth = path_depth(path);
        if (depth < 0)
            return fault(line, "not a path such as /3/0/13", path);
        if (depth < verbs[verb].least_depth || depth > verbs[verb].most_depth)
            return fault(line, "the operation does not work on such a path", path);
        op->path = strdup(path);
        if (op->path == NULL)
            return fault(line, "out of memory", NULL);
        if ((verb == SCRIPT_CANCEL || verb == SCRIPT_WAIT_NOTIFY) && !is_observed(script, path))
            return fault(line, "not observed by the lines before", path);
    }
    char *word_left;
    switch (verbs[verb].takes) {
    case TAKES_COUNT:
        word_left = next_word(line);
        if (!end_parse_number(word_left, 1, 1000000, &op->count))
            return fault(line, "not a number of notifications", word_left);
        break;
    case TAKES_SECONDS:
        word_left = next_word(line);
        if (!end_parse_seconds(word_left, &op->seconds))
            return fault(line, "not a time in seconds", word_left);
        break;
    case TAKES_VALUE:
    case MAY_TAKE_VALUE:
        if (!parse_value(line, op))
            return false;
        if (verbs[verb].takes == TAKES_VALUE && op->payload == NULL)
            return fault(line, "a value is missing", NULL);
        return true;
    case TAKES_NOTHING:
        break;
    }
    if (*line->rest != '\0')
        return fault(line, "more on the line than the operation takes", line->rest);
    return true;
}

static void op_clear(struct script_op *op)
{
    free(op->path);
    free(op->payload);
}

bool script_line_add(struct script *script, const char *origin, unsigned number, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return fault(&(struct line){origin, number, NULL}, "out of memory", NULL);
    for (char *mark = copy; (mark = strchr(mark, '#')) != NULL; mark++)
        if (mark == copy || mark[-1] == ' ' || mark[-1] == '\t') {
            *mark = '\0';
            break;
        }
    size_t length = strlen(copy);
    while (length > 0 && isspace((unsigned char)copy[length - 1]))
        copy[--length] = '\0';

    struct line line = {origin, number, copy};
    struct script_op op = {.expect_code = -1, .accept = -1, .format = -1, .timeout_s = -1};
    char *word = next_word(&line);
    bool good = true;
    if (*word != '\0') {
        struct script_op *ops = NULL;
        good = parse_op(script, &line, &op, word);
        if (good) {
            ops = realloc(script->ops, (script->count + 1) * sizeof *ops);
            good = ops != NULL || fault(&line, "out of memory", NULL);
        }
        if (good) {
            script->ops = ops;
            script->ops[script->count++] = op;
        } else {
            op_clear(&op);
        }
    }
    free(copy);
    return good;
}

bool script_file_add(struct script *script, const char *file_name)
{
    FILE *file = fopen(file_name, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", file_name, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t size = 0;
    bool good = true;
    for (unsigned number = 1; good && getline(&line, &size, file) >= 0; number++)
        good = script_line_add(script, file_name, number, line);
    if (good && ferror(file)) {
        fprintf(stderr, "%s: cannot be read\n", file_name);
        good = false;
    }
    free(line);
    fclose(file);
    return good;
}

void script_clear(struct script *script)
{
    for (size_t i = 0; i < script->count; i++)
        op_clear(&script->ops[i]);
    free(script->ops);
    *script = (struct script){0};
}
