#define _GNU_SOURCE
#include "door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../mailbox/mailbox.h"
#include "../worker/worker.h"

#define BACKLOG 128
#define ACCEPTS_AT_ONCE 32
/* A listener that cannot take connections is tried again after this. */
#define DEAF_MS 100
#define ADDRESS_BYTES INET6_ADDRSTRLEN
/* What all connections may have told besides what was read of them: of each a report of each kind. */
#define REPORTS_BYTES ((size_t)DOOR_CONNECTIONS_MAX * 256)
#define CHUNKS 16
#define MAILBOX_BYTES (REPORTS_BYTES + CHUNKS * (DOOR_CHUNK_BYTES + 16))

/* Of the first packet to a peer that does not answer: some seven seconds. */
#define CONNECT_ATTEMPTS 2

struct answer {
  struct answer *next;
  enum door_then then;
  size_t length, sent;
  uint8_t bytes[];
};

struct connection {
  uint32_t number;
  int fd;
  bool reads, released, ending;
  int64_t end_at_ms;
  struct answer *first, **last;
  size_t waiting_bytes;
};

struct listener {
  uint32_t number;
  int fd;
  int64_t deaf_until_ms;
  bool deaf_told;
  char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

struct door {
  /* Of all that follows, but the thread's own. */
  pthread_mutex_t lock;
  uint32_t connections_max, next_number;
  struct connection *connections[DOOR_CONNECTIONS_MAX];
  uint32_t connection_count;
  struct listener listeners[DOOR_LISTENERS_MAX];
  uint32_t listener_count;
  /* The thread reads nothing until the mailbox was emptied. */
  bool stalled;
  struct mailbox box;
  struct worker worker;
  /* The thread's own. */
  struct pollfd polled[1 + DOOR_LISTENERS_MAX + DOOR_CONNECTIONS_MAX];
};

static int64_t now_ms(void) {
  return now_us() / 1000;
}

static void report(struct door *door, uint32_t connection, enum door_kind kind, int32_t value, const void *bytes, size_t length) {
  uint32_t words[3] = {connection, kind, (uint32_t)value};
  mailbox_push(&door->box, words, sizeof words, bytes, length);
}

static void free_connection(struct connection *connection) {
  for (struct answer *answer = connection->first, *next; answer != NULL; answer = next) {
    next = answer->next;
    free(answer);
  }
  free(connection);
}

static void remove_connection(struct door *door, uint32_t index) {
  free_connection(door->connections[index]);
  door->connections[index] = door->connections[--door->connection_count];
}

static struct connection *add_connection(struct door *door, int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return NULL;
  connection->number = door->next_number++;
  /* As results of door_pair() they are positive. */
  if (door->next_number > INT32_MAX) door->next_number = 1;
  connection->fd = fd;
  connection->last = &connection->first;
  door->connections[door->connection_count++] = connection;
  return connection;
}

static struct connection *connection_of(struct door *door, uint32_t number, uint32_t *at) {
  for (uint32_t index = 0; index < door->connection_count; index++) {
    if (door->connections[index]->number != number) continue;
    if (at != NULL) *at = index;
    return door->connections[index];
  }
  return NULL;
}

/* ---- the thread ---- */

/* Closes it and says why. */
static void end_connection(struct door *door, uint32_t index, int error) {
  struct connection *connection = door->connections[index];
  close(connection->fd);
  if (!connection->ending) report(door, connection->number, DOOR_GONE, error, NULL, 0);
  remove_connection(door, index);
}

/* What an answer was to be followed by. False when the connection is gone. */
static bool follow(struct door *door, uint32_t index, enum door_then then) {
  struct connection *connection = door->connections[index];
  switch (then) {
    case DOOR_NOTHING:
      break;
    case DOOR_MORE:
      connection->reads = true;
      break;
    case DOOR_RELEASE:
      connection->released = true;
      connection->reads = false;
      report(door, connection->number, DOOR_RELEASED, 0, NULL, 0);
      break;
    case DOOR_END:
      connection->ending = true;
      connection->reads = false;
      /* The host is to read what was sent, which a close with unread bytes of its own would take from it. */
      if (shutdown(connection->fd, SHUT_WR) < 0) {
        end_connection(door, index, 0);
        return false;
      }
      connection->end_at_ms = now_ms() + DOOR_LINGER_MS;
      break;
  }
  return true;
}

/* False when the connection is gone. */
static bool send_answers(struct door *door, uint32_t index) {
  struct connection *connection = door->connections[index];
  while (connection->first != NULL && !connection->released) {
    struct answer *answer = connection->first;
    while (answer->sent < answer->length) {
      ssize_t sent = send(connection->fd, answer->bytes + answer->sent, answer->length - answer->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) return true;
      if (sent < 0) {
        end_connection(door, index, -errno);
        return false;
      }
      answer->sent += (size_t)sent;
      connection->waiting_bytes -= (size_t)sent;
    }
    connection->first = answer->next;
    if (connection->first == NULL) connection->last = &connection->first;
    enum door_then then = answer->then;
    if (answer->length > 0) report(door, connection->number, DOOR_SENT, (int32_t)answer->length, NULL, 0);
    free(answer);
    if (!follow(door, index, then)) return false;
  }
  return true;
}

/* Reads once. False when the connection is gone. */
static bool read_connection(struct door *door, uint32_t index) {
  struct connection *connection = door->connections[index];
  uint8_t bytes[DOOR_CHUNK_BYTES];
  if (!mailbox_has_room(&door->box, REPORTS_BYTES + DOOR_CHUNK_BYTES)) {
    door->stalled = true;
    return true;
  }
  ssize_t got = recv(connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {
    end_connection(door, index, got == 0 ? 0 : -errno);
    return false;
  }
  /* Of one that is to end nobody wants to know anything. */
  if (connection->ending) return true;
  connection->reads = false;
  report(door, connection->number, DOOR_BYTES, 0, bytes, (size_t)got);
  return true;
}

/* A peer that vanishes without a word is noticed within some half a minute, also while it owes us an acknowledgment. */
static void set_options(int fd) {
  const struct {
    int level, name, value;
  } options[] = {
      {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},  {IPPROTO_TCP, TCP_KEEPIDLE, 10},
      {IPPROTO_TCP, TCP_KEEPINTVL, 5},  {IPPROTO_TCP, TCP_KEEPCNT, 4},  {IPPROTO_TCP, TCP_USER_TIMEOUT, 30000},
  };
  for (size_t index = 0; index < sizeof options / sizeof options[0]; index++) {
    setsockopt(fd, options[index].level, options[index].name, &options[index].value, sizeof options[index].value);
  }
}

static void address_text(const struct sockaddr_storage *peer, char text[ADDRESS_BYTES]) {
  text[0] = '\0';
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)peer;
  if (peer->ss_family == AF_INET) {
    inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, text, ADDRESS_BYTES);
  } else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
    inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, text, ADDRESS_BYTES);
  } else if (peer->ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &six->sin6_addr, text, ADDRESS_BYTES);
  }
}

