/*
 * The Delta protocol (src/cluster/PROTOCOLS.md, "Order"; src/cluster/delta.ts, order-log.ts) under an oracle of views.
 *
 * The oracle decides views as the membership protocol may: any quorum of cards that are up, at any time, also the same
 * again. A card takes one over when it likes, or misses it and takes a later one. What has been sent stays sent: it
 * may be received at any later time or never, so losses, delays and resends are all there. Where messages only grow
 * (passes, commits, submits of one epoch) the newest stands for all before it.
 *
 * A view's flush claims are what its cards held when they left their epochs. The holder's log is copied into the
 * view's sync, so that it arrives also after the holder has gone; it comes in pieces. Whoever has to `skip` gets the
 * log's content too, which only stands for its epochs and marks: `base` says what the card does not have.
 *
 * Bounds, by -D: CARDS; VIEWS, the first included, of which FIRST is the set; DATA entries in all; CRASHES; with
 * -DRESTARTS crashed cards come back with nothing. SECOND, THIRD, FOURTH
 * prescribe the sets of these views, to go deep in one place. -DFINISHES
 * lets everything calm down at any time, and then looks whether it comes to its end.
 *
 *   one_order                             no two cards deliver different entries at one place, and what the cards of an
 *                                         epoch know when it begins is the same order
 *   same_view_delivery                    what any card has delivered before a view's entry, each card that follows
 *                                         that view has delivered before it
 *   no_duplicates                         an entry is in the order once
 *   committed_is_never_lost               when an epoch begins, a card of it holds each entry that anybody has delivered
 *   queued_of_failed_initiator_is_not_sent  what enters the order in an epoch comes from a card of its view
 *   all_is_delivered                      when nothing more happens, the cards of the last view have delivered the same,
 *                                         and all of their own entries
 *
 * The first, the second and the fourth compare with everything that was ever delivered, as long as the next quorums
 * share a card with memory with each quorum before (`intact`); after that with what the cards of the epoch have.
 *
 * Each BITE_ breaks a rule, and a property must notice.
 */
#ifndef CARDS
#define CARDS 3
#endif
#ifndef VIEWS
#define VIEWS 3
#endif
#ifndef FIRST
#define FIRST EVERYBODY
#endif
#ifndef DATA
#define DATA 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#define EVERYBODY ((1 << CARDS) - 1)
#define PLACES (VIEWS + DATA + 1)    /* places 1, 2, ... of the order; 0 is none */
#define ROWS (VIEWS + 1)             /* views 1, 2, ... */
#define BIT(card) (1 << (card))
#define HAS(set, card) (((set) >> (card)) & 1)
#define SIZE(set) (HAS(set, 0) + HAS(set, 1) + HAS(set, 2))
#define LOWEST(set) (HAS(set, 0) -> 0 : (HAS(set, 1) -> 1 : 2))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
/* At half the tie-break card, the lowest, must be there. */
#define IS_QUORUM(set) (2 * SIZE(set) > CARDS || (2 * SIZE(set) == CARDS && HAS(set, 0)))

/* Entries: a view is 128 + its number; data is its origin, the origin's incarnation, its id from 1. */
#define VIEW(v) (128 + (v))
#define IS_VIEW(entry) ((entry) >= 128)
#define ENTRY(origin, life, id) ((origin) * 32 + (life) * 8 + (id))
#define ORIGIN(entry) ((entry) / 32)
#define LIFE(entry) (((entry) / 8) & 3)
#define ID(entry) ((entry) & 7)

/* A property is asserted as "its name || kept": the name, 0 unless ONLY another one is asked for, is in the report of a violation. */
hidden byte one_order, same_view_delivery, no_duplicates, committed_is_never_lost, queued_of_failed_initiator_is_not_sent, all_is_delivered;
hidden byte kept;

