/*
 * The membership protocol (src/cluster/PROTOCOLS.md, "Membership") over a network that does its worst.
 *
 * What a card has said stays said: anybody may receive it now, later, often or never. So messages are lost, repeated,
 * delayed and reordered, and links between two cards break and heal in every pattern, because whether a card hears
 * another is chosen afresh at each step. For the same reason no card is ever obliged to notice anything: a view that
 * it has taken over holds for it until it promises another. Which set of cards a coordinator would propose is free
 * too: any set of which it is the lowest card, so every tick matrix is included.
 *
 * A number is written down before it is promised; that is `reserved` with a block of one, larger blocks only leave
 * numbers out. Members that are not the tie-break card take its word at exactly half; it knows itself whether it was
 * in a view before.
 *
 * Bounds, by -D: CARDS, PROPOSALS (a view that all begin with counts as one, unless -DCOLD), RESTARTS of all cards.
 *
 *   equal_number_equal_members   two views that were decided with the same number have the same incarnations
 *   number_only_grows            the views that a card takes over have rising numbers, over all its incarnations
 *   two_quorums_share_a_card     no two views are in force at once: all members alive, on that view, having promised no other
 *   promised_once                a card promises a number to one proposal only, in all its incarnations together
 *
 * Each BITE_ breaks a rule, and a property must notice.
 */
#ifndef CARDS
#define CARDS 3
#endif
#ifndef PROPOSALS
#define PROPOSALS 4
#endif
#ifndef RESTARTS
#define RESTARTS 2
#endif
#ifndef TIE
#define TIE 0
#endif

#define EVERYBODY ((1 << CARDS) - 1)
#define BIT(card) (1 << (card))
#define HAS(set, card) (((set) >> (card)) & 1)
#define SIZE(set) (HAS(set, 0) + HAS(set, 1) + HAS(set, 2) + HAS(set, 3))
#define LOWEST(set) (HAS(set, 0) -> 0 : (HAS(set, 1) -> 1 : (HAS(set, 2) -> 2 : 3)))

/* A property is asserted as "its name || kept": the name, 0 unless ONLY another one is asked for, is in the report of a violation. */
hidden byte equal_number_equal_members, number_only_grows, two_quorums_share_a_card, promised_once;
hidden byte kept;

/* Cards. */
bool up[CARDS];
byte incarnation[CARDS];
byte promised[CARDS];     /* on disk */
byte view[CARDS];         /* the proposal taken over last, counted from 1; 0 for a card that has just started */
byte receipt[CARDS * 4];  /* held by card a for card b: the incarnation that has ended + 1, 0 for none */
byte taken[CARDS];        /* for number_only_grows: the highest number taken over by any incarnation */

/* Proposals, in the order in which they were made, and what was said about them. */
byte number[PROPOSALS];
byte members[PROPOSALS];
byte listed[PROPOSALS];   /* the incarnations of the members, two bits each */
byte promises[PROPOSALS];
bool decided[PROPOSALS];

byte proposals;
byte restarts;
#ifdef WITNESS
byte lease;               /* who holds it, counted from 1 */
bool leased[PROPOSALS];   /* the lease decided at exactly half, so the view is in force while it is held */
#endif

#define LISTED(p, card) ((listed[p] >> (2 * (card))) & 3)
#define RECEIPT(card, of) receipt[(card) * 4 + (of)]
#define IS_ONE_OF(p, card) (HAS(members[p], card) && LISTED(p, card) == incarnation[card])

/* Rule 3. */
#define IS_PROVEN(card, set, of) (of >= CARDS || HAS(set, of) || RECEIPT(card, of) > 0)
#define ARE_REST_PROVEN(card, set) (IS_PROVEN(card, set, 0) && IS_PROVEN(card, set, 1) && IS_PROVEN(card, set, 2) && IS_PROVEN(card, set, 3))
#ifdef BITE_UNION
#define BY_RECEIPTS(card, set) ( \
    (HAS(set, 0) && ARE_REST_PROVEN(0, set)) || (HAS(set, 1) && ARE_REST_PROVEN(1, set)) || \
    (HAS(set, 2) && ARE_REST_PROVEN(2, set)) || (CARDS > 3 && HAS(set, 3) && ARE_REST_PROVEN(3, set)))
