#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../mailbox/mailbox.h"
#include "../worker/orders.h"
#include "../worker/worker.h"
#include "kin.h"
#include "launch.h"

#define QUEUE_BYTES (512u * 1024u)
#define QUEUE_RECORDS 1024
#define ORDERS_MAX 256
#define CHUNK_BYTES 65536
/* Chunks of one child read before the others get their turn. */
#define CHUNKS_AT_ONCE 16
/* How often those that were sent a signal are counted, and how long SIGKILL may take. */
#define LOOK_US 20000
#define KILL_US 1000000
/* Between two looks when all are ended. */
#define END_POLL_MS 5

enum phase { RUNNING, TERMINATING, KILLING };

struct child {
  struct child_order order;
  enum phase phase;
  enum child_kind kind;
  pid_t pid;
  int pidfd;
  /* -1 once nobody writes any more. */
  int pipe;
  bool grouped;
  bool ended;
  int64_t started_at;
  /* The next change of phase, and the next look at what is left. */
  int64_t due_at;
  int64_t look_at;
  uint32_t left;
  /* What a sweep had to end. */
  uint32_t found;
  /* Twice what is kept. */
  char *output;
  size_t output_length;
};

enum asked_kind { ASKED_START, ASKED_KILL, ASKED_WATCH };

/* An order to end has only an id, one to watch only a group. */
struct asked {
  enum asked_kind kind;
  struct child_order order;
};

struct group {
  char name[CHILD_GROUP_BYTES];
  int events;
};

struct children {
  struct orders asked;
  /* The thread's own from here on. */
  char groups[PATH_MAX / 2];
  struct child *children[CHILDREN_MAX];
  size_t child_count;
  int leftovers[CHILD_LEFTOVERS_MAX];
  size_t leftover_count;
  struct group watched[CHILD_GROUPS_MAX];
  size_t watched_count;
  /* Processes that SIGKILL has not ended yet, to be waited for when it has. */
  pid_t stuck[CHILDREN_MAX];
  size_t stuck_count;
  int null;
  uint8_t *chunk;
  struct mailbox box;
  struct worker worker;
};

struct record {
  uint32_t id;
  uint32_t kind;
  int32_t value;
  uint32_t left;
  uint32_t microseconds;
};

void child_order_free(struct child_order *order) {
  free(order->program);
  free(order->arguments);
  free(order->environment);
}

static void path_of(const struct children *children, const char *group, const char *file, char path[PATH_MAX]) {
  snprintf(path, PATH_MAX, "%s/%s%s%s", children->groups, group, file[0] == '\0' ? "" : "/", file);
}

/* Output. */

static void keep_tail(struct child *child, const uint8_t *bytes, size_t length) {
  size_t kept = child->order.output_bytes;
  if (length > kept) {
    bytes += length - kept;
    length = kept;
  }
  if (child->output_length + length > 2 * kept) {
    memmove(child->output, child->output + child->output_length - kept, kept);
    child->output_length = kept;
  }
  memcpy(child->output + child->output_length, bytes, length);
  child->output_length += length;
}

/* Reads what is there; false once nobody writes any more. `child` is NULL where nothing is kept. */
static bool read_pipe(struct children *children, int pipe, struct child *child) {
  for (int round = 0; round < CHUNKS_AT_ONCE; round++) {
    ssize_t got = read(pipe, children->chunk, CHUNK_BYTES);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (child != NULL) keep_tail(child, children->chunk, (size_t)got);
  }
  return true;
}

static void read_output(struct children *children, struct child *child) {
  if (child->pipe < 0 || read_pipe(children, child->pipe, child)) return;
  close(child->pipe);
  child->pipe = -1;
}

/* A daemon may go on writing: a closed pipe would end it. */
static void keep_reading(struct children *children, int pipe) {
  if (children->leftover_count == CHILD_LEFTOVERS_MAX) {
    close(children->leftovers[0]);
    memmove(children->leftovers, children->leftovers + 1, (CHILD_LEFTOVERS_MAX - 1) * sizeof children->leftovers[0]);
    children->leftover_count--;
  }
  children->leftovers[children->leftover_count++] = pipe;
}

