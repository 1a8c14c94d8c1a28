/*
 * The far end of a connection: carries out what another card's mirror or forwarder asks, through the gate, whose term the requests
 * must have. Of a mirror's backup the leg keeps what was written hot until the primary says that it is settled.
 */
#ifndef CARDINAL_BLOCK_PEER_H
#define CARDINAL_BLOCK_PEER_H

#include "gate.h"
#include "leg.h"
#include "stream.h"

/* A primary asks when it is quiet; one that says nothing for so long is gone. */
#define PEER_SILENCE_US 10000000

struct peer;

struct peer_options {
  struct block_gate *gate;
  /* Of a mirror's backup; NULL for forwarding. */
  struct leg *leg;
  /* Nothing of the session is under way any more; it may be freed. */
  void (*ended)(struct peer *peer, int reason);
  void *owner;
};

/* Takes the descriptor over, in any case. NULL when there is no memory. */
struct peer *peer_start(struct reactor *reactor, int fd, const struct peer_options *options);
void peer_end(struct peer *peer, int reason);
void *peer_owner(const struct peer *peer);
void peer_free(struct peer *peer);

#endif