/* Cards. A card runs in its view's epoch when epoch == view, and flushes for it before. */
bool up[CARDS];
byte incarnation[CARDS];
byte view[CARDS];
byte epoch[CARDS];
byte log[CARDS * PLACES];
byte held[CARDS];
byte delivered[CARDS];
byte base[CARDS];
bool skips[CARDS];        /* takes the sync's place when the epoch begins, and has nothing of what is before it */
bool syncing[CARDS];
byte lastId[CARDS];
byte firstPending[CARDS];

/* What was said about a view, and its coordinator's state. */
byte ether[ROWS];
byte lives[ROWS];         /* the incarnations, two bits for each card */
byte spoke[ROWS];         /* whose flush claims there are */
byte claimEpoch[ROWS * CARDS];
byte claimHeld[ROWS * CARDS];
byte claimDelivered[ROWS * CARDS];
byte claimDeliveredEpoch[ROWS * CARDS];
byte syncLog[ROWS * PLACES];
byte syncHeld[ROWS];
byte syncBase[ROWS];
bool leveled[ROWS];
byte ready[ROWS];
byte whole[ROWS];          /* the cards of the epoch that have all of the order from its beginning */
byte order[ROWS * PLACES];/* what was proposed in the epoch */
byte passed[ROWS * CARDS];/* up to where each card has passed on */
byte committed[ROWS];
byte submitted[ROWS * CARDS];
byte submittedFrom[ROWS * CARDS];
byte accepted[ROWS * CARDS];
byte queue[ROWS * (DATA + 1)];
byte queued[ROWS];

byte views;
byte data;
byte crashes;
bool calm;                /* no more data, views and crashes */
bool ended;

/* For the properties: all that was ever delivered. */
byte golden[PLACES];
byte goldenLast;
bool intact;

hidden byte i;
hidden byte j;
hidden byte k;
hidden byte entry;
hidden byte place;
hidden byte from;
hidden byte other;
hidden byte mark;
hidden byte found;

#define LOG(card, at) log[(card) * PLACES + (at)]
#define SYNC(v, at) syncLog[(v) * PLACES + (at)]
#define ORDER(v, at) order[(v) * PLACES + (at)]
#define OF(array, v, card) array[(v) * CARDS + (card)]
#define QUEUE(v, at) queue[(v) * (DATA + 1) + (at)]
#define LIFE_IN(v, card) ((lives[v] >> (2 * (card))) & 3)
#define LISTS(v, card) (HAS(ether[v], card) && LIFE_IN(v, card) == incarnation[card])
#define RUNS(card, v) (up[card] && view[card] == (v) && epoch[card] == (v))
#define FLUSHES(card, v) (up[card] && view[card] == (v) && epoch[card] != (v))

/* The neighbours on the ring. */
#define NEXT(set, card) (HAS(set, ((card) + 1) % CARDS) -> ((card) + 1) % CARDS : (HAS(set, ((card) + 2) % CARDS) -> ((card) + 2) % CARDS : (card)))
#define PREVIOUS(set, card) (HAS(set, ((card) + CARDS - 1) % CARDS) -> ((card) + CARDS - 1) % CARDS : \
                            (HAS(set, ((card) + 2 * CARDS - 2) % CARDS) -> ((card) + 2 * CARDS - 2) % CARDS : (card)))

/* The epoch of the entry at a place of a card's log, into `found`. */
inline findEpoch(card, at) {
  found = 0;
  for (k : 1 .. at) {
    if
    :: IS_VIEW(LOG(card, k)) -> found = LOG(card, k) - 128
    :: else
    fi
  }
  k = 0
}

/* The last id of an origin's data in a card's log, into `mark`. */
inline findMark(card, origin, upTo) {
  mark = 0;
  for (k : 1 .. upTo) {
    if
    :: !IS_VIEW(LOG(card, k)) && LOG(card, k) > 0 && ORIGIN(LOG(card, k)) == origin && LIFE(LOG(card, k)) == LIFE_IN(view[card], origin) ->
       mark = ID(LOG(card, k))
    :: else
    fi
  }
  k = 0
}

