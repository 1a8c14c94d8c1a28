/* Requests and replies of NBD's transmission phase as bytes, and what is judged of a request before it reaches a device. */
#ifndef CARDINAL_NBD_WIRE_H
#define CARDINAL_NBD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_REQUEST_BYTES 28u
#define NBD_SIMPLE_BYTES 16u
#define NBD_CHUNK_BYTES 20u
/* The longest head of a reply: an error chunk with its text. */
#define NBD_TEXT_MAX 90u
#define NBD_HEAD_MAX (NBD_CHUNK_BYTES + 6u + NBD_TEXT_MAX)

enum nbd_type { NBD_READ = 0, NBD_WRITE = 1, NBD_DISC = 2, NBD_FLUSH = 3, NBD_TRIM = 4, NBD_WRITE_ZEROES = 6 };
enum nbd_flag { NBD_FUA = 1, NBD_NO_HOLE = 2, NBD_DF = 4, NBD_FAST_ZERO = 16 };

struct nbd_request {
  uint16_t flags, type;
  uint64_t cookie, offset;
  uint32_t length;
};

/* False when it is none. */
bool nbd_request_read(struct nbd_request *request, const uint8_t bytes[NBD_REQUEST_BYTES]);

/* What a session may do. */
struct nbd_bounds {
  uint64_t size;
  uint32_t block_bytes;
  uint32_t length_max;
  bool structured, read_only, can_discard, can_zero, fast_zero;
};

/* 0, or -errno with the reason. Not of DISC. */
int nbd_judge(const struct nbd_request *request, const struct nbd_bounds *bounds, const char **text);

/* The protocol's own number for an error of a target. */
uint32_t nbd_error(int error);

/* Each writes a head and returns its length. */
uint32_t nbd_write_simple(uint8_t *head, uint64_t cookie, int error);
/* With a text, which may be NULL. The last chunk of the reply. */
uint32_t nbd_write_error(uint8_t head[NBD_HEAD_MAX], uint64_t cookie, int error, const char *text);
/* To be followed by `length` bytes of data. */
uint32_t nbd_write_data(uint8_t *head, uint64_t cookie, uint64_t offset, uint32_t length, bool last);
uint32_t nbd_write_hole(uint8_t *head, uint64_t cookie, uint64_t offset, uint32_t length, bool last);

bool nbd_is_zero(const uint8_t *bytes, uint32_t length);

#endif
