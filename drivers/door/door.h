/*
 * Where hosts come in: listens on TCP and Unix sockets, and carries the first bytes of each connection to the program and back, until
 * the program takes the connection away, to be served by somebody else, or ends it. One thread for all.
 *
 *   door_open()     starts the thread
 *   door_listen()   listens from now on, under a number
 *   door_answer()   bytes for a connection, and what is to be done once they are sent
 *   door_claim()    the descriptor of a connection that was released; the caller's from now on
 *   door_pair()     a pair of sockets, one end of which becomes a connection: what comes through TLS goes in there
 *   door_connect()  calls somebody: a connection that is there when something is sent or heard
 *   door_take()     reports (see mailbox.h)
 *   door_close()    closes everything and ends the thread
 *
 * A connection is read only when it was asked for (DOOR_MORE): at most DOOR_CHUNK_BYTES, and then not again before the next asking.
 * So what a host sends is bounded, and nothing of it is lost when the connection is released.
 *
 * A record is three words of 32 bits - connection, kind, value - and bytes:
 *
 *   DOOR_ACCEPTED  value is the listener; the bytes are the peer's address, as text, empty for a Unix socket
 *   DOOR_BYTES     what was read
 *   DOOR_SENT      an answer is sent; value is its length
 *   DOOR_RELEASED  to be claimed
 *   DOOR_GONE      the peer has closed it (0) or it failed (-errno); closed, unless it was released
 *   DOOR_DEAF      connection 0: the listener `value` takes no more connections, of which there are too many, or descriptors too few;
 *                  told once, until it takes some again
 */
#ifndef CARDINAL_DOOR_H
#define CARDINAL_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOOR_CHUNK_BYTES 16384u
#define DOOR_LISTENERS_MAX 64
#define DOOR_CONNECTIONS_MAX 1024
/* Of a connection, that wait to be sent. */
#define DOOR_WAITING_BYTES_MAX (1024u * 1024u)
/* A connection that is to end has so long to take what is sent to it. */
#define DOOR_LINGER_MS 2000

enum door_kind { DOOR_ACCEPTED = 1, DOOR_BYTES = 2, DOOR_SENT = 3, DOOR_RELEASED = 4, DOOR_GONE = 5, DOOR_DEAF = 6 };
enum door_then { DOOR_NOTHING = 0, DOOR_MORE = 1, DOOR_END = 2, DOOR_RELEASE = 3 };

struct door;

/* At most `connections_max` at a time, claimed ones not counted. */
int door_open(struct door **door, uint32_t connections_max, void (*wake)(void *context), void *context);
/*
 * An address and a port, where 0 has one chosen; or, with an empty host, the path of a Unix socket, which replaces one that nobody
 * listens on. Returns the port, 0 for a path, or -errno.
 */
int door_listen(struct door *door, uint32_t listener, const char *host, uint32_t port, const char *path);
/* Fine when there is none. Its connections stay. */
void door_unlisten(struct door *door, uint32_t listener);
/* -EAGAIN when too much waits; -ENOENT when there is no such connection, which may have gone just now. */
int door_answer(struct door *door, uint32_t connection, const uint8_t *bytes, size_t length, enum door_then then);
/* -ENOENT when it was not released. */
int door_claim(struct door *door, uint32_t connection);
/* The number of the connection, or -errno. `descriptor` is the other end, the caller's. */
int door_pair(struct door *door, int *descriptor);
/*
 * The number of a connection to an address and a port, or -errno. It is there when the first bytes are sent to it or heard from it;
 * or it is gone. Until then it must not be released.
 */
int door_connect(struct door *door, const char *host, uint32_t port);
size_t door_take(struct door *door, uint8_t *into, size_t room);
void door_close(struct door *door);

#endif