/* Where an epoch ends in the sync of a view, into `place`; 0 when it is no part of it. */
inline findEnd(v, e) {
  place = 0;
  found = 0;
  for (k : 1 .. syncHeld[v]) {
    if
    :: IS_VIEW(SYNC(v, k)) -> found = (SYNC(v, k) == VIEW(e))
    :: else
    fi;
    if
    :: found -> place = k
    :: else
    fi
  }
  k = 0
}

/* Up to where a card that flushes for a view shares the sync's order, into `from`; 255 when it has lost its place. */
inline findShared(v, card) {
  from = 255;
  if
  :: OF(claimEpoch, v, card) == 0 ->
     if
     :: syncHeld[v] == 0 -> from = 0
     :: else
     fi
  :: else ->
#if defined(BITE_CUT)
     /* "to one of its own epoch what follows held; to another what follows delivered" */
     findEnd(v, OF(claimEpoch, v, card));
     if
     :: place == syncHeld[v] && place > 0 -> from = OF(claimHeld, v, card)
     :: else ->
        findEnd(v, OF(claimDeliveredEpoch, v, card));
        if
        :: place >= OF(claimDelivered, v, card) -> from = OF(claimDelivered, v, card)
        :: else
        fi
     fi
#elif defined(BITE_PREFIX)
     /* "when d is below the beginning of the first epoch after e" */
     place = syncHeld[v] + 1;
     for (k : 1 .. syncHeld[v]) {
       if
       :: IS_VIEW(SYNC(v, k)) && SYNC(v, k) > VIEW(OF(claimEpoch, v, card)) && place > k -> place = k
       :: else
       fi
     }
     k = 0;
     if
     :: OF(claimDelivered, v, card) < place -> from = OF(claimDelivered, v, card)
     :: else
     fi
#else
     findEnd(v, OF(claimEpoch, v, card));
     if
     :: place > 0 -> from = MIN(OF(claimHeld, v, card), place)
     :: else ->
        findEnd(v, OF(claimDeliveredEpoch, v, card));
        if
        :: place >= OF(claimDelivered, v, card) && place > 0 -> from = OF(claimDelivered, v, card)
        :: else
        fi
     fi
#endif
  fi;
  if
  :: from != 255 && (from < OF(claimDelivered, v, card) || from < syncBase[v]) -> from = 255
  :: else
  fi;
  place = 0;
  found = 0
}

inline leaveEpoch(card) {
  /* What only its coordinator knows of an epoch. */
  if
  :: epoch[card] > 0 && LOWEST(ether[epoch[card]]) == card && LISTS(epoch[card], card) ->
     for (k : 0 .. CARDS - 1) { OF(accepted, epoch[card], k) = 0 }
#ifdef BITE_QUEUE
     for (k : 0 .. DATA) { QUEUE(0, k) = QUEUE(epoch[card], k) }
     queued[0] = queued[epoch[card]];
#endif
     for (k : 0 .. DATA) { QUEUE(epoch[card], k) = 0 }
     queued[epoch[card]] = 0;
     k = 0
  :: else
  fi;
  skips[card] = false;
  syncing[card] = false
}

/* What nobody can need any more is forgotten, so that states that differ in nothing else are one. */
inline forget() {
  for (i : 1 .. views) {
    kept = true;
    for (j : 0 .. CARDS - 1) {
      if
      :: up[j] && view[j] <= i && LISTS(i, j) -> kept = false
      :: else
      fi
    }
    if
    :: kept ->
       spoke[i] = 0;
       ready[i] = 0;
       leveled[i] = false;
       syncHeld[i] = 0;
       syncBase[i] = 0;
       committed[i] = 0;
       queued[i] = 0;
       for (j : 0 .. PLACES - 1) { SYNC(i, j) = 0; ORDER(i, j) = 0 }
       for (j : 0 .. DATA) { QUEUE(i, j) = 0 }
       for (j : 0 .. CARDS - 1) {
         OF(claimEpoch, i, j) = 0; OF(claimHeld, i, j) = 0; OF(claimDelivered, i, j) = 0; OF(claimDeliveredEpoch, i, j) = 0;
         OF(passed, i, j) = 0; OF(submitted, i, j) = 0; OF(submittedFrom, i, j) = 0; OF(accepted, i, j) = 0
       }
    :: else
    fi
  }
  i = 0;
  j = 0;
  kept = 0
}

