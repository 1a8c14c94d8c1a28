/*
 * The exchange of group data (src/cluster/PROTOCOLS.md, "Exchange of group data"; src/cluster/exchange.ts, group.ts) over
 * one order of entries, as the Delta protocol gives it.
 *
 * Each card processes the order at its own pace, and speaks when it has processed what makes it speak. What was said
 * and is not in the order yet comes into it in any sequence, some of it twice, or, at the next view, not at all: Delta drops the
 * control entries of an epoch that were not ordered in it. A card fails at any point; later or never a view entry leaves it out. Views
 * also come without a failure. A view entry says who was `whole` when it was made: by then a card may hold entries
 * that will make it whole, and has not processed them.
 *
 * Bounds, by -D: CARDS, of which SHARED have the state at first; the others are one subgroup, but the cards of LATE come with a
 * later view. VIEWS with the first; CRASHES; TWICE entries that come twice; WINDOW entries that the slowest card is behind the order at most.
 *
 *   same_group_data_everywhere           who finishes a request does so with the same data, state and live cards
 *   exactly_one_per_subgroup             a finished exchange has the data of each subgroup with a live member
 *   never_sent_twice_once_received       nobody sends the data of a subgroup that he has received
 *   processed_only_after_a_clean_round   the data is processed when all live cards have acknowledged since the last view entry
 *   finishes                             when nothing is on its way any more, all cards of the view share the same state
 *
 * Each BITE_ breaks a rule, and a property must notice.
 */
#ifndef CARDS
#define CARDS 3
#endif
#ifndef SHARED
#define SHARED 3
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef VIEWS
#define VIEWS 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef WINDOW
#define WINDOW 3
#endif
#ifndef TWICE
#define TWICE 0
#endif

#define EVERYBODY ((1 << CARDS) - 1)
#define ROWS (VIEWS + 1)
#define PLACES (WINDOW + 1)
#define BIT(card) (1 << (card))
#define HAS(set, card) (((set) >> (card)) & 1)
#define LOWEST(set) (HAS(set, 0) -> 0 : (HAS(set, 1) -> 1 : (HAS(set, 2) -> 2 : (HAS(set, 3) -> 3 : 4))))

/* Entries: kind, view in which it was said, who said it. */
#define VIEW 0
#define REQUEST 1
#define DATA 2
#define ACKNOWLEDGMENT 3
#define ENTRY(kind, v, card) ((kind) * 64 + (v) * 8 + (card))
#define KIND(entry) ((entry) / 64)
#define SAID_IN(entry) (((entry) / 8) & 7)
#define SENDER(entry) ((entry) & 7)

/* A property is asserted as "its name || kept": the name, 0 unless ONLY another one is asked for, is in the report of a violation. */
hidden byte same_group_data_everywhere, exactly_one_per_subgroup, never_sent_twice_once_received, processed_only_after_a_clean_round, finishes;
hidden byte kept;
hidden byte i;
hidden byte j;
hidden byte entry;
hidden byte own;
hidden byte sender;
hidden byte goesOn;

/* The order, and what is on its way into it: for each card the views in which it said so. */
byte order[PLACES];
byte last;
byte setOf[ROWS];
byte wholeOf[ROWS];
byte firstOf[ROWS];        /* a request's first subgroup, by the view that it names */
byte stateOf[ROWS];        /* what the first subgroup's data says, by the view in which it was sent */
byte sharersOf[ROWS];
byte requests[CARDS];
byte data[CARDS];
byte acknowledgments[CARDS];

/* Cards. */
bool up[CARDS];
byte at[CARDS];
byte view[CARDS];
byte state[CARDS];         /* 0 for a void card; what made the state otherwise */
byte sharers[CARDS];
byte request[CARDS];       /* the view that the request under way names, 0 for none */
bool requested[CARDS];     /* this view has had its request */
byte live[CARDS];
byte received[CARDS * 4];  /* by subgroup: who sent it and in which view, as an entry */
byte acknowledged[CARDS];

byte views;
byte crashes;
byte twice;

/* For the properties: who has acknowledged since the last view entry, and the first finish of each request. */
byte clean[CARDS];
byte finishedLive[ROWS];
byte finishedState[ROWS];
byte finishedData[ROWS * 4];