static void read_leftover(struct children *children, int pipe) {
  if (read_pipe(children, pipe, NULL)) return;
  for (size_t index = 0; index < children->leftover_count; index++) {
    if (children->leftovers[index] != pipe) continue;
    children->leftovers[index] = children->leftovers[--children->leftover_count];
    break;
  }
  close(pipe);
}

/* Groups. */

/* 1 when something is in it, 0 when nothing is, -errno. */
static int is_populated(int events) {
  char text[256];
  ssize_t length = pread(events, text, sizeof text - 1, 0);
  if (length < 0) return -errno;
  text[length] = '\0';
  return strstr(text, "populated 1") != NULL;
}

static void remove_group(const struct children *children, const char *group) {
  char path[PATH_MAX];
  path_of(children, group, "", path);
  rmdir(path);
}

/* A group that is empty already is watched only where its end is to be told then. */
static void watch_group(struct children *children, const char *group, bool tells_end) {
  if (children->groups[0] == '\0') return;
  for (size_t index = 0; index < children->watched_count; index++) {
    if (strcmp(children->watched[index].name, group) == 0) return;
  }
  char path[PATH_MAX];
  path_of(children, group, "cgroup.events", path);
  int events = open(path, O_RDONLY | O_CLOEXEC);
  if (events < 0) return;
  if ((!tells_end && is_populated(events) != 1) || children->watched_count == CHILD_GROUPS_MAX) {
    close(events);
    return;
  }
  struct group *watched = &children->watched[children->watched_count++];
  snprintf(watched->name, sizeof watched->name, "%s", group);
  watched->events = events;
}

static void check_group(struct children *children, const char *name) {
  for (size_t index = 0; index < children->watched_count; index++) {
    struct group *watched = &children->watched[index];
    if (strcmp(watched->name, name) != 0 || is_populated(watched->events) == 1) continue;
    const struct record record = {.kind = CHILD_EMPTIED};
    mailbox_push(&children->box, &record, sizeof record, watched->name, strlen(watched->name));
    close(watched->events);
    remove_group(children, watched->name);
    *watched = children->watched[--children->watched_count];
    return;
  }
}

/* The cgroup's cgroup.procs, or a negative number. */
static int open_group(const struct children *children, const char *group) {
  if (children->groups[0] == '\0' || group[0] == '\0') return -1;
  char path[PATH_MAX];
  path_of(children, group, "", path);
  if (mkdir(path, 0755) < 0 && errno != EEXIST) return -errno;
  path_of(children, group, "cgroup.procs", path);
  return open(path, O_WRONLY | O_CLOEXEC);
}

/* Ending. */

static int signal_kin(const struct children *children, const struct child *child, int signal) {
  if (child->grouped) {
    char path[PATH_MAX];
    path_of(children, child->order.group, "", path);
    return kin_of_cgroup(path, signal);
  }
  if (child->pid <= 0) return 0;
  char mark[sizeof CHILD_MARK + sizeof child->order.mark + 1];
  snprintf(mark, sizeof mark, "%s=%s", CHILD_MARK, child->order.mark);
  return kin_of_leader(child->pid, mark, signal);
}

static void report(struct children *children, const struct child *child, enum child_kind kind, int value) {
  struct record record = {
      .id = child->order.id,
      .kind = kind,
      .value = value,
      .left = child->left,
      .microseconds = (uint32_t)(now_us() - child->started_at),
  };
  size_t kept = child->output_length < child->order.output_bytes ? child->output_length : child->order.output_bytes;
  mailbox_push(&children->box, &record, sizeof record, child->output + child->output_length - kept, kept);
}

static void free_child(struct child *child) {
  if (child->pidfd >= 0) close(child->pidfd);
  if (child->pipe >= 0) close(child->pipe);
  child_order_free(&child->order);
  free(child->output);
  free(child);
}