inline crash(card) {
  leaveEpoch(card);
  up[card] = false;
  view[card] = 0;
  epoch[card] = 0;
  held[card] = 0;
  delivered[card] = 0;
  base[card] = 0;
  lastId[card] = 0;
  firstPending[card] = 0;
  for (k : 0 .. PLACES - 1) { LOG(card, k) = 0 }
  k = 0;
  forget()
}

inline takeView(card, v) {
  leaveEpoch(card);
  view[card] = v;
  findEpoch(card, held[card]);
  OF(claimEpoch, v, card) = found;
  OF(claimHeld, v, card) = held[card];
  findEpoch(card, delivered[card]);
  OF(claimDelivered, v, card) = delivered[card];
  OF(claimDeliveredEpoch, v, card) = found;
  found = 0;
  spoke[v] = spoke[v] | BIT(card);
  forget()
}

/* Whether a card is the one whose claim is the most, the lowest of equals, into `found`. */
#define MORE(v, a, b) (OF(claimEpoch, v, a) > OF(claimEpoch, v, b) || \
                      (OF(claimEpoch, v, a) == OF(claimEpoch, v, b) && OF(claimHeld, v, a) > OF(claimHeld, v, b)))
#define YIELDS(v, card, to) ((to) != (card) && HAS(ether[v], to) && (MORE(v, to, card) || ((to) < (card) && !MORE(v, card, to))))
#define IS_HOLDER(v, card) (!YIELDS(v, card, 0) && !YIELDS(v, card, 1) && (CARDS < 3 || !YIELDS(v, card, 2)))

inline level(card, v) {
  leveled[v] = true;
  syncHeld[v] = held[card];
  syncBase[v] = base[card];
  for (k : 1 .. PLACES - 1) { SYNC(v, k) = LOG(card, k) }
  k = 0;
  for (other : 0 .. CARDS - 1) {
    if
    :: HAS(ether[v], other) && !MORE(v, card, other) -> ready[v] = ready[v] | BIT(other)
    :: else
    fi
  }
  other = 0
}

/* One piece of the sync: the next entry, or the skip. */
inline takeSync(card, v) {
  if
  :: !syncing[card] -> findShared(v, card)
  :: else -> from = held[card]
  fi;
  if
  :: from == 255 ->
#ifdef BITE_SKIP
     takeSkip(card, v);
#else
     skips[card] = true;
#endif
     ready[v] = ready[v] | BIT(card)
  :: else ->
     syncing[card] = true;
     for (k : from + 1 .. PLACES - 1) { LOG(card, k) = 0 }
     k = 0;
     held[card] = from;
     if
     :: from < syncHeld[v] ->
        held[card]++;
        LOG(card, held[card]) = SYNC(v, held[card])
     :: else
     fi;
     if
     :: held[card] == syncHeld[v] -> ready[v] = ready[v] | BIT(card)
     :: else
     fi
  fi;
  from = 0
}

inline takeSkip(card, v) {
  for (k : 1 .. PLACES - 1) { LOG(card, k) = SYNC(v, k) }
  k = 0;
  held[card] = syncHeld[v];
  delivered[card] = syncHeld[v];
  base[card] = syncHeld[v]
}

inline enterEpoch(card, v) {
  if
  :: skips[card] -> takeSkip(card, v)
  :: else
  fi;
  skips[card] = false;
  syncing[card] = false;
  epoch[card] = v;
  findMark(card, card, held[card]);
  if
  :: base[card] > 0 && base[card] == held[card] && firstPending[card] <= mark -> firstPending[card] = mark + 1
  :: else
  fi;
  mark = 0
}