#define RECEIVED(card, subgroup) received[(card) * 4 + (subgroup)]
#define FIRST_OF(card) firstOf[request[card]]
/* 0 is the first subgroup; the others by where they came from. */
#define SUBGROUP(card, of) (HAS(FIRST_OF(card), of) -> 0 : (HAS(LATE, of) -> 3 : (HAS(SHARED, of) -> 1 : 2)))
#define IS_WITH(card, of, subgroup) (of < CARDS && HAS(live[card], of) && SUBGROUP(card, of) == subgroup)
#define LEADER(card, subgroup) (IS_WITH(card, 0, subgroup) -> 0 : (IS_WITH(card, 1, subgroup) -> 1 : (IS_WITH(card, 2, subgroup) -> 2 : 3)))

#define SAY_DATA(card) \
  kept = (RECEIVED(card, own) == 0); \
  assert(never_sent_twice_once_received || kept); \
  data[card] = data[card] | BIT(view[card]); \
  if \
  :: own == 0 -> stateOf[view[card]] = state[card]; sharersOf[view[card]] = sharers[card] \
  :: else \
  fi

/* What a card owes at the beginning of a round. */
inline speak(card) {
  own = SUBGROUP(card, card);
#ifdef BITE_ACKNOWLEDGMENT
  acknowledgments[card] = acknowledgments[card] | BIT(view[card]);
#endif
  if
  :: RECEIVED(card, own) > 0 ->
     acknowledgments[card] = acknowledgments[card] | BIT(view[card]);
#ifdef BITE_INDICATOR
     if
     :: LEADER(card, own) == card -> SAY_DATA(card)
     :: else
     fi
#endif
  :: RECEIVED(card, own) == 0 && LEADER(card, own) == card -> SAY_DATA(card)
  :: else
  fi;
  own = 0
}

inline abandon(card) {
  request[card] = 0;
  live[card] = 0;
  acknowledged[card] = 0;
  for (j : 0 .. 3) { RECEIVED(card, j) = 0 }
  j = 0
}

inline onView(card) {
  view[card] = SAID_IN(entry);
  clean[card] = 0;
  requested[card] = false;
  goesOn = (request[card] > 0 && (setOf[view[card]] & ~live[card]) == 0 && (RECEIVED(card, 0) > 0 || \
    ((FIRST_OF(card) & setOf[view[card]]) > 0 && (FIRST_OF(card) & setOf[view[card]] & ~wholeOf[view[card]]) == 0)));
  if
  :: !goesOn -> abandon(card)
  :: else
  fi;
  if
  :: !goesOn && wholeOf[view[card]] == 0 ->
     state[card] = 128 + view[card];
     sharers[card] = setOf[view[card]]
  :: else ->
     sharers[card] = sharers[card] & setOf[view[card]] & wholeOf[view[card]]
  fi;
  if
  :: goesOn ->
#ifdef BITE_SAME_VIEW
     if
     :: live[card] != setOf[view[card]] ->
#endif
#ifndef BITE_ROUND
     acknowledged[card] = 0;
#endif
#ifdef BITE_LEADER
     own = SUBGROUP(card, card);
     if
     :: RECEIVED(card, own) > 0 -> speak(card)
     :: else
     fi;
     own = 0;
     live[card] = setOf[view[card]]
#else
     live[card] = setOf[view[card]];
     speak(card)
#endif
#ifdef BITE_SAME_VIEW
     :: else
     fi
#endif
  :: !goesOn && sharers[card] != setOf[view[card]] && state[card] > 0 && LOWEST(setOf[view[card]] & wholeOf[view[card]]) == card ->
     requests[card] = requests[card] | BIT(view[card]);
     firstOf[view[card]] = (sharers[card] > 0 -> sharers[card] : (setOf[view[card]] & wholeOf[view[card]]))
  :: else
  fi;
  goesOn = 0
}

inline onRequest(card) {
  if
#ifdef BITE_STALE
  :: request[card] == 0 ->
     live[card] = setOf[SAID_IN(entry)];
#else
  :: SAID_IN(entry) == view[card] && !requested[card] ->
     live[card] = setOf[view[card]];
#endif
     requested[card] = true;
     request[card] = SAID_IN(entry);
     speak(card)
  :: else
  fi
}

