#define _GNU_SOURCE
#include "kin.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of an environment this much is looked through; the mark stands at its beginning. */
#define ENVIRONMENT_BYTES 8192
#define PROCESSES_MAX 65536

struct process {
  pid_t pid;
  pid_t parent;
  pid_t session;
  bool ended;
  bool kin;
};

/* The whole of a small file, with an end; the bytes, or -errno. */
static ssize_t slurp(const char *path, char *into, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  size_t length = 0;
  ssize_t got = 1;
  while (got > 0 && length < room - 1) {
    got = read(fd, into + length, room - 1 - length);
    if (got > 0) length += (size_t)got;
  }
  int error = errno;
  close(fd);
  into[length] = '\0';
  return got < 0 ? -error : (ssize_t)length;
}

static bool read_process(pid_t pid, struct process *process) {
  char path[64], stat[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (slurp(path, stat, sizeof stat) <= 0) return false;
  /* The name stands in parentheses and may contain some. */
  const char *rest = strrchr(stat, ')');
  char state;
  int parent, group, session;
  if (rest == NULL || sscanf(rest + 1, " %c %d %d %d", &state, &parent, &group, &session) != 4) return false;
  *process = (struct process){.pid = pid, .parent = parent, .session = session, .ended = state == 'Z' || state == 'X'};
  return true;
}

/* 0 at the end; -errno when /proc cannot be read. */
static int each_process(int (*visit)(void *context, pid_t pid), void *context) {
  DIR *proc = opendir("/proc");
  if (proc == NULL) return -errno;
  int result = 0;
  for (struct dirent *entry = readdir(proc); entry != NULL && result == 0; entry = readdir(proc)) {
    pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
    if (pid > 0) result = visit(context, pid);
  }
  closedir(proc);
  return result;
}

struct census {
  struct process *all;
  size_t count;
  size_t room;
};

static int note_process(void *context, pid_t pid) {
  struct census *census = context;
  if (census->count == census->room) {
    size_t room = census->room == 0 ? 512 : census->room * 2;
    struct process *all = room > PROCESSES_MAX ? NULL : realloc(census->all, room * sizeof *all);
    if (all == NULL) return -ENOMEM;
    census->all = all;
    census->room = room;
  }
  if (read_process(pid, &census->all[census->count])) census->count++;
  return 0;
}

static bool has_mark(pid_t pid, const char *mark) {
  char path[64], environment[ENVIRONMENT_BYTES];
  snprintf(path, sizeof path, "/proc/%d/environ", pid);
  ssize_t length = slurp(path, environment, sizeof environment);
  for (ssize_t at = 0; at < length; at += (ssize_t)strlen(environment + at) + 1) {
    if (strcmp(environment + at, mark) == 0) return true;
  }
  return false;
}

static bool is_kin(const struct census *census, pid_t pid) {
  for (size_t index = 0; index < census->count; index++) {
    if (census->all[index].pid == pid) return census->all[index].kin;
  }
  return false;
}

static void mark_kin(struct census *census, pid_t leader, const char *mark) {
  pid_t self = getpid();
  for (size_t index = 0; index < census->count; index++) {
    struct process *process = &census->all[index];
    if (process->pid == self || process->ended) continue;
    process->kin = process->pid == leader || process->session == leader || has_mark(process->pid, mark);
  }
  for (bool more = true; more;) {
    more = false;
    for (size_t index = 0; index < census->count; index++) {
      struct process *process = &census->all[index];
      if (process->kin || process->ended || process->pid == self || !is_kin(census, process->parent)) continue;
      process->kin = more = true;
    }
  }
}

int kin_of_leader(pid_t leader, const char *mark, int signal) {
  struct census census = {0};
  int result = each_process(note_process, &census);
  if (result == 0) mark_kin(&census, leader, mark);
  int count = 0;
  for (size_t index = 0; index < census.count; index++) {
    if (!census.all[index].kin) continue;
    count++;
    if (signal != 0) kill(census.all[index].pid, signal);
  }
  free(census.all);
  return result < 0 ? result : count;
}

/* One write ends all of a cgroup; kernels before 5.14 do not have it. */
static void kill_cgroup(const char *cgroup) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/cgroup.kill", cgroup);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t written = write(fd, "1", 1);
  (void)written;
  close(fd);
}