/* Whether the later of two epochs has a card that remembers all of the earlier one, into `found`. */
inline findWitness(earlier, later) {
  found = false;
  for (j : 0 .. CARDS - 1) {
    if
    :: HAS(whole[earlier], j) && HAS(ether[later], j) && LIFE_IN(earlier, j) == LIFE_IN(later, j) -> found = true
    :: else
    fi
  }
  j = 0
}

#define STILL_FLUSHES(card, v) (card >= CARDS || !HAS(ether[v], card) || FLUSHES(card, v))

inline checkBeginning(v) {
  for (j : 0 .. CARDS - 1) {
    if
    :: HAS(ether[v], j) && FLUSHES(j, v) && !skips[j] && base[j] == 0 -> whole[v] = whole[v] | BIT(j)
    :: else
    fi
  }
  j = 0;
  /* Quorums without a common card that remembers: from here on only the cards of an epoch can be compared. */
  for (i : 1 .. views) {
    if
    :: i != v && whole[i] > 0 ->
       if
       :: i < v -> findWitness(i, v)
       :: else -> findWitness(v, i)
       fi;
       if
       :: !found -> intact = false
       :: else
       fi
    :: else
    fi
  }
  if
  :: !intact ->
     goldenLast = 0;
     for (k : 0 .. PLACES - 1) { golden[k] = 0 }
  :: else
  fi;
  /* What was delivered in earlier epochs is in the order that goes on, and somebody has it. */
  for (i : 1 .. goldenLast) {
    if
    :: IS_VIEW(golden[i]) -> entry = golden[i]
    :: else
    fi;
    found = (golden[i] == 0 || entry >= VIEW(v) || SYNC(v, i) == golden[i]);
    assert(committed_is_never_lost || found);
    if
    :: golden[i] > 0 && entry < VIEW(v) && STILL_FLUSHES(0, v) && STILL_FLUSHES(1, v) && STILL_FLUSHES(2, v) ->
       found = false;
       for (j : 0 .. CARDS - 1) {
         found = found || (HAS(ether[v], j) && !skips[j] && base[j] < i && LOG(j, i) == golden[i])
       }
       assert(committed_is_never_lost || found)
    :: else
    fi
  }
  for (i : 0 .. CARDS - 1) {
    for (j : 0 .. CARDS - 1) {
      if
      :: FLUSHES(i, v) && FLUSHES(j, v) && HAS(ether[v], i) && HAS(ether[v], j) && !skips[i] && !skips[j] ->
         kept = (held[i] == held[j]);
         for (k : 1 .. held[i]) {
           kept = kept && (k <= base[i] || k <= base[j] || LOG(i, k) == LOG(j, k))
         }
         assert(one_order || kept)
      :: else
      fi
    }
  }
  if
  :: whole[v] == 0 ->
     intact = false;
     goldenLast = 0;
     for (k : 0 .. PLACES - 1) { golden[k] = 0 }
  :: else
  fi;
  i = 0;
  j = 0;
  k = 0;
  entry = 0;
  found = 0
}

inline append(card, v, what) {
  if
  :: !IS_VIEW(what) ->
     kept = true;
     for (k : 1 .. held[card]) { kept = kept && LOG(card, k) != what }
     k = 0;
     assert(no_duplicates || kept);
     kept = HAS(ether[v], ORIGIN(what)) && LIFE_IN(v, ORIGIN(what)) == LIFE(what);
     assert(queued_of_failed_initiator_is_not_sent || kept)
  :: else
  fi;
  held[card]++;
  LOG(card, held[card]) = what;
  ORDER(v, held[card]) = what
}

/* One pass is around, or there is nobody else. */
inline commitRoundTrip(v) {
  if
  :: ether[v] == BIT(LOWEST(ether[v])) -> committed[v] = held[LOWEST(ether[v])]
  :: else
  fi
}

