/*
 * Who may write where: of ranges that overlap the one that came first goes first, and the others wait for it. They are kept by
 * zones of 1 MiB, so finding those that overlap costs what is under way in two zones; wider ones are rare and in a list of their own.
 */
#ifndef CARDINAL_BLOCK_RANGES_H
#define CARDINAL_BLOCK_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#define RANGES_ZONES 1024
#define RANGES_ZONE_SHIFT 20

struct range;

struct range_link {
  struct range *range;
  struct range_link *next, **back;
};

struct range {
  uint64_t offset, end;
  void (*granted)(struct range *range);
  /* The table's. */
  uint64_t number;
  uint32_t blockers; /* earlier ones that overlap it */
  bool is_wide;
  struct range_link links[2], of_all;
  struct range *next_granted;
};

struct ranges {
  struct range_link *zones[RANGES_ZONES], *wide, *all;
  uint64_t count, waits;
};

void ranges_init(struct ranges *ranges);
/* Whether it is granted now; if not, `granted` is called when it is. */
bool range_take(struct ranges *ranges, struct range *range);
/* May grant others, from inside. */
void range_give(struct ranges *ranges, struct range *range);

#endif