static void go_deaf(struct door *door, struct listener *listener) {
  listener->deaf_until_ms = now_ms() + DEAF_MS;
  if (!listener->deaf_told) report(door, 0, DOOR_DEAF, (int32_t)listener->number, NULL, 0);
  listener->deaf_told = true;
}

static void accept_all(struct door *door, struct listener *listener) {
  for (int count = 0; count < ACCEPTS_AT_ONCE; count++) {
    if (door->connection_count >= door->connections_max) {
      go_deaf(door, listener);
      return;
    }
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof peer;
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) go_deaf(door, listener);
      return;
    }
    if (peer.ss_family != AF_UNIX) set_options(fd);
    const struct connection *connection = add_connection(door, fd);
    if (connection == NULL) {
      close(fd);
      return;
    }
    char text[ADDRESS_BYTES];
    address_text(&peer, text);
    listener->deaf_told = false;
    report(door, connection->number, DOOR_ACCEPTED, (int32_t)listener->number, text, strlen(text));
  }
}

/* What the thread waits for; returns until when, in milliseconds, -1 for ever. */
static int fill_polled(struct door *door, nfds_t *count) {
  nfds_t at = 0;
  int64_t now = now_ms(), until = INT64_MAX;
  door->polled[at++] = (struct pollfd){.fd = door->worker.event, .events = POLLIN};
  for (uint32_t index = 0; index < door->listener_count; index++) {
    const struct listener *listener = &door->listeners[index];
    bool deaf = listener->deaf_until_ms > now;
    if (deaf && listener->deaf_until_ms < until) until = listener->deaf_until_ms;
    door->polled[at++] = (struct pollfd){.fd = deaf ? -1 : listener->fd, .events = POLLIN};
  }
  for (uint32_t index = 0; index < door->connection_count; index++) {
    const struct connection *connection = door->connections[index];
    short events = (short)(((connection->reads || connection->ending) && !door->stalled ? POLLIN : 0) | (connection->first != NULL ? POLLOUT : 0));
    if (connection->ending && connection->end_at_ms < until) until = connection->end_at_ms;
    /* Of one that is neither read nor written nothing is wanted, not even that it is broken. */
    door->polled[at++] = (struct pollfd){.fd = connection->released || events == 0 ? -1 : connection->fd, .events = events};
  }
  *count = at;
  if (until == INT64_MAX) return -1;
  return until <= now ? 0 : (int)(until - now);
}