inline beginEpoch(card, v) {
  checkBeginning(v);
  enterEpoch(card, v);
  append(card, v, VIEW(v));
  OF(passed, v, card) = held[card];
  for (i : 0 .. CARDS - 1) {
    if
    :: HAS(ether[v], i) ->
#ifdef BITE_MARKS
       findMark(card, i, delivered[card]);
#else
       findMark(card, i, held[card]);
#endif
       OF(accepted, v, i) = mark
    :: else
    fi
  }
#ifdef BITE_QUEUE
  for (i : 0 .. DATA) { QUEUE(v, i) = QUEUE(0, i); QUEUE(0, i) = 0 }
  queued[v] = queued[0];
  queued[0] = 0;
#endif
  i = 0;
  mark = 0;
  commitRoundTrip(v)
}

/* The coordinator takes the initiator's next entry; with a hole in its ids, the first that the initiator still has. */
#ifdef BITE_GAP
#define NEXT_ID(v, origin) (OF(accepted, v, origin) + 1)
#else
#define NEXT_ID(v, origin) (OF(accepted, v, origin) + 1 < OF(submittedFrom, v, origin) -> OF(submittedFrom, v, origin) : OF(accepted, v, origin) + 1)
#endif
inline accept(v, origin) {
  OF(accepted, v, origin) = NEXT_ID(v, origin);
  QUEUE(v, queued[v]) = ENTRY(origin, LIFE_IN(v, origin), OF(accepted, v, origin));
  queued[v]++
}

inline proposeNext(card, v, count) {
  for (i : 1 .. count) {
    append(card, v, QUEUE(v, 0));
#if DATA > 0
    for (k : 1 .. DATA) { QUEUE(v, k - 1) = QUEUE(v, k) }
#endif
    QUEUE(v, DATA) = 0;
    queued[v]--
  }
  i = 0;
  k = 0;
  OF(passed, v, card) = held[card];
  commitRoundTrip(v)
}

inline takePass(card, v) {
  if
  :: epoch[card] != v -> enterEpoch(card, v)
  :: else
  fi;
  for (k : held[card] + 1 .. OF(passed, v, from)) { LOG(card, k) = ORDER(v, k) }
  k = 0;
  held[card] = OF(passed, v, from);
  OF(passed, v, card) = held[card];
  from = 0
}

inline deliver(card) {
  delivered[card]++;
  entry = LOG(card, delivered[card]);
  place = delivered[card];
  if
  :: IS_VIEW(entry) && intact ->
     /* Everything older that anybody has delivered is before the view. */
     found = 0;
     kept = true;
     for (k : 1 .. goldenLast) {
       if
       :: IS_VIEW(golden[k]) -> found = golden[k]
       :: else
       fi;
       kept = kept && (golden[k] == 0 || found >= entry || (k < place && LOG(card, k) == golden[k]))
     }
     k = 0;
     found = 0;
     assert(same_view_delivery || kept)
  :: else
  fi;
  if
  :: intact ->
     kept = (golden[place] == 0 || golden[place] == entry);
     assert(one_order || kept);
     golden[place] = entry;
     goldenLast = (goldenLast < place -> place : goldenLast)
  :: else
  fi;
  if
  :: !IS_VIEW(entry) && ORIGIN(entry) == card && LIFE(entry) == incarnation[card] -> firstPending[card] = ID(entry) + 1
  :: else
  fi;
  entry = 0;
  place = 0
}

#define BACK_AT(v, card) (OF(passed, v, PREVIOUS(ether[v], card)) == held[card])
#ifdef BITE_RING
#undef BACK_AT
#define BACK_AT(v, card) 1
#endif
#ifdef BITE_HELD
#define MAY_DELIVER(card) (delivered[card] < held[card])
#else
#define MAY_DELIVER(card) (delivered[card] < held[card] && delivered[card] < committed[epoch[card]])
#endif
/* A card that has said what it holds takes nothing more of the old epoch. */
#ifdef BITE_LEAVE
#define TAKES_PART(card, v) (up[card] && epoch[card] == v && !syncing[card])
#else
#define TAKES_PART(card, v) RUNS(card, v)
#endif
#define EXPECTS_FIRST(card, v) (FLUSHES(card, v) && HAS(ready[v], card))
#define HOLDS_UP_TO(card, v) (skips[card] -> syncHeld[v] : held[card])

