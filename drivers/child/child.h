/*
 * Programs run to their end, each with all that it starts, bounded in time and in what is kept of its output. One thread
 * starts them (vfork: the program's memory is not copied), reads them, and kills them at their deadline.
 *
 *   child_open()   starts the thread. `groups` is a directory of a cgroup v2 hierarchy, which exists, in which each name of
 *                  a group gets a cgroup; empty where there is none
 *   child_start()  has a program started. Its ending comes with `id`
 *   child_kill()   ends it before its deadline, as the deadline would
 *   child_take()   endings and events (see mailbox.h)
 *   child_close()  kills what has not ended, and ends the thread. What was let remain stays
 *
 * A program gets: a session of its own, normal scheduling and niceness, no signal blocked or ignored, no descriptor but
 * /dev/null as its input and a pipe as its output and error output, "/" as its directory, the umask 022, a soft limit of
 * 1,024 descriptors, an oom_score_adj of 0, and SIGKILL when this process dies while it runs.
 *
 * All that belongs to it is: what is in its cgroup; without cgroups its session, its descendants, and every
 * process that has CHILD_MARK=<mark> in its environment, where the mark names the start. At the deadline all of these get
 * SIGTERM, and SIGKILL `grace_ms` later, until none is left. When the program ends in time, what it leaves running
 * stays if `remains`, and gets SIGKILL otherwise. Its output is read on as long as somebody may write to it.
 *
 * A record is five words of 32 bits - id, kind, value, left, microseconds - and the end of the output:
 *
 *   ending  value is the exit code, the signal, or the error number for which it could not be started; `left` counts the
 *           processes that SIGKILL did not end in time
 *   event   id 0, kind CHILD_EMPTIED: the last process of the group whose name is the text has ended. Told of groups that
 *           had something remain
 */
#ifndef CARDINAL_CHILD_H
#define CARDINAL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHILD_MARK "CARDINAL_HOOK"
#define CHILD_OUTPUT_BYTES_MAX (60u * 1024u)
#define CHILD_GROUP_BYTES 256
/* That run at a time; and whose output is still read after their end. */
#define CHILDREN_MAX 64
#define CHILD_LEFTOVERS_MAX 256
/* Groups whose emptiness is watched. */
#define CHILD_GROUPS_MAX 256

enum child_kind {
  CHILD_EXITED = 1,
  CHILD_SIGNALLED = 2,
  CHILD_TIMED_OUT = 3,
  CHILD_KILLED = 4,
  CHILD_UNSTARTED = 5,
  CHILD_EMPTIED = 16,
};

struct child_order {
  uint32_t id;
  /* Absolute; empty to end what is in the group instead: the value is then how many processes that were. */
  char *program;
  /* Each ends with NULL, and so do they; one allocation each, freed with the child. */
  char **arguments;
  char **environment;
  char group[CHILD_GROUP_BYTES];
  /* What stands in the environment behind CHILD_MARK and "=". */
  char mark[64];
  uint32_t deadline_ms;
  uint32_t grace_ms;
  /* What is kept of its output, from the end; at most CHILD_OUTPUT_BYTES_MAX. */
  uint32_t output_bytes;
  bool remains;
};

struct children;

int child_open(struct children **children, const char *groups, void (*wake)(void *context), void *context);
/* Takes the order's allocations over when it returns 0; -EAGAIN when too many run. */
int child_start(struct children *children, const struct child_order *order);
void child_kill(struct children *children, uint32_t id);
/* Has CHILD_EMPTIED told of a group that has processes already, or had some a moment ago: an empty one is told at once. */
void child_watch(struct children *children, const char *group);
size_t child_take(struct children *children, uint8_t *into, size_t room);
void child_close(struct children *children);
void child_order_free(struct child_order *order);

#endif