/* The state as it was when it was sent, and what has come since. */
inline onData(card) {
  sender = SENDER(entry);
  if
  :: request[card] > 0 && SAID_IN(entry) >= request[card] && HAS(live[card], sender) && RECEIVED(card, SUBGROUP(card, sender)) == 0 ->
     RECEIVED(card, SUBGROUP(card, sender)) = entry;
     if
     :: SUBGROUP(card, sender) == 0 && state[card] == 0 ->
        state[card] = stateOf[SAID_IN(entry)];
        sharers[card] = sharersOf[SAID_IN(entry)];
        for (j : 1 .. views) {
          if
          :: j > SAID_IN(entry) && j <= view[card] -> sharers[card] = sharers[card] & setOf[j] & wholeOf[j]
          :: else
          fi
        }
        j = 0
     :: else
     fi;
     if
     :: SUBGROUP(card, card) == SUBGROUP(card, sender) && HAS(live[card], card) -> speak(card)
     :: else
     fi
  :: else
  fi;
  sender = 0
}

#ifdef BITE_UNORDERED
/* The failure is taken from elsewhere, not from its place in the order. */
#define IS_MISSING(card, of) (of < CARDS && HAS(live[card], of) && up[of] && !HAS(acknowledged[card], of))
#else
#define IS_MISSING(card, of) (of < CARDS && HAS(live[card], of) && !HAS(acknowledged[card], of))
#endif
#define MISSES(card) (IS_MISSING(card, 0) || IS_MISSING(card, 1) || IS_MISSING(card, 2) || IS_MISSING(card, 3))

inline finish(card) {
  kept = ((live[card] & ~clean[card]) == 0);
  assert(processed_only_after_a_clean_round || kept);
  for (j : 0 .. CARDS - 1) {
    kept = (!HAS(live[card], j) || RECEIVED(card, SUBGROUP(card, j)) > 0);
    assert(exactly_one_per_subgroup || kept)
  }
  if
  :: finishedState[request[card]] == 0 ->
     finishedLive[request[card]] = live[card];
     finishedState[request[card]] = state[card];
     for (j : 0 .. 3) { finishedData[request[card] * 4 + j] = RECEIVED(card, j) }
  :: else ->
     kept = (finishedLive[request[card]] == live[card] && finishedState[request[card]] == state[card]);
     for (j : 0 .. 3) { kept = kept && finishedData[request[card] * 4 + j] == RECEIVED(card, j) }
     assert(same_group_data_everywhere || kept)
  fi;
  sharers[card] = live[card];
  abandon(card)
}

inline onAcknowledgment(card) {
  if
  :: SAID_IN(entry) == view[card] -> clean[card] = clean[card] | BIT(SENDER(entry))
  :: else
  fi;
#ifdef BITE_ROUND
  if
  :: request[card] > 0 && SAID_IN(entry) >= request[card] -> acknowledged[card] = acknowledged[card] | BIT(SENDER(entry))
#else
  if
  :: request[card] > 0 && SAID_IN(entry) == view[card] -> acknowledged[card] = acknowledged[card] | BIT(SENDER(entry))
#endif
  :: else
  fi;
  if
  :: request[card] > 0 && !MISSES(card) -> finish(card)
  :: else
  fi
}

/* What all have processed is forgotten. */
#define HAS_PROCESSED(card) (card >= CARDS || !up[card] || !HAS(setOf[views], card) || at[card] > 0)
inline forget() {
  do
  :: last > 0 && HAS_PROCESSED(0) && HAS_PROCESSED(1) && HAS_PROCESSED(2) && HAS_PROCESSED(3) ->
     for (j : 1 .. last) { order[j - 1] = order[j] }
     order[last] = 0;
     order[0] = 0;
     last--;
     for (j : 0 .. CARDS - 1) {
       if
       :: at[j] > 0 -> at[j]--
       :: else
       fi
     }
  :: else -> break
  od;
  j = 0
}

/* Nothing is in the order or on its way into it: with all cards of the view alive, all is done. */
#define SAYS_NOTHING(card) (card >= CARDS || (requests[card] == 0 && data[card] == 0 && acknowledgments[card] == 0))
#define IS_QUIET (last == 0 && SAYS_NOTHING(0) && SAYS_NOTHING(1) && SAYS_NOTHING(2) && SAYS_NOTHING(3))
inline checkEnd() {
  kept = IS_QUIET;
  for (i : 0 .. CARDS - 1) { kept = kept && (!HAS(setOf[views], i) || up[i]) }
  if
  :: kept ->
     j = LOWEST(setOf[views]);
     for (i : 0 .. CARDS - 1) {
       kept = (!HAS(setOf[views], i) || (state[i] > 0 && state[i] == state[j] && sharers[i] == setOf[views] && request[i] == 0));
       assert(finishes || kept)
     }
  :: else
  fi;
  i = 0;
  j = 0
}