#ifdef BITE_RESEND
#define MAY_SUBMIT(v) (v == 1)
#else
#define MAY_SUBMIT(v) 1
#endif

#define IN_VIEW(v) \
  :: d_step { v <= views && up[me] && view[me] < v && LISTS(v, me) -> takeView(me, v) } \
  :: d_step { \
       v <= views && FLUSHES(me, v) && !leveled[v] && (spoke[v] & ether[v]) == ether[v] && IS_HOLDER(v, me) -> level(me, v) \
     } \
  :: d_step { v <= views && FLUSHES(me, v) && leveled[v] && !HAS(ready[v], me) -> takeSync(me, v) } \
  :: d_step { \
       v <= views && FLUSHES(me, v) && LOWEST(ether[v]) == me && leveled[v] && (ready[v] & ether[v]) == ether[v] -> beginEpoch(me, v) \
     } \
  :: d_step { \
       v <= views && RUNS(me, v) && LOWEST(ether[v]) == me && committed[v] == held[me] && queued[v] > 0 -> proposeNext(me, v, 1) \
     } \
  :: d_step { \
       v <= views && RUNS(me, v) && LOWEST(ether[v]) == me && committed[v] == held[me] && queued[v] > 1 -> proposeNext(me, v, queued[v]) \
     } \
  :: d_step { \
       v <= views && LISTS(v, me) && LOWEST(ether[v]) != me && (TAKES_PART(me, v) || EXPECTS_FIRST(me, v)) && \
       OF(passed, v, PREVIOUS(ether[v], me)) > HOLDS_UP_TO(me, v) -> from = PREVIOUS(ether[v], me); \
       takePass(me, v) \
     } \
  :: d_step { \
       v <= views && TAKES_PART(me, v) && LOWEST(ether[v]) == me && committed[v] < held[me] && BACK_AT(v, me) -> committed[v] = held[me] \
     } \
  :: d_step { \
       v <= views && RUNS(me, v) && MAY_SUBMIT(v) && firstPending[me] <= lastId[me] && OF(submitted, v, me) < lastId[me] -> \
       OF(submitted, v, me) = lastId[me]; \
       OF(submittedFrom, v, me) = firstPending[me] \
     }
#define ACCEPT(v, origin) \
  :: d_step { \
       v <= views && RUNS(me, v) && LOWEST(ether[v]) == me && HAS(ether[v], origin) && \
       NEXT_ID(v, origin) >= OF(submittedFrom, v, origin) && NEXT_ID(v, origin) <= OF(submitted, v, origin) -> \
       accept(v, origin) \
     }

proctype card(byte me) {
end:
  do
  IN_VIEW(1)
  ACCEPT(1, 0)
  ACCEPT(1, 1)
#if CARDS > 2
  ACCEPT(1, 2)
#endif
#if VIEWS > 1
  IN_VIEW(2)
  ACCEPT(2, 0)
  ACCEPT(2, 1)
#if CARDS > 2
  ACCEPT(2, 2)
#endif
#endif
#if VIEWS > 2
  IN_VIEW(3)
  ACCEPT(3, 0)
  ACCEPT(3, 1)
#if CARDS > 2
  ACCEPT(3, 2)
#endif
#endif
#if VIEWS > 3
  IN_VIEW(4)
  ACCEPT(4, 0)
  ACCEPT(4, 1)
#if CARDS > 2
  ACCEPT(4, 2)
#endif
#endif
  :: d_step { up[me] && TAKES_PART(me, epoch[me]) && MAY_DELIVER(me) -> deliver(me) }
  :: d_step { !calm && up[me] && data < DATA -> data++; lastId[me]++; firstPending[me] = (firstPending[me] == 0 -> 1 : firstPending[me]) }
  :: d_step { !calm && up[me] && crashes < CRASHES -> crashes++; crash(me) }
#ifdef RESTARTS
  :: d_step { !calm && !up[me] -> up[me] = true; incarnation[me]++ }
#endif
  od
}

