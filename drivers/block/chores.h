/*
 * Threads for what may block: opening, probing, making room in a file. They are started as they are needed, up to a few, so that
 * a device that does not answer keeps only its own waiting.
 */
#ifndef CARDINAL_CHORES_H
#define CARDINAL_CHORES_H

#include "reactor.h"

struct chores;

/* Returns 0 or -errno. */
int chores_make(struct chores **chores);
/* From any thread. */
void chores_add(struct chores *chores, struct reactor_task *task);
/*
 * Waits at most `wait_ms` for what is under way; a chore that hangs for longer keeps its memory until it ends. False when there
 * was one.
 */
bool chores_end(struct chores *chores, int64_t wait_ms);

#endif