inline process(card) {
  at[card]++;
  entry = order[at[card]];
  if
  :: KIND(entry) == VIEW -> onView(card)
  :: KIND(entry) == REQUEST -> onRequest(card)
  :: KIND(entry) == DATA -> onData(card)
  :: else -> onAcknowledgment(card)
  fi;
  entry = 0;
  forget();
  checkEnd()
}

inline crash(card) {
  up[card] = false;
  at[card] = 0;
  view[card] = 0;
  state[card] = 0;
  sharers[card] = 0;
  clean[card] = 0;
  requested[card] = false;
  abandon(card);
  forget()
}

#define COME(said, kind, v) \
  :: d_step { \
       v <= views && last < WINDOW && HAS(said[me], v) -> \
       last++; \
       order[last] = ENTRY(kind, v, me); \
       said[me] = said[me] & ~BIT(v) \
     } \
  :: d_step { \
       v <= views && last < WINDOW && HAS(said[me], v) && twice < TWICE -> \
       twice++; \
       last++; \
       order[last] = ENTRY(kind, v, me) \
     }
#define COME_ALL(v) COME(requests, REQUEST, v) COME(data, DATA, v) COME(acknowledgments, ACKNOWLEDGMENT, v)

proctype card(byte me) {
end:
  do
  :: d_step { up[me] && at[me] < last && (view[me] > 0 || HAS(setOf[SAID_IN(order[at[me] + 1])], me)) -> process(me) }
  :: d_step { up[me] && crashes < CRASHES -> crashes++; crash(me) }
  COME_ALL(1)
#if VIEWS > 1
  COME_ALL(2)
#endif
#if VIEWS > 2
  COME_ALL(3)
#endif
#if VIEWS > 3
  COME_ALL(4)
#endif
  od
}

#define STAYS(set, card) (card >= CARDS || !HAS(setOf[views], card) || HAS(set, card) || !up[card])
#define COMES(set, card) (card >= CARDS || HAS(setOf[views], card) || !HAS(set, card) || (HAS(LATE, card) && up[card] && at[card] == 0 && view[card] == 0))
#define IS_WHOLE(set, card) (card < CARDS && HAS(set, card) && up[card] && state[card] > 0)
#define WHOLE(set) (IS_WHOLE(set, 0) | (IS_WHOLE(set, 1) << 1) | (IS_WHOLE(set, 2) << 2) | (IS_WHOLE(set, 3) << 3))
/* A view may leave out cards that have failed, take in those that come late, or change nothing here. */
#define DECIDE(set) \
  :: d_step { \
       views < VIEWS && last < WINDOW && set <= EVERYBODY && STAYS(set, 0) && STAYS(set, 1) && STAYS(set, 2) && STAYS(set, 3) && \
       COMES(set, 0) && COMES(set, 1) && COMES(set, 2) && COMES(set, 3) -> \
       views++; \
       setOf[views] = set; \
       wholeOf[views] = WHOLE(set); \
       last++; \
       order[last] = ENTRY(VIEW, views, 0); \
       for (i : 0 .. CARDS - 1) { \
         requests[i] = 0; data[i] = 0; acknowledgments[i] = 0; \
         if \
         :: HAS(set, i) && !HAS(setOf[views - 1], i) -> at[i] = last - 1 \
         :: else \
         fi \
       } \
       i = 0; \
       forget() \
     }

proctype oracle() {
end:
  do
  DECIDE(1)
  DECIDE(2)
  DECIDE(3)
  DECIDE(4)
  DECIDE(5)
  DECIDE(6)
  DECIDE(7)
#if CARDS > 3
  DECIDE(8)
  DECIDE(9)
  DECIDE(10)
  DECIDE(11)
  DECIDE(12)
  DECIDE(13)
  DECIDE(14)
  DECIDE(15)
#endif
  od
}

init {
#ifdef ONLY
  d_step {
    same_group_data_everywhere = 1;
    exactly_one_per_subgroup = 1;
    never_sent_twice_once_received = 1;
    processed_only_after_a_clean_round = 1;
    finishes = 1;
    ONLY = 0
  }
#endif
  d_step {
    views = 1;
    setOf[1] = EVERYBODY & ~LATE;
    wholeOf[1] = SHARED;
    last = 1;
    order[1] = ENTRY(VIEW, 1, 0);
    for (i : 0 .. CARDS - 1) {
      up[i] = true;
      if
      :: HAS(SHARED, i) -> state[i] = 1; sharers[i] = SHARED
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