int kin_of_cgroup(const char *cgroup, int signal) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
  if (signal == SIGKILL) kill_cgroup(cgroup);
  FILE *file = fopen(path, "re");
  if (file == NULL) return errno == ENOENT ? 0 : -errno;
  int count = 0, pid;
  /* A process of another pid namespace is 0 here. */
  while (fscanf(file, "%d", &pid) == 1) {
    struct process process;
    if (pid > 0 && (!read_process(pid, &process) || process.ended)) continue;
    count++;
    if (signal != 0 && pid > 0) kill(pid, signal);
  }
  fclose(file);
  return count;
}

struct search {
  unsigned mount;
  const char *mount_point;
  size_t mount_point_length;
  int signal;
  int count;
  char *text;
  size_t room;
  size_t length;
};

static bool is_below(const struct search *search, const char *path) {
  return strncmp(path, search->mount_point, search->mount_point_length) == 0 &&
         (path[search->mount_point_length] == '/' || path[search->mount_point_length] == '\0');
}

static bool link_is_below(const struct search *search, pid_t pid, const char *name) {
  char path[64], target[PATH_MAX];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  return is_below(search, target);
}

/* A descriptor's mount is asked for by its number, which needs nothing of the file system: that may not answer any more. */
static bool descriptor_is_of(const struct search *search, pid_t pid, const char *name) {
  char path[300], details[1024];
  snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", pid, name);
  if (slurp(path, details, sizeof details) <= 0) return false;
  const char *found = strstr(details, "mnt_id:");
  return found != NULL && strtoul(found + 7, NULL, 10) == search->mount;
}

static bool has_descriptor(const struct search *search, pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fdinfo", pid);
  DIR *all = opendir(path);
  if (all == NULL) return false;
  bool found = false;
  for (struct dirent *entry = readdir(all); entry != NULL && !found; entry = readdir(all)) {
    found = entry->d_name[0] != '.' && descriptor_is_of(search, pid, entry->d_name);
  }
  closedir(all);
  return found;
}

static bool has_mapping(const struct search *search, pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/maps", pid);
  FILE *maps = fopen(path, "re");
  if (maps == NULL) return false;
  char *line = NULL;
  size_t size = 0;
  bool found = false;
  while (!found && getline(&line, &size, maps) > 0) {
    char *name = strchr(line, '/');
    if (name == NULL) continue;
    name[strcspn(name, "\n")] = '\0';
    char *deleted = strstr(name, " (deleted)");
    if (deleted != NULL) *deleted = '\0';
    found = is_below(search, name);
  }
  free(line);
  fclose(maps);
  return found;
}

static void note_user(struct search *search, pid_t pid) {
  search->count++;
  char path[64], name[64] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  if (slurp(path, name, sizeof name) > 0) name[strcspn(name, "\n")] = '\0';
  size_t left = search->room - search->length;
  int length = snprintf(search->text + search->length, left, "%d %s\n", pid, name);
  if (length > 0 && (size_t)length < left) search->length += (size_t)length;
  if (search->signal != 0) kill(pid, search->signal);
}

static int visit_user(void *context, pid_t pid) {
  struct search *search = context;
  if (pid == 1 || pid == getpid()) return 0;
  bool uses = link_is_below(search, pid, "cwd") || link_is_below(search, pid, "root") || link_is_below(search, pid, "exe") ||
              has_descriptor(search, pid) || has_mapping(search, pid);
  if (uses) note_user(search, pid);
  return 0;
}

int kin_of_mount(unsigned mount, const char *mount_point, int signal, char *text, size_t room) {
  struct search search = {
      .mount = mount,
      .mount_point = mount_point,
      .mount_point_length = strlen(mount_point),
      .signal = signal,
      .text = text,
      .room = room,
  };
  text[0] = '\0';
  int result = each_process(visit_user, &search);
  text[search.length] = '\0';
  return result < 0 ? result : search.count;
}

static int visit_opener(void *context, pid_t pid) {
  struct search *search = context;
  if (pid == getpid()) return 0;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *all = opendir(path);
  if (all == NULL) return 0;
  bool found = false;
  for (struct dirent *entry = readdir(all); entry != NULL && !found; entry = readdir(all)) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(dirfd(all), entry->d_name, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = '\0';
    found = strcmp(target, search->mount_point) == 0;
  }
  closedir(all);
  if (found) note_user(search, pid);
  return 0;
}

int kin_of_file(const char *path, char *text, size_t room) {
  struct search search = {.mount_point = path, .text = text, .room = room};
  text[0] = '\0';
  int result = each_process(visit_opener, &search);
  text[search.length] = '\0';
  return result < 0 ? result : search.count;
}
