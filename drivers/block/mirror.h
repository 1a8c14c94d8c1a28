/*
 * A device of several legs: the one of this card and, over connections, those of backups. It keeps them alike, and where it cannot it keeps
 * note of what differs; MIRROR.md has the rules. It decides nothing that would need to know more than its own connections.
 *
 *              attach()                      attach() or set_state()
 *   ABSENT ──────────────────> SYNCHRONIZING ─────────────────────> IN SYNC
 *     ^  ^                           │ lost                            │ lost
 *     │  └──────────────────────────┘                                 v
 *     └───────────────────────── proceed() ──────────────── IN SYNC, lost: acknowledgments are frozen
 */
#ifndef CARDINAL_BLOCK_MIRROR_H
#define CARDINAL_BLOCK_MIRROR_H

#include "leg.h"
#include "ranges.h"
#include "remote.h"

enum mirror_protocol { MIRROR_SYNCHRONOUS, MIRROR_MEMORY, MIRROR_ASYNCHRONOUS };
enum mirror_peer_state { MIRROR_ABSENT, MIRROR_SYNCHRONIZING, MIRROR_IN_SYNC };

struct mirror;
struct resync;

struct mirror_options {
  uint32_t protocol;
  uint64_t behind_bytes_max;   /* asynchronous: what may be under way without a peer's acknowledgment */
  uint32_t timeout_us;
  /* Resynchronization: bytes in a second, at most (0: no bound) and, while hosts are busy, at least; and what is to be under way. */
  uint64_t resync_most, resync_least;
  uint32_t resync_fill;
};

struct mirror_listener {
  void (*lost)(struct mirror *mirror, unsigned peer, int reason, bool is_frozen);
  void (*progress)(struct mirror *mirror, unsigned peer, const struct resync *resync);
  void (*resync_ended)(struct mirror *mirror, unsigned peer, const struct resync *resync, int error);
  void (*differs)(struct mirror *mirror, unsigned peer, uint64_t offset, uint64_t length);
};

struct mirror_counters {
  uint64_t writes, write_bytes, flushes, reads, local_errors, peer_errors;
  uint64_t frozen, congested, bypassed_copies;
};

struct mirror_peer {
  struct mirror *mirror;
  enum mirror_peer_state state;
  struct remote *remote;
  uint32_t their_bitmap;
  uint64_t session;            /* counts connections */
  bool is_lost, is_leaving;
  struct resync *resync;
  struct remote_call goodbye;
};

struct mirror {
  struct block_target target;
  struct leg *leg;
  uint64_t term;
  struct mirror_options options;
  struct mirror_listener listener;
  void *owner;
  struct mirror_peer peers[LEG_PEERS_MAX];
  bool is_abandoned;
  uint32_t lost;               /* in sync, lost, and not proceeded without: a bit each */
  struct ranges ranges;
  struct mirror_job *jobs;     /* under way */
  struct mirror_job *free_jobs;
  struct mirror_job *congested, **congested_last;
  uint64_t behind_bytes;       /* acknowledged, and not yet on all legs */
  uint64_t host_bytes;         /* of reads and writes, for resynchronization to see how busy hosts are */
  struct mirror_counters counters;
  struct reactor_task close_task;
  void (*closed)(void *context);
  void *closed_context;
};

/* NULL when there is no memory. The leg stays its owner's and must outlive it. */
struct mirror *mirror_make(struct leg *leg, uint64_t term, const struct mirror_options *options, const struct mirror_listener *listener);
/* Takes the descriptor over, in any case. -EINVAL (no such bitmap in use), -EBUSY (it is attached, or lost), -ENOMEM. */
int mirror_attach(struct mirror *mirror, unsigned peer, int fd, uint32_t their_bitmap, enum mirror_peer_state state);
/* ABSENT ends the connection, as a loss that is not reported. -ENOTCONN when there is none for another state. */
int mirror_set_state(struct mirror *mirror, unsigned peer, enum mirror_peer_state state);
/* Goes on without those peers that are lost. */
void mirror_proceed(struct mirror *mirror, uint32_t peers);
/* What waits for a peer that is lost, now or later, fails: nobody will say any more how to go on. */
void mirror_abandon(struct mirror *mirror);
/* The mirror that a target is, or NULL. */
struct mirror *mirror_of(struct block_target *target);
void mirror_set_options(struct mirror *mirror, const struct mirror_options *options);
void mirror_set_term(struct mirror *mirror, uint64_t term);

#endif
