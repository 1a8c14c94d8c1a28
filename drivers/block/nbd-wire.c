#define _GNU_SOURCE
#include "nbd-wire.h"

#include <errno.h>
#include <string.h>

#define REQUEST_MAGIC 0x25609513u
#define SIMPLE_MAGIC 0x67446698u
#define CHUNK_MAGIC 0x668e33efu
#define CHUNK_DONE 1u
#define CHUNK_OFFSET_DATA 1u
#define CHUNK_OFFSET_HOLE 2u
#define CHUNK_ERROR 32769u

static uint16_t read16(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at) {
  return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static uint64_t read64(const uint8_t *at) {
  return (uint64_t)read32(at) << 32 | read32(at + 4);
}

static uint8_t *write16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
  return at + 2;
}

static uint8_t *write32(uint8_t *at, uint32_t value) {
  return write16(write16(at, value >> 16), value & 0xffff);
}

static uint8_t *write64(uint8_t *at, uint64_t value) {
  return write32(write32(at, (uint32_t)(value >> 32)), (uint32_t)value);
}

bool nbd_request_read(struct nbd_request *request, const uint8_t bytes[NBD_REQUEST_BYTES]) {
  if (read32(bytes) != REQUEST_MAGIC) return false;
  *request = (struct nbd_request){
      .flags = read16(bytes + 4),
      .type = read16(bytes + 6),
      .cookie = read64(bytes + 8),
      .offset = read64(bytes + 16),
      .length = read32(bytes + 24),
  };
  return true;
}

static int refuse(int error, const char *reason, const char **text) {
  *text = reason;
  return error;
}

static unsigned flags_allowed(const struct nbd_request *request, const struct nbd_bounds *bounds) {
  if (request->type == NBD_READ) return NBD_FUA | (bounds->structured ? NBD_DF : 0u);
  if (request->type == NBD_WRITE_ZEROES) return NBD_FUA | NBD_NO_HOLE | (bounds->fast_zero ? NBD_FAST_ZERO : 0u);
  return NBD_FUA;
}

static int judge_range(const struct nbd_request *request, const struct nbd_bounds *bounds, const char **text) {
  if (request->length == 0) return refuse(-EINVAL, "the length is 0", text);
  if (request->offset > bounds->size || request->length > bounds->size - request->offset) {
    bool writes = request->type == NBD_WRITE || request->type == NBD_WRITE_ZEROES;
    return refuse(writes ? -ENOSPC : -EINVAL, "the range goes beyond the end of the device", text);
  }
  if (((request->offset | request->length) & (bounds->block_bytes - 1)) != 0) {
    return refuse(-EINVAL, "offset and length must be multiples of the minimum block size", text);
  }
  return 0;
}

int nbd_judge(const struct nbd_request *request, const struct nbd_bounds *bounds, const char **text) {
  *text = NULL;
  switch (request->type) {
    case NBD_READ:
    case NBD_WRITE:
      if (request->length > bounds->length_max) return refuse(-EINVAL, "the length is above the maximum block size", text);
      break;
    case NBD_FLUSH:
      if ((request->flags & ~NBD_FUA) != 0) return refuse(-EINVAL, "the command does not take these flags", text);
      return 0;
    case NBD_TRIM:
      if (!bounds->can_discard) return refuse(-ENOTSUP, "the device cannot discard", text);
      break;
    case NBD_WRITE_ZEROES:
      if (!bounds->can_zero) return refuse(-ENOTSUP, "the device cannot write zeroes by itself", text);
      break;
    default:
      return refuse(-EINVAL, "the command is unknown", text);
  }
  if (request->type != NBD_READ && bounds->read_only) return refuse(-EPERM, "the export can only be read", text);
  unsigned flags = request->flags & ~flags_allowed(request, bounds);
  if (request->type == NBD_WRITE_ZEROES && flags == NBD_FAST_ZERO) {
    return refuse(-ENOTSUP, "zeroes may take as long as data would", text);
  }
  if (flags != 0) return refuse(-EINVAL, "the command does not take these flags", text);
  return judge_range(request, bounds, text);
}

uint32_t nbd_error(int error) {
  switch (error) {
    case 0:
      return 0;
    case -EPERM:
    case -EROFS:
    case -EACCES:
      return 1;
    case -ENOMEM:
      return 12;
    case -EINVAL:
      return 22;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
      return 28;
    case -EOVERFLOW:
      return 75;
    case -ENOTSUP:
      return 95;
    /* An older term: another card serves the device now, and the host is to go there. */
    case -ESTALE:
    case -ESHUTDOWN:
      return 108;
    default:
      return 5;
  }
}

uint32_t nbd_write_simple(uint8_t *head, uint64_t cookie, int error) {
  write64(write32(write32(head, SIMPLE_MAGIC), nbd_error(error)), cookie);
  return NBD_SIMPLE_BYTES;
}

static uint8_t *write_chunk(uint8_t *head, uint64_t cookie, uint32_t type, uint32_t length, bool last) {
  return write32(write64(write16(write16(write32(head, CHUNK_MAGIC), last ? CHUNK_DONE : 0), type), cookie), length);
}

uint32_t nbd_write_error(uint8_t head[NBD_HEAD_MAX], uint64_t cookie, int error, const char *text) {
  size_t length = text == NULL ? 0 : strnlen(text, NBD_TEXT_MAX);
  uint8_t *at = write_chunk(head, cookie, CHUNK_ERROR, 6 + (uint32_t)length, true);
  at = write16(write32(at, nbd_error(error)), (uint32_t)length);
  if (length > 0) memcpy(at, text, length);
  return NBD_CHUNK_BYTES + 6 + (uint32_t)length;
}

uint32_t nbd_write_data(uint8_t *head, uint64_t cookie, uint64_t offset, uint32_t length, bool last) {
  write64(write_chunk(head, cookie, CHUNK_OFFSET_DATA, 8 + length, last), offset);
  return NBD_CHUNK_BYTES + 8;
}

uint32_t nbd_write_hole(uint8_t *head, uint64_t cookie, uint64_t offset, uint32_t length, bool last) {
  write32(write64(write_chunk(head, cookie, CHUNK_OFFSET_HOLE, 12, last), offset), length);
  return NBD_CHUNK_BYTES + 12;
}

/* Data that is none usually shows in its first bytes. */
bool nbd_is_zero(const uint8_t *bytes, uint32_t length) {
  static const uint8_t zeroes[32];
  if (length < sizeof zeroes || memcmp(bytes, zeroes, sizeof zeroes) != 0) return false;
  return memcmp(bytes, bytes + sizeof zeroes, length - sizeof zeroes) == 0;
}
