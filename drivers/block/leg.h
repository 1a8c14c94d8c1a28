/*
 * One copy of a device on its backing, with superblock, activity log and bitmaps at the backing's end: MIRROR.md tells what they
 * are and why a crash at any instant leaves them right. A leg is a target for those who write to it alone (a backup's peer, or an
 * unmirrored device); a mirror enters extents itself and writes to the backing.
 */
#ifndef CARDINAL_BLOCK_LEG_H
#define CARDINAL_BLOCK_LEG_H

#include "activity.h"
#include "bitmap.h"
#include "superblock.h"
#include "target.h"

/* A range whose extents are made hot, and kept so until leg_leave(). */
struct leg_entry {
  uint64_t offset;
  uint32_t length;
  void (*entered)(struct leg_entry *entry, int error);
  /* The leg's. */
  uint32_t next_extent, end_extent;
  uint64_t since;
  struct leg_entry *next;
};

/* Something durable that is done one after the other. */
struct leg_work {
  void (*done)(struct leg_work *work, int error);
  /* The leg's. */
  void (*run)(struct leg_work *work);
  struct leg *leg;
  struct leg_work *next;
};

struct leg_record {
  struct leg_work work;
  uint64_t term;
  uint32_t bitmaps, missing, fill, state_bytes;
  uint8_t state[SUPERBLOCK_STATE_MAX];
};

enum leg_bitmap_action { LEG_BITMAP_NONE, LEG_BITMAP_FILL, LEG_BITMAP_CLEAR, LEG_BITMAP_SUSPECT, LEG_BITMAP_CLOSE };

struct leg_change {
  struct leg_work work;
  enum leg_bitmap_action action;
  uint32_t bitmaps;
};

struct leg_counters {
  uint64_t log_blocks, bitmap_blocks, superblocks, entries, waits, evictions;
};

/* A range that a peer wrote and that was not settled when its connection ended. */
struct leg_left {
  uint64_t offset;
  uint32_t length;
  struct leg_left *next;
};

struct leg_flush {
  void (*done)(struct leg_flush *flush, int error);
  bool all;              /* also bits that are clear, and of all extents: else those of `extents` that lack a bit */
  const uint32_t *extents;
  uint32_t extent_count;
  struct leg_flush *next;
};

#define LEG_FLUSH_IOS 8

/* A block of a bitmap on its way to the disk: a copy, for bits go on changing. */
struct leg_flush_io {
  struct block_request request;
  uint8_t *block;
  bool is_busy;
};

struct leg {
  struct block_target target;
  struct block_target *backing;
  struct superblock superblock;
  struct bitmap bitmaps[LEG_PEERS_MAX];
  struct activity activity;
  /*
   * Requests through the target stay entered until whoever submitted them leaves: a backup's, until they are settled. A mirror
   * over the leg ends that: what may differ has become bits before, by LEG_BITMAP_SUSPECT.
   */
  bool keeps_entries;
  bool is_broken;
  uint32_t hot_at_open;
  struct leg_left *left;
  struct leg_counters counters;

  struct leg_entry *crowded, **crowded_last;   /* wait for room in the log, the first of them with a part of its extents */
  struct leg_entry *wanting, **wanting_last;   /* wait for a block of the log */
  struct reactor_task log_task, crowd_task, work_task, close_task;
  bool is_logging;
  uint64_t log_sequence;
  uint32_t evicted[ACTIVITY_HOT_MAX], evicted_count;
  struct leg_flush evicted_flush;
  struct block_request log_request;
  uint8_t *log_block;
  struct leg_flush *flushes, **flushes_last;
  uint32_t flush_bitmap, flush_under_way;
  uint64_t flush_at;
  int flush_error;
  struct leg_flush_io flush_ios[LEG_FLUSH_IOS];
  struct leg_work *works, **works_last;
  struct leg_flush work_flush;
  struct block_request work_request;
  uint8_t *work_block;
  int work_step;
  uint8_t *memory;                             /* of all blocks above */
  struct leg_job *free_jobs;
  uint32_t jobs_under_way;
  uint32_t users;                              /* mirrors and sessions: it is not closed before them */
  void (*closed)(void *context);
  void *closed_context;
};

struct leg_format {
  struct block_target *backing;
  struct superblock superblock;   /* size 0: as large as there is room */
  void (*done)(struct leg_format *format, int error);
  /* Its own. */
  struct block_request request;
  uint8_t *buffer;
  uint64_t at;
  int step;
};

/* Writes the metadata of a leg that never was: bitmaps in use with all bits set, an empty log. */
void leg_format(struct leg_format *format);

struct leg_opening {
  struct block_target *backing;
  uint64_t end;              /* of the metadata; 0: the backing's */
  uint32_t hot_max;          /* of the log; 0: as many as it has room for. The same for all legs of a device */
  /* 0, -ENODATA when there is no superblock, -errno. The leg is there when it is 0. */
  void (*done)(struct leg_opening *opening, struct leg *leg, int error);
  /* Its own. */
  struct leg *leg;
  struct block_request request;
  uint8_t *buffer;
  struct superblock found;
  uint32_t hot[ACTIVITY_HOT_MAX], hot_count;
  uint64_t log_sequence;
  int step;
  uint64_t at;
  struct leg_flush flush;
};

/* Reads the metadata; what a log that was not closed has as hot becomes bits of all bitmaps in use, durably. */
void leg_open(struct leg_opening *opening);

/* Sets the bits of a range, whose extents are hot, in some of the bitmaps in use. */
void leg_mark(struct leg *leg, uint32_t bitmaps, uint64_t offset, uint32_t length);
/* The leg that a target is, or NULL. */
struct leg *leg_of(struct block_target *target);
void leg_use(struct leg *leg);
void leg_leave_alone(struct leg *leg);
/* Whether the log is long enough for a range of this length. */
bool leg_fits(const struct leg *leg, uint32_t length);
/* Whether the range is hot now. If not, `entered` will be called; with an error nothing is entered. */
bool leg_enter(struct leg *leg, struct leg_entry *entry);
void leg_leave(struct leg *leg, uint64_t offset, uint32_t length);
/* Keeps a range entered until leg_forget(), or until a change of the kind SUSPECT is durable. */
void leg_keep(struct leg *leg, uint64_t offset, uint32_t length);
void leg_forget(struct leg *leg);

void leg_record(struct leg *leg, struct leg_record *record);
void leg_change(struct leg *leg, struct leg_change *change);
/* Writes the blocks of bitmaps that the disk lacks. */
void leg_flush_bitmaps(struct leg *leg, struct leg_flush *flush);

#endif
