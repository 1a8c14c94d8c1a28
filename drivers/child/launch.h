/* Starting one program: what happens between vfork() and execve(). */
#ifndef CARDINAL_LAUNCH_H
#define CARDINAL_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

struct launch {
  const char *program;
  char *const *arguments;
  char *const *environment;
  /* Its input, and its output and error output. */
  int input;
  int output;
  /* The cgroup.procs that it is to enter before it runs; negative when there is none. */
  int group;
  /* Told by the child: why it could not be started, and that it entered its cgroup. */
  volatile int error;
  volatile bool grouped;
};

/* The process, or -errno when none was made; `launch->error` is set when there was one and it could not run the program. */
pid_t launch_start(struct launch *launch);

#endif
