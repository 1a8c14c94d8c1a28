#define _GNU_SOURCE
#include "realtime.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Threads that start while the list is read are found by reading it again; this many times at most. */
#define PASSES_MAX 8

/*
 * The thread that runs the program's code stands one below all others of its process: the runtime's own threads and
 * the drivers'. It may wait for one of them without giving up its processor (a collector's barrier does), and under
 * SCHED_FIFO a thread of the same priority would never get that processor: on one core that is the end of both.
 */
static int priority_of(pid_t thread, int priority) {
  return thread == gettid() ? priority - 1 : priority;
}

/* 1 when the thread was changed, 0 when it was right already or has ended, -errno. */
static int enter_thread(pid_t thread, int priority) {
  const int policy = SCHED_FIFO | SCHED_RESET_ON_FORK;
  struct sched_param present;
  if (sched_getscheduler(thread) == policy && sched_getparam(thread, &present) == 0 && present.sched_priority == priority) return 0;
  struct sched_param wanted = {.sched_priority = priority};
  if (sched_setscheduler(thread, policy, &wanted) == 0) return 1;
  return errno == ESRCH ? 0 : -errno;
}

/* How many threads were changed, or -errno. */
static int enter_all(int priority) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -errno;
  int result = 0;
  for (struct dirent *entry = readdir(tasks); entry != NULL && result >= 0; entry = readdir(tasks)) {
    int thread = atoi(entry->d_name);
    if (thread == 0) continue;
    int changed = enter_thread(thread, priority_of(thread, priority));
    result = changed < 0 ? changed : result + changed;
  }
  closedir(tasks);
  return result;
}

int realtime_enter(uint32_t priority, char error[ERROR_BYTES]) {
  if (priority < 2 || priority > 99) return describe(error, -EINVAL, "realtime: priority is %u; it must be from 2 to 99", priority);
  int result = 1;
  for (int pass = 0; pass < PASSES_MAX && result > 0; pass++) result = enter_all((int)priority);
  if (result >= 0) return 0;
  if (result == -EPERM) {
    return describe(error, result,
                    "realtime: SCHED_FIFO with priority %u is not permitted: CAP_SYS_NICE or RLIMIT_RTPRIO of at least %u is missing "
                    "(and a control group with real-time scheduling must have a budget)",
                    priority, priority);
  }
  return describe(error, result, "realtime: SCHED_FIFO cannot be set: %s", strerrordesc_np(-result));
}

/*
 * Whether a mapping is one whose pages the kernel may drop although there is no swap, or that the program cannot do
 * without: files (code, libraries), the stack, the classic heap. Memory without a name is left alone: a runtime gives parts of
 * its own back with madvise(MADV_DONTNEED), which fails on locked pages, and V8 takes that failure for the end of the world.
 */
static bool is_locked_kind(const char *name) {
  return name[0] == '/' || strcmp(name, "[stack]") == 0 || strcmp(name, "[heap]") == 0;
}

/*
 * Gives back the pages of code and constants, which the start has read and the kernel around what was read: they are in the file
 * cache, and those that are needed come back one by one, for a microsecond each. A mapping with pages of its own, such as
 * relocated constants, is left alone.
 */
static void release_code(void) {
  FILE *maps = fopen("/proc/self/smaps", "re");
  if (maps == NULL) return;
  char *line = NULL;
  size_t size = 0;
  unsigned long start = 0, end = 0;
  bool is_code = false;
  while (getline(&line, &size, maps) > 0) {
    unsigned long from = 0, to = 0, own = 0;
    char access[5] = "";
    int name_at = 0;
    if (sscanf(line, "%lx-%lx %4s %*x %*s %*u %n", &from, &to, access, &name_at) >= 3 && name_at > 0) {
      start = from;
      end = to;
      is_code = access[0] == 'r' && access[1] == '-' && access[3] == 'p' && line[name_at] == '/';
    } else if (is_code && sscanf(line, "Anonymous: %lu kB", &own) == 1) {
      is_code = false;
      if (own == 0) madvise((void *)start, end - start, MADV_DONTNEED);
    }
  }
  free(line);
  fclose(maps);
}

/* 0 or -errno. */
static int lock_named_mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return -errno;
  char *line = NULL;
  size_t size = 0;
  int result = 0;
  while (result == 0 && getline(&line, &size, maps) > 0) {
    unsigned long start = 0, end = 0;
    char access[5] = "";
    int name_at = 0;
    if (sscanf(line, "%lx-%lx %4s %*x %*s %*u %n", &start, &end, access, &name_at) < 3 || name_at == 0) continue;
    char *name = line + name_at;
    name[strcspn(name, "\n")] = '\0';
    if (access[0] != 'r' || !is_locked_kind(name)) continue;
    if (mlock2((void *)start, end - start, MLOCK_ONFAULT) == 0) continue;
    int number = errno;
    /* A mapping that has gone since is nobody's loss. */
    unsigned char present;
    if (number != ENOMEM || mincore((void *)start, 1, &present) == 0) result = -number;
  }
  free(line);
  fclose(maps);
  return result;
}

int realtime_lock_memory(char error[ERROR_BYTES]) {
  release_code();
  int number = -lock_named_mappings();
  if (number == 0) return 0;
  if (number != EPERM && number != ENOMEM) {
    return describe(error, -number, "realtime: memory cannot be locked: %s", strerrordesc_np(number));
  }
  struct rlimit limit = {0};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return describe(error, -number,
                  "realtime: memory cannot be locked: CAP_IPC_LOCK is missing, or RLIMIT_MEMLOCK (now %llu bytes) is too low",
                  (unsigned long long)limit.rlim_cur);
}