/* The process is reaped only here, so that its number is not another's while its kin is looked for. */
static void finish(struct children *children, size_t index) {
  struct child *child = children->children[index];
  enum child_kind kind = child->kind;
  int value = (int)child->found;
  if (child->pid > 0) {
    siginfo_t info = {0};
    int waited = waitid(P_PID, (id_t)child->pid, &info, WEXITED | (child->ended ? 0 : WNOHANG));
    bool exited = waited == 0 && info.si_code == CLD_EXITED;
    if (waited == 0 && info.si_pid == 0 && children->stuck_count < CHILDREN_MAX) children->stuck[children->stuck_count++] = child->pid;
    value = info.si_status;
    if (kind == CHILD_EXITED && !exited) kind = CHILD_SIGNALLED;
  }
  read_output(children, child);
  bool stays = child->order.remains && kind == CHILD_EXITED;
  if (stays && child->pipe >= 0) {
    keep_reading(children, child->pipe);
    child->pipe = -1;
  }
  if (stays && child->grouped) watch_group(children, child->order.group, false);
  report(children, child, kind, value);
  if (child->grouped) {
    check_group(children, child->order.group);
    remove_group(children, child->order.group);
  }
  free_child(child);
  children->children[index] = children->children[--children->child_count];
}

static void reap_stuck(struct children *children) {
  for (size_t index = children->stuck_count; index-- > 0;) {
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)children->stuck[index], &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0) continue;
    children->stuck[index] = children->stuck[--children->stuck_count];
  }
}

static void begin(const struct children *children, struct child *child, enum phase phase, int64_t now) {
  child->phase = phase;
  child->due_at = now + (phase == TERMINATING ? (int64_t)child->order.grace_ms * 1000 : KILL_US);
  int left = signal_kin(children, child, phase == TERMINATING ? SIGTERM : SIGKILL);
  child->left = left > 0 ? (uint32_t)left : 0;
  child->look_at = child->left > 0 ? now + LOOK_US : now;
}

/* What is left of its kin is counted at once, and then again and again as of others. */
static void note_end(struct child *child) {
  child->ended = true;
  child->look_at = 0;
}

/* Whether the child that was told to end, and all its kin, have ended, or are given up. */
static bool is_over(const struct children *children, struct child *child, int64_t now) {
  if (child->phase == TERMINATING && now >= child->due_at) begin(children, child, KILLING, now);
  if (now >= child->look_at) {
    int left = signal_kin(children, child, child->phase == KILLING ? SIGKILL : 0);
    child->left = left > 0 ? (uint32_t)left : 0;
    child->look_at = now + LOOK_US;
  }
  if (child->left == 0 && (child->ended || child->pid <= 0)) return true;
  return child->phase == KILLING && now >= child->due_at;
}

/* Whether a program that ended in time leaves nothing that must be ended too. */
static bool leaves_nothing(const struct children *children, struct child *child, int64_t now) {
  if (child->order.remains) return true;
  /* Without cgroups its session is as much as a hook that ran well is looked through for. */
  if (!child->grouped) {
    kill(-child->pid, SIGKILL);
    return true;
  }
  begin(children, child, KILLING, now);
  return child->left == 0;
}

static bool advance(struct children *children, struct child *child, int64_t now) {
  if (child->phase != RUNNING) return is_over(children, child, now);
  if (child->ended) return leaves_nothing(children, child, now);
  if (now < child->due_at) return false;
  child->kind = CHILD_TIMED_OUT;
  begin(children, child, TERMINATING, now);
  return false;
}

/* Starting. */

