#include "ranges.h"

#include <string.h>

void ranges_init(struct ranges *ranges) {
  memset(ranges, 0, sizeof *ranges);
}

static uint64_t zone_of(uint64_t offset) {
  return offset >> RANGES_ZONE_SHIFT;
}

static void add(struct range_link **list, struct range_link *link, struct range *range) {
  link->range = range;
  link->next = *list;
  link->back = list;
  if (link->next != NULL) link->next->back = &link->next;
  *list = link;
}

static void drop(struct range_link *link) {
  *link->back = link->next;
  if (link->next != NULL) link->next->back = link->back;
}

static bool overlap(const struct range *one, const struct range *other) {
  return one->offset < other->end && other->offset < one->end;
}

/* Two narrow ranges may meet in two zones: they count in the one in which what they share begins. */
static bool meet_in(const struct range *one, const struct range *other, uint64_t zone) {
  return overlap(one, other) && zone_of(one->offset > other->offset ? one->offset : other->offset) == zone;
}

/* Calls `each` once with each other range that overlaps. `next` is read before, so that `each` may drop the one it gets. */
static void visit(struct ranges *ranges, struct range *range, void (*each)(struct range *range, struct range *other)) {
  struct range_link *link, *next;
  if (range->is_wide) {
    for (link = ranges->all; link != NULL; link = next) {
      next = link->next;
      if (link->range != range && overlap(range, link->range)) each(range, link->range);
    }
    return;
  }
  for (link = ranges->wide; link != NULL; link = next) {
    next = link->next;
    if (overlap(range, link->range)) each(range, link->range);
  }
  for (uint64_t zone = zone_of(range->offset); zone <= zone_of(range->end - 1); zone++) {
    for (link = ranges->zones[zone % RANGES_ZONES]; link != NULL; link = next) {
      next = link->next;
      if (link->range != range && meet_in(range, link->range, zone)) each(range, link->range);
    }
  }
}

static void count_blocker(struct range *range, struct range *other) {
  (void)other;
  range->blockers++;
}

bool range_take(struct ranges *ranges, struct range *range) {
  range->number = ++ranges->count;
  range->blockers = 0;
  range->is_wide = range->end - range->offset > UINT64_C(1) << RANGES_ZONE_SHIFT;
  visit(ranges, range, count_blocker);
  add(&ranges->all, &range->of_all, range);
  if (range->is_wide) {
    add(&ranges->wide, &range->links[0], range);
  } else {
    uint64_t first = zone_of(range->offset), last = zone_of(range->end - 1);
    add(&ranges->zones[first % RANGES_ZONES], &range->links[0], range);
    if (last != first) add(&ranges->zones[last % RANGES_ZONES], &range->links[1], range);
  }
  if (range->blockers > 0) ranges->waits++;
  return range->blockers == 0;
}

/* Who is granted may take and give ranges at once, so they are collected first. */
static void unblock(struct range *range, struct range *other) {
  if (other->number < range->number || --other->blockers > 0) return;
  other->next_granted = range->next_granted;
  range->next_granted = other;
}

void range_give(struct ranges *ranges, struct range *range) {
  bool is_in_two = !range->is_wide && zone_of(range->offset) != zone_of(range->end - 1);
  drop(&range->of_all);
  drop(&range->links[0]);
  if (is_in_two) drop(&range->links[1]);
  range->next_granted = NULL;
  visit(ranges, range, unblock);
  struct range *granted = range->next_granted;
  while (granted != NULL) {
    struct range *next = granted->next_granted;
    granted->granted(granted);
    granted = next;
  }
}