#else
#define BY_RECEIPTS(card, set) ARE_REST_PROVEN(card, set)
#endif
#ifdef BITE_FRESH
#define MAY_BREAK_TIE(card) 1
#else
#define MAY_BREAK_TIE(card) (view[card] > 0)
#endif
#if defined(BITE_HALF)
#define AT_HALF(card, set) 1
#elif defined(WITNESS) && defined(BITE_WITNESS_OR_RECEIPTS)
#define AT_HALF(card, set) (LOWEST(set) != card || lease == card + 1 || BY_RECEIPTS(card, set))
#elif defined(WITNESS)
#define AT_HALF(card, set) (LOWEST(set) != card || lease == card + 1)
#else
#define AT_HALF(card, set) ((HAS(set, TIE) && (card != TIE || MAY_BREAK_TIE(card))) || BY_RECEIPTS(card, set))
#endif
#ifdef BITE_QUORUM
#define IS_QUORUM(card, set) (2 * SIZE(set) >= CARDS - 1)
#else
#define IS_QUORUM(card, set) (2 * SIZE(set) > CARDS || (2 * SIZE(set) == CARDS && AT_HALF(card, set)))
#endif

/* Rule 7: the proposer is part of the number, so no two cards ever choose the same one. */
#ifdef BITE_NUMBER
#define NUMBER(round, card) (round)
#else
#define NUMBER(round, card) ((round) * CARDS + (card))
#endif
#ifdef BITE_NUMBER
#define ROUND(n) (n)
#else
#define ROUND(n) ((n) / CARDS)
#endif

#define IS_SAME(p, q) (members[p] == members[q] && listed[p] == listed[q])

#ifdef WITNESS
#define IS_LEASED(p) (!leased[p] || lease == LOWEST(members[p]) + 1)
#else
#define IS_LEASED(p) 1
#endif
#define HOLDS_FOR(p, card) (card >= CARDS || !HAS(members[p], card) || \
    (up[card] && LISTED(p, card) == incarnation[card] && view[card] == p + 1 && promised[card] == number[p]))
#define IN_FORCE(p) (decided[p] && IS_LEASED(p) && HOLDS_FOR(p, 0) && HOLDS_FOR(p, 1) && HOLDS_FOR(p, 2) && HOLDS_FOR(p, 3))

/* Whether a member confirms the rest: whose end is proven is out, whose later incarnation is heard has no receipt. */
#define CONFIRMS(card, p, of) (of >= CARDS || !HAS(members[p], of) || RECEIPT(card, of) != LISTED(p, of) + 1)
#define CONFIRMS_ALL(card, p) (CONFIRMS(card, p, 0) && CONFIRMS(card, p, 1) && CONFIRMS(card, p, 2) && CONFIRMS(card, p, 3))

inline hear(card, set) {
#ifdef BITE_STALE_RECEIPT
  skip
#else
  for (other : 0 .. CARDS - 1) {
    if
    :: HAS(set, other) -> RECEIPT(card, other) = 0
    :: else
    fi
  }
  other = 0
#endif
}

inline promise(card, p) {
  for (other : 0 .. proposals - 1) {
    kept = other == p || number[other] != number[p] || !HAS(promises[other], card);
    assert(promised_once || kept)
  }
  other = 0;
  promised[card] = number[p];
  promises[p] = promises[p] | BIT(card);
  hear(card, members[p])
}

inline takeOver(card, p) {
  kept = number[p] > taken[card];
  assert(number_only_grows || kept);
  taken[card] = number[p];
  view[card] = p + 1;
  for (other : 0 .. proposals - 1) {
    kept = other == p || !IN_FORCE(other) || !IN_FORCE(p);
    assert(two_quorums_share_a_card || kept)
  }
  other = 0
}

inline propose(card, round, set) {
  number[proposals] = NUMBER(round, card);
  members[proposals] = set;
  for (other : 0 .. CARDS - 1) {
    if
    :: HAS(set, other) -> listed[proposals] = listed[proposals] | (incarnation[other] << (2 * other))
    :: else
    fi
  }
#ifdef WITNESS
  leased[proposals] = (2 * SIZE(set) == CARDS && lease == card + 1);
#endif
  other = proposals;
  proposals++;
  hear(card, set);
  promise(card, proposals - 1)
}

#define IS_ALIVE(set, card) (card >= CARDS || !HAS(set, card) || up[card])
#define ARE_ALIVE(set) (IS_ALIVE(set, 0) && IS_ALIVE(set, 1) && IS_ALIVE(set, 2) && IS_ALIVE(set, 3))

/* A proposal that lists an incarnation that has ended is never promised by it, so it need not be made. */
#define PROPOSE(round, set) \
  :: d_step { \
       round <= highest + 1 && set <= EVERYBODY && proposals < PROPOSALS && up[me] && LOWEST(set) == me && ARE_ALIVE(set) && \
       NUMBER(round, me) > promised[me] && IS_QUORUM(me, set) -> \
       propose(me, round, set); \
       highest = (round > highest -> round : highest) \
     }