/* The list may have changed since it was polled, so each is looked at by its descriptor, and moves nothing that waits. */
static void serve(struct door *door, uint32_t listeners, uint32_t connections) {
  const struct pollfd *polled = door->polled + 1;
  for (uint32_t index = 0; index < listeners && index < door->listener_count; index++) {
    if (polled[index].revents != 0 && polled[index].fd == door->listeners[index].fd) accept_all(door, &door->listeners[index]);
  }
  polled += listeners;
  int64_t now = now_ms();
  /* Backwards, since the last one takes the place of one that goes. */
  for (uint32_t index = connections; index-- > 0;) {
    if (index >= door->connection_count) continue;
    const struct connection *connection = door->connections[index];
    if (connection->ending && connection->end_at_ms <= now) {
      end_connection(door, index, 0);
      continue;
    }
    if (polled[index].revents == 0 || polled[index].fd != connection->fd || connection->released) continue;
    if (connection->first != NULL && !send_answers(door, index)) continue;
    connection = door->connections[index];
    if (connection->reads || connection->ending) read_connection(door, index);
  }
}

static void *run(void *argument) {
  struct door *door = argument;
  for (;;) {
    nfds_t count;
    pthread_mutex_lock(&door->lock);
    uint32_t listeners = door->listener_count, connections = door->connection_count;
    int timeout_ms = fill_polled(door, &count);
    pthread_mutex_unlock(&door->lock);
    if (poll(door->polled, count, timeout_ms) < 0) continue;
    if ((door->polled[0].revents & POLLIN) != 0 && !worker_poked(&door->worker)) return NULL;
    pthread_mutex_lock(&door->lock);
    serve(door, listeners, connections);
    pthread_mutex_unlock(&door->lock);
    mailbox_signal(&door->box);
  }
}

/* ---- the program ---- */

int door_open(struct door **out, uint32_t connections_max, void (*wake)(void *context), void *context) {
  struct door *door = calloc(1, sizeof *door);
  if (door == NULL) return -ENOMEM;
  pthread_mutex_init(&door->lock, NULL);
  door->connections_max = connections_max < DOOR_CONNECTIONS_MAX ? connections_max : DOOR_CONNECTIONS_MAX;
  door->next_number = 1;
  int result = mailbox_init(&door->box, MAILBOX_BYTES, UINT32_MAX, wake, context);
  if (result == 0) result = worker_start(&door->worker, "cardinal-door", run, door);
  if (result < 0) {
    mailbox_free(&door->box);
    pthread_mutex_destroy(&door->lock);
    free(door);
    return result;
  }
  *out = door;
  return 0;
}

