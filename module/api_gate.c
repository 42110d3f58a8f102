#include <netinet/in.h>
#include "module/api_gate.h"
#include "module/clock.h"
#include "module/respond.h"

static h2o_iovec_t client_network(h2o_req_t *req, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (void *)address;
    struct sockaddr_in6 *v6 = (void *)address;

    address->ss_family = AF_UNSPEC;
    req->conn->callbacks->get_peername(req->conn, (void *)address);
    if (address->ss_family == AF_INET)
        return h2o_iovec_init((char *)&v4->sin_addr, sizeof(v4->sin_addr));
    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return h2o_iovec_init((char *)&v6->sin6_addr + 12, 4);
    if (address->ss_family == AF_INET6) /* a network of the usual size is one client's */
        return h2o_iovec_init((char *)&v6->sin6_addr, 8);
    return h2o_iovec_init("", 0);
}

int sluice_api_refuse_stranger(h2o_req_t *req, sluice_admin_t *admin)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    h2o_iovec_t header = at != -1 ? req->headers.entries[at].value : h2o_iovec_init(NULL, 0);
    struct sockaddr_storage address;
    h2o_iovec_t network = client_network(req, &address);

    switch (sluice_admin_check(admin, header.base, header.len, network.base, network.len, sluice_now_ms())) {
    case SLUICE_ADMIN_ALLOWED:
        return 0;
    case SLUICE_ADMIN_LIMITED:
        sluice_respond_problem(req, 429, "Too Many Requests", "too many wrong tokens came from this address; wait, then try again",
                               "too-many-attempts", NULL, (SLUICE_ADMIN_RETRY_MS + 999) / 1000);
        return 1;
    default:
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("www-authenticate"), 1, NULL,
                              H2O_STRLIT("Bearer realm=\"sluice\""));
        sluice_respond_problem(req, 401, "Unauthorized",
                               "send Authorization: Bearer TOKEN, with the token that health.admin-token names", "unauthorized",
                               NULL, 0);
        return 1;
    }
}
