#include "module/api.h"

const sluice_api_route_t sluice_api_routes[] = {
    {"/health", SLUICE_API_GET, 0, sluice_api_health},
    {"/dashboard", SLUICE_API_GET, 0, sluice_api_dashboard},
    {"/health/live", SLUICE_API_GET, 0, sluice_api_live},
    {"/health/ready", SLUICE_API_GET, 0, sluice_api_ready},
    {"/health/metrics", SLUICE_API_GET, 0, sluice_api_coordination},
    {"/metrics/cache", SLUICE_API_GET, 0, sluice_api_cache_metrics},
    {"/metrics/slow", SLUICE_API_GET, 1, sluice_api_slow},
    {"/cache/purge", SLUICE_API_POST, 1, sluice_api_purge},
    {"/memory/events", SLUICE_API_GET, 0, sluice_api_events},
    {"/memory/stats", SLUICE_API_GET, 0, sluice_api_memory_stats},
    {"/memory/heap", SLUICE_API_GET, 0, sluice_api_memory_heap},
    {"/memory/process", SLUICE_API_GET, 0, sluice_api_memory_process},
    {"/memory/consumers", SLUICE_API_GET, 0, sluice_api_memory_consumers},
    {"/memory/consumers/", SLUICE_API_GET, 0, sluice_api_memory_consumer},
    {"/memory/trend", SLUICE_API_GET, 0, sluice_api_memory_trend},
    {"/memory/report", SLUICE_API_GET, 0, sluice_api_memory_report},
    {"/memory/operations", SLUICE_API_GET, 0, sluice_api_operations},
    {"/cache/entries", SLUICE_API_GET, 1, sluice_api_entries},
    {"/memory/trim", SLUICE_API_POST, 1, sluice_api_trim},
    {"/memory/cleanup", SLUICE_API_POST, 1, sluice_api_cleanup},
    {"/memory/snapshot", SLUICE_API_POST, 1, sluice_api_snapshot},
    {"/memory/simulate", SLUICE_API_POST, 1, sluice_api_simulate},
    {"/memory/leaks", SLUICE_API_GET, 0, sluice_api_leaks},
    {"/memory/leaks/check", SLUICE_API_POST, 1, sluice_api_leaks_check},
    {"/memory/leaks/configure", SLUICE_API_POST, 1, sluice_api_leaks_configure},
    {"/memory/leaks/clear-history", SLUICE_API_POST, 1, sluice_api_leaks_clear},
    {"/memory/alerts", SLUICE_API_GET, 0, sluice_api_alerts},
    {"/memory/alerts", SLUICE_API_POST, 1, sluice_api_change_alerts},
};

const size_t sluice_num_api_routes = sizeof(sluice_api_routes) / sizeof(sluice_api_routes[0]);