static int bind_and_listen(int fd, const struct sockaddr *address, socklen_t length) {
  if (bind(fd, address, length) < 0) return -errno;
  /* Whoever may open it may read and write devices. */
  if (address->sa_family == AF_UNIX && chmod(((const struct sockaddr_un *)address)->sun_path, S_IRUSR | S_IWUSR) < 0) return -errno;
  return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

union address {
  struct sockaddr any;
  struct sockaddr_in four;
  struct sockaddr_in6 six;
};

/* Its length, or -EINVAL. */
static int parse_address(const char *host, uint32_t port, union address *address) {
  memset(address, 0, sizeof *address);
  if (port > UINT16_MAX) return -EINVAL;
  if (inet_pton(AF_INET, host, &address->four.sin_addr) == 1) {
    address->four.sin_family = AF_INET;
    address->four.sin_port = htons((uint16_t)port);
    return sizeof address->four;
  }
  if (inet_pton(AF_INET6, host, &address->six.sin6_addr) != 1) return -EINVAL;
  address->six.sin6_family = AF_INET6;
  address->six.sin6_port = htons((uint16_t)port);
  return sizeof address->six;
}

static int listen_tcp(const char *host, uint32_t port, int *out) {
  union address address;
  int parsed = parse_address(host, port, &address);
  if (parsed < 0) return parsed;
  socklen_t length = (socklen_t)parsed;
  int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  /* An address that moves between cards is listened on before it has come. */
  bool is_four = address.any.sa_family == AF_INET;
  setsockopt(fd, is_four ? IPPROTO_IP : IPPROTO_IPV6, is_four ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof on);
  int result = bind_and_listen(fd, &address.any, length);
  if (result == 0 && getsockname(fd, &address.any, &length) < 0) result = -errno;
  if (result < 0) {
    close(fd);
    return result;
  }
  *out = fd;
  return ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
}

/* A socket in the file system that nobody listens on any more. */
static bool is_left_over(const struct sockaddr_un *address) {
  struct stat status;
  if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}

static int listen_unix(const char *path, int *out) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = bind_and_listen(fd, (struct sockaddr *)&address, sizeof address);
  if (result == -EADDRINUSE && is_left_over(&address)) {
    unlink(path);
    result = bind_and_listen(fd, (struct sockaddr *)&address, sizeof address);
  }
  if (result < 0) close(fd);
  else *out = fd;
  return result;
}

int door_listen(struct door *door, uint32_t number, const char *host, uint32_t port, const char *path) {
  bool is_path = host[0] == '\0';
  int fd = -1;
  int result = is_path ? listen_unix(path, &fd) : listen_tcp(host, port, &fd);
  if (result < 0) return result;
  pthread_mutex_lock(&door->lock);
  if (door->listener_count < DOOR_LISTENERS_MAX) {
    struct listener *listener = &door->listeners[door->listener_count++];
    *listener = (struct listener){.number = number, .fd = fd};
    if (is_path) strcpy(listener->path, path);
  } else {
    result = -EMFILE;
  }
  pthread_mutex_unlock(&door->lock);
  if (result < 0) {
    close(fd);
    if (is_path) unlink(path);
  }
  worker_poke(&door->worker);
  return result;
}

static void close_listener(const struct listener *listener) {
  close(listener->fd);
  if (listener->path[0] != '\0') unlink(listener->path);
}

void door_unlisten(struct door *door, uint32_t number) {
  pthread_mutex_lock(&door->lock);
  for (uint32_t index = door->listener_count; index-- > 0;) {
    if (door->listeners[index].number != number) continue;
    close_listener(&door->listeners[index]);
    door->listeners[index] = door->listeners[--door->listener_count];
  }
  pthread_mutex_unlock(&door->lock);
  worker_poke(&door->worker);
}