static int open_pipe(struct child *child, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  child->pipe = ends[0];
  *write_end = ends[1];
  return fcntl(child->pipe, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* 0 or -errno. */
static int launch(struct children *children, struct child *child) {
  int write_end = -1;
  int result = open_pipe(child, &write_end);
  if (result < 0) return result;
  int group = open_group(children, child->order.group);
  struct launch launch = {
      .program = child->order.program,
      .arguments = child->order.arguments,
      .environment = child->order.environment,
      .input = children->null,
      .output = write_end,
      .group = group,
  };
  pid_t pid = launch_start(&launch);
  close(write_end);
  if (group >= 0) close(group);
  if (pid < 0) return pid;
  child->pid = pid;
  child->grouped = launch.grouped;
  child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (launch.error == 0 && child->pidfd >= 0) return 0;
  result = launch.error != 0 ? -launch.error : -errno;
  kill(pid, SIGKILL);
  waitid(P_PID, (id_t)pid, NULL, WEXITED);
  child->pid = 0;
  return result;
}

/* An order without a program ends what is in its group. */
static void sweep(struct children *children, struct child *child, int64_t now) {
  char path[PATH_MAX];
  path_of(children, child->order.group, "", path);
  child->grouped = children->groups[0] != '\0' && access(path, F_OK) == 0;
  begin(children, child, TERMINATING, now);
  child->found = child->left;
}

static void start(struct children *children, const struct child_order *order) {
  int64_t now = now_us();
  struct child *child = children->child_count < CHILDREN_MAX ? calloc(1, sizeof *child) : NULL;
  char *output = malloc(2 * (size_t)order->output_bytes + 1);
  if (child == NULL || output == NULL) {
    struct child refused = {.order = *order, .started_at = now};
    report(children, &refused, CHILD_UNSTARTED, EAGAIN);
    child_order_free(&refused.order);
    free(output);
    free(child);
    return;
  }
  *child = (struct child){
      .order = *order,
      .kind = CHILD_EXITED,
      .pidfd = -1,
      .pipe = -1,
      .output = output,
      .started_at = now,
      .due_at = now + (int64_t)order->deadline_ms * 1000,
  };
  int result = 0;
  if (order->program[0] == '\0') sweep(children, child, now);
  else result = launch(children, child);
  if (result == 0) {
    children->children[children->child_count++] = child;
    return;
  }
  report(children, child, CHILD_UNSTARTED, -result);
  if (child->order.group[0] != '\0' && children->groups[0] != '\0') remove_group(children, child->order.group);
  free_child(child);
}

static void end(struct children *children, uint32_t id) {
  for (size_t index = 0; index < children->child_count; index++) {
    struct child *child = children->children[index];
    if (child->order.id != id || child->phase != RUNNING) continue;
    child->kind = CHILD_KILLED;
    begin(children, child, TERMINATING, now_us());
  }
}

/* The loop. */

#define POLLS_MAX (1 + 2 * CHILDREN_MAX + CHILD_LEFTOVERS_MAX + CHILD_GROUPS_MAX)

static nfds_t fill_polls(const struct children *children, struct pollfd *fds) {
  nfds_t count = 0;
  fds[count++] = (struct pollfd){.fd = children->worker.event, .events = POLLIN};
  for (size_t index = 0; index < children->child_count; index++) {
    const struct child *child = children->children[index];
    /* A negative descriptor is passed over. */
    fds[count++] = (struct pollfd){.fd = child->ended ? -1 : child->pidfd, .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = child->pipe, .events = POLLIN};
  }
  for (size_t index = 0; index < children->leftover_count; index++) {
    fds[count++] = (struct pollfd){.fd = children->leftovers[index], .events = POLLIN};
  }
  for (size_t index = 0; index < children->watched_count; index++) {
    fds[count++] = (struct pollfd){.fd = children->watched[index].events, .events = POLLPRI};
  }
  return count;
}

static int timeout_ms(const struct children *children) {
  int64_t next = INT64_MAX, now = now_us();
  for (size_t index = 0; index < children->child_count; index++) {
    const struct child *child = children->children[index];
    if (child->due_at < next) next = child->due_at;
    if (child->phase != RUNNING && child->look_at < next) next = child->look_at;
  }
  if (next == INT64_MAX) return -1;
  int64_t wait = (next - now + 999) / 1000;
  return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

/* What was polled is looked at by its descriptor: the lists change on the way. */
static void serve(struct children *children, const struct pollfd *fds, nfds_t count) {
  for (size_t index = 0; index < children->child_count; index++) {
    struct child *child = children->children[index];
    if (fds[2 + 2 * index].revents != 0) read_output(children, child);
    if (fds[1 + 2 * index].revents != 0) note_end(child);
  }
  size_t first = 1 + 2 * children->child_count;
  size_t leftovers = children->leftover_count;
  size_t watched = children->watched_count;
  for (size_t index = 0; index < leftovers && first + index < count; index++) {
    if (fds[first + index].revents != 0) read_leftover(children, fds[first + index].fd);
  }
  for (size_t index = watched; index-- > 0;) {
    if (fds[first + leftovers + index].revents != 0) check_group(children, children->watched[index].name);
  }
  int64_t now = now_us();
  for (size_t index = children->child_count; index-- > 0;) {
    if (advance(children, children->children[index], now)) finish(children, index);
  }
}

/* Everything is killed at once, and waited for no longer than a kill may take. */
static void end_all(struct children *children) {
  int64_t until = now_us() + 2 * KILL_US;
  for (size_t index = 0; index < children->child_count; index++) begin(children, children->children[index], KILLING, now_us());
  while (children->child_count > 0 && now_us() < until) {
    poll(NULL, 0, END_POLL_MS);
    for (size_t index = children->child_count; index-- > 0;) {
      struct child *child = children->children[index];
      struct pollfd fd = {.fd = child->pidfd, .events = POLLIN};
      if (!child->ended && poll(&fd, 1, 0) > 0) note_end(child);
      if (is_over(children, child, now_us())) finish(children, index);
    }
  }
}

static void *run(void *argument) {
  struct children *children = argument;
  struct pollfd fds[POLLS_MAX];
  for (;;) {
    nfds_t count = fill_polls(children, fds);
    int ready = poll(fds, count, timeout_ms(children));
    if (ready < 0) continue;
    if ((fds[0].revents & POLLIN) != 0 && !worker_poked(&children->worker)) {
      end_all(children);
      return NULL;
    }
    serve(children, fds, count);
    reap_stuck(children);
    struct asked asked;
    while (orders_next(&children->asked, &asked)) {
      if (asked.kind == ASKED_START) start(children, &asked.order);
      if (asked.kind == ASKED_KILL) end(children, asked.order.id);
      if (asked.kind == ASKED_WATCH) {
        watch_group(children, asked.order.group, true);
        check_group(children, asked.order.group);
      }
    }
    mailbox_signal(&children->box);
  }
}

static void free_children(struct children *children) {
  struct asked asked;
  while (orders_next(&children->asked, &asked)) {
    if (asked.kind == ASKED_START) child_order_free(&asked.order);
  }
  for (size_t index = 0; index < children->child_count; index++) free_child(children->children[index]);
  for (size_t index = 0; index < children->leftover_count; index++) close(children->leftovers[index]);
  for (size_t index = 0; index < children->watched_count; index++) close(children->watched[index].events);
  if (children->null >= 0) close(children->null);
  mailbox_free(&children->box);
  orders_free(&children->asked);
  free(children->chunk);
  free(children);
}

int child_open(struct children **out, const char *groups, void (*wake)(void *context), void *context) {
  struct children *children = calloc(1, sizeof *children);
  if (children == NULL) return -ENOMEM;
  snprintf(children->groups, sizeof children->groups, "%s", groups);
  children->chunk = malloc(CHUNK_BYTES);
  children->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int result = children->chunk == NULL ? -ENOMEM : children->null < 0 ? -errno : 0;
  if (result == 0) result = orders_init(&children->asked, ORDERS_MAX, sizeof(struct asked));
  if (result == 0) result = mailbox_init(&children->box, QUEUE_BYTES, QUEUE_RECORDS, wake, context);
  if (result == 0) result = worker_start(&children->worker, "cardinal-child", run, children);
  if (result < 0) {
    free_children(children);
    return result;
  }
  *out = children;
  return 0;
}

static int ask(struct children *children, const struct asked *asked) {
  if (!orders_give(&children->asked, asked)) return -EAGAIN;
  worker_poke(&children->worker);
  return 0;
}

int child_start(struct children *children, const struct child_order *order) {
  struct asked asked = {.kind = ASKED_START, .order = *order};
  return ask(children, &asked);
}

void child_kill(struct children *children, uint32_t id) {
  struct asked asked = {.kind = ASKED_KILL, .order = {.id = id}};
  /* With too many that wait, the deadline ends it. */
  (void)ask(children, &asked);
}

void child_watch(struct children *children, const char *group) {
  struct asked asked = {.kind = ASKED_WATCH};
  snprintf(asked.order.group, sizeof asked.order.group, "%s", group);
  /* With too many that wait, the next monitor asks again. */
  (void)ask(children, &asked);
}

size_t child_take(struct children *children, uint8_t *into, size_t room) {
  return mailbox_take(&children->box, into, room, MAILBOX_WANT_ALWAYS);
}

void child_close(struct children *children) {
  worker_stop(&children->worker);
  free_children(children);
}
