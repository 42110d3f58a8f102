/*
 * overview.h - the state of a server on one page: what `status` prints and `watch` draws.
 */
#ifndef module__sluicectl__overview_h
#define module__sluicectl__overview_h

#include "module/sluicectl/ctl.h"
#include "module/sluicectl/text.h"

/**
 * asks for the parts: {"health": /health, "alerts": /memory/alerts, "process": /memory/process, "stats": /memory/stats}. A server
 * that lacks one of the latter three has null there.
 */
ctl_exit_t ctl_overview_ask(ctl_t *ctl, json_t **overview);
/**
 * CTL_DONE, CTL_FAILED or CTL_CRITICAL: healthy, degraded or critical
 */
ctl_exit_t ctl_overview_verdict(const json_t *overview);
void ctl_overview_add(ctl_page_t *page, const json_t *overview);
/**
 * the same in one line
 */
void ctl_overview_add_brief(ctl_page_t *page, const json_t *overview);

#endif
