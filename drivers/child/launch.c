#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS_SOFT 1024

/* The kernel's own call: the C library keeps two signals to itself, and some runtimes ignore one of these. */
static void reset_signals(void) {
  static const unsigned long standard[8];
  for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, standard, NULL, NSIG / 8);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void reset_standing(void) {
  const struct sched_param normal = {0};
  sched_setscheduler(0, SCHED_OTHER, &normal);
  setpriority(PRIO_PROCESS, 0, 0);
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > DESCRIPTORS_SOFT) {
    limit.rlim_cur = DESCRIPTORS_SOFT;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  /* The program may be spared by the killer of processes when memory is short; what it runs is not. */
  int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  ssize_t written = fd < 0 ? 0 : write(fd, "0", 1);
  (void)written;
}

static void enter_group(struct launch *launch) {
  launch->grouped = launch->group >= 0 && write(launch->group, "0", 1) == 1;
}

static int set_descriptors(const struct launch *launch) {
  if (dup2(launch->input, STDIN_FILENO) < 0 || dup2(launch->output, STDOUT_FILENO) < 0 || dup2(launch->output, STDERR_FILENO) < 0) {
    return -errno;
  }
  return syscall(SYS_close_range, 3u, ~0u, 0u) < 0 ? -errno : 0;
}

/* It shares the memory of the process that waits for it: nothing here may allocate, lock or return. */
__attribute__((noreturn)) static void become(struct launch *launch) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  reset_standing();
  enter_group(launch);
  umask(S_IWGRP | S_IWOTH);
  int result = chdir("/") < 0 ? -errno : set_descriptors(launch);
  reset_signals();
  if (result == 0) {
    execve(launch->program, launch->arguments, launch->environment);
    result = -errno;
  }
  launch->error = -result;
  _exit(127);
}

__attribute__((noinline)) pid_t launch_start(struct launch *launch) {
  launch->error = 0;
  launch->grouped = false;
  pid_t pid = vfork();
  if (pid == 0) become(launch);
  return pid < 0 ? -errno : pid;
}
