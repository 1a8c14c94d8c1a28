#include "frame.h"

#include "bytes.h"
#include "crc32c.h"

static const uint32_t magic = 0x31464d43; /* "CMF1" */

enum place { MAGIC = 0, KIND = 4, FLAGS = 5, ERROR = 6, LENGTH = 8, PAYLOAD = 12, OFFSET = 16, SEQUENCE = 24, TERM = 32, SETTLED = 40,
             PAYLOAD_CRC = 48, HEADER_CRC = 60 };

void frame_write(const struct frame *frame, uint8_t header[FRAME_HEADER_BYTES]) {
  memset(header, 0, FRAME_HEADER_BYTES);
  put_u32(header + MAGIC, magic);
  header[KIND] = frame->kind;
  header[FLAGS] = frame->flags;
  put_u16(header + ERROR, frame->error);
  put_u32(header + LENGTH, frame->length);
  put_u32(header + PAYLOAD, frame->payload);
  put_u64(header + OFFSET, frame->offset);
  put_u64(header + SEQUENCE, frame->sequence);
  put_u64(header + TERM, frame->term);
  put_u64(header + SETTLED, frame->settled);
  put_u32(header + PAYLOAD_CRC, frame->payload_crc);
  put_u32(header + HEADER_CRC, crc32c(0, header, HEADER_CRC));
}

static bool is_kind(uint8_t kind) {
  uint8_t base = kind & (uint8_t)~FRAME_REPLY;
  return kind == FRAME_RECEIVED || (base >= FRAME_READ && base <= FRAME_PING);
}

/* Data goes with a write and its length is the range's; with the replies that carry some; with nothing else. */
static bool is_payload_right(const struct frame *frame) {
  switch (frame->kind) {
    case FRAME_WRITE:
      return frame->payload == frame->length && frame->payload > 0;
    case FRAME_REPLY | FRAME_READ:
      return frame->payload == (frame->error == 0 ? frame->length : 0);
    case FRAME_REPLY | FRAME_HASH:
    case FRAME_REPLY | FRAME_BITMAP:
      return frame->error == 0 || frame->payload == 0;
    default:
      return frame->payload == 0;
  }
}

bool frame_read(struct frame *frame, const uint8_t header[FRAME_HEADER_BYTES]) {
  if (get_u32(header + MAGIC) != magic || get_u32(header + HEADER_CRC) != crc32c(0, header, HEADER_CRC)) return false;
  *frame = (struct frame){
      .kind = header[KIND],
      .flags = header[FLAGS],
      .error = get_u16(header + ERROR),
      .length = get_u32(header + LENGTH),
      .payload = get_u32(header + PAYLOAD),
      .offset = get_u64(header + OFFSET),
      .sequence = get_u64(header + SEQUENCE),
      .term = get_u64(header + TERM),
      .settled = get_u64(header + SETTLED),
      .payload_crc = get_u32(header + PAYLOAD_CRC),
  };
  return is_kind(frame->kind) && frame->payload <= FRAME_PAYLOAD_MAX && is_payload_right(frame) &&
         frame->offset <= UINT64_MAX - frame->length;
}
