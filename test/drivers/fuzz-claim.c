/* Feeds arbitrary frames to the parser of claims: it reads no byte outside of them, and what it finds stands in them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../drivers/net/claim.h"

static void require(int holds) {
  if (!holds) abort();
}

static int has_run(const uint8_t *bytes, size_t length, const uint8_t *run, size_t run_bytes) {
  for (size_t at = 0; at + run_bytes <= length; at++) {
    if (memcmp(bytes + at, run, run_bytes) == 0) return 1;
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  /* A copy of the very length, so that reading beyond it is seen. */
  uint8_t *frame = malloc(length == 0 ? 1 : length);
  require(frame != NULL);
  if (length > 0) memcpy(frame, bytes, length);
  struct claim claim;
  if (claim_parse(&claim, frame, length)) {
    require(claim.address.family == AF_INET || claim.address.family == AF_INET6);
    require(has_run(frame, length, claim.address.bytes, claim.address.family == AF_INET ? 4 : 16));
    require(has_run(frame, length, claim.mac, NET_MAC_BYTES));
  }
  free(frame);
  return 0;
}
