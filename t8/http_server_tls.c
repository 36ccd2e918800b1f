/* libmicrohttpd asks the client for a certificate when it is given a CA, but neither demands nor verifies one. So each
 * session gets a verification of ours, which GnuTLS calls inside the handshake, also when no certificate came: what it
 * refuses never becomes a connection that can send a request. */
#include "t8/http_server_tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/bytes.h"
#include "base/log.h"

#define LOG_PER_SECOND 10
#define FILE_BYTES_MAX (1u << 20)

struct http_server_tls {
    struct buf certificate, key, client_ca; /* with their NULs; client_ca may be empty */
    time_t second;
    unsigned written;
    uint64_t suppressed;
};

static enum error file_read(const char *path, struct buf *out)
{
    FILE *f = path ? fopen(path, "re") : NULL;
    if (!f)
        return ERR_CONFIG;
    while (!feof(f) && !ferror(f) && out->len < FILE_BYTES_MAX) {
        uint8_t *room = buf_reserve(out, 4096);
        if (!room)
            break;
        out->len += fread(room, 1, 4096, f);
    }
    buf_add_u8(out, 0);
    enum error err = out->failed ? ERR_NO_MEMORY : ferror(f) ? ERR_CONFIG : OK;
    fclose(f);
    return err;
}

enum error http_server_tls_new(const struct tls_files *files, struct http_server_tls **out)
{
    struct http_server_tls *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return ERR_NO_MEMORY;
    enum error err = file_read(files->certificate_file, &t->certificate);
    if (!err)
        err = file_read(files->key_file, &t->key);
    if (!err && files->ca_file)
        err = file_read(files->ca_file, &t->client_ca);
    if (err) {
        http_server_tls_free(t);
        return err;
    }
    *out = t;
    return OK;
}

void http_server_tls_free(struct http_server_tls *t)
{
    if (!t)
        return;
    if (t->key.data)
        explicit_bzero(t->key.data, t->key.len);
    buf_free(&t->certificate);
    buf_free(&t->key);
    buf_free(&t->client_ca);
    free(t);
}

void http_server_tls_options(struct http_server_tls *t, struct MHD_OptionItem out[HTTP_SERVER_TLS_OPTIONS])
{
    static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    size_t n = 0;
    if (t) {
        out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, t->certificate.data};
        out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, t->key.data};
        out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
        if (t->client_ca.len)
            out[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, t->client_ca.data};
    }
    out[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

/* ---- client certificates */

struct refusal {
    const char *reason; /* NULL: accepted */
    gnutls_alert_description_t alert;
};

static struct refusal judge(gnutls_session_t session)
{
    unsigned status = 0;
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    if (!gnutls_certificate_get_peers(session, NULL))
        return (struct refusal){"no_certificate", GNUTLS_A_CERTIFICATE_REQUIRED};
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != GNUTLS_E_SUCCESS)
        return (struct refusal){"bad_certificate", GNUTLS_A_BAD_CERTIFICATE};
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA | GNUTLS_CERT_SIGNATURE_FAILURE))
        return (struct refusal){"unknown_ca", GNUTLS_A_UNKNOWN_CA};
    if (status & GNUTLS_CERT_EXPIRED)
        return (struct refusal){"expired", GNUTLS_A_CERTIFICATE_EXPIRED};
    if (status & GNUTLS_CERT_NOT_ACTIVATED)
        return (struct refusal){"not_yet_valid", GNUTLS_A_BAD_CERTIFICATE};
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return (struct refusal){"not_for_clients", GNUTLS_A_UNSUPPORTED_CERTIFICATE};
    return (struct refusal){status ? "bad_certificate" : NULL, GNUTLS_A_BAD_CERTIFICATE};
}

static void peer_of(gnutls_session_t session, char out[NI_MAXHOST])
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getpeername(gnutls_transport_get_int(session), (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, out, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) != 0)
        strcpy(out, "?");
}

static void refusal_tell(struct http_server_tls *t, gnutls_session_t session, const char *reason)
{
    time_t now = time(NULL);
    if (t->second != now) {
        if (t->suppressed)
            log_write(LOG_WARN, "log_suppressed", LOG_S("of", "tls_client_refused"), LOG_I("lines", t->suppressed));
        t->second = now;
        t->written = 0;
        t->suppressed = 0;
    }
    if (t->written == LOG_PER_SECOND) {
        t->suppressed++;
        return;
    }
    t->written++;
    char peer[NI_MAXHOST];
    peer_of(session, peer);
    log_write(LOG_WARN, "tls_client_refused", LOG_S("peer", peer), LOG_S("reason", reason),
              LOG_S("hint", "the client needs a valid certificate of the CA in client_ca_file"));
}

static int on_verify(gnutls_session_t session)
{
    struct http_server_tls *t = gnutls_db_get_ptr(session);
    struct refusal r = judge(session);
    if (!r.reason)
        return 0;
    refusal_tell(t, session, r.reason);
    (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, r.alert); /* libmicrohttpd just closes */
    return GNUTLS_E_CERTIFICATE_ERROR;
}

bool http_server_tls_connection(struct http_server_tls *t, struct MHD_Connection *connection)
{
    if (!t->client_ca.len)
        return true;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (!info || !info->tls_session)
        return false;
    gnutls_session_t session = info->tls_session;
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_db_set_ptr(session, t); /* GnuTLS's store of sessions is not used, so its pointer is free */
    gnutls_session_set_verify_function(session, on_verify);
    return true;
}
