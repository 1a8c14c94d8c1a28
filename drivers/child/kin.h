/*
 * The processes that belong together: by a cgroup, or by what /proc says of them. Each function sends a signal to all of
 * them, or none with signal 0, and returns how many there are that have not ended, or -errno.
 */
#ifndef CARDINAL_KIN_H
#define CARDINAL_KIN_H

#include <sys/types.h>

/* Those of the cgroup; 0 when there is no such. */
int kin_of_cgroup(const char *cgroup, int signal);

/* The session and the descendants of `leader`, and those that have `mark` ("NAME=value") in their environment. */
int kin_of_leader(pid_t leader, const char *mark, int signal);

/*
 * Those that use a mount: by a descriptor of it (its id of /proc/self/mountinfo), or by a directory, a root, a program or a
 * mapped file at or below `mount_point`. Not this process, nor process 1. `text` gets a line "pid name" for each, as many as fit.
 */
int kin_of_mount(unsigned mount, const char *mount_point, int signal, char *text, size_t room);

/* Those that have the file at `path`, without symbolic links in it, open; otherwise as kin_of_mount(). */
int kin_of_file(const char *path, char *text, size_t room);

#endif