#define PROPOSE_ANY(round) \
  PROPOSE(round, 1) PROPOSE(round, 2) PROPOSE(round, 3) PROPOSE(round, 4) PROPOSE(round, 5) PROPOSE(round, 6) PROPOSE(round, 7) \
  PROPOSE(round, 8) PROPOSE(round, 9) PROPOSE(round, 10) PROPOSE(round, 11) PROPOSE(round, 12) PROPOSE(round, 13) PROPOSE(round, 14) PROPOSE(round, 15)

#ifdef BITE_LATE_COMMIT
#define MAY_TAKE(card, p) 1
#else
#define MAY_TAKE(card, p) (number[p] >= promised[card])
#endif
#define ANSWER(p) \
  :: d_step { \
       p < proposals && up[me] && IS_ONE_OF(p, me) && !HAS(promises[p], me) && number[p] > promised[me] && \
       IS_QUORUM(me, members[p]) && CONFIRMS_ALL(me, p) -> \
       promise(me, p) \
     } \
  :: d_step { \
       p < proposals && !decided[p] && up[me] && IS_ONE_OF(p, me) && LOWEST(members[p]) == me && promised[me] == number[p] && \
       promises[p] == members[p] -> \
       for (other : 0 .. proposals - 1) { \
         kept = !decided[other] || number[other] != number[p] || IS_SAME(other, p); \
         assert(equal_number_equal_members || kept) \
       } \
       other = 0; \
       decided[p] = true; \
       takeOver(me, p) \
     } \
  :: d_step { \
       p < proposals && decided[p] && up[me] && IS_ONE_OF(p, me) && view[me] != p + 1 && MAY_TAKE(me, p) -> \
       takeOver(me, p) \
     }

byte highest;             /* the highest round that anybody has proposed: whoever has heard all is above it */
hidden byte other;

proctype card(byte me) {
end:
  do
  PROPOSE_ANY(1)
  PROPOSE_ANY(2)
  PROPOSE_ANY(3)
#if PROPOSALS > 3
  PROPOSE_ANY(4)
#endif
#if PROPOSALS > 4
  PROPOSE_ANY(5)
#endif
  ANSWER(0)
  ANSWER(1)
  ANSWER(2)
#if PROPOSALS > 3
  ANSWER(3)
#endif
#if PROPOSALS > 4
  ANSWER(4)
#endif
  :: d_step {
       up[me] && restarts < RESTARTS ->
       restarts++;
       up[me] = false;
       view[me] = 0;
       for (other : 0 .. CARDS - 1) { RECEIPT(me, other) = 0 }
       other = 0
#ifdef WITNESS
       ; if :: lease == me + 1 -> lease = 0 :: else fi
#endif
#ifdef BITE_RESERVE
       ; promised[me] = 0
#endif
     }
  :: d_step {
       !up[me] ->
       up[me] = true;
       incarnation[me]++
     }
#define PROVE(of) \
  :: d_step { \
       CARDS % 2 == 0 && of < CARDS && up[me] && !up[of] && RECEIPT(me, of) == 0 -> \
       RECEIPT(me, of) = incarnation[of] + 1 \
     }
  PROVE(0)
  PROVE(1)
#if CARDS > 2
  PROVE(2)
#endif
#if CARDS > 3
  PROVE(3)
#endif
#ifdef WITNESS
  :: up[me] && lease == 0 -> lease = me + 1
  :: lease == me + 1 -> lease = 0
#endif
  od
}

init {
#ifdef ONLY
  d_step {
    equal_number_equal_members = 1;
    number_only_grows = 1;
    two_quorums_share_a_card = 1;
    promised_once = 1;
    ONLY = 0
  }
#endif
  d_step {
    for (other : 0 .. CARDS - 1) {
      up[other] = true
#ifndef COLD
      ; promised[other] = NUMBER(1, 0);
      taken[other] = NUMBER(1, 0);
      view[other] = 1
#endif
    }
#ifndef COLD
    number[0] = NUMBER(1, 0);
    members[0] = EVERYBODY;
    promises[0] = EVERYBODY;
    decided[0] = true;
    proposals = 1;
    highest = 1;
#endif
    other = 0
  }
  atomic {
    byte next = 0;
    do
    :: next < CARDS -> run card(next); next++
    :: else -> break
    od;
    next = 0
  }
}