/* Nothing more can happen: when all cards of the last view live and nobody was lost on the way, all is delivered. */
inline checkEnd() {
  kept = true;
  for (i : 0 .. CARDS - 1) {
    if
    :: HAS(ether[views], i) && !LISTS(views, i) -> kept = false
    :: else
    fi;
    if
    :: HAS(ether[views], i) && !up[i] -> kept = false
    :: else
    fi
  }
  if
  :: kept ->
     for (i : 0 .. CARDS - 1) {
       if
       :: HAS(ether[views], i) ->
          kept = RUNS(i, views) && delivered[i] == held[LOWEST(ether[views])] && firstPending[i] == (lastId[i] > 0 -> lastId[i] + 1 : firstPending[i]);
          assert(all_is_delivered || kept)
       :: else
       fi
     }
  :: else
  fi;
  i = 0;
  kept = 0
}

#define IS_UP_OR_OUT(set, card) (!HAS(set, card) || up[card])
#ifndef SECOND
#define SECOND 0
#endif
#ifndef THIRD
#define THIRD 0
#endif
#ifndef FOURTH
#define FOURTH 0
#endif
#define PRESCRIBED (views == 1 -> SECOND : (views == 2 -> THIRD : FOURTH))
#define MAY_DECIDE(set) (PRESCRIBED == 0 || PRESCRIBED == set)
#define DECIDE(set) \
  :: d_step { \
       !calm && MAY_DECIDE(set) && set <= EVERYBODY && views < VIEWS && IS_QUORUM(set) && IS_UP_OR_OUT(set, 0) && IS_UP_OR_OUT(set, 1) && (CARDS < 3 || IS_UP_OR_OUT(set, 2)) -> \
       views++; \
       ether[views] = set; \
       lives[views] = incarnation[0] | (incarnation[1] << 2) | (incarnation[CARDS - 1] << (2 * (CARDS - 1))) \
     }

proctype oracle() {
end:
  do
  DECIDE(1)
  DECIDE(2)
  DECIDE(3)
#if CARDS > 2
  DECIDE(4)
  DECIDE(5)
  DECIDE(6)
  DECIDE(7)
#endif
#ifdef FINISHES
  :: d_step { !calm -> calm = true }
  :: d_step { timeout && calm && !ended -> ended = true; checkEnd() }
#endif
  od
}

init {
#ifdef ONLY
  d_step {
    one_order = 1;
    same_view_delivery = 1;
    no_duplicates = 1;
    committed_is_never_lost = 1;
    queued_of_failed_initiator_is_not_sent = 1;
    all_is_delivered = 1;
    ONLY = 0
  }
#endif
  d_step {
    ether[1] = FIRST;
    views = 1;
    ready[1] = FIRST;
    whole[1] = FIRST;
    leveled[1] = true;
    ORDER(1, 1) = VIEW(1);
    committed[1] = 1;
    golden[1] = VIEW(1);
    goldenLast = 1;
    intact = true;
    for (i : 0 .. CARDS - 1) {
      up[i] = true;
      if
      :: HAS(FIRST, i) ->
         view[i] = 1;
         epoch[i] = 1;
         LOG(i, 1) = VIEW(1);
         held[i] = 1;
         delivered[i] = 1;
         OF(passed, 1, i) = 1
      :: else
      fi
    }
    i = 0
  }
  atomic {
    byte next = 0;
    do
    :: next < CARDS -> run card(next); next++
    :: else -> break
    od;
    next = 0;
    run oracle()
  }
}
