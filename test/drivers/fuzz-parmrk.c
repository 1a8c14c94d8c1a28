/*
 * Feeds the parser of a tty's marks: whatever the bytes are and however they are split, it must write no more than
 * it was given, and the splits must make no difference.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/uart/parmrk.h"

static void require(int holds) {
  if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  uint8_t *whole = malloc(length + 1), *pieces = malloc(length + 1);
  require(whole != NULL && pieces != NULL);
  struct parmrk one = {0}, other = {0};
  size_t whole_count = parmrk_parse(&one, bytes, length, whole);
  require(whole_count <= length);
  size_t piece_count = 0;
  /* The bytes themselves say how they are split; each piece is parsed in place. */
  for (size_t at = 0; at < length;) {
    size_t piece = 1 + bytes[at] % 7;
    if (piece > length - at) piece = length - at;
    memcpy(pieces + piece_count, bytes + at, piece);
    piece_count += parmrk_parse(&other, pieces + piece_count, piece, pieces + piece_count);
    at += piece;
  }
  require(piece_count == whole_count && memcmp(whole, pieces, whole_count) == 0);
  require(one.state == other.state && one.breaks == other.breaks && one.errors == other.errors);
  free(whole);
  free(pieces);
  return 0;
}
