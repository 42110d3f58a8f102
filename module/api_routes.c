#include "module/api.h"

const sluice_api_route_t sluice_api_routes[] = {
    {"/health", SLUICE_API_GET, 0, sluice_api_health},
    {"/metrics/cache", SLUICE_API_GET, 0, sluice_api_cache_metrics},
    {"/cache/purge", SLUICE_API_POST, 1, sluice_api_purge},
    {"/memory/simulate", SLUICE_API_POST, 1, sluice_api_simulate},
    {"/memory/leaks", SLUICE_API_GET, 0, sluice_api_leaks},
    {"/memory/leaks/check", SLUICE_API_POST, 1, sluice_api_leaks_check},
    {"/memory/leaks/configure", SLUICE_API_POST, 1, sluice_api_leaks_configure},
    {"/memory/leaks/clear-history", SLUICE_API_POST, 1, sluice_api_leaks_clear},
};

const size_t sluice_num_api_routes = sizeof(sluice_api_routes) / sizeof(sluice_api_routes[0]);
