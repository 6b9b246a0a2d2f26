/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of vectors in hyp/exit/vectors.S: one for each way to begin an exit, and each once more for the trace. */
#ifndef HYP_EXIT_HVBAR_H
#define HYP_EXIT_HVBAR_H

struct percpu;

/* Choose cpu->vectors and cpu->vectors_traced by cpu->at_exit, and point HVBAR of this CPU, which is `cpu`, there. */
void hvbar_init_cpu(struct percpu *cpu);

#endif
