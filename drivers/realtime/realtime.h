/*
 * Scheduling and memory of this process, so that its beats are on time on a busy machine.
 *
 *   realtime_enter()        every thread under SCHED_FIFO with `priority`, 2 to 99, the calling one, which runs the
 *                           program, one below: it may spin for the others, and must not keep them from running. Child
 *                           processes start normal (SCHED_RESET_ON_FORK); so would new threads, which is why
 *                           worker_start() gives a driver's thread the scheduling of the thread that starts it, one above
 *   realtime_lock_memory()  pages of code, libraries, stack and classic heap that are in memory stay there, and others
 *                           once they have been touched; what the start alone has read of code and constants is given
 *                           back first, some 20 MiB. Memory that the runtime maps without a name is not locked:
 *                           V8 gives such pages back with madvise(), which the kernel refuses for locked ones
 *
 * 0 or -errno; then `error` says which permission is missing.
 */
#ifndef CARDINAL_REALTIME_H
#define CARDINAL_REALTIME_H

#include <stdint.h>

#include "../base/error.h"

int realtime_enter(uint32_t priority, char error[ERROR_BYTES]);
int realtime_lock_memory(char error[ERROR_BYTES]);

#endif