int door_answer(struct door *door, uint32_t number, const uint8_t *bytes, size_t length, enum door_then then) {
  struct answer *answer = malloc(sizeof *answer + length);
  if (answer == NULL) return -ENOMEM;
  *answer = (struct answer){.then = then, .length = length};
  if (length > 0) memcpy(answer->bytes, bytes, length);
  pthread_mutex_lock(&door->lock);
  uint32_t index;
  struct connection *connection = connection_of(door, number, &index);
  int result = 0;
  if (connection == NULL || connection->released || connection->ending) result = -ENOENT;
  else if (connection->waiting_bytes + length > DOOR_WAITING_BYTES_MAX) result = -EAGAIN;
  if (result == 0) {
    connection->waiting_bytes += length;
    *connection->last = answer;
    connection->last = &answer->next;
    /* Usually there is room for it, and the thread only has to learn of what follows. */
    send_answers(door, index);
  }
  pthread_mutex_unlock(&door->lock);
  if (result < 0) free(answer);
  mailbox_signal(&door->box);
  worker_poke(&door->worker);
  return result;
}

/* A ring that is given a descriptor which does not block says so instead of waiting. */
static void set_blocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

int door_claim(struct door *door, uint32_t number) {
  pthread_mutex_lock(&door->lock);
  uint32_t index = 0;
  const struct connection *connection = connection_of(door, number, &index);
  int fd = connection != NULL && connection->released ? connection->fd : -ENOENT;
  if (fd >= 0) {
    remove_connection(door, index);
    set_blocking(fd);
  }
  pthread_mutex_unlock(&door->lock);
  return fd;
}

int door_pair(struct door *door, int *descriptor) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) return -errno;
  pthread_mutex_lock(&door->lock);
  const struct connection *connection = door->connection_count < DOOR_CONNECTIONS_MAX ? add_connection(door, ends[0]) : NULL;
  int result = connection == NULL ? -EMFILE : (int)connection->number;
  pthread_mutex_unlock(&door->lock);
  if (result < 0) {
    close(ends[0]);
    close(ends[1]);
    return result;
  }
  set_blocking(ends[1]);
  *descriptor = ends[1];
  return result;
}

int door_connect(struct door *door, const char *host, uint32_t port) {
  union address address;
  int length = parse_address(host, port, &address);
  int fd = length < 0 ? length : socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return length < 0 ? length : -errno;
  int attempts = CONNECT_ATTEMPTS;
  setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &attempts, sizeof attempts);
  set_options(fd);
  int result = connect(fd, &address.any, (socklen_t)length) < 0 && errno != EINPROGRESS ? -errno : 0;
  if (result == 0) {
    pthread_mutex_lock(&door->lock);
    const struct connection *connection = door->connection_count < DOOR_CONNECTIONS_MAX ? add_connection(door, fd) : NULL;
    result = connection == NULL ? -EMFILE : (int)connection->number;
    pthread_mutex_unlock(&door->lock);
  }
  if (result < 0) close(fd);
  return result;
}

size_t door_take(struct door *door, uint8_t *into, size_t room) {
  size_t taken = mailbox_take(&door->box, into, room, MAILBOX_WANT_ALWAYS);
  pthread_mutex_lock(&door->lock);
  bool stalled = door->stalled;
  door->stalled = false;
  pthread_mutex_unlock(&door->lock);
  if (stalled) worker_poke(&door->worker);
  return taken;
}

void door_close(struct door *door) {
  worker_stop(&door->worker);
  for (uint32_t index = 0; index < door->listener_count; index++) close_listener(&door->listeners[index]);
  while (door->connection_count > 0) {
    close(door->connections[0]->fd);
    remove_connection(door, 0);
  }
  mailbox_free(&door->box);
  pthread_mutex_destroy(&door->lock);
  free(door);
}
