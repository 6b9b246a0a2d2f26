/* SPDX-License-Identifier: BSD-2-Clause */
/* See hyp/vm/memsource.h. */
#include <errno.h>

#include "hyp/lib/log.h"
#include "hyp/host/ecc.h"
#include "hyp/host/gic.h"
#include "hyp/lib/bits.h"
#include "hyp/run/irq.h"
#include "hyp/vm/memfound.h"
#include "hyp/vm/memsource.h"
#include "mm/hypmap.h"

#define SPI_FIRST 32U
#define IDLE_MAX  16U /* interrupts in a row without a cause */

struct memsource_count memsource_count;

struct source {
	const struct host_ecc *ecc;
	volatile uint8_t *regs;
	struct source_irq {
		struct source *of;
		uint32_t n, idle;
	} irq[HOST_ECC_IRQS];
};

static struct source sources[HOST_ECC_MAX];
static struct log_budget budget; /* a bit that flips may do so a thousand times a second */

static void source_say(const struct source *s, const struct ecc_report *report)
{
	const char *what = s->ecc->model->what;

	if (!log_ratelimit(&budget))
		return;
	if (report->has_address)
		log_err("host: %s: an error at 0x%llx that cannot be corrected", what,
			(unsigned long long)report->address);
	else if (report->uncorrected)
		log_err("host: %s: an error that cannot be corrected, it does not say where", what);
	else
		log_warn("host: %s: an error has been corrected; `mem` counts them", what);
}

/* Without a cause for long it is not one that can be ended: better none than nothing else. */
static void source_count_idle(struct source_irq *irq, uint32_t id)
{
	if (++irq->idle < IDLE_MAX)
		return;
	gic_disable_spi(id);
	log_warn("host: %s: interrupt %u comes without a cause and is off: errors are not looked after any more",
		 irq->of->ecc->model->what, (unsigned)id);
}

static bool source_serve(uint32_t id, void *arg)
{
	struct source_irq *irq = arg;
	const struct source *s = irq->of;
	struct ecc_report report = {0};

	if (s->ecc->model->serve(s->ecc->model, s->regs, irq->n, &report) ||
	    report.corrected + report.uncorrected == 0) {
		source_count_idle(irq, id);
		return true;
	}
	irq->idle = 0;
	memsource_count.corrected += report.corrected;
	memsource_count.uncorrected += report.uncorrected;
	source_say(s, &report);
	if (report.has_address)
		memerr_found(pa(report.address));
	return true;
}

static const char *source_try(struct source *s)
{
	const struct ecc_model *model = s->ecc->model;
	int ret;

	s->regs = hyp_map_device(s->ecc->base, ECC_SIZE);
	if (!s->regs)
		return "no room for its registers";
	ret = model->start ? model->start(model, s->regs) : 0;
	if (ret)
		return ret == -ENODEV ? "it does not correct errors" : "its registers do not answer";
	for (uint32_t n = 0; n < model->irqs; n++) {
		if (s->ecc->irq[n] < SPI_FIRST || s->ecc->irq[n] >= GIC_SPURIOUS)
			return "it has no interrupt";
		s->irq[n] = (struct source_irq){s, n, 0};
		irq_register(s->ecc->irq[n], source_serve, &s->irq[n]);
	}
	return NULL;
}

int memsource_start(const struct host *host)
{
	for (unsigned int i = 0; i < host->ecc_count; i++) {
		struct source *s = &sources[i];
		const char *wrong;

		s->ecc = &host->ecc[i];
		wrong = source_try(s);
		log_info("host: memory errors: %s %s at 0x%llx%s%s", s->ecc->model->what, s->ecc->compatible,
			 (unsigned long long)s->ecc->base, wrong ? ": not used: " : "", wrong ? wrong : "");
	}
	return 0;
}
