/* Frames between a mirror and its backups, as MIRROR.md lays them out: headers written and read, nothing else. */
#ifndef CARDINAL_BLOCK_FRAME_H
#define CARDINAL_BLOCK_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 64
#define FRAME_PAYLOAD_MAX (1024u * 1024)

enum frame_kind {
  FRAME_READ = 1,
  FRAME_WRITE = 2,
  FRAME_FLUSH = 3,
  FRAME_DISCARD = 4,
  FRAME_ZERO = 5,
  FRAME_HASH = 6,
  FRAME_BITMAP = 7,
  FRAME_PING = 8,
  FRAME_REPLY = 64, /* set in a reply's kind */
  FRAME_RECEIVED = 128,
};

enum frame_flag { FRAME_FUA = 1, FRAME_NO_HOLE = 2, FRAME_RECEIPT = 4, FRAME_RESYNC = 8 };

struct frame {
  uint8_t kind, flags;
  uint16_t error; /* of a reply: 0 or the error number; of FRAME_BITMAP: the bitmap's number */
  uint32_t length, payload;
  uint64_t offset, sequence, term, settled;
  uint32_t payload_crc;
};

void frame_write(const struct frame *frame, uint8_t header[FRAME_HEADER_BYTES]);
/* Whether it is a header, and one whose kind, payload and length can be. */
bool frame_read(struct frame *frame, const uint8_t header[FRAME_HEADER_BYTES]);

#endif
