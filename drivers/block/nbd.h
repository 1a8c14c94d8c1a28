/*
 * The transmission phase of NBD, which is how a host reads and writes a device. The handshake is over when a connection comes
 * here: src/storage/nbd-handshake.ts.
 *
 *   host ──requests──► received ──► pieces of at most 1 MiB ──► the device's gate ──► ... ──► replies ──one send a turn──► host
 *                         ▲                                                                     │
 *                         └──────── stops while commands, bytes or the gate are full ◄──────────┘
 *
 * A session is one connection. It takes as many requests from one receive as are in it, has up to NBD_COMMANDS_MAX of them under
 * way in any order, and sends what is finished at the end of the reactor's turn. The payload of a write goes into the aligned
 * buffer that the disk gets; only what shares a receive with a request's head is copied. What a host has asked for and not
 * taken is bounded by NBD_SESSION_BYTES_MAX.
 *
 * Follows "The NBD protocol" (doc/proto.md of the reference implementation), section "Transmission". Requests must be whole
 * blocks of the device, which the handshake tells; others are refused (EINVAL). A read of more than one piece comes in several
 * chunks, or, for a host without structured replies, as one stream; when a later piece of such a stream fails, nothing is left
 * but to end the session.
 *
 * Orders, for a device:
 *
 *   NBD_SERVE   { u32 session, u32 descriptor, u32 options }   the descriptor is the session's when it is answered without error
 *   NBD_DROP    { u32 session }                                 answered when the session has ended
 *   NBD_COUNT   { }                                             answered with struct nbd_counted for each session
 *
 * Reports: NBD_ENDED of a session, the value 0 or -errno, the bytes struct nbd_counts.
 */
#ifndef CARDINAL_NBD_H
#define CARDINAL_NBD_H

#include "engine.h"

enum nbd_order { NBD_SERVE, NBD_DROP, NBD_COUNT, NBD_ORDERS };
enum nbd_report { NBD_ENDED };

enum nbd_option {
  NBD_OPTION_STRUCTURED = 1, /* the host takes structured replies */
  NBD_OPTION_READ_ONLY = 2,
  NBD_OPTION_FAST_ZERO = 4, /* zeroes are fast, always */
};
#define NBD_OPTIONS 7u

#define NBD_SESSIONS_MAX 256 /* of a device */
#define NBD_COMMANDS_MAX 128
/* Data of a session in the pool's buffers: received and not written, or read and not sent. */
#ifndef NBD_SESSION_BYTES_MAX
#define NBD_SESSION_BYTES_MAX (16u * 1024u * 1024u)
#endif
/* Of READ and WRITE, in one request; nbdRequestBytesMax tells the hosts. */
#define NBD_REQUEST_MAX (32u * 1024u * 1024u)
/* A host that takes nothing of what is sent for so long is given up, and so is one that is to end. */
#define NBD_STALLED_US 60000000
#define NBD_LEAVE_US 1000000

struct nbd_counts {
  uint64_t requests, refused, read_bytes, written_bytes;
};

struct nbd_counted {
  uint32_t session, under_way;
  struct nbd_counts counts;
};

extern const struct engine_table nbd_table;

#endif
